//! Measures `ferry` beside OpenSSH's `sftp` and lftp as clients of OpenSSH's server: the same work with the same key and
//! cipher, in turns. `cargo build --release`, then
//! `TMPDIR=/dev/shm FERRY_E2E_BIN=target/release cargo run -p ferry-e2e --example sftp_site [big|small]...`; `RUNS=5` may
//! be set. Needs sftp, sshd and lftp, and 4 GiB.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a script: what fails is its message")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use ferry_e2e::{client::Client, compare, material, sshd::Sshd};

/// The one cipher of the server.
const CIPHER: &str = "aes128-gcm@openssh.com";
const FILES: u64 = 10_000;
/// Bytes of a small file, at most: 98 MiB in total.
const SMALL: u64 = 20_500;
const PEERS: [&str; 3] = ["ferry", "sftp", "lftp"];

struct Bench {
    sshd: Sshd,
    client: Client,
    folder: PathBuf,
    seconds: BTreeMap<&'static str, [Vec<f64>; PEERS.len()]>,
}

impl Bench {
    fn start() -> Self {
        let sshd = Sshd::start(&format!("Ciphers {CIPHER}")).unwrap();
        let client = Client::new(sshd.address(), &Sshd::user());
        let folder = client.scratch("bench");
        let known = format!("[{}]:{} {}", sshd.address().ip(), sshd.address().port(), sshd.host_key("ed25519"));
        fs::write(folder.join("known"), known).unwrap();
        Self { sshd, client, folder, seconds: BTreeMap::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Options of OpenSSH's programs.
    fn options(&self) -> Vec<String> {
        let known = self.path("known");
        let files = format!("-oUserKnownHostsFile={} -oIdentitiesOnly=yes -i", known.display());
        let words = files.split(' ').map(str::to_owned);
        words.chain([self.sshd.key().display().to_string()]).collect()
    }

    /// A command line of a client that copies a file or a folder to the server, or back from there.
    fn command(&self, peer: &str, from: &Path, to: &Path, up: bool) -> Command {
        let (verb, line) = if up { ("put", "put -R") } else { ("get", "get -R") };
        let (user, address) = (Sshd::user(), self.sshd.address());
        match peer {
            "ferry" => {
                let (remote, other) = if up { (to, from) } else { (from, to) };
                let url = self.sshd.url(remote);
                let mut command = match up {
                    true => self.client.bare(&[&verb, &other, &url]),
                    false => self.client.bare(&[&verb, &url, &other]),
                };
                command.env("HOME", self.client.scratch("person")).env_remove("SSH_AUTH_SOCK");
                command.arg("--accept-new").arg("--identity").arg(self.sshd.key());
                command
            }
            "sftp" => {
                let batch = self.path("batch");
                fs::write(&batch, format!("{line} {} {}\n", from.display(), to.display())).unwrap();
                let mut command = Command::new("sftp");
                command.args(["-q", "-F", "/dev/null"]).args(self.options());
                command.arg("-P").arg(address.port().to_string()).arg("-b").arg(batch);
                command.arg(format!("{user}@{}", address.ip()));
                command
            }
            _ => {
                let connect = format!("ssh -a -x -F /dev/null {}", self.options().join(" "));
                let work = match (from.is_dir(), up) {
                    (true, true) => format!("mirror -R -P 8 {} {}", from.display(), to.display()),
                    (true, false) => format!("mirror -P 8 {} {}", from.display(), to.display()),
                    (false, _) => format!("{verb} {} -o {}", from.display(), to.display()),
                };
                let open = format!("open -u {user}, sftp://{}:{}", address.ip(), address.port());
                let mut command = Command::new("lftp");
                command.arg("--norc").arg("-c");
                command.arg(format!("set sftp:connect-program \"{connect}\"; set cmd:fail-exit yes; {open}; {work}"));
                command
            }
        }
    }

    /// Does the same work with each client.
    fn measure(&mut self, what: &'static str, from: &Path, up: bool, check: impl Fn(&Path, &Path)) {
        for (number, peer) in PEERS.into_iter().enumerate() {
            let to = self.path("copy").join(from.file_name().unwrap());
            // There is none yet.
            let _ = fs::remove_dir_all(self.path("copy"));
            fs::create_dir(self.path("copy")).unwrap();
            let mut command = self.command(peer, from, &to, up);
            let begun = Instant::now();
            let output = command.stdin(Stdio::null()).output().unwrap();
            let seconds = begun.elapsed().as_secs_f64();
            assert!(output.status.success(), "{peer}: {}", String::from_utf8_lossy(&output.stderr));
            check(from, &to);
            println!("{what:18} {peer:6} {seconds:7.3} s");
            self.seconds.entry(what).or_default()[number].push(seconds);
        }
    }

    fn report(&self) {
        println!("\nmedians; ratio = other / ferry, above 1 ferry is faster");
        for (what, [ferry, others @ ..]) in &self.seconds {
            let ferry = median(ferry);
            print!("{what:18} ferry {ferry:7.3} s");
            for (peer, seconds) in PEERS.iter().skip(1).zip(others) {
                print!("   {peer} {:7.3} s {:5.2}", median(seconds), median(seconds) / ferry);
            }
            println!();
        }
    }
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn main() {
    let chosen: Vec<String> = env::args().skip(1).collect();
    let has = |case: &str| chosen.is_empty() || chosen.iter().any(|chosen| chosen == case);
    let runs = env::var("RUNS").map_or(5, |runs| runs.parse().unwrap());
    let mut bench = Bench::start();
    let (big, small) = (bench.path("big"), bench.path("small"));
    if has("big") {
        material::random_file(&big, 1 << 30, 1);
    }
    if has("small") {
        material::many_files(&small, FILES, SMALL, 1);
    }
    for _ in 0..runs {
        for up in [true, false] {
            if has("big") {
                let what = if up { "1 GiB up" } else { "1 GiB down" };
                bench.measure(what, &big, up, compare::same_file);
            }
            if has("small") {
                let what = if up { "10,000 files up" } else { "10,000 files down" };
                bench.measure(what, &small, up, |from, to| {
                    assert_eq!(compare::count_below(to), compare::count_below(from));
                    assert_eq!(compare::bytes_below(to), compare::bytes_below(from));
                });
            }
        }
    }
    bench.report();
}
