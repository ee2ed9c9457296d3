//! Reads what previews need of this computer's folders, links and files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use ferry_shared::{limits::BLOCK_SIZE, name::Escaped};
use tokio_util::sync::CancellationToken;

use super::{
    super::local::item,
    blocks::Blocks,
    folder::{self, ENTRIES},
    kind,
};
use crate::{
    os_bytes,
    tui::state::preview::{Body, Content, Subject},
};

/// The first entries of a folder.
pub(super) fn folder(path: &Path, subject: &Subject, stop: &CancellationToken) -> io::Result<Option<Content>> {
    let mut entries = fs::read_dir(path)?;
    let mut items = Vec::new();
    while items.len() < ENTRIES {
        if stop.is_cancelled() {
            return Ok(None);
        }
        match entries.next() {
            Some(entry) => items.extend(item(&entry?)),
            None => break,
        }
    }
    let more = entries.next().is_some();
    Ok(Some(folder::content(items, more, subject)))
}

/// Where a symbolic link leads, as it says itself. It is not followed.
pub(super) fn link(path: &Path, leads: bool) -> io::Result<Option<Content>> {
    let target = fs::read_link(path)?;
    let target = Escaped(&os_bytes::bytes_of(target.as_os_str())).to_string();
    let mut lines = vec![format!("a symbolic link to {target}")];
    if leads {
        lines.push("it leads to a folder; Enter goes there".to_owned());
    }
    Ok(Some(Content { facts: "symbolic link".to_owned(), body: Body::Words(lines) }))
}

/// The blocks that the preview of a file needs.
pub(super) fn file(path: &Path, subject: &Subject, stop: &CancellationToken) -> io::Result<Blocks> {
    let mut file = open(path)?;
    let mut blocks = Blocks::default();
    while let Some(index) = kind::wanted(subject, &blocks).filter(|_| !stop.is_cancelled()) {
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(index.saturating_mul(BLOCK_SIZE)))?;
        let mut bytes = Vec::new();
        file.by_ref().take(BLOCK_SIZE).read_to_end(&mut bytes)?;
        // Files of /proc say that they have no size.
        blocks.insert(index, bytes, size);
    }
    Ok(blocks)
}

/// Opens a regular file and nothing else, also where something was put in its place since it was listed.
fn open(path: &Path) -> io::Result<File> {
    let not_a_file = || io::Error::other("it is no regular file");
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(not_a_file());
    }
    let mut options = OpenOptions::new();
    options.read(true);
    without_waiting(&mut options);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
}

/// Opening a FIFO that was put there would wait for its other end, and a link would be followed.
#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
}

/// There is nothing like it on this system.
#[cfg(not(unix))]
fn without_waiting(_options: &mut OpenOptions) {}

#[cfg(all(test, unix))]
mod tests {
    use ferry_shared::entry::{Kind, Mtime};

    use super::*;
    use crate::tui::state::{place::Place, preview::Palette};

    fn subject(path: &Path, kind: Kind) -> Subject {
        let (palette, order) = (Palette::None, Some(Default::default()));
        let place = Place::local(path);
        Subject { place, kind, leads: false, size: 9, mtime: Mtime(0, 0), reachable: true, palette, order }
    }

    /// Opening a FIFO without a writer would wait for ever, so this test would not end.
    #[test]
    fn neither_a_fifo_nor_what_replaces_a_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let stop = CancellationToken::new();
        // The listing said that it is a file.
        assert!(file(&path, &subject(&path, Kind::File), &stop).is_err());
        // It may take the place of a file between the look and the opening.
        let mut options = OpenOptions::new();
        without_waiting(options.read(true));
        assert!(options.open(&path).unwrap().metadata().is_ok_and(|metadata| !metadata.is_file()));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(file(&link, &subject(&link, Kind::File), &stop).is_err() && options.open(&link).is_err());
    }

    #[test]
    fn a_link_is_described_by_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link");
        std::os::unix::fs::symlink("no/\u{1b}[2Jwhere", &path).unwrap();
        let Body::Words(words) = link(&path, false).unwrap().unwrap().body else { panic!() };
        assert_eq!(words, [r"a symbolic link to no/\u{1b}[2Jwhere"]);
    }

    #[test]
    fn a_large_folder_is_cut_and_a_given_up_one_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..ENTRIES + 5 {
            fs::write(folder.path().join(format!("{n:05}")), "x").unwrap();
        }
        let about = subject(folder.path(), Kind::Folder);
        let stop = CancellationToken::new();
        let content = super::folder(folder.path(), &about, &stop).unwrap().unwrap();
        let Body::List(list) = content.body else { panic!() };
        assert_eq!((list.rows.len(), list.rest.is_some()), (ENTRIES, true));
        assert!(list.rows.is_sorted_by(|a, b| a.name < b.name));
        stop.cancel();
        assert_eq!(super::folder(folder.path(), &about, &stop).unwrap(), None);
    }
}
