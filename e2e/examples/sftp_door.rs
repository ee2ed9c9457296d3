//! Measures the door of SFTP beside OpenSSH's `internal-sftp`: the same work through the same clients, key and cipher,
//! in turns. `TMPDIR=/dev/shm cargo run --release -p ferry-e2e --example sftp_door [big|small|list]...`; `RUNS=5` and
//! `FERRY_E2E_BIN`, a folder of programs that are already built, may be set. Needs sftp, sshd and rclone, and 5 GiB.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a script: what fails is its message")]

use std::{
    collections::BTreeMap,
    env, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use ferry_e2e::{
    compare, material,
    server::{Server, Setup},
    ssh::make_key,
    wait,
};

const CIPHER: &str = "aes128-gcm@openssh.com";
const FILES: u64 = 10_000;
/// Bytes of a small file, at most: 98 MiB in total.
const SMALL: u64 = 20_500;
const ENTRIES: usize = 100_000;

/// A server to measure.
struct Peer {
    name: &'static str,
    address: SocketAddr,
    user: String,
    home: PathBuf,
}

/// The things that all measurements use.
struct Bench {
    folder: tempfile::TempDir,
    key: PathBuf,
    server: Server,
    peers: [Peer; 2],
    openssh: Child,
    seconds: BTreeMap<String, [Vec<f64>; 2]>,
}

impl Bench {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = make_key(folder.path(), "ed25519", "");
        let server = Setup::new().user("anna", &["--key", &format!("{}.pub", key.display())]).sftp().start();
        let home = folder.path().join("openssh");
        fs::create_dir(&home).unwrap();
        let (openssh, address) = start_openssh(folder.path(), &key, &home);
        let me = Command::new("id").arg("-un").output().unwrap();
        let peers = [
            Peer { name: "ferryd", address: server.sftp().0, user: "anna".to_owned(), home: server.home("anna") },
            Peer { name: "OpenSSH", address, user: String::from_utf8(me.stdout).unwrap().trim().to_owned(), home },
        ];
        Self { folder, key, server, peers, openssh, seconds: BTreeMap::new() }
    }

    /// A path among the material and results.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command line of OpenSSH's client that carries out a line of commands.
    fn sftp(&self, peer: &Peer, line: &str) -> Command {
        let batch = self.path("batch");
        fs::write(&batch, format!("{line}\n")).unwrap();
        let mut command = Command::new("sftp");
        command.args(["-q", "-F", "/dev/null", "-c", CIPHER, "-oStrictHostKeyChecking=no"]);
        command.args(["-oUserKnownHostsFile=/dev/null", "-oIdentitiesOnly=yes", "-i"]).arg(&self.key);
        command.arg("-P").arg(peer.address.port().to_string()).arg("-b").arg(batch);
        command.arg(format!("{}@{}", peer.user, peer.address.ip()));
        command
    }

    /// A command line of rclone that copies between two places; `at` makes one on the server.
    fn rclone(&self, from: &str, to: &str) -> Command {
        let mut command = Command::new("rclone");
        command.args(["copy", from, to, "--config", "/dev/null", "--transfers", "8", "--sftp-disable-hashcheck"]);
        command
    }

    fn at(&self, peer: &Peer, path: &str) -> String {
        let (ip, port, key) = (peer.address.ip(), peer.address.port(), self.key.display());
        format!(":sftp,host={ip},port={port},user={},key_file={key},shell_type=none:{path}", peer.user)
    }

    /// Does the same work at each server.
    fn measure(&mut self, what: &str, work: impl Fn(&Self, &Peer) -> Command, check: impl Fn(&Self, &Peer)) {
        for (number, peer) in self.peers.iter().enumerate() {
            let _ = fs::remove_dir_all(self.path("here"));
            fs::create_dir(self.path("here")).unwrap();
            if number == 0 {
                let client = self.server.client("anna");
                drop(client.run(&[&"rm", &"-r", &client.at("up")]));
                client.run(&[&"mkdir", &client.at("up")]).ok();
            } else {
                let _ = fs::remove_dir_all(peer.home.join("up"));
                fs::create_dir(peer.home.join("up")).unwrap();
            }
            let mut command = work(self, peer);
            let begun = Instant::now();
            let output = command.stdin(Stdio::null()).output().unwrap();
            let seconds = begun.elapsed().as_secs_f64();
            assert!(output.status.success(), "{}: {}", peer.name, String::from_utf8_lossy(&output.stderr));
            check(self, peer);
            println!("{what:18} {:8} {seconds:7.3} s", peer.name);
            self.seconds.entry(what.to_owned()).or_default()[number].push(seconds);
        }
    }

    fn big(&mut self) {
        let same = |left: PathBuf, right: PathBuf| compare::same_file(&left, &right);
        self.measure(
            "1 GiB up",
            |bench, peer| bench.sftp(peer, &format!("put {} up/big", bench.path("big").display())),
            |bench, peer| same(bench.path("big"), peer.home.join("up/big")),
        );
        self.measure(
            "1 GiB down",
            |bench, peer| bench.sftp(peer, &format!("get big {}", bench.path("here/big").display())),
            |bench, _| same(bench.path("big"), bench.path("here/big")),
        );
    }

    fn small(&mut self) {
        let complete =
            |folder: &Path| assert_eq!(compare::count_below(folder), FILES + FILES / 100, "files and folders");
        self.measure(
            "10,000 files up",
            |bench, peer| bench.rclone(&bench.path("small").display().to_string(), &bench.at(peer, "up")),
            |_, peer| complete(&peer.home.join("up")),
        );
        self.measure(
            "10,000 files down",
            |bench, peer| bench.rclone(&bench.at(peer, "small"), &bench.path("here").display().to_string()),
            |bench, _| complete(&bench.path("here")),
        );
    }

    fn list(&mut self) {
        self.measure("list 100,000", |bench, peer| bench.sftp(peer, "ls -l many"), |_, _| {});
    }

    fn report(&self) {
        println!("\nmedians; ratio = OpenSSH / ferryd, above 1 ferryd is faster");
        for (what, [ferryd, openssh]) in &self.seconds {
            let (ferryd, openssh) = (median(ferryd), median(openssh));
            println!("{what:18} {ferryd:7.3} s  {openssh:7.3} s  {:5.2}", openssh / ferryd);
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Killing what has ended fails.
        let _ = self.openssh.kill();
        let _ = self.openssh.wait();
    }
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// OpenSSH's server for the present user.
fn start_openssh(folder: &Path, key: &Path, home: &Path) -> (Child, SocketAddr) {
    let host = make_key(folder, "ecdsa", "256");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}.pub\nStrictModes no\nUsePAM no\nPidFile none\n\
         PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp -d {}\n",
        host.display(),
        key.display(),
        home.display(),
    );
    fs::write(folder.join("sshd_config"), config).unwrap();
    // Only root has to make it, and may.
    let _ = fs::create_dir("/run/sshd");
    let mut command = Command::new("/usr/sbin/sshd");
    command.arg("-D").arg("-f").arg(folder.join("sshd_config")).stderr(Stdio::null());
    let process = command.spawn().unwrap();
    wait::until("sshd to listen", || TcpStream::connect(address).is_ok());
    (process, address)
}

fn main() {
    let chosen: Vec<String> = env::args().skip(1).collect();
    let has = |case: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == case);
    let runs = env::var("RUNS").map_or(5, |runs| runs.parse().unwrap());
    let mut bench = Bench::start();
    let homes: Vec<_> = bench.peers.iter().map(|peer| peer.home.clone()).collect();
    if has("big") {
        material::random_file(&bench.path("big"), 1 << 30, 1);
        homes.iter().for_each(|home| assert!(fs::copy(bench.path("big"), home.join("big")).is_ok()));
    }
    if has("small") {
        for root in homes.iter().map(PathBuf::as_path).chain([bench.folder.path()]) {
            material::many_files(&root.join("small"), FILES, SMALL, 1);
        }
    }
    if has("list") {
        for home in &homes {
            fs::create_dir(home.join("many")).unwrap();
            (0..ENTRIES).for_each(|number| fs::write(home.join(format!("many/file-{number:06}.txt")), "").unwrap());
        }
    }
    for _ in 0..runs {
        if has("big") {
            bench.big();
        }
        if has("small") {
            bench.small();
        }
        if has("list") {
            bench.list();
        }
    }
    bench.report();
}
