//! The conversation before login: `Hello`, then proofs until one is accepted or a budget is used up.

use std::{net::SocketAddr, sync::Arc};

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
    version,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{Bindings, FAREWELL};
use crate::{
    admission::{Budget, OverBudget, Ticket},
    command::usage,
    config::RegistrationMode,
    context::Context,
    door::Door,
    login::{self, Admitted, Credential, Entrance, Refused},
    refusal,
    turned_away::Reason,
};

/// How a greeting ends without a login.
enum Ending {
    /// The peer left, or has been told the reason; close.
    Quiet,
    /// Send this refusal, then close.
    Refuse(Refusal),
    /// Like `Refuse`, after a login that is already recorded.
    Waits(Refusal),
    /// Like `Refuse`, and counted as a failure of the address.
    Punish(Refusal),
    /// The connection lost its place to others.
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

/// Runs the greeting until the connection has joined a session; `None` if it must be closed.
pub(super) async fn greet<R, W>(
    reader: &mut LinkReader<R>,
    writer: &mut LinkWriter<W>,
    peer: SocketAddr,
    ticket: &Ticket,
    context: &Arc<Context>,
    exported: &Bindings,
) -> Option<(Admitted, Features)>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (sealed, budget) = (!context.seal.is_demanded(), context.admission.budget());
    let features = Features::NONE;
    let entrance = Entrance { context, ticket, door: Door::Ferry, peer };
    let mut greeting = Greeting { reader, writer, entrance, exported, sealed, features, budget };
    let ended = tokio::select! {
        ended = timeout(context.config.get().login.deadline(), greeting.run()) => ended,
        reason = ticket.dropped() => Ok(Err(Ending::Dropped(reason))),
    };
    let ending = match ended {
        Ok(Ok(admitted)) => return Some(admitted),
        Ok(Err(ending)) => ending,
        Err(_) => {
            context.turned_away.too_slow(peer);
            return None;
        }
    };
    let (reason, refusal) = match ending {
        Ending::Quiet => return None,
        Ending::Waits(refusal) => (Reason::Refused, refusal),
        Ending::Dropped(reason) => {
            let refusal = refusal::busy("too many connections are at their login; try again");
            (reason, greeting.own(refusal).await)
        }
        Ending::Refuse(refusal) => (Reason::Refused, greeting.own(refusal).await),
        Ending::Punish(refusal) => {
            ticket.is_strange();
            (Reason::Refused, greeting.own(refusal).await)
        }
    };
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

/// Whether the first message of a peer that is not served shows that it knows the server's secret.
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
    entrance: Entrance<'a>,
    /// The value that a key's signature and a seal on this connection cover.
    exported: &'a Bindings,
    /// Whether the peer knows the server's secret, or none is required.
    sealed: bool,
    /// The features that both sides know.
    features: Features,
    budget: Budget,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Greeting<'_, R, W> {
    async fn run(&mut self) -> Result<(Admitted, Features), Ending> {
        let hello = loop {
            match self.request().await? {
                Some(Request::Hello(hello)) => break hello,
                Some(_) => return Err(Ending::Punish(refusal::malformed("the first message must be 'hello'"))),
                None => {}
            }
        };
        self.sealed |= self.entrance.context.seal.admits(hello.seal.as_deref(), &self.exported.seal);
        if !self.sealed {
            return Err(Ending::Punish(refusal::unsealed()));
        }
        self.welcome(&hello).await?;
        loop {
            let joined = match self.request().await? {
                Some(Request::Login { user, proof }) => self.log_in(&user, &proof).await?,
                Some(Request::Attach { ticket }) => {
                    self.take_proof()?;
                    concluded(self.entrance.log_in(Credential::Session(&ticket)).await)?
                }
                Some(Request::Register { user, password, invite }) => {
                    self.take_proof()?;
                    concluded(self.entrance.register(&user, &password, invite.as_ref()).await)?
                }
                Some(Request::Ping) => {
                    self.writer.send(&Reply::Pong).await?;
                    continue;
                }
                Some(Request::Hello(_)) => return Err(Ending::Punish(refusal::malformed("a second 'hello'"))),
                Some(other) => {
                    let refusal = not_logged_in(other.name());
                    self.entrance.note(&refusal, None).await;
                    Err(refusal)
                }
                None => continue,
            };
            match joined {
                Ok(admitted) => {
                    self.writer.send(&Reply::LoggedIn(self.logged_in(&admitted))).await?;
                    return Ok((admitted, self.features));
                }
                Err(refused) => self.writer.send(&Reply::Refused(refused)).await?,
            }
        }
    }

    /// A refusal by this door itself, as the peer may see it: a peer without the seal does not even learn what is
    /// wrong with its message.
    async fn own(&self, refusal: Refusal) -> Refusal {
        let refusal = if self.sealed { refusal } else { refusal::unsealed() };
        self.entrance.note(&refusal, None).await;
        refusal
    }

    /// The next request; `None` for a request that this build does not know, which is answered here.
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
        let config = self.entrance.context.config.get();
        let limits = &config.limits;
        let welcome = Welcome {
            protocol,
            server: format!("{} {}", self.entrance.context.config.get().server.name, env!("CARGO_PKG_VERSION")),
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

    /// Submits a proof and takes it off the budget.
    async fn log_in(&mut self, user: &str, proof: &Proof) -> Result<Result<Admitted, Refusal>, Ending> {
        self.take_proof()?;
        let key;
        let credential = match proof {
            Proof::Password(password) => Credential::Password { user, password },
            Proof::Key { public_key, signature } => {
                let Some(read) = login::public_key(public_key) else {
                    let refusal =
                        Refusal::new(Code::Unsupported, "ferry logs in with keys of the type ssh-ed25519 only");
                    self.entrance.note(&refusal, Some(user)).await;
                    return Ok(Err(refusal));
                };
                key = read;
                // Verified whatever the name is, so that every attempt takes the same time.
                let signed = key.signed(&binding::login_text(user, &self.exported.login), signature);
                Credential::Key { user, key: key.key(), signed }
            }
        };
        concluded(self.entrance.log_in(credential).await)
    }

    /// Takes one proof off the budget.
    fn take_proof(&mut self) -> Result<(), Ending> {
        let over = |over: OverBudget| Ending::Refuse(Refusal::new(Code::TooManyAttempts, over.to_string()));
        self.budget.proof().map_err(over)
    }

    /// The reply to a successful login.
    fn logged_in(&self, admitted: &Admitted) -> LoggedIn {
        let account = admitted.gate.account();
        LoggedIn {
            user: account.name.to_string(),
            access: usage::access(account.access.is_read_only()),
            usage: usage::now(&admitted.session.user),
            ticket: admitted.ticket.clone(),
            motd: self.entrance.context.config.get().server.motd.clone(),
        }
    }
}

/// The reply to a login, or the end if the login costs the connection.
fn concluded(entered: Result<Admitted, Refused>) -> Result<Result<Admitted, Refusal>, Ending> {
    match entered {
        Err(Refused { error, told }) if error.is_final() => Err(Ending::Waits(told)),
        entered => Ok(entered.map_err(|refused| refused.told)),
    }
}

fn not_logged_in(request: &str) -> Refusal {
    Refusal::new(Code::NotAllowed, format!("log in before '{request}'"))
}
