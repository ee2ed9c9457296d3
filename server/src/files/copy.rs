//! Copies of a file or folder within a home, in steps: digested and published like uploads.

use std::{collections::HashMap, sync::Arc};

use ferry_shared::{
    entry::{Entry, Kind, Mtime},
    name::Name,
    path::RemotePath,
};

use super::{
    Act, Error, Files, PathFault, Step, Stored, Work, change,
    publish::{self, Payment, Ready},
};
use crate::{
    audit::event::{Event, shown},
    quota::Reservation,
    storage::{Copying, Overwrite, Staged, StorageError, WalkPage, Walker},
    user_state::{UserState, growth},
};

/// Blocks copied in one step.
const STEP: u64 = 4;

/// The result of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copied {
    /// A file.
    File(Stored),
    /// A folder with everything below it.
    Folder,
}

impl Files {
    /// Copies a file, or a folder with everything below it. With `replace`, files at the target are replaced.
    ///
    /// # Errors
    /// [`Error`].
    pub fn copy(&self, from: RemotePath, to: RemotePath, replace: bool) -> Result<Box<dyn Work<Item = Copied>>, Error> {
        super::may_change(&self.user)?;
        let act = self.act(Event::Copy { from: shown(&from), to: shown(&to) });
        let stat = self.user.home.stat(&from)?;
        let mut copier = Copier { user: Arc::clone(&self.user), replace, file: None, act };
        if stat.entry.kind != Kind::Folder {
            copier.begin(&from, to)?;
            return Ok(Box::new(Copy { copier, tree: None }));
        }
        if to.starts_with(&from) {
            let message = format!("{} is inside {}", to.display(), from.display());
            return Err(Error::path(PathFault::Bad, message));
        }
        if !replace && copier.exists(&to)? {
            return Err(StorageError::Exists(to).into());
        }
        let walker = self.user.home.walker(&from)?;
        let facts = copier.folder(&to)?.then_some(Facts::of(&stat.entry));
        let folders = Folders { to, facts, open: Vec::new() };
        let tree = Tree { from, folders, walker, page: WalkPage::default() };
        Ok(Box::new(Copy { copier, tree: Some(tree) }))
    }
}

#[derive(Debug)]
struct Copier {
    user: Arc<UserState>,
    replace: bool,
    /// The file that is being copied.
    file: Option<OneCopy>,
    act: Act,
}

impl Copier {
    fn exists(&self, path: &RemotePath) -> Result<bool, Error> {
        match self.user.home.stat(path) {
            Ok(_) => Ok(true),
            Err(StorageError::NotFound(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a folder; returns whether it was missing.
    fn folder(&mut self, path: &RemotePath) -> Result<bool, Error> {
        change::make_dirs(&self.user, path, true, &mut self.act).map(|made| made > 0)
    }

    /// Starts to copy one file: reserves its size first, and digests it while copying.
    fn begin(&mut self, from: &RemotePath, to: RemotePath) -> Result<(), Error> {
        let home = &self.user.home;
        let source = home.open_file(from)?;
        let target_state = home.target_state(&to)?;
        let reservation = self.user.ledger.reserve(growth(&target_state, source.size))?;
        let copying = home.copy(source)?;
        self.file = Some(OneCopy { to, copying, reservation });
        Ok(())
    }

    /// Advances the file that was started; returns its result once it is published.
    fn step(&mut self) -> Result<Option<Stored>, Error> {
        let Some(mut file) = self.file.take() else { return Ok(None) };
        if file.copying.step(STEP)? {
            self.file = Some(file);
            return Ok(None);
        }
        self.publish(file).map(Some)
    }

    /// Publishes a complete copy, like an upload.
    fn publish(&mut self, file: OneCopy) -> Result<Stored, Error> {
        let OneCopy { to, copying, reservation } = file;
        let (temp_file, digest) = copying.finish()?;
        let (size, staged) = (temp_file.size(), Staged::TempFile(temp_file));
        let overwrite = if self.replace { Overwrite::Always } else { Overwrite::Never };
        let payment = Payment::Copy(reservation);
        let ready = Ready { staged, target: to, size, digest, overwrite, parents: false, payment };
        let stored = publish::publish_one(&self.user, ready)?;
        let reached = self.act.reached();
        (reached.files, reached.bytes) = (reached.files + 1, reached.bytes.saturating_add(stored.size));
        self.user.waste.replaced(stored.replaced.min(size));
        Ok(stored)
    }
}

/// A file being copied.
#[derive(Debug)]
struct OneCopy {
    to: RemotePath,
    copying: Copying,
    reservation: Reservation,
}

/// A copy in progress.
#[derive(Debug)]
struct Copy {
    copier: Copier,
    /// Set while a folder is copied; the copy of the folder itself has been made.
    tree: Option<Tree>,
}

impl Work for Copy {
    type Item = Copied;

    fn step(&mut self) -> Result<Step<Copied>, Error> {
        super::may_change(&self.copier.user)?;
        let copied = match &mut self.tree {
            Some(tree) => tree.step(&mut self.copier)?.then_some(Copied::Folder),
            None => self.copier.step()?.map(Copied::File),
        };
        let Some(copied) = copied else { return Ok(Step::Busy) };
        self.copier.act.done();
        Ok(Step::Last(copied))
    }

    fn is_heavy(&self) -> bool {
        true
    }
}

/// The rest of a folder that is being copied.
#[derive(Debug)]
struct Tree {
    from: RemotePath,
    folders: Folders,
    walker: Walker,
    page: WalkPage,
}

impl Tree {
    /// Does one small step; returns `true` once everything is copied.
    fn step(&mut self, copier: &mut Copier) -> Result<bool, Error> {
        if copier.file.is_some() {
            return copier.step().map(|_| false);
        }
        let Some(entry) = self.page.entries.pop() else {
            let Some(page) = self.walker.next_page()? else {
                self.folders.end(&copier.user)?;
                return Ok(true);
            };
            self.folders.enter(&page.under, &copier.user)?;
            self.page = page;
            return Ok(false);
        };
        let below = self.page.under.join(&entry.name)?;
        let from = self.from.join_path(&below)?;
        let to = self.folders.to.join_path(&below)?;
        match entry.kind {
            Kind::Folder if copier.folder(&to)? => self.folders.made(&entry),
            Kind::Folder => {}
            Kind::File => copier.begin(&from, to)?,
            // Clients cannot create these, so a copy leaves them out.
            Kind::Symlink | Kind::Other => tracing::debug!(path = %from.display(), "not copied: not a file"),
        }
        Ok(false)
    }
}

/// Attributes that a copied folder takes from its source.
#[derive(Debug, Clone, Copy)]
struct Facts {
    mtime: Mtime,
    mode: u32,
}

impl Facts {
    fn of(entry: &Entry) -> Self {
        Self { mtime: entry.mtime, mode: entry.mode }
    }
}

/// Sets the modification time and permission bits of each new folder once its contents are complete. Memory is
/// bounded by a page of names for each level, as in the walk.
#[derive(Debug)]
struct Folders {
    /// The copy.
    to: RemotePath,
    /// Its own attributes, if the copy made it.
    facts: Option<Facts>,
    /// The folder that is being copied and its parents, innermost last.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    under: RemotePath,
    /// Folders inside it that the copy made and whose contents are not complete yet.
    made: HashMap<Name, Facts>,
}

impl Folders {
    /// Handles the start of a page of folder `under`: the walk is finished with every folder that does not contain
    /// it.
    fn enter(&mut self, under: &RemotePath, user: &UserState) -> Result<(), Error> {
        while self.open.last().is_some_and(|open| !under.starts_with(&open.under)) {
            self.leave(user)?;
        }
        match self.open.last_mut() {
            // This is the next page of the same folder: the walk has visited all folders on the previous page.
            Some(open) if open.under == *under => {
                let whole = std::mem::take(&mut open.made);
                self.whole(under, whole, user)
            }
            _ => {
                self.open.push(Open { under: under.clone(), made: HashMap::new() });
                Ok(())
            }
        }
    }

    /// Notes that the copy made a folder for this entry of the innermost folder.
    fn made(&mut self, entry: &Entry) {
        if let Some(open) = self.open.last_mut() {
            open.made.insert(entry.name.clone(), Facts::of(entry));
        }
    }

    /// Handles the end of the copy.
    fn end(&mut self, user: &UserState) -> Result<(), Error> {
        while !self.open.is_empty() {
            self.leave(user)?;
        }
        self.facts.take().map_or(Ok(()), |facts| give(&self.to, facts, user))
    }

    fn leave(&mut self, user: &UserState) -> Result<(), Error> {
        let Some(Open { under, made }) = self.open.pop() else { return Ok(()) };
        self.whole(&under, made, user)?;
        let facts = self.open.last_mut().and_then(|above| above.made.remove(&under.name()?));
        let path = self.to.join_path(&under)?;
        facts.map_or(Ok(()), |facts| give(&path, facts, user))
    }

    fn whole(&self, under: &RemotePath, made: HashMap<Name, Facts>, user: &UserState) -> Result<(), Error> {
        let above = self.to.join_path(under)?;
        made.into_iter().try_for_each(|(name, facts)| give(&above.join(&name)?, facts, user))
    }
}

/// Sets the modification time and permission bits of a copied folder, unless it was removed meanwhile.
fn give(path: &RemotePath, Facts { mtime, mode }: Facts, user: &UserState) -> Result<(), Error> {
    match change::set_attributes(user, path, Some(mtime), Some(mode)) {
        Err(error) if error.is_not_found() => Ok(()),
        given => given,
    }
}
