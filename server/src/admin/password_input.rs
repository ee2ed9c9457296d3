//! Gets a new password from a terminal or a pipe, never from the command line.

use std::io::{self, BufRead, IsTerminal as _, Read as _};

use ferry_shared::{secret::Secret, text_file};
use zeroize::Zeroizing;

use super::AdminError;
use crate::output;

/// Maximum bytes to read: more than any password has.
const LINE_MAX: u64 = 4096;

/// Asks twice on the terminal, or takes the first line of standard input.
pub(super) fn new_password(from_stdin: bool) -> Result<Secret, AdminError> {
    if from_stdin {
        return first_line(io::stdin().lock()).map_err(AdminError::Input);
    }
    if !io::stdin().is_terminal() {
        return Err(AdminError::NoTerminal);
    }
    let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(AdminError::Input);
    let (first, second) = (ask("Password: ")?, ask("Again: ")?);
    if first == second { Ok(Secret::new(first.to_string())) } else { Err(AdminError::PasswordsDiffer) }
}

/// Asks on the terminal; any answer but yes means no.
pub(super) fn agrees(question: &str) -> Result<bool, AdminError> {
    output::ask(question).map_err(AdminError::Input)?;
    let mut answer = String::new();
    io::stdin().lock().take(LINE_MAX).read_line(&mut answer).map_err(AdminError::Input)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn first_line(input: impl BufRead) -> io::Result<Secret> {
    let mut line = Zeroizing::new(Vec::new());
    input.take(LINE_MAX).read_until(b'\n', &mut line)?;
    let text = Zeroizing::new(text_file::decode(line.to_vec())?);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_line_is_not_part_of_the_password() {
        for (input, password) in [
            ("pass\n", "pass"),
            ("pass", "pass"),
            (" pa ss \r\nmore\n", " pa ss "),
            ("", ""),
            ("\n", ""),
            ("\u{feff}pass\n", "pass"),
        ] {
            assert_eq!(first_line(input.as_bytes()).unwrap().expose(), password, "{input:?}");
        }
    }
    #[test]
    fn utf_16_is_refused() {
        for input in [&b"\xff\xfep\0w\0\n\0"[..], b"p\0w\0\n\0"] {
            assert_eq!(first_line(input).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
