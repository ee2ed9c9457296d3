//! Plans the items of a folder from the pages of its walk.

use std::{collections::HashSet, sync::Arc};

use ferry_shared::{
    digest::Digest,
    entry::{Entry, Kind},
    name::Name,
    path::RemotePath,
};
use tokio::sync::mpsc;

use super::{blocking, enqueue, failure, new_item, pool_of, prepare, seen::Seen, session};
use crate::{
    error::ClientError,
    os_name::{is_part_name, shown_path},
    reconnect::Backoff,
    site::{Existing, FileFacts, Found, LeftOut, Location, Make, Page, Prepared, TargetKind, Walk},
    transfer::{
        conflict::is_keep_both_name,
        engine_state::Shared,
        event::{Outcome, Skip},
        fit::{self, Planned},
        item::{Item, NO_MODE, Step},
        job::LinkRule,
        path::{Ends, FolderPath, ItemPath},
        task::Task,
        transitions::{self, Next},
        trees,
        tries::outlive,
    },
};

/// The minimum number of items of a near source that are admitted together.
const TOGETHER: usize = 256;
/// Capacity of the page channel between the walk and the planning.
const PAGES_AHEAD: usize = 256;

/// Queues everything in a piece that is a folder; `top` is that folder.
pub(super) async fn walk(core: &Shared, task: &Arc<Task>, ends: &Arc<Ends>, top: &Found) -> Result<(), ClientError> {
    let path = ends.top();
    let (Some(source), Some(target)) = (path.source(), path.target()) else { return Err(ClientError::Cancelled) };
    let mut plan = Plan::new(core, task, ends, top);
    let mut seen = Seen::default();
    let mut backoff = Backoff::new(core.patience);
    loop {
        let before = seen.count();
        match pages(core, task, &source, &target, plan, &mut seen).await {
            (planned, Ok(())) => {
                drop(planned);
                return Ok(());
            }
            // Planned items are queued already; walk again for the rest.
            (planned, Err(error)) if seen.is_whole() => {
                plan = planned.ok_or_else(|| error.clone())?;
                if seen.count() > before {
                    backoff.reset();
                }
                outlive(&mut backoff, error).await?;
            }
            (_, Err(error)) => return Err(error),
        }
    }
}

async fn prepare_folder(core: &Shared, task: &Task, target: &Location) -> Result<Prepared, ClientError> {
    // A near target is looked at again, which costs nothing.
    let known = task.options.trees.as_ref().filter(|_| !task.to.abilities.near).and_then(|trees| trees.target());
    if let Some(existing) = known {
        return Ok(Prepared { there: true, existing });
    }
    let make = match () {
        () if task.options.dry_run => Make::Nothing,
        () if task.options.parents => Make::WithParents,
        () => Make::Itself,
    };
    prepare(core, task, target, TargetKind::Folder, make).await
}

/// Walks once and queues new items. Returns the plan if another walk can continue it.
async fn pages(
    core: &Shared,
    task: &Arc<Task>,
    source: &Location,
    target: &Location,
    mut plan: Box<Plan>,
    seen: &mut Seen,
) -> (Option<Box<Plan>>, Result<(), ClientError>) {
    let pool = match pool_of(&task.from) {
        Ok(pool) => pool,
        Err(error) => return (None, Err(error)),
    };
    let mut open = match session(core, pool).await {
        Ok(open) => open,
        Err(error) => return (None, Err(error)),
    };
    let (out, mut pages) = mpsc::channel(PAGES_AHEAD);
    let (follow, digests) = (task.options.follows_links(), task.may_trust_digests());
    let walk = Walk { follow, digests, enters: plan.enters() };
    let walking = match &task.options.trees {
        Some(trees) => Box::pin(trees::walk(Arc::clone(trees), out)),
        None => open.session.walk(source, walk, out),
    };
    let planning = async {
        // The target is prepared while the source is walked. With an include filter, a folder is created only for the first
        // file in it, and so is this one.
        if plan.prepared.is_none() && !task.options.filter.includes() {
            plan.prepared(prepare_folder(core, task, target).await?);
            plan.begin();
        }
        let mut planned = Vec::new();
        while let Some(page) = pages.recv().await {
            // A walk of this computer is not restarted.
            let page = if task.from.abilities.near { page } else { seen.news(page) };
            if plan.prepared.is_none() && plan.receives(&page) {
                plan.prepared(prepare_folder(core, task, target).await?);
                plan.begin();
            }
            let (back, found) = blocking(core, move || {
                let found = plan.page(page);
                Ok((plan, found))
            })
            .await?;
            plan = back;
            planned.extend(found);
            // A near source sends many small pages quickly; a single one rarely shows that a tree does not fit.
            if !task.from.abilities.near || planned.len() >= TOGETHER {
                admit(core, task, target, std::mem::take(&mut planned)).await?;
            }
        }
        admit(core, task, target, planned).await?;
        Ok(plan)
    };
    let (walked, planned) = tokio::join!(walking, planning);
    pool.put(open);
    match (walked, planned) {
        (Ok(()), Ok(plan)) => (Some(plan), Ok(())),
        (Err(error), Ok(plan)) => (Some(plan), Err(error)),
        (_, Err(error)) => (None, Err(error)),
    }
}

async fn admit(core: &Shared, task: &Arc<Task>, target: &Location, planned: Vec<Planned>) -> Result<(), ClientError> {
    let pool = pool_of(&task.to)?;
    let admitted = fit::admit(core, task, pool, target, planned).await?;
    enqueue(core, task, admitted).await;
    Ok(())
}

/// The state of planning a folder during its walk.
struct Plan {
    core: Shared,
    task: Arc<Task>,
    ends: Arc<Ends>,
    top: Folder,
    /// The prepared target, and its contents.
    prepared: Option<Prepared>,
    /// With an include filter: the source folders, which are planned once a file goes into them.
    folders: std::collections::HashMap<RemotePath, Folder>,
    /// With an include filter: the folders that were planned because a file goes into them.
    announced: HashSet<RemotePath>,
    out: Vec<Planned>,
}

/// A folder of the source.
#[derive(Debug, Clone, Copy)]
struct Folder {
    facts: FileFacts,
    mode: u32,
}

impl Plan {
    fn new(core: &Shared, task: &Arc<Task>, ends: &Arc<Ends>, top: &Found) -> Box<Self> {
        Box::new(Self {
            core: Arc::clone(core),
            task: Arc::clone(task),
            ends: Arc::clone(ends),
            top: Folder { facts: top.facts, mode: top.mode },
            prepared: None,
            folders: std::collections::HashMap::new(),
            announced: HashSet::new(),
            out: Vec::new(),
        })
    }

    fn prepared(&mut self, prepared: Prepared) {
        self.prepared = Some(prepared);
    }

    /// Plans the piece's own folder, which a move removes at the end.
    fn begin(&mut self) {
        let folder = self.ends.folder(self.task.options.follows_links());
        self.note_source(&folder);
        if !self.announced.insert(RemotePath::home()) {
            return;
        }
        self.folder(&folder, self.top);
    }

    /// A predicate for the folders that the walk enters.
    fn enters(&self) -> Arc<dyn Fn(&RemotePath) -> bool + Send + Sync> {
        let task = Arc::clone(&self.task);
        Arc::new(move |below| task.options.filter.is_open() || task.options.filter.means_folder(&shown_path(below)))
    }

    /// Whether any file or link of a page is transferred.
    fn receives(&self, page: &Page) -> bool {
        let goes = |kind| kind == Kind::File || kind == Kind::Symlink && self.keeps_links();
        page.entries.iter().any(|entry| goes(entry.kind) && self.takes(&page.under, &entry.name))
    }

    fn keeps_links(&self) -> bool {
        self.task.options.links == LinkRule::Keep
    }

    fn takes(&self, under: &RemotePath, name: &Name) -> bool {
        let filter = &self.task.options.filter;
        filter.is_open() || under.join(name).is_ok_and(|path| filter.means(&shown_path(&path), false))
    }

    /// Plans a page.
    fn page(&mut self, page: Page) -> Vec<Planned> {
        let folder = self.ends.folder(self.task.options.follows_links()).at(page.under);
        if !self.enters()(&folder.below) {
            return Vec::new();
        }
        for (below, error) in page.unreadable {
            let item = self.new_item(folder.at(below).as_item());
            self.add(Next::Done(Item { step: Step::Folder, ..item }, failure(error)));
        }
        let mut entries = page.entries;
        // Files whose own names look like keep-both names come first, so that they keep them.
        entries.sort_by_key(|entry| !is_keep_both_name(&entry.name));
        for entry in entries {
            match entry.kind {
                Kind::Folder => self.subfolder(&folder, &entry),
                _ => self.entry(&folder, &entry, page.digests.get(&entry.name)),
            }
        }
        for left_out in page.left_out {
            self.left_out(&folder, left_out);
        }
        std::mem::take(&mut self.out)
    }

    /// Plans a folder in `folder`, before its contents, so that it has its permission bits even after an interruption.
    fn subfolder(&mut self, folder: &Arc<FolderPath>, entry: &Entry) {
        let Ok(below) = folder.subfolder(&entry.name) else {
            return self.leave_out(folder, &entry.name, Outcome::Skipped(Skip::UnusableName));
        };
        if !self.task.options.filter.is_open() && !self.task.options.filter.enters(&shown_path(&below.below)) {
            return;
        }
        if below.as_item().to().is_none() {
            return self.leave_out(folder, &entry.name, Outcome::Skipped(Skip::UnusableName));
        }
        self.note_source(&below);
        let known = Folder { facts: FileFacts { size: 0, mtime: entry.mtime }, mode: entry.mode };
        match self.task.options.filter.includes() {
            true => drop(self.folders.insert(below.below.clone(), known)),
            false => self.folder(&below, known),
        }
    }

    /// Plans the creation of a folder at the target, unless it exists.
    fn folder(&mut self, folder: &Arc<FolderPath>, known: Folder) {
        self.task.tally.add_folder();
        let path = folder.as_item();
        let below = path.target_below();
        let is_top = below.is_home();
        let named = !is_top || self.ends.from.as_ref().is_some_and(|root| root.path().name().is_some());
        if self.task.carries_dates() && named {
            self.task.pieces.note_date(path.clone(), known.facts.mtime);
        }
        let (there, complete, met) = match &mut self.prepared {
            Some(Prepared { there, existing }) if *there => (true, existing.is_complete(), existing.look(&below)),
            Some(_) => (false, true, Ok(None)),
            None => (false, true, Ok(None)),
        };
        match met {
            Ok(Some(met)) if met.kind == Kind::Folder => {
                self.task.pieces.has_date(path.piece(), &below, met.facts.mtime);
                return self.task.tally.folder_done();
            }
            // `prepare` has created or found the piece's own folder.
            Ok(_) if is_top && there => return self.task.tally.folder_done(),
            Ok(_) => {}
            Err(error) => {
                let item = self.new_item(path);
                return self.add(Next::Done(Item { step: Step::Folder, ..item }, failure(error)));
            }
        }
        let new = !there || complete;
        let item = self.new_item(path);
        // Without a complete listing the folder may exist already; then it keeps its permission bits.
        let mode = if new && self.task.carries_modes() { known.mode | 0o700 } else { NO_MODE };
        let next = transitions::start(Item { step: Step::Folder, mode, facts: known.facts, ..item });
        self.add(next);
    }

    /// Plans `folder` and the folders above it for a file in it, with an include filter.
    fn announce(&mut self, folder: &Arc<FolderPath>) {
        let mut new = Vec::new();
        let mut place = Some(folder.below.clone());
        while self.task.options.filter.includes()
            && let Some(below) = place.take()
            && self.announced.insert(below.clone())
        {
            place = below.parent();
            new.push(below);
        }
        for below in new.into_iter().rev() {
            let known = self.folders.get(&below).copied().unwrap_or(self.top);
            self.folder(&folder.at(below), known);
        }
    }

    /// Plans an entry that is not a folder.
    fn entry(&mut self, folder: &Arc<FolderPath>, entry: &Entry, digest: Option<&Digest>) {
        if !self.takes(&folder.below, &entry.name) {
            return;
        }
        let skip = match entry.kind {
            Kind::Symlink if !self.keeps_links() => Some(self.task.options.skips_link()),
            Kind::Folder | Kind::Other => Some(Skip::Special),
            Kind::File | Kind::Symlink if is_part_name(entry.name.as_bytes()) => Some(Skip::Unfinished),
            Kind::File | Kind::Symlink => None,
        };
        if let Some(why) = skip {
            return self.leave_out(folder, &entry.name, Outcome::Skipped(why));
        }
        let path = ItemPath::new(folder, &entry.name).ok().filter(|path| path.to().is_some());
        let Some(path) = path else {
            return self.leave_out(folder, &entry.name, Outcome::Skipped(Skip::UnusableName));
        };
        self.announce(folder);
        if entry.kind == Kind::Symlink {
            return self.link(path);
        }
        self.task.tally.add_file(entry.size);
        let facts = FileFacts { size: entry.size, mtime: entry.mtime };
        let item = Item { facts, mode: entry.mode, ..self.new_item(path) };
        let planned = self.file(item, digest);
        self.out.push(planned);
    }

    /// Plans a link, which is made at the end.
    fn link(&mut self, path: ItemPath) {
        self.task.tally.add_file(0);
        if self.task.options.dry_run {
            let item = self.new_item(path);
            return self.add(Next::Done(item, Outcome::Would { size: 0, replaces: false }));
        }
        self.task.pieces.note_link(path);
    }

    /// Plans a file, whose digest may be remembered, according to the state of its target.
    fn file(&mut self, item: Item, digest: Option<&Digest>) -> Planned {
        let below = item.path.target_below();
        let Some(Prepared { there: true, existing }) = &mut self.prepared else {
            let next = transitions::reserved(item, |item| transitions::found(item, None, false));
            return Planned::meeting(next, None);
        };
        if !existing.is_complete() {
            // The transfer itself detects an existing target.
            return Planned::nothing(transitions::reserved(item, Next::Again));
        }
        match existing.look(&below) {
            Ok(met) => {
                let there = digest.zip(met.as_ref()).and_then(|(_, met)| existing.digest(&below, met));
                let (digests, found) = (digest.copied().zip(there), met.clone());
                let next = transitions::reserved(item, |item| transitions::remembered(item, found, digests));
                let planned = Planned::meeting(next, met.as_ref());
                let arrived = if planned.whole > 0 { begun(existing.as_mut(), &below, &planned.next) } else { 0 };
                Planned { arrived, ..planned }
            }
            Err(error) => Planned::nothing(Next::Done(item, failure(error))),
        }
    }

    fn left_out(&mut self, folder: &Arc<FolderPath>, left_out: LeftOut) {
        let (name, outcome) = match left_out {
            LeftOut::Failed(name, error) => (name, failure(error)),
            LeftOut::LinkLoop(name) => (name, Outcome::Skipped(Skip::LinkLoop)),
            LeftOut::LinkToFolder(name) => (name, Outcome::Skipped(Skip::LinkToFolder)),
            LeftOut::UnusableName(shown) => {
                // The name is not valid here: report a truncated form of it.
                let cut = crate::os_name::cut(shown.as_bytes(), ferry_shared::limits::NAME_MAX);
                let Ok(name) = Name::new(cut) else { return };
                (name, Outcome::Skipped(Skip::UnusableName))
            }
        };
        if matches!(outcome, Outcome::Skipped(Skip::UnusableName)) || self.takes(&folder.below, &name) {
            self.leave_out(folder, &name, outcome);
        }
    }

    fn leave_out(&mut self, folder: &Arc<FolderPath>, name: &Name, outcome: Outcome) {
        let path = ItemPath::new(folder, name).unwrap_or_else(|_| folder.as_item());
        self.task.tally.add_file(0);
        let item = self.new_item(path);
        self.add(Next::Done(item, outcome));
    }

    fn add(&mut self, next: Next) {
        self.out.push(Planned::nothing(next));
    }

    fn new_item(&self, path: ItemPath) -> Item {
        new_item(&self.core, &self.task, path)
    }

    /// Records a source folder of a move, which is removed once it is empty.
    fn note_source(&self, folder: &FolderPath) {
        if self.task.options.remove_source && !self.task.options.dry_run {
            self.task.pieces.note_folder(folder.as_item());
        }
    }
}

/// The bytes of a large file that an earlier attempt left at the target.
fn begun(existing: &mut dyn Existing, below: &RemotePath, next: &Next) -> u64 {
    match next {
        Next::Again(item) if item.facts.size > ferry_shared::limits::BLOCK_SIZE => existing.begun(below),
        _ => 0,
    }
}
