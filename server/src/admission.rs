//! Admission: which connections may continue before they have logged in, and which logins have to wait.
//!
//! A peer that has not logged in may occupy one of few places, for a short time, and send little. Times are
//! [`tokio::time::Instant`]s, so that tests can control the clock.

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
    /// Password checks in progress by address and user: one at a time for each, so that of many simultaneous
    /// guesses each has to wait for the penalty of the one before.
    trying: HashMap<(IpAddr, Tried), Weak<Semaphore>>,
}

/// The reason why a connection is closed without a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many connections are at their login")]
pub struct TooMany(pub Reason);

impl Admission {
    /// Applies the limits of `login`.
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

    /// Applies the limits of `login` from now on, to new connections.
    pub fn change(&self, login: Login) {
        self.0.tables.lock().penalties.set_max(login.penalty_max());
        self.0.login.store(Arc::new(login));
    }

    /// Gives a new connection a place. If the share of its address is used up, or all places are, another
    /// connection loses its place.
    ///
    /// # Errors
    /// [`TooMany`]: no place could be freed; close the connection.
    pub fn admit(&self, peer: IpAddr) -> Result<Ticket, TooMany> {
        let login = self.0.login.load();
        let key = penalty::network_of(peer);
        let is_balancer = self.is_balancer(peer);
        let exempt = contains(&login.allow, peer.to_canonical());
        let share = (!exempt && !is_balancer).then_some(login.unfinished_per_address);
        let (number, dropped) = self.0.tables.lock().places.enter(key, share, login.unfinished).map_err(TooMany)?;
        Ok(Ticket { admission: self.clone(), number, key, exempt, is_balancer, dropped })
    }

    /// Whether this address belongs to a load balancer.
    #[must_use]
    pub fn is_balancer(&self, peer: IpAddr) -> bool {
        contains(&self.0.login.load().balancers, peer.to_canonical())
    }

    /// The number of connections that have not logged in.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.0.tables.lock().places.len()
    }

    /// The limits of one connection until it has logged in.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget::new(&self.0.login.load())
    }

    /// All logins that have to wait now.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        self.0.tables.lock().penalties.waiting(Instant::now())
    }

    /// Clears the failures of `address`; returns whether there were any.
    #[must_use]
    pub fn lift(&self, address: IpAddr) -> bool {
        self.0.tables.lock().penalties.lift(penalty::network_of(address))
    }
}

/// The place of a connection that has not logged in, until it is dropped.
#[derive(Debug)]
pub struct Ticket {
    admission: Admission,
    number: u64,
    key: IpAddr,
    exempt: bool,
    is_balancer: bool,
    dropped: Arc<Dropped>,
}

/// A check of a proof: its connection keeps its place meanwhile.
#[derive(Debug)]
pub struct Check<'a> {
    ticket: &'a Ticket,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Ticket {
    /// Whether the connection comes from a load balancer, which must name the client's address.
    #[must_use]
    pub fn is_balancer(&self) -> bool {
        self.is_balancer
    }

    /// Counts the connection as one of `peer` from now on, as the balancer stated.
    ///
    /// # Errors
    /// Those of [`Admission::admit`].
    pub fn comes_from(&mut self, peer: IpAddr) -> Result<(), TooMany> {
        let login = self.admission.0.login.load();
        (self.key, self.exempt) = (penalty::network_of(peer), contains(&login.allow, peer.to_canonical()));
        let has_share = !self.exempt && !contains(&login.balancers, peer.to_canonical());
        let share = has_share.then_some(login.unfinished_per_address);
        self.admission.0.tables.lock().places.change(self.number, self.key, share).map_err(TooMany)
    }

    /// Resolves with the reason when this connection has lost its place to newer ones and must be closed. Never
    /// resolves after [`logged_in`](Self::logged_in).
    pub async fn dropped(&self) -> Reason {
        self.dropped.token.cancelled().await;
        self.dropped.reason.get().copied().unwrap_or(Reason::Unfinished)
    }

    /// Notes that the TLS handshake is complete: the connection is then preferred to those without one.
    pub fn shook_hands(&self) {
        self.admission.0.tables.lock().places.set_stage(self.number, Stage::Greeting);
    }

    /// Keeps the place while a proof is checked.
    #[must_use]
    pub fn keep(&self) -> Check<'_> {
        self.admission.0.tables.lock().places.set_stage(self.number, Stage::Checking);
        Check { ticket: self, _turn: None }
    }

    /// Like [`keep`](Self::keep); other checks for the same user from the same address wait meanwhile.
    pub async fn check(&self, user: &str) -> Check<'_> {
        // Enter the stage before the wait, so that a caller that gives up leaves it again.
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
            // The semaphore is never closed.
            check._turn = one.acquire_owned().await.ok();
        }
        check
    }

    /// How long a login as `user` from this address still has to wait. Call this before each check of a proof that
    /// could be guessed.
    #[must_use]
    pub fn must_wait(&self, user: &str) -> Option<Duration> {
        if self.exempt {
            return None;
        }
        self.admission.0.tables.lock().penalties.remaining(self.key, &tried(user), Instant::now())
    }

    /// Notes that `secret` was not a valid proof for `user` while the user store had this generation.
    pub fn failed(&self, user: &str, secret: &[u8], generation: u64) {
        if !self.exempt {
            self.admission.0.tables.lock().penalties.failed(self.key, &tried(user), secret, generation, Instant::now());
        }
    }

    /// Notes a missing seal or a malformed message. However often it occurs, it counts as one failure of the
    /// address.
    pub fn is_strange(&self) {
        self.failed("", &[], 0);
    }

    /// How long to wait before creating an account, if each address may create `per_minute`.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub fn pace_registration(&self, per_minute: u32) -> Result<Duration, Duration> {
        if self.exempt {
            return Ok(Duration::ZERO);
        }
        self.admission.0.tables.lock().registrations.take(self.key, per_minute, Instant::now())
    }

    /// Notes a valid proof for `user`: it lowers the penalty for the next failures.
    pub fn succeeded(&self, user: &UserName) {
        self.admission.0.tables.lock().penalties.succeeded(self.key, user, Instant::now());
    }

    /// Gives the place up, because the connection has logged in.
    pub fn logged_in(&self) {
        self.admission.0.tables.lock().places.leave(self.number);
    }

    /// Whether this connection has lost its place.
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
