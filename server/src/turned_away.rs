//! Connections that failed before login: counted by reason, and logged at most a few times a minute, however many
//! strangers try.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

/// Full log lines for each reason between two sums. A failed guess costs the guesser a wait and gets more lines.
const IN_FULL: u64 = 1;
const GUESSES_IN_FULL: u64 = 60;

/// The reason why a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The limit `limits.connections` is reached.
    Connections,
    /// Its address had too many connections that had not logged in.
    Address,
    /// There were too many connections that had not logged in.
    Unfinished,
    /// The system failed to accept a connection, for example because no descriptors were left.
    Accept,
    /// A PROXY header is missing, broken, or from an address that is not a balancer.
    Proxy,
    /// The TLS handshake failed.
    Handshake,
    /// It did not log in in time.
    Time,
    /// It got a refusal and was closed.
    Refused,
    /// A login failed; the connection may continue.
    Login,
    /// The server was stopping, and said so.
    Ending,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::Connections,
        Self::Address,
        Self::Unfinished,
        Self::Accept,
        Self::Proxy,
        Self::Handshake,
        Self::Time,
        Self::Refused,
        Self::Login,
        Self::Ending,
    ];

    /// Its name in the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Address => "address",
            Self::Unfinished => "unfinished",
            Self::Accept => "accept",
            Self::Proxy => "proxy",
            Self::Handshake => "handshake",
            Self::Time => "time",
            Self::Refused => "refused",
            Self::Login => "login",
            Self::Ending => "ending",
        }
    }

    const fn in_full(self) -> u64 {
        match self {
            Self::Login => GUESSES_IN_FULL,
            _ => IN_FULL,
        }
    }
}

/// How often each reason occurred.
#[derive(Debug, Default)]
pub struct TurnedAway([Tally; Reason::ALL.len()]);

#[derive(Debug, Default)]
struct Tally {
    all: AtomicU64,
    /// Since the last sum.
    lately: AtomicU64,
}

impl TurnedAway {
    /// Counts a connection; returns whether it should be logged in full.
    #[must_use]
    pub fn count(&self, reason: Reason) -> bool {
        let tally = &self.0[reason as usize];
        tally.all.fetch_add(1, Ordering::Relaxed);
        tally.lately.fetch_add(1, Ordering::Relaxed) < reason.in_full()
    }

    /// Counts a connection that lost or did not get a place among those that have not logged in.
    pub(crate) fn dropped(&self, reason: Reason, peer: SocketAddr) {
        if self.count(reason) {
            tracing::warn!(%peer, reason = reason.as_str(), "turned away: too many connections are at their login");
        }
    }

    /// Counts a connection that took too long to log in.
    pub(crate) fn too_slow(&self, peer: SocketAddr) {
        if self.count(Reason::Time) {
            tracing::info!(%peer, "turned away: no login in time");
        }
    }

    /// The totals since the start.
    pub fn totals(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.iter().zip(&self.0).map(|(reason, tally)| (*reason, tally.all.load(Ordering::Relaxed)))
    }

    /// The numbers that were not logged in full since the last call.
    fn take_untold(&self) -> Vec<(Reason, u64)> {
        let taken = Reason::ALL
            .iter()
            .zip(&self.0)
            .map(|(reason, tally)| (*reason, tally.lately.swap(0, Ordering::Relaxed).saturating_sub(reason.in_full())));
        taken.filter(|(_, more)| *more > 0).collect()
    }

    /// Logs the sums of what was not logged in full. Call this once a minute, and at the end.
    pub(crate) fn sum_up(&self) {
        for (reason, more) in self.take_untold() {
            match reason {
                Reason::Login => tracing::warn!(more, "more logins failed in the last minute"),
                _ => tracing::warn!(more, reason = reason.as_str(), "more were turned away in the last minute"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_line_and_then_a_sum() {
        let turned_away = TurnedAway::default();
        let lines = |reason| (0..3000).filter(|_| turned_away.count(reason)).count();
        assert_eq!(lines(Reason::Connections), 1);
        assert_eq!(lines(Reason::Login), 60);
        assert!(turned_away.count(Reason::Address), "another reason has a line of its own");
        assert_eq!(turned_away.take_untold(), [(Reason::Connections, 2999), (Reason::Login, 2940)]);
        assert_eq!(turned_away.take_untold(), []);
        assert!(turned_away.count(Reason::Connections), "after the sum it is told in full again");
        assert_eq!(turned_away.totals().next(), Some((Reason::Connections, 3001)));
    }

    #[test]
    fn each_reason_is_counted_in_its_own_place() {
        assert!(Reason::ALL.iter().enumerate().all(|(place, reason)| *reason as usize == place));
    }
}
