//! The queue on disk: keeps unfinished orders over a crash, `kill -9` and a reboot.
//!
//! A journal is a file with one JSON object per line: new orders, finished pieces and finished orders. Each line is
//! flushed before the call returns. A process keeps its journal locked; a new process takes over the journals of
//! processes that have ended.
//!
//! The first line is the version. A journal with a higher version belongs to a newer program: it is refused and left
//! unchanged. Programs older than versions discard unknown lines, so today's journals have another file name; the
//! journals of those programs are taken over.

mod file;
mod line;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ferry_shared::path::RemotePath;

use self::{
    file::JournalFile,
    line::{Line, VERSION},
};
use super::conflict::ConflictRule;
use crate::{site::SitePath, site_key::SiteKey};

/// The most journals in a folder, and so the most programs at a time.
const JOURNALS: usize = 16;
/// The name of a journal with a version, and of one without.
const NAME: &str = "transfers";
const OLD_NAME: &str = "queue";

/// A folder at a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The site.
    pub site: SiteKey,
    /// The folder.
    pub path: SitePath,
}

/// A file or folder of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its path below the order's source folder; never the folder itself.
    pub path: RemotePath,
    /// Its path below the order's target folder.
    pub becomes: RemotePath,
    /// Whether it is a folder.
    pub folder: bool,
}

/// A copy or move from one place to another, as a person asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The folder that the pieces are below.
    pub from: Place,
    /// The folder they go to.
    pub to: Place,
    /// The pieces; finished ones are left out after a restart.
    pub what: Vec<Piece>,
    /// Whether the sources are removed.
    pub moves: bool,
    /// The rule for targets that already exist.
    pub rule: ConflictRule,
    /// Whether symbolic links are followed; `None` if that was not decided for this order.
    pub follow: Option<bool>,
}

/// The journal of this process.
#[derive(Debug)]
pub struct Journal {
    file: JournalFile,
}

/// The contents of the journals that were taken over.
#[derive(Debug, Default)]
pub struct Found {
    /// Unfinished orders, by their keys.
    pub orders: BTreeMap<u64, Order>,
    /// The number of invalid lines, apart from a truncated last one; they are lost.
    pub unreadable: usize,
    /// Journals of newer programs, which are left unchanged.
    pub newer: Vec<PathBuf>,
}

impl Journal {
    /// Opens a journal in `folder`, which is created if needed, and takes over the journals of ended processes.
    ///
    /// # Errors
    /// Errors of the disk; [`io::ErrorKind::WouldBlock`] when too many programs have journals there.
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
            // Renumber orders from further journals: their keys may be the same.
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
        // Remove the other journals only after their orders are on disk in this one.
        others.into_iter().try_for_each(JournalFile::remove)?;
        Ok((journal, found))
    }

    /// Records a new order.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn add(&mut self, key: u64, order: &Order) -> io::Result<()> {
        self.file.append(&[Line::add(key, order)])
    }

    /// Records that an order is done or no longer wanted.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn settle(&mut self, key: u64) -> io::Result<()> {
        self.file.append(&[Line::Settled { key }])
    }

    /// Records finished pieces, by the orders' keys and the pieces' paths.
    ///
    /// # Errors
    /// Errors of the disk.
    pub fn settle_pieces(&mut self, pieces: &[(u64, RemotePath)]) -> io::Result<()> {
        let lines: Vec<Line> =
            pieces.iter().map(|(key, path)| Line::Through { key: *key, path: path.clone() }).collect();
        if lines.is_empty() { Ok(()) } else { self.file.append(&lines) }
    }
}

/// Whether this program understands the version of a journal.
fn is_known(text: &[u8]) -> bool {
    let first = text.split(|b| *b == b'\n').next().unwrap_or_default();
    first.is_empty() || matches!(serde_json::from_slice(first), Ok(Line::Version(version)) if version <= VERSION)
}

/// The unfinished orders in a journal's text.
fn replay(text: &[u8], unreadable: &mut usize) -> BTreeMap<u64, Order> {
    let mut orders: BTreeMap<u64, Order> = BTreeMap::new();
    let ends = text.ends_with(b"\n");
    let mut lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        match serde_json::from_slice::<Line>(line) {
            Ok(Line::Version(_)) => {}
            Ok(Line::Add(add)) => match (add.key, Order::try_from(add)) {
                (key, Ok(order)) => drop(orders.insert(key, order)),
                (_, Err(_)) => *unreadable += 1,
            },
            Ok(Line::Settled { key }) => drop(orders.remove(&key)),
            Ok(Line::Through { key, path }) => {
                if let Some(order) = orders.get_mut(&key) {
                    order.what.retain(|piece| piece.path != path);
                }
            }
            // The last line may be truncated by a crash or a power failure.
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
    use crate::connect::Target;

    fn path(text: &[u8]) -> RemotePath {
        RemotePath::from_wire(text).unwrap()
    }

    fn server() -> SiteKey {
        SiteKey::Server(Target::ferry("alice", "::1", 7021))
    }

    fn order(names: &[&[u8]]) -> Order {
        let piece = |text: &&[u8]| Piece { path: path(text), becomes: path(b"new"), folder: true };
        Order {
            from: Place { site: SiteKey::Local, path: PathBuf::from("/home/al/däta").into() },
            to: Place { site: server(), path: RemotePath::from_typed(b"a/b").unwrap().into() },
            what: names.iter().map(piece).collect(),
            moves: true,
            rule: ConflictRule::KeepBoth,
            follow: Some(true),
        }
    }

    #[test]
    fn added_orders_survive_a_crash() {
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
    fn finished_pieces_and_orders_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.add(1, &order(&[b"x", b"y", b"z"])).unwrap();
        journal.add(2, &order(&[b"q"])).unwrap();
        journal.add(3, &order(&[b"r"])).unwrap();
        journal.settle_pieces(&[(1, path(b"x")), (1, path(b"z")), (3, path(b"r"))]).unwrap();
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
        assert_eq!(
            Journal::open(folder.path()).unwrap().1.orders.len(),
            2,
            "a later line is not joined to the truncated one"
        );
        fs::write(&path, b"{\"version\":2}\ngarbage\n").unwrap();
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
        assert!(found.orders.is_empty(), "both programs still run");
        drop((first, second, third));
        let (_, found) = Journal::open(folder.path()).unwrap();
        let paths: Vec<_> = found.orders.values().map(|order| order.what[0].path.clone()).collect();
        assert_eq!(paths, [path(b"first"), path(b"second")]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_journal_does_not_grow_with_finished_orders() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        for key in 0..50 {
            journal.add(key, &order(&[b"x"])).unwrap();
            journal.settle(key).unwrap();
        }
        drop(journal);
        drop(Journal::open(folder.path()).unwrap());
        assert_eq!(fs::read(folder.path().join("transfers.jsonl")).unwrap(), b"{\"version\":4}\n");
    }

    #[test]
    fn a_crash_during_a_rewrite_loses_nothing() {
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
        for newer in [&b"{\"version\":5}\n{\"new\":1}\n"[..], b"\x00 no lines at all", b"{\"add\":{}}\n"] {
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
    fn journals_of_programs_without_versions_are_taken_over() {
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

    #[test]
    fn a_journal_of_the_first_version_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let lines = concat!(
            r#"{"version":1}"#,
            "\n",
            r#"{"add":{"key":7,"user":"alice","host":"::1","port":7021,"from":{"local":"/home/al/däta"},"to":{"remote":"a/b"},"#,
            r#""what":[{"name":"x","becomes":"new","folder":true}],"moves":true,"rule":"keep_both"}}"#,
            "\n",
            r#"{"add":{"key":8,"user":"alice","host":"::1","port":7021,"from":{"remote":"a"},"to":{"local_bytes":"L3g="},"#,
            r#""what":[{"name":"y","folder":false}]}}"#,
            "\n",
        );
        fs::write(folder.path().join("transfers.jsonl"), lines).unwrap();
        let (journal, found) = Journal::open(folder.path()).unwrap();
        assert_eq!((found.unreadable, found.newer.len()), (0, 0));
        assert_eq!(found.orders[&7], Order { follow: None, ..order(&[b"x"]) });
        let back = &found.orders[&8];
        assert_eq!((&back.from.site, &back.to.site), (&server(), &SiteKey::Local));
        assert_eq!(back.to.path, SitePath::Local("/x".into()));
        assert_eq!((back.moves, back.rule), (false, ConflictRule::Ask), "missing fields get safe defaults");
        drop(journal);
        assert_eq!(
            Journal::open(folder.path()).unwrap().1.orders.len(),
            2,
            "the orders are rewritten in the present version"
        );
    }

    #[test]
    fn an_order_between_two_servers_or_on_this_computer_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let other = SiteKey::Server(Target::ferry("bob", "example.org", 1));
        let remote = |path: &[u8]| SitePath::Remote(RemotePath::from_wire(path).unwrap());
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        let between = Order {
            from: Place { site: server(), path: remote(b"a") },
            to: Place { site: other, path: remote(b"b") },
            ..order(&[b"x"])
        };
        let here = Order { to: Place { site: SiteKey::Local, path: PathBuf::from("/tmp").into() }, ..order(&[b"y"]) };
        journal.add(1, &between).unwrap();
        journal.add(2, &here).unwrap();
        drop(journal);
        assert_eq!(Journal::open(folder.path()).unwrap().1.orders, [(1, between), (2, here)].into());
    }

    #[cfg(unix)]
    #[test]
    fn a_journal_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let _journal = Journal::open(folder.path()).unwrap();
        let mode = fs::metadata(folder.path().join("transfers.jsonl")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
