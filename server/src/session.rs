//! Sessions of logged-in users, and the tickets with which more connections join them.
//!
//! This module knows no transport. A session lives as long as one connection holds it; when the last one drops it,
//! its ticket becomes invalid.

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

/// The proof with which a session was opened; when the account no longer has it, the session ends.
#[derive(Debug)]
pub enum Proven {
    /// A password: the generation of the one that was used, and of those that the session has set since.
    Password(Mutex<Vec<u64>>),
    /// A key.
    Key(KeyBytes),
}

impl Proven {
    /// The present password of `account`.
    #[must_use]
    pub fn password_of(account: &Account) -> Self {
        Self::Password(Mutex::new(vec![account.password_generation]))
    }
}

/// One login and all connections that share it.
#[derive(Debug)]
pub struct Session {
    /// Identifies the session in logs.
    pub id: u64,
    /// The user it belongs to.
    pub user: Arc<UserState>,
    /// The door at which it was opened, and through which all its connections come.
    pub door: Door,
    /// When it was opened.
    pub since: SystemTime,
    proven: Proven,
    /// Cancelled when the session is ended from outside.
    pub ended: CancellationToken,
    farewell: OnceLock<String>,
    joined: AtomicBool,
    warned: AtomicBool,
    ticket: TicketHash,
    registry: Weak<Registry>,
}

impl Session {
    /// Whether the account still has the password or key with which this session was opened.
    #[must_use]
    pub fn is_proven_to(&self, account: &Account) -> bool {
        match &self.proven {
            Proven::Password(known) => known.lock().contains(&account.password_generation),
            Proven::Key(key) => account.has_key(key),
        }
    }

    /// The login method, and for `key` the fingerprint of the key.
    #[must_use]
    pub fn method(&self) -> (&'static str, Option<String>) {
        match &self.proven {
            Proven::Password(_) => ("password", None),
            Proven::Key(key) => ("key", Some(key::fingerprint(key))),
        }
    }

    /// Whose actions the audit log records for a connection from `peer`.
    #[must_use]
    pub fn who(&self, peer: Option<SocketAddr>) -> Who {
        let user = Some(self.user.name.to_string());
        Who { session: Some(self.id), user, peer, door: Some(self.door), uid: None }
    }

    /// Notes the password that this session is about to set. Call this before anybody else can see it; earlier ones
    /// stay valid for connections that look at an older account.
    pub fn learn_password(&self, generation: u64) {
        if let Proven::Password(known) = &self.proven {
            known.lock().push(generation);
        }
    }

    /// Ends the session from outside: its connections close with this message, and its ticket becomes invalid.
    pub fn end(&self, word: String) {
        // The first message stays.
        let _ = self.farewell.set(word);
        self.ended.cancel();
    }

    /// Whether the caller is its first connection: returns `true` once.
    pub fn is_first(&self) -> bool {
        !self.joined.swap(true, Ordering::AcqRel)
    }

    /// Whether `is` holds now and did not hold at the last call.
    pub fn is_first_warning(&self, is: bool) -> bool {
        !self.warned.swap(is, Ordering::AcqRel) && is
    }

    /// The message with which it was ended.
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

/// The reason why no session was opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system provided no random bits.
    #[error("no random bits from the system")]
    NoRandomness,
    /// The user has as many sessions as the account may have.
    #[error("the account has all its {0} sessions open")]
    TooMany(u32),
}

impl Sessions {
    /// Opens a session at a door and creates its ticket: 256 random bits, of which only a hash is stored. With
    /// `most`, the user may have no more sessions than that.
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
            // Drop the upgraded references only after the lock is released: dropping the last reference takes the
            // lock too.
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

    /// The session of a ticket. It is looked up by hash, so the timing reveals nothing about the ticket.
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

    /// The number of open sessions.
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
        sessions.open(Door::Ferry, Arc::clone(user), Proven::Key([0; 32].into()), most)
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
        // The connections of a session that was ended from outside may take a while to close: nobody can join it.
        first.end("kicked".into());
        assert!(sessions.attach(&ticket).is_none());
        assert_eq!(first.farewell(), Some("kicked"));
        // The last connection drops the session.
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
