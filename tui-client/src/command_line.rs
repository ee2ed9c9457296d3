//! The complete command line: the verbs with their flags, and the examples in its help.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::{
    args::{Global, flags},
    cli::Command,
};

/// The text below the help of the program.
const EXAMPLES: &str = "\
Examples:
  ferry put report.pdf alice@files.example.org:docs/   one file into a folder
  ferry get alice@files.example.org:photos ./          a folder with its content
  ferry site add work alice@files.example.org:docs     save a server
  ferry ls -l work:                                    use it
  tar c src | ferry put - work:src.tar                 a stream

REMOTE is SITE:path, user@host:path, user@host:port:path or ferry://user@host[:port]/path.
Digits between two colons are a port; write a path that begins so as user@host:/12:30.txt.
Write a local name with a colon as ./a:b, and IPv6 addresses in brackets.

Exit codes: 0 done and verified, 1 other, 2 usage, 3 folder missing, 4 file missing,
5 network or busy, try again, 6 some items failed, 7 login, server key or permission,
8 over quota or disk full, 11 digest mismatch, 12 differences found, 130 and 143
interrupted (the same command resumes), 141 the output was closed by its reader.
Of several causes, the first of 130, 143, 7, 8, 11, 5, 6 counts. Files skipped on request give 0.";

/// Transfers files to and from a ferryd server: verified, resumable, fast.
#[derive(Debug, Parser)]
#[command(name = "ferry", version, after_help = EXAMPLES, subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
#[command(max_term_width = 120)]
pub(crate) struct Cli {
    /// Open the browser at this server: a saved site, user@host[:port] or ferry://user@host[:port]/path
    #[arg(value_name = "SITE")]
    pub(crate) address: Option<OsString>,
    /// The verb.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The definition of the command line, each verb with its flags.
pub(crate) fn definition() -> clap::Command {
    flags::add_to_verbs(Cli::command())
}

/// Parses a command line, including the program name.
///
/// # Errors
/// The line is not valid, or asks for help.
pub(crate) fn parse(words: &[OsString]) -> Result<(Cli, Global), clap::Error> {
    let definition = definition();
    let words = flags::move_behind_verb(&definition, words.to_vec());
    let matches = definition.try_get_matches_from(words)?;
    Ok((Cli::from_arg_matches(&matches)?, flags::given(&matches)))
}
