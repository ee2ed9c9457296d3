//! Streams from standard input and to standard output.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use ferry_client::{
    ClientError,
    transfer::{ConflictRule, Job, JobOptions, Outcome, Summary, Work},
};
use ferry_shared::limits::BLOCK_LEN;

use super::{Rig, bytes, memory_server::LARGE, remote};

#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn send(rig: &mut Rig, content: Vec<u8>, conflict: ConflictRule) -> Summary {
    let work = Work::FromStream { from: Box::new(io::Cursor::new(content)), to: rig.site(), path: remote("x").into() };
    rig.engine.add(Job { work, options: JobOptions { conflict, ..JobOptions::default() } });
    rig.job_done().await
}

async fn fetch(rig: &mut Rig) -> (Summary, Vec<u8>) {
    let out = Out::default();
    let work = Work::ToStream { from: rig.site(), path: remote("x").into(), to: Box::new(out.clone()) };
    rig.engine.add(Job { work, options: JobOptions::default() });
    let summary = rig.job_done().await;
    let bytes = out.0.lock().unwrap().clone();
    (summary, bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_any_length_arrive_both_ways() {
    let mut rig = Rig::new().await;
    for size in [0, 1, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, 2 * BLOCK_LEN, LARGE] {
        let content = bytes(size, size);
        let summary = send(&mut rig, content.clone(), ConflictRule::Replace).await;
        assert_eq!((summary.files, summary.bytes), (1, size as u64));
        assert!(rig.server.state().bytes("x") == content, "{size} up");
        let (summary, found) = fetch(&mut rig).await;
        assert_eq!((summary.files, summary.bytes), (1, size as u64));
        assert!(found == content, "{size} down");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_detected_before_a_stream_is_read() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", b"old");
    assert_eq!(send(&mut rig, bytes(LARGE, 0), ConflictRule::Fail).await.failed, 1);
    assert_eq!(send(&mut rig, bytes(LARGE, 0), ConflictRule::Skip).await.skipped, 1);
    assert_eq!(rig.server.state().blocks_in, 0);
    assert_eq!(send(&mut rig, bytes(LARGE, 0), ConflictRule::KeepBoth).await.files, 1);
    assert!(rig.server.state().bytes("x (2)") == bytes(LARGE, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_upload_of_a_stream_fails_because_it_cannot_be_read_again() {
    let mut rig = Rig::new().await;
    rig.server.state().cut_after = Some(2);
    assert_eq!(send(&mut rig, bytes(LARGE, 0), ConflictRule::Fail).await.failed, 1);
    assert!(matches!(&rig.outcomes()["x"], Outcome::Failed(failure) if !failure.retryable));
    assert!(rig.server.state().files.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_download_to_a_stream_resumes() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(LARGE, 0));
    rig.server.state().cut_after = Some(3);
    let (summary, found) = fetch(&mut rig).await;
    assert_eq!((summary.files, summary.failed), (1, 0));
    assert!(found == bytes(LARGE, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_to_a_stream_of_a_file_that_shrank_is_reported_as_incomplete() {
    for shorter in [0, 1, BLOCK_LEN, 2 * BLOCK_LEN, 2 * BLOCK_LEN + 7] {
        let mut rig = Rig::new().await;
        rig.server.state().put("x", &bytes(LARGE, 0));
        rig.server.state().cut_after = Some(4);
        rig.server.state().when_cut = Some(("x", bytes(LARGE, 0)[..shorter].to_vec()));
        let (summary, _) = fetch(&mut rig).await;
        assert_eq!(summary.failed, 1, "{shorter} bytes");
        let outcomes = rig.outcomes();
        let [Outcome::Failed(failure)] = &outcomes.values().collect::<Vec<_>>()[..] else { panic!("{outcomes:?}") };
        assert!(matches!(failure.error, ClientError::SourceChanged), "{shorter} bytes: {:?}", failure.error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_sent_only_as_a_sign_of_life_are_not_written_twice() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(LARGE, 0));
    rig.server.state().chatty = true;
    rig.server.state().cut_after = Some(3);
    let (summary, found) = fetch(&mut rig).await;
    assert_eq!((summary.files, summary.failed), (1, 0));
    assert!(found == bytes(LARGE, 0));
    rig.server.state().cut_after = Some(3);
    assert_eq!(rig.downloaded("x", "y", JobOptions::default()).await.files, 1);
    assert!(std::fs::read(rig.local("y")).unwrap() == bytes(LARGE, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_to_a_stream_with_a_wrong_digest_is_reported() {
    let mut rig = Rig::new().await;
    rig.server.state().put("x", &bytes(LARGE, 0));
    rig.server.state().damage = Some(5);
    let (summary, _) = fetch(&mut rig).await;
    assert_eq!(summary.failed, 1);
    let outcomes = rig.outcomes();
    let Outcome::Failed(failure) = &outcomes["x"] else { panic!("not failed") };
    assert!(matches!(failure.error, ClientError::Mismatch { .. }) && !failure.retryable);
}
