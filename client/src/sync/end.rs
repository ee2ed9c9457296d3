//! One end of a sync: its tree, and the session that asks about it. Requests are repeated during an outage.

use std::{fmt, sync::Arc};

use ferry_shared::{entry::Kind, path::RemotePath};
use tokio::sync::mpsc;

use super::{asking::ask_all, counters::Counters, listing::Listing};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    reconnect::{Backoff, Patience},
    site::{Done, Found, Location, Op, Page, Reach, Root, Session, Site, SitePath, Surroundings, Walk},
    transfer::{is_outage, outlive},
};

/// Capacity of the channel of pages.
const PAGES_AHEAD: usize = 64;

/// Decides whether a walk enters a folder.
pub(super) type Enters = Arc<dyn Fn(&RemotePath) -> bool + Send + Sync>;

/// One end of a sync.
pub(super) struct End {
    pub(super) site: Arc<dyn Site>,
    root: Arc<Root>,
    is_target: bool,
    surroundings: Surroundings,
    patience: Patience,
    counters: Arc<Counters>,
    /// Kept between requests, because a login may end with its last session.
    session: Option<Box<dyn Session>>,
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.root, self.site)
    }
}

impl End {
    pub(super) fn new(
        site: Arc<dyn Site>,
        path: &SitePath,
        is_target: bool,
        (surroundings, patience): (&Surroundings, Patience),
        counters: &Arc<Counters>,
    ) -> Self {
        let (root, surroundings) = (Root::new(path.clone()), surroundings.clone());
        Self { site, root, is_target, surroundings, patience, counters: Arc::clone(counters), session: None }
    }

    /// The location of a path below the top.
    pub(super) fn at(&self, below: &RemotePath) -> Location {
        let reach = match () {
            () if self.is_target => Reach::Contained,
            () if below.is_home() => Reach::Follow,
            () => Reach::NoFollow,
        };
        Location::new(&self.root, below.clone(), reach)
    }

    /// Keeps a session for the next request, unless the transfers would then have none.
    fn keep(&mut self, session: Box<dyn Session>) {
        self.session = Some(session).filter(|_| self.site.abilities().connections > 1);
    }

    /// Takes the session, or opens one.
    async fn take(&mut self) -> Result<Box<dyn Session>, ClientError> {
        if let Some(mut session) = self.session.take() {
            session.settle().await;
            if session.is_usable() {
                return Ok(session);
            }
        }
        self.site.open(&self.surroundings).await
    }

    /// Lists the tree. A target that does not exist is empty.
    ///
    /// # Errors
    /// The top cannot be listed, or the site cannot be reached.
    pub(super) async fn list(&mut self, follow: bool, enters: Enters) -> Result<(Option<Found>, Listing), ClientError> {
        let mut backoff = Backoff::new(self.patience);
        loop {
            let walk = Walk { follow, digests: false, enters: Arc::clone(&enters) };
            match self.list_once(walk).await {
                Err(error) => outlive(&mut backoff, error).await?,
                listed => return listed,
            }
        }
    }

    async fn list_once(&mut self, walk: Walk) -> Result<(Option<Found>, Listing), ClientError> {
        let mut session = self.take().await?;
        let top = self.at(&RemotePath::home());
        let found = match session.stat(&top).await {
            Ok(found) => found,
            Err(error) if self.is_target && error.obstacle() == Obstacle::NotFound => {
                self.keep(session);
                return Ok((None, Listing::missing()));
            }
            Err(error) => return Err(error),
        };
        if found.kind != Kind::Folder {
            let text = format!("{} is not a folder", self.root.path());
            return Err(ClientError::obstructed(Obstacle::NotFolder, text));
        }
        let (out, mut pages) = mpsc::channel::<Page>(PAGES_AHEAD);
        let (counters, is_target) = (&self.counters, self.is_target);
        counters.begin_listing(is_target);
        let collecting = async {
            let mut listing = Listing::new();
            while let Some(page) = pages.recv().await {
                counters.list(is_target, page.entries.len());
                listing.add(page);
            }
            listing
        };
        let (walked, mut listing) = tokio::join!(session.walk(&top, walk, out), collecting);
        match walked {
            Err(error) if is_outage(&error) => return Err(error),
            Err(error) => listing.failed(error),
            Ok(()) => {}
        }
        self.keep(session);
        Ok((Some(found), listing))
    }

    /// Asks `ops` for requests and sends them; returns their answers in order. During an outage all are sent again.
    ///
    /// # Errors
    /// The site cannot be reached.
    pub(super) async fn ask(
        &mut self,
        ops: impl Fn(&Self) -> Vec<Op>,
    ) -> Result<Vec<Result<Done, ClientError>>, ClientError> {
        let mut backoff = Backoff::new(self.patience);
        let mut counted = false;
        loop {
            let ops = ops(self);
            let count = ops.len();
            if count == 0 {
                return Ok(Vec::new());
            }
            if !std::mem::replace(&mut counted, true) {
                self.counters.ask(count);
            }
            let counters = Arc::clone(&self.counters);
            let result = async {
                let mut session = self.take().await?;
                let mut answers: Vec<_> = std::iter::repeat_with(|| Err(ClientError::Cancelled)).take(count).collect();
                let asked = ask_all(&mut *session, ops, |index, result| {
                    counters.answer();
                    if let Some(answer) = answers.get_mut(index) {
                        *answer = result;
                    }
                });
                asked.await?;
                self.keep(session);
                Ok(answers)
            };
            match result.await {
                Err(error) => outlive(&mut backoff, error).await?,
                result => return result,
            }
        }
    }
}
