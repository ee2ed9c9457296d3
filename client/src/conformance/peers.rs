//! Real servers for SFTP: OpenSSH, where it is installed, and ferryd, where it was built beside these tests.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
};

use ferry_shared::{path::RemotePath, secret::Secret};
use tempfile::TempDir;

use super::scene::Scene;
use crate::{
    connect::Target,
    sftp::{Login, NoSecrets, OnePassword, Secrets, Sftp, SftpConnector, SftpOptions},
    trust::Trust,
};

const SSHD: &str = "/usr/sbin/sshd";
const PASSWORD: &str = "correct horse battery staple";

/// Says why a test does not run; a failure where everything has to run.
fn skipped(why: &str) {
    assert!(env::var_os("FERRY_REQUIRE_ALL").is_none_or(|all| all != "1"), "cannot run: {why}");
    eprintln!("skipped: {why}");
}

/// A folder of a server as a scene.
fn scene(
    target: Target,
    top: &[u8],
    folder: &Path,
    login: (Option<&Path>, Arc<dyn Secrets>),
    keep: impl Send + Sync + 'static,
) -> Scene {
    let (identity, secrets) = login;
    let password_first = identity.is_none();
    let identities = identity.into_iter().map(Path::to_owned).collect();
    let login = Login { identities, secrets, password_first };
    let mut options = SftpOptions::new(Trust::AcceptNew, folder.join("known_servers"), folder, login);
    options.parts = Some(folder.join("parts"));
    let site = Sftp::new(SftpConnector::new(target, options));
    Scene::new(Box::new(site), RemotePath::from_typed(top).unwrap().into(), Box::new(keep))
}

/// Ends its servers with the test.
struct Ended {
    address: SocketAddr,
    stop: Arc<std::sync::atomic::AtomicBool>,
    _folder: TempDir,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

/// An sshd for each connection, as inetd runs it.
pub(super) fn openssh() -> Option<Scene> {
    if !Path::new(SSHD).exists() {
        skipped("sshd is missing (Debian package openssh-server)");
        return None;
    }
    // As its service file does; another user needs no such folder.
    drop(fs::create_dir_all("/run/sshd"));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["key", "host"] {
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path(name)).status();
        assert!(made.unwrap().success());
    }
    fs::write(
        path("config"),
        format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPidFile none\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n",
            path("host").display(),
            path("key.pub").display()
        ),
    )
    .unwrap();
    fs::create_dir(path("top")).unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (config, ended) = (path("config"), Arc::clone(&stop));
    thread::spawn(move || {
        while let Ok((socket, _)) = listener.accept() {
            if ended.load(std::sync::atomic::Ordering::Relaxed) {
                return;
            }
            let end = || Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
            let mut sshd = Command::new(SSHD);
            sshd.arg("-i").arg("-f").arg(&config).stdin(end()).stdout(end()).stderr(Stdio::null());
            let mut sshd = sshd.spawn().unwrap();
            thread::spawn(move || {
                drop(sshd.wait());
                drop(socket.shutdown(Shutdown::Both));
            });
        }
    });
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    let target = Target::sftp(String::from_utf8(user).unwrap().trim(), "127.0.0.1", address.port());
    let top = path("top").to_str().unwrap().as_bytes().to_vec();
    let (key, own) = (path("key"), folder.path().to_owned());
    let keep = Ended { address, stop, _folder: folder };
    Some(scene(target, &top, &own, (Some(&key), Arc::new(NoSecrets)), keep))
}

/// A running ferryd.
struct Ferryd(Child, TempDir);

impl Drop for Ferryd {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
        drop(fs::remove_dir_all(self.1.path()));
    }
}

/// The door of ferryd.
pub(super) fn ferryd() -> Option<Scene> {
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("ferryd");
    if !program.exists() {
        skipped("ferryd was not built");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let ferryd = || {
        let mut command = Command::new(&program);
        command.env_remove("FERRY_HOME").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    let data = folder.path().join("data");
    let mut add = ferryd();
    let mut add = add.args(["user", "add", "anna", "--password-stdin", "--data"]).arg(&data).spawn().unwrap();
    writeln!(add.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(add.wait().unwrap().success());
    let mut serve = ferryd();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--sftp", "127.0.0.1:0", "--data"]).arg(&data);
    let mut serve = serve.spawn().unwrap();
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    let address: SocketAddr = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some((address, _)) = line.split_once(" for SFTP, host key ") {
            break address.strip_prefix("listening on ").unwrap().parse().unwrap();
        }
    };
    // The server must be able to go on writing.
    thread::spawn(move || lines.for_each(drop));
    let target = Target::sftp("anna", "127.0.0.1", address.port());
    let own = folder.path().join("own");
    fs::create_dir(&own).unwrap();
    let secrets = Arc::new(OnePassword(Secret::new(PASSWORD.to_owned())));
    Some(scene(target, b"/", &own, (None, secrets), Ferryd(serve, folder)))
}
