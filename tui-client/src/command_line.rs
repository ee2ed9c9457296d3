//! The command line as a whole: the verbs with their flags, and the examples in its help.

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
  ferry get alice@files.example.org:photos ./          a folder with all below it
  ferry site add work alice@files.example.org:docs     save a server
  ferry ls -l work:                                    use it
  tar c src | ferry put - work:src.tar                 a stream

REMOTE is SITE:path, user@host:path, user@host:port:path or ferry://user@host[:port]/path.
Digits between two colons are a port; a path that begins so is written user@host:/12:30.txt.
A local name with a colon is written ./a:b. IPv6 addresses stand in brackets.

Exit codes: 0 done and verified, 1 other, 2 usage, 3 folder missing, 4 file missing,
5 network or busy, try again, 6 some items failed, 7 login, server key or permission,
8 over quota or disk full, 11 digest mismatch, 12 differences found, 130 and 143
interrupted: the same command goes on from there, 141 the reader of the output left.
Of several the first of 130, 143, 7, 8, 11, 5, 6 counts. Skipped as asked is 0.";

/// Moves files to and from a ferryd server: verified, resumable, quick.
#[derive(Debug, Parser)]
#[command(name = "ferry", version, after_help = EXAMPLES, subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
#[command(max_term_width = 120)]
pub(crate) struct Cli {
    /// Open the browser there: a saved site, user@host[:port] or ferry://user@host[:port]/path
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

/// Reads a command line, its own name first.
///
/// # Errors
/// The line is not valid, or asks for help.
pub(crate) fn parse(words: &[OsString]) -> Result<(Cli, Global), clap::Error> {
    let definition = definition();
    let words = flags::move_behind_verb(&definition, words.to_vec());
    let matches = definition.try_get_matches_from(words)?;
    Ok((Cli::from_arg_matches(&matches)?, flags::given(&matches)))
}
