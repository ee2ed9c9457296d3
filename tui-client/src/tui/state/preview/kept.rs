//! The last previews, kept so that going back to an entry reads nothing; bounded in number and bytes.

use std::{collections::VecDeque, sync::Arc};

use super::{Content, Subject};

/// Previews kept at most.
const MOST: usize = 32;
/// Bytes of memory that they take at most, the newest one aside.
const BYTES: usize = 4 << 20;

/// The last previews, the newest last.
#[derive(Debug, Default)]
pub(super) struct Kept {
    entries: VecDeque<(Subject, Arc<Content>)>,
    bytes: usize,
}

impl Kept {
    /// The preview of an entry that has not changed since.
    pub(super) fn get(&mut self, subject: &Subject) -> Option<Arc<Content>> {
        let at = self.entries.iter().position(|(other, _)| other == subject)?;
        let entry = self.entries.remove(at)?;
        let content = Arc::clone(&entry.1);
        self.entries.push_back(entry);
        Some(content)
    }

    /// Keeps a preview, and drops the oldest ones that have no room beside it.
    pub(super) fn put(&mut self, subject: Subject, content: Arc<Content>) {
        if let Some(at) = self.entries.iter().position(|(other, _)| *other == subject) {
            self.drop_at(at);
        }
        self.bytes += content.cost();
        self.entries.push_back((subject, content));
        while self.entries.len() > 1 && (self.entries.len() > MOST || self.bytes > BYTES) {
            self.drop_at(0);
        }
    }

    fn drop_at(&mut self, at: usize) {
        if let Some((_, content)) = self.entries.remove(at) {
            self.bytes = self.bytes.saturating_sub(content.cost());
        }
    }
}

#[cfg(test)]
mod tests {
    use ferry_shared::entry::{Kind, Mtime};

    use super::*;
    use crate::tui::state::{place::Place, preview::Body};

    fn subject(name: &str, seconds: i64) -> Subject {
        Subject {
            place: Place::local(name),
            kind: Kind::File,
            leads: false,
            size: 1,
            mtime: Mtime(seconds, 0),
            reachable: true,
            palette: Default::default(),
            order: None,
        }
    }

    fn content(bytes: usize) -> Arc<Content> {
        Arc::new(Content { facts: String::new(), body: Body::Hex(vec![0; bytes]) })
    }

    #[test]
    fn a_changed_file_is_another_one() {
        let mut kept = Kept::default();
        kept.put(subject("/a", 1), content(1));
        assert!(kept.get(&subject("/a", 1)).is_some());
        assert!(kept.get(&subject("/a", 2)).is_none() && kept.get(&subject("/b", 1)).is_none());
    }

    #[test]
    fn kept_previews_are_bounded_in_number_and_bytes() {
        let mut kept = Kept::default();
        for n in 0..100 {
            kept.put(subject("/a", n), content(1));
        }
        assert_eq!(kept.entries.len(), MOST);
        assert!(kept.get(&subject("/a", 99)).is_some() && kept.get(&subject("/a", 0)).is_none());
        for n in 0..10 {
            kept.put(subject("/b", n), content(BYTES / 4));
        }
        assert!(kept.bytes <= BYTES && kept.entries.len() <= 4, "{} in {}", kept.bytes, kept.entries.len());
        let counted: usize = kept.entries.iter().map(|(_, content)| content.cost()).sum();
        assert_eq!(counted, kept.bytes);
        // What is used again stays longest.
        assert!(kept.get(&subject("/b", 7)).is_some());
        kept.put(subject("/c", 0), content(BYTES / 2));
        assert!(kept.get(&subject("/b", 7)).is_some() && kept.get(&subject("/b", 8)).is_none());
    }
}
