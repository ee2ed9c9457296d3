//! The queue on disk: what was asked for and is not through, kept over a crash, `kill -9` and a reboot.
//!
//! A journal is a file of one JSON object a line: orders as they are added, and what of
//! them is through. Each line is flushed before the call returns. A process holds its
//! journal locked; one that starts takes over what others left that are gone.
//!
//! Its first line is its version. A journal of a higher one is that of a newer program: it is refused, and kept as
//! it is. Programs from before there were versions throw away what they do not know, so a journal has another name
//! than theirs; theirs are taken over.

mod file;
mod line;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ferry_shared::{name::Name, path::RemotePath};

use self::{
    file::JournalFile,
    line::{Line, VERSION},
};
use super::conflict::ConflictRule;
use crate::connect::Target;

/// The most journals side by side: so many programs may run at a time.
const JOURNALS: usize = 16;
/// The name of a journal with a version, and of one without.
const NAME: &str = "transfers";
const OLD_NAME: &str = "queue";

/// A folder on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// On this computer.
    Local(PathBuf),
    /// On the server.
    Remote(RemotePath),
}

/// A file or folder of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its name.
    pub name: Name,
    /// The name it gets.
    pub becomes: Name,
    /// Whether it is a folder.
    pub folder: bool,
}

/// Something to move from one side to the other, as a person asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The server.
    pub server: Target,
    /// The folder the pieces are in.
    pub from: Side,
    /// The folder they go to.
    pub to: Side,
    /// What goes; pieces that are through are left out after a restart.
    pub what: Vec<Piece>,
    /// Whether the sources go away.
    pub moves: bool,
    /// What to do where something is there already.
    pub rule: ConflictRule,
}

/// The journal of this process.
#[derive(Debug)]
pub struct Journal {
    file: JournalFile,
}

/// What a new journal found.
#[derive(Debug, Default)]
pub struct Found {
    /// Orders that are not through, by their keys.
    pub orders: BTreeMap<u64, Order>,
    /// Lines that are none, other than one cut off at an end; they are lost.
    pub unreadable: usize,
    /// Journals of newer programs, which are left as they are.
    pub newer: Vec<PathBuf>,
}

impl Journal {
    /// Opens a journal in `folder`, which is made if needed, and takes over what is left of others.
    ///
    /// # Errors
    /// The disk's; [`io::ErrorKind::WouldBlock`] when too many programs have journals there.
    pub fn open(folder: &Path) -> io::Result<(Self, Found)> {
        fs::create_dir_all(folder)?;
        let mut found = Found::default();
        let mut mine = None;
        let mut others = Vec::new();
        let numbered = |name| (1..=JOURNALS).map(move |number| (name, number));
        for (name, number) in numbered(NAME).chain(numbered(OLD_NAME)) {
            let path =
                folder.join(if number == 1 { format!("{name}.jsonl") } else { format!("{name}-{number}.jsonl") });
            if (mine.is_some() || name == OLD_NAME) && !path.exists() {
                continue;
            }
            let Some((file, text)) = JournalFile::lock(&path)? else { continue };
            if name == NAME && !is_known(&text) {
                found.newer.push(path);
                continue;
            }
            let orders = replay(&text, &mut found.unreadable);
            // A key of this process must not be one of another's.
            for (key, order) in orders {
                let next = found.orders.last_key_value().map_or(1, |(last, _)| last + 1);
                found.orders.insert(if mine.is_none() { key } else { next }, order);
            }
            match mine {
                None if name == NAME => mine = Some(file),
                _ => others.push(file),
            }
        }
        let Some(file) = mine else { return Err(io::ErrorKind::WouldBlock.into()) };
        let mut journal = Self { file };
        let orders = found.orders.iter().map(|(key, order)| Line::add(*key, order));
        journal.file.rewrite(&std::iter::once(Line::Version(VERSION)).chain(orders).collect::<Vec<_>>())?;
        // Only now: what was theirs is safely ours.
        others.into_iter().try_for_each(JournalFile::remove)?;
        Ok((journal, found))
    }

    /// Keeps an order.
    ///
    /// # Errors
    /// The disk's.
    pub fn add(&mut self, key: u64, order: &Order) -> io::Result<()> {
        self.file.append(&[Line::add(key, order)])
    }

    /// An order is through, or not wanted any more.
    ///
    /// # Errors
    /// The disk's.
    pub fn settle(&mut self, key: u64) -> io::Result<()> {
        self.file.append(&[Line::Settled { key }])
    }

    /// Pieces of orders are through, by the orders' keys and the pieces' names.
    ///
    /// # Errors
    /// The disk's.
    pub fn settle_pieces(&mut self, pieces: &[(u64, Name)]) -> io::Result<()> {
        let lines: Vec<Line> =
            pieces.iter().map(|(key, name)| Line::Through { key: *key, name: name.clone() }).collect();
        if lines.is_empty() { Ok(()) } else { self.file.append(&lines) }
    }
}

/// Whether this program knows what a journal says: one of a newer program is for that one.
fn is_known(text: &[u8]) -> bool {
    let first = text.split(|b| *b == b'\n').next().unwrap_or_default();
    first.is_empty() || matches!(serde_json::from_slice(first), Ok(Line::Version(version)) if version <= VERSION)
}

/// What a journal's text says is not through.
fn replay(text: &[u8], unreadable: &mut usize) -> BTreeMap<u64, Order> {
    let mut orders: BTreeMap<u64, Order> = BTreeMap::new();
    let ends = text.ends_with(b"\n");
    let mut lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        match serde_json::from_slice::<Line>(line) {
            Ok(Line::Version(_)) => {}
            Ok(Line::Add(add)) => drop(orders.insert(add.key, add.into())),
            Ok(Line::Settled { key }) => drop(orders.remove(&key)),
            Ok(Line::Through { key, name }) => {
                if let Some(order) = orders.get_mut(&key) {
                    order.what.retain(|piece| piece.name != name);
                }
            }
            // The last one may be cut off: the power went before it was whole.
            Err(_) if lines.peek().is_none() && !ends => {}
            Err(_) => *unreadable += 1,
        }
    }
    orders.retain(|_, order| !order.what.is_empty());
    orders
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn name(text: &[u8]) -> Name {
        Name::new(text).unwrap()
    }

    fn order(names: &[&[u8]]) -> Order {
        let piece = |text: &&[u8]| Piece { name: name(text), becomes: name(b"new"), folder: true };
        Order {
            server: Target { user: "alice".into(), host: "::1".into(), port: 7021 },
            from: Side::Local(PathBuf::from("/home/al/däta")),
            to: Side::Remote(RemotePath::from_typed(b"a/b").unwrap()),
            what: names.iter().map(piece).collect(),
            moves: true,
            rule: ConflictRule::KeepBoth,
        }
    }

    #[test]
    fn what_was_added_is_there_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, found) = Journal::open(folder.path()).unwrap();
        assert!(found.orders.is_empty());
        journal.add(1, &order(&[b"x", b"\xff\xfe"])).unwrap();
        journal.add(2, &order(&[b"y"])).unwrap();
        drop(journal);
        let (_, found) = Journal::open(folder.path()).unwrap();
        assert_eq!(found.orders, [(1, order(&[b"x", b"\xff\xfe"])), (2, order(&[b"y"]))].into());
    }

    #[test]
    fn what_is_through_is_forgotten_piece_by_piece() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.add(1, &order(&[b"x", b"y", b"z"])).unwrap();
        journal.add(2, &order(&[b"q"])).unwrap();
        journal.add(3, &order(&[b"r"])).unwrap();
        journal.settle_pieces(&[(1, name(b"x")), (1, name(b"z")), (3, name(b"r"))]).unwrap();
        journal.settle(2).unwrap();
        drop(journal);
        let (_, found) = Journal::open(folder.path()).unwrap();
        assert_eq!(found.orders, [(1, order(&[b"y"]))].into());
    }

    #[test]
    fn a_line_that_was_cut_off_loses_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.add(1, &order(&[b"x"])).unwrap();
        drop(journal);
        let path = folder.path().join("transfers.jsonl");
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"settled\":{\"ke").unwrap();
        let (mut journal, found) = Journal::open(folder.path()).unwrap();
        assert_eq!((found.orders.len(), found.unreadable), (1, 0));
        journal.add(2, &order(&[b"y"])).unwrap();
        drop(journal);
        assert_eq!(Journal::open(folder.path()).unwrap().1.orders.len(), 2, "what is added later is not glued to it");
        fs::write(&path, b"{\"version\":1}\ngarbage\n").unwrap();
        assert_eq!(Journal::open(folder.path()).unwrap().1.unreadable, 1);
    }

    #[test]
    fn two_programs_keep_apart_and_the_dead_ones_orders_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, _) = Journal::open(folder.path()).unwrap();
        let (mut second, found) = Journal::open(folder.path()).unwrap();
        assert!(found.orders.is_empty());
        first.add(1, &order(&[b"first"])).unwrap();
        second.add(1, &order(&[b"second"])).unwrap();
        let (third, found) = Journal::open(folder.path()).unwrap();
        assert!(found.orders.is_empty(), "both are alive");
        drop((first, second, third));
        let (_, found) = Journal::open(folder.path()).unwrap();
        let names: Vec<_> = found.orders.values().map(|order| order.what[0].name.clone()).collect();
        assert_eq!(names, [name(b"first"), name(b"second")]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_journal_does_not_grow_with_what_is_through() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        for key in 0..50 {
            journal.add(key, &order(&[b"x"])).unwrap();
            journal.settle(key).unwrap();
        }
        drop(journal);
        drop(Journal::open(folder.path()).unwrap());
        assert_eq!(fs::read(folder.path().join("transfers.jsonl")).unwrap(), b"{\"version\":1}\n");
    }

    #[test]
    fn a_crash_while_it_is_written_anew_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.add(1, &order(&[b"x"])).unwrap();
        drop(journal);
        let path = folder.path().join("transfers.jsonl");
        fs::copy(&path, folder.path().join("transfers.jsonl.keep")).unwrap();
        fs::write(&path, b"{\"add\":{\"k").unwrap();
        assert_eq!(Journal::open(folder.path()).unwrap().1.orders.len(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_journal_of_a_newer_program_is_refused_and_kept() {
        for newer in [&b"{\"version\":2}\n{\"new\":1}\n"[..], b"\x00 no lines at all", b"{\"add\":{}}\n"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("transfers.jsonl");
            fs::write(&path, newer).unwrap();
            for kept in [1, 2] {
                let (mut journal, found) = Journal::open(folder.path()).unwrap();
                assert_eq!((found.orders.len(), found.unreadable), (kept - 1, 0));
                assert_eq!(found.newer, std::slice::from_ref(&path));
                journal.add(u64::try_from(kept).unwrap(), &order(&[b"x"])).unwrap();
            }
            assert_eq!(fs::read(&path).unwrap(), newer);
        }
    }

    #[test]
    fn what_a_program_without_versions_left_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let line = serde_json::to_string(&Line::add(4, &order(&[b"x"]))).unwrap();
        for name in ["queue.jsonl", "queue-3.jsonl"] {
            fs::write(folder.path().join(name), format!("{line}\n")).unwrap();
        }
        let (journal, found) = Journal::open(folder.path()).unwrap();
        assert_eq!(found.orders.into_values().collect::<Vec<_>>(), [order(&[b"x"]), order(&[b"x"])]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(journal);
        assert_eq!(Journal::open(folder.path()).unwrap().1.orders.len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_journal_is_nobody_elses_business() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let _journal = Journal::open(folder.path()).unwrap();
        let mode = fs::metadata(folder.path().join("transfers.jsonl")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
