//! Penalties for failed logins: waits that grow with each failure and are forgotten after a while.
//!
//! Many people may share an address. So at first the wait applies to logins as the same user from the same address,
//! and to the whole address only after many different failures. A client that repeats one wrong password, such as a
//! forgotten scheduled job, does not affect anybody else.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use tokio::time::Instant;

use crate::users::UserName;

/// The maximum number of addresses that are remembered; beyond it, the one inactive for longest is forgotten.
const ADDRESSES_MAX: usize = 10_000;
/// Users of one address that are remembered; a whole address has to wait long before it has tried so many.
const USERS_MAX: usize = 64;
/// Failures of one address that are recognised when they are repeated.
const SEEN_MAX: usize = 64;
/// Failures with different users or passwords before the whole address has to wait.
const DIFFERENT: u32 = 20;
/// A valid login lowers the penalty at most this often, so that a guesser who has an account cannot keep the
/// penalty low.
const FORGIVE_EVERY: Duration = Duration::from_secs(60);

/// The user of a login; `None` if the text is not a valid name.
pub(crate) type Tried = Option<UserName>;

/// The penalties of all addresses.
#[derive(Debug)]
pub(crate) struct Penalties {
    max: Duration,
    /// Keys the digests of failed secrets, so that they are useless outside this process.
    key: [u8; 32],
    addresses: HashMap<IpAddr, Address>,
}

/// The penalties of one address.
#[derive(Debug)]
struct Address {
    own: Wait,
    users: HashMap<Tried, Wait>,
    /// The number of different failures so far.
    different: u32,
    /// The latest different failures.
    counted: VecDeque<CountedFailure>,
    /// When the last of all waits ends.
    until: Instant,
}

/// A wait that doubles with each failure.
#[derive(Debug, Clone, Copy)]
struct Wait {
    failures: u32,
    until: Instant,
    forgiven: Option<Instant>,
}

/// A failure that adds no penalty when it is repeated, until the user store changes: then the proof may be valid
/// and is checked again.
#[derive(Debug)]
struct CountedFailure {
    digest: [u8; 16],
    generation: u64,
}

/// A wait, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The address, or the first one of its network.
    pub address: IpAddr,
    /// The user whose login has to wait; `None` if the whole address has to.
    pub user: Option<Tried>,
    /// The number of failures that count.
    pub failures: u32,
    /// The remaining time.
    pub left: Duration,
}

impl Penalties {
    /// Penalties that wait 1, 2, 4 … seconds, up to `max`.
    #[must_use]
    pub(crate) fn new(max: Duration) -> Self {
        let random = RandomState::new();
        let mut key = [0; 32];
        for (number, part) in key.chunks_exact_mut(8).enumerate() {
            part.copy_from_slice(&random.hash_one(number).to_ne_bytes());
        }
        Self { max, key, addresses: HashMap::new() }
    }

    /// Changes the longest wait.
    pub(crate) fn set_max(&mut self, max: Duration) {
        self.max = max;
    }

    /// How long a login as `user` from `address` still has to wait.
    #[must_use]
    pub(crate) fn remaining(&self, address: IpAddr, user: &Tried, now: Instant) -> Option<Duration> {
        let known = self.addresses.get(&address)?;
        let left = known.left(user, now);
        (!left.is_zero()).then_some(left)
    }

    /// Notes that `secret` failed for `user` from `address` while the user store had this generation; returns how
    /// long the next attempt has to wait.
    pub(crate) fn failed(
        &mut self,
        address: IpAddr,
        user: &Tried,
        secret: &[u8],
        generation: u64,
        now: Instant,
    ) -> Duration {
        if !self.addresses.contains_key(&address) {
            self.make_room(now);
        }
        let digest = self.digest(user, secret);
        let max = self.max;
        let known = self.addresses.entry(address).or_insert_with(|| Address::new(now));
        if known.is_stale(max, now) {
            *known = Address::new(now);
        }
        let is_new = match known.counted.iter_mut().find(|counted| counted.digest == digest) {
            Some(counted) if counted.generation == generation => return known.left(user, now),
            Some(counted) => {
                counted.generation = generation;
                false
            }
            None => true,
        };
        if is_new {
            known.counted.truncate(SEEN_MAX - 1);
            known.counted.push_front(CountedFailure { digest, generation });
            known.different = known.different.saturating_add(1);
        }
        let mut wait = known.user(user, now).grow(max, now);
        if is_new && known.different >= DIFFERENT {
            wait = wait.max(known.own.grow(max, now));
        }
        known.until = known.until.max(now + wait);
        wait
    }

    /// Notes that `user` proved a password from `address`: divides the penalty for the next failures by four.
    pub(crate) fn succeeded(&mut self, address: IpAddr, user: &UserName, now: Instant) {
        let Some(known) = self.addresses.get_mut(&address) else { return };
        known.own.forgive(now);
        if let Some(wait) = known.users.get_mut(&Some(user.clone())) {
            wait.forgive(now);
        }
    }

    /// All waits, the longest first.
    #[must_use]
    pub(crate) fn waiting(&self, now: Instant) -> Vec<Waiting> {
        let of_address = |(address, known): (&IpAddr, &Address)| {
            let row = |user: Option<Tried>, wait: &Wait| Waiting {
                address: *address,
                user,
                failures: wait.failures,
                left: wait.left(now),
            };
            let own = row(None, &known.own);
            let users: Vec<_> = known.users.iter().map(|(user, wait)| row(Some(user.clone()), wait)).collect();
            std::iter::once(own).chain(users)
        };
        let mut all: Vec<_> =
            self.addresses.iter().flat_map(of_address).filter(|waiting| !waiting.left.is_zero()).collect();
        all.sort_by(|a, b| b.left.cmp(&a.left).then(a.address.cmp(&b.address)));
        all
    }

    /// Clears all failures of `address`; returns whether there were any.
    pub(crate) fn lift(&mut self, address: IpAddr) -> bool {
        self.addresses.remove(&address).is_some()
    }

    fn digest(&self, user: &Tried, secret: &[u8]) -> [u8; 16] {
        let name = user.as_ref().map_or("", UserName::as_str);
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        // No name contains a NUL.
        hasher.update(name.as_bytes()).update(&[0]).update(secret);
        let mut digest = [0; 16];
        hasher.finalize_xof().fill(&mut digest);
        digest
    }

    fn make_room(&mut self, now: Instant) {
        if self.addresses.len() < ADDRESSES_MAX {
            return;
        }
        let max = self.max;
        self.addresses.retain(|_, known| !known.is_stale(max, now));
        if self.addresses.len() >= ADDRESSES_MAX {
            let oldest = self.addresses.iter().min_by_key(|(_, known)| known.until).map(|(key, _)| *key);
            oldest.and_then(|key| self.addresses.remove(&key));
        }
    }
}

impl Address {
    fn new(now: Instant) -> Self {
        Self { own: Wait::none(now), users: HashMap::new(), different: 0, counted: VecDeque::new(), until: now }
    }

    fn left(&self, user: &Tried, now: Instant) -> Duration {
        let of_user = self.users.get(user).map_or(Duration::ZERO, |wait| wait.left(now));
        self.own.left(now).max(of_user)
    }

    fn user(&mut self, user: &Tried, now: Instant) -> &mut Wait {
        if self.users.len() >= USERS_MAX && !self.users.contains_key(user) {
            let first = self.users.iter().min_by_key(|(_, wait)| wait.until).map(|(user, _)| user.clone());
            first.and_then(|user| self.users.remove(&user));
        }
        self.users.entry(user.clone()).or_insert_with(|| Wait::none(now))
    }

    /// Whether there was no failure, after its last wait, for as long as the longest wait.
    fn is_stale(&self, max: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.until) >= max
    }
}

impl Wait {
    fn none(now: Instant) -> Self {
        Self { failures: 0, until: now, forgiven: None }
    }

    fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    fn grow(&mut self, max: Duration, now: Instant) -> Duration {
        if now.saturating_duration_since(self.until) >= max {
            self.failures = 0;
        }
        let wait = Duration::from_secs(1u64.checked_shl(self.failures).unwrap_or(u64::MAX)).min(max);
        self.failures = self.failures.saturating_add(1).min(63);
        self.until = self.until.max(now + wait);
        wait
    }

    fn forgive(&mut self, now: Instant) {
        if self.forgiven.is_none_or(|last| now.saturating_duration_since(last) >= FORGIVE_EVERY) {
            self.forgiven = Some(now);
            self.failures = self.failures.saturating_sub(2);
        }
    }
}

/// The network that shares its penalties: a single IPv4 address, or the /64 of an IPv6 address, which is the least
/// that one customer gets.
#[must_use]
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests;
