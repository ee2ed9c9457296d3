//! The connection for browsing: established, watched, restored, closed.

use std::{path::PathBuf, sync::Arc};

use ferry_client::{
    ClientError, ConnectOptions, Connector, Credential, Remote, Trust,
    connect::Target,
    identity::{self, Identity},
    reconnect::{Backoff, Patience},
    transfer::LinkRule,
    trust::{BoxFuture, Fingerprint, TrustPrompt, TrustQuestion},
};
use ferry_shared::{
    message::{
        Notice,
        reply::{LoggedIn, Welcome},
    },
    secret::Secret,
};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, broadcast, mpsc, oneshot, watch},
    task::AbortHandle,
};

use super::{Options, remote::Ask, reply::Reply};
use crate::{
    args::Links,
    tui::{
        effect::ConnectionEffect,
        event::{Answer, Event},
        state::{
            connection::{Account, Greeting},
            dialog::TrustView,
            problem::Problem,
            ticket::Ticket,
        },
    },
};

type Events = mpsc::Sender<Event>;

/// The channel for the answer about a key.
type Asking = Arc<Mutex<Option<oneshot::Sender<bool>>>>;

/// Keeps the connection for browsing.
#[derive(Debug)]
pub(super) struct ConnectionKeeper {
    events: Events,
    known_servers: PathBuf,
    server_key: Option<Fingerprint>,
    accept_new: bool,
    /// The file with the secret of any server.
    usual_seal: Option<PathBuf>,
    /// The file with the secret of the server being reached.
    seal: Option<PathBuf>,
    /// The rule for symbolic links inside a folder: the command line's, else the site's.
    usual_links: Option<Links>,
    links: Option<Links>,
    connector: Option<Connector>,
    /// The present connection.
    current: Arc<watch::Sender<Option<Remote>>>,
    /// Wakes an attempt that waits.
    retry: Arc<Notify>,
    asking: Asking,
    task: Option<AbortHandle>,
}

impl ConnectionKeeper {
    pub(super) fn new(events: Events, known_servers: PathBuf, options: &Options) -> Self {
        Self {
            events,
            known_servers,
            server_key: options.server_key,
            accept_new: options.accept_new,
            usual_seal: options.seal.clone(),
            seal: None,
            usual_links: options.links,
            links: None,
            connector: None,
            current: Arc::new(watch::Sender::new(None)),
            retry: Arc::default(),
            asking: Asking::default(),
            task: None,
        }
    }

    /// The connector of the session, for more connections.
    pub(super) fn session(&self) -> Option<&Connector> {
        self.connector.as_ref()
    }

    /// The rule for symbolic links inside a folder.
    pub(super) fn links(&self) -> LinkRule {
        Links::rule(self.usual_links.or(self.links))
    }

    /// The connection to call, if there is one.
    pub(super) fn ask(&self, reply: Reply) -> Option<Ask> {
        let remote = self.current.borrow().clone()?;
        Some(Ask { remote, connector: self.connector.clone()?, reply })
    }

    pub(super) fn run(&mut self, effect: ConnectionEffect) {
        match effect {
            ConnectionEffect::Reach(ticket, target, key, seal, links) => {
                (self.seal, self.links) = (seal, links);
                self.reach(ticket, target, key);
            }
            ConnectionEffect::Try(ticket, target, key, seal) => drop(self.try_beside(ticket, target, key, seal)),
            ConnectionEffect::Trust(yes) => {
                if let Some(asking) = self.asking.lock().take() {
                    // The receiver is gone if the attempt was given up meanwhile.
                    let _ = asking.send(yes);
                }
            }
            ConnectionEffect::LogIn(ticket, None, password) => {
                let Some(connector) = self.connector.clone() else { return };
                connector.set_credential(Credential::Password(password));
                self.enter(ticket, connector, None);
            }
            ConnectionEffect::LogIn(ticket, Some(file), passphrase) => {
                let Some(connector) = self.connector.clone() else { return };
                self.enter_with(ticket, connector, Proof::Key(file, passphrase));
            }
            ConnectionEffect::Register(ticket, user, password, invite) => {
                let Some(before) = &self.connector else { return };
                let target = Target { user, ..before.target().clone() };
                let connector =
                    self.connector_to(target, Credential::Password(password), self.server_key, self.seal.clone());
                self.connector = Some(connector.clone());
                self.enter(ticket, connector, Some(invite));
            }
            ConnectionEffect::Usage => self.usage(),
            ConnectionEffect::Retry => self.retry.notify_one(),
            ConnectionEffect::Leave => self.leave(),
        }
    }

    /// Leaves the server.
    pub(super) fn leave(&mut self) {
        self.leave_now();
        self.connector = None;
    }

    /// Closes the connection and stops what was under way.
    pub(super) fn leave_now(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.current.send_replace(None);
        self.asking.lock().take();
    }

    fn reach(&mut self, ticket: Ticket, target: Target, key: Option<Fingerprint>) {
        self.leave();
        let connector = self.unproven(target, key, self.seal.clone());
        self.connector = Some(connector.clone());
        self.task = Some(self.greet(ticket, connector));
    }

    /// Greets a server without leaving the one that is connected.
    pub(super) fn try_beside(
        &self,
        ticket: Ticket,
        target: Target,
        key: Option<Fingerprint>,
        seal: Option<PathBuf>,
    ) -> AbortHandle {
        self.greet(ticket, self.unproven(target, key, seal))
    }

    fn greet(&self, ticket: Ticket, connector: Connector) -> AbortHandle {
        let reply = Reply::new(self.events.clone(), ticket);
        spawn(async move {
            match connector.probe().await {
                Ok((welcome, key)) => reply.send(Answer::Greeted(greeting(&welcome, key))).await,
                Err(error) => reply.failed(&error).await,
            }
        })
    }

    /// The connector to a server before the user is known.
    fn unproven(&self, target: Target, key: Option<Fingerprint>, seal: Option<PathBuf>) -> Connector {
        let nobody = Credential::Password(Secret::new(String::new()));
        self.connector_to(target, nobody, self.server_key.or(key), seal)
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
        let mut options = ConnectOptions::new(trust, &self.known_servers);
        options.seal = seal.or_else(|| self.usual_seal.clone());
        Connector::new(target, credential, options)
    }

    /// Logs in, or makes an account, and keeps the connection from then on.
    fn enter(&mut self, ticket: Ticket, connector: Connector, invite: Option<Option<Secret>>) {
        self.enter_with(ticket, connector, invite.map_or(Proof::Set, Proof::Invite));
    }

    fn enter_with(&mut self, ticket: Ticket, connector: Connector, proof: Proof) {
        let reply = Reply::new(self.events.clone(), ticket);
        let keep = Keep {
            events: self.events.clone(),
            connector: connector.clone(),
            current: Arc::clone(&self.current),
            retry: Arc::clone(&self.retry),
        };
        self.task = Some(spawn(async move {
            let entered = match proof {
                Proof::Invite(invite) => Remote::register(&connector, invite).await,
                Proof::Set => Remote::connect(&connector).await,
                Proof::Key(file, passphrase) => match key(file, passphrase).await {
                    Ok(Some(credential)) => {
                        connector.set_credential(credential);
                        Remote::connect(&connector).await
                    }
                    Ok(None) => return reply.send(Answer::Locked).await,
                    Err(error) => Err(error),
                },
            };
            match entered {
                Err(error) => reply.failed(&error).await,
                Ok(remote) => {
                    keep.current.send_replace(Some(remote.clone()));
                    let answer =
                        Answer::LoggedIn(greeting(remote.welcome(), remote.server_key()), account(remote.logged_in()));
                    reply.send(answer).await;
                    keep.run(remote).await;
                }
            }
        }));
    }

    fn usage(&self) {
        let Some(remote) = self.current.borrow().clone() else { return };
        let events = self.events.clone();
        drop(spawn(async move {
            if let Ok(usage) = remote.usage().await {
                let _ = events.send(Event::Notice(Notice::UsageChanged(usage))).await;
            }
        }));
    }
}

/// How a login is proven.
enum Proof {
    /// As the connector was told.
    Set,
    /// By making the account, with an invite if one is needed.
    Invite(Option<Secret>),
    /// With the key in a file, opened by its passphrase if that is not empty.
    Key(PathBuf, Secret),
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
            let mut error = self.watch(&remote).await;
            self.current.send_replace(None);
            remote = loop {
                let Some(retry_in) = backoff.next_delay(&error) else {
                    self.tell(Event::Ended(Problem::from(&error))).await;
                    return;
                };
                self.tell(Event::Lost { problem: Problem::from(&error), attempt: backoff.attempt(), retry_in }).await;
                tokio::select! {
                    () = tokio::time::sleep(retry_in) => {}
                    () = self.retry.notified() => {}
                }
                self.tell(Event::Retrying).await;
                match Remote::connect(&self.connector).await {
                    Ok(remote) => break remote,
                    Err(again) => error = again,
                }
            };
            backoff.reset();
            self.current.send_replace(Some(remote.clone()));
            self.tell(Event::Restored(account(remote.logged_in()))).await;
        }
    }

    /// Forwards the server's notices until the connection ends. Returns the reason.
    async fn watch(&self, remote: &Remote) -> ClientError {
        let mut notices = remote.notices();
        loop {
            tokio::select! {
                error = remote.closed() => return error,
                notice = notices.recv() => match notice {
                    Ok(notice) => self.tell(Event::Notice(notice)).await,
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

fn greeting(welcome: &Welcome, key: Fingerprint) -> Greeting {
    Greeting { software: welcome.server.clone(), registration: welcome.registration, key }
}

fn account(logged_in: &LoggedIn) -> Account {
    Account { access: logged_in.access, usage: logged_in.usage, motd: logged_in.motd.clone() }
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
