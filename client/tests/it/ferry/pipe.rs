//! Transfers from one server to another through the client.

use std::sync::Arc;

use ferry_client::{
    ClientError,
    site::{End, Get, Over, Put, Session, Stored},
};
use ferry_shared::{digest::Digest, limits::BLOCK_LEN};
use tokio::sync::mpsc;

use super::{Told, data, get, put, session};
use crate::transfer::memory_server::Server;

/// Connects the reader of one server to the writer of the other.
async fn pipe(
    from: &mut dyn Session,
    to: &mut dyn Session,
    over: Over,
    told: &Arc<Told>,
) -> (Result<End, ClientError>, Result<Stored, ClientError>) {
    let (pieces, taken) = mpsc::channel(2);
    let (holds, holding) = mpsc::channel(2);
    let get = Get { opened_first: true, ..get("from") };
    let put = Put { over, ..put("to") };
    tokio::join!(from.get(get, holding, pieces, told.clone()), to.put(put, taken, holds, told.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_blocks_that_the_target_does_not_have_are_sent() {
    let (one, two) = (Server::start().await, Server::start().await);
    let (mut from, mut to) = (session(one.connector()).await, session(two.connector()).await);
    for length in [0, 7, BLOCK_LEN, 2 * BLOCK_LEN, 40 * BLOCK_LEN + 5] {
        let file = data(length, 1);
        let mut old = file.clone();
        let changed: Vec<usize> = (0..length.div_ceil(BLOCK_LEN)).filter(|index| index % 3 == 1).collect();
        changed.iter().for_each(|index| old[index * BLOCK_LEN] ^= 1);
        one.state().put("from", &file);
        two.state().put("to", &old);
        let (before, sent) = (one.state().blocks_out, two.state().blocks_in);
        let told = Arc::new(Told::default());
        let (end, stored) = pipe(&mut *from, &mut *to, Over::Anything, &told).await;
        let (end, stored) = (end.unwrap(), stored.unwrap());
        assert!(two.state().bytes("to") == file, "{length}");
        assert_eq!((stored.root, end.root, end.size), (Some(end.root), Digest::of(&file), length as u64));
        let blocks = if length > BLOCK_LEN { changed.len() } else { length.div_ceil(BLOCK_LEN) };
        assert_eq!((one.state().blocks_out - before, two.state().blocks_in - sent), (blocks, blocks), "{length}");
        assert_eq!(told.bytes(), (end.transferred, end.reused));
        assert_eq!(end.transferred + end.reused, length as u64);
        assert!(from.is_usable() && to.is_usable());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_target_ends_both_sides() {
    let (one, two) = (Server::start().await, Server::start().await);
    one.state().put("from", &data(9 * BLOCK_LEN, 1));
    two.state().put("to", b"there");
    let (mut from, mut to) = (session(one.connector()).await, session(two.connector()).await);
    let (read, stored) = pipe(&mut *from, &mut *to, Over::Nothing, &Arc::default()).await;
    assert!(matches!(read, Err(ClientError::Cancelled)));
    assert!(matches!(stored, Err(ClientError::Refused(_))) && to.is_usable());
    assert_eq!(two.state().bytes("to"), b"there");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_source_is_not_stored_and_resumes() {
    let (one, two) = (Server::start().await, Server::start().await);
    let file = data(9 * BLOCK_LEN, 1);
    one.state().put("from", &file);
    one.state().cut_after = Some(6);
    let (mut from, mut to) = (session(one.connector()).await, session(two.connector()).await);
    let (read, stored) = pipe(&mut *from, &mut *to, Over::Nothing, &Arc::default()).await;
    assert!(matches!(read, Err(ClientError::Lost(_))) && matches!(stored, Err(ClientError::Cancelled)));
    assert!(two.state().files.is_empty());
    let (mut from, mut to) = (session(one.connector()).await, session(two.connector()).await);
    let (read, stored) = pipe(&mut *from, &mut *to, Over::Nothing, &Arc::default()).await;
    assert!(read.unwrap().reused > 0 && stored.is_ok() && two.state().bytes("to") == file);
}
