//! Walking this computer's folders: counting entries, and searching for names.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ferry_client::transfer::{Ancestors, remote_name};
use ferry_shared::path::RemotePath;
use tokio_util::sync::CancellationToken;

use super::read;
use crate::{
    args::Links,
    tui::{
        effect::CountFor,
        effects::reply::Reply,
        event::Answer,
        state::{dialog::FoundItem, listing::Amount, pattern::Pattern, place::Place, problem::Problem, sought::Sought},
        update::FOUND_MOST,
    },
};

/// The interval between reports of a walk.
const TOLD: Duration = Duration::from_millis(100);

/// Counts entries below a folder, with everything below.
///
/// Links are counted as the engine takes them.
pub(in crate::tui::effects) fn count(
    folder: PathBuf,
    paths: &[RemotePath],
    purpose: CountFor,
    stop: &CancellationToken,
    reply: &Reply,
) {
    let taken = purpose != CountFor::Delete;
    let follow = purpose == CountFor::Copy(Links::Follow);
    let follow_marked = follow || purpose == CountFor::Move;
    let amount = Amount::default();
    let mut counter = Counter { amount, unreadable: 0, left_out: 0, taken, follow, told: Instant::now(), stop, reply };
    for path in paths {
        let Some(place) = Place::local(&*folder).join_path(path) else { continue };
        let Some(path) = place.path.local() else { continue };
        counter.count(path, follow_marked, &Ancestors::default());
    }
    if !stop.is_cancelled() {
        counter.tell(false);
    }
}

struct Counter<'a> {
    amount: Amount,
    unreadable: u64,
    left_out: u64,
    /// The entries are counted for a copy or a move, not for a removal.
    taken: bool,
    follow: bool,
    told: Instant,
    stop: &'a CancellationToken,
    reply: &'a Reply,
}

impl Counter<'_> {
    /// Counts a file or folder; with `follows`, a link counts as its target.
    fn count(&mut self, path: &Path, follows: bool, above: &Ancestors) {
        if self.stop.is_cancelled() {
            return;
        }
        let metadata = if follows {
            fs::metadata(path).or_else(|_| fs::symlink_metadata(path))
        } else {
            fs::symlink_metadata(path)
        };
        match metadata {
            Ok(metadata) if metadata.is_dir() => match above.enter(path) {
                Ok(Some(here)) => {
                    self.amount.folders += 1;
                    match fs::read_dir(path) {
                        Ok(entries) => {
                            entries.flatten().for_each(|entry| self.count(&entry.path(), self.follow, &here))
                        }
                        Err(_) => self.unreadable += 1,
                    }
                }
                Ok(None) => self.left_out += 1,
                Err(_) => self.unreadable += 1,
            },
            Ok(metadata) if self.taken && !metadata.is_file() => self.left_out += 1,
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
        self.reply.post(Answer::Counted {
            amount: self.amount,
            unreadable: self.unreadable,
            left_out: self.left_out,
            more,
        });
    }
}

/// Searches everything below a folder.
pub(in crate::tui::effects) fn search(folder: PathBuf, sought: &Sought, stop: &CancellationToken, reply: &Reply) {
    let pattern = match Pattern::new(&sought.name) {
        Ok(pattern) => pattern,
        Err(error) => return reply.post(Answer::Failed(Problem::new(error))),
    };
    let mut search = Search { pattern, sought, found: Vec::new(), total: 0, told: Instant::now(), stop, reply };
    match search.folder(&folder, &RemotePath::home()) {
        Err(error) => reply.post_error(&folder, error),
        Ok(()) if stop.is_cancelled() => {}
        Ok(()) => search.tell(false),
    }
}

struct Search<'a> {
    pattern: Pattern,
    sought: &'a Sought,
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
                && let Some(item) = read::item(&entry).filter(|item| self.sought.fits(&item.entry))
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
                // Skip an unreadable folder below the first.
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

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::tui::{event::Event, state::ticket::Ticket};

    /// Counts `names` in `folder`: files, folders and bytes, and the entries that are left out.
    fn counted(folder: &Path, names: &[&str], purpose: CountFor) -> (Amount, u64) {
        let (events, mut told) = tokio::sync::mpsc::channel(8);
        let reply = Reply::new(events, Ticket(1));
        let names: Vec<RemotePath> = names.iter().map(|name| RemotePath::from_wire(name.as_bytes()).unwrap()).collect();
        count(folder.to_owned(), &names, purpose, &CancellationToken::new(), &reply);
        let mut last = None;
        while let Ok(Event::Answer(_, Answer::Counted { amount, left_out, .. })) = told.try_recv() {
            last = Some((amount, left_out));
        }
        last.unwrap()
    }

    #[test]
    fn links_are_counted_as_they_are_taken() {
        let top = tempfile::tempdir().unwrap();
        let path = |below: &str| top.path().join(below);
        fs::create_dir_all(path("tree/in")).unwrap();
        fs::write(path("tree/in/a"), "12345").unwrap();
        symlink("in/a", path("tree/file")).unwrap();
        symlink("..", path("tree/in/up")).unwrap();
        symlink("tree", path("link")).unwrap();
        let amount = |files, folders, bytes| Amount { files, folders, bytes };
        let of = |name: &str, purpose| counted(top.path(), &[name], purpose);
        let (skip, follow) = (CountFor::Copy(Links::Skip), CountFor::Copy(Links::Follow));
        assert_eq!(of("tree", skip), (amount(1, 2, 5), 2));
        assert_eq!(of("link", skip), (amount(0, 0, 0), 1), "a marked link has the same rule as one inside");
        assert_eq!(of("link", follow), (amount(2, 2, 10), 1));
        assert_eq!(of("link", CountFor::Move), (amount(1, 2, 5), 2), "a marked link is what it leads to");
        assert_eq!(of("tree", follow), (amount(2, 2, 10), 1), "a loop ends");
        assert_eq!(of("tree", CountFor::Delete), (amount(3, 2, 5), 0));
        assert_eq!(of("link", CountFor::Delete), (amount(1, 0, 0), 0), "the link itself goes");
    }
}
