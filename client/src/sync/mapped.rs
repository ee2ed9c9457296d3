//! Presents a site to the transfer engine as the plan of a sync sees it: a walk of the source yields only what is
//! planned, and the content of the target is known from its listing. Everything else goes to the site itself.

use std::{collections::BTreeMap, fmt, sync::Arc};

use ferry_shared::{digest::Digest, entry::Entry, path::RemotePath};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::listing::Listing;
use crate::{
    error::ClientError,
    site::{
        Abilities, Answer, BoxFuture, End, Existing, FileFacts, Found, Get, Location, Make, Outcome, Page, Piece,
        Prepared, Put, Request, Room, Session, Site, Stored, Surroundings, TargetKind, Walk, Watch,
    },
};

/// The maximum number of entries per page.
const PAGE: usize = 1024;

/// The entries of a walk by their folders.
pub(super) type Chosen = BTreeMap<RemotePath, Vec<Entry>>;

/// The present knowledge of a sync about the trees.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The entries that a walk yields.
    pub(super) chosen: Arc<Chosen>,
    /// The listing of the target, if it is as it was listed.
    pub(super) target: Option<Arc<Listing>>,
}

/// A site as a plan sees it. Clones are the same site.
#[derive(Clone)]
pub(super) struct Mapped {
    site: Arc<dyn Site>,
    known: Arc<Mutex<Known>>,
}

impl Mapped {
    pub(super) fn new(site: Arc<dyn Site>) -> Self {
        Self { site, known: Arc::default() }
    }

    /// The present knowledge.
    pub(super) fn known(&self) -> Known {
        self.known.lock().clone()
    }

    /// Replaces the knowledge, for the jobs that start from now on.
    pub(super) fn know(&self, known: Known) {
        *self.known.lock() = known;
    }
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.site.fmt(f)
    }
}

impl Site for Mapped {
    fn name(&self) -> String {
        self.site.name()
    }

    fn abilities(&self) -> Abilities {
        self.site.abilities()
    }

    fn open<'a>(&'a self, surroundings: &'a Surroundings) -> Outcome<'a, Box<dyn Session>> {
        Box::pin(async move {
            let session = self.site.open(surroundings).await?;
            let near = self.site.abilities().near;
            Ok(Box::new(MappedSession { session, near, known: Arc::clone(&self.known) }) as Box<dyn Session>)
        })
    }
}

struct MappedSession {
    session: Box<dyn Session>,
    near: bool,
    known: Arc<Mutex<Known>>,
}

impl fmt::Debug for MappedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

impl Session for MappedSession {
    fn is_usable(&self) -> bool {
        self.session.is_usable()
    }

    fn settle(&mut self) -> BoxFuture<'_, ()> {
        self.session.settle()
    }

    fn stat<'a>(&'a mut self, at: &'a Location) -> Outcome<'a, Found> {
        self.session.stat(at)
    }

    fn prepare<'a>(&'a mut self, at: &'a Location, target: TargetKind, make: Make) -> Outcome<'a, Prepared> {
        let known = self.known.lock().target.clone();
        match known {
            // A near site is looked at again, which costs nothing.
            Some(listing) if listing.exists && !self.near && target == TargetKind::Folder => {
                Box::pin(async { Ok(Prepared { there: true, existing: Box::new(Listed(listing)) }) })
            }
            _ => self.session.prepare(at, target, make),
        }
    }

    fn room<'a>(&'a mut self, at: &'a Location, ask: bool) -> Outcome<'a, Option<Room>> {
        self.session.room(at, ask)
    }

    fn walk<'a>(&'a mut self, _at: &'a Location, _walk: Walk, pages: mpsc::Sender<Page>) -> Outcome<'a, ()> {
        let chosen = Arc::clone(&self.known.lock().chosen);
        Box::pin(async move {
            for (under, entries) in chosen.iter() {
                for entries in entries.chunks(PAGE) {
                    let page = Page { under: under.clone(), entries: entries.to_vec(), ..Page::default() };
                    if pages.send(page).await.is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }

    fn batch(&mut self, requests: mpsc::Receiver<Request>, answers: mpsc::Sender<Answer>) -> Outcome<'_, ()> {
        self.session.batch(requests, answers)
    }

    fn get(
        &mut self,
        get: Get,
        held: mpsc::Receiver<Vec<Digest>>,
        pieces: mpsc::Sender<Piece>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, End> {
        self.session.get(get, held, pieces, watch)
    }

    fn put(
        &mut self,
        put: Put,
        pieces: mpsc::Receiver<Piece>,
        held: mpsc::Sender<Vec<Digest>>,
        watch: Arc<dyn Watch>,
    ) -> Outcome<'_, Stored> {
        self.session.put(put, pieces, held, watch)
    }
}

/// The content of a target as it was listed.
struct Listed(Arc<Listing>);

impl Existing for Listed {
    fn look(&mut self, below: &RemotePath) -> Result<Option<Found>, ClientError> {
        Ok(self.0.entry(below).map(|entry| Found {
            kind: entry.kind,
            facts: FileFacts { size: entry.size, mtime: entry.mtime },
            mode: entry.mode,
            version: None,
        }))
    }

    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }
}

/// The chosen entries, with the folders above them from `listing`, by folder.
pub(super) fn chosen<'a>(entries: impl IntoIterator<Item = (&'a RemotePath, &'a Entry)>, listing: &Listing) -> Chosen {
    let mut all: BTreeMap<RemotePath, Entry> = BTreeMap::new();
    for (path, entry) in entries {
        all.insert(path.clone(), entry.clone());
        let mut above = path.parent();
        while let Some(folder) = above.filter(|folder| !folder.is_home() && !all.contains_key(folder)) {
            if let Some(entry) = listing.entry(&folder) {
                all.insert(folder.clone(), entry.clone());
            }
            above = folder.parent();
        }
    }
    let mut chosen = Chosen::new();
    for (path, entry) in all {
        chosen.entry(path.parent().unwrap_or_default()).or_default().push(entry);
    }
    chosen
}
