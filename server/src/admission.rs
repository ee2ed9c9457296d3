//! Who may go on talking before having logged in, and who has to wait.
//!
//! A peer that has not logged in may hold one of few places, for a short time, and say little.
//! Time comes from [`tokio::time::Instant`], so that tests can move it.

pub mod budget;
pub mod penalty;

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use budget::{Budget, OverBudget};
use penalty::Penalties;

use crate::config::Login;

/// Decides about peers that have not logged in. A handle: clones share it.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    login: ArcSwap<Login>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Connections not yet logged in; the lowest number is the oldest.
    unfinished: BTreeMap<u64, (IpAddr, CancellationToken)>,
    per_address: HashMap<IpAddr, u32>,
    next: u64,
    penalties: Penalties,
}

/// Why a connection is closed without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many connections of this address have not logged in")]
pub struct TooMany;

impl Admission {
    /// Keeps the limits of `login`.
    #[must_use]
    pub fn new(login: Login) -> Self {
        let state = State {
            unfinished: BTreeMap::new(),
            per_address: HashMap::new(),
            next: 0,
            penalties: Penalties::new(login.penalty_max()),
        };
        Self(Arc::new(Inner { login: ArcSwap::from_pointee(login), state: Mutex::new(state) }))
    }

    /// Keeps the limits of `login` from now on, for connections that come.
    pub fn change(&self, login: Login) {
        self.0.state().penalties.set_max(login.penalty_max());
        self.0.login.store(Arc::new(login));
    }

    /// Gives a new connection its place; when all are taken the oldest unfinished one loses its.
    ///
    /// # Errors
    /// [`TooMany`]: close the connection.
    pub fn admit(&self, peer: IpAddr) -> Result<Ticket, TooMany> {
        let peer = peer.to_canonical();
        let key = penalty::network_of(peer);
        let login = self.0.login.load();
        let exempt = allowed(&login.allow, peer);
        let mut state = self.0.state();
        let held = state.per_address.entry(key).or_insert(0);
        if !exempt && *held >= login.unfinished_per_address {
            return Err(TooMany);
        }
        *held += 1;
        let (number, dropped) = (state.next, CancellationToken::new());
        state.next += 1;
        state.unfinished.insert(number, (key, dropped.clone()));
        while state.unfinished.len() > usize::try_from(login.unfinished.max(1)).unwrap_or(usize::MAX) {
            let Some((_, (key, oldest))) = state.unfinished.pop_first() else { break };
            oldest.cancel();
            state.release(key);
        }
        drop(state);
        Ok(Ticket { admission: self.clone(), number, key, exempt, dropped })
    }

    /// Connections that have not logged in.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.0.state().unfinished.len()
    }

    /// The limits of one connection until it is logged in.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget::new(&self.0.login.load())
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn release(&mut self, key: IpAddr) {
        if let Some(held) = self.per_address.get_mut(&key) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.per_address.remove(&key);
            }
        }
    }

    fn leave(&mut self, number: u64) {
        if let Some((key, _)) = self.unfinished.remove(&number) {
            self.release(key);
        }
    }
}

/// A connection's place among those not yet logged in, until it is dropped.
#[derive(Debug)]
pub struct Ticket {
    admission: Admission,
    number: u64,
    key: IpAddr,
    exempt: bool,
    dropped: CancellationToken,
}

impl Ticket {
    /// Resolves when this connection lost its place to newer ones and is to be closed.
    /// Never resolves after [`logged_in`](Self::logged_in).
    pub async fn dropped(&self) {
        self.dropped.cancelled().await;
    }

    /// How long the address still has to wait before it may offer a proof; ask before each.
    #[must_use]
    pub fn must_wait(&self) -> Option<Duration> {
        if self.exempt {
            return None;
        }
        self.admission.0.state().penalties.remaining(self.key, Instant::now())
    }

    /// A failed proof, a missing seal or a malformed message: the address pays.
    /// Returns how long it now has to wait.
    pub fn failed(&self) -> Duration {
        if self.exempt {
            return Duration::ZERO;
        }
        self.admission.0.state().penalties.failed(self.key, Instant::now())
    }

    /// A right proof: leaves the place to others and lowers what the address has to pay.
    pub fn logged_in(&self) {
        let mut state = self.admission.0.state();
        state.leave(self.number);
        state.penalties.succeeded(self.key, Instant::now());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.admission.0.state().leave(self.number);
    }
}

fn allowed(networks: &[IpNet], peer: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&peer))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::time::{advance, timeout};

    use super::*;

    fn peer(number: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, number).into()
    }

    fn admission(unfinished: u32, per_address: u32) -> Admission {
        Admission::new(Login { unfinished, unfinished_per_address: per_address, ..Login::default() })
    }

    fn is_dropped(ticket: &Ticket) -> bool {
        ticket.dropped.is_cancelled()
    }

    #[tokio::test]
    async fn the_oldest_unfinished_connection_makes_room() {
        let admission = admission(2, 2);
        let (first, second) = (admission.admit(peer(1)).unwrap(), admission.admit(peer(2)).unwrap());
        assert!(!is_dropped(&first));
        let third = admission.admit(peer(3)).unwrap();
        timeout(Duration::from_secs(5), first.dropped()).await.expect("the oldest is told");
        assert!(!is_dropped(&second) && !is_dropped(&third));
    }

    #[test]
    fn who_logged_in_or_left_holds_no_place() {
        let admission = admission(2, 2);
        let (first, second) = (admission.admit(peer(1)).unwrap(), admission.admit(peer(2)).unwrap());
        first.logged_in();
        let third = admission.admit(peer(3)).unwrap();
        drop(third);
        let _fourth = admission.admit(peer(4)).unwrap();
        assert!(!is_dropped(&first) && !is_dropped(&second));
    }

    #[test]
    fn one_address_gets_its_share_and_no_more() {
        let admission = admission(64, 2);
        let first = admission.admit(peer(1)).unwrap();
        let _second = admission.admit(peer(1)).unwrap();
        assert_eq!(admission.admit(peer(1)).unwrap_err(), TooMany);
        assert!(admission.admit(peer(2)).is_ok());
        drop(first);
        assert!(admission.admit(peer(1)).is_ok());
    }

    #[test]
    fn a_dropped_connection_frees_its_share_once() {
        let admission = admission(1, 2);
        let first = admission.admit(peer(1)).unwrap();
        let second = admission.admit(peer(1)).unwrap();
        assert!(is_dropped(&first));
        drop(first);
        drop(second);
        assert!(admission.0.state().per_address.is_empty());
        assert!(admission.0.state().unfinished.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_waits_after_failing_on_all_its_connections() {
        let admission = admission(64, 16);
        let (one, other) = (admission.admit(peer(1)).unwrap(), admission.admit(peer(2)).unwrap());
        assert_eq!(one.must_wait(), None);
        assert_eq!(one.failed(), Duration::from_secs(1));
        assert_eq!(one.failed(), Duration::from_secs(2));
        assert_eq!(admission.admit(peer(1)).unwrap().must_wait(), Some(Duration::from_secs(2)));
        assert_eq!(other.must_wait(), None);
        advance(Duration::from_secs(2)).await;
        assert_eq!(one.must_wait(), None);
        one.logged_in();
        assert_eq!(one.failed(), Duration::from_secs(1));
    }

    #[test]
    fn allowed_networks_never_wait_and_share_no_limit() {
        let allow = vec!["192.0.2.0/28".parse().unwrap()];
        let admission = Admission::new(Login { allow, unfinished_per_address: 1, ..Login::default() });
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let (first, second) = (admission.admit(peer(1)).unwrap(), admission.admit(mapped).unwrap());
        assert_eq!((first.failed(), second.failed()), (Duration::ZERO, Duration::ZERO));
        assert_eq!(second.must_wait(), None);
        assert!(admission.admit(peer(16)).unwrap().failed() > Duration::ZERO);
    }
}
