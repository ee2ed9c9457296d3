//! Who may go on talking before having logged in, and who has to wait.
//!
//! A peer that has not logged in may hold one of few places, for a short time, and say little.
//! Time comes from [`tokio::time::Instant`], so that tests can move it.

pub(crate) mod budget;
mod pace;
pub(crate) mod penalty;
mod places;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

pub(crate) use budget::{Budget, OverBudget};
use pace::Pace;
use penalty::{Penalties, Tried, Waiting};
use places::{Dropped, Places, Stage};

use crate::{config::Login, turned_away::Reason, users::UserName};

/// Decides about peers that have not logged in. A handle: clones share it.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    login: ArcSwap<Login>,
    tables: Mutex<Tables>,
}

#[derive(Debug)]
struct Tables {
    places: Places,
    penalties: Penalties,
    registrations: Pace,
    /// Whose passwords are being checked, by address: one at a time each, so that a wave of guesses hears of the
    /// wait that the first one costs.
    trying: HashMap<(IpAddr, Tried), Weak<Semaphore>>,
}

/// Why a connection is closed without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many connections are at their login")]
pub struct TooMany(pub Reason);

impl Admission {
    /// Keeps the limits of `login`.
    #[must_use]
    pub fn new(login: Login) -> Self {
        let tables = Tables {
            places: Places::default(),
            penalties: Penalties::new(login.penalty_max()),
            registrations: Pace::default(),
            trying: HashMap::new(),
        };
        Self(Arc::new(Inner { login: ArcSwap::from_pointee(login), tables: Mutex::new(tables) }))
    }

    /// Keeps the limits of `login` from now on, for connections that come.
    pub fn change(&self, login: Login) {
        self.0.tables.lock().penalties.set_max(login.penalty_max());
        self.0.login.store(Arc::new(login));
    }

    /// Gives a new connection its place. When its address or all have theirs taken, another one loses its own.
    ///
    /// # Errors
    /// [`TooMany`]: nobody could make room; close the connection.
    pub fn admit(&self, peer: IpAddr) -> Result<Ticket, TooMany> {
        let login = self.0.login.load();
        let key = penalty::network_of(peer);
        let is_balancer = self.is_balancer(peer);
        let exempt = contains(&login.allow, peer.to_canonical());
        let share = (!exempt && !is_balancer).then_some(login.unfinished_per_address);
        let (number, dropped) = self.0.tables.lock().places.enter(key, share, login.unfinished).map_err(TooMany)?;
        Ok(Ticket { admission: self.clone(), number, key, exempt, is_balancer, dropped })
    }

    /// Whether this address is a load balancer's.
    #[must_use]
    pub fn is_balancer(&self, peer: IpAddr) -> bool {
        contains(&self.0.login.load().balancers, peer.to_canonical())
    }

    /// Connections that have not logged in.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.0.tables.lock().places.len()
    }

    /// The limits of one connection until it is logged in.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget::new(&self.0.login.load())
    }

    /// Everybody who has to wait now.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        self.0.tables.lock().penalties.waiting(Instant::now())
    }

    /// Forgets what failed from `address`; whether there was anything.
    #[must_use]
    pub fn lift(&self, address: IpAddr) -> bool {
        self.0.tables.lock().penalties.lift(penalty::network_of(address))
    }
}

/// A connection's place among those not yet logged in, until it is dropped.
#[derive(Debug)]
pub struct Ticket {
    admission: Admission,
    number: u64,
    key: IpAddr,
    exempt: bool,
    is_balancer: bool,
    dropped: Arc<Dropped>,
}

/// A proof of a connection that is being checked: it is not dropped meanwhile.
#[derive(Debug)]
pub struct Check<'a> {
    ticket: &'a Ticket,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Ticket {
    /// Whether it comes from a load balancer, which has to say for whom.
    #[must_use]
    pub fn is_balancer(&self) -> bool {
        self.is_balancer
    }

    /// Counts it as a connection of `peer` from now on, as the balancer said.
    ///
    /// # Errors
    /// As [`Admission::admit`].
    pub fn comes_from(&mut self, peer: IpAddr) -> Result<(), TooMany> {
        let login = self.admission.0.login.load();
        (self.key, self.exempt) = (penalty::network_of(peer), contains(&login.allow, peer.to_canonical()));
        let has_share = !self.exempt && !contains(&login.balancers, peer.to_canonical());
        let share = has_share.then_some(login.unfinished_per_address);
        self.admission.0.tables.lock().places.change(self.number, self.key, share).map_err(TooMany)
    }

    /// Resolves when this connection lost its place to newer ones and is to be closed, with the reason.
    /// Never resolves after [`logged_in`](Self::logged_in).
    pub async fn dropped(&self) -> Reason {
        self.dropped.token.cancelled().await;
        self.dropped.reason.get().copied().unwrap_or(Reason::Unfinished)
    }

    /// TLS is there: it is worth more than connections that have not come so far.
    pub fn shook_hands(&self) {
        self.admission.0.tables.lock().places.set_stage(self.number, Stage::Greeting);
    }

    /// To be held while a proof is checked.
    #[must_use]
    pub fn keep(&self) -> Check<'_> {
        self.admission.0.tables.lock().places.set_stage(self.number, Stage::Checking);
        Check { ticket: self, _turn: None }
    }

    /// As [`keep`](Self::keep); others for the same user from the same address wait meanwhile.
    pub async fn check(&self, user: &str) -> Check<'_> {
        // Before the wait, so that whoever gives up leaves the stage again.
        let mut check = self.keep();
        if !self.exempt {
            let one = {
                let mut tables = self.admission.0.tables.lock();
                tables.trying.retain(|_, one| one.strong_count() > 0);
                let key = (self.key, tried(user));
                tables.trying.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
                    let one = Arc::new(Semaphore::new(1));
                    tables.trying.insert(key, Arc::downgrade(&one));
                    one
                })
            };
            // It is never closed.
            check._turn = one.acquire_owned().await.ok();
        }
        check
    }

    /// How long a login as `user` from this address still has to wait; ask before each proof that can be guessed.
    #[must_use]
    pub fn must_wait(&self, user: &str) -> Option<Duration> {
        if self.exempt {
            return None;
        }
        self.admission.0.tables.lock().penalties.remaining(self.key, &tried(user), Instant::now())
    }

    /// `secret` was no proof for `user` while the user store was of `generation`.
    pub fn failed(&self, user: &str, secret: &[u8], generation: u64) {
        if !self.exempt {
            self.admission.0.tables.lock().penalties.failed(self.key, &tried(user), secret, generation, Instant::now());
        }
    }

    /// A missing seal or a malformed message. However often it comes, it is one failure of the address.
    pub fn is_strange(&self) {
        self.failed("", &[], 0);
    }

    /// How long to wait before an account is made, of which this address makes `per_minute`.
    ///
    /// # Errors
    /// How long until it is worth asking again.
    pub fn pace_registration(&self, per_minute: u32) -> Result<Duration, Duration> {
        if self.exempt {
            return Ok(Duration::ZERO);
        }
        self.admission.0.tables.lock().registrations.take(self.key, per_minute, Instant::now())
    }

    /// A right proof for `user`: lowers what the next failures cost.
    pub fn succeeded(&self, user: &UserName) {
        self.admission.0.tables.lock().penalties.succeeded(self.key, user, Instant::now());
    }

    /// Leaves the place to others.
    pub fn logged_in(&self) {
        self.admission.0.tables.lock().places.leave(self.number);
    }

    /// Whether this connection lost its place.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.dropped.token.is_cancelled()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.admission.0.tables.lock().places.leave(self.number);
    }
}

impl Drop for Check<'_> {
    fn drop(&mut self) {
        self.ticket.admission.0.tables.lock().places.set_stage(self.ticket.number, Stage::Greeting);
    }
}

fn contains(networks: &[IpNet], peer: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&peer))
}

fn tried(user: &str) -> Tried {
    user.parse().ok()
}

#[cfg(test)]
mod tests;
