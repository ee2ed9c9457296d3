//! A server survives problems of its outputs: standard error and standard output that are full, closed or not read.

use std::{
    fs::File,
    io::{self, Write as _},
    process::{Child, Command, Stdio},
};

use ferry_e2e::{binaries, needs, wait};
use serde_json::Value;

/// A server in a folder of its own; the test chooses its standard output and standard error.
struct Running {
    process: Child,
    folder: tempfile::TempDir,
}

impl Running {
    fn start(stdout: Stdio, stderr: Stdio, words: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = match words {
            [] => Command::new(binaries::ferryd()),
            [program, words @ ..] => {
                let mut command = Command::new(program);
                command.args(words).arg(binaries::ferryd());
                command
            }
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
        command.env("FERRYD_LOG_LEVEL", "debug").env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
        let process = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap();
        let mut running = Self { process, folder };
        wait::until("the server to answer", || {
            assert!(running.process.try_wait().unwrap().is_none(), "the server ended");
            running.ferryd(&["status"]).is_some()
        });
        running
    }

    fn ferryd(&self, words: &[&str]) -> Option<String> {
        let mut command = Command::new(binaries::ferryd());
        let said = command.args(words).arg("--data").arg(self.folder.path().join("data")).output().unwrap();
        said.status.success().then(|| String::from_utf8(said.stdout).unwrap())
    }

    /// Makes it write a lot, returns the number of lost lines, and stops it in an orderly way.
    fn lost(mut self) -> u64 {
        for number in 0..50 {
            assert!(self.ferryd(&["broadcast", &format!("hello {number}")]).is_some(), "the server is gone");
        }
        let status: Value = serde_json::from_str(&self.ferryd(&["status", "--json"]).unwrap()).unwrap();
        assert!(self.ferryd(&["drain"]).is_some());
        assert!(self.process.wait().unwrap().success());
        status["log_lost"].as_u64().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // If all went well, it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn full_device() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader is closed.
fn closed() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_standard_error_that_takes_nothing_costs_lines_and_not_the_server() {
    assert!(Running::start(Stdio::null(), full_device(), &[]).lost() > 50);
    assert!(Running::start(Stdio::null(), closed(), &[]).lost() > 50);
    // A closed descriptor accepts everything: the runtime opens the null device in its place.
    Running::start(Stdio::null(), Stdio::null(), &["sh", "-c", "exec \"$@\" 2>&-", "sh"]).lost();
    // A terminal stopped with Ctrl-S, or a journal that hangs.
    let (reader, writer) = io::pipe().unwrap();
    let mut filling = writer.try_clone().unwrap();
    rustix::io::ioctl_fionbio(&filling, true).unwrap();
    while filling.write(&[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&filling, false).unwrap();
    drop(filling);
    assert!(Running::start(Stdio::null(), writer.into(), &[]).lost() > 50);
    drop(reader);
}

#[test]
fn a_standard_output_that_takes_nothing_is_told_in_the_log() {
    for stdout in [full_device(), closed()] {
        let mut log = tempfile::tempfile().unwrap();
        assert_eq!(Running::start(stdout, log.try_clone().unwrap().into(), &[]).lost(), 0);
        io::Seek::rewind(&mut log).unwrap();
        let text = io::read_to_string(log).unwrap();
        assert!(
            text.contains("standard output cannot be written") && text.contains("listening on 127.0.0.1:"),
            "{text}"
        );
    }
    Running::start(Stdio::null(), Stdio::null(), &["sh", "-c", "exec \"$@\" >&-", "sh"]).lost();
}

#[test]
fn a_process_that_may_start_no_threads_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut program = binaries::ferryd();
    // bash, because not every sh knows this limit; a server that starts all the same is not waited for.
    let mut command = Command::new("timeout");
    command.args(["60", "bash", "-c"]);
    if rustix::process::geteuid().is_root() {
        // A separate user, whose processes are counted: the limit does not apply to root.
        let Some(others) = needs::as_nobody(64321) else { return };
        program = needs::ferryd_for_all(folder.path());
        std::fs::create_dir(&data).unwrap();
        for path in [folder.path(), &data] {
            std::os::unix::fs::chown(path, Some(64321), Some(64321)).unwrap();
        }
        command.arg(format!("ulimit -u 1 && exec {} \"$@\"", others.join(" ")));
    } else {
        command.arg("ulimit -u 1 && exec \"$@\"");
    }
    let command = command.arg("bash").arg(program).args(["serve", "--listen", "127.0.0.1:0", "--data"]);
    let ended = command.arg(&data).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("cannot start threads") && said.contains("ulimit -u") && !said.contains("panicked"),
        "{said}"
    );
}
