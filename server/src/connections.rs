//! Who is connected and what travels right now, for the operator to look at and step in.
//!
//! A connection pays a few atomic stores for this; who looks pays for the rest.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use ferry_shared::path::RemotePath;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{audit::event::Who, bandwidth::Direction, session::Session};

/// Words of the operator that wait for one connection; an older one gives way.
const WORDS: usize = 8;

/// A file on its way. Small uploads come and go too quickly to be shown.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// Which way.
    pub direction: Direction,
    /// Where it lies or will lie.
    pub path: RemotePath,
    /// Its size, where that was declared.
    pub size: Option<u64>,
    /// Since when.
    pub since: Instant,
}

/// One logged-in connection as the operator sees it.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Tells connections apart; the older has the lower one.
    pub id: u64,
    /// Whose it is.
    pub session: Arc<Session>,
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
    received: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    transfer: Mutex<Option<Transfer>>,
    /// How far the transfer is, in bytes of the file.
    position: AtomicU64,
    words: Mutex<VecDeque<String>>,
    spoken: AtomicBool,
    since: Instant,
    /// When frames came last, in milliseconds after `since`.
    heard: AtomicU64,
    /// Wakes the connection when there are words for it.
    pub woken: Notify,
}

impl ConnectionInfo {
    /// One that no list shows, for a conversation without a network.
    #[must_use]
    pub fn unlisted(session: Arc<Session>) -> Self {
        Self::new(0, session, None, Arc::default(), Arc::default())
    }

    fn new(
        id: u64,
        session: Arc<Session>,
        peer: Option<SocketAddr>,
        received: Arc<AtomicU64>,
        sent: Arc<AtomicU64>,
    ) -> Self {
        let (transfer, words) = (Mutex::default(), Mutex::default());
        let (position, spoken, woken) = (AtomicU64::new(0), AtomicBool::new(false), Notify::new());
        let (since, heard) = (Instant::now(), AtomicU64::new(0));
        Self { id, session, peer, received, sent, transfer, position, words, spoken, since, heard, woken }
    }

    /// A transfer begins; it takes the place of the one before.
    pub fn begin(&self, direction: Direction, path: RemotePath, size: Option<u64>) {
        self.position.store(0, Ordering::Relaxed);
        *self.transfer.lock() = Some(Transfer { direction, path, size, since: Instant::now() });
    }

    /// How far the transfer is.
    pub fn advance(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }

    /// Nothing travels.
    pub fn rest(&self) {
        *self.transfer.lock() = None;
    }

    /// What travels, and how many bytes of it are through.
    #[must_use]
    pub fn transfer(&self) -> Option<(Transfer, u64)> {
        Some((self.transfer.lock().clone()?, self.position.load(Ordering::Relaxed)))
    }

    /// Whose doing things on it are, for the audit log.
    #[must_use]
    pub fn who(&self) -> Who {
        self.session.who(self.peer)
    }

    /// Bytes received and sent.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }

    /// Frames came.
    pub fn hear(&self) {
        self.heard.store(millis(self.since), Ordering::Relaxed);
    }

    /// Whether the client surely reads: a file travels, or frames came within a second. A client
    /// may keep a connection for later without reading from it.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.transfer.lock().is_some() || millis(self.since).saturating_sub(self.heard.load(Ordering::Relaxed)) < 1000
    }

    /// Hands the connection a word for its user.
    pub fn tell(&self, word: String) {
        let mut words = self.words.lock();
        if words.len() >= WORDS {
            words.pop_front();
        }
        words.push_back(word);
        drop(words);
        self.spoken.store(true, Ordering::Release);
        self.woken.notify_one();
    }

    /// The words that wait. Cheap when there are none.
    pub fn take_words(&self) -> VecDeque<String> {
        if !self.spoken.swap(false, Ordering::AcqRel) {
            return VecDeque::new();
        }
        std::mem::take(&mut *self.words.lock())
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[derive(Debug, Default)]
struct Registry {
    connections: Mutex<HashMap<u64, Arc<ConnectionInfo>>>,
    next: AtomicU64,
    /// Bytes of connections that have ended.
    past_received: AtomicU64,
    past_sent: AtomicU64,
}

/// All logged-in connections; clones share the list.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Registry>);

impl Connections {
    /// Lists a connection until what this returns is dropped.
    #[must_use]
    pub fn enter(
        &self,
        session: Arc<Session>,
        peer: SocketAddr,
        received: Arc<AtomicU64>,
        sent: Arc<AtomicU64>,
    ) -> Listed {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed) + 1;
        let connection = Arc::new(ConnectionInfo::new(id, session, Some(peer), received, sent));
        self.0.connections.lock().insert(id, Arc::clone(&connection));
        Listed { connections: self.clone(), connection }
    }

    /// Every connection, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<ConnectionInfo>> {
        let mut connections: Vec<_> = self.0.connections.lock().values().cloned().collect();
        connections.sort_by_key(|connection| connection.id);
        connections
    }

    /// Bytes received and sent since the start, by connections that are and that were.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        let connections = self.0.connections.lock();
        let past = (self.0.past_received.load(Ordering::Relaxed), self.0.past_sent.load(Ordering::Relaxed));
        connections
            .values()
            .map(|connection| connection.traffic())
            .fold(past, |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

/// A connection's place in the list; leaves it when dropped.
#[derive(Debug)]
pub struct Listed {
    connections: Connections,
    /// The connection.
    pub connection: Arc<ConnectionInfo>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut connections = self.connections.0.connections.lock();
        let (received, sent) = self.connection.traffic();
        self.connections.0.past_received.fetch_add(received, Ordering::Relaxed);
        self.connections.0.past_sent.fetch_add(sent, Ordering::Relaxed);
        connections.remove(&self.connection.id);
    }
}
