//! `Copy`: a file or folder, on the server, no bytes on the wire.

use std::sync::Arc;

use ferry_shared::{
    digest::Digest,
    entry::Kind,
    message::Reply,
    path::RemotePath,
    refusal::{Code, Refusal},
};

use super::{Running, Task, usage};
use crate::{
    outbox::Outbox,
    quota::{Reservation, Tally},
    refusal,
    storage::{Copying, Overwrite, Published, Staged, StorageError, WalkPage, Walker},
    user_state::UserState,
};

/// Blocks copied in one step.
const STEP: u64 = 4;

pub(super) fn start(
    user: &Arc<UserState>,
    from: RemotePath,
    to: RemotePath,
    replace: bool,
) -> Result<Running, Refusal> {
    let stat = user.home.stat(&from).map_err(|error| refusal::of_storage(&error))?;
    let mut copier = Copier { user: Arc::clone(user), replace, file: None };
    if stat.entry.kind != Kind::Folder {
        copier.begin(&from, to)?;
        return Ok(Running::Task(Box::new(OneFile(copier))));
    }
    if to.starts_with(&from) {
        return Err(Refusal::new(Code::BadPath, format!("{} is inside {}", to.display(), from.display())));
    }
    if !replace && copier.exists(&to)? {
        return Err(Refusal::new(Code::Exists, format!("{} exists already", to.display())));
    }
    let walker = user.home.walker(&from).map_err(|error| refusal::of_storage(&error))?;
    copier.folder(&to)?;
    Ok(Running::Task(Box::new(Tree { copier, from, to, walker, page: WalkPage::default() })))
}

#[derive(Debug)]
struct Copier {
    user: Arc<UserState>,
    replace: bool,
    /// The one at hand.
    file: Option<OneCopy>,
}

impl Copier {
    fn exists(&self, path: &RemotePath) -> Result<bool, Refusal> {
        match self.user.home.stat(path) {
            Ok(_) => Ok(true),
            Err(StorageError::NotFound(_)) => Ok(false),
            Err(error) => Err(refusal::of_storage(&error)),
        }
    }

    fn folder(&self, path: &RemotePath) -> Result<(), Refusal> {
        super::change::make_dir(&self.user, path, true).map(|_| ())
    }

    /// Begins to copy one file: reserved first, digested while it is copied.
    fn begin(&mut self, from: &RemotePath, to: RemotePath) -> Result<(), Refusal> {
        let storage = |error: StorageError| refusal::of_storage(&error);
        let home = &self.user.home;
        let source = home.open_file(from).map_err(storage)?;
        let prospect = home.prospect(&to).map_err(storage)?;
        let growth = Tally::from(prospect.new_file(source.size)).growth_from(prospect.old().into());
        let reservation = self.user.ledger.reserve(growth).map_err(|error| refusal::of_quota(&error))?;
        let copying = home.copy(source).map_err(storage)?;
        self.file = Some(OneCopy { to, copying, reservation });
        Ok(())
    }

    /// Goes on with the file that was begun; what came of it once it is in its place.
    fn step(&mut self) -> Result<Option<(Digest, Published)>, Refusal> {
        let Some(mut file) = self.file.take() else { return Ok(None) };
        if file.copying.step(STEP).map_err(|error| refusal::of_storage(&error))? {
            self.file = Some(file);
            return Ok(None);
        }
        self.publish(file).map(Some)
    }

    /// Puts a whole copy in its place, like an upload.
    fn publish(&self, file: OneCopy) -> Result<(Digest, Published), Refusal> {
        let storage = |error: StorageError| refusal::of_storage(&error);
        let OneCopy { to, copying, mut reservation } = file;
        let (home, to) = (&self.user.home, &to);
        let (draft, root) = copying.finish().map_err(storage)?;
        let size = draft.size();
        let mut staged = Staged::Draft(draft);
        let mut group = home.commit_group();
        group.flush_data([&mut staged]).map_err(storage)?;
        let overwrite = if self.replace { Overwrite::Always } else { Overwrite::Never };
        let changes = self.user.ledger.lock_changes();
        let prepared = group.prepare(to, &overwrite, false).map_err(storage)?;
        let (old, new) = (Tally::from(prepared.prospect.old()), Tally::from(prepared.prospect.new_file(size)));
        let before = reservation.amount();
        changes.settle(&mut reservation, old, new).map_err(|error| refusal::of_quota(&error))?;
        let published = group.publish(staged, prepared).map_err(|failed| {
            changes.unsettle(&mut reservation, before, old, new);
            changes.add_used(Tally::new(0, failed.folders));
            refusal::of_storage(&failed.error)
        })?;
        self.user.hold_again(&changes, to);
        drop(changes);
        self.user.waste.replaced(old.bytes.min(size));
        group.flush_names().map_err(storage)?;
        Ok((root, published))
    }
}

/// A file being copied.
#[derive(Debug)]
struct OneCopy {
    to: RemotePath,
    copying: Copying,
    reservation: Reservation,
}

#[derive(Debug)]
struct OneFile(Copier);

impl Task for OneFile {
    fn is_heavy(&self) -> bool {
        true
    }

    fn step(&mut self, out: &mut Outbox) -> Result<bool, Refusal> {
        let Some((root, published)) = self.0.step()? else { return Ok(true) };
        let usage = usage::with_free(&self.0.user, usage::free(&self.0.user));
        out.reply(&Reply::Stored { root, size: published.size, version: published.version, usage });
        Ok(false)
    }
}

/// A folder being copied: its own folder is made already.
#[derive(Debug)]
struct Tree {
    copier: Copier,
    from: RemotePath,
    to: RemotePath,
    walker: Walker,
    page: WalkPage,
}

impl Task for Tree {
    fn is_heavy(&self) -> bool {
        true
    }

    fn step(&mut self, out: &mut Outbox) -> Result<bool, Refusal> {
        if self.copier.file.is_some() {
            return self.copier.step().map(|_| true);
        }
        let Some(entry) = self.page.entries.pop() else {
            let page = self.walker.next_page().map_err(|error| refusal::of_storage(&error))?;
            return match page {
                Some(page) => {
                    self.page = page;
                    Ok(true)
                }
                None => {
                    out.reply(&Reply::Done);
                    Ok(false)
                }
            };
        };
        let below = self.page.under.join(&entry.name).map_err(|error| too_long(&error))?;
        let from = self.from.join_path(&below).map_err(|error| too_long(&error))?;
        let to = self.to.join_path(&below).map_err(|error| too_long(&error))?;
        match entry.kind {
            Kind::Folder => self.copier.folder(&to)?,
            Kind::File => self.copier.begin(&from, to)?,
            // Clients cannot make these, so a copy is without them.
            Kind::Symlink | Kind::Other => tracing::debug!(path = %from.display(), "not copied: not a file"),
        }
        Ok(true)
    }
}

fn too_long(error: &ferry_shared::path::PathError) -> Refusal {
    Refusal::new(Code::TooLarge, error.to_string())
}
