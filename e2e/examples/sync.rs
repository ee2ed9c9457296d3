//! Measures `ferry sync` beside `rsync -a`, `rclone sync` and lftp's `mirror`: the same tree to the same machine for the
//! first time, again without a change, and with one file of a hundred changed; times, and bytes on the wire in both
//! directions. All but the first go to OpenSSH's server with the same key and cipher. `cargo build --release`, then
//! `TMPDIR=/dev/shm FERRY_E2E_BIN=target/release cargo run -p ferry-e2e --example sync`; `RUNS=5` and `FILES=10000` may be
//! set. Needs sshd, rsync, rclone and lftp.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a script: what fails is its message")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use ferry_e2e::{
    client::Client,
    compare, material,
    proxy::{Direction, Proxy},
    server::Server,
    sshd::Sshd,
};

/// The one cipher of the SSH server.
const CIPHER: &str = "aes128-gcm@openssh.com";
/// Bytes of a file, at most.
const MOST: u64 = 20_500;
/// One file of so many changes.
const CHANGED: usize = 100;
const STEPS: [&str; 3] = ["first copy", "unchanged", "1 % changed"];
const PEERS: [&str; 5] = ["ferry://", "sftp://", "rsync", "rclone", "lftp"];

/// The time and bytes that a program took for a step.
#[derive(Clone, Copy)]
struct Took {
    seconds: f64,
    bytes: u64,
}

struct Bench {
    server: Server,
    sshd: Sshd,
    /// To the SSH server.
    ssh: Proxy,
    /// To the ferry server.
    ferry: Proxy,
    /// The client of the ferry server.
    client: Client,
    folder: PathBuf,
    took: [[Vec<Took>; PEERS.len()]; STEPS.len()],
}

impl Bench {
    fn start() -> Self {
        let server = Server::with_anna();
        let sshd = Sshd::start(&format!("Ciphers {CIPHER}")).unwrap();
        let (ssh, ferry) = (Proxy::new(sshd.address()), Proxy::new(server.address()));
        let client = server.client("anna").at_address(ferry.address());
        let folder = client.scratch("bench");
        let known = format!("[{}]:{} {}", ssh.address().ip(), ssh.address().port(), sshd.host_key("ed25519"));
        fs::write(folder.join("known"), known).unwrap();
        Self { server, sshd, ssh, ferry, client, folder, took: Default::default() }
    }

    /// The copy that a program makes.
    fn target(&self, peer: usize) -> PathBuf {
        match peer {
            0 => self.server.home("anna").join("copy"),
            _ => self.folder.join("copies").join(PEERS[peer].trim_end_matches("://")),
        }
    }

    fn proxy(&self, peer: usize) -> &Proxy {
        if peer == 0 { &self.ferry } else { &self.ssh }
    }

    fn command(&self, peer: usize, from: &Path) -> Command {
        let (to, address, user) = (self.target(peer), self.ssh.address(), Sshd::user());
        let known = self.folder.join("known").display().to_string();
        let key = self.sshd.key().display();
        let ssh = format!("ssh -a -x -F /dev/null -oUserKnownHostsFile={known} -oIdentitiesOnly=yes -i {key}");
        let delete = ["--delete", "--max-delete", "1000000"];
        match PEERS[peer] {
            "ferry://" => {
                let mut command = self.client.command(&[&"sync", &from, &self.client.at("copy")]);
                command.args(delete);
                command
            }
            "sftp://" => {
                let url = format!("sftp://{user}@{address}{}", to.display());
                let mut command = self.client.bare(&[&"sync", &from, &url, &"--accept-new"]);
                command.args(delete).arg("--identity").arg(self.sshd.key());
                command.env("HOME", self.client.scratch("person")).env_remove("SSH_AUTH_SOCK");
                command
            }
            "rsync" => {
                let mut command = Command::new("rsync");
                command.args(["-a", "--delete", "-e", &format!("{ssh} -p {}", address.port())]);
                command.arg(format!("{}/", from.display()));
                command.arg(format!("{user}@{}:{}/", address.ip(), to.display()));
                command
            }
            "rclone" => {
                let mut command = Command::new("rclone");
                command.args(["--config", "", "sync", "--transfers", "8", "--create-empty-src-dirs"]);
                command.arg(from).arg(format!(":sftp:{}", to.display()));
                command.args(["--sftp-host", &address.ip().to_string(), "--sftp-port", &address.port().to_string()]);
                command.args(["--sftp-user", &user, "--sftp-known-hosts-file", &known, "--sftp-key-file"]);
                command.arg(self.sshd.key());
                command
            }
            _ => {
                let work = format!("mirror -R -e -P 8 {} {}", from.display(), to.display());
                let open = format!("open -u {user}, sftp://{}:{}", address.ip(), address.port());
                let mut command = Command::new("lftp");
                command.arg("--norc").arg("-c");
                command.arg(format!("set sftp:connect-program \"{ssh}\"; set cmd:fail-exit yes; {open}; {work}"));
                command
            }
        }
    }

    /// Lets each program do a step.
    fn step(&mut self, step: usize, from: &Path) {
        for (peer, name) in PEERS.into_iter().enumerate() {
            let (mut command, proxy) = (self.command(peer, from), self.proxy(peer).clone());
            proxy.reset_counters();
            let begun = Instant::now();
            let output = command.stdin(Stdio::null()).output().unwrap();
            let seconds = begun.elapsed().as_secs_f64();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            proxy.wait_idle();
            let bytes = proxy.counted(Direction::Up) + proxy.counted(Direction::Down);
            let to = self.target(peer);
            assert_eq!(compare::count_below(&to), compare::count_below(from), "{name}");
            assert_eq!(compare::bytes_below(&to), compare::bytes_below(from), "{name}");
            println!("{:12} {name:9} {seconds:7.3} s {bytes:11} bytes", STEPS[step]);
            self.took[step][peer].push(Took { seconds, bytes });
        }
    }

    fn run(&mut self, files: u64) {
        let source = self.folder.join("source");
        // There are none yet.
        let _ = fs::remove_dir_all(&source);
        let _ = fs::remove_dir_all(self.folder.join("copies"));
        let _ = fs::remove_dir_all(self.target(0));
        fs::create_dir(self.folder.join("copies")).unwrap();
        material::many_files(&source, files, MOST, 1);
        self.step(0, &source);
        self.step(1, &source);
        change(&source);
        self.step(2, &source);
    }

    fn report(&self) {
        println!("\nmedians; ratio = other / sftp://, above 1 ferry is faster or sends less");
        for (step, peers) in STEPS.into_iter().zip(&self.took) {
            let medians = peers.each_ref().map(|took| {
                (median(took.iter().map(|took| took.seconds)), median(took.iter().map(|took| took.bytes as f64)))
            });
            for (peer, (seconds, bytes)) in PEERS.into_iter().zip(medians) {
                let (of_time, of_bytes) = (seconds / medians[1].0, bytes / medians[1].1);
                println!("{step:12} {peer:9} {seconds:7.3} s {of_time:6.2}   {bytes:11.0} bytes {of_bytes:6.2}");
            }
        }
    }
}

/// Makes one file of a hundred longer.
fn change(source: &Path) {
    let listed = Command::new("find").arg(source).args(["-type", "f"]).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let mut files: Vec<&str> = text.lines().collect();
    files.sort_unstable();
    for file in files.into_iter().step_by(CHANGED) {
        let mut content = fs::read(file).unwrap();
        content.push(b'x');
        fs::write(file, content).unwrap();
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn main() {
    let number = |name: &str, usual: u64| env::var(name).map_or(usual, |text| text.parse().unwrap());
    let mut bench = Bench::start();
    for _ in 0..number("RUNS", 5) {
        bench.run(number("FILES", 10_000));
    }
    bench.report();
}
