//! Limits how fast one address can create accounts: early requests wait, so that a class that registers at once
//! gets in, and a program that creates accounts without end does not.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use tokio::time::Instant;

/// Accounts that an address can create at once without waiting.
const AT_ONCE: u32 = 4;
/// The longest wait; beyond it the request is refused.
const LONGEST: Duration = Duration::from_secs(15);
/// The maximum number of addresses that are remembered.
const ADDRESSES_MAX: usize = 10_000;

/// For each address, the time at which its next account is due if it has no credit.
#[derive(Debug, Default)]
pub(super) struct Pace(HashMap<IpAddr, Instant>);

impl Pace {
    /// Takes the next slot of `address`, of which there are `per_minute`; returns how long to wait for it.
    ///
    /// # Errors
    /// How long to wait before asking again; no slot is taken then.
    pub(super) fn take(&mut self, address: IpAddr, per_minute: u32, now: Instant) -> Result<Duration, Duration> {
        let each = Duration::from_secs(60) / per_minute.max(1);
        if self.0.len() >= ADDRESSES_MAX && !self.0.contains_key(&address) {
            self.0.retain(|_, next| *next > now);
            // So many addresses are waiting that no more can be remembered.
            if self.0.len() >= ADDRESSES_MAX {
                return Err(LONGEST);
            }
        }
        let next = self.0.get(&address).copied().unwrap_or(now).max(now);
        let wait = (next - now).saturating_sub(each * AT_ONCE.saturating_sub(1));
        if wait > LONGEST {
            return Err(wait);
        }
        self.0.insert(address, next + each);
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_few_come_at_once_and_the_rest_one_after_the_other() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let waits: Vec<_> = (0..8).map(|_| pace.take(PEER, 60, now).unwrap().as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 3, 4]);
        let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(pace.take(other, 60, now), Ok(Duration::ZERO));
        assert_eq!(pace.take(PEER, 60, now + Duration::from_secs(60)), Ok(Duration::ZERO));
    }

    #[test]
    fn a_wait_that_is_too_long_is_refused_and_takes_no_turn() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let taken = (0..1000).filter(|_| pace.take(PEER, 60, now).is_ok()).count();
        assert_eq!(taken, 4 + 15);
        assert_eq!(pace.take(PEER, 60, now), Err(Duration::from_secs(16)));
        assert!(pace.take(PEER, 60, now + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn memory_is_bounded() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let peer = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(number));
        for number in 0..ADDRESSES_MAX + 5 {
            let _ = pace.take(peer(u32::try_from(number).unwrap()), 60, now);
        }
        assert_eq!(pace.0.len(), ADDRESSES_MAX);
        assert!(pace.take(peer(u32::MAX), 60, now + Duration::from_secs(2)).is_ok());
    }
}
