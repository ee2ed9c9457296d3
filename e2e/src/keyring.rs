//! A keyring of the desktop on a D-Bus session of its own: GNOME Keyring, unlocked, with a folder that ends with its test.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{needs, wait};

/// The variable by which programs find the session.
pub const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";

/// A running keyring.
#[derive(Debug)]
pub struct Keyring {
    folder: TempDir,
    address: String,
    processes: Vec<Child>,
}

impl Keyring {
    /// Starts one; `None`, with a message, if its programs are missing.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let programs =
            [("dbus-daemon", "dbus-daemon"), ("dbus-send", "dbus-bin"), ("gnome-keyring-daemon", "gnome-keyring")];
        if !programs.into_iter().all(|(name, package)| needs::program(name, package)) {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("keyring-").tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("our own folder");
        let address = format!("unix:path={}", folder.path().join("bus").display());
        let mut keyring = Self { folder, address, processes: Vec::new() };
        let mut bus = keyring.command("dbus-daemon");
        bus.args(["--session", "--nofork", "--print-address=1", "--address", &keyring.address]);
        let mut bus = bus.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("dbus-daemon runs");
        let mut line = String::new();
        // The first line says that the socket is there.
        BufReader::new(bus.stdout.take().expect("piped")).read_line(&mut line).expect("dbus-daemon tells its address");
        keyring.processes.push(bus);
        let mut daemon = keyring.command("gnome-keyring-daemon");
        daemon.args(["--foreground", "--unlock", "--components=secrets"]);
        daemon.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut daemon = daemon.spawn().expect("gnome-keyring-daemon runs");
        daemon.stdin.take().expect("piped").write_all(b"of the keyring").expect("it reads its password");
        keyring.processes.push(daemon);
        wait::until("the keyring", || keyring.is_ready());
        Some(keyring)
    }

    /// The address of its session, for [`BUS`].
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let folder = self.folder.path();
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", folder).env("XDG_RUNTIME_DIR", folder).env(BUS, &self.address);
        command
    }

    /// Whether its service has its name, and its default collection.
    fn is_ready(&self) -> bool {
        let mut ask = self.command("dbus-send");
        ask.args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]);
        ask.args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]);
        let answer = ask.output().expect("dbus-send runs");
        String::from_utf8_lossy(&answer.stdout).contains("true")
            && self.folder.path().join(".local/share/keyrings/login.keyring").exists()
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
