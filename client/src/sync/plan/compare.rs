//! Compares the source with the target, folder by folder from the top.

use std::collections::BTreeMap;

use ferry_shared::{
    entry::{Entry, Kind, Mtime},
    name::Name,
    path::RemotePath,
};

use super::{Cause, Compare, Copy, Plan, Rules, Why};
use crate::{
    os_name::{is_part_name, local_name},
    site::{Dates, Folders, Names},
    sync::{
        listing::{Folder, Hole, Listing, Odd},
        select::Select,
    },
    transfer::{LinkRule, at_precision},
};

/// An entry that only the target has, or that is in the way of one of the source.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) path: RemotePath,
    pub(super) entry: Entry,
    /// The entry is in the way of another kind of entry.
    pub(super) blocks: bool,
}

/// A folder of the source to compare.
struct Visit {
    path: RemotePath,
    /// Whether the target has the folder.
    there: bool,
    /// Whether something in the target may be removed.
    removes: bool,
    /// Whether something has to be removed before the folder can be created.
    blocked: bool,
}

struct Comparison<'a> {
    plan: &'a mut Plan,
    to: &'a Listing,
    select: &'a Select,
    rules: &'a Rules,
    compare: Compare<'a>,
    visits: Vec<Visit>,
    gone: Vec<Gone>,
}

/// Plans the copies. Returns the entries that could be removed, each without the contents below it.
pub(super) fn run(
    plan: &mut Plan,
    from: &Listing,
    to: &Listing,
    select: &Select,
    rules: &Rules,
    compare: Compare<'_>,
) -> Vec<Gone> {
    let top = Visit { path: RemotePath::home(), there: to.exists, removes: rules.delete, blocked: false };
    let mut this = Comparison { plan, to, select, rules, compare, visits: vec![top], gone: Vec::new() };
    while let Some(visit) = this.visits.pop() {
        let (folder, hole) = from.folder(&visit.path);
        this.folder(visit, folder, hole);
    }
    this.gone
}

impl Comparison<'_> {
    fn folder(&mut self, mut visit: Visit, source: Option<&Folder>, hole: Option<Hole>) {
        let (target, target_hole) = if visit.there { self.to.folder(&visit.path) } else { (None, None) };
        if let Some(hole) = hole {
            visit.removes = false;
            let cause = match hole {
                Hole::Failed(error) => Cause::Source(error),
                Hole::UnusableName(shown) => Cause::OddName(shown),
                Hole::Cut => Cause::SourceCut,
            };
            self.plan.problem(&visit.path, cause);
        }
        if let Some(hole) = target_hole {
            visit.removes = false;
            self.plan.problem(&visit.path, of_target(hole));
        }
        let nothing = BTreeMap::new();
        let entries = source.map_or(&nothing, |folder| &folder.entries);
        let no_odd = BTreeMap::new();
        let odd = source.map_or(&no_odd, |folder| &folder.odd);
        // A name that the target cannot have may be there in another form.
        let unusable = entries.keys().any(|name| !self.is_usable(name) && self.is_selected(&visit.path, name, entries));
        visit.removes &= !unusable;
        for (name, entry) in entries {
            self.entry(&visit, name, entry, target);
        }
        for (name, odd) in odd {
            let Ok(path) = visit.path.join(name) else { continue };
            if self.select.takes(&path, &placeholder(name)) {
                self.plan.at_source += 1;
                let cause = match odd {
                    Odd::Failed(error) => Cause::Source(error.clone()),
                    Odd::LinkLoop => Cause::LinkLoop,
                    Odd::LinkToFolder => Cause::LinkToFolder,
                };
                self.plan.problem(&path, cause);
            }
        }
        let Some(target) = target.filter(|_| visit.removes) else { return };
        for (name, entry) in &target.entries {
            // Unfinished downloads are continued or replaced by the transfer of their files.
            if entries.contains_key(name) || odd.contains_key(name) || is_part_name(name.as_bytes()) {
                continue;
            }
            let Ok(path) = visit.path.join(name) else { continue };
            self.gone.push(Gone { path, entry: entry.clone(), blocks: false });
        }
    }

    fn is_selected(&self, folder: &RemotePath, name: &Name, entries: &BTreeMap<Name, Entry>) -> bool {
        folder.join(name).is_ok_and(|path| entries.get(name).is_some_and(|entry| self.select.takes(&path, entry)))
    }

    fn is_usable(&self, name: &Name) -> bool {
        let utf8 = self.rules.to.names == Names::Bytes || std::str::from_utf8(name.as_bytes()).is_ok();
        utf8 && (!self.rules.to.near || local_name(name).is_ok())
    }

    /// Compares an entry of the source.
    fn entry(&mut self, visit: &Visit, name: &Name, entry: &Entry, target: Option<&Folder>) {
        // The unfinished part of a download, not a file of the user's.
        if is_part_name(name.as_bytes()) {
            return;
        }
        let Ok(path) = visit.path.join(name) else { return };
        let is_folder = entry.kind == Kind::Folder;
        let taken = self.select.takes(&path, entry);
        let entered = is_folder && self.select.enters(&path);
        if !taken && !entered {
            return;
        }
        self.plan.at_source += u64::from(taken && !is_folder);
        if taken && !self.is_usable(name) {
            return self.plan.problem(&path, Cause::Name);
        }
        let there = target.and_then(|target| target.entries.get(name));
        match entry.kind {
            Kind::Folder => self.subfolder(visit, path, entry, there, taken),
            Kind::File => self.file(visit, path, entry, there),
            Kind::Symlink if self.rules.links == LinkRule::Skip => {}
            Kind::Symlink if self.rules.links == LinkRule::Keep => self.link(visit, path, entry, there),
            Kind::Symlink => self.plan.problem(&path, Cause::Symlink),
            Kind::Other => self.plan.problem(&path, Cause::Special),
        }
    }

    fn subfolder(&mut self, visit: &Visit, path: RemotePath, entry: &Entry, there: Option<&Entry>, taken: bool) {
        let mut next = Visit { path: path.clone(), there: true, ..*visit };
        // Where folders exist by their contents, only the contents are copied.
        let made = taken && self.rules.to.folders == Folders::Real;
        match there {
            Some(there) if there.kind == Kind::Folder => {
                if taken && self.are_folders_dated() && self.date_differs(entry.mtime, there.mtime) {
                    self.copy(visit.blocked, path, entry, Why::Date);
                }
            }
            Some(there) => {
                if !self.is_in_the_way(visit, &path, there) {
                    return;
                }
                (next.there, next.blocked) = (false, true);
                if made {
                    self.copy(true, path, entry, Why::Kind);
                }
            }
            None => {
                next.there = false;
                if made {
                    self.copy(visit.blocked, path, entry, Why::New);
                }
            }
        }
        self.visits.push(next);
    }

    fn file(&mut self, visit: &Visit, path: RemotePath, entry: &Entry, there: Option<&Entry>) {
        match there {
            None => self.copy(visit.blocked, path, entry, Why::New),
            Some(there) if there.kind != Kind::File => {
                if self.is_in_the_way(visit, &path, there) {
                    self.copy(true, path, entry, Why::Kind);
                }
            }
            Some(there) => match self.differs(&path, entry, there) {
                Some(why) => self.copy(visit.blocked, path, entry, why),
                None => self.plan.unchanged += 1,
            },
        }
    }

    /// Plans a link. The texts of two links are compared later, because no listing contains them.
    fn link(&mut self, visit: &Visit, path: RemotePath, entry: &Entry, there: Option<&Entry>) {
        match there {
            None => self.copy(visit.blocked, path, entry, Why::New),
            Some(there) if there.kind == Kind::Symlink => self.copy(visit.blocked, path, entry, Why::Content),
            Some(there) => {
                if self.is_in_the_way(visit, &path, there) {
                    self.copy(true, path, entry, Why::Kind);
                }
            }
        }
    }

    /// Plans to remove an entry of another kind, if that is allowed.
    fn is_in_the_way(&mut self, visit: &Visit, path: &RemotePath, there: &Entry) -> bool {
        if !visit.removes || !self.select.takes(path, there) {
            self.plan.problem(path, Cause::InTheWay);
            return false;
        }
        self.gone.push(Gone { path: path.clone(), entry: there.clone(), blocks: true });
        true
    }

    fn differs(&mut self, path: &RemotePath, entry: &Entry, there: &Entry) -> Option<Why> {
        if entry.size != there.size {
            return Some(Why::Size);
        }
        let date = self.date_differs(entry.mtime, there.mtime);
        match self.compare {
            // Without dates at the target, only the content can tell.
            Compare::Date if self.rules.to.mtime == Dates::None => Some(Why::Content),
            Compare::Date => date.then_some(Why::Date),
            Compare::Content(equal) => match equal.get(path) {
                Some(true) => (date && self.rules.to.mtime != Dates::None).then_some(Why::Date),
                Some(false) => Some(Why::Content),
                None => {
                    self.plan.undecided.push(path.clone());
                    None
                }
            },
        }
    }

    /// Whether two dates differ at the precision of both sites.
    fn date_differs(&self, from: Mtime, to: Mtime) -> bool {
        let coarse = |mtime| at_precision(at_precision(mtime, self.rules.from.mtime), self.rules.to.mtime);
        coarse(from) != coarse(to)
    }

    fn are_folders_dated(&self) -> bool {
        let dated = self.rules.to.mtime != Dates::None && self.rules.from.mtime != Dates::None;
        dated && self.rules.to.folders == Folders::Real && self.rules.from.folders == Folders::Real
    }

    fn copy(&mut self, blocked: bool, path: RemotePath, entry: &Entry, why: Why) {
        let copies = if blocked { &mut self.plan.blocked } else { &mut self.plan.copies };
        copies.insert(path, Copy { entry: entry.clone(), why });
    }
}

pub(super) fn of_target(hole: Hole) -> Cause {
    match hole {
        Hole::Failed(error) => Cause::Target(error),
        Hole::UnusableName(shown) => Cause::OddName(shown),
        Hole::Cut => Cause::TargetCut,
    }
}

/// An entry for a name of which nothing else is known.
pub(super) fn placeholder(name: &Name) -> Entry {
    Entry { name: name.clone(), kind: Kind::Other, size: 0, mtime: Mtime(0, 0), mode: 0 }
}
