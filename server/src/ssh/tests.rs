//! The door as a client sees it that speaks SSH by hand where OpenSSH cannot be made to.

use std::{fs, net::IpAddr, sync::Mutex};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use russh::{
    AgentAuthError, ChannelMsg, MethodSet, Names, Signer,
    client::{self, AuthResult, DisconnectReason},
    kex,
    keys::{
        Algorithm, HashAlg, PrivateKey, PublicKeyOrCertificate,
        agent::AgentIdentity,
        key::safe_rng,
        ssh_key::{Mpint, PublicKey},
    },
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use super::*;
use crate::{
    config::{Config, Tls},
    door::Door,
    host_keys::HostKeys,
    identity::Identity,
    login::{Credential, Entrance, Error as LoginError},
    storage::{Durability, Storage},
    users::{self, Users, password},
};

const PASSWORD: &str = "correct horse battery staple";

/// A server for one user, anna.
struct Place {
    folder: tempfile::TempDir,
    context: Arc<Context>,
    listener: TcpListener,
}

impl Place {
    async fn new(key: Option<&PublicKey>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hash = password::hash(&ferry_shared::secret::Secret::new(PASSWORD.to_owned())).unwrap();
        let keys: Vec<_> = key.map(|key| key.to_openssh().unwrap()).into_iter().collect();
        let store = serde_json::json!({"version": 1, "users": {"anna": {"password": hash, "keys": keys}}});
        fs::write(users::store_file(folder.path()), store.to_string()).unwrap();
        let users = Users::load(users::store_file(folder.path())).unwrap();
        let identity = Identity::load_or_create(folder.path(), &Tls::default()).unwrap();
        let storage = Storage::open(folder.path(), Durability::Rename).unwrap();
        let context = Arc::new(Context::new(Config::default(), users, identity, storage));
        context.host_keys.set(HostKeys::load_or_create(folder.path()).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { folder, context, listener }
    }

    fn ticket(&self) -> Ticket {
        self.context.admission.admit(IpAddr::from([127, 0, 0, 1])).unwrap()
    }

    /// A connection that is served, from the client's side.
    async fn tcp(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        let (served, peer) = self.listener.accept().await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        tokio::spawn(serve(served, peer, self.ticket(), deadline, Arc::clone(&self.context)));
        tcp
    }

    async fn client(&self) -> (client::Handle<Client>, Told) {
        let told = Told::default();
        let stream = self.tcp().await;
        let client = client::connect_stream(Arc::default(), stream, Client(Arc::clone(&told))).await.unwrap();
        (client, told)
    }
}

/// The key exchanges of a connection, and the message with which the server ended it.
type Told = Arc<Mutex<Vec<String>>>;

/// A client that trusts every server.
struct Client(Told);

impl client::Handler for Client {
    type Error = Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Error> {
        Ok(true)
    }

    async fn kex_done(
        &mut self,
        _secret: Option<&[u8]>,
        names: &Names,
        _session: &mut client::Session,
    ) -> Result<(), Error> {
        let how = if names.strict_kex() { "strict" } else { "lax" };
        self.0.lock().unwrap().push(format!("{how} {}", names.kex.as_ref()));
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Error>) -> Result<(), Error> {
        if let DisconnectReason::ReceivedDisconnect(info) = reason {
            self.0.lock().unwrap().push(info.message);
        }
        Ok(())
    }
}

/// A signer for a key, as an agent is for a token.
struct Token<F>(F);

impl<F: FnMut(&[u8]) -> Vec<u8> + Send> Signer for Token<F> {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        _hash: Option<HashAlg>,
        mut text: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        let signature = (self.0)(&text);
        text.extend(string(&signature));
        Ok(text)
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn some_key() -> PublicKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap().public_key().clone()
}

/// Signs with nothing.
fn no_signer() -> Token<impl FnMut(&[u8]) -> Vec<u8> + Send> {
    Token(|_: &[u8]| panic!("it is asked to sign"))
}

fn remaining(result: AuthResult) -> MethodSet {
    match result {
        AuthResult::Failure { remaining_methods, .. } => remaining_methods,
        AuthResult::Success => panic!("it is let in"),
    }
}

#[tokio::test]
async fn twenty_keys_may_be_offered_for_nothing_and_no_more() {
    let place = Place::new(None).await;
    let (mut client, told) = place.client().await;
    for _ in 0..settings::OFFERS {
        let answer = client.authenticate_publickey_with("anna", some_key(), None, &mut no_signer()).await.unwrap();
        assert_eq!(remaining(answer), settings::methods());
    }
    assert!(place.context.admission.waiting().is_empty(), "offers are counted as guesses");
    assert_eq!(client.authenticate_password("anna", PASSWORD).await.unwrap(), AuthResult::Success);
    let (mut client, more) = place.client().await;
    for _ in 0..=settings::OFFERS {
        drop(client.authenticate_publickey_with("anna", some_key(), None, &mut no_signer()).await);
    }
    client.await.ok();
    assert_eq!(told.lock().unwrap().len(), 1, "only a key exchange");
    let more = more.lock().unwrap();
    assert!(more[1].contains("at most 20 keys"), "{more:?}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_told_the_same_as_one_that_does() {
    let place = Place::new(Some(&some_key())).await;
    let mut answers = Vec::new();
    for user in ["anna", "berta", "no name at all"] {
        let (mut client, _told) = place.client().await;
        let none = remaining(client.authenticate_none(user).await.unwrap());
        let offer = client.authenticate_publickey_with(user, some_key(), None, &mut no_signer()).await.unwrap();
        let password = client.authenticate_password(user, "wrong").await.unwrap();
        answers.push((none, remaining(offer), remaining(password)));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(answers[0].0, settings::methods());
}

#[tokio::test]
async fn a_wrong_password_makes_the_same_user_wait_at_every_door() {
    let place = Place::new(None).await;
    let (mut client, _told) = place.client().await;
    remaining(client.authenticate_password("anna", "wrong").await.unwrap());
    let ticket = place.ticket();
    let peer = "127.0.0.1:9".parse().unwrap();
    let entrance = Entrance { context: &place.context, ticket: &ticket, door: Door::Ferry, peer };
    let wrong = ferry_shared::secret::Secret::new("wrong too".to_owned());
    let refused = entrance.log_in(Credential::Password { user: "anna", password: &wrong }).await.unwrap_err();
    assert!(matches!(refused.error, LoginError::MustWait(_)), "{refused:?}");
    // The same the other way round.
    let (mut client, told) = place.client().await;
    drop(client.authenticate_password("anna", "another").await);
    client.await.ok();
    let told = told.lock().unwrap();
    assert!(told[1].contains("try again in"), "{told:?}");
}

#[tokio::test]
async fn the_key_exchange_is_strict_and_withstands_quantum_computers_if_the_client_can() {
    let place = Place::new(None).await;
    let (_client, told) = place.client().await;
    assert_eq!(*told.lock().unwrap(), [format!("strict {}", kex::MLKEM768X25519_SHA256.as_ref())]);
}

#[tokio::test]
async fn a_client_may_send_before_it_is_told_that_there_is_a_service_but_not_before_it_asks() {
    // A packet that begins SFTP: its length, its type, and version 3.
    const INIT: [u8; 9] = [0, 0, 0, 5, 1, 0, 0, 0, 3];
    let place = Place::new(None).await;
    let (mut client, _told) = place.client().await;
    assert_eq!(client.authenticate_password("anna", PASSWORD).await.unwrap(), AuthResult::Success);
    for _ in 0..20 {
        let mut channel = client.channel_open_session().await.unwrap();
        channel.request_subsystem(false, "sftp").await.unwrap();
        channel.data_bytes(&INIT[..]).await.unwrap();
        let answer = channel.wait().await;
        assert!(matches!(&answer, Some(ChannelMsg::Data { data }) if data[4] == 2), "{answer:?}");
    }
    let mut channel = client.channel_open_session().await.unwrap();
    channel.data_bytes(&INIT[..]).await.unwrap();
    let answer = channel.wait().await;
    assert!(matches!(answer, Some(ChannelMsg::Close)), "{answer:?}");
}

#[tokio::test]
async fn a_draining_server_lets_commands_be_finished_and_ends_channels_without_one() {
    let place = Place::new(None).await;
    let (mut client, told) = place.client().await;
    assert_eq!(client.authenticate_password("anna", PASSWORD).await.unwrap(), AuthResult::Success);
    // It takes a while, and neither side says anything meanwhile.
    let home = place.folder.path().join("users/anna/home");
    fs::File::create(home.join("large")).unwrap().set_len(1 << 30).unwrap();
    let mut channel = client.channel_open_session().await.unwrap();
    let mut unused = client.channel_open_session().await.unwrap();
    channel.exec(true, "sha256sum large").await.unwrap();
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Success)));
    place.context.drain.cancel();
    assert!(matches!(unused.wait().await, Some(ChannelMsg::Close)));
    assert!(client.channel_open_session().await.is_err());
    let (mut said, mut status) = (Vec::new(), None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => said.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    assert_eq!(status, Some(0));
    assert!(said.ends_with(b"  large\n"), "{}", said.escape_ascii());
    client.await.ok();
    let told = told.lock().unwrap();
    assert!(told[1].contains("the server is stopping"), "{told:?}");
}

#[tokio::test]
async fn a_channel_gets_neither_shell_nor_terminal_nor_display_nor_agent_nor_environment() {
    let place = Place::new(None).await;
    let (mut client, _told) = place.client().await;
    assert_eq!(client.authenticate_password("anna", PASSWORD).await.unwrap(), AuthResult::Success);
    let mut channel = client.channel_open_session().await.unwrap();
    channel.request_shell(true).await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0).await.unwrap();
    channel.agent_forward(true).await.unwrap();
    channel.set_env(true, "PATH", "/tmp").await.unwrap();
    channel.request_subsystem(true, "netconf").await.unwrap();
    for number in 0..6 {
        let answer = channel.wait().await;
        assert!(matches!(answer, Some(ChannelMsg::Failure)), "{number}: {answer:?}");
    }
    // It is still there for what is served.
    channel.request_subsystem(true, "sftp").await.unwrap();
    let answer = channel.wait().await;
    assert!(matches!(answer, Some(ChannelMsg::Success)), "{answer:?}");
    assert!(client.channel_open_direct_tcpip("127.0.0.1", 9, "127.0.0.1", 9).await.is_err());
    assert!(client.channel_open_direct_streamlocal("/run/socket").await.is_err());
    assert!(client.tcpip_forward("127.0.0.1", 0).await.is_err());
}

/// The text that a token signs: who asks, that somebody touched it, how often it has signed, and the text.
fn asked(flags: u8, counter: u32, text: &[u8]) -> Vec<u8> {
    let (application, digest) = (Sha256::digest(b"ssh:"), Sha256::digest(text));
    [&application[..], &[flags], &counter.to_be_bytes(), &digest[..]].concat()
}

fn signature_blob(kind: &str, signature: &[u8], flags: u8, counter: u32) -> Vec<u8> {
    [&string(kind.as_bytes())[..], &string(signature), &[flags], &counter.to_be_bytes()].concat()
}

#[tokio::test]
async fn tokens_log_in_with_signatures_over_their_flags_and_counter() {
    const ED25519: &str = "sk-ssh-ed25519@openssh.com";
    const ECDSA: &str = "sk-ecdsa-sha2-nistp256@openssh.com";
    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let blob = [ED25519.as_bytes(), pair.public_key().as_ref(), b"ssh:"].map(string).concat();
    let key = PublicKey::from_bytes(&blob).unwrap();
    let place = Place::new(Some(&key)).await;
    for (signed, sent, is_let_in) in [(41, 41, true), (41, 42, false)] {
        let (mut client, _told) = place.client().await;
        let sign = |text: &[u8]| signature_blob(ED25519, pair.sign(&asked(1, signed, text)).as_ref(), 1, sent);
        let answer = client.authenticate_publickey_with("anna", key.clone(), None, &mut Token(sign)).await.unwrap();
        assert_eq!(answer == AuthResult::Success, is_let_in, "{answer:?}");
    }
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let blob = [ECDSA.as_bytes(), b"nistp256", pair.public_key().as_ref(), b"ssh:"].map(string).concat();
    let key = PublicKey::from_bytes(&blob).unwrap();
    let place = Place::new(Some(&key)).await;
    for (signed, sent, is_let_in) in [(7, 7, true), (7, 8, false)] {
        let (mut client, _told) = place.client().await;
        let sign = |text: &[u8]| {
            let signature = pair.sign(&SystemRandom::new(), &asked(1, signed, text)).unwrap();
            let (r, s) = signature.as_ref().split_at(32);
            let number = |bytes: &[u8]| string(Mpint::from_positive_bytes(bytes).as_bytes());
            signature_blob(ECDSA, &[number(r), number(s)].concat(), 1, sent)
        };
        let answer = client.authenticate_publickey_with("anna", key.clone(), None, &mut Token(sign)).await.unwrap();
        assert_eq!(answer == AuthResult::Success, is_let_in, "{answer:?}");
    }
}

#[tokio::test]
async fn somebody_who_sends_much_before_the_login_is_cut_off() {
    let place = Place::new(None).await;
    let mut tcp = place.tcp().await;
    tcp.write_all(b"SSH-2.0-flood\r\n").await.unwrap();
    // Messages that mean nothing: length, padding length, type, data and padding.
    let mut packet = vec![0; 4 + 32760];
    packet[..6].copy_from_slice(&[0, 0, 0x7f, 0xf8, 4, 2]);
    let flood = async { while tcp.write_all(&packet).await.is_ok() {} };
    timeout(Duration::from_secs(60), flood).await.expect("it is still listened to");
}

#[test]
fn a_farewell_is_a_whole_packet_of_ssh() {
    for why in ["", "full", "all connections of this server are taken; try again"] {
        let bytes = farewell(why);
        let packet = bytes.strip_prefix(b"SSH-2.0-ferryd\r\n").unwrap();
        let length = u32::from_be_bytes(packet[..4].try_into().unwrap()) as usize;
        assert_eq!((packet.len(), packet.len() % 8), (4 + length, 0));
        let padding = usize::from(packet[4]);
        assert!((4..=255).contains(&padding));
        let payload = &packet[5..packet.len() - padding];
        assert_eq!(payload, [&[1, 0, 0, 0, 12][..], &string(why.as_bytes()), &string(b"")].concat());
    }
}
