//! Programs that need the terminal to themselves: an editor, a shell, programs of the user.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::programs;
use crate::tui::{
    event::{Answer, Event},
    state::{problem::Problem, programs::Run, ticket::Ticket},
};

/// An effect that needs the terminal, or the loop that owns it.
#[derive(Debug)]
pub(crate) enum Outside {
    /// Let a text be edited.
    EditText(Ticket, String),
    /// Let a file be edited.
    EditFile(Ticket, PathBuf),
    /// A shell in a folder.
    Shell(PathBuf),
    /// A program of the user.
    Program(Box<Run>),
    /// Give bytes to the clipboard of the terminal.
    Clipboard(Vec<u8>),
    /// Stop until the shell's `fg`.
    Suspend,
    /// Redraw everything.
    Redraw,
    /// End.
    Quit,
}

/// Runs a program with the terminal, and waits for its end. The terminal must be as the shell left it.
pub(crate) fn run(what: Outside) -> Option<Event> {
    let (ticket, result) = match what {
        Outside::EditText(ticket, text) => (ticket, edit_text(&text)),
        Outside::EditFile(ticket, path) => (ticket, edit_file(&path).map(|changed| (String::new(), changed))),
        Outside::Shell(folder) => return shell(&folder).err().map(|error| Event::Problem(Problem::new(error))),
        Outside::Program(run) => return Some(programs::attend(*run)),
        Outside::Clipboard(_) | Outside::Suspend | Outside::Redraw | Outside::Quit => return None,
    };
    let answer = match result {
        Ok((text, changed)) => Answer::Edited { text, changed },
        Err(error) => Answer::Failed(Problem::new(error)),
    };
    Some(Event::Answer(ticket, answer))
}

fn edit_text(text: &str) -> Result<(String, bool), String> {
    let in_words = |error: io::Error| format!("cannot edit: {error}");
    let mut file = tempfile::Builder::new().prefix("ferry-names-").suffix(".txt").tempfile().map_err(in_words)?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(in_words)?;
    edit(file.path())?;
    // Editors replace files: read the path again instead of the open file.
    let edited = fs::read_to_string(file.path()).map_err(in_words)?;
    let changed = edited != text;
    Ok((edited, changed))
}

fn edit_file(path: &Path) -> Result<bool, String> {
    let before = digest(path)?;
    edit(path)?;
    Ok(digest(path)? != before)
}

fn digest(path: &Path) -> Result<blake3::Hash, String> {
    let mut hasher = blake3::Hasher::new();
    let file = fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    hasher.update_reader(file).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(hasher.finalize())
}

fn edit(path: &Path) -> Result<(), String> {
    let editor =
        ["VISUAL", "EDITOR"].into_iter().find_map(|name| env::var(name).ok().filter(|value| !value.trim().is_empty()));
    let editor = editor.unwrap_or_else(|| if cfg!(windows) { "notepad" } else { "vi" }.to_owned());
    let status = command(&editor).arg(path).status().map_err(|error| format!("cannot run {editor}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{editor} ended with {status}; nothing was changed")) }
}

/// A command line of the user, which may have arguments.
#[cfg(unix)]
fn command(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{line} \"$@\"")).arg("sh");
    command
}

/// A command line of the user, which may have arguments.
#[cfg(not(unix))]
fn command(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or(line));
    command.args(words);
    command
}

fn shell(folder: &Path) -> Result<(), String> {
    let name = if cfg!(windows) { "COMSPEC" } else { "SHELL" };
    let shell = env::var_os(name).unwrap_or_else(|| if cfg!(windows) { "cmd" } else { "sh" }.into());
    let run = Command::new(&shell).current_dir(folder).status();
    // The exit status of the shell is of no interest here.
    run.map(drop).map_err(|error| format!("cannot run {}: {error}", shell.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_command_of_the_user_may_have_arguments_and_the_file_may_have_spaces() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a b; c");
        fs::write(&file, "x").unwrap();
        let status = command("printf '%s' y >").arg(&file).status();
        assert!(status.is_ok());
        let written = command("tee -a").arg(&file).stdin(std::process::Stdio::null()).status().unwrap();
        assert!(written.success());
    }

    #[test]
    fn a_file_that_is_not_there_cannot_be_edited() {
        assert!(edit_file(Path::new("/no/such/file")).unwrap_err().contains("/no/such/file"));
    }
}
