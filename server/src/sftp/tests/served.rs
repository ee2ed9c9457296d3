//! A channel as a stream of bytes.

use std::sync::Arc;

use bytes::BytesMut;
use ferry_shared::{
    limits::BLOCK_LEN,
    sftp::{Attributes, Hello, OpenFlags, Packet, Reply, Request, Status},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
};

use super::peer::{Peer, bytes, figures, on_disk};
use crate::{
    command::tests::harness::{World, data},
    gate::Gate,
    sftp::serve,
    visit::Visit,
};

const MIB: u64 = BLOCK_LEN as u64;

struct Client {
    stream: DuplexStream,
    buffer: BytesMut,
    last: u32,
    served: JoinHandle<()>,
}

impl Client {
    async fn new(world: &World) -> Self {
        let session = world.session();
        let gate = Gate::new(world.context.users.clone(), Arc::clone(&session)).unwrap();
        let peer = "127.0.0.1:1".parse().unwrap();
        let visit = Visit { context: Arc::clone(&world.context), session, gate, peer };
        let (stream, theirs) = duplex(64 << 10);
        let served = tokio::spawn(serve(visit, theirs));
        let mut client = Self { stream, buffer: BytesMut::new(), last: 0, served };
        let mut out = Vec::new();
        Hello::with(&[]).put_init(&mut out).unwrap();
        client.stream.write_all(&out).await.unwrap();
        assert!(client.packet().await.is_some());
        client
    }

    async fn packet(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = Packet::take(&mut self.buffer).unwrap() {
                return Some(packet);
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn send(&mut self, request: Request) {
        self.last += 1;
        let mut out = Vec::new();
        request.put(&mut out, self.last).unwrap();
        self.stream.write_all(&out).await.unwrap();
    }

    async fn ask(&mut self, request: Request) -> Option<Reply> {
        self.send(request).await;
        let (id, reply) = Reply::decode(self.packet().await?).unwrap();
        assert_eq!(id, self.last);
        Some(reply)
    }

    async fn upload(&mut self, path: &str, data: &[u8]) -> bytes::Bytes {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let open = Request::Open { path: bytes(path), flags, attributes: Attributes::default() };
        let Some(Reply::Handle(handle)) = self.ask(open).await else { panic!() };
        for (index, piece) in data.chunks(super::peer::PIECE).enumerate() {
            let offset = (index * super::peer::PIECE) as u64;
            let write = Request::Write { handle: handle.clone(), offset, data: piece.to_vec().into() };
            assert!(is_ok(self.ask(write).await.as_ref()));
        }
        handle
    }
}

fn is_ok(reply: Option<&Reply>) -> bool {
    matches!(reply, Some(Reply::Status { status: Status::Ok, .. }))
}

#[tokio::test]
async fn a_file_arrives_through_a_stream_and_the_channel_ends_with_it() {
    let world = World::new(40 * MIB);
    let mut client = Client::new(&world).await;
    let content = data(3 * BLOCK_LEN + 5, 1);
    let handle = client.upload("f", &content).await;
    assert!(is_ok(client.ask(Request::Close { handle }).await.as_ref()));
    assert_eq!(on_disk(&world, "f"), Some(content));
    client.stream.shutdown().await.unwrap();
    assert!(client.packet().await.is_none());
    client.served.await.unwrap();
}

#[tokio::test]
async fn an_upload_is_parked_by_the_time_its_channel_has_ended() {
    let world = World::new(40 * MIB);
    let mut client = Client::new(&world).await;
    client.upload("f", &data(2 * BLOCK_LEN + 1, 1)).await;
    let Client { stream, served, .. } = client;
    drop(stream);
    served.await.unwrap();
    assert_eq!(Peer::new(&world).shown("f"), Ok((2 * MIB, 0)));
    assert_eq!(figures(&world), (0, 2 * MIB + 1));
}

#[tokio::test]
async fn a_client_that_closes_its_file_and_leaves_at_once_has_stored_it() {
    let world = World::new(40 * MIB);
    let mut client = Client::new(&world).await;
    let content = data(6 * BLOCK_LEN + 5, 1);
    // In an order that lets the server digest it only at the end.
    let (head, tail) = content.split_at(5);
    let handle = client.upload("f", &[&[0; 5], tail].concat()).await;
    let write = Request::Write { handle: handle.clone(), offset: 0, data: bytes::Bytes::copy_from_slice(head) };
    assert!(is_ok(client.ask(write).await.as_ref()));
    client.send(Request::Close { handle }).await;
    client.send(Request::Rename { from: bytes("f"), to: bytes("g") }).await;
    let Client { mut stream, served, .. } = client;
    stream.shutdown().await.unwrap();
    served.await.unwrap();
    assert_eq!((on_disk(&world, "g"), on_disk(&world, "f")), (Some(content), None));
    assert_eq!(figures(&world), (6 * MIB + 5, 0));
}

#[tokio::test]
async fn an_account_that_is_removed_ends_the_channel_at_once_and_parks() {
    let world = World::new(40 * MIB);
    let mut client = Client::new(&world).await;
    client.upload("f", &data(2 * BLOCK_LEN + 1, 1)).await;
    world.remove_user();
    assert!(client.packet().await.is_none());
    client.served.await.unwrap();
    let staging = std::fs::read_dir(world.home().with_file_name("staging")).unwrap();
    assert_eq!((staging.count(), on_disk(&world, "f")), (2, None));
}

#[tokio::test]
async fn a_draining_server_lets_open_files_be_finished() {
    let world = World::new(40 * MIB);
    let (mut client, mut idle) = (Client::new(&world).await, Client::new(&world).await);
    let handle = client.upload("f", b"text").await;
    world.context.drain.cancel();
    assert!(idle.packet().await.is_none());
    assert!(is_ok(client.ask(Request::Close { handle }).await.as_ref()));
    assert!(client.packet().await.is_none());
    assert_eq!(on_disk(&world, "f").unwrap(), b"text");
}

#[tokio::test]
async fn bytes_that_are_not_sftp_end_the_channel() {
    let world = World::new(40 * MIB);
    for garbage in [&[0xff; 64][..], &[0, 0, 0, 1, 1]] {
        let mut client = Client::new(&world).await;
        client.stream.write_all(garbage).await.unwrap();
        assert!(client.packet().await.is_none());
        client.served.await.unwrap();
    }
}
