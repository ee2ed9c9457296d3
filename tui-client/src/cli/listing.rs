//! Listings: sorts the entries from the server and formats them as lines.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::PathBuf,
};

use ferry_client::{ClientError, server::PageStream, transfer::Filter};
use ferry_shared::{
    entry::{Entry, Kind, Mtime},
    name::Name,
    path::RemotePath,
    refusal::{Code, Refusal},
};
use serde::Serialize;

use super::sources;
use crate::{
    exit::Looking,
    failure::Failure,
    human::{self, Times},
    json::Bytes,
    output::Output,
};

/// An entry in `--json` output, with the path relative to the home.
#[derive(Debug, Serialize)]
pub(super) struct EntryObject<'a> {
    #[serde(serialize_with = "crate::json::path")]
    path: &'a RemotePath,
    name: Bytes<'a>,
    kind: &'static str,
    size: u64,
    mtime: (i64, u32),
    mode: u32,
}

impl<'a> EntryObject<'a> {
    /// Creates the object of `entry` at `path`.
    pub(super) fn new(path: &'a RemotePath, entry: &'a Entry) -> Self {
        let Entry { name, kind, size, mtime: Mtime(seconds, nanos), mode } = entry;
        Self {
            path,
            name: Bytes(name.as_bytes()),
            kind: word(*kind),
            size: *size,
            mtime: (*seconds, *nanos),
            mode: *mode,
        }
    }
}

/// The name of a kind.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Folder => "folder",
        Kind::Symlink => "symlink",
        Kind::Other => "other",
    }
}

/// The content of a stream of pages.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// The folders in order, each with its entries sorted by name; paths are relative to the requested folder, which
    /// is the first.
    pub(super) folders: Vec<(RemotePath, Vec<Entry>)>,
    /// The unreadable folders.
    pub(super) unreadable: Vec<RemotePath>,
    /// The folders in or below which the filter left something out.
    left: HashSet<RemotePath>,
}

impl Listed {
    /// The folders that become empty when the listed entries are removed, innermost first. None if the filter has
    /// includes, which select only files.
    pub(super) fn emptied(&self, filter: &Filter) -> Vec<RemotePath> {
        if filter.includes() {
            return Vec::new();
        }
        let mut all: BTreeSet<RemotePath> = self.folders.iter().map(|(folder, _)| folder.clone()).collect();
        for (folder, entries) in &self.folders {
            let below = entries.iter().filter(|entry| entry.kind == Kind::Folder);
            all.extend(below.filter_map(|entry| folder.join(&entry.name).ok()));
        }
        let stays = |folder: &RemotePath| {
            self.left.contains(folder) || self.unreadable.iter().any(|unreadable| unreadable.starts_with(folder))
        };
        let mut all: Vec<_> = all.into_iter().filter(|folder| !stays(folder)).collect();
        all.sort_by_key(|folder| std::cmp::Reverse(folder.depth()));
        all
    }

    /// Removes the entries that the filter does not select.
    fn choose(&mut self, filter: &Filter) {
        if filter.is_open() {
            return;
        }
        let Self { folders, left, .. } = self;
        folders.retain(|(folder, _)| folder.is_home() || filter.means_folder(&as_path(folder)));
        for (folder, entries) in &mut *folders {
            let before = entries.len();
            entries.retain(|entry| {
                let Ok(path) = folder.join(&entry.name) else { return false };
                if entry.kind == Kind::Folder {
                    filter.enters(&as_path(&path))
                } else {
                    filter.takes_file(&as_path(&path))
                }
            });
            if entries.len() < before {
                with_those_above(folder, |folder| left.insert(folder));
            }
        }
        if !filter.includes() {
            return;
        }
        // Only folders that contain selected files.
        let mut holding = HashSet::new();
        for (folder, entries) in &*folders {
            if entries.iter().any(|entry| entry.kind != Kind::Folder) {
                with_those_above(folder, |folder| holding.insert(folder));
            }
        }
        folders.retain(|(folder, _)| folder.is_home() || holding.contains(folder));
        for (folder, entries) in folders {
            let holds = |entry: &Entry| folder.join(&entry.name).is_ok_and(|path| holding.contains(&path));
            entries.retain(|entry| entry.kind != Kind::Folder || holds(entry));
        }
    }
}

/// Calls `insert` for a folder and its parents, until it returns that one is known.
fn with_those_above(folder: &RemotePath, mut insert: impl FnMut(RemotePath) -> bool) {
    let mut place = Some(folder.clone());
    while let Some(folder) = place {
        place = folder.parent();
        if !insert(folder) {
            return;
        }
    }
}

/// Whether a filter selects an entry of the folder `under`, which may be below an excluded folder.
pub(super) fn means(filter: &Filter, under: &RemotePath, entry: &Entry) -> bool {
    let path = under.join(&entry.name);
    path.is_ok_and(|path| filter.means(&as_path(&path), entry.kind == Kind::Folder))
}

/// A path in the form that filters use.
pub(super) fn as_path(path: &RemotePath) -> PathBuf {
    path.names().filter_map(|name| Name::new(name).ok()).map(|name| sources::shown(&name)).collect()
}

/// Reads all pages, sorts them, and keeps the entries that the filter selects.
///
/// # Errors
/// The server's refusal, about `path`.
pub(super) async fn collect(mut pages: PageStream, path: &RemotePath, filter: &Filter) -> Result<Listed, Failure> {
    let mut listed = Listed::default();
    let mut place: HashMap<RemotePath, usize> = HashMap::new();
    let mut last = None;
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| about_folder(path, error))?;
        listed.unreadable.extend(page.unreadable);
        let at = match last {
            // Pages of the same folder are usually consecutive.
            Some(at) if listed.folders.get(at).is_some_and(|(folder, _): &(RemotePath, _)| *folder == page.under) => at,
            _ => *place.entry(page.under.clone()).or_insert_with(|| {
                listed.folders.push((page.under, Vec::new()));
                listed.folders.len() - 1
            }),
        };
        last = Some(at);
        if let Some((_, entries)) = listed.folders.get_mut(at) {
            entries.extend(page.entries);
        }
    }
    for (_, entries) in &mut listed.folders {
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    }
    sort(&mut listed.folders);
    listed.choose(filter);
    Ok(listed)
}

/// Sorts folders, so that each is followed by its content.
pub(super) fn sort(folders: &mut [(RemotePath, Vec<Entry>)]) {
    folders.sort_unstable_by(|(a, _), (b, _)| a.names().cmp(b.names()));
}

/// The failure of a listing of `path`.
pub(super) fn about_folder(path: &RemotePath, error: ClientError) -> Failure {
    Failure::remote(path, Looking::Folder, error)
}

/// The heading of a folder, if several are listed.
pub(super) fn heading(folder: &[u8], gap: bool, output: &Output) -> Result<(), Failure> {
    let mut line = Vec::new();
    if gap {
        line.push(b'\n');
    }
    output.name(&mut line, folder);
    line.extend_from_slice(b":\n");
    output.bytes(&line)
}

/// Reports the folders that are missing from an answer; returns whether there are none.
pub(super) fn tell_unreadable(output: &Output, top: &RemotePath, unreadable: &[RemotePath]) -> bool {
    for path in unreadable {
        let path = top.join_path(path).unwrap_or_else(|_| path.clone());
        let text = format!("{} cannot be read and is not listed", path.display());
        output.failure(&about_folder(&path, Refusal::new(Code::NotAllowed, text).into()));
    }
    unreadable.is_empty()
}

/// Formats entries as the lines of `ls -l`.
pub(super) struct LongLines {
    times: Times,
    width: usize,
    line: Vec<u8>,
}

impl LongLines {
    /// Lines whose sizes are as wide as the largest of `sizes`.
    pub(super) fn new(sizes: impl Iterator<Item = u64>) -> Self {
        let width = decimal(sizes.max().unwrap_or(0), &mut [0; 20]).len();
        Self { times: Times::local(), width, line: Vec::with_capacity(300) }
    }

    /// The line of `entry`, under the name `shown`.
    pub(super) fn line(&mut self, output: &Output, entry: &Entry, shown: &[u8]) -> &[u8] {
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(&human::mode(entry.kind, entry.mode));
        line.push(b' ');
        let mut digits = [0; 20];
        let digits = decimal(entry.size, &mut digits);
        line.resize(line.len() + self.width.saturating_sub(digits.len()), b' ');
        line.extend_from_slice(digits);
        line.push(b' ');
        line.extend_from_slice(self.times.text(entry.mtime));
        line.push(b' ');
        output.entry(line, shown, entry.kind);
        line.push(b'\n');
        line
    }
}

/// Formats a number in decimal without `format!`, because this runs for each entry.
fn decimal(mut number: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b"0123456789"[usize::try_from(number % 10).unwrap_or(0)];
        number /= 10;
        if number == 0 {
            return &buffer[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_in_decimal() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
        }
    }

    #[test]
    fn an_entry_has_its_path_relative_to_the_home() {
        let entry =
            Entry { name: Name::new(*b"\xff").unwrap(), kind: Kind::File, size: 3, mtime: Mtime(5, 6), mode: 0o644 };
        let path = RemotePath::home().join(&entry.name).unwrap();
        let json = serde_json::to_string(&EntryObject::new(&path, &entry)).unwrap();
        let expected =
            r#"{"path":{"bytes":"/w=="},"name":{"bytes":"/w=="},"kind":"file","size":3,"mtime":[5,6],"mode":420}"#;
        assert_eq!(json, expected);
    }
}
