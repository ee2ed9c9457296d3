//! Logins: keys in an agent and in files, questions of the server, and passwords.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ferry_shared::{refusal::Code, secret::Secret};
use parking_lot::Mutex;
use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse},
    keys::{
        HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey,
        agent::{AgentIdentity, client::AgentClient, client::AgentStream},
        load_secret_key,
    },
};
use tokio::time::timeout;

use super::{
    dial::Greeter,
    fault,
    secrets::{Login, SecretQuestion},
};
use crate::error::ClientError;

/// Keys that are tried: OpenSSH's server takes six attempts of all kinds.
const MOST_KEYS: usize = 5;
/// Rounds of questions of a server.
const MOST_ROUNDS: usize = 10;
/// Questions in a round.
const MOST_PROMPTS: usize = 16;
/// The keys that are tried without being named.
const USUAL_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// The account to log in to.
pub(super) struct Account<'a> {
    pub(super) user: &'a str,
    /// The account, as `user@host`.
    pub(super) shown: String,
    pub(super) is_target: bool,
    pub(super) login: &'a Login,
    /// Key files of the configuration; without any, the usual ones in `folder`.
    pub(super) files: &'a [PathBuf],
    pub(super) folder: Option<&'a Path>,
    pub(super) found: &'a Found,
    /// How long the server may take for an answer, and an agent for a signature.
    pub(super) patience: Duration,
}

/// Secrets that were found out, so that further connections do not ask again. In memory alone.
#[derive(Default)]
pub(super) struct Found {
    keys: Mutex<HashMap<PathBuf, Arc<PrivateKey>>>,
    passwords: Mutex<HashMap<String, Secret>>,
}

/// Where a login stands.
enum Step {
    In,
    /// Not in; these methods may go on.
    Open(MethodSet),
}

type Ssh = Handle<Greeter>;

fn step(result: AuthResult) -> Step {
    match result {
        AuthResult::Success => Step::In,
        AuthResult::Failure { remaining_methods, .. } => Step::Open(remaining_methods),
    }
}

impl Account<'_> {
    /// Logs in.
    ///
    /// # Errors
    /// No method succeeded, or the connection was lost.
    pub(super) async fn log_in(&self, ssh: &mut Ssh) -> Result<(), ClientError> {
        let mut open = match step(self.answered(ssh.authenticate_none(self.user)).await?) {
            Step::In => return Ok(()),
            Step::Open(methods) => methods,
        };
        let has_password = self.is_target && self.login.password_first;
        let order: &[MethodKind] = match has_password {
            true => &[MethodKind::Password, MethodKind::KeyboardInteractive, MethodKind::PublicKey],
            false => &[MethodKind::PublicKey, MethodKind::KeyboardInteractive, MethodKind::Password],
        };
        let (mut asked, mut unanswered) = (false, false);
        // A server may want several methods one after the other, and then offers those that are left.
        for method in order.iter().chain(order) {
            if !open.contains(method) || ssh.is_closed() {
                continue;
            }
            let done = match method {
                MethodKind::PublicKey => self.keys(ssh, open.clone()).await?,
                // A password that was refused is not given again as an answer.
                MethodKind::KeyboardInteractive if !asked && !unanswered => match self.questions(ssh).await? {
                    Some(done) => {
                        asked = true;
                        done
                    }
                    // The questions are not asked again, and servers may wait for their answers first.
                    None => {
                        unanswered = true;
                        continue;
                    }
                },
                MethodKind::Password if !asked => match self.password(ssh).await? {
                    Some(done) => {
                        asked = true;
                        done
                    }
                    None => continue,
                },
                _ => continue,
            };
            match done {
                Step::In => return Ok(()),
                Step::Open(methods) => open = methods,
            }
        }
        Err(self.refused(asked))
    }

    /// Waits for what the server, or an agent, answers.
    async fn answered<T>(&self, answer: impl Future<Output = Result<T, russh::Error>>) -> Result<T, ClientError> {
        let answer = timeout(self.patience, answer).await.map_err(|_| ClientError::Timeout("logging in"))?;
        answer.map_err(fault::lost)
    }

    fn refused(&self, asked: bool) -> ClientError {
        self.found.passwords.lock().remove(&self.shown);
        let text = match asked {
            true => format!("{} was not let in: wrong user name or password", self.shown),
            false => format!(
                "{} was not let in: none of its keys is accepted, and no password was given; use --identity, \
                 --password-file or an agent",
                self.shown
            ),
        };
        fault::refused(Code::LoginFailed, text)
    }

    /// Tries the keys: those that were named, those of the agent, then those of the configuration.
    async fn keys(&self, ssh: &mut Ssh, mut open: MethodSet) -> Result<Step, ClientError> {
        let rsa_hash = self.answered(ssh.best_supported_rsa_hash()).await?.unwrap_or(Some(HashAlg::Sha512));
        let mut left = MOST_KEYS;
        let named: &[PathBuf] = if self.is_target { &self.login.identities } else { &[] };
        // An agent that does not answer is none.
        let mut agent = timeout(self.patience, agent()).await.ok().flatten();
        let in_agent = match &mut agent {
            Some(agent) => timeout(self.patience, agent.request_identities()).await.map(Result::unwrap_or_default),
            None => Ok(Vec::new()),
        };
        let in_agent = in_agent.unwrap_or_default();
        for file in named {
            // An agent may hold the key, so that its passphrase is not needed.
            let held = public_half(file).and_then(|key| {
                in_agent.iter().find(|held| matches!(held, AgentIdentity::PublicKey { key: held, .. } if held.key_data() == key.key_data()))
            });
            let done = match (held, &mut agent) {
                (Some(held), Some(agent)) => self.sign(ssh, agent, held, rsa_hash).await?,
                _ => match self.file(ssh, file, rsa_hash, true).await? {
                    Some(done) => done,
                    None => continue,
                },
            };
            match done {
                Step::Open(methods) if methods.contains(&MethodKind::PublicKey) => open = methods,
                done => return Ok(done),
            }
            left = left.saturating_sub(1);
        }
        if let Some(agent) = &mut agent {
            for held in &in_agent {
                if left == 0 || ssh.is_closed() {
                    return Ok(Step::Open(open));
                }
                left -= 1;
                match self.sign(ssh, agent, held, rsa_hash).await? {
                    Step::Open(methods) if methods.contains(&MethodKind::PublicKey) => open = methods,
                    done => return Ok(done),
                }
            }
        }
        for file in self.usual_files() {
            if left == 0 || ssh.is_closed() || named.contains(&file) {
                break;
            }
            let is_held = public_half(&file).is_some_and(|key| {
                in_agent.iter().any(|held| matches!(held, AgentIdentity::PublicKey { key: held, .. } if held.key_data() == key.key_data()))
            });
            if is_held {
                continue;
            }
            let Some(done) = self.file(ssh, &file, rsa_hash, false).await? else { continue };
            left -= 1;
            match done {
                Step::Open(methods) if methods.contains(&MethodKind::PublicKey) => open = methods,
                done => return Ok(done),
            }
        }
        Ok(Step::Open(open))
    }

    fn usual_files(&self) -> Vec<PathBuf> {
        match self.folder {
            _ if !self.files.is_empty() => self.files.to_vec(),
            Some(folder) => USUAL_KEYS.iter().map(|name| folder.join(name)).collect(),
            None => Vec::new(),
        }
    }

    /// Tries the key in a file; `None` if there is no usable one. One that was named must be usable.
    async fn file(
        &self,
        ssh: &mut Ssh,
        file: &Path,
        rsa_hash: Option<HashAlg>,
        named: bool,
    ) -> Result<Option<Step>, ClientError> {
        let known = self.found.keys.lock().get(file).cloned();
        let key = match known {
            Some(key) => key,
            None => match self.load(file, named).await? {
                Some(key) => Arc::new(key),
                None => return Ok(None),
            },
        };
        self.found.keys.lock().insert(file.to_owned(), Arc::clone(&key));
        let key = PrivateKeyWithHashAlg::new(key, rsa_hash);
        self.answered(ssh.authenticate_publickey(self.user, key)).await.map(|result| Some(step(result)))
    }

    async fn load(&self, file: &Path, named: bool) -> Result<Option<PrivateKey>, ClientError> {
        let unusable = |error: russh::keys::Error| match error {
            russh::keys::Error::IO(error) => ClientError::local(file, error),
            other => fault::refused(Code::LoginFailed, format!("{}: {other}", file.display())),
        };
        match read_key(file, None).await {
            Ok(key) => return Ok(Some(key)),
            Err(russh::keys::Error::KeyIsEncrypted) => {}
            Err(error) if named => return Err(unusable(error)),
            Err(_) => return Ok(None),
        }
        let question = SecretQuestion::Passphrase { file: file.to_owned() };
        let Some(passphrase) = self.login.secrets.answer(&question).await? else { return Ok(None) };
        match read_key(file, Some(passphrase)).await {
            Ok(key) => Ok(Some(key)),
            Err(russh::keys::Error::IO(error)) => Err(ClientError::local(file, error)),
            Err(_) if named => {
                Err(fault::refused(Code::LoginFailed, format!("{}: the passphrase is wrong", file.display())))
            }
            Err(_) => Ok(None),
        }
    }

    /// Tries a key of the agent.
    async fn sign(
        &self,
        ssh: &mut Ssh,
        agent: &mut Agent,
        held: &AgentIdentity,
        rsa_hash: Option<HashAlg>,
    ) -> Result<Step, ClientError> {
        let signed = async {
            match held {
                AgentIdentity::PublicKey { key, .. } => {
                    let hash = if key.algorithm().is_rsa() { rsa_hash } else { None };
                    ssh.authenticate_publickey_with(self.user, key.clone(), hash, agent).await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    let hash = if certificate.algorithm().is_rsa() { rsa_hash } else { None };
                    ssh.authenticate_certificate_with(self.user, certificate.clone(), hash, agent).await
                }
            }
        };
        let Ok(result) = timeout(self.patience, signed).await else {
            return Err(ClientError::Timeout("logging in"));
        };
        match result {
            Ok(result) => Ok(step(result)),
            // The agent may refuse to sign, such as without a touch of the token.
            Err(_) if !ssh.is_closed() => {
                let left = [MethodKind::PublicKey, MethodKind::KeyboardInteractive, MethodKind::Password];
                Ok(Step::Open(MethodSet::from(&left[..])))
            }
            Err(_) => Err(ClientError::closed()),
        }
    }

    /// Lets the user answer the server's questions; `None` if there is no answer.
    async fn questions(&self, ssh: &mut Ssh) -> Result<Option<Step>, ClientError> {
        let start = ssh.authenticate_keyboard_interactive_start(self.user, None);
        let mut response = self.answered(start).await?;
        for _ in 0..MOST_ROUNDS {
            let (instructions, prompts) = match response {
                KeyboardInteractiveAuthResponse::Success => return Ok(Some(Step::In)),
                KeyboardInteractiveAuthResponse::Failure { remaining_methods, .. } => {
                    return Ok(Some(Step::Open(remaining_methods)));
                }
                KeyboardInteractiveAuthResponse::InfoRequest { instructions, prompts, .. } => (instructions, prompts),
            };
            let mut answers = Vec::new();
            for prompt in prompts.iter().take(MOST_PROMPTS) {
                let known = self.found.passwords.lock().get(&self.shown).cloned();
                let answer = match known.filter(|_| prompts.len() == 1 && !prompt.echo) {
                    Some(known) => Some(known),
                    None => {
                        let text = format!("{instructions} {}", prompt.prompt).trim().to_owned();
                        let (account, is_target) = (self.shown.clone(), self.is_target);
                        let question = SecretQuestion::Interactive { account, is_target, text, echo: prompt.echo };
                        self.login.secrets.answer(&question).await?
                    }
                };
                let Some(answer) = answer else { return Ok(None) };
                if prompts.len() == 1 && !prompt.echo {
                    self.found.passwords.lock().insert(self.shown.clone(), answer.clone());
                }
                answers.push(answer.expose().to_owned());
            }
            response = self.answered(ssh.authenticate_keyboard_interactive_respond(answers)).await?;
        }
        Err(ClientError::Protocol("the server asks questions without end".into()))
    }

    async fn password(&self, ssh: &mut Ssh) -> Result<Option<Step>, ClientError> {
        let known = self.found.passwords.lock().get(&self.shown).cloned();
        let password = match known {
            Some(known) => Some(known),
            None => {
                let question = SecretQuestion::Password { account: self.shown.clone(), is_target: self.is_target };
                self.login.secrets.answer(&question).await?
            }
        };
        let Some(password) = password else { return Ok(None) };
        let result = self.answered(ssh.authenticate_password(self.user, password.expose())).await?;
        if result.success() {
            self.found.passwords.lock().insert(self.shown.clone(), password);
        }
        Ok(Some(step(result)))
    }
}

/// The public half of a key, from the file beside it.
fn public_half(file: &Path) -> Option<PublicKey> {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    PublicKey::read_openssh_file(Path::new(&name)).ok()
}

/// Reads a key on a blocking thread, because deriving a key from a passphrase is slow on purpose.
async fn read_key(file: &Path, passphrase: Option<Secret>) -> Result<PrivateKey, russh::keys::Error> {
    let file = file.to_owned();
    let work = move || load_secret_key(file, passphrase.as_ref().map(Secret::expose));
    match tokio::task::spawn_blocking(work).await {
        Ok(key) => key,
        Err(stopped) => Err(russh::keys::Error::IO(stopped.into())),
    }
}

type Agent = AgentClient<Box<dyn AgentStream + Send + Unpin>>;

/// The user's agent, if there is one.
async fn agent() -> Option<Agent> {
    #[cfg(unix)]
    let agent = AgentClient::connect_env().await;
    #[cfg(windows)]
    let agent = AgentClient::connect_named_pipe(r"\\.\pipe\openssh-ssh-agent").await;
    agent.ok().map(AgentClient::dynamic)
}
