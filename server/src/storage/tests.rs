//! Tests of the storage as a whole, on a real folder.

mod commits;
mod escape;
mod memory;
mod modes;
mod names;
mod parts;
mod roots;
mod trees;

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use ferry_shared::path::RemotePath;

use super::*;

/// A data folder with one user, and the real paths that a test may modify.
struct Place {
    data: tempfile::TempDir,
    storage: Storage,
    home: Home,
}

impl Place {
    fn new() -> Self {
        Self::with(Durability::Full)
    }

    fn with(durability: Durability) -> Self {
        let data = tempfile::tempdir().unwrap();
        let storage = Storage::open(data.path(), durability).unwrap();
        let home = storage.home("alice", true).unwrap();
        Self { data, storage, home }
    }

    /// Closes the home and opens it again, as after a restart.
    fn reopen(self) -> Self {
        let Self { data, storage, home } = self;
        drop((home, storage));
        let storage = Storage::open(data.path(), Durability::Full).unwrap();
        let home = storage.home("alice", true).unwrap();
        Self { data, storage, home }
    }

    fn real(&self, text: &str) -> PathBuf {
        self.data.path().join("users/alice/home").join(text)
    }

    fn staging(&self) -> PathBuf {
        self.data.path().join("users/alice/staging")
    }

    fn staged_names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.staging()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn write(&self, text: &str, bytes: &str) {
        fs::write(self.real(text), bytes).unwrap();
    }

    fn read(&self, text: &str) -> String {
        fs::read_to_string(self.real(text)).unwrap()
    }

    /// Uploads a small file as the server does.
    fn put(&self, text: &str, bytes: &str, overwrite: &Overwrite) -> Result<Published, StorageError> {
        self.put_with(text, bytes, overwrite, &FileMeta::default())
    }

    fn put_with(&self, text: &str, bytes: &str, how: &Overwrite, meta: &FileMeta) -> Result<Published, StorageError> {
        let temp_file = self.home.temp_file(bytes.as_bytes(), meta)?;
        self.commit(text, Staged::TempFile(temp_file), how)
    }

    fn commit(&self, text: &str, mut staged: Staged, how: &Overwrite) -> Result<Published, StorageError> {
        let mut group = self.home.commit_group();
        group.flush_data([&mut staged])?;
        let prepared = group.prepare(&p(text), how, true)?;
        let published = group.publish(staged, prepared).map_err(|failed| failed.error)?;
        group.flush_names()?;
        Ok(published)
    }

    fn counted(&self) -> Weight {
        let mut counter = self.home.counter().unwrap();
        let counted = counter
            .by_ref()
            .map(Result::unwrap)
            .fold(Weight::default(), |sum, one| Weight { bytes: sum.bytes + one.bytes, files: sum.files + one.files });
        counter.believe();
        counted
    }
}

fn p(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs the test of this name in a process without root's rights, to which permission bits apply; does nothing if
/// they apply to this process.
fn ran_without_roots_rights(test: &str) -> bool {
    const AGAIN: &str = "FERRY_WITHOUT_RIGHTS";
    if !is_root() || env::var_os(AGAIN).is_some() {
        return false;
    }
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]);
    command.arg(env::current_exe().unwrap()).args(["--exact", test]).env(AGAIN, "1");
    let output = command.output().expect("setpriv runs (Debian package util-linux)");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    true
}

/// All entries of all pages, as `under/name`, sorted by name.
fn walked(home: &Home, path: &str) -> (Vec<String>, Vec<String>) {
    let (mut seen, mut unreadable) = (Vec::new(), Vec::new());
    let mut walker = home.walker(&p(path)).unwrap();
    while let Some(page) = walker.next_page().unwrap() {
        assert!(page.entries.len() <= ferry_shared::limits::PAGE_MAX);
        for entry in &page.entries {
            seen.push(page.under.join(&entry.name).unwrap().display().to_string());
        }
        unreadable.extend(page.unreadable.iter().map(|path| path.display().to_string()));
    }
    seen.sort();
    (seen, unreadable)
}

fn bytes_path(base: &Path, bytes: &[u8]) -> PathBuf {
    base.join(OsStr::from_bytes(bytes))
}
