//! The connections for browsing: established, watched, restored, closed.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use ferry_client::{
    ClientError, ConnectOptions, Credential, Local, Site, SiteKey, Trust, connect,
    connect::{Protocol, Target},
    identity::{self, Identity},
    reconnect::{Backoff, Patience},
    server::{self, Connector, Remote},
    sftp::{Login, NoSecrets, OnePassword, Secrets, SftpConnector, SftpOptions},
    transfer::LinkRule,
    trust::{BoxFuture, Fingerprint, TrustPrompt, TrustQuestion},
};
use ferry_shared::{message::Notice, refusal::Code, secret::Secret};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, broadcast, mpsc, oneshot, watch},
    task::AbortHandle,
};

use super::{Options, remote::Ask, reply::Reply, saved::Keeper};
use crate::{
    args::Links,
    home::{Home, user_home},
    tui::{
        effect::ConnectionEffect,
        event::{Answer, Event},
        state::{
            connection::{Account, Greeting},
            dialog::TrustView,
            place::Place,
            problem::Problem,
            ticket::Ticket,
        },
    },
};

type Events = mpsc::Sender<Event>;

/// The channel for the answer about a key.
type Asking = Arc<Mutex<Option<oneshot::Sender<bool>>>>;

/// Connects to servers, and keeps their connections for browsing.
#[derive(Debug)]
pub(super) struct ConnectionKeeper {
    events: Events,
    known_servers: PathBuf,
    /// The folder for the journal of unfinished uploads to SSH servers.
    parts: PathBuf,
    /// The user's home folder, with the files of SSH.
    home: PathBuf,
    server_key: Option<Fingerprint>,
    accept_new: bool,
    /// The file with the secret of any server.
    usual_seal: Option<PathBuf>,
    /// The rule for symbolic links inside a folder: the command line's, else the site's.
    usual_links: Option<Links>,
    /// The server that is being reached, or was greeted.
    attempt: Option<Attempt>,
    /// The servers that were logged in to; one whose login failed stays until it is left.
    kept: HashMap<Target, Kept>,
    asking: Asking,
    /// The saved sites.
    saved: Keeper,
}

/// A server that is not logged in to yet.
#[derive(Debug)]
struct Attempt {
    connector: Connector,
    /// The file with the secret of this server.
    seal: Option<PathBuf>,
    links: Option<Links>,
    /// The site whose password goes into the keyring when the server has accepted it.
    remember: Option<String>,
    task: AbortHandle,
}

/// A server that was logged in to.
#[derive(Debug)]
struct Kept {
    connector: Connector,
    links: Option<Links>,
    /// The present connection.
    current: Arc<watch::Sender<Option<Remote>>>,
    /// Wakes an attempt that waits.
    retry: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
        self.current.send_replace(None);
    }
}

impl ConnectionKeeper {
    pub(super) fn new(events: Events, home: &Home, options: &Options, saved: Keeper) -> Self {
        Self {
            events,
            known_servers: home.known_servers(),
            parts: home.parts(),
            home: user_home(),
            server_key: options.server_key,
            accept_new: options.accept_new,
            usual_seal: options.seal.clone(),
            usual_links: options.links,
            attempt: None,
            kept: HashMap::new(),
            asking: Asking::default(),
            saved,
        }
    }

    /// A site for the engine; `None` for a server that is not connected.
    pub(super) fn site(&self, site: &SiteKey) -> Option<Arc<dyn Site>> {
        match site {
            SiteKey::Local => Some(Arc::new(Local)),
            SiteKey::Server(target) => Some(self.kept.get(target)?.connector.site()),
        }
    }

    /// The rule for symbolic links inside a folder that goes from one place to another: the first server's.
    pub(super) fn links(&self, from: &Place, to: &Place) -> LinkRule {
        let server = from.target().or(to.target()).and_then(|server| self.kept.get(server));
        Links::rule(self.usual_links.or(server.and_then(|kept| kept.links)))
    }

    /// The connection to call, if there is one.
    pub(super) fn ask(&self, server: &Target, reply: Reply) -> Option<Ask> {
        let kept = self.kept.get(server)?;
        let remote = kept.current.borrow().clone()?;
        Some(Ask { remote, connector: kept.connector.clone(), reply })
    }

    pub(super) fn run(&mut self, effect: ConnectionEffect) {
        match effect {
            ConnectionEffect::Reach(ticket, target, key, seal, links) => self.reach(ticket, target, key, seal, links),
            ConnectionEffect::Trust(yes) => {
                if let Some(asking) = self.asking.lock().take() {
                    // The receiver is gone if the attempt was given up meanwhile.
                    let _ = asking.send(yes);
                }
            }
            ConnectionEffect::LogIn(ticket, None, password) => {
                let Some(attempt) = &mut self.attempt else { return };
                let kept = attempt.remember.take().map(|site| (site, password.clone()));
                match &attempt.connector {
                    Connector::Ferry(connector) => {
                        connector.set_credential(Credential::Password(password));
                        self.enter(ticket, Proof::Set, kept);
                    }
                    Connector::Sftp(_) => self.enter(ticket, Proof::Secret(None, password), kept),
                }
            }
            ConnectionEffect::LogInStored(ticket) => self.enter(ticket, Proof::Stored, None),
            ConnectionEffect::Remember(site) => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.remember = Some(site);
                }
            }
            ConnectionEffect::LogIn(ticket, Some(file), passphrase) => {
                let is_sftp =
                    self.attempt.as_ref().is_some_and(|attempt| matches!(attempt.connector, Connector::Sftp(_)));
                let proof = match is_sftp {
                    true => Proof::Secret(Some(file), passphrase),
                    false => Proof::Key(file, passphrase),
                };
                self.enter(ticket, proof, None);
            }
            ConnectionEffect::Register(ticket, user, password, invite) => {
                let Some(Attempt { connector, seal, .. }) = &self.attempt else { return };
                let target = Target { user, ..connector.target().clone() };
                let password = Credential::Password(password);
                let connector = self.connector_to(target, password, self.server_key, seal.clone());
                if let Some(attempt) = &mut self.attempt {
                    attempt.connector = connector;
                }
                self.enter(ticket, Proof::Invite(invite), None);
            }
            ConnectionEffect::GiveUp => self.give_up(),
            ConnectionEffect::Usage(server) => self.usage(&server),
            ConnectionEffect::Retry(server) => {
                if let Some(kept) = self.kept.get(&server) {
                    kept.retry.notify_one();
                }
            }
            ConnectionEffect::Leave(server) => drop(self.kept.remove(&server)),
        }
    }

    /// Closes all connections and cancels their calls.
    pub(super) fn leave_all(&mut self) {
        self.give_up();
        self.kept.clear();
    }

    fn give_up(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.task.abort();
            // Its login may be under way.
            self.kept.remove(attempt.connector.target());
        }
        self.asking.lock().take();
    }

    fn reach(
        &mut self,
        ticket: Ticket,
        target: Target,
        key: Option<Fingerprint>,
        seal: Option<PathBuf>,
        links: Option<Links>,
    ) {
        if let Some(before) = self.attempt.take() {
            before.task.abort();
        }
        let nobody = Credential::Password(Secret::new(String::new()));
        let connector = self.connector_to(target, nobody, self.server_key.or(key), seal.clone());
        let (reply, greeted) = (Reply::new(self.events.clone(), ticket), connector.clone());
        let task = spawn(async move {
            match greeted.probe().await {
                Ok(greeted) => reply.send(Answer::Greeted(greeting(greeted))).await,
                Err(error) => reply.failed(&error).await,
            }
        });
        self.attempt = Some(Attempt { connector, seal, links, remember: None, task });
    }

    fn connector_to(
        &self,
        target: Target,
        credential: Credential,
        key: Option<Fingerprint>,
        seal: Option<PathBuf>,
    ) -> Connector {
        let trust = match key {
            Some(key) => Trust::Pinned(key),
            None if self.accept_new => Trust::AcceptNew,
            None => Trust::Ask(Arc::new(AskOnScreen { events: self.events.clone(), asking: Arc::clone(&self.asking) })),
        };
        if target.protocol == Protocol::Sftp {
            let mut options = SftpOptions::new(trust, &self.known_servers, &self.home, login(None, None));
            options.parts = Some(self.parts.clone());
            return Connector::Sftp(SftpConnector::new(target, options));
        }
        let mut options = ConnectOptions::new(trust, &self.known_servers);
        options.seal = seal.or_else(|| self.usual_seal.clone());
        Connector::Ferry(connect::Connector::new(target, credential, options))
    }

    /// Logs in, or makes an account, and keeps the connection from then on. A password with the name of a site goes into
    /// the keyring.
    fn enter(&mut self, ticket: Ticket, proof: Proof, kept: Option<(String, Secret)>) {
        let Some(Attempt { connector, links, .. }) = &self.attempt else { return };
        let (connector, links) = (connector.clone(), *links);
        let reply = Reply::new(self.events.clone(), ticket);
        let (current, retry) = (Arc::new(watch::Sender::new(None)), Arc::new(Notify::new()));
        let keep = Keep {
            events: self.events.clone(),
            connector: connector.clone(),
            current: Arc::clone(&current),
            retry: Arc::clone(&retry),
        };
        let target = connector.target().clone();
        let login = connector.clone();
        let saved = self.saved.clone();
        let task = spawn(async move {
            let entered = match proof {
                Proof::Invite(invite) => Remote::register(&login, invite).await,
                Proof::Set => Remote::connect(&login).await,
                Proof::Stored => match stored(&login, &saved).await {
                    Ok(entered) => entered,
                    // The person is asked.
                    Err(why) => return reply.send(Answer::Failed(Problem::new(why))).await,
                },
                Proof::Secret(file, secret) => {
                    let given = Some(secret).filter(|secret| !secret.expose().is_empty());
                    let asks = given.is_none();
                    login.set_login(self::login(file, given));
                    match Remote::connect(&login).await {
                        // Neither an agent nor a key without a passphrase was enough.
                        Err(ClientError::Refused(refusal)) if asks && refusal.code == Code::LoginFailed => {
                            return reply.send(Answer::Locked).await;
                        }
                        entered => entered,
                    }
                }
                Proof::Key(file, passphrase) => match key(file, passphrase).await {
                    Ok(Some(credential)) => {
                        if let Connector::Ferry(connector) = &login {
                            connector.set_credential(credential);
                        }
                        Remote::connect(&login).await
                    }
                    Ok(None) => return reply.send(Answer::Locked).await,
                    Err(error) => Err(error),
                },
            };
            match entered {
                Err(error) => reply.failed(&error).await,
                Ok(remote) => {
                    keep.current.send_replace(Some(remote.clone()));
                    let answer = Answer::LoggedIn(greeting(remote.greeted()), account(remote.account()));
                    reply.send(answer).await;
                    if let Some((site, password)) = kept {
                        saved.remember(site, login.target(), password).await;
                    }
                    keep.run(remote).await;
                }
            }
        });
        self.kept.insert(target, Kept { connector, links, current, retry, task });
    }

    fn usage(&self, server: &Target) {
        let Some(remote) = self.kept.get(server).and_then(|kept| kept.current.borrow().clone()) else { return };
        let (events, server) = (self.events.clone(), server.clone());
        drop(spawn(async move {
            if let Ok(usage) = remote.shown_usage().await {
                let _ = events.send(Event::Notice(server, Notice::UsageChanged(usage))).await;
            }
        }));
    }
}

/// How a login is proven.
enum Proof {
    /// As the connector was told.
    Set,
    /// With the password in the keyring.
    Stored,
    /// By making the account, with an invite if one is needed.
    Invite(Option<Secret>),
    /// With a secret that an SSH server may ask for, unless it is empty, and the key in a file.
    Secret(Option<PathBuf>, Secret),
    /// With the key in a file, opened by its passphrase if that is not empty.
    Key(PathBuf, Secret),
}

/// Logs in with the password in the keyring.
///
/// # Errors
/// Why another password is needed.
async fn stored(login: &Connector, saved: &Keeper) -> Result<Result<Remote, ClientError>, String> {
    let password = match saved.password(login.target()).await {
        Ok(Some(password)) => password,
        Ok(None) => return Err("the keyring has no password for this account any more".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    match login {
        Connector::Ferry(connector) => connector.set_credential(Credential::Password(password)),
        Connector::Sftp(connector) => connector.set_login(self::login(None, Some(password))),
    }
    match Remote::connect(login).await {
        Err(ClientError::Refused(refusal)) if refusal.code == Code::LoginFailed => {
            Err("the password in the keyring is wrong; type the right one".to_owned())
        }
        entered => Ok(entered),
    }
}

/// The key in a file; `None` when its passphrase is needed.
async fn key(file: PathBuf, passphrase: Secret) -> Result<Option<Credential>, ClientError> {
    let open = move || match identity::open(&file)? {
        Identity::Ready(credential) => Ok(Some(credential)),
        Identity::Locked(_) if passphrase.expose().is_empty() => Ok(None),
        Identity::Locked(key) => key.unlock(&passphrase).map(Some),
    };
    match tokio::task::spawn_blocking(open).await {
        Ok(opened) => opened.map_err(|error| ClientError::Identity(Arc::new(error))),
        Err(_) => Err(ClientError::Cancelled),
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    tokio::spawn(task).abort_handle()
}

/// Watches a connection, and makes it again when it is lost.
struct Keep {
    events: Events,
    connector: Connector,
    current: Arc<watch::Sender<Option<Remote>>>,
    retry: Arc<Notify>,
}

impl Keep {
    async fn run(&self, mut remote: Remote) {
        let mut backoff = Backoff::new(Patience::ENDLESS);
        loop {
            let server = || self.connector.target().clone();
            let mut error = self.watch(&remote).await;
            self.current.send_replace(None);
            remote = loop {
                let Some(retry_in) = backoff.next_delay(&error) else {
                    self.tell(Event::Ended(server(), Problem::from(&error))).await;
                    return;
                };
                let problem = Problem::from(&error);
                self.tell(Event::Lost { server: server(), problem, retry_in }).await;
                tokio::select! {
                    () = tokio::time::sleep(retry_in) => {}
                    () = self.retry.notified() => {}
                }
                self.tell(Event::Retrying(server())).await;
                match Remote::connect(&self.connector).await {
                    Ok(remote) => break remote,
                    Err(again) => error = again,
                }
            };
            backoff.reset();
            self.current.send_replace(Some(remote.clone()));
            self.tell(Event::Restored(server(), account(remote.account()))).await;
        }
    }

    /// Forwards the server's notices until the connection ends. Returns the reason.
    async fn watch(&self, remote: &Remote) -> ClientError {
        let Some(mut notices) = remote.notices() else { return remote.closed().await };
        loop {
            tokio::select! {
                error = remote.closed() => return error,
                notice = notices.recv() => match notice {
                    Ok(notice) => self.tell(Event::Notice(self.connector.target().clone(), notice)).await,
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return remote.closed().await,
                },
            }
        }
    }

    async fn tell(&self, event: Event) {
        // The receiver is gone only when the program ends.
        let _ = self.events.send(event).await;
    }
}

fn greeting(greeted: server::Greeted) -> Greeting {
    Greeting { software: greeted.software, registration: greeted.registration, key: greeted.key }
}

fn account(account: server::Account) -> Account {
    Account { access: account.access, usage: account.usage, motd: account.motd }
}

/// How to log in to an SSH server: with the key in a file, and a secret that answers what the server asks.
fn login(file: Option<PathBuf>, secret: Option<Secret>) -> Login {
    let password_first = secret.is_some() && file.is_none();
    let secrets: Arc<dyn Secrets> = match secret {
        Some(secret) => Arc::new(OnePassword(secret)),
        None => Arc::new(NoSecrets),
    };
    Login { identities: file.into_iter().collect(), secrets, password_first }
}

/// Asks about a server's key on the screen.
struct AskOnScreen {
    events: Events,
    asking: Asking,
}

impl TrustPrompt for AskOnScreen {
    fn accept<'a>(&'a self, question: &'a TrustQuestion) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let (sender, answer) = oneshot::channel();
            *self.asking.lock() = Some(sender);
            let view = TrustView { host: question.host.clone(), key: question.fingerprint };
            if self.events.send(Event::Trust(view)).await.is_err() {
                return false;
            }
            answer.await.unwrap_or(false)
        })
    }
}
