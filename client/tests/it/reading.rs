//! The blocks of a file arrive one by one and are verified at the end.

use ferry_client::{ClientError, Remote};
use ferry_shared::{
    digest::Digest,
    entry::{Mtime, Version},
    frame::Frame,
    limits::BLOCK_LEN,
    message::{Reply, Request, reply::Usage, request::BlockRange},
    path::RemotePath,
    refusal::Code,
};

use crate::fake::{Fake, Peer};

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from(i / 5 % 251).unwrap()).collect()
}

fn version() -> Version {
    Version("1".into())
}

fn opened(size: usize) -> Reply {
    Reply::Opened { size: size as u64, mtime: Mtime(0, 0), mode: 0o644, version: version() }
}

fn sent(root: Option<Digest>) -> Reply {
    Reply::Sent { root, version: version() }
}

/// Receives a complete `Get` and returns its range.
async fn get(peer: &mut Peer) -> Option<Option<BlockRange>> {
    let Request::Get { blocks, .. } = peer.request().await? else { panic!("not a get") };
    assert!(matches!(peer.frame().await?, Frame::Have { digests, .. } if digests.is_empty()));
    Some(blocks)
}

async fn read(remote: &Remote, range: Option<BlockRange>) -> Result<Vec<u8>, ClientError> {
    let mut blocks = remote.read_blocks(RemotePath::home(), range).await?;
    let mut out = Vec::new();
    while let Some(block) = blocks.next().await {
        out.extend_from_slice(&block?);
    }
    assert!(blocks.next().await.is_none());
    Ok(out)
}

/// A server that sends a file of each of `sizes` in turn, with the digest of the declared content.
async fn serving(files: Vec<(Vec<u8>, Option<Digest>)>) -> Fake {
    Fake::start(move |mut peer| {
        let files = files.clone();
        async move {
            peer.let_in().await?;
            for (data, root) in files {
                get(&mut peer).await?;
                peer.send(opened(data.len())).await;
                for (index, block) in data.chunks(BLOCK_LEN).enumerate() {
                    let zeros = block.iter().all(|b| *b == 0);
                    peer.block(index as u64, if zeros { &[] } else { block }).await;
                }
                peer.send(sent(root)).await;
            }
            peer.answer(Reply::Usage(Usage::default())).await?;
            peer.frame().await.map(|_| ())
        }
    })
    .await
}

#[tokio::test]
async fn whole_files_arrive_unchanged() {
    let mut sparse = data(3 * BLOCK_LEN + 9);
    sparse[BLOCK_LEN..2 * BLOCK_LEN].fill(0);
    let files = [data(0), data(1), data(BLOCK_LEN), sparse];
    let fake = serving(files.iter().map(|data| (data.clone(), Some(Digest::of(data)))).collect()).await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    for file in files {
        assert!(read(&remote, None).await.unwrap() == file, "{} bytes", file.len());
    }
    remote.usage().await.unwrap();
}

#[tokio::test]
async fn a_file_with_another_digest_than_declared_is_a_mismatch() {
    let expected = Digest::of(b"something else");
    let files = [data(0), data(5), data(2 * BLOCK_LEN)];
    let fake = serving(files.iter().map(|data| (data.clone(), Some(expected))).collect()).await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    for file in files {
        match read(&remote, None).await {
            Err(ClientError::Mismatch { expected: e, found }) => assert_eq!((e, found), (expected, Digest::of(&file))),
            other => panic!("{other:?}"),
        }
    }
    remote.usage().await.unwrap();
}

#[tokio::test]
async fn a_whole_file_without_a_digest_violates_the_protocol() {
    let fake = serving(vec![(data(5), None)]).await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    assert!(matches!(read(&remote, None).await, Err(ClientError::Protocol(_))));
}

#[tokio::test]
async fn a_range_has_no_digest() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        assert_eq!(get(&mut peer).await?, Some(BlockRange { first: 1, count: 1 }));
        peer.send(opened(2 * BLOCK_LEN + 5)).await;
        peer.block(1, &data(BLOCK_LEN)).await;
        peer.send(sent(None)).await;
        peer.frame().await.map(|_| ())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let bytes = read(&remote, Some(BlockRange { first: 1, count: 1 })).await.unwrap();
    assert!(bytes == data(BLOCK_LEN));
}

#[tokio::test]
async fn blocks_out_of_order_too_many_or_of_a_wrong_length_violate_the_protocol() {
    let cases: [&[(u64, usize)]; 5] = [
        &[(1, 5)],
        &[(0, BLOCK_LEN), (0, BLOCK_LEN)],
        &[(0, BLOCK_LEN - 1)],
        &[(0, BLOCK_LEN)],
        &[(0, BLOCK_LEN), (1, 6)],
    ];
    for case in cases {
        let fake = Fake::start(move |mut peer| async move {
            peer.let_in().await?;
            get(&mut peer).await?;
            peer.send(opened(BLOCK_LEN + 5)).await;
            for (index, length) in case {
                peer.block(*index, &vec![1; *length]).await;
            }
            peer.send(sent(Some(Digest::of(b"")))).await;
            peer.frame().await.map(|_| ())
        })
        .await;
        let remote = Remote::connect(&fake.trusting()).await.unwrap();
        assert!(matches!(read(&remote, None).await, Err(ClientError::Protocol(_))), "{case:?}");
        remote.closed().await;
    }
}

#[tokio::test]
async fn a_refusal_may_arrive_at_once_or_in_the_middle() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        get(&mut peer).await?;
        peer.refuse(Code::NotFound).await;
        get(&mut peer).await?;
        peer.send(opened(2 * BLOCK_LEN)).await;
        peer.block(0, &data(BLOCK_LEN)).await;
        peer.refuse(Code::Changed).await;
        peer.answer(Reply::Usage(Usage::default())).await?;
        peer.frame().await.map(|_| ())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    for code in [Code::NotFound, Code::Changed] {
        assert!(matches!(read(&remote, None).await, Err(ClientError::Refused(refusal)) if refusal.code == code));
    }
    remote.usage().await.unwrap();
}

/// Sends a whole file of which only the first block will be read.
async fn sending_much(blocks: usize) -> Fake {
    Fake::start(move |mut peer| async move {
        peer.let_in().await?;
        get(&mut peer).await?;
        peer.send(opened(blocks * BLOCK_LEN)).await;
        for index in 0..blocks {
            let mut frame = Vec::new();
            ferry_shared::frame::put_block_head(&mut frame, index as u64, 0).unwrap();
            peer.writer.write(&frame).await.ok()?;
        }
        peer.writer.send(&sent(Some(Digest::of(b"")))).await.ok()?;
        peer.answer(Reply::Usage(Usage::default())).await?;
        peer.frame().await.map(|_| ())
    })
    .await
}

#[tokio::test]
async fn the_short_rest_of_a_dropped_read_is_skipped() {
    let fake = sending_much(12).await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let mut blocks = remote.read_blocks(RemotePath::home(), None).await.unwrap();
    blocks.next().await.unwrap().unwrap();
    drop(blocks);
    remote.usage().await.unwrap();
}

#[tokio::test]
async fn a_long_rest_of_a_dropped_read_closes_the_connection() {
    let fake = sending_much(1000).await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    drop(remote.read_blocks(RemotePath::home(), None).await.unwrap());
    assert!(matches!(remote.closed().await, ClientError::Lost(_)));
}
