//! The conversation that russh leads with a peer: logins, and requests for channels.
//!
//! russh owns this end. The supervisor in `ssh.rs` owns the connection, and is told what happens here.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use ferry_shared::{
    refusal::{Code, Refusal},
    secret::Secret,
};
use russh::{
    Channel, ChannelId, ChannelOpenFailure, Disconnect, Error, Pty,
    keys::{Algorithm, ssh_key::PublicKey},
    server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey},
};
use tokio::sync::{Semaphore, oneshot};
use tracing::Instrument as _;

use super::{
    Link, Word,
    channel::{self, Request},
    settings::{OFFERS, methods},
};
use crate::{
    admission::Budget,
    counters::PanicWatch,
    door::Door,
    gate::Gate,
    login::{self, Credential, Entrance, Refused},
    session,
    users::key::KeyBytes,
    visit::Visit,
};

/// Channels that one connection may have open.
const CHANNELS: usize = 32;
/// The subsystem that is served.
const SUBSYSTEM: &str = "sftp";

/// The state of one connection on russh's side.
pub(super) struct Conversation {
    link: Arc<Link>,
    budget: Budget,
    offers: u32,
    /// Whether the connection must end: no proof is looked at any more.
    is_over: bool,
    session: Option<Arc<session::Session>>,
    /// The way to start the service of channels that have none yet.
    channels: HashMap<ChannelId, oneshot::Sender<Request>>,
    /// A permit for each channel that may be open.
    room: Arc<Semaphore>,
}

impl Conversation {
    pub(super) fn new(link: Arc<Link>) -> Self {
        let budget = link.context.admission.budget();
        Self {
            link,
            budget,
            offers: 0,
            is_over: false,
            session: None,
            channels: HashMap::new(),
            room: Arc::new(Semaphore::new(CHANNELS)),
        }
    }

    /// Tells the supervisor; an error if the connection is ending already.
    async fn tell(&self, word: Word) -> Result<(), Error> {
        self.link.words.send(word).await.map_err(|_| Error::Disconnect)
    }

    /// Ends the connection with a message.
    async fn end(&mut self, reason: Disconnect, message: String) -> Result<Auth, Error> {
        self.is_over = true;
        self.tell(Word::Over(reason, message)).await?;
        Ok(rejected())
    }

    /// Like [`end`](Self::end), for a refusal that no login has recorded.
    async fn refuse(&mut self, message: String, user: &str) -> Result<Auth, Error> {
        self.entrance().note(&Refusal::new(Code::TooManyAttempts, message.clone()), Some(user)).await;
        self.end(Disconnect::NoMoreAuthMethodsAvailable, message).await
    }

    fn entrance(&self) -> Entrance<'_> {
        let Link { context, ticket, peer, .. } = &*self.link;
        Entrance { context, ticket, door: Door::Sftp, peer: *peer }
    }

    async fn log_in(&mut self, credential: Credential<'_>, user: &str) -> Result<Auth, Error> {
        if self.is_over {
            return Ok(rejected());
        }
        if let Err(over) = self.budget.proof() {
            return self.refuse(over.to_string(), user).await;
        }
        let link = Arc::clone(&self.link);
        let entrance = self.entrance();
        let logged = tokio::select! {
            logged = entrance.log_in(credential).instrument(link.span.clone()) => logged,
            () = link.ending.cancelled() => return Err(Error::Disconnect),
        };
        match logged {
            Ok(admitted) => {
                self.session = Some(Arc::clone(&admitted.session));
                link.logged_in.store(true, Ordering::Release);
                let listed = link.list(&admitted.session);
                self.tell(Word::Entered(Box::new(admitted), listed)).await?;
                Ok(Auth::Accept)
            }
            // The only refusal that SSH has a word for.
            Err(Refused { error: login::Error::Wrong(_), .. }) => Ok(rejected()),
            Err(Refused { told, .. }) => {
                let wait = told.retry_after.map(|seconds| format!("; try again in {seconds} seconds"));
                self.end(Disconnect::ByApplication, told.message + &wait.unwrap_or_default()).await
            }
        }
    }

    /// Starts the service of a channel; the answer says whether it has one now.
    fn start(&mut self, id: ChannelId, request: Request, session: &mut Session) -> Result<(), Error> {
        let starter = self.channels.remove(&id);
        // Success comes first: the service may send at once.
        match starter {
            Some(_) => session.channel_success(id)?,
            None => session.channel_failure(id)?,
        }
        if let Some(starter) = starter {
            // A channel whose task has ended is being closed.
            let _ = starter.send(request);
        }
        Ok(())
    }

    /// Closes a channel that has data for a service before there is one.
    fn expect_service(&mut self, id: ChannelId) {
        self.channels.remove(&id);
    }

    /// The visit of a new channel; `None` if the account no longer allows it.
    fn visit(&self) -> Option<Visit> {
        let session = Arc::clone(self.session.as_ref()?);
        let context = Arc::clone(&self.link.context);
        let gate = Gate::new(context.users.clone(), Arc::clone(&session))?;
        Some(Visit { context, session, gate, peer: self.link.peer })
    }
}

/// The same methods for every name, also after a failure.
fn rejected() -> Auth {
    Auth::Reject { proceed_with_methods: Some(methods()), partial_success: false }
}

fn bytes_of(key: &PublicKey) -> Result<KeyBytes, Error> {
    Ok(key.to_bytes()?.into())
}

impl Handler for Conversation {
    type Error = Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Error> {
        self.tell(Word::ShookHands).await?;
        Ok(None)
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Error> {
        let password = Secret::new(password.to_owned());
        self.log_in(Credential::Password { user, password: &password }, user).await
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        if self.is_over {
            return Ok(rejected());
        }
        self.offers += 1;
        if self.offers > OFFERS {
            let message =
                format!("at most {OFFERS} keys may be offered; choose one with IdentityFile and IdentitiesOnly");
            return self.refuse(message, user).await;
        }
        let is_weak = matches!(offer.algorithm, Algorithm::Rsa { hash: None });
        let key = bytes_of(offer.public_key)?;
        match self.link.context.users.owner_of(user, &key, Door::Sftp) {
            Ok(_) if !is_weak => Ok(Auth::Accept),
            _ => Ok(rejected()),
        }
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        let key = bytes_of(key.public_key)?;
        self.log_in(Credential::Key { user, key: &key, signed: true }, user).await
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        // The task of a channel holds the permit: a peer may open the next one before it has confirmed the close.
        let permit = Arc::clone(&self.room).try_acquire_owned().ok();
        let Some(permit) = permit.filter(|_| !self.link.context.drain.is_cancelled()) else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let Some(visit) = self.visit() else { return Ok(()) };
        let (starter, request) = oneshot::channel();
        self.channels.retain(|_, starter| !starter.is_closed());
        self.channels.insert(channel.id(), starter);
        let (ending, watch) = (self.link.ending.clone(), PanicWatch::new(Arc::clone(&self.link.context.counters)));
        let service = channel::attend(channel, request, visit, ending).instrument(self.link.span.clone());
        self.link.tasks.spawn(async move {
            let (_watch, _permit) = (watch, permit);
            service.await;
        });
        reply.accept().await;
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Error> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, _data: &[u8], _session: &mut Session) -> Result<(), Error> {
        self.expect_service(channel);
        Ok(())
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _kind: u32,
        _data: &[u8],
        _session: &mut Session,
    ) -> Result<(), Error> {
        self.expect_service(channel);
        Ok(())
    }

    async fn subsystem_request(&mut self, channel: ChannelId, name: &str, session: &mut Session) -> Result<(), Error> {
        match name {
            SUBSYSTEM => self.start(channel, Request::Sftp, session),
            _ => session.channel_failure(channel),
        }
    }

    async fn exec_request(&mut self, channel: ChannelId, line: &[u8], session: &mut Session) -> Result<(), Error> {
        self.start(channel, Request::Run(line.to_vec()), session)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        session.channel_failure(channel)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(channel)
    }
}
