//! OpenSSH's clients, without the files of the person who runs the tests.

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use tempfile::TempDir;

use crate::{
    PASSWORD,
    client::{Outcome, Running, Words},
};

/// The name of the server in the configuration of a client.
pub const HOST: &str = "ferryd";

/// A user at another computer, with OpenSSH.
#[derive(Debug, Clone)]
pub struct Ssh {
    folder: Arc<TempDir>,
}

impl Ssh {
    /// A client that logs in with a password, and accepts the server's key the first time.
    ///
    /// # Panics
    /// If its folder cannot be made.
    #[must_use]
    pub fn new(address: SocketAddr, user: &str) -> Self {
        Self::with(address, user, "none")
    }

    /// A client that logs in with this key, and accepts the server's key the first time.
    #[must_use]
    pub fn with_key(address: SocketAddr, user: &str, key: &Path) -> Self {
        Self::with(address, user, &key.display().to_string())
    }

    fn with(address: SocketAddr, user: &str, identity: &str) -> Self {
        let ssh = Self { folder: Arc::new(tempfile::tempdir().expect("a temporary folder")) };
        let config = format!(
            "Host {HOST}\nHostName {}\nPort {}\nUser {user}\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n\
             StrictHostKeyChecking accept-new\nIdentityAgent none\nIdentitiesOnly yes\nIdentityFile {identity}\n\
             NumberOfPasswordPrompts 1\n",
            address.ip(),
            address.port(),
            ssh.known_hosts().display(),
        );
        fs::write(ssh.config(), config).expect("its folder is there");
        fs::write(ssh.path("askpass"), "#!/bin/sh\necho \"$SSH_TEST_PASSWORD\"\n").expect("its folder is there");
        fs::set_permissions(ssh.path("askpass"), fs::Permissions::from_mode(0o700)).expect("it is our own");
        ssh
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The keys of servers that it has accepted.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path("config")
    }

    /// A command line of `ssh`, `sftp` or `scp`.
    #[must_use]
    pub fn command(&self, program: &str, words: Words) -> Command {
        let mut command = self.environment(program);
        command.arg("-F").arg(self.config()).args(words.iter().map(AsRef::as_ref));
        command
    }

    /// A program that may start `ssh`.
    #[must_use]
    pub fn environment(&self, program: &str) -> Command {
        // A process in a new session has no terminal, even if the tests run in one.
        let mut command = Command::new("setsid");
        command.args(["-w", program]);
        command.env("SSH_ASKPASS", self.path("askpass")).env("SSH_ASKPASS_REQUIRE", "force");
        command.env("SSH_TEST_PASSWORD", PASSWORD).env_remove("SSH_AUTH_SOCK").current_dir(self.folder.path());
        command
    }

    /// Runs a program to its end.
    #[must_use = "a command may fail"]
    pub fn run(&self, program: &str, words: Words) -> Outcome {
        Running::spawn(self.command(program, words), Vec::new()).wait()
    }

    /// Runs `ssh` with these words before the server's name, and a command after it.
    #[must_use = "a command may fail"]
    pub fn exec(&self, words: Words, command: &str) -> Outcome {
        let mut all: Vec<&dyn AsRef<OsStr>> = words.to_vec();
        all.push(&HOST);
        all.push(&command);
        self.run("ssh", &all)
    }

    /// The same with another password.
    #[must_use = "a command may fail"]
    pub fn exec_with_password(&self, password: &str, command: &str) -> Outcome {
        let mut command = self.command("ssh", &[&HOST, &command]);
        command.env("SSH_TEST_PASSWORD", password);
        Running::spawn(command, Vec::new()).wait()
    }
}

/// A key of this type made by `ssh-keygen`; its public half is beside it.
///
/// # Panics
/// If it cannot be made.
#[must_use]
pub fn make_key(folder: &Path, kind: &str, bits: &str) -> PathBuf {
    let file = folder.join(format!("{kind}{bits}"));
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", "", "-C", kind, "-f"]).arg(&file).stdin(Stdio::null());
    if !bits.is_empty() {
        command.args(["-b", bits]);
    }
    assert!(command.status().expect("ssh-keygen runs").success());
    file
}
