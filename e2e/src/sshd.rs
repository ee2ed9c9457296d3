//! A real OpenSSH server with keys of its own, which ends with its test. It lets in the person who runs the tests, by a
//! key.

use std::{
    fs,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::{needs, ssh::make_key};

/// The program, which is not in everybody's path.
const SSHD: &str = "/usr/sbin/sshd";

/// A running server; its address stays the same when it is stopped and started again.
#[derive(Debug)]
pub struct Sshd {
    folder: TempDir,
    address: SocketAddr,
    key: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether connections are turned away.
    closed: AtomicBool,
    /// The most connections at a time; 0 is no limit.
    most: AtomicUsize,
    ended: AtomicBool,
    connections: Mutex<Vec<Connection>>,
}

/// A connection, and the process that serves it.
#[derive(Debug)]
struct Connection {
    process: Pid,
    socket: TcpStream,
    over: Arc<AtomicBool>,
}

impl Sshd {
    /// Starts a server with further lines in its configuration; `None`, with a message, if there is no sshd here.
    ///
    /// # Panics
    /// If it cannot be set up.
    #[must_use]
    pub fn start(config: &str) -> Option<Self> {
        if !needs::program(SSHD, "openssh-server") || !needs::program("ssh-keygen", "openssh-client") {
            return None;
        }
        if rustix::process::geteuid().is_root() {
            // As its service file does.
            let _ = fs::create_dir_all("/run/sshd");
        }
        let folder = tempfile::Builder::new().prefix("sshd-").tempdir().expect("a temporary folder");
        let key = make_key(folder.path(), "ed25519", "");
        fs::create_dir(folder.path().join("host")).expect("our own folder");
        drop(make_key(&folder.path().join("host"), "ed25519", ""));
        let public = key.with_extension("pub");
        fs::copy(public, folder.path().join("authorized")).expect("our own folder");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut server = Self { folder, address, key, shared: Arc::default(), accepting: None };
        server.configure("ed25519", config);
        let (shared, file) = (Arc::clone(&server.shared), server.config());
        server.accepting = Some(thread::spawn(move || accept(&listener, &file, &shared)));
        Some(server)
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    fn configure(&self, host_key: &str, more: &str) {
        let folder = self.folder.path().display();
        let text = format!(
            "{more}\nHostKey {folder}/host/{host_key}\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\nPermitRootLogin yes\n\
             MaxStartups 100\nSubsystem sftp internal-sftp\nLogLevel ERROR\n"
        );
        fs::write(self.config(), text).expect("our own folder");
    }

    /// Gives the server another host key, of this type, for connections from now on.
    ///
    /// # Panics
    /// If the key cannot be made.
    pub fn change_host_key(&self, kind: &str) {
        let host = self.folder.path().join("host");
        for file in [host.join(kind), host.join(format!("{kind}.pub"))] {
            // There may be none of this type.
            let _ = fs::remove_file(file);
        }
        drop(make_key(&host, kind, ""));
        self.configure(kind, "");
    }

    /// Gives the server a further host key of this type, which it prefers.
    ///
    /// # Panics
    /// If the key cannot be made.
    pub fn add_host_key(&self, kind: &str) {
        let host = self.folder.path().join("host");
        if !host.join(kind).exists() {
            drop(make_key(&host, kind, ""));
        }
        let config = fs::read_to_string(self.config()).expect("our own folder");
        let line = format!("HostKey {}/{kind}\n", host.display());
        fs::write(self.config(), line + &config).expect("our own folder");
    }

    /// Gives the server a certificate of its host key for a name, signed by the key in a file.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn certify(&self, authority: &Path, name: &str) {
        let key = self.folder.path().join("host/ed25519");
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-q", "-h", "-I", "host", "-n", name, "-s"]).arg(authority).arg(key.with_extension("pub"));
        assert!(sign.status().expect("ssh-keygen runs").success());
        self.configure("ed25519", &format!("HostCertificate {}-cert.pub", key.display()));
    }

    /// The public host key, as a line of `known_hosts` has it after the name.
    ///
    /// # Panics
    /// If there is none of this type.
    #[must_use]
    pub fn host_key(&self, kind: &str) -> String {
        fs::read_to_string(self.folder.path().join("host").join(format!("{kind}.pub"))).expect("it was made")
    }

    /// Lets in a further key, given the file of its public half.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn allow(&self, public: &Path) {
        let authorized = self.folder.path().join("authorized");
        let all =
            fs::read_to_string(&authorized).expect("our own") + &fs::read_to_string(public).expect("a public key");
        fs::write(authorized, all).expect("our own");
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file of the key that it lets in.
    #[must_use]
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// The user whom it lets in.
    #[must_use]
    pub fn user() -> String {
        let output = Command::new("id").arg("-un").output().expect("id runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The URL of a path on this computer.
    #[must_use]
    pub fn url(&self, path: &Path) -> String {
        format!("sftp://{}@{}{}", Self::user(), self.address, path.display())
    }

    /// Ends all connections, as a power cut would, and turns new ones away.
    pub fn kill(&self) {
        self.shared.closed.store(true, Relaxed);
        self.shared.cut();
    }

    /// Serves again after [`Sshd::kill`].
    pub fn start_again(&self) {
        self.shared.closed.store(false, Relaxed);
    }

    /// Turns away connections beyond `most` at a time, as a server does beyond its `MaxStartups`.
    pub fn allow_at_once(&self, most: usize) {
        self.shared.most.store(most, Relaxed);
    }

    /// The number of connections so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Shared {
    fn is_full(&self) -> bool {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let open = connections.iter().filter(|connection| !connection.over.load(Relaxed)).count();
        let most = self.most.load(Relaxed);
        most > 0 && open >= most
    }

    fn cut(&self) {
        for connection in self.connections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Each may have ended by itself.
            let _ = connection.socket.shutdown(Shutdown::Both);
            if !connection.over.load(Relaxed) {
                let _ = kill_process_group(connection.process, Signal::KILL);
            }
        }
    }
}

/// Runs a server for each connection, as inetd does: it need not be given a free port.
fn accept(listener: &TcpListener, config: &Path, shared: &Shared) {
    while let Ok((socket, _)) = listener.accept() {
        if shared.ended.load(Relaxed) {
            return;
        }
        if shared.closed.load(Relaxed) || shared.is_full() {
            continue;
        }
        let end = || OwnedFd::from(socket.try_clone().expect("a descriptor"));
        let mut command = Command::new(SSHD);
        command.arg("-i").arg("-f").arg(config).env_remove("SSH_AUTH_SOCK").process_group(0);
        let child = command.stdin(Stdio::from(end())).stdout(Stdio::from(end())).stderr(Stdio::null()).spawn();
        let mut child: Child = child.expect("sshd runs");
        let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        let (over, ours) = (Arc::new(AtomicBool::new(false)), socket.try_clone().expect("a descriptor"));
        let connection = Connection { process, socket, over: Arc::clone(&over) };
        shared.connections.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        thread::spawn(move || {
            let _ = child.wait();
            over.store(true, Relaxed);
            // Our own descriptor would keep the connection open.
            let _ = ours.shutdown(Shutdown::Both);
        });
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.shared.ended.store(true, Relaxed);
        // Wakes the thread.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.shared.cut();
    }
}
