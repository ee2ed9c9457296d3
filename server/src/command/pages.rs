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
/// JSON bytes of a digest.
const DIGEST_BYTES: usize = 67;
/// JSON bytes of one byte of a name in the worst case (`\u001f`).
const ESCAPED_BYTES: usize = 6;

/// Sends a page, as several replies if its names are long.
pub(super) fn send(page: Page, is_last: bool, out: &mut Outbox) {
    split(page, is_last, |page| out.reply(&Reply::Entries(page)));
}

/// Hands over the page in parts that fit in one reply each.
fn split(page: Page, is_last: bool, mut tell: impl FnMut(reply::Page)) {
    let Page { under, entries, mut digests, mut unreadable } = page;
    if digests.iter().all(Option::is_none) {
        digests.clear();
    }
    let mut rest = entries;
    loop {
        let fitting = fitting(&rest, !digests.is_empty());
        let tail = rest.split_off(fitting);
        let later = digests.split_off(fitting.min(digests.len()));
        let is_whole = tail.is_empty();
        tell(reply::Page {
            under: under.clone(),
            entries: rest,
            unreadable: std::mem::take(&mut unreadable),
            digests,
            more: !(is_last && is_whole),
        });
        if is_whole {
            return;
        }
        (rest, digests) = (tail, later);
    }
}

/// The number of leading entries that fit in one reply; at least one.
fn fitting(entries: &[Entry], with_digests: bool) -> usize {
    let mut bytes = 0;
    let each = ENTRY_BYTES + if with_digests { DIGEST_BYTES } else { 0 };
    for (count, entry) in entries.iter().enumerate() {
        bytes += each + entry.name.as_bytes().len() * ESCAPED_BYTES;
        if count > 0 && (bytes > PAGE_BYTES || count >= PAGE_MAX) {
            return count;
        }
    }
    entries.len()
}

#[cfg(test)]
mod tests {
    use ferry_shared::{
        digest::Digest,
        entry::{Kind, Mtime},
        name::Name,
        path::RemotePath,
    };

    use super::*;

    #[test]
    fn every_entry_of_a_page_that_is_split_keeps_its_digest() {
        let names = (0..PAGE_MAX).map(|number| Name::new(format!("{number:0>250}").into_bytes()).unwrap());
        let entries: Vec<Entry> =
            names.map(|name| Entry { name, kind: Kind::File, size: 1, mtime: Mtime(0, 0), mode: 0o644 }).collect();
        let of = |entry: &Entry| {
            let name = entry.name.as_bytes();
            (!name.ends_with(b"7")).then(|| Digest::of(name))
        };
        let digests = entries.iter().map(of).collect();
        let mut pages = Vec::new();
        let page = Page { under: RemotePath::home(), entries, digests, unreadable: Vec::new() };
        split(page, true, |page| pages.push(page));
        assert!(pages.len() > 1, "{}", pages.len());
        assert!(pages.iter().all(|page| serde_json::to_vec(page).unwrap().len() < PAGE_BYTES));
        let told: Vec<_> = pages.iter().flat_map(|page| page.entries.iter().zip(&page.digests)).collect();
        assert!(told.iter().all(|(entry, digest)| **digest == of(entry)));
        assert_eq!(told.len(), PAGE_MAX);
        let more: Vec<bool> = pages.iter().map(|page| page.more).collect();
        assert_eq!(more.iter().filter(|more| !**more).count(), 1);
    }

    #[test]
    fn a_page_without_any_digest_has_no_list_of_them() {
        let entry =
            Entry { name: Name::try_from("a").unwrap(), kind: Kind::File, size: 1, mtime: Mtime(0, 0), mode: 0 };
        let page =
            Page { under: RemotePath::home(), entries: vec![entry], digests: vec![None], unreadable: Vec::new() };
        split(page, true, |page| assert_eq!(page.digests, []));
    }
}
