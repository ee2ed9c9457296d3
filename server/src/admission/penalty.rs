//! What failing costs an address: waiting, longer each time, forgotten after a while.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use tokio::time::Instant;

/// Addresses remembered; beyond them the one longest quiet is forgotten.
const ADDRESSES_MAX: usize = 10_000;
/// A good login lowers the price at most this often, so that a guesser with one account of
/// their own cannot keep the price down.
const FORGIVE_EVERY: Duration = Duration::from_secs(60);

/// What every address has to pay.
#[derive(Debug)]
pub struct Penalties {
    max: Duration,
    entries: HashMap<IpAddr, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    failures: u32,
    until: Instant,
    last: Instant,
    forgiven: Option<Instant>,
}

impl Penalties {
    /// Waits of 1, 2, 4 … seconds, up to `max`.
    #[must_use]
    pub fn new(max: Duration) -> Self {
        Self { max, entries: HashMap::new() }
    }

    /// Waits up to `max` from now on.
    pub fn set_max(&mut self, max: Duration) {
        self.max = max;
    }

    /// How long `key` still has to wait.
    #[must_use]
    pub fn remaining(&self, key: IpAddr, now: Instant) -> Option<Duration> {
        let left = self.entries.get(&key)?.until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// `key` failed: how long it now has to wait.
    pub fn failed(&mut self, key: IpAddr, now: Instant) -> Duration {
        if !self.entries.contains_key(&key) {
            self.make_room(now);
        }
        let max = self.max;
        let entry = self.entries.entry(key).or_insert(Entry { failures: 0, until: now, last: now, forgiven: None });
        if is_stale(entry, max, now) {
            entry.failures = 0;
        }
        let wait = Duration::from_secs(1u64.checked_shl(entry.failures).unwrap_or(u64::MAX)).min(max);
        entry.failures = entry.failures.saturating_add(1).min(63);
        entry.last = now;
        entry.until = entry.until.max(now + wait);
        wait
    }

    /// `key` logged in: what the next failure costs is halved twice.
    pub fn succeeded(&mut self, key: IpAddr, now: Instant) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.forgiven.is_some_and(|last| now.saturating_duration_since(last) < FORGIVE_EVERY) {
            return;
        }
        entry.forgiven = Some(now);
        entry.failures = entry.failures.saturating_sub(2);
    }

    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < ADDRESSES_MAX {
            return;
        }
        let max = self.max;
        self.entries.retain(|_, entry| !is_stale(entry, max, now));
        if self.entries.len() >= ADDRESSES_MAX {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last).map(|(key, _)| *key);
            oldest.and_then(|key| self.entries.remove(&key));
        }
    }
}

/// Whether an address was quiet, after its wait, for as long as the longest wait.
fn is_stale(entry: &Entry, max: Duration, now: Instant) -> bool {
    now.saturating_duration_since(entry.until) >= max
}

/// The network that pays together: an IPv4 address alone, an IPv6 address with its /64,
/// which is the least one customer gets.
#[must_use]
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const MAX: Duration = Duration::from_secs(600);
    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let (mut penalties, now) = (Penalties::new(MAX), Instant::now());
        let waits: Vec<u64> = (0..80).map(|_| penalties.failed(PEER, now).as_secs()).collect();
        assert_eq!(waits[..11], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
        assert!(waits[11..].iter().all(|wait| *wait == 600));
        assert_eq!(penalties.remaining(PEER, now + seconds(599)), Some(seconds(1)));
        assert_eq!(penalties.remaining(PEER, now + seconds(600)), None);
    }

    #[test]
    fn a_quiet_address_is_forgiven() {
        let (mut penalties, now) = (Penalties::new(MAX), Instant::now());
        for _ in 0..5 {
            penalties.failed(PEER, now);
        }
        assert_eq!(penalties.failed(PEER, now + seconds(16 + 599)), seconds(32));
        assert_eq!(penalties.failed(PEER, now + seconds(16 + 599 + 32 + 600)), seconds(1));
    }

    #[test]
    fn a_good_login_lowers_the_price_but_not_over_and_over() {
        let (mut penalties, now) = (Penalties::new(MAX), Instant::now());
        for _ in 0..4 {
            penalties.failed(PEER, now);
        }
        penalties.succeeded(PEER, now);
        penalties.succeeded(PEER, now);
        assert_eq!(penalties.failed(PEER, now), seconds(4));
        penalties.succeeded(PEER, now + FORGIVE_EVERY);
        assert_eq!(penalties.failed(PEER, now + FORGIVE_EVERY), seconds(2));
    }

    #[test]
    fn neighbours_in_a_64_pay_together_and_ipv4_hosts_do_not() {
        let of = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_and_the_longest_quiet_is_forgotten_first() {
        let (mut penalties, start) = (Penalties::new(MAX), Instant::now());
        let peer = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(number));
        for number in 0..10_002 {
            penalties.failed(peer(number), start + Duration::from_millis(number.into()) / 100);
        }
        assert_eq!(penalties.entries.len(), ADDRESSES_MAX);
        assert!(!penalties.entries.contains_key(&peer(1)));
        assert!(penalties.entries.contains_key(&peer(2)));
    }
}
