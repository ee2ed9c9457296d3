//! Sessions and their connection: timeouts, free space, notices and the end.

use std::time::Duration;

use ferry_client::{
    ClientError, Ferry, Remote, Site as _,
    site::{Op, Request, Room},
};
use ferry_shared::{
    digest::Digest,
    message::{self, Notice, Reply, reply::Usage, request::Algorithm},
    refusal::Code,
};
use tokio::{sync::mpsc, time::Instant};

use super::{at, session, surroundings};
use crate::fake::{Fake, logged_in, welcome};

#[tokio::test]
async fn the_announced_question_travels_with_the_login() {
    let fake = Fake::start(|mut peer| async move {
        let (_hello, _login, question) = (peer.request().await?, peer.request().await?, peer.request().await?);
        assert!(matches!(&question, message::Request::Stat { path } if path.as_bytes() == b"x"), "{question:?}");
        peer.send(welcome(1)).await;
        peer.send(Reply::LoggedIn(logged_in("ticket"))).await;
        peer.refuse(Code::NotDirectory).await;
        // Only the first question about it was asked before.
        assert!(matches!(peer.request().await?, message::Request::Stat { .. }));
        peer.refuse(Code::NotFound).await;
        peer.frame().await.map(|_| ())
    })
    .await;
    let site = Ferry::new(fake.trusting());
    site.announce(&at("x"));
    let mut session = site.open(&surroundings(Duration::from_secs(50))).await.unwrap();
    for code in [Code::NotDirectory, Code::NotFound] {
        let refused = session.stat(&at("x")).await;
        assert!(matches!(&refused, Err(ClientError::Refused(refusal)) if refusal.code == code), "{refused:?}");
    }
}

#[tokio::test]
async fn the_answer_to_an_announced_question_is_no_answer_to_another() {
    let fake = Fake::start(|mut peer| async move {
        let (_hello, _login, _question) = (peer.request().await?, peer.request().await?, peer.request().await?);
        peer.send(welcome(1)).await;
        peer.send(Reply::LoggedIn(logged_in("ticket"))).await;
        peer.refuse(Code::NotFound).await;
        for name in ["y", "x"] {
            let question = peer.request().await?;
            assert!(matches!(&question, message::Request::Stat { path } if path.as_bytes() == name.as_bytes()));
            peer.refuse(Code::NotAllowed).await;
        }
        peer.frame().await.map(|_| ())
    })
    .await;
    let site = Ferry::new(fake.trusting());
    site.announce(&at("x"));
    let mut session = site.open(&surroundings(Duration::from_secs(50))).await.unwrap();
    for name in ["y", "x"] {
        let refused = session.stat(&at(name)).await;
        assert!(matches!(&refused, Err(ClientError::Refused(refusal)) if refusal.code == Code::NotAllowed));
    }
}

/// A server that answers only `Hash` requests, after an hour.
async fn slow() -> Fake {
    Fake::start(|mut peer| async move {
        peer.let_in().await?;
        if let message::Request::Hash { .. } = peer.request().await? {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            let digest = Digest::of(b"x").to_string();
            peer.send(Reply::Hashed { algorithm: Algorithm::Blake3, digest }).await;
        }
        while peer.frame().await.is_some() {}
        None
    })
    .await
}

#[tokio::test]
async fn a_server_that_could_answer_at_once_and_does_not_times_out() {
    let fake = slow().await;
    let mut session = Ferry::new(fake.trusting()).open(&surroundings(Duration::from_secs(50))).await.unwrap();
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    tokio::time::pause();
    let start = Instant::now();
    assert!(matches!(session.stat(&at("x")).await, Err(ClientError::Timeout(_))) && !session.is_usable());
    // The client sends a ping while it waits, which does not count as a sign of life of the server.
    assert!(start.elapsed() < Duration::from_secs(150), "{:?}", start.elapsed());
    assert!(matches!(remote.usage().await, Err(ClientError::Timeout(_))), "without a limit of its own");
}

#[tokio::test]
async fn a_server_that_has_much_to_read_does_not_time_out() {
    let fake = slow().await;
    let mut session = Ferry::new(fake.trusting()).open(&surroundings(Duration::from_secs(50))).await.unwrap();
    let (requests, asked) = mpsc::channel(2);
    let (answers, mut told) = mpsc::channel(2);
    let (hash, stat) = (Op::Hash { at: at("x") }, Op::Stat { at: at("x") });
    for (id, op) in [(1, hash), (2, stat)] {
        requests.try_send(Request { id, op, watch: None }).unwrap();
    }
    tokio::time::pause();
    let start = Instant::now();
    let result = session.batch(asked, answers).await;
    assert!(matches!(result, Err(ClientError::Timeout(_))) && start.elapsed() >= Duration::from_secs(3600));
    assert_eq!(told.recv().await.unwrap().id, 1);
    assert!(told.recv().await.is_none(), "the second request could have been answered");
}

#[tokio::test]
async fn an_idle_batch_sends_pings() {
    let (pinged, mut ping) = mpsc::channel(1);
    let fake = Fake::start(move |mut peer| {
        let pinged = pinged.clone();
        async move {
            peer.let_in().await?;
            pinged.send(peer.answer(Reply::Pong).await?).await.ok()?;
            peer.frame().await.map(|_| ())
        }
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let (requests, asked) = mpsc::channel(1);
    let (answers, _told) = mpsc::channel(1);
    let reading = async {
        tokio::time::pause();
        assert_eq!(ping.recv().await, Some(message::Request::Ping));
        tokio::time::resume();
        drop(requests);
    };
    let (result, ()) = tokio::join!(session.batch(asked, answers), reading);
    result.unwrap();
    assert!(session.is_usable());
}

#[tokio::test]
async fn free_space_is_that_of_the_login_until_it_is_queried() {
    let usage = Usage { used: 70, reserved: 10, limit: Some(100), volume_free: 25, ..Usage::default() };
    let fake = Fake::start(move |mut peer| async move {
        peer.let_in().await?;
        peer.answer(Reply::Usage(usage)).await?;
        peer.answer(Reply::Usage(Usage { limit: None, ..usage })).await?;
        peer.frame().await.map(|_| ())
    })
    .await;
    let mut session = session(fake.trusting()).await;
    let room = Room { volume: 0, free: 0, quota: false, held: 0 };
    assert_eq!(session.room(&at(""), false).await.unwrap(), Some(room), "the login reported no quota");
    // Minus the bytes sent since: the request itself.
    let free = |room: Option<Room>| room.map(|room| (room.free, room.quota, room.held)).unwrap();
    assert_eq!(free(session.room(&at(""), true).await.unwrap()), (30, true, 10));
    assert_eq!(free(session.room(&at(""), true).await.unwrap()), (35, false, 10));
}

#[tokio::test]
async fn all_sessions_forward_their_notices_to_the_site() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.send(Reply::Notice(Notice::Broadcast { text: peer.number.to_string() })).await;
        peer.frame().await.map(|_| ())
    })
    .await;
    let site = Ferry::new(fake.trusting());
    assert_eq!(site.name(), format!("ferry://ann@{}", fake.host()));
    let mut notices = site.notices();
    let surroundings = surroundings(Duration::from_secs(90));
    let mut open = Vec::new();
    for number in 0..2 {
        open.push(site.open(&surroundings).await.unwrap());
        assert_eq!(notices.recv().await.unwrap(), Notice::Broadcast { text: number.to_string() });
    }
    assert!(open.iter().all(|session| session.is_usable()));
    surroundings.stop.cancel();
    surroundings.tasks.close();
    surroundings.tasks.wait().await;
    assert!(open.iter().all(|session| !session.is_usable()), "the sessions end with the engine");
}
