//! Pages of entries, as replies.

use ferry_shared::{
    entry::Entry,
    limits::PAGE_MAX,
    message::{Reply, reply},
};

use crate::{files::Page, outbox::Outbox};

/// Estimated JSON bytes in one page; far enough below the frame limit for any name.
const PAGE_BYTES: usize = 512 << 10;
/// JSON bytes of an entry besides its name.
const ENTRY_BYTES: usize = 128;
/// JSON bytes of one byte of a name in the worst case (`\u001f`).
const ESCAPED_BYTES: usize = 6;

/// Sends a page, as several replies if its names are long.
pub(super) fn send(page: Page, is_last: bool, out: &mut Outbox) {
    let Page { under, entries, mut unreadable } = page;
    let mut rest = entries;
    loop {
        let tail = rest.split_off(fitting(&rest));
        let is_whole = tail.is_empty();
        out.reply(&Reply::Entries(reply::Page {
            under: under.clone(),
            entries: rest,
            unreadable: std::mem::take(&mut unreadable),
            more: !(is_last && is_whole),
        }));
        if is_whole {
            return;
        }
        rest = tail;
    }
}

/// The number of leading entries that fit in one reply; at least one.
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
