//! The list of open connections and their transfers, which operators can view and act on.
//!
//! A connection pays only a few atomic stores for this; the reader of the list does the rest.

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

/// Operator messages that may wait for one connection; a newer one replaces the oldest.
const WORDS: usize = 8;

/// A file in transfer. Small uploads are too quick to be shown.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// Its direction.
    pub direction: Direction,
    /// The path of the file on the server.
    pub path: RemotePath,
    /// Its size, if declared.
    pub size: Option<u64>,
    /// When it started.
    pub since: Instant,
}

/// One logged-in connection as operators see it.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// The number of the connection; older connections have lower numbers.
    pub id: u64,
    /// The session it belongs to.
    pub session: Arc<Session>,
    /// The address it comes from.
    pub peer: Option<SocketAddr>,
    received: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    transfer: Mutex<Option<Transfer>>,
    /// The position of the transfer, in bytes of the file.
    position: AtomicU64,
    words: Mutex<VecDeque<String>>,
    spoken: AtomicBool,
    since: Instant,
    /// When frames last arrived, in milliseconds after `since`.
    heard: AtomicU64,
    /// Wakes the connection when there are messages for it.
    pub woken: Notify,
}

impl ConnectionInfo {
    /// A connection that no list contains, for a conversation without a network.
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

    /// Notes that a transfer starts; it replaces the previous one.
    pub fn begin(&self, direction: Direction, path: RemotePath, size: Option<u64>) {
        self.position.store(0, Ordering::Relaxed);
        *self.transfer.lock() = Some(Transfer { direction, path, size, since: Instant::now() });
    }

    /// Notes the position of the transfer.
    pub fn advance(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }

    /// Notes that there is no transfer.
    pub fn rest(&self) {
        *self.transfer.lock() = None;
    }

    /// The transfer, and its position in bytes.
    #[must_use]
    pub fn transfer(&self) -> Option<(Transfer, u64)> {
        Some((self.transfer.lock().clone()?, self.position.load(Ordering::Relaxed)))
    }

    /// Whose actions the audit log records for this connection.
    #[must_use]
    pub fn who(&self) -> Who {
        self.session.who(self.peer)
    }

    /// Bytes received and sent.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }

    /// Notes that frames arrived.
    pub fn hear(&self) {
        self.heard.store(millis(self.since), Ordering::Relaxed);
    }

    /// Whether the client certainly reads: a file is in transfer, or frames arrived within the last second. A
    /// client may keep an unused connection open without reading from it.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.transfer.lock().is_some() || millis(self.since).saturating_sub(self.heard.load(Ordering::Relaxed)) < 1000
    }

    /// Queues a message for the user of the connection.
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

    /// Takes the queued messages. Cheap if there are none.
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
    /// Lists a connection until the returned value is dropped.
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

    /// The connection of a session from this address.
    #[must_use]
    pub fn of(&self, session: &Arc<Session>, peer: SocketAddr) -> Option<Arc<ConnectionInfo>> {
        let connections = self.0.connections.lock();
        let mut all = connections.values();
        all.find(|one| one.peer == Some(peer) && Arc::ptr_eq(&one.session, session)).cloned()
    }

    /// Every connection, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<ConnectionInfo>> {
        let mut connections: Vec<_> = self.0.connections.lock().values().cloned().collect();
        connections.sort_by_key(|connection| connection.id);
        connections
    }

    /// Bytes received and sent since the start, by present and former connections.
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

/// A connection's entry in the list; removed when dropped.
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
