//! Programs of the user, with the terminal or beside it.

use std::{
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
};

use crossterm::terminal;
use tokio::sync::mpsc;

use crate::tui::{
    event::Event,
    state::programs::{End, OPENED, Run},
};

/// Starts a program that gets no terminal, and tells how it ended. It lives on when ferry ends. A thread of its own waits
/// for it, with the priority of the calling thread, which the program inherits.
pub(super) fn start(events: mpsc::Sender<Event>, run: Run) {
    let mut command = command(&run);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C in the terminal is not for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let told = events.clone();
    let kept = run.clone();
    let waits = move || {
        let result = command.status();
        // Nobody is told after the end of ferry.
        let _ = told.blocking_send(Event::Ran(Box::new(run), end(result)));
    };
    if let Err(error) = thread::Builder::new().spawn(waits) {
        let _ = events.try_send(Event::Ran(Box::new(kept), End::NotStarted(error.to_string())));
    }
}

/// Runs a program that has the terminal, and waits for its end.
pub(super) fn attend(run: Run) -> Event {
    let end = end(command(&run).status());
    if run.pauses && !matches!(end, End::NotFound | End::NotStarted(_)) {
        pause(&run.program, &end);
    }
    Event::Ran(Box::new(run), end)
}

/// The program with its arguments, and no shell between.
fn command(run: &Run) -> Command {
    let mut command = Command::new(&run.program);
    command.args(&run.arguments).current_dir(&run.folder);
    command
}

fn end(result: io::Result<ExitStatus>) -> End {
    match result {
        Ok(status) if status.success() => End::Well,
        Ok(status) => status.code().map_or(End::Signal, End::Code),
        Err(error) if error.kind() == io::ErrorKind::NotFound => End::NotFound,
        Err(error) => End::NotStarted(error.to_string()),
    }
}

/// Leaves what was written on the screen until a key is pressed. Nothing can be done about a terminal that is gone.
fn pause(program: &str, end: &End) {
    let how = if *end == End::Well { String::new() } else { format!("`{program}` {end}. ") };
    let mut stdout = io::stdout();
    // First, so that no key is lost between the two.
    if terminal::enable_raw_mode().is_err() {
        return;
    }
    let _ = write!(stdout, "\r\n{how}Press any key to go back to ferry. ");
    let _ = stdout.flush();
    // The terminal's own bytes: the reader of events belongs to the loop, which has given it up. A key may be several.
    let _ = io::stdin().read(&mut [0; 64]);
    let _ = terminal::disable_raw_mode();
    let _ = writeln!(stdout);
}

/// Removes files that were fetched for a program, with their folder.
pub(super) fn remove_copies(folder: PathBuf) {
    tokio::task::spawn_blocking(move || {
        // Those that cannot be removed now go at the end, or at the next start.
        let _ = std::fs::remove_dir_all(folder);
    });
}

/// Removes what this process fetched for programs.
pub(crate) fn remove_all_copies(copies: &Path) {
    let _ = std::fs::remove_dir_all(copies.join(OPENED));
    // Copies of edited files that did not go back stay.
    let _ = std::fs::remove_dir(copies);
}

/// Removes what processes that were killed have fetched for programs; `folder` has a folder for each process.
pub(crate) fn remove_left_copies(folder: &Path) {
    let Ok(processes) = std::fs::read_dir(folder) else { return };
    for process in processes.flatten() {
        let id = process.file_name().to_str().and_then(|name| name.parse().ok());
        if id.is_some_and(|id| !is_running(id)) {
            remove_all_copies(&process.path());
        }
    }
}

#[cfg(unix)]
fn is_running(id: i32) -> bool {
    use rustix::{io::Errno, process};
    process::Pid::from_raw(id).is_some_and(|id| process::test_kill_process(id) != Err(Errno::SRCH))
}

/// Not known on this system.
#[cfg(not(unix))]
fn is_running(_id: i32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    fn run(program: &str, arguments: &[&str]) -> Run {
        Run {
            entry: "an entry".into(),
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            folder: std::env::temp_dir(),
            waits: true,
            pauses: false,
            copies: None,
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_end_of_a_program_is_told_as_it_was() {
        let ended = |run: Run| match attend(run) {
            Event::Ran(_, end) => end,
            other => panic!("{other:?}"),
        };
        assert_eq!(ended(run("true", &[])), End::Well);
        assert_eq!(ended(run("sh", &["-c", "exit 7"])), End::Code(7));
        assert_eq!(ended(run("sh", &["-c", "kill -9 $$"])), End::Signal);
        assert_eq!(ended(run("no-such-program-of-ferry", &[])), End::NotFound);
        assert!(matches!(ended(run("/etc/passwd", &[])), End::NotStarted(_)));
    }

    #[cfg(unix)]
    #[test]
    fn copies_of_processes_that_are_gone_go_and_edited_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let file = |process: u32, name: &str| {
            let path = folder.path().join(process.to_string()).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            path
        };
        let [left, edited] = [file(gone.id(), "opened/1/a.pdf"), file(gone.id(), "2/b.txt")];
        let open = file(std::process::id(), "opened/1/c.pdf");
        remove_left_copies(folder.path());
        assert_eq!([left.exists(), edited.exists(), open.exists()], [false, true, true]);
        fs::remove_file(edited).unwrap();
    }
}
