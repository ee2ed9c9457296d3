//! Walking this computer's folders: counting what is in them, and searching for names.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ferry_client::transfer::remote_name;
use ferry_shared::{name::Name, path::RemotePath};
use tokio_util::sync::CancellationToken;

use super::look;
use crate::tui::{
    effects::reply::Reply,
    event::Answer,
    state::{dialog::FoundItem, listing::Amount, pattern::Pattern, place::Place, trouble::Trouble},
    update::FOUND_MOST,
};

/// How often it is told how far a walk is.
const TOLD: Duration = Duration::from_millis(100);

/// Counts what is in a folder under some names, with all below.
pub(in crate::tui::effects) fn count(folder: PathBuf, names: &[Name], stop: &CancellationToken, reply: &Reply) {
    let mut counter = Counter { amount: Amount::default(), unreadable: 0, told: Instant::now(), stop, reply };
    for name in names {
        let Some(Place::Local(path)) = Place::Local(folder.clone()).join(name) else { continue };
        counter.count(&path, true);
    }
    if !stop.is_cancelled() {
        counter.tell(false);
    }
}

struct Counter<'a> {
    amount: Amount,
    unreadable: u64,
    told: Instant,
    stop: &'a CancellationToken,
    reply: &'a Reply,
}

impl Counter<'_> {
    /// Counts a file or folder. What the user named is meant as what it leads to, as the engine has it.
    fn count(&mut self, path: &Path, named: bool) {
        if self.stop.is_cancelled() {
            return;
        }
        let metadata =
            if named { fs::metadata(path).or_else(|_| fs::symlink_metadata(path)) } else { fs::symlink_metadata(path) };
        match metadata {
            Ok(metadata) if metadata.is_dir() => {
                self.amount.folders += 1;
                match fs::read_dir(path) {
                    Ok(entries) => entries.flatten().for_each(|entry| self.count(&entry.path(), false)),
                    Err(_) => self.unreadable += 1,
                }
            }
            Ok(metadata) => {
                self.amount.files += 1;
                let bytes = if metadata.is_file() { metadata.len() } else { 0 };
                self.amount.bytes = self.amount.bytes.saturating_add(bytes);
            }
            Err(_) => self.unreadable += 1,
        }
        if self.told.elapsed() > TOLD {
            self.tell(true);
        }
    }

    fn tell(&mut self, more: bool) {
        self.told = Instant::now();
        self.reply.post(Answer::Counted { amount: self.amount, unreadable: self.unreadable, more });
    }
}

/// Searches everything below a folder for a name.
pub(in crate::tui::effects) fn search(folder: PathBuf, pattern: &str, stop: &CancellationToken, reply: &Reply) {
    let pattern = match Pattern::new(pattern) {
        Ok(pattern) => pattern,
        Err(error) => return reply.post(Answer::Failed(Trouble::new(error))),
    };
    let mut search = Search { pattern, found: Vec::new(), total: 0, told: Instant::now(), stop, reply };
    match search.folder(&folder, &RemotePath::home()) {
        Err(error) => reply.post_error(&folder, error),
        Ok(()) if stop.is_cancelled() => {}
        Ok(()) => search.tell(false),
    }
}

struct Search<'a> {
    pattern: Pattern,
    found: Vec<FoundItem>,
    total: usize,
    told: Instant,
    stop: &'a CancellationToken,
    reply: &'a Reply,
}

impl Search<'_> {
    fn folder(&mut self, folder: &Path, under: &RemotePath) -> io::Result<()> {
        for entry in fs::read_dir(folder)?.flatten() {
            if self.stop.is_cancelled() || self.total >= FOUND_MOST {
                return Ok(());
            }
            let Ok(name) = remote_name(&entry.file_name()) else { continue };
            if self.pattern.picks(name.as_bytes())
                && let Some(item) = look::item(&entry)
            {
                self.total += 1;
                self.found.push(FoundItem { under: under.clone(), item });
            }
            if self.told.elapsed() > TOLD && !self.found.is_empty() {
                self.tell(true);
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir())
                && let Ok(below) = under.join(&name)
            {
                // A folder below that cannot be read is passed over.
                let _ = self.folder(&entry.path(), &below);
            }
        }
        Ok(())
    }

    fn tell(&mut self, more: bool) {
        self.told = Instant::now();
        self.reply.post(Answer::Found { items: std::mem::take(&mut self.found), more });
    }
}
