//! Summaries: one line for many events, so that nobody can push other lines out of the log.
//!
//! Refusals and downloads are recorded one by one while they are few in a minute; changes are until one user has
//! filled a tenth of the log within a day. Further events are summarised once a minute, in one line for each
//! folder, for a limited number of folders and addresses; one more line covers the rest.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant, SystemTime},
};

use jiff::Timestamp;

use super::event::{Event, Folded, Folds, Who};

/// The period of a summary.
const MINUTE: Duration = Duration::from_secs(60);
/// Refusals and downloads of one user or address that are recorded one by one in a minute.
const FEW: u32 = 60;
/// The same for all peers that are not logged in.
const FEW_OF_STRANGERS: u32 = 120;
/// Folders of one user that get a line of their own in a minute.
const FOLDERS: usize = 16;
/// Addresses that get a line of their own in a minute.
const ADDRESSES: usize = 64;
/// Parts into which the day is divided.
const HOURS: usize = 24;
const HOUR: u64 = 60 * 60;

/// The author of an event, as far as proven.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    User(String),
    /// A peer that is not logged in; for IPv6, a /64.
    Address(IpAddr),
    /// All other peers that are not logged in.
    Strangers,
}

impl Source {
    fn of(who: &Who) -> Self {
        match (who.session, &who.user, who.peer) {
            (Some(_), Some(user), _) => Self::User(user.clone()),
            (_, _, Some(peer)) => Self::Address(match peer.ip().to_canonical() {
                IpAddr::V4(address) => address.into(),
                IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
            }),
            _ => Self::Strangers,
        }
    }
}

/// The record of one source.
#[derive(Debug, Default)]
struct Told {
    /// Refusals and downloads recorded one by one in this minute.
    few: u32,
    /// Bytes in the log, by hour of the day.
    hours: [u64; HOURS],
    /// The hour that was written last.
    hour: u64,
    /// Lines that are waiting.
    waiting: usize,
}

impl Told {
    fn turn_to(&mut self, hour: u64) {
        for past in self.hour + 1..=hour.min(self.hour + HOURS as u64) {
            self.hours[slot(past)] = 0;
        }
        self.hour = self.hour.max(hour);
    }

    fn today(&self) -> u64 {
        self.hours.iter().fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }
}

fn slot(hour: u64) -> usize {
    usize::try_from(hour % HOURS as u64).unwrap_or_default()
}

/// A line that is waiting.
#[derive(Debug)]
struct Group {
    who: Who,
    folded: Folded,
}

/// The waiting lines, and how much was recorded for each source.
#[derive(Debug)]
pub(super) struct Folding {
    begun: Instant,
    minute: Instant,
    /// Bytes of the log that one user may fill per day.
    most: u64,
    told: HashMap<Source, Told>,
    strangers: u32,
    addresses: usize,
    waiting: HashMap<(Source, Option<String>), Group>,
}

impl Folding {
    /// Summarises changes of a user beyond this many bytes of the log per day.
    pub(super) fn share(&mut self, most: u64) {
        self.most = most;
    }

    pub(super) fn new(most: u64, now: Instant) -> Self {
        Self {
            begun: now,
            minute: now,
            most,
            told: HashMap::new(),
            strangers: 0,
            addresses: 0,
            waiting: HashMap::new(),
        }
    }

    fn hour(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_secs() / HOUR
    }

    /// Whether this event is recorded by itself; if not, it is added to a summary.
    pub(super) fn admits(&mut self, now: Instant, time: SystemTime, who: &Who, event: &Event) -> bool {
        let folds = event.folds();
        let source = Source::of(who);
        let is_user = matches!(source, Source::User(_));
        // Only users make changes.
        if folds == Folds::Never || folds == Folds::WhenMany && !is_user {
            return true;
        }
        let hour = self.hour(now);
        let is_known = is_user || self.told.contains_key(&source);
        // The number of strangers is not limited by anything else.
        if !is_known && self.addresses >= ADDRESSES {
            self.keep(Source::Strangers, time, who, event);
            return false;
        }
        self.addresses += usize::from(!is_known);
        let told = self.told.entry(source.clone()).or_default();
        told.turn_to(hour);
        let has_share = told.today() <= self.most;
        let has_few = told.few < FEW && (is_user || self.strangers < FEW_OF_STRANGERS);
        if !has_share || folds == Folds::Freely && !has_few {
            self.keep(source, time, who, event);
            return false;
        }
        told.few += u32::from(folds == Folds::Freely);
        self.strangers += u32::from(!is_user);
        true
    }

    /// Notes that this many bytes were recorded for an author.
    pub(super) fn wrote(&mut self, now: Instant, who: &Who, bytes: u64) {
        let hour = self.hour(now);
        if let Some(told) = self.told.get_mut(&Source::of(who)) {
            told.turn_to(hour);
            let now = &mut told.hours[slot(hour)];
            *now = now.saturating_add(bytes);
        }
    }

    fn keep(&mut self, source: Source, time: SystemTime, who: &Who, event: &Event) {
        let place = event.path().and_then(|path| path.rsplit_once('/'));
        let folder = place.map(|(folder, _)| if folder.is_empty() { "/" } else { folder }.to_owned());
        let told = self.told.entry(source.clone()).or_default();
        let mut key = (source, folder);
        if key.1.is_some() && !self.waiting.contains_key(&key) {
            if told.waiting < FOLDERS {
                told.waiting += 1;
            } else {
                key.1 = None;
            }
        }
        let name = match (&key.1, place) {
            (Some(_), Some((_, name))) => Some(name.to_owned()),
            _ => event.path().map(str::to_owned),
        };
        let group = self.waiting.entry(key).or_insert_with_key(|(_, folder)| Group {
            who: who.clone(),
            folded: Folded {
                folder: folder.clone(),
                since: Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}")),
                count: 0,
                of: Default::default(),
                bytes: 0,
                first: name.clone(),
                last: None,
            },
        });
        // Keep only the fields that apply to all of them.
        if group.who.session != who.session {
            group.who.session = None;
        }
        if group.who.peer != who.peer {
            group.who.peer = None;
        }
        if group.who.door != who.door {
            group.who.door = None;
        }
        if group.who.user != who.user {
            group.who.user = None;
        }
        let folded = &mut group.folded;
        folded.count += 1;
        *folded.of.entry(event.kind()).or_default() += 1;
        folded.bytes = folded.bytes.saturating_add(event.bytes());
        folded.last = name;
    }

    /// When the waiting lines are due; `None` if there are none.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.minute + MINUTE)
    }

    /// The lines of a minute that is over.
    pub(super) fn turn(&mut self, now: Instant) -> Vec<(Who, Event)> {
        if now.saturating_duration_since(self.minute) < MINUTE {
            return Vec::new();
        }
        self.minute = now;
        let lines = self.take();
        let hour = self.hour(now);
        self.told.retain(|source, told| {
            told.turn_to(hour);
            told.few = 0;
            matches!(source, Source::User(_)) && told.today() > 0
        });
        (self.strangers, self.addresses) = (0, 0);
        lines
    }

    /// All waiting lines, in a stable order.
    pub(super) fn take(&mut self) -> Vec<(Who, Event)> {
        self.told.values_mut().for_each(|told| told.waiting = 0);
        let mut groups: Vec<_> = self.waiting.drain().map(|(_, group)| group).collect();
        groups.sort_by(|a, b| (&a.folded.since, &a.folded.folder).cmp(&(&b.folded.since, &b.folded.folder)));
        groups.into_iter().map(|Group { who, folded }| (who, Event::Folded(folded))).collect()
    }
}

#[cfg(test)]
mod tests;
