//! The places of connections that have not logged in, and which connection loses one if too many arrive.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use tokio_util::sync::CancellationToken;

use crate::turned_away::Reason;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The TLS handshake is not complete.
    Handshake,
    /// The connection may send messages.
    Greeting,
    /// Its proof is being checked: it keeps its place.
    Checking,
}

/// Notifies a connection that it has lost its place.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub(super) token: CancellationToken,
    pub(super) reason: OnceLock<Reason>,
}

impl Dropped {
    fn tell(&self, reason: Reason) {
        // The first reason stays.
        let _ = self.reason.set(reason);
        self.token.cancel();
    }
}

#[derive(Debug)]
pub(super) struct Place {
    /// The address whose share it counts against.
    key: Option<IpAddr>,
    stage: Stage,
    dropped: Arc<Dropped>,
}

/// The connections that have not logged in; lower numbers are older.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: BTreeMap<u64, Place>,
    shares: HashMap<IpAddr, u32>,
    next: u64,
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    /// Gives a place to a connection of `key`, which may have `share` of the `most` places, or any number.
    pub(super) fn enter(&mut self, key: IpAddr, share: Option<u32>, most: u32) -> Result<(u64, Arc<Dropped>), Reason> {
        if let Some(share) = share {
            self.make_room_of(key, share)?;
        }
        if self.taken.len() >= usize::try_from(most.max(1)).unwrap_or(usize::MAX) {
            self.make_room()?;
        }
        let (number, dropped) = (self.next, Arc::new(Dropped::default()));
        self.next += 1;
        let key = share.map(|_| key);
        if let Some(key) = key {
            *self.shares.entry(key).or_insert(0) += 1;
        }
        self.taken.insert(number, Place { key, stage: Stage::Handshake, dropped: Arc::clone(&dropped) });
        Ok((number, dropped))
    }

    /// Counts a place against the share of `key` from now on.
    pub(super) fn change(&mut self, number: u64, key: IpAddr, share: Option<u32>) -> Result<(), Reason> {
        let Some(place) = self.leave(number) else { return Ok(()) };
        if let Some(share) = share {
            self.make_room_of(key, share)?;
            *self.shares.entry(key).or_insert(0) += 1;
        }
        self.taken.insert(number, Place { key: share.map(|_| key), ..place });
        Ok(())
    }

    pub(super) fn set_stage(&mut self, number: u64, stage: Stage) {
        if let Some(place) = self.taken.get_mut(&number) {
            place.stage = stage;
        }
    }

    /// Gives up a place, which may be gone already.
    pub(super) fn leave(&mut self, number: u64) -> Option<Place> {
        let place = self.taken.remove(&number)?;
        if let Some(key) = place.key
            && let Some(held) = self.shares.get_mut(&key)
        {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.shares.remove(&key);
            }
        }
        Some(place)
    }

    /// If an address has used its share, its oldest connection is dropped: a program that leaves connections open
    /// must not keep out a person at the same address.
    fn make_room_of(&mut self, key: IpAddr, share: u32) -> Result<(), Reason> {
        if self.shares.get(&key).is_none_or(|held| *held < share) {
            return Ok(());
        }
        let mut of_key = self.taken.iter().filter(|(_, place)| place.key == Some(key));
        let oldest = of_key.find(|(_, place)| place.stage != Stage::Checking).map(|(number, _)| *number);
        self.drop_one(oldest, Reason::Address)
    }

    /// If all places are taken, drops a connection without a handshake, else one that has not started to log in.
    /// The choice is random, because in a flood the honest connections would always be the oldest.
    fn make_room(&mut self) -> Result<(), Reason> {
        let any_of = |stage| {
            let at: Vec<_> =
                self.taken.iter().filter(|(_, place)| place.stage == stage).map(|(number, _)| *number).collect();
            (!at.is_empty()).then(|| at[fastrand::usize(..at.len())])
        };
        let victim = any_of(Stage::Handshake).or_else(|| any_of(Stage::Greeting));
        self.drop_one(victim, Reason::Unfinished)
    }

    fn drop_one(&mut self, victim: Option<u64>, reason: Reason) -> Result<(), Reason> {
        let place = victim.and_then(|number| self.leave(number)).ok_or(reason)?;
        place.dropped.tell(reason);
        Ok(())
    }
}
