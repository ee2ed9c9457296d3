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
    end::End,
    listing::Listing,
    mapped::{self, Known, Mapped},
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
    mapped: [Mapped; 2],
    listings: [Arc<Listing>; 2],
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
        let digests = ends.from.abilities().digest && ends.to.abilities().digest;
        if options.checksum && !digests {
            let text = "contents can only be compared where both sites offer digests";
            return Err(ClientError::obstructed(Obstacle::Unsupported, text));
        }
        let from = Mapped::new(Arc::clone(&ends.from));
        // The engine keeps one pool of sessions for each site.
        let to = if same { from.clone() } else { Mapped::new(Arc::clone(&ends.to)) };
        Ok(Self {
            from: End::new(Arc::clone(&ends.from), &ends.source, false, surroundings, patience),
            to: End::new(Arc::clone(&ends.to), &ends.target, true, surroundings, patience),
            mapped: [from, to],
            listings: Default::default(),
            date: None,
            ends,
            options,
        })
    }

    /// Lists both trees and compares them. Changes nothing.
    ///
    /// # Errors
    /// [`SyncError`] if nothing can be planned.
    pub async fn plan(&mut self, select: &mut Select) -> Result<Plan, SyncError> {
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
        let (from, to) = (Arc::new(from), Arc::new(to));
        self.listings = [Arc::clone(&from), Arc::clone(&to)];
        let rules = Rules {
            delete: self.options.delete,
            links: self.options.links,
            from: self.ends.from.abilities(),
            to: self.ends.to.abilities(),
        };
        let mut plan = match self.options.checksum {
            false => Plan::new(&from, &to, select, &rules, Compare::Date),
            true => {
                let first = Plan::new(&from, &to, select, &rules, Compare::Content(&BTreeMap::new()));
                let (equal, problems) = self.compare(first.undecided).await?;
                let mut plan = Plan::new(&from, &to, select, &rules, Compare::Content(&equal));
                plan.problems.extend(problems);
                plan
            }
        };
        self.compare_links(&mut plan).await?;
        if self.options.backup {
            plan.keep_without_backup(&to);
        }
        removal::see(&mut self.to, &mut plan).await?;
        Ok(plan)
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
    async fn compare(
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
        let entries = copies.iter().map(|(path, copy)| (path, &copy.entry));
        let chosen = Arc::new(mapped::chosen(entries, &self.listings[0]));
        self.map(Known { chosen, target: Some(Arc::clone(&self.listings[1])) });
        let conflict = if self.options.checksum { ConflictRule::Different } else { ConflictRule::Changed };
        let pieces = vec![Piece { from: self.ends.source.clone(), to: self.ends.target.clone() }];
        let [from, to] = self.mapped.clone();
        Job {
            work: Work::Copy { from: Arc::new(from), to: Arc::new(to), pieces },
            options: JobOptions { conflict, links: self.options.links, ..options },
        }
    }

    /// The job that copies `copies` after deletions, when the target is not as it was listed.
    #[must_use]
    pub fn blocked_job(&self, copies: &BTreeMap<RemotePath, Copy>, options: JobOptions) -> Job {
        let job = self.job(copies, options);
        let chosen = Arc::clone(&self.mapped[0].known().chosen);
        self.map(Known { chosen, target: None });
        job
    }

    /// The job that copies all files that a plan replaces or removes to the folder `backup`, at the target's site.
    #[must_use]
    pub fn backup_job(&self, plan: &Plan, backup: &SitePath, options: JobOptions) -> Job {
        let listing = &self.listings[1];
        let replaced = plan.copies.keys().filter_map(|path| Some((path, listing.entry(path)?)));
        let replaced = replaced.filter(|(_, entry)| entry.kind == Kind::File);
        let removed = plan.deletions.iter().map(|deletion| (&deletion.path, &deletion.entry));
        let chosen = Arc::new(mapped::chosen(replaced.chain(removed), listing));
        self.map(Known { chosen, target: None });
        let site = self.mapped[1].clone();
        let pieces = vec![Piece { from: self.ends.target.clone(), to: backup.clone() }];
        Job {
            work: Work::Copy { from: Arc::new(site.clone()), to: Arc::new(site), pieces },
            options: JobOptions { conflict: ConflictRule::KeepBoth, parents: true, ..options },
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

    fn map(&self, known: Known) {
        self.mapped.iter().for_each(|mapped| mapped.know(known.clone()));
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
