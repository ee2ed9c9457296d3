//! Random jobs, with the answers and faults during them.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use ferry_shared::{entry::Mtime, limits::BLOCK_LEN, name::Name, path::RemotePath};
use parking_lot::Mutex;
use proptest::{collection::vec, prelude::*, sample::select};

use super::place::{Content, Picture, Place, Thing};
use crate::{
    site::Names,
    transfer::{
        conflict::{ConflictRule, Decision, Scope},
        job::{JobOptions, Piece},
    },
};

/// Names of files and folders; few, so that both ends have the same ones.
const NAMES: [&[u8]; 7] = [b"a", b"b", b"a (2)", b"-\n", b"\xc3\xbc.x", b"\xff", b".y.x"];

/// A job, with the answers and faults during it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) entries: Vec<Entry>,
    /// Whether the whole source folder is one piece; otherwise each entry in it is one.
    pub(super) whole: bool,
    pub(super) target_there: bool,
    pub(super) options: JobOptions,
    pub(super) answers: Vec<(Decision, Scope, bool)>,
    pub(super) faults: Vec<(Side, u64, Fault)>,
    pub(super) transfers: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Target,
}

/// A fault at one end.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The open sessions break.
    Break,
    /// The site becomes unreachable; whether it comes back.
    Cut(bool),
    /// This many requests are refused temporarily.
    Refuse(u64),
    /// Somebody else writes to one of the files, or removes it.
    Write(usize, Write),
}

#[derive(Debug, Clone)]
pub(super) enum Write {
    Append,
    Replace,
    Remove,
}

/// A path below the job's folders, and its initial state at both ends.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    names: Vec<usize>,
    source: Option<Made>,
    target: There,
}

#[derive(Debug, Clone)]
enum There {
    Nothing,
    Same,
    SameOfAnotherDate,
    Other(Made),
}

/// A folder, or a file of a kind of content and a size.
#[derive(Debug, Clone)]
struct Made {
    file: Option<(u8, usize)>,
    date: i64,
    mode: u32,
}

fn made() -> impl Strategy<Value = Made> {
    let size = prop_oneof![
        6 => 0..4_usize,
        4 => Just(9_usize),
        1 => select(&[BLOCK_LEN - 1, BLOCK_LEN + 1, 2 * BLOCK_LEN + 7][..]),
    ];
    let file = prop_oneof![1 => Just(None), 5 => (0..3_u8, size).prop_map(Some)];
    (file, 0..3_i64, select(&[0o600, 0o644, 0o750][..])).prop_map(|(file, date, mode)| Made {
        file,
        date,
        mode: if file.is_none() { mode | 0o700 } else { mode },
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let names = vec(0..NAMES.len(), 1..=3);
    let source = prop_oneof![1 => Just(None), 8 => made().prop_map(Some)];
    let target = prop_oneof![
        5 => Just(There::Nothing),
        2 => Just(There::Same),
        2 => Just(There::SameOfAnotherDate),
        3 => made().prop_map(There::Other),
    ];
    (names, source, target).prop_map(|(names, source, target)| Entry { names, source, target })
}

pub(super) fn rule() -> impl Strategy<Value = ConflictRule> {
    use ConflictRule::{Ask, Changed, Different, Fail, KeepBoth, Newer, Replace, Skip};
    select(&[Ask, Ask, Ask, Skip, Replace, Newer, Different, Changed, KeepBoth, Fail][..])
}

fn options() -> impl Strategy<Value = JobOptions> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (rule(), flags).prop_map(|(conflict, (resume, verify, remove_source, keep_attributes, parents, growing))| {
        JobOptions {
            conflict,
            resume,
            verify,
            remove_source,
            keep_attributes,
            parents,
            growing,
            ..JobOptions::default()
        }
    })
}

fn fault() -> impl Strategy<Value = (Side, u64, Fault)> {
    let write = select(&[Write::Append, Write::Replace, Write::Remove][..]);
    let fault = prop_oneof![
        2 => Just(Fault::Break),
        1 => any::<bool>().prop_map(Fault::Cut),
        1 => (1..4_u64).prop_map(Fault::Refuse),
        3 => (0..8_usize, write).prop_map(|(file, write)| Fault::Write(file, write)),
    ];
    (select(&[Side::Source, Side::Target][..]), 0..30_u64, fault)
}

/// Any job.
pub(super) fn cases() -> impl Strategy<Value = Case> {
    let decisions = select(&[Decision::Replace, Decision::Newer, Decision::Skip, Decision::KeepBoth][..]);
    let scopes = select(&[Scope::This, Scope::This, Scope::This, Scope::Folder, Scope::Kind, Scope::All][..]);
    let answers = vec((decisions, scopes, proptest::bool::weighted(0.2)), 1..4);
    let faults = prop_oneof![2 => Just(Vec::new()), 3 => vec(fault(), 1..3)];
    (vec(entry(), 0..7), any::<(bool, bool)>(), options(), answers, faults, 1..4_usize).prop_map(
        |(entries, (whole, target_there), options, answers, faults, transfers)| Case {
            entries,
            whole,
            target_there,
            options,
            answers,
            faults,
            transfers,
        },
    )
}

/// A case at two sites, before the job begins.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) pieces: Vec<(RemotePath, RemotePath)>,
    pub(super) source: Picture,
    pub(super) target: Picture,
}

impl Setting {
    pub(super) fn new(case: &Case, from: Place, to: Place) -> Self {
        let (mut source, mut target) = (Picture::new(), Picture::new());
        source.insert(path(b"s"), folder());
        if case.target_there {
            target.insert(path(b"t"), folder());
        }
        for Entry { names, source: at_source, target: at_target } in &case.entries {
            let below = below(names);
            let at_source = at_source.as_ref().map(Made::thing);
            let at_target = match at_target {
                There::Nothing => None,
                There::Same => at_source.clone(),
                There::SameOfAnotherDate => {
                    at_source.clone().map(|thing| Thing { mtime: Mtime(thing.mtime.0 + 5, 0), ..thing })
                }
                There::Other(made) => Some(made.thing()),
            };
            at_source.into_iter().for_each(|thing| add(&mut source, path(b"s").join_path(&below).unwrap(), thing));
            at_target.into_iter().for_each(|thing| add(&mut target, path(b"t").join_path(&below).unwrap(), thing));
        }
        for (place, picture) in [(&from, &mut source), (&to, &mut target)] {
            let any = place.abilities().names == Names::Bytes;
            picture.retain(|path, _| any || std::str::from_utf8(path.as_bytes()).is_ok());
            // Contents come first, because they change the dates of their folders.
            for (path, thing) in picture.iter().rev() {
                place.place(path, thing);
            }
        }
        let mut setting = Self { pieces: Vec::new(), source: from.picture(), target: to.picture(), from, to };
        setting.pieces = match case.whole {
            true => vec![(path(b"s"), path(b"t"))],
            false => {
                let names = source.keys().filter(|path| path.depth() == 2).filter_map(RemotePath::name);
                names.map(|name| (path(b"s").join(&name).unwrap(), path(b"t").join(&name).unwrap())).collect()
            }
        };
        setting
    }

    pub(super) fn pieces(&self) -> Vec<Piece> {
        let piece = |(from, to): &(RemotePath, RemotePath)| Piece { from: self.from.path(from), to: self.to.path(to) };
        self.pieces.iter().map(piece).collect()
    }

    pub(super) fn place(&self, side: Side) -> &Place {
        if side == Side::Source { &self.from } else { &self.to }
    }

    /// The paths of files that somebody else may write to.
    pub(super) fn victims(&self, side: Side) -> Vec<RemotePath> {
        let files = self.source.iter().filter(|(_, thing)| thing.content.is_some()).map(|(path, _)| path);
        match side {
            Side::Source => files.cloned().collect(),
            Side::Target => files.map(at_target).collect(),
        }
    }
}

/// The target path of a source path that keeps its own name.
pub(super) fn at_target(source: &RemotePath) -> RemotePath {
    let below: Vec<&[u8]> = source.names().skip(1).collect();
    RemotePath::from_wire(&[&b"t"[..]].into_iter().chain(below).collect::<Vec<_>>().join(&b'/')).unwrap()
}

fn below(names: &[usize]) -> RemotePath {
    let name = |path: RemotePath, name: &usize| path.join(&Name::new(NAMES[*name]).unwrap()).unwrap();
    names.iter().fold(RemotePath::home(), name)
}

pub(super) fn path(text: &[u8]) -> RemotePath {
    RemotePath::from_wire(text).unwrap()
}

fn folder() -> Thing {
    Thing { content: None, mtime: Mtime(900, 5), mode: 0o755, half: false }
}

/// Adds a file or folder with the folders above it, unless it clashes with existing ones.
fn add(picture: &mut Picture, path: RemotePath, thing: Thing) {
    let is_file = |path: &RemotePath| picture.get(path).is_some_and(|thing| thing.content.is_some());
    let above: Vec<RemotePath> = std::iter::successors(path.parent(), RemotePath::parent).collect();
    if picture.contains_key(&path) || above.iter().any(is_file) {
        return;
    }
    for folder_above in above.into_iter().filter(|path| !path.is_home()) {
        picture.entry(folder_above).or_insert_with(folder);
    }
    picture.insert(path, thing);
}

impl Made {
    fn thing(&self) -> Thing {
        let content = self.file.map(|(kind, size)| content(kind, size));
        Thing {
            content,
            mtime: Mtime(1_000 + self.date, 5 * u32::from(self.mode == 0o644)),
            mode: self.mode,
            half: false,
        }
    }
}

/// The content of a kind and size. Large ones differ in one block only, and are created once.
pub(super) fn content(kind: u8, size: usize) -> Content {
    type Made = Mutex<HashMap<(u8, usize), Content>>;
    static MADE: LazyLock<Made> = LazyLock::new(Mutex::default);
    let make = || {
        let mut bytes: Vec<u8> = (0..size).map(|index| (index ^ (index >> 8)).to_le_bytes()[0]).collect();
        let at = (usize::from(kind) * BLOCK_LEN) % size.max(1);
        bytes.get_mut(at).into_iter().for_each(|byte| *byte = b'k' + kind);
        Content(Arc::new(bytes))
    };
    MADE.lock().entry((kind, size)).or_insert_with(make).clone()
}
