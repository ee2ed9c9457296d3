//! Sessions: who is logged in, and the tickets that let more connections join.
//!
//! Knows no transport. A session lives as long as one connection holds it; when the last
//! one lets go, its ticket is gone too.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ferry_shared::secret::Secret;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    audit::event::Who,
    door::Door,
    user_state::UserState,
    users::{
        Account,
        key::{self, KeyBytes},
    },
};

type TicketHash = [u8; 32];

/// What a session was logged in with; when the account does not have it any more, the session ends.
#[derive(Debug)]
pub enum Proven {
    /// A password: the generation of the one that was shown and of those the session has set since.
    Password(Mutex<Vec<u64>>),
    /// A key.
    Key(KeyBytes),
}

impl Proven {
    /// The password that `account` has now.
    #[must_use]
    pub fn password_of(account: &Account) -> Self {
        Self::Password(Mutex::new(vec![account.password_generation]))
    }
}

/// One login and all connections that share it.
#[derive(Debug)]
pub struct Session {
    /// Tells sessions apart in logs.
    pub id: u64,
    /// Whose it is.
    pub user: Arc<UserState>,
    /// The door that it was opened at, and that all its connections come through.
    pub door: Door,
    /// When it was opened.
    pub since: SystemTime,
    proven: Proven,
    /// Cancelled when the session was ended from outside.
    pub ended: CancellationToken,
    farewell: OnceLock<String>,
    joined: AtomicBool,
    warned: AtomicBool,
    ticket: TicketHash,
    registry: Weak<Registry>,
}

impl Session {
    /// Whether the account still has what this session was logged in with.
    #[must_use]
    pub fn is_proven_to(&self, account: &Account) -> bool {
        match &self.proven {
            Proven::Password(known) => known.lock().contains(&account.password_generation),
            Proven::Key(key) => account.has_key(key),
        }
    }

    /// How it was logged in, and the fingerprint of the key if it was with one.
    #[must_use]
    pub fn method(&self) -> (&'static str, Option<String>) {
        match &self.proven {
            Proven::Password(_) => ("password", None),
            Proven::Key(key) => ("key", Some(key::fingerprint(key))),
        }
    }

    /// Whose doing things on a connection from `peer` are, for the audit log.
    #[must_use]
    pub fn who(&self, peer: Option<SocketAddr>) -> Who {
        let user = Some(self.user.name.to_string());
        Who { session: Some(self.id), user, peer, door: Some(self.door), uid: None }
    }

    /// Notes the password that this very session is about to give the account. To be told before
    /// anybody else can know; those before it stay known to connections that look at an older account.
    pub fn learn_password(&self, generation: u64) {
        if let Proven::Password(known) = &self.proven {
            known.lock().push(generation);
        }
    }

    /// Ends it from outside: its connections close with this word, its ticket is worth nothing.
    pub fn end(&self, word: String) {
        // The first word stays.
        let _ = self.farewell.set(word);
        self.ended.cancel();
    }

    /// Whether who asks is its first connection: `true` once.
    pub fn is_first(&self) -> bool {
        !self.joined.swap(true, Ordering::AcqRel)
    }

    /// Whether what `is` so now was not so at the last look.
    pub fn is_first_warning(&self, is: bool) -> bool {
        !self.warned.swap(is, Ordering::AcqRel) && is
    }

    /// The word it was ended with.
    #[must_use]
    pub fn farewell(&self) -> Option<&str> {
        self.farewell.get().map(String::as_str)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.by_ticket.lock().remove(&self.ticket);
        }
    }
}

#[derive(Debug, Default)]
struct Registry {
    by_ticket: Mutex<HashMap<TicketHash, Weak<Session>>>,
    next_id: AtomicU64,
}

/// All sessions of the server; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Sessions(Arc<Registry>);

/// Why no session was opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Random bits could not be had from the system.
    #[error("no random bits from the system")]
    NoRandomness,
    /// The user has as many as the account may have.
    #[error("the account has all its {0} sessions open")]
    TooMany(u32),
}

impl Sessions {
    /// Opens a session at a door and makes its ticket: 256 random bits, of which only a hash is kept.
    /// With `most`, the user has no more than so many.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &self,
        door: Door,
        user: Arc<UserState>,
        proven: Proven,
        most: Option<u32>,
    ) -> Result<(Arc<Session>, Secret), OpenError> {
        let mut bits = [0; 32];
        rustls::crypto::aws_lc_rs::default_provider()
            .secure_random
            .fill(&mut bits)
            .map_err(|_| OpenError::NoRandomness)?;
        let ticket = Secret::new(URL_SAFE_NO_PAD.encode(bits));
        let hash = hash(&ticket);
        let session = Arc::new(Session {
            id: self.0.next_id.fetch_add(1, Ordering::Relaxed) + 1,
            user,
            door,
            since: SystemTime::now(),
            proven,
            ended: CancellationToken::new(),
            farewell: OnceLock::new(),
            joined: AtomicBool::new(false),
            warned: AtomicBool::new(false),
            ticket: hash,
            registry: Arc::downgrade(&self.0),
        });
        let mut by_ticket = self.0.by_ticket.lock();
        if let Some(most) = most {
            let of_user = |other: &Weak<Session>| other.upgrade().filter(|other| other.user.name == session.user.name);
            // Upgraded ones are let go only after the lock: the last one's end takes it too.
            let open: Vec<_> = by_ticket.values().filter_map(of_user).collect();
            if u32::try_from(open.len()).is_ok_and(|open| open >= most) {
                drop(by_ticket);
                return Err(OpenError::TooMany(most));
            }
            by_ticket.insert(hash, Arc::downgrade(&session));
            drop(by_ticket);
        } else {
            by_ticket.insert(hash, Arc::downgrade(&session));
            drop(by_ticket);
        }
        Ok((session, ticket))
    }

    /// The session a ticket belongs to. Looked up by hash, so timing tells nothing of the ticket.
    #[must_use]
    pub fn attach(&self, ticket: &Secret) -> Option<Arc<Session>> {
        let session = self.0.by_ticket.lock().get(&hash(ticket))?.upgrade()?;
        (!session.ended.is_cancelled()).then_some(session)
    }

    /// Every open session, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Session>> {
        let mut all: Vec<_> = self.0.by_ticket.lock().values().filter_map(Weak::upgrade).collect();
        all.sort_by_key(|session| session.id);
        all
    }

    /// How many sessions are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.by_ticket.lock().len()
    }
}

fn hash(ticket: &Secret) -> TicketHash {
    Sha256::digest(ticket.expose().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        storage::{Durability, Storage},
        user_state::UserStates,
        users::{Users, store_file},
    };

    fn states(data: &tempfile::TempDir) -> UserStates {
        let users = Users::load(store_file(data.path())).unwrap();
        UserStates::new(Storage::open(data.path(), Durability::Rename).unwrap(), users)
    }

    fn open(
        sessions: &Sessions,
        user: &Arc<UserState>,
        most: Option<u32>,
    ) -> Result<(Arc<Session>, Secret), OpenError> {
        sessions.open(Door::Ferry, Arc::clone(user), Proven::Key([0; 32]), most)
    }

    #[test]
    fn a_ticket_is_good_for_as_long_as_its_session_is() {
        let data = tempfile::tempdir().unwrap();
        let states = states(&data);
        let user = states.get(&"anna".parse().unwrap()).unwrap();
        let sessions = Sessions::default();
        let (first, ticket) = open(&sessions, &user, Some(2)).unwrap();
        let (second, other) = open(&sessions, &user, Some(2)).unwrap();
        assert!(matches!(open(&sessions, &user, Some(2)), Err(OpenError::TooMany(2))));
        assert_eq!(sessions.attach(&ticket).unwrap().id, first.id);
        assert!(sessions.attach(&Secret::new("guess".into())).is_none());
        // Ended from outside, its connections may take a while to close: nobody joins them.
        first.end("kicked".into());
        assert!(sessions.attach(&ticket).is_none());
        assert_eq!(first.farewell(), Some("kicked"));
        // The last connection lets go.
        drop(second);
        assert!(sessions.attach(&other).is_none());
        assert_eq!(sessions.count(), 1);
    }

    #[test]
    fn a_session_knows_the_password_it_was_opened_with_and_those_it_sets() {
        let data = tempfile::tempdir().unwrap();
        let states = states(&data);
        let user = states.get(&"anna".parse().unwrap()).unwrap();
        let account = |password_generation| Account {
            password_generation,
            ..crate::users::file::Record::new(None).account("anna".parse().unwrap())
        };
        let (session, _) = Sessions::default().open(Door::Ferry, user, Proven::password_of(&account(1)), None).unwrap();
        let knows = || [1, 2, 3].map(|generation| session.is_proven_to(&account(generation)));
        assert_eq!(knows(), [true, false, false]);
        session.learn_password(2);
        assert_eq!(knows(), [true, true, false], "whichever account a connection looks at");
    }
}
