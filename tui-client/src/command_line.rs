//! The complete command line: the verbs with their flags, and the examples in its help.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, error::ErrorKind};

use crate::{
    address::is_site_name,
    args::{Global, flags},
    cli::Command,
    defaults::Defaults,
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
With FERRY_SITE set, :path is a path there. Defaults of flags are in docs/scripting.md.
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
    Defaults::default().described(flags::add_to_verbs(Cli::command()))
}

/// Parses a command line, including the program name, with `defaults` for flags that it does not give.
///
/// # Errors
/// The line is not valid, or asks for help.
pub(crate) fn parse(words: &[OsString], defaults: &Defaults) -> Result<(Cli, Global), clap::Error> {
    parse_known(words, defaults).map_err(|error| match error.kind() {
        ErrorKind::UnknownArgument => unknown_verb(words).unwrap_or(error),
        _ => error,
    })
}

/// The error for a command line whose first word must be a misspelled verb: the parser would treat the word as a
/// site, and report an error for the next one.
fn unknown_verb(words: &[OsString]) -> Option<clap::Error> {
    let (verb, rest) = words.get(1..)?.split_first()?;
    let named = verb.to_str().is_some_and(is_site_name);
    if !named || rest.iter().all(|word| word.as_encoded_bytes().starts_with(b"-")) {
        return None;
    }
    // Only a verb can follow a site.
    let words = [words.first()?.clone(), "user@host".into(), verb.clone()];
    let error = parse_known(&words, &Defaults::default()).err();
    error.filter(|error| error.kind() == ErrorKind::InvalidSubcommand)
}

fn parse_known(words: &[OsString], defaults: &Defaults) -> Result<(Cli, Global), clap::Error> {
    let definition = defaults.described(flags::add_to_verbs(Cli::command()));
    let words = flags::move_behind_verb(&definition, words.to_vec());
    let matches = definition.clone().try_get_matches_from(&words)?;
    let words = defaults.add_to(&definition, &matches, words);
    let matches = definition.try_get_matches_from(words)?;
    let global = Global { site: defaults.site().map(str::to_owned), ..flags::given(&matches) };
    Ok((Cli::from_arg_matches(&matches)?, global))
}
