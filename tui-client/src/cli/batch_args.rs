//! `ferry batch`: its arguments, and its lines. They are run where the command line is parsed.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::Command;
use crate::os_bytes::os_string_of;

/// `ferry batch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry batch nightly.ferry\n  \
    printf '%s\\n' 'mkdir -p work:in' 'put \"my report.odt\" work:in/' | ferry batch -\n\n\
    Each line is a verb with its arguments, without `ferry`. Words are quoted as in a shell; nothing is\n\
    expanded. Lines that are empty or begin with # are skipped. A file is checked as a whole before its\n\
    first line runs; of standard input each line runs as it arrives. The lines share one login per server,\n\
    and the login and output flags of the batch apply to each of them.\n\
    The exit code is that of the first line that failed. The verbs batch, passwd, register and watch, and\n\
    the browser, cannot be lines.")]
pub(crate) struct BatchArgs {
    /// Run the other lines too after one has failed
    #[arg(short, long)]
    pub(crate) keep_going: bool,
    /// The file with the lines; - is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

/// The end of a line in `--json` output.
#[derive(Serialize)]
pub(crate) struct LineObject {
    pub(crate) line: usize,
    pub(crate) exit: u8,
}

/// Splits a line into words as a shell does; no words for a blank line or a comment. `None` if a quote is open, or a
/// word is not text where the system requires it.
pub(crate) fn words(line: &[u8]) -> Option<Vec<OsString>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    shlex::bytes::split(line)?.into_iter().map(os_string_of).collect()
}

impl Command {
    /// The reason why this verb cannot be a line of a batch.
    pub(crate) fn unfit_for_batch(&self) -> Option<&'static str> {
        match self {
            Self::Batch(_) => Some("a batch cannot contain another batch"),
            Self::Watch(_) => Some("watch does not end by itself"),
            Self::Passwd(_) | Self::Register(_) => Some("passwords are not changed or made in a batch"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
        Some(words(line)?.into_iter().map(OsString::into_encoded_bytes).collect())
    }

    #[test]
    fn words_are_quoted_as_in_a_shell_and_nothing_is_expanded() {
        let cases: [(&[u8], &[&[u8]]); 7] = [
            (b"put 'my file' \"b \\\"c\\\"\" d\\ e\n", &[b"put", b"my file", b"b \"c\"", b"d e"]),
            (b"ls *.txt $HOME ~ `x`\r\n", &[b"ls", b"*.txt", b"$HOME", b"~", b"`x`"]),
            (b"ls 'a#b' c#d # comment", &[b"ls", b"a#b", b"c#d"]),
            (b"rm ''", &[b"rm", b""]),
            (b"  # comment", &[]),
            (b" \t", &[]),
            (b"", &[]),
        ];
        for (line, expected) in cases {
            let expected: Vec<Vec<u8>> = expected.iter().map(|word| word.to_vec()).collect();
            assert_eq!(split(line), Some(expected), "{}", String::from_utf8_lossy(line));
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_text_stay_as_they_are() {
        assert_eq!(split(b"get 'a:\xff \xfe' ."), Some(vec![b"get".to_vec(), b"a:\xff \xfe".to_vec(), b".".to_vec()]));
    }

    #[test]
    fn an_open_quote_is_not_a_line() {
        for line in [&b"ls 'a"[..], b"ls \"a", b"ls a\\"] {
            assert_eq!(split(line), None);
        }
    }
}
