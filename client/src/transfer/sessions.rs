//! The engine's sessions with each site: opened when there is work, and kept open for a few seconds after it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::room::{KnownRoom, Place};
use crate::{
    error::ClientError,
    site::{Abilities, Room, Session, Site, Surroundings},
};

/// How long a session without work is kept.
const KEEP: Duration = Duration::from_secs(5);

/// An open session, which its pool counts.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) session: Box<dyn Session>,
    _counted: Counted,
}

/// The sessions with one site.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) site: Arc<dyn Site>,
    pub(super) name: String,
    pub(super) abilities: Abilities,
    idle: Mutex<Vec<(Instant, Open)>>,
    open: Arc<AtomicUsize>,
    /// Whether a worker is retrying to reach the site.
    pub(super) probing: watch::Sender<bool>,
    /// Ends the delay before the next attempt to reach the site.
    pub(super) at_once: Notify,
    /// Whether the last link event about the site reported it as lost.
    pub(super) lost: AtomicBool,
    /// The room that jobs will take, by the numbers of disks or accounts.
    places: Mutex<BTreeMap<u64, Place>>,
    /// The room that is known to be free, by the same numbers.
    rooms: Mutex<BTreeMap<u64, KnownRoom>>,
}

/// Counts an open session for as long as it lives.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Pool {
    pub(super) fn new(site: Arc<dyn Site>) -> Self {
        Self {
            name: site.name(),
            abilities: site.abilities(),
            site,
            idle: Mutex::default(),
            open: Arc::default(),
            probing: watch::Sender::new(false),
            at_once: Notify::new(),
            lost: AtomicBool::new(false),
            places: Mutex::default(),
            rooms: Mutex::default(),
        }
    }

    /// The number of open sessions.
    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    pub(super) fn is_probing(&self) -> bool {
        *self.probing.borrow()
    }

    /// Ends the delay before the next attempt to reach the site, if there is one.
    pub(super) fn try_at_once(&self) {
        if self.is_probing() {
            self.at_once.notify_one();
        }
    }

    /// Keeps an idle session, if it can be used again.
    pub(super) fn put(&self, open: Open) {
        if !open.session.is_usable() {
            return;
        }
        let mut idle = self.idle.lock();
        idle.retain(|(since, _)| since.elapsed() < KEEP);
        idle.push((Instant::now(), open));
    }

    /// Closes sessions that were idle for [`KEEP`]; returns the time until the next one is due.
    pub(super) fn close_old(&self) -> Option<Duration> {
        let mut idle = self.idle.lock();
        idle.retain(|(since, _)| since.elapsed() < KEEP);
        idle.iter().map(|(since, _)| KEEP.saturating_sub(since.elapsed())).min()
    }

    pub(super) fn close_all(&self) {
        self.idle.lock().clear();
    }

    pub(super) fn take_idle(&self) -> Option<Open> {
        let mut idle = self.idle.lock();
        idle.retain(|(since, open)| since.elapsed() < KEEP && open.session.is_usable());
        idle.pop().map(|(_, open)| open)
    }

    /// The place at the site with this number.
    pub(super) fn place(&self, volume: u64) -> Place {
        self.places.lock().entry(volume).or_default().clone()
    }

    /// The room at a place as it was last reported.
    pub(super) fn known_room(&self, volume: u64) -> Option<KnownRoom> {
        self.rooms.lock().get(&volume).copied()
    }

    /// Records the room that was reported after `sent` bytes were sent.
    pub(super) fn note_room(&self, room: Room, sent: u64) -> KnownRoom {
        let known = KnownRoom { room, sent };
        self.rooms.lock().insert(room.volume, known);
        known
    }

    pub(super) async fn dial(&self, surroundings: &Surroundings) -> Result<Open, ClientError> {
        let session = self.site.open(surroundings).await?;
        self.open.fetch_add(1, Relaxed);
        Ok(Open { session, _counted: Counted(Arc::clone(&self.open)) })
    }
}
