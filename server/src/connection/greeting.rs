//! The conversation before login: `Hello`, then proofs until one holds or a budget is gone.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ferry_shared::{
    binding,
    feature::Features,
    frame::Frame,
    link::{LinkError, LinkReader, LinkWriter},
    message::{
        Reply, Request,
        decode::Undecodable,
        reply::{LoggedIn, Registration, ServerLimits, Welcome},
        request::{Hello, Proof},
    },
    refusal::{Code, Refusal},
    secret::Secret,
    version,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep, timeout},
};

use super::{Admitted, Bindings, FAREWELL};
use crate::{
    admission::{Budget, OverBudget, Ticket},
    audit::{
        self,
        event::{Event, Who},
    },
    command::usage,
    config::RegistrationMode,
    context::Context,
    files,
    gate::{self, Gate},
    refusal,
    session::{OpenError, Proven, Session},
    turned_away::Reason,
    users::{
        Account, Denied, LoginError, PublicKey, RegisterError, UserName,
        key::{self, KeyBytes},
    },
};

/// What a greeting ends with when nobody is logged in.
enum Ending {
    /// The peer left, or was told why; close.
    Quiet,
    /// Tell it this, then close.
    Refuse(Refusal),
    /// As `Refuse`, and its address pays for it.
    Punish(Refusal),
    /// It lost its place to others.
    Dropped(Reason),
}

impl From<LinkError> for Ending {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Frame(error) => Self::Punish(refusal::malformed(&error.to_string())),
            LinkError::Io(_) | LinkError::Cut => Self::Quiet,
        }
    }
}

/// Talks until a session is joined; `None` when the connection is to be closed.
pub(super) async fn greet<R, W>(
    reader: &mut LinkReader<R>,
    writer: &mut LinkWriter<W>,
    peer: SocketAddr,
    ticket: &Ticket,
    context: &Arc<Context>,
    exported: &Bindings,
) -> Option<Admitted>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (sealed, budget) = (!context.seal.is_demanded(), context.admission.budget());
    let features = Features::NONE;
    let mut greeting =
        Greeting { reader, writer, peer, ticket, context, exported, sealed, features, budget, denied: None };
    let ended = tokio::select! {
        ended = timeout(context.config.get().login.deadline(), greeting.run()) => ended,
        reason = ticket.dropped() => Ok(Err(Ending::Dropped(reason))),
    };
    let ending = match ended {
        Ok(Ok(admitted)) => return Some(admitted),
        Ok(Err(ending)) => ending,
        Err(_) => {
            super::too_slow(context, peer);
            return None;
        }
    };
    let (reason, refusal) = match ending {
        Ending::Quiet => return None,
        Ending::Dropped(reason) => (reason, refusal::busy("too many connections are at their login; try again")),
        Ending::Refuse(refusal) => (Reason::Refused, refusal),
        Ending::Punish(refusal) => {
            ticket.is_strange();
            (Reason::Refused, refusal)
        }
    };
    // Not even what is wrong with its words.
    let refusal = if greeting.sealed { refusal } else { refusal::unsealed() };
    greeting.note(&refusal, None).await;
    if context.turned_away.count(reason) {
        tracing::info!(%peer, reason = reason.as_str(), code = refusal.code.as_str(), "turned away: refused before login");
    }
    match timeout(FAREWELL, greeting.writer.send(&Reply::Refused(refusal))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the refused peer was gone already"),
        Err(_) => tracing::debug!("the refused peer does not read"),
    }
    None
}

/// Whether the first message of a peer that is not taken shows that it knows the server's secret.
pub(super) async fn knows_the_seal<R: AsyncRead + Unpin>(
    reader: &mut LinkReader<R>,
    context: &Context,
    exported: &Bindings,
) -> bool {
    let Ok(Some(Frame::Message(json))) = reader.next().await else { return false };
    match Request::decode(&json) {
        Ok(Request::Hello(hello)) => context.seal.admits(hello.seal.as_deref(), &exported.seal),
        _ => false,
    }
}

struct Greeting<'a, R, W> {
    reader: &'a mut LinkReader<R>,
    writer: &'a mut LinkWriter<W>,
    peer: SocketAddr,
    ticket: &'a Ticket,
    context: &'a Arc<Context>,
    /// What a key's signature and a seal on this connection cover.
    exported: &'a Bindings,
    /// Whether the peer knows the server's secret, or none is demanded.
    sealed: bool,
    /// What both sides know beyond the first version.
    features: Features,
    budget: Budget,
    /// What stood against the login that was just refused.
    denied: Option<Denied>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Greeting<'_, R, W> {
    async fn run(&mut self) -> Result<Admitted, Ending> {
        let hello = loop {
            match self.request().await? {
                Some(Request::Hello(hello)) => break hello,
                Some(_) => return Err(Ending::Punish(refusal::malformed("the first message must be 'hello'"))),
                None => {}
            }
        };
        self.sealed |= self.context.seal.admits(hello.seal.as_deref(), &self.exported.seal);
        if !self.sealed {
            return Err(Ending::Punish(refusal::unsealed()));
        }
        self.welcome(&hello).await?;
        loop {
            self.denied = None;
            let request = self.request().await?;
            let claims = match &request {
                Some(Request::Login { user, .. } | Request::Register { user, .. }) => Some(user.clone()),
                _ => None,
            };
            let (joined, failed) = match request {
                Some(Request::Login { user, proof }) => (self.log_in(&user, &proof).await?, true),
                // A dead ticket is no guess: an honest client offers it after its session ended.
                Some(Request::Attach { ticket }) => (self.attach(&ticket)?, false),
                Some(Request::Register { user, password, invite }) => {
                    (self.register(&user, &password, invite.as_ref()).await?, true)
                }
                Some(Request::Ping) => {
                    self.writer.send(&Reply::Pong).await?;
                    continue;
                }
                Some(Request::Hello(_)) => return Err(Ending::Punish(refusal::malformed("a second 'hello'"))),
                Some(other) => (Err(not_logged_in(other.name())), false),
                None => continue,
            };
            match joined {
                Ok((admitted, logged_in)) => {
                    self.writer.send(&Reply::LoggedIn(logged_in)).await?;
                    return Ok(admitted);
                }
                Err(refused) => {
                    let is_guess = refused.code == Code::LoginFailed;
                    if failed || !is_guess {
                        self.note(&refused, claims.as_deref()).await;
                    }
                    self.writer.send(&Reply::Refused(refused)).await?;
                }
            }
        }
    }

    /// Counts a refusal, and has it noted when it is more than an answer.
    async fn note(&self, refusal: &Refusal, claims: Option<&str>) {
        self.context.figures.refused(refusal.code);
        if audit::is_noted(refusal) {
            let reason = self.denied.map(Denied::as_str);
            self.context.audit.note(Who::stranger(self.peer, claims), Event::refused_for(refusal, reason)).await;
        }
    }

    /// The next request; `None` for one this build does not know like that, which is answered here.
    async fn request(&mut self) -> Result<Option<Request>, Ending> {
        let frame = self.reader.next().await?.ok_or(Ending::Quiet)?;
        if let Err(over) = self.budget.frame(self.reader.received()) {
            return Err(Ending::Punish(Refusal::new(Code::TooLarge, over.to_string())));
        }
        let Frame::Message(json) = frame else {
            return Err(Ending::Punish(refusal::malformed("only messages before login")));
        };
        match Request::decode(&json) {
            Ok(request) => Ok(Some(request)),
            Err(Undecodable::Unsupported { .. }) if !self.sealed => Err(Ending::Punish(refusal::unsealed())),
            Err(Undecodable::Unsupported { what, .. }) => {
                let shown = ferry_shared::name::Escaped(what.as_bytes()).to_string();
                self.writer.send(&Reply::Refused(refusal::unsupported(&shown))).await?;
                Ok(None)
            }
            Err(other) => Err(Ending::Punish(refusal::malformed(&other.to_string()))),
        }
    }

    async fn welcome(&mut self, hello: &Hello) -> Result<(), Ending> {
        let Some(protocol) = version::agree(hello.protocol) else {
            let message = format!("this server speaks protocol {} and newer; update the client", version::OLDEST);
            return Err(Ending::Refuse(Refusal::new(Code::Unsupported, message)));
        };
        let client = ferry_shared::name::Escaped(hello.client.as_bytes()).to_string();
        self.features = Features::known().common(hello.features);
        tracing::debug!(client, protocol, features = ?self.features, "hello");
        let config = self.context.config.get();
        let limits = &config.limits;
        let welcome = Welcome {
            protocol,
            server: format!("{} {}", self.context.config.get().server.name, env!("CARGO_PKG_VERSION")),
            features: Features::known(),
            registration: match config.registration.mode {
                RegistrationMode::Closed => Registration::Closed,
                RegistrationMode::Invite => Registration::Invite,
                RegistrationMode::Open => Registration::Open,
            },
            limits: ServerLimits { connections: limits.connections_per_user, idle_seconds: limits.idle_seconds },
        };
        Ok(self.writer.send(&Reply::Welcome(welcome)).await?)
    }

    async fn log_in(&mut self, user: &str, proof: &Proof) -> Result<Result<(Admitted, LoggedIn), Refusal>, Ending> {
        self.take_proof()?;
        let ticket = self.ticket;
        // To look at a key takes no time.
        let _kept_until_judged = match proof {
            Proof::Password(_) => ticket.check(user).await,
            Proof::Key { .. } => ticket.keep(),
        };
        let generation = self.context.users.generation();
        let (checked, key) = match proof {
            Proof::Password(password) => {
                self.may_guess(user)?;
                (self.context.users.login(user, password).await, None)
            }
            Proof::Key { public_key, signature } => {
                let Ok(key) = public_key.parse::<PublicKey>() else {
                    return Ok(Err(Refusal::new(Code::Unsupported, "keys are of the kind ssh-ed25519")));
                };
                let text = binding::login_text(user, &self.exported.login);
                let checked = self.context.users.login_with_key(user, &key, &text, signature);
                // A right one never waits, and a wrong one hears what a password would.
                if checked.is_err() {
                    self.may_guess(user)?;
                }
                (checked, Some(key.key()))
            }
        };
        let account = match checked {
            Ok(account) => account,
            Err(LoginError::Busy) => return Ok(Err(refusal::busy("too many logins at once; try again"))),
            Err(LoginError::Wrong(denied)) => {
                let secret = match (proof, &key) {
                    (Proof::Password(password), _) => password.expose().as_bytes(),
                    (_, Some(key)) => key.as_slice(),
                    _ => &[],
                };
                ticket.failed(user, secret, generation);
                if self.context.turned_away.count(Reason::Login) {
                    let shown = ferry_shared::name::Escaped(user.as_bytes()).to_string();
                    let key = key.as_ref().map(key::fingerprint);
                    tracing::warn!(user = shown, reason = denied.as_str(), key, "login failed");
                }
                self.denied = Some(denied);
                return Ok(Err(refusal::login_failed()));
            }
        };
        ticket.succeeded(&account.name);
        Ok(self.enter(account, key).await)
    }

    async fn register(
        &mut self,
        user: &str,
        password: &Secret,
        invite: Option<&Secret>,
    ) -> Result<Result<(Admitted, LoggedIn), Refusal>, Ending> {
        self.take_proof()?;
        let terms = self.context.config.get().registration.clone();
        if terms.mode != RegistrationMode::Closed {
            match self.ticket.pace_registration(terms.per_minute) {
                Ok(wait) => sleep(wait).await,
                Err(wait) => return Err(Ending::Refuse(refusal::too_many_accounts(whole_seconds(wait)))),
            }
        }
        let ticket = self.ticket;
        let _kept_until_judged = ticket.check(user).await;
        self.may_guess(user)?;
        let generation = self.context.users.generation();
        let context = Arc::clone(self.context);
        let is_kept = move |name: &UserName| {
            context.states.has_files(name).unwrap_or_else(|error| {
                tracing::error!(user = %name, %error, "cannot see whether files are kept; no account is made");
                true
            })
        };
        match self.context.users.register(user, password, invite, &terms, is_kept).await {
            Ok(account) => {
                tracing::info!(user = %account.name, "account made");
                Ok(self.enter(account, None).await)
            }
            Err(error) => {
                // A wrong invite is a guess, and so is to ask which names are taken.
                if matches!(error, RegisterError::Invite | RegisterError::Taken) {
                    ticket.failed(user, invite.map_or(&[][..], |invite| invite.expose().as_bytes()), generation);
                }
                Ok(Err(refusal::of_registration(&error)))
            }
        }
    }

    /// Opens a session for who proved to be this account, with a key if not with the password.
    async fn enter(&self, account: Arc<Account>, key: Option<KeyBytes>) -> Result<(Admitted, LoggedIn), Refusal> {
        let proven = key.map_or_else(|| Proven::password_of(&account), Proven::Key);
        // The proof took its time. A home is not made for whose account is gone since.
        let now = || self.context.users.current(&account.name).ok_or_else(refusal::login_failed);
        let (context, opening, span) = (Arc::clone(self.context), now()?, tracing::Span::current());
        let opened = tokio::task::spawn_blocking(move || span.in_scope(|| context.open_user(&opening))).await;
        let user = match opened {
            Ok(Ok(user)) => user,
            Ok(Err(error)) => return Err(files::Error::from(error).into()),
            Err(error) => return Err(refusal::internal(&error)),
        };
        match self.context.sessions.open(user, proven, now()?.max_sessions) {
            Ok((session, ticket)) => {
                let joined = self.join(session, ticket)?;
                self.context.figures.logins.one();
                Ok(joined)
            }
            Err(error @ OpenError::TooMany(_)) => Err(refusal::busy(&format!("{error}; close one"))),
            Err(error) => Err(refusal::internal(&error)),
        }
    }

    /// A ticket is too long to be guessed, so it never waits.
    fn attach(&mut self, ticket: &Secret) -> Result<Result<(Admitted, LoggedIn), Refusal>, Ending> {
        self.take_proof()?;
        let session = self.context.sessions.attach(ticket);
        Ok(session.ok_or_else(refusal::login_failed).and_then(|session| self.join(session, ticket.clone())))
    }

    /// Takes a proof off the budget.
    fn take_proof(&mut self) -> Result<(), Ending> {
        let over = |over: OverBudget| Ending::Refuse(Refusal::new(Code::TooManyAttempts, over.to_string()));
        self.budget.proof().map_err(over)
    }

    /// Asks whether this user's logins from this address have to wait.
    fn may_guess(&self, user: &str) -> Result<(), Ending> {
        match self.ticket.must_wait(user) {
            Some(wait) => Err(Ending::Refuse(refusal::too_many_attempts(whole_seconds(wait)))),
            None => Ok(()),
        }
    }

    /// Lets the connection into the session, if the account as it is now does.
    fn join(&self, session: Arc<Session>, ticket: Secret) -> Result<(Admitted, LoggedIn), Refusal> {
        let gate = Gate::new(self.context.users.clone(), Arc::clone(&session)).ok_or_else(refusal::login_failed)?;
        let most = self.context.config.get().limits.connections_per_user;
        let presence = session
            .user
            .enter(most)
            .ok_or_else(|| refusal::busy(&format!("at most {most} connections a user; close one")))?;
        let logged_in = LoggedIn {
            user: gate.account().name.to_string(),
            access: gate::told(gate.account().access),
            usage: usage::now(&session.user),
            ticket,
            motd: self.context.config.get().server.motd.clone(),
        };
        Ok((Admitted { session, gate, features: self.features, _presence: presence }, logged_in))
    }
}

/// Rounded up, so that a client that comes back then need not wait again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn not_logged_in(request: &str) -> Refusal {
    Refusal::new(Code::NotAllowed, format!("log in before '{request}'"))
}
