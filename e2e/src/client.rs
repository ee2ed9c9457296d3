//! Runs the real `ferry` as a user would, with its own folder and without a terminal.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    fs,
    io::{Read, Write as _},
    net::SocketAddr,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

use crate::{PASSWORD, binaries, server::forget_environment, wait};

/// The arguments of a command line; paths and texts may be mixed.
pub type Words<'a> = &'a [&'a dyn AsRef<OsStr>];

/// A user at a separate computer: a `FERRY_HOME`, a password file and a server's address.
#[derive(Debug, Clone)]
pub struct Client {
    folder: Arc<TempDir>,
    user: String,
    address: SocketAddr,
    program: PathBuf,
}

/// A running command.
#[derive(Debug)]
pub struct Running {
    process: Leash,
    line: String,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
}

/// A process that is killed with its test.
#[derive(Debug)]
struct Leash(Child);

impl Drop for Leash {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The result of a command.
#[derive(Debug)]
pub struct Outcome {
    /// The command line, for messages.
    pub line: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Client {
    /// A client with a new folder.
    ///
    /// # Panics
    /// If the folder cannot be created.
    #[must_use]
    pub fn new(address: SocketAddr, user: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("ferry-").tempdir().expect("a temporary folder");
        let client = Self { folder: Arc::new(folder), user: user.to_owned(), address, program: binaries::ferry() };
        client.set_password(PASSWORD);
        client
    }

    /// The same user and folder, with another address of the server (that of a [`Proxy`](crate::proxy::Proxy)).
    #[must_use]
    pub fn at_address(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The `ferry` it runs.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.program.clone()
    }

    /// The same user and folder with another `ferry` program.
    #[must_use]
    pub fn with_program(&self, ferry: PathBuf) -> Self {
        Self { program: ferry, ..self.clone() }
    }

    /// Writes another password to the password file.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn set_password(&self, password: &str) {
        fs::write(self.password_file(), format!("{password}\n")).expect("the password file can be written");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(self.password_file(), private).expect("it is our own");
    }

    /// The file for `--password-file`.
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    /// The value of `FERRY_HOME`.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A scratch folder of this client.
    ///
    /// # Panics
    /// If it cannot be created.
    #[must_use]
    pub fn scratch(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).expect("the folder can be made");
        path
    }

    /// A remote path in the form of a command line: `user@host:port:path`.
    #[must_use]
    pub fn at(&self, path: impl AsRef<OsStr>) -> OsString {
        let mut text = OsString::from(format!("{}@{}:{}:", self.user, self.address.ip(), self.address.port()));
        text.push(path);
        text
    }

    /// The server in the form that `ferry` takes without a verb: `user@host:port`.
    #[must_use]
    pub fn address_word(&self) -> String {
        format!("{}@{}", self.user, self.address)
    }

    /// A command line with this client's folder, and for a verb that connects, its password and trust options.
    #[must_use]
    pub fn command(&self, words: Words) -> Command {
        let mut command = self.bare(words);
        if words.first().is_some_and(|verb| ["site", "man", "completion"].iter().any(|alone| verb.as_ref() == *alone)) {
            return command;
        }
        command.arg("--accept-new").arg("--password-file").arg(self.password_file());
        command
    }

    /// A command line with this client's folder only.
    #[must_use]
    pub fn bare(&self, words: Words) -> Command {
        // A process in a new session has no terminal, even if the tests run in one.
        let mut command = Command::new("setsid");
        forget_environment(&mut command);
        command.env("FERRY_HOME", self.home()).env("NO_COLOR", "1").current_dir(self.folder.path());
        command.arg(&self.program).args(words.iter().map(AsRef::as_ref));
        command
    }

    /// Runs `ferry` with `words` to its end.
    #[must_use = "a command may fail"]
    pub fn run(&self, words: Words) -> Outcome {
        self.start(words).wait()
    }

    /// Starts `ferry` with `words`.
    #[must_use]
    pub fn start(&self, words: Words) -> Running {
        Running::spawn(self.command(words), Vec::new())
    }

    /// Runs `ferry` with `words` and `stdin`.
    #[must_use = "a command may fail"]
    pub fn run_with_input(&self, words: Words, stdin: Vec<u8>) -> Outcome {
        Running::spawn(self.command(words), stdin).wait()
    }

    /// Uploads `local` to the remote path `target`.
    pub fn put(&self, local: &Path, target: impl AsRef<OsStr>) -> Outcome {
        self.run(&[&"put", &local, &self.at(target)])
    }

    /// Downloads the remote path `source` to `local`.
    pub fn get(&self, source: impl AsRef<OsStr>, local: &Path) -> Outcome {
        self.run(&[&"get", &self.at(source), &local])
    }
}

impl Running {
    /// Starts `command` with `stdin` as its input.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn spawn(mut command: Command, stdin: Vec<u8>) -> Self {
        let mut line = String::new();
        for word in command.get_args() {
            let _ = write!(line, "{} ", word.display());
        }
        command.stdin(if stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ferry starts");
        if let Some(mut pipe) = process.stdin.take() {
            // A command that ends early reads no more; its exit code shows the reason.
            thread::spawn(move || pipe.write_all(&stdin));
        }
        let stdout = collect(process.stdout.take().expect("piped"));
        let stderr = collect(process.stderr.take().expect("piped"));
        Self { process: Leash(process), line, stdout, stderr }
    }

    /// Its process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the command has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.0.id()).expect("process ids are small");
        kill_process(Pid::from_raw(pid).expect("process ids are not 0"), signal).expect("the command runs");
    }

    /// Kills the command, as in a crash, and waits for its end.
    #[must_use]
    pub fn kill(mut self) -> Outcome {
        let _ = self.process.0.kill();
        self.wait()
    }

    /// Kills the command and all programs that it has started.
    ///
    /// # Panics
    /// If process ids are not what they are on Linux.
    #[must_use]
    pub fn kill_all(self) -> Outcome {
        let pid = i32::try_from(self.process.0.id()).expect("process ids are small");
        // Commands lead a session of their own.
        let _ = kill_process_group(Pid::from_raw(pid).expect("process ids are not 0"), Signal::KILL);
        self.wait()
    }

    /// Whether it has ended.
    #[must_use]
    pub fn ended(&mut self) -> bool {
        self.process.0.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    #[must_use]
    pub fn wait(mut self) -> Outcome {
        let line = self.line.clone();
        let status = wait::some(&format!("the end of ferry {line}"), || self.process.0.try_wait().ok().flatten());
        let stdout = self.stdout.join().unwrap_or_default();
        let stderr = String::from_utf8_lossy(&self.stderr.join().unwrap_or_default()).into_owned();
        Outcome { line, status, stdout, stderr }
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        all
    })
}

impl Outcome {
    /// Fails unless the exit code is `code`.
    ///
    /// # Panics
    /// With all output of the command.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert!(self.status.code() == Some(code), "expected exit code {code}: {self}");
        self
    }

    /// Fails unless the exit code is 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// Fails unless standard error contains `text`, ignoring case.
    ///
    /// # Panics
    /// With all output of the command.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.to_lowercase().contains(&text.to_lowercase()), "expected {text:?} on stderr: {self}");
        self
    }

    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Every line of standard output as a JSON object.
    ///
    /// # Panics
    /// If a line is not an object.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| match serde_json::from_str(line) {
            Ok(value @ Value::Object(_)) => value,
            other => panic!("not a JSON object a line ({other:?}): {line:?} of {self}"),
        };
        self.text().lines().map(parse).collect()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, status, stderr, .. } = self;
        let end = status.signal().map_or_else(|| format!("{:?}", status.code()), |signal| format!("signal {signal}"));
        write!(f, "ferry {line}\nended with {end}\nstdout: {}\nstderr: {stderr}", self.text())
    }
}
