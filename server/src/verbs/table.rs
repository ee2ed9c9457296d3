//! The verbs and their arguments.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, pin::Pin};

use clap::{ColorChoice, CommandFactory as _, Parser, error::ErrorKind};

use super::{UNKNOWN, call::Call, cp, df, du, find, head, mv, sums, tail, tar_list, wc};
use crate::files::Algorithm;

/// Commands that are built into the server. Paths start in your home.
#[derive(Debug, Parser)]
#[command(multicall = true, color = ColorChoice::Never, max_term_width = 100, subcommand_value_name = "COMMAND")]
#[command(subcommand_help_heading = "Commands")]
enum Verb {
    /// Copy files and folders
    Cp(cp::CpArgs),
    /// Show the room that your quota leaves
    Df(df::DfArgs),
    /// Show the size of folders and files
    Du(du::DuArgs),
    /// Find entries below folders
    #[command(override_usage = find::USAGE)]
    Find(find::FindArgs),
    /// Show digests of files, by default BLAKE3
    Hash(sums::HashArgs),
    /// Show the first lines of files
    Head(head::HeadArgs),
    /// Show the last lines of files
    Tail(tail::TailArgs),
    /// Count lines, words and bytes of files
    Wc(wc::WcArgs),
    /// Move or rename files and folders
    Mv(mv::MvArgs),
    /// List the entries of tar archives
    TarList(tar_list::TarListArgs),
    /// Show MD5 digests of files
    Md5sum(sums::SumArgs),
    /// Show SHA-1 digests of files
    Sha1sum(sums::SumArgs),
    /// Show SHA-256 digests of files
    Sha256sum(sums::SumArgs),
    /// Show BLAKE3 digests of files
    B3sum(sums::SumArgs),
}

/// Begins the command of these words.
pub(super) fn begin(call: Call, words: &[Vec<u8>]) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    let Some(name) = words.first().filter(|name| !name.is_empty()) else {
        call.console.error("ferryd: a command is missing; `help` lists them");
        return Box::pin(async { usage_status(b"") });
    };
    if name != b"help" && !Verb::command().get_subcommands().any(|verb| verb.get_name().as_bytes() == name) {
        call.console.error(&format!("ferryd: {}: there is no such command; `help` lists them", call.name));
        return Box::pin(async { UNKNOWN });
    }
    match Verb::try_parse_from(os_words(words)) {
        Ok(verb) => Box::pin(run(verb, call)),
        Err(error) if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            call.console.error(&format!("{}: {}", call.name, error.to_string().trim_start_matches("error: ")));
            let status = usage_status(name);
            Box::pin(async move { status })
        }
        Err(help) => Box::pin(async move {
            call.print(help.to_string()).await;
            0
        }),
    }
}

async fn run(verb: Verb, mut call: Call) -> u8 {
    let it = &mut call;
    match verb {
        Verb::Cp(args) => cp::run(args, it).await,
        Verb::Df(args) => df::run(&args, it).await,
        Verb::Du(args) => du::run(args, it).await,
        Verb::Find(args) => find::run(args, it).await,
        Verb::Hash(args) => sums::run_hash(args, it).await,
        Verb::Head(args) => head::run(args, it).await,
        Verb::Tail(args) => tail::run(args, it).await,
        Verb::Wc(args) => wc::run(args, it).await,
        Verb::Mv(args) => mv::run(args, it).await,
        Verb::TarList(args) => tar_list::run(args, it).await,
        Verb::Md5sum(args) => sums::run(args, Algorithm::Md5, it).await,
        Verb::Sha1sum(args) => sums::run(args, Algorithm::Sha1, it).await,
        Verb::Sha256sum(args) => sums::run(args, Algorithm::Sha256, it).await,
        Verb::B3sum(args) => sums::run(args, Algorithm::Blake3, it).await,
    }
    call.status()
}

/// The status of a command with wrong arguments: that of the program of the same name.
fn usage_status(name: &[u8]) -> u8 {
    match name {
        b"" | b"help" | b"hash" | b"b3sum" | b"tar-list" => 2,
        _ => 1,
    }
}

/// The words as clap expects them. `head` and `tail` accept the old form of a number of lines, `-5`, as first argument.
fn os_words(words: &[Vec<u8>]) -> impl Iterator<Item = OsString> {
    let has_lines = matches!(words.first().map(Vec::as_slice), Some(b"head" | b"tail"));
    words.iter().enumerate().map(move |(at, word)| {
        let number =
            word.strip_prefix(b"-").filter(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
        OsString::from_vec(match number {
            Some(digits) if has_lines && at == 1 => [b"-n", digits].concat(),
            _ => word.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Verb::command().debug_assert();
    }
}
