//! A real `ferryd` with its own folder and port, which ends with its test.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{PASSWORD, binaries, client::Client, wait};

/// The setup of a server.
#[derive(Debug, Default)]
pub struct Setup {
    users: Vec<(String, Vec<String>)>,
    config: String,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
    may_panic: bool,
    inherited: Option<TcpListener>,
    program: Option<PathBuf>,
    sftp: bool,
}

/// A running server. It is killed when dropped; a panic in its log then fails the test.
#[derive(Debug)]
pub struct Server {
    process: Option<Child>,
    folder: TempDir,
    setup: Setup,
    address: SocketAddr,
    fingerprint: String,
    sftp: Option<(SocketAddr, String)>,
    log: Log,
}

/// The output of a process, line by line.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<String>>);

impl Log {
    fn follow(&self, stream: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let mut text = log.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
            }
        });
    }

    /// The output so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The memory of a process according to the kernel, in KiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident now (`VmRSS`).
    pub now: u64,
    /// Of it, what is no file (`RssAnon`): the rest is the program itself.
    pub anonymous: u64,
    /// The peak (`VmHWM`) since the start or [`Server::forget_peak`].
    pub peak: u64,
}

impl Setup {
    /// No users, no configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user with further arguments for `ferryd user add`.
    #[must_use]
    pub fn user(mut self, name: &str, arguments: &[&str]) -> Self {
        self.users.push((name.to_owned(), arguments.iter().map(ToString::to_string).collect()));
        self
    }

    /// Adds TOML to the configuration file.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// Serves SFTP too.
    #[must_use]
    pub fn sftp(mut self) -> Self {
        self.sftp = true;
        self
    }

    /// Sets an environment variable of the server; `{data}` is replaced by the data folder.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server through another program; `{data}` is replaced by the data folder.
    #[must_use]
    pub fn wrapper(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(ToString::to_string).collect();
        self
    }

    /// Passes a listener to the server, as systemd does, the same one at each start.
    #[must_use]
    pub fn inherit(mut self, listener: TcpListener) -> Self {
        // A separate shell process sets the variable that must contain its own process ID, and becomes the server.
        let hand_over = r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@""#;
        self.inherited = Some(listener);
        self.wrapper(&["sh", "-c", hand_over, "sh"])
    }

    /// Runs this `ferryd` instead of the one under test.
    #[must_use]
    pub fn program(mut self, ferryd: PathBuf) -> Self {
        self.program = Some(ferryd);
        self
    }

    fn ferryd(&self) -> PathBuf {
        self.program.clone().unwrap_or_else(binaries::ferryd)
    }

    /// Does not treat a panic in the log as a failure of the test.
    #[must_use]
    pub fn may_panic(mut self) -> Self {
        self.may_panic = true;
        self
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn start(self) -> Server {
        let folder = tempfile::Builder::new().prefix("ferryd-").tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("data")).expect("the data folder can be made");
        fs::write(folder.path().join("ferryd.toml"), &self.config).expect("the configuration can be written");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let log = Log::default();
        let sftp = self.sftp.then(|| (address, String::new()));
        let mut server = Server { process: None, folder, setup: self, address, fingerprint: String::new(), sftp, log };
        for (name, arguments) in &server.setup.users {
            server.add_user(name, arguments);
        }
        server.launch();
        server
    }
}

impl Server {
    /// A server with one user, `anna`, without a quota.
    #[must_use]
    pub fn with_anna() -> Self {
        Setup::new().user("anna", &[]).start()
    }

    fn launch(&mut self) {
        if let Err(status) = self.try_launch() {
            panic!("the server ended at once: {status}\n{}", self.log.text());
        }
    }

    /// Starts the server and waits until it listens or has ended.
    fn try_launch(&mut self) -> Result<(), ExitStatus> {
        let data = self.data();
        let mut words: Vec<String> =
            self.setup.wrapper.iter().map(|word| word.replace("{data}", &data.to_string_lossy())).collect();
        words.push(self.setup.ferryd().to_string_lossy().into_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("serve").arg("--config").arg(self.folder.path().join("ferryd.toml"));
        command.arg("--data").arg(&data).arg("--listen").arg(self.address.to_string());
        if let Some((address, _)) = &self.sftp {
            command.arg("--sftp").arg(address.to_string());
        }
        forget_environment(&mut command);
        let placed = |value: &String| value.replace("{data}", &data.to_string_lossy());
        command.envs(self.setup.environment.iter().map(|(name, value)| (name, placed(value))));
        let stdin = self
            .setup
            .inherited
            .as_ref()
            .map_or_else(Stdio::null, |listener| OwnedFd::from(listener.try_clone().expect("a descriptor")).into());
        let mut process =
            command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the server starts");
        let said = Log::default();
        said.follow(process.stdout.take().expect("piped"));
        self.log.follow(process.stderr.take().expect("piped"));
        let word = |text: &str, before: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(before).map(str::to_owned))?;
            line.split_whitespace().next().map(str::to_owned)
        };
        let has_sftp = self.sftp.is_some();
        let at_door = |text: &str| {
            let line = text.lines().find(|line| line.contains(" for SFTP, host key "))?;
            let (address, key) = line.strip_prefix("listening on ")?.split_once(" for SFTP, host key ")?;
            Some((address.parse().expect("the server prints its address"), key.to_owned()))
        };
        let (address, fingerprint, sftp) = wait::some("the server to say where it listens", || {
            if let Ok(Some(status)) = process.try_wait() {
                return Some(Err(status));
            }
            let text = said.text();
            let sftp = at_door(&text).map(Some).or_else(|| (!has_sftp).then_some(None))?;
            Some(Ok((word(&text, "listening on ")?, word(&text, "fingerprint ")?, sftp)))
        })?;
        self.address = address.parse().expect("the server prints its address");
        self.fingerprint = fingerprint;
        self.sftp = sftp;
        self.process = Some(process);
        Ok(())
    }

    /// Adds a user with `ferryd user add`, whether or not the server is running.
    ///
    /// # Panics
    /// If the command fails.
    pub fn add_user(&self, name: &str, arguments: &[String]) {
        let mut words = vec!["user", "add", name, "--password-stdin"];
        words.extend(arguments.iter().map(String::as_str));
        let (status, said) = self.ferryd(&words, PASSWORD);
        assert!(status.success(), "ferryd user add {name}: {said}");
    }

    /// Runs another `ferryd` command on this server's data; returns all its output.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn ferryd(&self, arguments: &[&str], stdin: &str) -> (ExitStatus, String) {
        let mut command = Command::new(self.setup.ferryd());
        command
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .arg("--config")
            .arg(self.folder.path().join("ferryd.toml"));
        forget_environment(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("ferryd runs");
        // A command that reads nothing may have ended already; its output tells more.
        let _ = process.stdin.take().expect("piped").write_all(format!("{stdin}\n").as_bytes());
        let output = process.wait_with_output().expect("ferryd ends");
        let both = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&both).into_owned())
    }

    /// Replaces the configuration file; the server reads it when told to.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn reconfigure(&self, toml: &str) {
        fs::write(self.folder.path().join("ferryd.toml"), toml).expect("the configuration can be written");
    }

    /// Runs a `ferryd` command on this server's data with another configuration; returns all its output.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn ferryd_with(&self, arguments: &[&str], toml: &str) -> (ExitStatus, String) {
        self.reconfigure(toml);
        self.ferryd(arguments, "")
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The fingerprint it printed, `SHA256:…`.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The address and the fingerprint of the host key that it printed for SFTP.
    ///
    /// # Panics
    /// If it serves none.
    #[must_use]
    pub fn sftp(&self) -> (SocketAddr, &str) {
        self.sftp.as_ref().map(|(address, key)| (*address, key.as_str())).expect("the server serves SFTP")
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder next to the data, for files that must not be touched.
    #[must_use]
    pub fn outside(&self) -> &Path {
        self.folder.path()
    }

    /// A user's files.
    #[must_use]
    pub fn home(&self, user: &str) -> PathBuf {
        let home = self.data().join("users").join(user).join("home");
        fs::create_dir_all(&home).expect("the home can be made");
        home
    }

    /// A user's unfinished uploads.
    #[must_use]
    pub fn staging(&self, user: &str) -> PathBuf {
        self.data().join("users").join(user).join("staging")
    }

    /// The paths of the staged parts of a user's unfinished uploads, largest first.
    #[must_use]
    pub fn staged_parts(&self, user: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.staging(user)) else { return Vec::new() };
        let mut parts: Vec<_> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "part"))
            .collect();
        parts.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).map_or(0, |meta| meta.len())));
        parts
    }

    /// A client of this server with a folder of its own.
    #[must_use]
    pub fn client(&self, user: &str) -> Client {
        Client::new(self.address, user)
    }

    /// The server's log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Its process ID.
    ///
    /// # Panics
    /// If it is not running.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server runs").id()
    }

    /// Its present memory.
    ///
    /// # Panics
    /// If it is not running.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the server runs");
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells");
            line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number of KiB")
        };
        Memory { now: figure("VmRSS:"), anonymous: figure("RssAnon:"), peak: figure("VmHWM:") }
    }

    /// Resets the peak of [`Server::memory`].
    ///
    /// # Panics
    /// If the kernel refuses.
    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").expect("the kernel lets us");
    }

    /// Sends a signal to the server.
    ///
    /// # Panics
    /// If it is not running.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.rustix_pid(), signal).expect("the server runs");
    }

    fn rustix_pid(&self) -> Pid {
        let pid = i32::try_from(self.pid()).expect("process ids are small");
        Pid::from_raw(pid).expect("process ids are not 0")
    }

    /// Kills the server without warning. Data that was written but not flushed survives, unlike after a power cut.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Whether it is still running.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_end(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the server runs");
        wait::some("the server to end", || process.try_wait().expect("the server can be waited for"))
    }

    /// Starts it again after [`Server::kill`] or [`Server::wait_end`]: same data, same address.
    pub fn start_again(&mut self) {
        self.launch();
    }

    /// Like [`Server::start_again`], with the program under test, whichever one was started first.
    pub fn start_updated(&mut self) {
        self.setup.program = None;
        self.launch();
    }

    /// Like [`Server::start_again`]; false if it ended before it listened.
    #[must_use]
    pub fn can_start_again(&mut self) -> bool {
        self.try_launch().is_ok()
    }

    /// Fails unless a new client can still log in and list.
    ///
    /// # Panics
    /// If the server is gone or refuses.
    pub fn assert_serves(&mut self, user: &str) {
        let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
        assert!(ended.is_none(), "the server ended: {ended:?}\n{}", self.log());
        let client = self.client(user);
        client.run(&[&"ls", &client.at("")]).ok();
    }
}

/// Removes all variables of this project from a command's environment.
pub(crate) fn forget_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FERRY") {
            command.env_remove(name);
        }
    }
    let services = ["CONFIGURATION_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY"];
    for name in services.into_iter().chain(["LISTEN_FDS", "NOTIFY_SOCKET", "WATCHDOG_USEC", "RUST_LOG"]) {
        command.env_remove(name);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let log = self.log();
        if thread::panicking() {
            let lines: Vec<_> = log.lines().collect();
            eprintln!("--- the server's log ends:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        } else {
            assert!(self.setup.may_panic || !log.contains("panicked at"), "the server panicked:\n{log}");
        }
    }
}
