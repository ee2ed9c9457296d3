//! Clients for SFTP that people use, with one set of operations.

use std::{
    ffi::{OsStr, OsString},
    fs,
    net::SocketAddr,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use ferry_shared::message::{Reply, Request};

use crate::{
    client::{Outcome, Running, Words},
    compare, needs,
    peer::Peer,
    server::{Server, Setup},
    ssh::{HOST, Ssh, make_key},
    wait,
};

/// The program of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `sftp` of OpenSSH.
    OpenSsh,
    /// `lftp`, with OpenSSH below.
    Lftp,
    /// `rclone`.
    Rclone,
    /// A script that uses paramiko.
    Paramiko,
    /// `cp`, `mv` and the like on a folder that `sshfs` has mounted.
    Sshfs,
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub enum Op<'a> {
    /// Uploads a file.
    Put(&'a Path, &'a OsStr),
    /// Downloads a file.
    Get(&'a OsStr, &'a Path),
    /// Renames an entry.
    Rename(&'a OsStr, &'a OsStr),
    /// Removes a file.
    Remove(&'a OsStr),
    /// Makes a folder.
    MakeDir(&'a OsStr),
    /// Removes an empty folder.
    RemoveDir(&'a OsStr),
    /// Prints the names in a folder, one per line.
    List(&'a OsStr),
    /// Continues the upload of a file.
    Resume(&'a Path, &'a OsStr),
}

/// A user at a server with an SFTP client and a key.
#[derive(Debug)]
pub struct SftpClient {
    kind: Kind,
    address: SocketAddr,
    key: PathBuf,
    ssh: Ssh,
    /// Before the folder in which it is: what is still mounted would be removed with it.
    mount: Option<Mount>,
    folder: tempfile::TempDir,
}

/// A mounted folder, unmounted when dropped.
#[derive(Debug)]
struct Mount {
    point: PathBuf,
    sshfs: Mutex<Option<Running>>,
}

impl Mount {
    fn new(ssh: &Ssh, point: PathBuf) -> Self {
        fs::create_dir(&point).expect("a new folder");
        let mut command = ssh.environment("sshfs");
        command.arg("-f").arg(format!("{HOST}:/")).arg(&point).arg("-F").arg(ssh.config());
        let mut sshfs = Running::spawn(command, Vec::new());
        let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
        let outside = point.parent().and_then(device);
        wait::until("the folder to be mounted", || {
            sshfs.ended() || device(&point).is_some_and(|inside| Some(inside) != outside)
        });
        Self { point, sshfs: Mutex::new(Some(sshfs)) }
    }

    fn kill(&self) {
        let sshfs = self.sshfs.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(sshfs.map(Running::kill_all));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let mut command = Command::new("fusermount");
        let _ = command.args(["-u", "-z"]).arg(&self.point).stdin(Stdio::null()).status();
        let sshfs = self.sshfs.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It ends once what was written has been sent.
        drop(sshfs.map(Running::wait));
    }
}

/// A server with SFTP and the user anna, and the folder with her key.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn server_with(words: &[&str]) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = format!("{}.pub", make_key(folder.path(), "ed25519", "").display());
    let mut all = vec!["--key", key.as_str()];
    all.extend(words);
    (Setup::new().user("anna", &all).sftp().start(), folder)
}

/// The key that [`server_with`] made.
#[must_use]
pub fn key_in(folder: &Path) -> PathBuf {
    folder.join("ed25519")
}

impl Kind {
    /// All clients that are installed. The name of each is printed, so that a failure tells which one it was.
    pub fn all() -> impl Iterator<Item = Self> {
        let all = [Self::OpenSsh, Self::Lftp, Self::Rclone, Self::Paramiko, Self::Sshfs];
        all.into_iter().filter(|kind| kind.is_there()).inspect(|kind| eprintln!("with {kind:?}:"))
    }

    /// Whether the program is installed.
    #[must_use]
    pub fn is_there(self) -> bool {
        let ssh = || needs::program("ssh", "openssh-client");
        match self {
            Self::OpenSsh => ssh(),
            Self::Lftp => ssh() && needs::program("lftp", "lftp"),
            Self::Rclone => needs::program("rclone", "rclone"),
            Self::Paramiko => needs::python_module("paramiko", "python3-paramiko"),
            Self::Sshfs => ssh() && needs::program("sshfs", "sshfs") && needs::fuse(),
        }
    }

    /// Whether it continues an upload instead of sending everything again.
    #[must_use]
    pub fn resumes(self) -> bool {
        matches!(self, Self::OpenSsh | Self::Lftp)
    }
}

impl SftpClient {
    /// A client of this kind for anna at the server.
    #[must_use]
    pub fn new(kind: Kind, server: &Server, keys: &Path) -> Self {
        Self::at(kind, server.sftp().0, keys)
    }

    /// A client of this kind for anna at an address.
    ///
    /// # Panics
    /// If its folder cannot be made or mounted.
    #[must_use]
    pub fn at(kind: Kind, address: SocketAddr, keys: &Path) -> Self {
        let key = key_in(keys);
        let ssh = Ssh::with_key(address, "anna", &key);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut client = Self { kind, address, key, ssh, mount: None, folder };
        if kind == Kind::Sshfs {
            client.mount = Some(Mount::new(&client.ssh, client.folder.path().join("mount")));
        }
        client
    }

    /// A folder for local files.
    #[must_use]
    pub fn local(&self) -> &Path {
        self.folder.path()
    }

    /// Carries out an operation.
    #[must_use = "it may fail"]
    pub fn run(&self, op: Op<'_>) -> Outcome {
        self.start(op).wait()
    }

    /// Starts an operation.
    #[must_use]
    pub fn start(&self, op: Op<'_>) -> Running {
        match self.kind {
            Kind::OpenSsh => self.batch(&sftp_line(op)),
            Kind::Lftp => self.lftp(&lftp_line(op)),
            Kind::Rclone => self.rclone(&self.rclone_words(op)),
            Kind::Paramiko => self.paramiko(&paramiko_words(op)),
            Kind::Sshfs => self.on_mount(op),
        }
    }

    /// Kills an operation as a crash of the computer would. A folder that is mounted is gone too.
    pub fn kill(&self, running: Running) {
        if let Some(mount) = &self.mount {
            mount.kill();
        }
        // One of the mounted folder ends with it.
        let _ = running.kill_all();
    }

    /// Checks that a file was stored with this content.
    ///
    /// # Panics
    /// If it was not.
    pub fn has_stored(&self, source: &Path, stored: &Path) {
        if self.kind == Kind::Sshfs {
            // It does not wait for the answer to CLOSE.
            wait::until("the file to be stored", || stored.exists() && compare::equal(source, stored));
        }
        compare::same_file(source, stored);
    }

    /// Runs `sftp` with commands.
    #[must_use]
    pub fn batch(&self, lines: &[u8]) -> Running {
        Running::spawn(self.ssh.command("sftp", &[&"-b", &"-", &HOST]), lines.to_vec())
    }

    /// Runs `scp`.
    #[must_use = "it may fail"]
    pub fn scp(&self, words: Words) -> Outcome {
        self.ssh.run("scp", words)
    }

    /// Runs `lftp` with commands.
    #[must_use]
    pub fn lftp(&self, commands: &[u8]) -> Running {
        let ssh = format!("ssh -a -x -F {}", self.ssh.config().display());
        let mut script = format!(
            "set sftp:connect-program \"{ssh}\"; set net:max-retries 1; set cmd:fail-exit yes; \
             set xfer:clobber yes; open -u anna, -p {} sftp://{HOST}; ",
            self.address.port()
        )
        .into_bytes();
        script.extend_from_slice(commands);
        let mut command = self.ssh.environment("lftp");
        command.env("HOME", self.local()).env("LC_ALL", "C.UTF-8").arg("-c").arg(OsStr::from_bytes(&script));
        Running::spawn(command, Vec::new())
    }

    /// The root of the server for `rclone`.
    #[must_use]
    pub fn rclone_root(&self) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        format!(":sftp,host={ip},port={port},user=anna,key_file={}:", self.key.display())
    }

    /// Runs `rclone`.
    #[must_use]
    pub fn rclone(&self, words: &[OsString]) -> Running {
        let mut command = self.ssh.environment("rclone");
        command.env("RCLONE_CONFIG", "/dev/null").env("HOME", self.local());
        command.args(["--retries", "1", "--low-level-retries", "1"]).args(words);
        Running::spawn(command, Vec::new())
    }

    /// Runs the script that uses paramiko.
    #[must_use]
    pub fn paramiko(&self, words: &[&OsStr]) -> Running {
        let mut command = self.ssh.environment(needs::PYTHON);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/sftp/client.py"));
        command.arg(self.address.ip().to_string()).arg(self.address.port().to_string()).arg("anna").arg(&self.key);
        command.args(words);
        Running::spawn(command, Vec::new())
    }

    /// The folder that sshfs has mounted.
    ///
    /// # Panics
    /// If the client is not sshfs.
    #[must_use]
    pub fn mounted(&self) -> &Path {
        &self.mount.as_ref().expect("sshfs has mounted it").point
    }

    fn on_mount(&self, op: Op<'_>) -> Running {
        // Paths from the root are those of the server.
        let at = |name: &OsStr| {
            let name = name.as_bytes();
            self.mounted().join(OsStr::from_bytes(name.strip_prefix(b"/").unwrap_or(name)))
        };
        let (program, words): (&str, Vec<PathBuf>) = match op {
            Op::Put(local, remote) | Op::Resume(local, remote) => ("cp", vec![local.to_owned(), at(remote)]),
            Op::Get(remote, local) => ("cp", vec![at(remote), local.to_owned()]),
            Op::Rename(from, to) => ("mv", vec![at(from), at(to)]),
            Op::Remove(name) => ("rm", vec![at(name)]),
            Op::MakeDir(name) => ("mkdir", vec![at(name)]),
            Op::RemoveDir(name) => ("rmdir", vec![at(name)]),
            Op::List(name) => ("ls", vec!["-AN1".into(), at(name)]),
        };
        let mut command = self.ssh.environment(program);
        command.args(words);
        Running::spawn(command, Vec::new())
    }

    fn rclone_words(&self, op: Op<'_>) -> Vec<OsString> {
        let at = |name: &OsStr| {
            let mut path = OsString::from(self.rclone_root());
            path.push(name);
            path
        };
        let (verb, words) = match op {
            Op::Put(local, remote) | Op::Resume(local, remote) => ("copyto", vec![local.into(), at(remote)]),
            Op::Get(remote, local) => ("copyto", vec![at(remote), local.into()]),
            Op::Rename(from, to) => ("moveto", vec![at(from), at(to)]),
            Op::Remove(name) => ("deletefile", vec![at(name)]),
            Op::MakeDir(name) => ("mkdir", vec![at(name)]),
            Op::RemoveDir(name) => ("rmdir", vec![at(name)]),
            Op::List(name) => ("lsf", vec![at(name)]),
        };
        let mut all = vec![verb.into()];
        all.extend(words);
        all
    }
}

/// Waits until no client is connected through SFTP, so that an upload whose client is gone has been kept.
pub fn wait_for_end(server: &Server) {
    wait::until("the SFTP sessions to end", || !server.ferryd(&["sessions"], "").1.contains(" sftp "));
}

/// Checks that the server's figures for anna agree with her home, and that nothing is unfinished after the client is
/// gone.
///
/// # Panics
/// If they do not.
pub async fn figures_agree(server: &Server, client: SftpClient) {
    drop(client);
    assert_eq!((used_as_counted(server).await, server.staged_parts("anna").len()), (0, 0), "nothing is unfinished");
}

/// Checks that the server's figures for anna agree with her home; returns how much is reserved for unfinished uploads.
///
/// # Panics
/// If they do not.
pub async fn used_as_counted(server: &Server) -> u64 {
    wait_for_end(server);
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.expect("it serves");
    let Reply::Usage(usage) = peer.ask(&Request::Usage).await.expect("it answers") else { panic!("no usage") };
    let home = server.home("anna");
    assert_eq!((usage.used, usage.files), (compare::bytes_below(&home), compare::count_below(&home)));
    usage.reserved
}

/// A line for the batch of `sftp`.
fn sftp_line(op: Op<'_>) -> Vec<u8> {
    match op {
        Op::Put(local, remote) => line("put", &[local.as_os_str(), remote]),
        Op::Get(remote, local) => line("get", &[remote, local.as_os_str()]),
        Op::Rename(from, to) => line("rename", &[from, to]),
        Op::Remove(name) => line("rm", &[name]),
        Op::MakeDir(name) => line("mkdir", &[name]),
        Op::RemoveDir(name) => line("rmdir", &[name]),
        Op::List(name) => line("ls -1a", &[name]),
        Op::Resume(local, remote) => line("reput", &[local.as_os_str(), remote]),
    }
}

/// Commands for `lftp`.
fn lftp_line(op: Op<'_>) -> Vec<u8> {
    let put = |verb, local: &Path, remote: &OsStr| line(verb, &[local.as_os_str(), "-o".as_ref(), remote]);
    match op {
        Op::Put(local, remote) => put("put --", local, remote),
        Op::Get(remote, local) => put("get --", Path::new(remote), local.as_os_str()),
        Op::Rename(from, to) => line("mv", &[from, to]),
        Op::Remove(name) => line("rm --", &[name]),
        Op::MakeDir(name) => line("mkdir --", &[name]),
        Op::RemoveDir(name) => line("rmdir --", &[name]),
        Op::List(name) => line("cls -1a --", &[name]),
        Op::Resume(local, remote) => put("put -c --", local, remote),
    }
}

fn paramiko_words<'a>(op: Op<'a>) -> Vec<&'a OsStr> {
    let (verb, words): (&'a str, Vec<&OsStr>) = match op {
        Op::Put(local, remote) | Op::Resume(local, remote) => ("put", vec![local.as_os_str(), remote]),
        Op::Get(remote, local) => ("get", vec![remote, local.as_os_str()]),
        Op::Rename(from, to) => ("rename", vec![from, to]),
        Op::Remove(name) => ("rm", vec![name]),
        Op::MakeDir(name) => ("mkdir", vec![name]),
        Op::RemoveDir(name) => ("rmdir", vec![name]),
        Op::List(name) => ("ls", vec![name]),
    };
    let mut all: Vec<&OsStr> = vec![verb.as_ref()];
    all.extend(words);
    all
}

/// A command with quoted words.
fn line(verb: &str, words: &[&OsStr]) -> Vec<u8> {
    let mut line = verb.as_bytes().to_vec();
    for word in words {
        line.extend_from_slice(b" \"");
        for byte in word.as_bytes() {
            if b"\"\\".contains(byte) {
                line.push(b'\\');
            }
            line.push(*byte);
        }
        line.push(b'"');
    }
    line.push(b'\n');
    line
}
