//! One login for all connections of a client.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ferry_client::{ClientError, Credential};
use ferry_shared::{
    message::{Reply, Request, request::Proof},
    refusal::Code,
    secret::Secret,
};
use rustls::HandshakeKind;

use crate::fake::{Fake, logged_in, welcome};

/// Counts logins and attaches, and accepts all of them.
#[derive(Default)]
struct Counts {
    logins: AtomicUsize,
    attaches: AtomicUsize,
    resumed: AtomicUsize,
}

impl Counts {
    fn get(&self) -> (usize, usize) {
        (self.logins.load(Ordering::SeqCst), self.attaches.load(Ordering::SeqCst))
    }
}

async fn counting() -> (Fake, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let counted = Arc::clone(&counts);
    let fake = Fake::start(move |mut peer| {
        let counts = Arc::clone(&counted);
        async move {
            if peer.handshake == Some(HandshakeKind::Resumed) {
                counts.resumed.fetch_add(1, Ordering::SeqCst);
            }
            match peer.let_in().await? {
                Request::Login { user, proof: Proof::Password(password) } => {
                    assert_eq!((user.as_str(), password.expose()), ("ann", "secret"));
                    counts.logins.fetch_add(1, Ordering::SeqCst);
                }
                Request::Attach { ticket } => {
                    assert_eq!(ticket.expose(), "ticket");
                    counts.attaches.fetch_add(1, Ordering::SeqCst);
                }
                other => panic!("{other:?}"),
            }
            peer.frame().await.map(|_| ())
        }
    });
    (fake.await, counts)
}

#[tokio::test]
async fn the_second_connection_joins_the_session_of_the_first() {
    let (fake, counts) = counting().await;
    let connector = fake.trusting();
    let first = connector.open().await.unwrap();
    assert_eq!(first.logged_in.user, "ann");
    let _second = connector.clone().open().await.unwrap();
    assert_eq!(counts.get(), (1, 1));
    assert_eq!(counts.resumed.load(Ordering::SeqCst), 1, "the TLS session is resumed too");
}

#[tokio::test]
async fn connections_opened_together_log_in_once() {
    let (fake, counts) = counting().await;
    let connector = fake.trusting();
    let opening = std::iter::repeat_n(connector, 4).map(|connector| async move { connector.open().await });
    let results = opening.collect::<tokio::task::JoinSet<_>>().join_all().await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(counts.get(), (1, 3));
}

#[tokio::test]
async fn a_session_that_has_ended_is_logged_in_again() {
    let fake = Fake::start(|mut peer| async move {
        peer.greet().await?;
        match peer.request().await? {
            Request::Login { .. } => peer.send(Reply::LoggedIn(logged_in(&format!("ticket {}", peer.number)))).await,
            Request::Attach { ticket } if ticket.expose() == "ticket 2" => {
                peer.send(Reply::LoggedIn(logged_in("ticket 2"))).await;
            }
            _ => peer.refuse(Code::LoginFailed).await,
        }
        Some(())
    })
    .await;
    let connector = fake.trusting();
    connector.open().await.unwrap();
    let second = connector.open().await.unwrap();
    assert_eq!(second.logged_in.ticket.expose(), "ticket 2", "a new login follows the refused ticket");
    let third = connector.open().await.unwrap();
    assert_eq!(third.logged_in.ticket.expose(), "ticket 2");
    assert_eq!(fake.connections(), 4);
}

#[tokio::test]
async fn a_rejected_proof_is_not_sent_twice() {
    let fake = Fake::start(|mut peer| async move {
        peer.greet().await?;
        match peer.request().await? {
            Request::Login { proof: Proof::Password(password), .. } if password.expose() == "better" => {
                peer.send(Reply::LoggedIn(logged_in("ticket"))).await;
            }
            _ => peer.refuse(Code::LoginFailed).await,
        }
        Some(())
    })
    .await;
    let connector = fake.trusting();
    let (first, second) = tokio::join!(connector.open(), connector.open());
    for result in [first, second] {
        assert!(matches!(result, Err(ClientError::Refused(refusal)) if refusal.code == Code::LoginFailed));
    }
    assert_eq!(fake.connections(), 1);
    connector.set_credential(Credential::Password(Secret::new("better".into())));
    connector.open().await.unwrap();
}

#[tokio::test]
async fn a_busy_server_may_be_asked_again() {
    let fake = Fake::start(|mut peer| async move {
        if peer.number == 0 {
            peer.greet().await?;
            peer.answer(Reply::Refused(ferry_shared::refusal::Refusal::new(Code::Busy, "later"))).await.map(|_| ())
        } else {
            peer.let_in().await.map(|_| ())
        }
    })
    .await;
    let connector = fake.trusting();
    assert!(connector.open().await.unwrap_err().is_transient());
    connector.open().await.unwrap();
}

#[tokio::test]
async fn registering_logs_in() {
    let fake = Fake::start(|mut peer| async move {
        match peer.let_in().await? {
            Request::Register { user, password, invite } => {
                assert_eq!((user.as_str(), password.expose()), ("ann", "secret"));
                assert_eq!(invite, Some(Secret::new("token".into())));
            }
            Request::Attach { .. } => {}
            other => panic!("{other:?}"),
        }
        peer.frame().await.map(|_| ())
    })
    .await;
    let connector = fake.trusting();
    connector.register(Some(Secret::new("token".into()))).await.unwrap();
    connector.open().await.unwrap();
}

#[tokio::test]
async fn the_login_is_sent_without_waiting_for_the_greeting() {
    let fake = Fake::start(|mut peer| async move {
        let (hello, login) = (peer.request().await?, peer.request().await?);
        assert!(matches!(hello, Request::Hello(_)), "{hello:?}");
        match peer.number {
            0 => assert!(matches!(login, Request::Register { .. }), "{login:?}"),
            _ => assert!(matches!(login, Request::Attach { .. }), "{login:?}"),
        }
        peer.send(welcome(1)).await;
        peer.send(Reply::LoggedIn(logged_in("ticket"))).await;
        peer.frame().await.map(|_| ())
    })
    .await;
    let connector = fake.trusting();
    let first = connector.register(None).await.unwrap();
    assert_eq!(first.welcome.server, "fake");
    connector.open().await.unwrap();
}

#[tokio::test]
async fn a_refused_greeting_is_the_error_although_the_login_was_sent() {
    for code in [Code::Unsealed, Code::Busy, Code::Unsupported, Code::AccountClosed] {
        let fake = Fake::start(move |mut peer| async move {
            peer.request().await?;
            peer.refuse(code).await;
            while peer.frame().await.is_some() {}
            None
        })
        .await;
        match fake.trusting().open().await {
            Err(ClientError::Refused(refusal)) => assert_eq!(refusal.code, code),
            other => panic!("{code:?}: {other:?}"),
        }
        assert_eq!(fake.connections(), 1, "{code:?}");
    }
}

#[tokio::test]
async fn a_server_of_an_unknown_version_is_told_as_such_whatever_it_answers_to_the_login() {
    for version in [0, 2] {
        let fake = Fake::start(move |mut peer| async move {
            peer.answer(welcome(version)).await?;
            peer.answer(Reply::LoggedIn(logged_in("ticket"))).await.map(|_| ())
        })
        .await;
        let error = fake.trusting().open().await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol(_)) && !error.is_transient(), "{error}");
    }
}

#[tokio::test]
async fn a_connection_closed_during_login_is_lost() {
    let fake = Fake::start(|mut peer| async move {
        peer.greet().await?;
        peer.request().await.map(|_| ())
    })
    .await;
    let error = fake.trusting().open().await.unwrap_err();
    assert!(matches!(error, ClientError::Lost(_)) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_login_without_an_answer_times_out() {
    let fake = Fake::start(|mut peer| async move {
        peer.greet().await?;
        peer.request().await?;
        tokio::time::pause();
        peer.request().await.map(|_| ())
    })
    .await;
    let error = fake.trusting().open().await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout(_)) && error.is_transient(), "{error}");
}
