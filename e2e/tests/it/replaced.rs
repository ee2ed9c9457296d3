//! A file that is replaced on the server during its download, even by a much shorter one: the result is a whole
//! file.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use ferry_e2e::{
    MIB,
    client::{Client, Running},
    compare, material,
    proxy::{Direction, Proxy, Then},
    server::Server,
    wait,
};

/// The size of the file when the download starts: more than sockets hold, so that the server has not finished
/// reading it.
const SIZE: u64 = 40 * MIB + 5;
/// Bytes after which it is replaced.
const HELD: u64 = 7 * MIB;
/// Empty, tiny, one block less, the same size, one block more.
const SIZES: [u64; 6] = [0, 1, MIB, SIZE - MIB, SIZE, SIZE + MIB];

struct Download {
    server: Server,
    proxy: Proxy,
    client: Client,
    here: PathBuf,
}

impl Download {
    fn new(remote: &str) -> Self {
        let server = Server::with_anna();
        let proxy = Proxy::new(server.address());
        let client = server.client("anna").at_address(proxy.address());
        let here = client.scratch("here");
        let there = server.home("anna").join(remote);
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        material::random_file(&there, SIZE, 51);
        Self { server, proxy, client, here }
    }

    /// Starts a command and waits until `part` has most of the bytes that were forwarded.
    fn start(&self, words: &[&dyn AsRef<OsStr>], part: &Path) -> Running {
        self.proxy.after(Direction::Down, HELD, Then::Hold);
        let running = self.client.start(words);
        self.proxy.wait_tripped(Direction::Down);
        wait::until("what came to be written", || fs::metadata(part).is_ok_and(|part| part.len() + 2 * MIB >= HELD));
        running
    }

    /// Replaces `remote` by a new file of `size` bytes, as log rotation does.
    fn replace(&self, remote: &str, size: u64) -> PathBuf {
        let there = self.server.home("anna").join(remote);
        let new = self.server.outside().join("new");
        material::random_file(&new, size, 52);
        fs::rename(&new, &there).unwrap();
        there
    }
}

fn one_file(more: &[&str]) {
    for size in SIZES {
        let download = Download::new("log");
        let target = download.here.join("log");
        let source = download.client.at("log");
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"get", &source, &target];
        words.extend(more.iter().map(|word| word as &dyn AsRef<OsStr>));
        let running = download.start(&words, &download.here.join(".log.ferry-part"));
        let there = download.replace("log", size);
        download.proxy.release();
        drop(running.wait().ok());
        compare::same_file(&there, &target);
        assert_eq!(fs::read_dir(&download.here).unwrap().count(), 1, "{size} bytes: a part was left behind");
    }
}

#[test]
fn a_file_that_shrinks_on_the_server_while_it_is_downloaded_arrives_whole() {
    one_file(&[]);
}

#[test]
fn a_file_that_shrinks_while_it_is_downloaded_anew_arrives_whole() {
    one_file(&["--no-resume"]);
}

#[test]
fn a_file_in_a_tree_that_shrinks_while_it_is_downloaded_is_not_lost() {
    for size in [0, 1, SIZE - MIB] {
        let download = Download::new("logs/today/log");
        material::many_files(&download.server.home("anna").join("logs/older"), 20, 2000, 5);
        let target = download.here.join("logs");
        let source = download.client.at("logs");
        let running = download.start(&[&"get", &source, &target], &target.join("today/.log.ferry-part"));
        // It has the date of its folder already.
        let folder = download.server.home("anna").join("logs/today");
        let date = fs::metadata(&folder).unwrap().modified().unwrap();
        download.replace("logs/today/log", size);
        fs::File::open(&folder).unwrap().set_modified(date).unwrap();
        download.proxy.release();
        drop(running.wait().ok());
        compare::same_tree(&download.server.home("anna").join("logs"), &target);
    }
}

#[test]
fn a_download_begun_again_after_the_file_shrank_gives_the_new_file() {
    for size in SIZES {
        let download = Download::new("log");
        let target = download.here.join("log");
        let source = download.client.at("log");
        let running = download.start(&[&"get", &source, &target], &download.here.join(".log.ferry-part"));
        drop(running.kill());
        let there = download.replace("log", size);
        download.proxy.release();
        drop(download.client.run(&[&"get", &source, &target]).ok());
        compare::same_file(&there, &target);
        assert_eq!(fs::read_dir(&download.here).unwrap().count(), 1, "{size} bytes: a part was left behind");
    }
}

#[test]
fn the_output_of_a_file_that_shrank_never_counts_as_whole() {
    for size in [0, 1, 2 * MIB, SIZE - MIB] {
        let download = Download::new("log");
        download.proxy.after(Direction::Down, HELD, Then::Hold);
        let running = download.client.start(&[&"cat", &download.client.at("log")]);
        download.proxy.wait_tripped(Direction::Down);
        // The same beginning, so that the digests of blocks do not show the change.
        let there = download.server.home("anna").join("log");
        let bytes = fs::read(&there).unwrap();
        let shorter = &bytes[..usize::try_from(size).unwrap()];
        let new = download.server.outside().join("new");
        fs::write(&new, shorter).unwrap();
        fs::rename(&new, &there).unwrap();
        download.proxy.release();
        let outcome = running.wait().code(5).says("changed");
        assert!(bytes.starts_with(&outcome.stdout), "{size} bytes: what was written out is no beginning of it");
    }
}
