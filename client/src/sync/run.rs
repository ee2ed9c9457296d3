//! Carries out a sync: lists both ends, hands the copies of a plan to the transfer engine, and removes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ferry_shared::{
    digest::Digest,
    entry::{Entry, Kind, Mtime},
    path::RemotePath,
};

use super::{
    counters::Counters,
    end::End,
    listed::Listed,
    listing::Listing,
    plan::{Compare, Copy, Deletion, Plan, Problem, Rules},
    removal,
    select::{BadPattern, IGNORE_FILE, Select},
};
use crate::{
    error::ClientError,
    obstacle::Obstacle,
    reconnect::Patience,
    site::{Dates, Done, Folders, Op, Site, SitePath, Surroundings},
    transfer::{ConflictRule, Job, JobOptions, LinkRule, Piece, Work, apart, may_keep_links},
};

/// The two trees of a sync.
#[derive(Debug, Clone)]
pub struct Ends {
    /// The source's site.
    pub from: Arc<dyn Site>,
    /// The source folder.
    pub source: SitePath,
    /// The target's site.
    pub to: Arc<dyn Site>,
    /// The target folder, which is created if it does not exist.
    pub target: SitePath,
}

/// The options of a sync.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Remove what the source does not have.
    pub delete: bool,
    /// Compare contents of files of the same size, instead of dates.
    pub checksum: bool,
    /// The treatment of symbolic links at the source.
    pub links: LinkRule,
    /// Whether every file that is replaced or removed is backed up, so that nothing else can be removed.
    pub backup: bool,
}

/// The failure of a sync as a whole.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// An end cannot be listed.
    #[error(transparent)]
    End(#[from] ClientError),
    /// A pattern of an [`IGNORE_FILE`] at the source is not valid.
    #[error(transparent)]
    Pattern(#[from] BadPattern),
}

/// A sync of two trees.
#[derive(Debug)]
pub struct Sync {
    ends: Ends,
    from: End,
    to: End,
    options: Options,
    counters: Arc<Counters>,
    listings: [Arc<Listing>; 2],
    /// The results of the comparison of contents, once that was asked for.
    equal: Option<(BTreeMap<RemotePath, bool>, Vec<Problem>)>,
    /// The date of the source folder, if it has a name and thus a date of its own.
    date: Option<Mtime>,
}

impl Sync {
    /// Creates a sync that uses the resources of an engine.
    ///
    /// # Errors
    /// [`Obstacle::BadPath`] if one tree is in the other, [`Obstacle::Unsupported`] if contents cannot be compared.
    pub fn new(
        ends: Ends,
        options: Options,
        surroundings: &Surroundings,
        patience: Patience,
    ) -> Result<Self, ClientError> {
        let same = ends.from.name() == ends.to.name();
        if same {
            apart(&ends.source, &ends.target, Kind::Folder)?;
            apart(&ends.target, &ends.source, Kind::Folder)?;
        }
        if options.links == LinkRule::Keep {
            may_keep_links(&ends.from.abilities(), &ends.to.abilities(), false)?;
        }
        let (counters, means) = (Arc::default(), (surroundings, patience));
        let mut sync = Self {
            from: End::new(Arc::clone(&ends.from), &ends.source, false, means, &counters),
            to: End::new(Arc::clone(&ends.to), &ends.target, true, means, &counters),
            counters,
            listings: Default::default(),
            equal: None,
            date: None,
            ends,
            options,
        };
        sync.set_checksum(options.checksum)?;
        Ok(sync)
    }

    /// Chooses whether the contents of files of the same size are compared.
    ///
    /// # Errors
    /// [`Obstacle::Unsupported`] if they cannot be.
    pub fn set_checksum(&mut self, checksum: bool) -> Result<(), ClientError> {
        if checksum && !(self.ends.from.abilities().digest && self.ends.to.abilities().digest) {
            let text = "contents can only be compared where both sites offer digests";
            return Err(ClientError::obstructed(Obstacle::Unsupported, text));
        }
        self.options.checksum = checksum;
        Ok(())
    }

    /// The progress of the requests of this sync.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Lists both trees, compares them, and looks at what is to be removed. Changes nothing.
    ///
    /// # Errors
    /// [`SyncError`] if nothing can be planned.
    pub async fn plan(&mut self, select: &mut Select) -> Result<Plan, SyncError> {
        self.list(select).await?;
        let mut plan = self.compare(select).await?;
        self.see(&mut plan).await?;
        Ok(plan)
    }

    /// Lists both trees, and reads the ignore files of the source into the selection.
    ///
    /// # Errors
    /// [`SyncError`] if an end cannot be listed, or an ignore file is not valid.
    pub async fn list(&mut self, select: &mut Select) -> Result<(), SyncError> {
        self.equal = None;
        let follow = self.options.links == LinkRule::Follow;
        let enters = {
            // Folders left out by an ignore file are only known later.
            let select = select.clone();
            Arc::new(move |path: &RemotePath| select.enters(path))
        };
        let (from, to) =
            tokio::join!(self.from.list(follow, Arc::clone(&enters) as _), self.to.list(false, enters as _));
        let ((top, from), (_, to)) = (from?, to?);
        self.date = self.ends.source.name().and(top).map(|top| top.facts.mtime);
        self.ignore(&from, select).await?;
        self.listings = [Arc::new(from), Arc::new(to)];
        Ok(())
    }

    /// Compares both trees as they were listed. Before the plan removes anything, it needs [`see`](Self::see).
    ///
    /// # Errors
    /// [`SyncError`] if contents cannot be compared.
    pub async fn compare(&mut self, select: &Select) -> Result<Plan, SyncError> {
        let [from, to] = self.listings.clone();
        self.counters.begin_step();
        let rules = Rules {
            delete: self.options.delete,
            links: self.options.links,
            from: self.ends.from.abilities(),
            to: self.ends.to.abilities(),
        };
        let mut plan = match self.options.checksum {
            false => Plan::new(&from, &to, select, &rules, Compare::Date),
            true => {
                if self.equal.is_none() {
                    let first = Plan::new(&from, &to, select, &rules, Compare::Content(&BTreeMap::new()));
                    self.equal = Some(self.compare_contents(first.undecided).await?);
                }
                let (equal, problems) = self.equal.clone().unwrap_or_default();
                let mut plan = Plan::new(&from, &to, select, &rules, Compare::Content(&equal));
                plan.problems.extend(problems);
                plan
            }
        };
        self.compare_links(&mut plan).await?;
        if self.options.backup {
            plan.keep_without_backup(&to);
        }
        Ok(plan)
    }

    /// Notes the versions of the entries that a plan removes. Entries that are not as they were listed stay.
    ///
    /// # Errors
    /// The target cannot be reached.
    pub async fn see(&mut self, plan: &mut Plan) -> Result<(), SyncError> {
        self.counters.begin_step();
        Ok(removal::see(&mut self.to, plan).await?)
    }

    /// Reads the ignore files of the source.
    async fn ignore(&mut self, listing: &Listing, select: &mut Select) -> Result<(), SyncError> {
        let is_ignore_file = |name: &ferry_shared::name::Name| name.as_bytes() == IGNORE_FILE.as_bytes();
        let mut folders = Vec::new();
        for (path, folder) in &listing.folders {
            let file = folder.entries.iter().find(|(name, entry)| is_ignore_file(name) && entry.kind == Kind::File);
            folders.extend(file.and_then(|(name, _)| path.join(name).ok()).map(|file| (path.clone(), file)));
        }
        if folders.is_empty() {
            return Ok(());
        }
        let ops = |end: &End| {
            let op = |(_, file): &(RemotePath, RemotePath)| Op::Get { at: end.at(file), size: 0, growing: false };
            folders.iter().map(op).collect()
        };
        let answers = self.from.ask(ops).await?;
        for ((folder, file), answer) in folders.iter().zip(answers) {
            match answer? {
                Done::Content(content) => select.ignore(folder, &String::from_utf8_lossy(&content.bytes))?,
                _ => {
                    let text = format!("{} is too large to be a list of patterns", file.display());
                    return Err(ClientError::obstructed(Obstacle::Fault, text).into());
                }
            }
        }
        Ok(())
    }

    /// Compares the contents of files at both ends.
    async fn compare_contents(
        &mut self,
        paths: Vec<RemotePath>,
    ) -> Result<(BTreeMap<RemotePath, bool>, Vec<Problem>), SyncError> {
        let ops = |end: &End| paths.iter().map(|path| Op::Hash { at: end.at(path) }).collect();
        let (from, to) = tokio::join!(self.from.ask(ops), self.to.ask(ops));
        let (mut equal, mut problems) = (BTreeMap::new(), Vec::new());
        let root = |done: Result<Done, ClientError>| -> Result<Digest, ClientError> {
            match done? {
                Done::Hashed { root, .. } => Ok(root),
                _ => Err(ClientError::obstructed(Obstacle::Fault, "the site did not send a digest")),
            }
        };
        for ((path, from), to) in paths.iter().zip(from?).zip(to?) {
            match (root(from), root(to)) {
                (Ok(from), Ok(to)) => drop(equal.insert(path.clone(), from == to)),
                (Err(error), _) => problems.push(Problem::source(path, error)),
                // It is replaced, whatever it contains.
                (Ok(_), Err(_)) => drop(equal.insert(path.clone(), false)),
            }
        }
        Ok((equal, problems))
    }

    /// Takes the links out of a plan that have the same text at both ends.
    async fn compare_links(&mut self, plan: &mut Plan) -> Result<(), SyncError> {
        let is_link = |entry: &Entry| entry.kind == Kind::Symlink;
        let links = plan
            .copies
            .iter()
            .filter(|(path, copy)| is_link(&copy.entry) && self.listings[1].entry(path).is_some_and(is_link));
        let links: Vec<RemotePath> = links.map(|(path, _)| path.clone()).collect();
        let ops = |end: &End| links.iter().map(|path| Op::ReadLink { at: end.at(path) }).collect();
        let (from, to) = tokio::join!(self.from.ask(ops), self.to.ask(ops));
        for ((path, from), to) in links.iter().zip(from?).zip(to?) {
            // The copy reports any failure to read it.
            if let (Ok(Done::Link(from)), Ok(Done::Link(to))) = (from, to)
                && from == to
            {
                plan.copies.remove(path);
                plan.unchanged += 1;
            }
        }
        Ok(())
    }

    /// The job that copies `copies`, for the engine whose resources this sync uses.
    #[must_use]
    pub fn job(&self, copies: &BTreeMap<RemotePath, Copy>, options: JobOptions) -> Job {
        self.copy_job(copies, Some(Arc::clone(&self.listings[1])), options)
    }

    /// The job that copies `copies` after deletions, when the target is not as it was listed.
    #[must_use]
    pub fn blocked_job(&self, copies: &BTreeMap<RemotePath, Copy>, options: JobOptions) -> Job {
        self.copy_job(copies, None, options)
    }

    fn copy_job(&self, copies: &BTreeMap<RemotePath, Copy>, target: Option<Arc<Listing>>, options: JobOptions) -> Job {
        let entries = copies.iter().map(|(path, copy)| (path, &copy.entry));
        let trees = Listed::new(entries, &self.listings[0], target);
        let conflict = if self.options.checksum { ConflictRule::Different } else { ConflictRule::Changed };
        let pieces = vec![Piece { from: self.ends.source.clone(), to: self.ends.target.clone() }];
        let (from, to) = (Arc::clone(&self.ends.from), Arc::clone(&self.ends.to));
        Job {
            work: Work::Copy { from, to, pieces },
            options: JobOptions { conflict, links: self.options.links, trees: Some(trees), ..options },
        }
    }

    /// The job that copies all files that a plan replaces or removes to the folder `backup`, at the target's site.
    #[must_use]
    pub fn backup_job(&self, plan: &Plan, backup: &SitePath, options: JobOptions) -> Job {
        let listing = &self.listings[1];
        let replaced = plan.copies.keys().filter_map(|path| Some((path, listing.entry(path)?)));
        let replaced = replaced.filter(|(_, entry)| entry.kind == Kind::File);
        let removed = plan.deletions.iter().map(|deletion| (&deletion.path, &deletion.entry));
        let trees = Listed::new(replaced.chain(removed), listing, None);
        let pieces = vec![Piece { from: self.ends.target.clone(), to: backup.clone() }];
        let (from, to) = (Arc::clone(&self.ends.to), Arc::clone(&self.ends.to));
        Job {
            work: Work::Copy { from, to, pieces },
            options: JobOptions { conflict: ConflictRule::KeepBoth, parents: true, trees: Some(trees), ..options },
        }
    }

    /// Checks that a backup folder at the target's site is outside of both trees.
    ///
    /// # Errors
    /// [`Obstacle::BadPath`].
    pub fn check_backup(&self, backup: &SitePath) -> Result<(), ClientError> {
        apart(&self.ends.target, backup, Kind::Folder)?;
        apart(backup, &self.ends.target, Kind::Folder)?;
        if self.ends.from.name() == self.ends.to.name() {
            apart(&self.ends.source, backup, Kind::Folder)?;
        }
        Ok(())
    }

    /// Removes `deletions`, which come from a plan of this sync, and passes each result to `done`.
    ///
    /// # Errors
    /// The error that ended the connection; the deletions without a result may or may not have been carried out.
    pub async fn delete(
        &mut self,
        deletions: &[Deletion],
        mut done: impl FnMut(&Deletion, Result<(), ClientError>),
    ) -> Result<(), ClientError> {
        self.counters.begin_step();
        let mut folders = BTreeSet::new();
        let mut note = |deletion: &Deletion, result: Result<(), ClientError>| {
            if result.is_ok() {
                folders.extend(deletion.path.parent());
            }
            done(deletion, result);
        };
        removal::remove(&mut self.to, deletions, &mut note).await?;
        self.date_again(folders).await
    }

    /// Gives folders the dates of their sources again, because a deletion in a folder changes its date.
    async fn date_again(&mut self, folders: BTreeSet<RemotePath>) -> Result<(), ClientError> {
        let dated =
            |site: &Arc<dyn Site>| site.abilities().folders == Folders::Real && site.abilities().mtime != Dates::None;
        if !dated(&self.ends.from) || !dated(&self.ends.to) {
            return Ok(());
        }
        let date = |folder: &RemotePath| match folder.is_home() {
            true => self.ends.target.name().and(self.date),
            false => self.listings[0].entry(folder).filter(|entry| entry.kind == Kind::Folder).map(|entry| entry.mtime),
        };
        let dates: Vec<_> = folders.iter().filter_map(|folder| Some((folder.clone(), date(folder)?))).collect();
        let ops = |end: &End| {
            let set = |(folder, mtime): &(RemotePath, Mtime)| Op::SetAttributes {
                at: end.at(folder),
                mtime: Some(*mtime),
                mode: None,
                seen: None,
            };
            dates.iter().map(set).collect()
        };
        // A folder that is gone needs no date, and a date that cannot be set shows in the next plan.
        self.to.ask(ops).await.map(drop)
    }
}
