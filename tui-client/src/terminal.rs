//! Questions on the terminal.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _},
};

use ferry_shared::secret::Secret;

#[cfg(unix)]
const INPUT: &str = "/dev/tty";
#[cfg(unix)]
const OUTPUT: &str = "/dev/tty";
#[cfg(windows)]
const INPUT: &str = "CONIN$";
#[cfg(windows)]
const OUTPUT: &str = "CONOUT$";

/// Whether questions can be asked: standard error is a terminal, and the terminal can be read.
pub(crate) fn is_attended() -> bool {
    io::stderr().is_terminal() && OpenOptions::new().read(true).write(true).open(INPUT).is_ok()
}

/// Asks for a line. Blocks until the user enters one.
///
/// # Errors
/// Errors of the terminal; [`io::ErrorKind::UnexpectedEof`] if it was closed.
pub(crate) fn ask_line(question: &str) -> io::Result<String> {
    let mut output = OpenOptions::new().write(true).open(OUTPUT)?;
    output.write_all(question.as_bytes())?;
    output.flush()?;
    let mut line = String::new();
    if BufReader::new(File::open(INPUT)?).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asks for a password without displaying it. Blocks until the user enters one.
///
/// # Errors
/// Errors of the terminal; [`io::ErrorKind::Interrupted`] on Ctrl-C.
pub(crate) fn ask_secret(question: &str) -> io::Result<Secret> {
    rpassword::prompt_password(question).map(Secret::new)
}
