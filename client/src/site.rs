//! Sites, the transfer engine's abstraction of a server or this computer.
//!
//! A [`Site`] opens [`Session`]s. A session has short requests, which are pipelined in a [batch](Session::batch), and
//! two streams: [`get`](Session::get) reads a file and [`put`](Session::put) writes one. A transfer joins the `get` of
//! one session to the `put` of another by two bounded channels: blocks go to the target, and the digests of the blocks
//! that the target already holds go to the source.

mod abilities;
mod content;
mod location;
mod path;
mod request;
mod version;
mod walk;

use std::{fmt, fs::File, pin::Pin, sync::Arc, time::Duration};

use ferry_shared::{digest::Digest, digest_cache::DigestCache, pool::BufferPool};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    abilities::{Abilities, Dates, Folders, Names, Proof, Replace, Resume},
    content::{BlockBytes, Content, End, FileFacts, Found, Grown, HEADROOM, Opened, Piece, Stored},
    location::{Location, Reach, Root},
    path::{SitePath, UnusablePath},
    request::{Answer, Done, Get, OnlyIf, Op, Over, Put, Request},
    version::Version,
    walk::{Existing, LeftOut, Make, Page, Prepared, Room, Target as TargetKind, Walk},
};
use crate::{error::ClientError, traffic::Traffic};

/// A future of a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// The result of a call.
pub type Outcome<'a, T> = BoxFuture<'a, Result<T, ClientError>>;

/// A server or this computer; an object store would be another.
pub trait Site: fmt::Debug + Send + Sync {
    /// A readable name of the site, such as `ferry://al@example.org:7021`, which is the same for equal sites.
    fn name(&self) -> String;

    /// The site's abilities.
    fn abilities(&self) -> Abilities;

    /// Announces the location that the next session will be asked about first, so that the site can ask while it opens the
    /// session. By default, it does not.
    fn announce(&self, _first: &Location) {}

    /// Opens a session.
    ///
    /// This method is cancel safe: a dropped call leaves nothing behind.
    fn open<'a>(&'a self, surroundings: &'a Surroundings) -> Outcome<'a, Box<dyn Session>>;
}

/// Resources that sessions share with the engine that opens them.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Counts and throttles bytes.
    pub traffic: Arc<Traffic>,
    /// Spare buffers for blocks.
    pub pool: BufferPool,
    /// Owns the tasks that sessions start; the engine waits for them when it ends.
    pub tasks: TaskTracker,
    /// Cancelled when the engine ends.
    pub stop: CancellationToken,
    /// The time that a site may be silent although it could answer immediately.
    pub silence: Duration,
    /// Remembers the digests of files on this computer.
    pub digests: Option<Arc<DigestCache>>,
}

/// A conversation with a site, with one call at a time.
///
/// A call that is dropped before its end, or fails, may leave the session unusable; see
/// [`is_usable`](Self::is_usable).
pub trait Session: fmt::Debug + Send {
    /// Whether the session is open and its last call has finished.
    fn is_usable(&self) -> bool;

    /// Waits until the threads of a dropped call have ended.
    fn settle(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Returns the file or folder at a location; follows a symbolic link in the last place.
    fn stat<'a>(&'a mut self, at: &'a Location) -> Outcome<'a, Found>;

    /// Prepares a target and returns its content; with `digests`, also the digests of it that the site remembers.
    fn prepare<'a>(
        &'a mut self,
        at: &'a Location,
        target: TargetKind,
        make: Make,
        digests: bool,
    ) -> Outcome<'a, Prepared>;

    /// Returns the free space at a location; `None` if the site does not report it. With `ask`, an earlier answer is
    /// not sufficient.
    fn room<'a>(&'a mut self, at: &'a Location, ask: bool) -> Outcome<'a, Option<Room>>;

    /// Walks everything below a folder. Ends early, without an error, if the receiver of the pages is dropped.
    fn walk<'a>(&'a mut self, at: &'a Location, walk: Walk, pages: mpsc::Sender<Page>) -> Outcome<'a, ()>;

    /// Answers requests, many of them concurrently, until there are no more. `answers` has capacity for all
    /// unanswered requests.
    ///
    /// # Errors
    /// The error that ended the session; requests without an answer may or may not have been carried out.
    fn batch(&mut self, requests: mpsc::Receiver<Request>, answers: mpsc::Sender<Answer>) -> Outcome<'_, ()>;

    /// Opens the file at a location, for deltas that refer to it; `None` if there is none, or the site is not on this
    /// computer.
    fn basis<'a>(&'a mut self, _at: &'a Location) -> BoxFuture<'a, Option<File>> {
        Box::pin(async { None })
    }

    /// Reads a file: passes on its blocks, except those whose digest the target has.
    ///
    /// `held` yields the digests of the target's blocks in order, and ends after the last of them.
    ///
    /// # Errors
    /// The reason why the file was not read to its end; [`ClientError::Cancelled`] if the receiver was dropped.
    fn get(
        &mut self,
        get: Get,
        held: mpsc::Receiver<Vec<Digest>>,
        pieces: mpsc::Sender<Piece>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, End>;

    /// Writes a file. The file is complete and durable at its target if this succeeds, and not there otherwise.
    ///
    /// `held` receives the digests of the target's blocks in order; it is dropped after the last of them.
    ///
    /// # Errors
    /// The reason why the file was not stored; [`ClientError::Cancelled`] if the pieces end without an [`End`].
    fn put(
        &mut self,
        put: Put,
        pieces: mpsc::Receiver<Piece>,
        held: mpsc::Sender<Vec<Digest>>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, Stored>;
}

/// An observer of the progress of a streamed file. Called from any thread; the methods do not block.
pub trait Watch: fmt::Debug + Send + Sync {
    /// The source is open.
    fn opened(&self, opened: &Opened);

    /// The transfer enters a phase.
    fn phase(&self, phase: Phase);

    /// This number of further bytes has reached the target.
    fn moved(&self, bytes: u64);

    /// This number of further bytes need not be sent.
    fn kept(&self, bytes: u64);

    /// The target has this number of bytes on its disk.
    fn grown_to(&self, _bytes: u64) {}

    /// This number of bytes of a block has arrived on this computer. They are at the target only when they are reported
    /// as [`moved`](Self::moved).
    fn arriving(&self, _bytes: u64) {}

    /// A token that is cancelled when the transfer is to end in order: the blocks that were begun are finished, no others
    /// are begun, and the calls end with [`ClientError::Cancelled`], one of them at least because of the token, the
    /// other because of that. If this takes long, they are dropped.
    fn pausing(&self) -> CancellationToken {
        CancellationToken::new()
    }

    /// Whether the transfer must stop; checked before irreversible steps.
    fn is_stopped(&self) -> bool;
}

/// The phase of a streamed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The target's content is being compared.
    Checking,
    /// Blocks are sent to another computer.
    Sending,
    /// Blocks are received on this computer.
    Receiving,
    /// All blocks have arrived and are being made durable.
    Flushing,
    /// The source is read again, because it was modified meanwhile.
    Verifying,
}
