//! Login, whatever the door: waits and penalties, the account, the session, presence, audit.
//!
//! This module knows no protocol. A door itself verifies what only it can, such as the signature of a key, and
//! passes a [`Credential`]. A refused login is counted, recorded and penalised before the door gets the refusal.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ferry_shared::{name::Escaped, refusal::Refusal, secret::Secret};
use tokio::time::sleep;
use tracing::Span;

use crate::{
    admission::Ticket,
    audit::{
        self,
        event::{Event, Who},
    },
    config::RegistrationMode,
    context::Context,
    door::Door,
    files,
    gate::Gate,
    session::{OpenError, Proven, Session},
    turned_away::Reason,
    user_state::Presence,
    users::{
        Account, Denied, LoginError, PublicKey, RegisterError, UserName,
        key::{self, KeyBytes},
    },
};

/// The proof presented for a login.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Credential<'a> {
    /// A password, which is checked here.
    Password {
        /// The claimed name.
        user: &'a str,
        /// The password.
        password: &'a Secret,
    },
    /// A key, whose signature the door has verified.
    Key {
        /// The claimed name.
        user: &'a str,
        /// The key.
        key: &'a KeyBytes,
        /// Whether the key signed the value that binds this login to its connection.
        signed: bool,
    },
    /// The ticket of an open session.
    Session(&'a Secret),
}

impl Credential<'_> {
    fn user(&self) -> Option<&str> {
        match self {
            Self::Password { user, .. } | Self::Key { user, .. } => Some(user),
            Self::Session(_) => None,
        }
    }
}

/// Parses an OpenSSH public key line of a stranger, if the key has the type with which ferry's own protocol logs in.
pub(crate) fn public_key(line: &str) -> Option<PublicKey> {
    line.trim_start().starts_with(key::ED25519_KIND).then(|| line.parse().ok()).flatten()
}

/// The reason why a login failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The proof is not valid, or the account is closed; the peer never learns which.
    #[error("wrong user name or password")]
    Wrong(Option<Denied>),
    /// No open session has this ticket. An honest client may present one after its session ended.
    #[error("wrong user name or password")]
    NoSession,
    /// The address failed too often for this user and has to wait; the connection ends.
    #[error("too many failed attempts")]
    MustWait(Duration),
    /// The address creates accounts faster than the server allows; the connection ends.
    #[error("too many accounts are created from this address")]
    TooManyAccounts(Duration),
    /// Too many password checks are waiting.
    #[error("too many logins at once; try again")]
    Busy,
    /// The account has its maximum number of sessions open.
    #[error("the account has all its {0} sessions open; close one")]
    TooManySessions(u32),
    /// The user has the maximum number of connections open.
    #[error("at most {0} connections a user; close one")]
    TooManyConnections(u32),
    /// No account was created.
    #[error(transparent)]
    Registration(#[from] RegisterError),
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] files::Error),
    /// A fault of the server.
    #[error(transparent)]
    Fault(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether the connection ends with this error, because the next attempt has to wait.
    #[must_use]
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::MustWait(_) | Self::TooManyAccounts(_))
    }
}

/// A refused login; it has been counted and recorded already.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The reason.
    pub(crate) error: Error,
    /// The refusal that the peer gets, as recorded in the audit log.
    pub(crate) told: Refusal,
}

/// A logged-in connection, for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The session that was opened or joined.
    pub(crate) session: Arc<Session>,
    /// The gate that checks the account from now on.
    pub(crate) gate: Gate,
    /// The ticket with which more connections can join the session.
    pub(crate) ticket: Secret,
    /// Counts the connection among those of the user.
    pub(crate) presence: Presence,
}

/// A connection that wants to log in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entrance<'a> {
    /// The state that all connections share.
    pub(crate) context: &'a Arc<Context>,
    /// The connection's place among those that have not logged in.
    pub(crate) ticket: &'a Ticket,
    /// The door at which it arrived.
    pub(crate) door: Door,
    /// Its address.
    pub(crate) peer: SocketAddr,
}

impl Entrance<'_> {
    /// Logs the connection in with a credential.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn log_in(&self, credential: Credential<'_>) -> Result<Admitted, Refused> {
        let entered = match credential {
            Credential::Password { user, password } => self.with_password(user, password).await,
            Credential::Key { user, key, signed } => self.with_key(user, key, signed).await,
            Credential::Session(ticket) => self.with_ticket(ticket),
        };
        self.conclude(entered, credential.user()).await
    }

    /// Registers an account, if the operator allows it, and logs the connection in.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) async fn register(
        &self,
        user: &str,
        password: &Secret,
        invite: Option<&Secret>,
    ) -> Result<Admitted, Refused> {
        let entered = self.with_new_account(user, password, invite).await;
        self.conclude(entered, Some(user)).await
    }

    /// Counts a refusal before login, and records it if it is significant: for refusals by the door itself.
    pub(crate) async fn note(&self, refusal: &Refusal, claims: Option<&str>) {
        self.note_for(refusal, claims, None).await;
    }

    async fn note_for(&self, refusal: &Refusal, claims: Option<&str>, denied: Option<Denied>) {
        self.context.counters.refused(refusal.code);
        if audit::is_noted(refusal) {
            let event = Event::refused_for(refusal, denied.map(Denied::as_str));
            self.context.audit.note(Who::stranger(self.door, self.peer, claims), event).await;
        }
    }

    /// Reports the result to logs and counters.
    async fn conclude(&self, entered: Result<Admitted, Error>, user: Option<&str>) -> Result<Admitted, Refused> {
        match entered {
            Ok(admitted) => {
                self.welcome(&admitted.session).await;
                Ok(admitted)
            }
            Err(error) => {
                let told = Refusal::from(&error);
                match &error {
                    // This is not a guess.
                    Error::NoSession => {}
                    Error::Wrong(denied) => self.note_for(&told, user, *denied).await,
                    error => self.note_for(&told, user.filter(|_| !error.is_final()), None).await,
                }
                Err(Refused { error, told })
            }
        }
    }

    async fn welcome(&self, session: &Session) {
        self.ticket.logged_in();
        // Add these fields to every later log line of this connection.
        Span::current().record("session", session.id).record("user", session.user.name.as_str());
        let (method, key) = session.method();
        tracing::info!(method, key, "logged in");
        if session.is_first() {
            self.context.audit.note(session.who(Some(self.peer)), Event::Login { method, key }).await;
        }
    }

    async fn with_password(&self, user: &str, password: &Secret) -> Result<Admitted, Error> {
        let _kept_until_judged = self.ticket.check(user).await;
        let generation = self.context.users.generation();
        self.may_guess(user)?;
        match self.context.users.login(user, password, self.door).await {
            Ok(account) => self.enter(account, Proven::password_of).await,
            Err(LoginError::Busy) => Err(Error::Busy),
            Err(LoginError::Wrong(denied)) => {
                self.ticket.failed(user, password.expose().as_bytes(), generation);
                self.log_failure(user, denied, None);
                Err(Error::Wrong(Some(denied)))
            }
        }
    }

    async fn with_key(&self, user: &str, key: &KeyBytes, signed: bool) -> Result<Admitted, Error> {
        // Checking a key takes no time.
        let _kept_until_judged = self.ticket.keep();
        let generation = self.context.users.generation();
        let denied = match self.context.users.owner_of(user, key, self.door) {
            Ok(account) if signed => return self.enter(account, |_| Proven::Key(Arc::clone(key))).await,
            Ok(_) => Denied::Key,
            Err(denied) => denied,
        };
        // A valid key never has to wait, and an invalid one gets the same answer as a password.
        self.may_guess(user)?;
        self.ticket.failed(user, key, generation);
        self.log_failure(user, denied, Some(key::fingerprint(key)));
        Err(Error::Wrong(Some(denied)))
    }

    fn log_failure(&self, user: &str, denied: Denied, key: Option<String>) {
        if self.context.turned_away.count(Reason::Login) {
            let shown = Escaped(user.as_bytes()).to_string();
            tracing::warn!(user = shown, reason = denied.as_str(), key, "login failed");
        }
    }

    /// A ticket is too long to be guessed, so it never has to wait.
    fn with_ticket(&self, ticket: &Secret) -> Result<Admitted, Error> {
        // All connections of a session use the same door.
        let session = self.context.sessions.attach(ticket).filter(|session| session.door == self.door);
        let session = session.ok_or(Error::NoSession)?;
        match self.join(session, ticket.clone()) {
            Err(Error::Wrong(_)) => Err(Error::NoSession),
            joined => joined,
        }
    }

    async fn with_new_account(
        &self,
        user: &str,
        password: &Secret,
        invite: Option<&Secret>,
    ) -> Result<Admitted, Error> {
        let terms = self.context.config.get().registration.clone();
        if terms.mode != RegistrationMode::Closed {
            sleep(self.ticket.pace_registration(terms.per_minute).map_err(Error::TooManyAccounts)?).await;
        }
        let _kept_until_judged = self.ticket.check(user).await;
        self.may_guess(user)?;
        let generation = self.context.users.generation();
        let context = Arc::clone(self.context);
        let is_kept = move |name: &UserName| {
            context.states.has_files(name).unwrap_or_else(|error| {
                tracing::error!(user = %name, %error, "cannot check for existing files; no account is created");
                true
            })
        };
        match self.context.users.register(user, password, invite, &terms, is_kept).await {
            Ok(account) => {
                tracing::info!(user = %account.name, "account made");
                self.open(account, Proven::password_of).await
            }
            Err(error) => {
                // A wrong invite is a guess, and so is testing which names are taken.
                if matches!(error, RegisterError::Invite | RegisterError::Taken) {
                    let secret = invite.map_or(&[][..], |invite| invite.expose().as_bytes());
                    self.ticket.failed(user, secret, generation);
                }
                Err(error.into())
            }
        }
    }

    /// Checks that logins as this user from this address do not have to wait.
    fn may_guess(&self, user: &str) -> Result<(), Error> {
        self.ticket.must_wait(user).map_or(Ok(()), |wait| Err(Error::MustWait(wait)))
    }

    /// Continues after a valid proof.
    async fn enter(&self, account: Arc<Account>, proven: impl FnOnce(&Account) -> Proven) -> Result<Admitted, Error> {
        self.ticket.succeeded(&account.name);
        self.open(account, proven).await
    }

    /// Opens a session for the owner of this account.
    async fn open(&self, account: Arc<Account>, proven: impl FnOnce(&Account) -> Proven) -> Result<Admitted, Error> {
        let proven = proven(&account);
        // Checking the proof took time: create no home for an account that has been removed since.
        let now = || self.context.users.current(&account.name).ok_or(Error::Wrong(None));
        let (context, opening, span) = (Arc::clone(self.context), now()?, Span::current());
        let opened = tokio::task::spawn_blocking(move || span.in_scope(|| context.open_user(&opening))).await;
        let user = opened.map_err(|error| Error::Fault(error.into()))?.map_err(files::Error::from)?;
        let (session, ticket) =
            self.context.sessions.open(self.door, user, proven, now()?.max_sessions).map_err(|error| match error {
                OpenError::TooMany(most) => Error::TooManySessions(most),
                error @ OpenError::NoRandomness => Error::Fault(error.into()),
            })?;
        let admitted = self.join(session, ticket)?;
        self.context.counters.logins.one(self.door);
        Ok(admitted)
    }

    /// Joins the connection to the session, if the present account allows it.
    fn join(&self, session: Arc<Session>, ticket: Secret) -> Result<Admitted, Error> {
        let gate = Gate::new(self.context.users.clone(), Arc::clone(&session)).ok_or(Error::Wrong(None))?;
        let most = self.context.config.get().limits.connections_per_user;
        let presence = session.user.enter(most).ok_or(Error::TooManyConnections(most))?;
        Ok(Admitted { session, gate, ticket, presence })
    }
}

#[cfg(test)]
mod tests;
