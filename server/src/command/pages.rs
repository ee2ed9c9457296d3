//! `List`, `Walk`, `Find`: entries, a page at a time, the first as soon as it is read.

use ferry_shared::{
    entry::Entry,
    limits::PAGE_MAX,
    message::{Reply, reply::Page},
    path::RemotePath,
};

use super::{Running, Task};
use crate::{
    files::Error,
    outbox::Outbox,
    storage::{Finder, Lister, StorageError, WalkPage, Walker},
    user_state::UserState,
};

/// Estimated JSON bytes in one page; far enough below the frame limit for any name.
const PAGE_BYTES: usize = 512 << 10;
/// What an entry's JSON takes besides its name.
const ENTRY_BYTES: usize = 128;
/// What one byte of a name takes at worst (`\u001f`).
const ESCAPED_BYTES: usize = 6;

pub(super) fn list(user: &UserState, path: &RemotePath) -> Result<Running, Error> {
    let lister = user.home.lister(path)?;
    Ok(Running::Task(Box::new(Listing(lister))))
}

pub(super) fn walk(user: &UserState, path: &RemotePath) -> Result<Running, Error> {
    let walker = user.home.walker(path)?;
    Ok(Running::Task(Box::new(Walking(walker))))
}

pub(super) fn find(user: &UserState, path: &RemotePath, pattern: &str, limit: u64) -> Result<Running, Error> {
    let finder = user.home.finder(path, pattern, limit)?;
    Ok(Running::Task(Box::new(Finding(finder))))
}

#[derive(Debug)]
struct Listing(Lister);

impl Task for Listing {
    fn step(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        let entries = self.0.next_page(PAGE_MAX)?;
        let more = entries.is_some();
        emit(out, WalkPage { entries: entries.unwrap_or_default(), ..WalkPage::default() }, more);
        // The first page must not wait in the outbox for a second one.
        out.finish();
        Ok(more)
    }
}

#[derive(Debug)]
struct Walking(Walker);

impl Task for Walking {
    /// Every folder has its page, an empty one too: that is how a client knows of it.
    fn step(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        next(self.0.next_page(), out)
    }
}

#[derive(Debug)]
struct Finding(Finder);

impl Task for Finding {
    fn is_heavy(&self) -> bool {
        true
    }

    fn step(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        match self.0.next_page() {
            // Nothing matched here; the empty page only gave others a turn.
            Ok(Some(page)) if page.entries.is_empty() && page.unreadable.is_empty() => Ok(true),
            page => next(page, out),
        }
    }
}

fn next(page: Result<Option<WalkPage>, StorageError>, out: &mut Outbox) -> Result<bool, Error> {
    let page = page?;
    let more = page.is_some();
    emit(out, page.unwrap_or_default(), more);
    Ok(more)
}

/// Sends a page, in several where its names are long.
fn emit(out: &mut Outbox, page: WalkPage, more: bool) {
    let WalkPage { under, entries, mut unreadable } = page;
    let mut rest = entries;
    loop {
        let tail = rest.split_off(fitting(&rest));
        let last = tail.is_empty();
        out.reply(&Reply::Entries(Page {
            under: under.clone(),
            entries: rest,
            unreadable: std::mem::take(&mut unreadable),
            more: more || !last,
        }));
        if last {
            return;
        }
        rest = tail;
    }
}

/// How many leading entries fit one page; at least one.
fn fitting(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    for (count, entry) in entries.iter().enumerate() {
        bytes += ENTRY_BYTES + entry.name.as_bytes().len() * ESCAPED_BYTES;
        if count > 0 && (bytes > PAGE_BYTES || count >= PAGE_MAX) {
            return count;
        }
    }
    entries.len()
}
