//! Logins by the questions of an SSH server (keyboard-interactive), which OpenSSH's server asks only through PAM.

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use ferry_e2e::{
    PASSWORD,
    client::{Client, Outcome, Running},
};
use russh::{
    Channel, MethodKind, MethodSet,
    keys::{Algorithm, PrivateKey},
    server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Response, Session, run_stream},
};
use tokio::net::TcpListener;

/// The answers to one round of questions.
type Answers = Vec<String>;

/// A server that asks, and lets in whoever answers with the password.
struct Asking {
    /// The questions of each round, each with whether its answer may be shown.
    rounds: &'static [&'static [(&'static str, bool)]],
    round: usize,
    heard: Arc<Mutex<Vec<Answers>>>,
}

impl Asking {
    fn reject() -> Auth {
        Auth::Reject { proceed_with_methods: None, partial_success: false }
    }
}

impl Handler for Asking {
    type Error = russh::Error;

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        if let Some(response) = response {
            let text = |answer: bytes::Bytes| String::from_utf8(answer.to_vec()).unwrap();
            let answers: Answers = response.map(text).collect();
            let is_right = answers.iter().all(|answer| answer == PASSWORD);
            self.heard.lock().unwrap().push(answers);
            if !is_right {
                return Ok(Self::reject());
            }
        }
        let Some(questions) = self.rounds.get(self.round) else { return Ok(Auth::Accept) };
        self.round += 1;
        let prompts = questions.iter().map(|(text, echo)| (Cow::Borrowed(*text), *echo)).collect();
        Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts: Cow::Owned(prompts) })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        // The client is logged in by now; there are no files.
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: russh::ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(channel)
    }
}

async fn start(rounds: &'static [&'static [(&'static str, bool)]]) -> (SocketAddr, Arc<Mutex<Vec<Answers>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::default());
    let told = Arc::clone(&heard);
    tokio::spawn(async move {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        let methods = MethodSet::from(&[MethodKind::KeyboardInteractive][..]);
        let config = Arc::new(Config { keys: vec![key], methods, ..Config::default() });
        while let Ok((socket, _)) = listener.accept().await {
            let asking = Asking { rounds, round: 0, heard: Arc::clone(&told) };
            if let Ok(running) = run_stream(Arc::clone(&config), socket, asking).await {
                tokio::spawn(running);
            }
        }
    });
    (address, heard)
}

/// Lists a folder with the password in a file.
async fn list(address: SocketAddr, password: &str) -> Outcome {
    let client = Client::new(address, "al");
    client.set_password(password);
    let url = format!("sftp://al@{address}/x");
    let mut command = client.command(&[&"ls", &url]);
    command.env("HOME", client.scratch("person")).env_remove("SSH_AUTH_SOCK");
    tokio::task::spawn_blocking(move || {
        let outcome = Running::spawn(command, Vec::new()).wait();
        drop(client);
        outcome
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn the_questions_of_a_server_are_answered_with_the_password() {
    let (address, heard) = start(&[&[("Password: ", false)]]).await;
    list(address, PASSWORD).await.says("offers no SFTP");
    assert_eq!(*heard.lock().unwrap(), [[PASSWORD]]);
    heard.lock().unwrap().clear();
    list(address, "wrong").await.code(7).says("wrong user name or password");
    assert_eq!(*heard.lock().unwrap(), [["wrong"]]);
    // Several rounds, and one without a question, as PAM has at its end.
    let (address, heard) = start(&[&[("Password: ", false)], &[("Again: ", false)], &[]]).await;
    list(address, PASSWORD).await.says("offers no SFTP");
    assert_eq!(*heard.lock().unwrap(), [vec![PASSWORD], vec![PASSWORD], vec![]]);
}

#[tokio::test]
async fn a_password_is_no_answer_to_a_question_whose_answer_is_shown() {
    let (address, heard) = start(&[&[("Favourite colour? ", true)]]).await;
    list(address, PASSWORD).await.code(7);
    assert!(heard.lock().unwrap().is_empty(), "the password went out");
}
