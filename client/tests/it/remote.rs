//! Calls and their answers over one connection.

use std::time::Duration;

use ferry_client::{ClientError, Remote};
use ferry_shared::{
    entry::{Entry, Kind, Mtime},
    feature::Features,
    frame::Phase,
    message::{
        Notice, Reply, Request,
        reply::{Page, UnfinishedUpload, Usage, Welcome},
        request::Proof,
    },
    name::Name,
    path::RemotePath,
    refusal::Code,
    secret::Secret,
};
use tokio::sync::broadcast::error::RecvError;

use crate::fake::{Fake, logged_in, welcome};

fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

fn entry(name: &str) -> Entry {
    let name = Name::try_from(name).unwrap();
    Entry { name, kind: Kind::File, size: 1, mtime: Mtime(0, 0), mode: 0o644 }
}

fn page(name: &str, more: bool) -> Reply {
    Reply::Entries(Page {
        under: RemotePath::home(),
        entries: vec![entry(name)],
        unreadable: Vec::new(),
        digests: Vec::new(),
        more,
    })
}

fn broadcast(text: &str) -> Reply {
    Reply::Notice(Notice::Broadcast { text: text.into() })
}

/// An answer to a `Stat` whose name is the requested path.
fn stat_reply(request: Request) -> Reply {
    let Request::Stat { path } = request else { panic!("{request:?}") };
    Reply::Entry { entry: entry(std::str::from_utf8(path.as_bytes()).unwrap()), version: None }
}

#[tokio::test]
async fn pipelined_answers_are_assigned_to_their_calls() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        let requests = [peer.request().await?, peer.request().await?, peer.request().await?];
        for request in requests {
            peer.send(stat_reply(request)).await;
        }
        peer.frame().await.map(|_| ())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let name = async |text| remote.stat(path(text)).await.unwrap().0.name.display().to_string();
    assert_eq!(tokio::join!(name("a"), name("b"), name("c")), ("a".into(), "b".into(), "c".into()));
}

#[tokio::test]
async fn a_dropped_call_still_consumes_its_answer() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        let requests = [peer.request().await?, peer.request().await?];
        for request in requests {
            peer.send(stat_reply(request)).await;
        }
        peer.frame().await.map(|_| ())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    tokio::select! {
        biased;
        _ = remote.stat(path("dropped")) => panic!("the server has not answered yet"),
        () = tokio::task::yield_now() => {}
    }
    let (entry, _) = remote.stat(path("kept")).await.unwrap();
    assert_eq!(entry.name.as_bytes(), b"kept");
}

#[tokio::test]
async fn a_refusal_fails_its_call_and_nothing_else() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.request().await?;
        peer.refuse(Code::NotFound).await;
        peer.answer(Reply::Usage(Usage { used: 7, ..Usage::default() })).await?;
        peer.frame().await.map(|_| ())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let refused = remote.stat(path("gone")).await;
    assert!(matches!(refused, Err(ClientError::Refused(refusal)) if refusal.code == Code::NotFound));
    assert_eq!(remote.usage().await.unwrap().used, 7);
}

#[tokio::test]
async fn notices_arrive_separately_from_answers_from_the_login_on() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.send(broadcast("early")).await;
        let request = peer.request().await?;
        peer.send(broadcast("between")).await;
        peer.send(stat_reply(request)).await;
        Some(())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    remote.stat(path("a")).await.unwrap();
    let mut notices = remote.notices();
    for expected in ["early", "between"] {
        assert_eq!(notices.recv().await.unwrap(), Notice::Broadcast { text: expected.into() });
    }
    drop(remote);
    assert_eq!(notices.recv().await.unwrap_err(), RecvError::Closed);
}

#[tokio::test]
async fn a_lost_connection_fails_every_call_and_stream() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.request().await?;
        peer.send(page("a", true)).await;
        peer.request().await?;
        peer.request().await.map(|_| ())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let mut pages = remote.list(path("")).await.unwrap();
    pages.next().await.unwrap().unwrap();
    let (first, second) = tokio::join!(remote.usage(), remote.uploads());
    assert!(matches!(first, Err(ClientError::Lost(_))));
    assert!(matches!(second, Err(ClientError::Lost(_))));
    assert!(matches!(pages.next().await, Some(Err(ClientError::Lost(_)))));
    assert!(pages.next().await.is_none());
    assert!(remote.is_closed());
    assert!(matches!(remote.usage().await, Err(ClientError::Lost(_))), "later calls fail too");
}

#[tokio::test]
async fn pages_come_as_they_are_read() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        assert!(matches!(peer.request().await?, Request::Walk { .. }));
        for number in 0..50 {
            peer.send(page(&number.to_string(), number < 49)).await;
        }
        peer.answer(Reply::Usage(Usage::default())).await?;
        Some(())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let mut pages = remote.walk(path("")).await.unwrap();
    let mut number = 0;
    while let Some(page) = pages.next().await {
        assert_eq!(page.unwrap().entries[0].name.as_bytes(), number.to_string().as_bytes());
        number += 1;
    }
    assert_eq!(number, 50);
    remote.usage().await.unwrap();
}

#[tokio::test]
async fn uploads_are_gathered_from_pages_of_a_server_that_has_them() {
    for features in [Features::known(), Features::NONE] {
        let fake = Fake::start(move |mut peer| async move {
            let Request::Hello(hello) = peer.request().await? else { panic!("no hello") };
            assert_eq!(hello.features, Features::known());
            let Reply::Welcome(welcome) = welcome(1) else { panic!() };
            peer.send(Reply::Welcome(Welcome { features, ..welcome })).await;
            peer.request().await?;
            peer.reader.set_phase(Phase::LoggedIn);
            peer.send(Reply::LoggedIn(logged_in("ticket"))).await;
            assert_eq!(peer.request().await?, Request::Uploads);
            let pages = if features == Features::NONE { 1 } else { 3 };
            for page in 0..pages {
                let uploads = vec![unfinished(&format!("{page}-a")), unfinished(&format!("{page}-b"))];
                peer.send(Reply::Uploads { uploads, more: page + 1 < pages }).await;
            }
            peer.answer(Reply::Usage(Usage::default())).await?;
            Some(())
        })
        .await;
        let remote = Remote::connect(&fake.trusting()).await.unwrap();
        let uploads = remote.uploads().await.unwrap();
        assert_eq!(uploads.len(), if features == Features::NONE { 2 } else { 6 });
        remote.usage().await.unwrap();
    }
}

fn unfinished(name: &str) -> UnfinishedUpload {
    UnfinishedUpload {
        path: path(name),
        size: Some(5),
        received: 0,
        reserved: 5,
        started: Mtime(0, 0),
        expires: Mtime(1, 0),
        active: false,
    }
}

#[tokio::test]
async fn a_listing_dropped_early_leaves_the_next_call_in_step() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        for _ in 0..2 {
            peer.request().await?;
            for number in 0..50 {
                peer.send(page(&number.to_string(), number < 49)).await;
            }
        }
        let request = peer.request().await?;
        peer.send(stat_reply(request)).await;
        peer.frame().await.map(|_| ())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let mut pages = remote.list(path("")).await.unwrap();
    pages.next().await.unwrap().unwrap();
    drop(pages);
    drop(remote.walk(path("")).await.unwrap());
    assert_eq!(remote.stat(path("after")).await.unwrap().0.name.as_bytes(), b"after");
}

#[tokio::test]
async fn a_refused_listing_ends_with_the_refusal() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.request().await?;
        peer.send(page("a", true)).await;
        peer.refuse(Code::NotAllowed).await;
        peer.answer(Reply::Usage(Usage::default())).await?;
        Some(())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let mut pages = remote.list(path("")).await.unwrap();
    assert!(pages.next().await.unwrap().is_ok());
    assert!(matches!(pages.next().await, Some(Err(ClientError::Refused(_)))));
    assert!(pages.next().await.is_none());
    remote.usage().await.unwrap();
}

#[tokio::test]
async fn an_answer_of_the_wrong_kind_ends_the_connection() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.answer(Reply::Pong).await?;
        peer.frame().await.map(|_| ())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    assert!(matches!(remote.usage().await, Err(ClientError::Protocol(_))));
    remote.closed().await;
}

#[tokio::test]
async fn an_answer_without_a_request_ends_the_connection() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.send(Reply::Done).await;
        peer.frame().await.map(|_| ())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    assert!(matches!(remote.closed().await, ClientError::Protocol(_)));
}

#[tokio::test]
async fn a_refusal_before_the_close_is_the_reason_for_the_end() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.refuse(Code::AccountClosed).await;
        Some(())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let why = remote.closed().await;
    assert!(matches!(&why, ClientError::Refused(refusal) if refusal.code == Code::AccountClosed), "{why}");
}

#[tokio::test]
async fn the_end_of_an_account_is_the_reason_for_the_end_even_if_it_answers_a_request() {
    let fake = Fake::start(|mut peer| async move {
        peer.let_in().await?;
        peer.request().await?;
        peer.refuse(Code::AccountClosed).await;
        Some(())
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let closed =
        |why: &ClientError| matches!(why, ClientError::Refused(refusal) if refusal.code == Code::AccountClosed);
    let asked = remote.usage().await.unwrap_err();
    assert!(closed(&asked), "{asked}");
    let why = remote.closed().await;
    assert!(closed(&why), "{why}");
}

#[tokio::test]
async fn the_connection_is_closed_cleanly_with_the_last_handle() {
    let (end, mut ended) = tokio::sync::mpsc::channel(1);
    let fake = Fake::start(move |mut peer| {
        let end = end.clone();
        async move {
            peer.let_in().await?;
            end.send(peer.reader.next().await).await.ok()
        }
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let second = remote.clone();
    drop(remote);
    assert!(!second.is_closed());
    drop(second);
    assert!(matches!(ended.recv().await, Some(Ok(None))));
}

#[tokio::test]
async fn closing_fails_pending_calls() {
    let (heard, mut request) = tokio::sync::mpsc::channel(1);
    let fake = Fake::start(move |mut peer| {
        let heard = heard.clone();
        async move {
            peer.let_in().await?;
            heard.send(peer.request().await?).await.ok()?;
            peer.frame().await.map(|_| ())
        }
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let closing = async {
        request.recv().await;
        remote.close().await;
    };
    let (usage, ()) = tokio::join!(remote.usage(), closing);
    assert!(matches!(usage, Err(ClientError::Cancelled)));
}

#[tokio::test]
async fn an_idle_client_pings_and_times_out_without_an_answer() {
    let (heard, mut pings) = tokio::sync::mpsc::channel(8);
    let fake = Fake::start(move |mut peer| {
        let heard = heard.clone();
        async move {
            peer.let_in().await?;
            peer.answer(Reply::Pong).await?;
            loop {
                heard.send(peer.request().await?).await.ok()?;
            }
        }
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let why = remote.closed().await;
    assert!(matches!(why, ClientError::Timeout(_)), "{why}");
    assert!(start.elapsed() >= Duration::from_secs(100), "{:?}", start.elapsed());
    assert_eq!(pings.recv().await, Some(Request::Ping));
    drop(fake);
    assert_eq!(pings.recv().await, None, "one unanswered ping is enough");
}

#[tokio::test]
async fn a_long_call_does_not_time_out() {
    let (begin, begun) = tokio::sync::oneshot::channel();
    let begin = std::sync::Mutex::new(Some(begin));
    let fake = Fake::start(move |mut peer| {
        let begin = begin.lock().unwrap().take();
        async move {
            peer.let_in().await?;
            peer.request().await?;
            begin?.send(()).ok()?;
            tokio::time::sleep(Duration::from_secs(3600)).await;
            peer.send(Reply::Done).await;
            peer.answer(Reply::Pong).await?;
            peer.frame().await.map(|_| ())
        }
    })
    .await;
    let remote = Remote::connect(&fake.trusting()).await.unwrap();
    let pausing = async {
        begun.await.unwrap();
        tokio::time::pause();
    };
    let (done, ()) = tokio::join!(remote.make_dir(path("a"), false), pausing);
    done.unwrap();
}

#[tokio::test]
async fn a_changed_password_is_used_for_the_next_login() {
    let fake = Fake::start(|mut peer| async move {
        peer.greet().await?;
        let expected = if peer.number == 0 { "secret" } else { "new" };
        match peer.request().await? {
            Request::Login { proof: Proof::Password(password), .. } if password.expose() == expected => {
                peer.send(Reply::LoggedIn(logged_in("ticket"))).await;
            }
            _ => peer.refuse(Code::LoginFailed).await,
        }
        peer.answer(Reply::Done).await.map(|_| ())
    })
    .await;
    let connector = fake.trusting();
    let remote = Remote::connect(&connector).await.unwrap();
    remote.change_password(Secret::new("secret".into()), Secret::new("new".into())).await.unwrap();
    Remote::connect(&connector).await.unwrap();
    assert_eq!(fake.connections(), 3, "an invalid ticket, then a login");
}
