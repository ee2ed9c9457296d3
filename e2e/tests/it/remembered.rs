//! Digests that client and server remember: an unchanged tree is not read again, and a changed file always is.

use std::{
    fs::{self, FileTimes},
    mem::MaybeUninit,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use ferry_e2e::{client::Client, compare, server::Server};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

/// The files of a tree, and one that has several blocks.
const FILES: usize = 30;
const LARGE: usize = 5 << 20;

/// A tree at both ends.
struct Trees {
    server: Server,
    client: Client,
    here: PathBuf,
    there: PathBuf,
}

impl Trees {
    fn new() -> Self {
        let server = Server::with_anna();
        let client = server.client("anna");
        let (here, there) = (client.scratch("tree"), server.home("anna").join("tree"));
        fs::create_dir(here.join("deep")).unwrap();
        for number in 0..FILES {
            let folder = if number % 2 == 0 { here.clone() } else { here.join("deep") };
            fs::write(folder.join(format!("f{number}")), format!("file {number}")).unwrap();
        }
        fs::write(here.join("large"), vec![b'x'; LARGE]).unwrap();
        let trees = Self { server, client, here, there };
        trees.put();
        trees
    }

    /// Trees whose digests are remembered at both ends.
    fn remembered() -> Self {
        let trees = Self::new();
        trees.settle();
        trees.put();
        trees
    }

    fn put_only(&self) {
        self.client.run(&[&"put", &self.here, &self.client.at("/"), &"--on-conflict=replace"]).ok();
    }

    fn get_only(&self) {
        // With a slash at the end, the tree goes into the folder.
        let above = self.here.parent().unwrap().join("");
        self.client.run(&[&"get", &self.client.at("tree"), &above, &"--on-conflict=replace"]).ok();
    }

    fn put(&self) {
        self.put_only();
        compare::same_tree(&self.here, &self.there);
    }

    fn get(&self) {
        self.get_only();
        compare::same_tree(&self.here, &self.there);
    }

    /// Waits until all files were left alone for longer than 2 seconds.
    fn settle(&self) {
        let files = files(&self.here).into_iter().chain(files(&self.there));
        for file in files {
            let changed = |file: &Path| {
                let found = fs::metadata(file).unwrap();
                Duration::new(found.ctime().cast_unsigned(), u32::try_from(found.ctime_nsec()).unwrap())
            };
            let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            while now() < changed(&file) + Duration::from_secs(2) {
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// How many files are opened here and there while `work` runs.
    fn opened(&self, work: impl FnOnce()) -> (usize, usize) {
        let (here, there) = (Opens::of(&self.here), Opens::of(&self.there));
        work();
        (here.count(), there.count())
    }

    fn is_unread(&self, work: impl FnOnce()) -> bool {
        self.opened(work) == (0, 0)
    }
}

/// Watches the files of a tree being opened.
struct Opens(rustix::fd::OwnedFd);

impl Opens {
    fn of(tree: &Path) -> Self {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        for file in files(tree) {
            inotify::add_watch(&watch, file, WatchFlags::OPEN).unwrap();
        }
        Self(watch)
    }

    fn count(&self) -> usize {
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.0, &mut space);
        std::iter::from_fn(|| events.next().ok().map(|event| event.events().contains(ReadFlags::OPEN)))
            .filter(|is_open| *is_open)
            .count()
    }
}

fn files(tree: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(tree).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Writes a file and gives it the date that it had.
fn write_unseen(path: &Path, text: &str) {
    let date = fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(fs::metadata(path).unwrap().len(), text.len() as u64);
    fs::write(path, text).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(date)).unwrap();
}

#[test]
fn an_unchanged_tree_is_not_opened_again_at_either_end() {
    let trees = Trees::remembered();
    assert!(trees.is_unread(|| trees.put_only()), "an upload");
    assert!(trees.is_unread(|| trees.get_only()), "a download");
    // One file differs: only that one is read.
    write_unseen(&trees.here.join("f0"), "FILE 0");
    let (here, there) = trees.opened(|| trees.put_only());
    assert!((1..=3).contains(&here) && there <= 2, "{here} here, {there} there");
    // The other files are still known.
    trees.settle();
    trees.put();
    assert!(trees.is_unread(|| trees.get_only()));
}

#[test]
fn a_file_that_changed_under_its_size_and_date_is_read_again() {
    let trees = Trees::remembered();
    write_unseen(&trees.here.join("f2"), "FILE 2");
    trees.put();
    trees.settle();
    trees.put();
    write_unseen(&trees.there.join("f2"), "fILE 2");
    trees.get();
    // Another file takes the name, as after a restore.
    trees.settle();
    trees.put();
    for side in [&trees.here, &trees.there] {
        let (file, other) = (side.join("deep/f3"), side.parent().unwrap().join("other"));
        fs::copy(&file, &other).unwrap();
        let date = fs::metadata(&file).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&other).unwrap().set_times(FileTimes::new().set_modified(date)).unwrap();
        write_unseen(&other, "file X");
        fs::rename(&other, &file).unwrap();
        trees.put();
    }
}

#[test]
fn a_file_written_within_two_seconds_of_its_comparison_is_read_again() {
    let trees = Trees::new();
    // Compared at once, so that nothing may be remembered.
    trees.put();
    write_unseen(&trees.there.join("f4"), "FILE 4");
    write_unseen(&trees.here.join("f6"), "FILE 6");
    trees.put();
    assert_eq!(fs::read_to_string(trees.there.join("f4")).unwrap(), "file 4");
}

#[test]
fn commands_that_verify_read_every_file() {
    let trees = Trees::remembered();
    let all = FILES + 1;
    let (client, here) = (&trees.client, &trees.here);
    let read_by = |words: &[&dyn AsRef<std::ffi::OsStr>]| trees.opened(|| drop(client.run(words).ok()));
    let (ours, theirs) = read_by(&[&"check", &here, &client.at("tree")]);
    assert!(ours >= all && theirs >= all, "check: {ours} and {theirs}");
    let (_, theirs) = read_by(&[&"hash", &client.at("tree/f0"), &client.at("tree/large")]);
    assert!(theirs >= 2, "hash: {theirs}");
    let (ours, theirs) = read_by(&[&"put", &"--verify", &here, &client.at("/"), &"--on-conflict=replace"]);
    assert!(ours >= all && theirs >= all, "--verify: {ours} and {theirs}");
    let (ours, theirs) = read_by(&[&"sync", &"--checksum", &here, &client.at("tree")]);
    assert!(ours >= all && theirs >= all, "--checksum: {ours} and {theirs}");
    let (ours, theirs) = read_by(&[&"mv", &here, &client.at("/"), &"--on-conflict=replace"]);
    assert!(ours >= all && theirs >= all, "a move: {ours} and {theirs}");
    assert!(!here.join("f0").exists() && trees.there.join("f0").exists());
}

#[test]
fn a_damaged_or_missing_store_costs_only_time() {
    let trees = Trees::remembered();
    let stores = [trees.client.home().join("digests"), trees.server.data().join("digests")];
    for store in &stores {
        let mut bytes = fs::read(store).unwrap();
        assert!(bytes.len() >= 4096, "{}", store.display());
        bytes.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x55);
        fs::write(store, bytes).unwrap();
    }
    let (ours, theirs) = trees.opened(|| trees.put_only());
    assert!(ours > FILES && theirs > FILES, "{ours} and {theirs}");
    assert!(trees.is_unread(|| trees.put_only()), "they are remembered again");
    fs::remove_file(&stores[0]).unwrap();
    fs::remove_file(&stores[1]).unwrap();
    write_unseen(&trees.here.join("f2"), "FILE 2");
    trees.put();
}
