//! No secret is sent to a server before its key is accepted.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ferry_client::{
    ClientError, ConnectOptions, Fingerprint, Trust,
    trust::{BoxFuture, TrustPrompt, TrustQuestion},
};
use tokio::net::TcpListener;

use crate::fake::{Face, Fake, connector};

/// A prompt that always gives the same answer, and counts the questions.
struct Person {
    answer: bool,
    asked: AtomicUsize,
}

impl Person {
    fn answering(answer: bool) -> Arc<Self> {
        Arc::new(Self { answer, asked: AtomicUsize::new(0) })
    }
}

impl TrustPrompt for Person {
    fn accept<'a>(&'a self, _question: &'a TrustQuestion) -> BoxFuture<'a, bool> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { self.answer })
    }
}

/// A server that records the number of bytes that each client sent.
async fn listening() -> (Fake, tokio::sync::mpsc::Receiver<u64>) {
    let (heard, said) = tokio::sync::mpsc::channel(16);
    let fake = Fake::start(move |mut peer| {
        let heard = heard.clone();
        async move {
            let _ = peer.let_in().await;
            heard.send(peer.reader.received()).await.ok()?;
            peer.frame().await.map(|_| ())
        }
    });
    (fake.await, said)
}

fn other_key() -> Fingerprint {
    Fingerprint::of_spki(b"another key")
}

/// A prompt that checks what the server has received until then.
struct Listener(tokio::sync::Mutex<tokio::sync::mpsc::Receiver<u64>>, Fingerprint);

impl TrustPrompt for Listener {
    fn accept<'a>(&'a self, question: &'a TrustQuestion) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            assert_eq!(question.fingerprint, self.1);
            self.0.lock().await.recv().await == Some(0)
        })
    }
}

#[tokio::test]
async fn the_user_is_asked_before_a_byte_is_sent() {
    let (fake, said) = listening().await;
    let person = Arc::new(Listener(said.into(), fake.fingerprint));
    let connection = fake.connector(Trust::Ask(person.clone())).open().await.unwrap();
    assert_eq!(connection.server_key, fake.fingerprint);
    assert!(person.0.lock().await.recv().await.unwrap() > 0, "the client sends data once the key is accepted");
}

#[tokio::test]
async fn an_accepted_key_is_remembered() {
    let (fake, _said) = listening().await;
    let person = Person::answering(true);
    let connector = fake.connector(Trust::Ask(person.clone()));
    connector.open().await.unwrap();
    connector.open().await.unwrap();
    assert_eq!(person.asked.load(Ordering::SeqCst), 1);
    let line = fs::read_to_string(fake.known_servers()).unwrap();
    assert!(line.starts_with(&format!("{} {} ", fake.host(), fake.fingerprint)), "{line}");
    fake.connector(Trust::KnownOnly).open().await.unwrap();
}

#[tokio::test]
async fn a_server_with_a_declined_key_receives_nothing_and_is_asked_about_once() {
    let (fake, mut said) = listening().await;
    let person = Person::answering(false);
    let connector = fake.connector(Trust::Ask(person.clone()));
    let (first, second) = tokio::join!(connector.open(), connector.open());
    for result in [first, second] {
        let found = fake.fingerprint;
        assert!(matches!(result, Err(ClientError::DeclinedKey { found: f, .. }) if f == found));
    }
    assert_eq!(person.asked.load(Ordering::SeqCst), 1);
    assert_eq!((said.recv().await, said.recv().await), (Some(0), Some(0)));
    assert!(!fake.known_servers().exists());
}

#[tokio::test]
async fn several_connections_ask_once() {
    let (fake, _said) = listening().await;
    let person = Person::answering(true);
    let connector = fake.connector(Trust::Ask(person.clone()));
    let (probe, first, second) = tokio::join!(connector.probe(), connector.open(), connector.open());
    assert!(probe.is_ok() && first.is_ok() && second.is_ok());
    assert_eq!(person.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_changed_key_stops_everybody_and_hears_nothing() {
    let (fake, mut said) = listening().await;
    fs::write(fake.known_servers(), format!("{} {}\n", fake.host(), other_key())).unwrap();
    let person = Person::answering(true);
    for trust in [Trust::Ask(person.clone()), Trust::AcceptNew, Trust::KnownOnly] {
        match fake.connector(trust).open().await {
            Err(error @ ClientError::ChangedKey { .. }) => {
                let text = error.to_string();
                assert!(text.contains(&other_key().to_string()) && text.contains(&fake.fingerprint.to_string()));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(said.recv().await, Some(0));
    }
    assert_eq!(person.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_pinned_key_needs_no_file_and_any_other_is_an_error() {
    let (fake, mut said) = listening().await;
    fake.trusting().open().await.unwrap();
    assert!(said.recv().await > Some(0));
    let error = fake.connector(Trust::Pinned(other_key())).open().await.unwrap_err();
    assert!(matches!(error, ClientError::WrongKey { .. }), "{error}");
    assert_eq!(said.recv().await, Some(0));
    assert!(!fake.known_servers().exists());
}

#[tokio::test]
async fn the_error_for_an_unknown_key_says_how_to_accept_it() {
    let (fake, mut said) = listening().await;
    let error = fake.connector(Trust::KnownOnly).open().await.unwrap_err();
    assert!(error.to_string().contains(&format!("--server-key {}", fake.fingerprint)), "{error}");
    assert!(error.to_string().contains("--accept-new"), "{error}");
    assert_eq!(said.recv().await, Some(0));
}

#[tokio::test]
async fn accept_new_accepts_a_first_key_and_no_second_one() {
    let (fake, _said) = listening().await;
    fake.connector(Trust::AcceptNew).open().await.unwrap();
    fake.connector(Trust::KnownOnly).open().await.unwrap();
    let text = fs::read_to_string(fake.known_servers()).unwrap();
    fs::write(fake.known_servers(), text.replace(&fake.fingerprint.to_string(), &other_key().to_string())).unwrap();
    let error = fake.connector(Trust::AcceptNew).open().await.unwrap_err();
    assert!(matches!(error, ClientError::ChangedKey { .. }), "{error}");
}

#[tokio::test]
async fn a_certificate_without_its_private_key_is_refused() {
    let (stolen, own) = (Face::new(), Face::new());
    let trust = Trust::Pinned(stolen.fingerprint);
    let face = Face { key: own.key, ..stolen };
    let fake = Fake::with_face(face, |mut peer| async move { peer.let_in().await.map(|_| ()) }).await;
    let error = fake.connector(trust).open().await.unwrap_err();
    assert!(matches!(error, ClientError::Insecure { .. }), "{error}");
}

#[tokio::test]
async fn a_server_of_another_protocol_is_refused() {
    for alpn in [vec![], vec![b"h2".to_vec()]] {
        let face = Face { alpn, ..Face::new() };
        let trust = Trust::Pinned(face.fingerprint);
        let fake = Fake::with_face(face, |mut peer| async move { peer.let_in().await.map(|_| ()) }).await;
        let error = fake.connector(trust).open().await.unwrap_err();
        assert!(matches!(error, ClientError::Insecure { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_transient() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = connector(address, ConnectOptions::new(Trust::AcceptNew, "/nowhere")).open().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }) && error.is_transient(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = ConnectOptions::new(Trust::AcceptNew, "/nowhere");
    options.connect_timeout = Duration::from_secs(3);
    let error = connector(listener.local_addr().unwrap(), options).open().await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout(_)), "{error}");
}
