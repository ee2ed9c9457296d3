//! Completion of command lines: the shell runs `ferry`, which knows verbs, flags, saved servers and files, and asks
//! servers for paths.
//!
//! The scripts for bash and zsh are our own, because these shells split and quote words in their own ways. Other
//! shells get the scripts of `clap_complete`.

mod remote;

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::Path,
};

use clap::{Arg, Command, ValueHint};
use clap_complete::{
    engine::{self, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _},
    env::{CompleteEnv, Elvish, EnvCompleter, Fish, Powershell, Shells},
};

use crate::{home::Home, sites::Sites};

/// Set to the shell's name by a completion script.
const VARIABLE: &str = "FERRY_COMPLETE";
/// The index of the word to be completed, starting with 0; set by a completion script.
const INDEX: &str = "_CLAP_COMPLETE_INDEX";

/// The supported shells.
const SHELLS: Shells<'static> = Shells(&[&BASH, &Elvish, &Fish, &Powershell, &ZSH]);
const BASH: Script = Script { shell: "bash", text: include_str!("completion/ferry.bash") };
const ZSH: Script = Script { shell: "zsh", text: include_str!("completion/ferry.zsh") };

/// Answers a completion script for the command line of `definition`, if such a script started this program. Returns
/// whether it did.
///
/// # Errors
/// The answer cannot be written, or the request is not valid.
pub(crate) fn answered(words: &[OsString], definition: fn() -> Command) -> clap::error::Result<bool> {
    let env = CompleteEnv::with_factory(|| completing(definition()))
        .var(VARIABLE)
        .bin("ferry")
        .completer("ferry")
        .shells(SHELLS);
    env.try_complete(words, std::env::current_dir().ok().as_deref())
}

/// The script for `shell`; `None` for an unknown shell.
pub(crate) fn script(shell: &str) -> Option<Vec<u8>> {
    let mut script = Vec::new();
    SHELLS.completer(shell)?.write_registration(VARIABLE, "ferry", "ferry", "ferry", &mut script).ok()?;
    Some(script)
}

/// Adds completers to the arguments of `definition`, according to their names in the help, so that arguments of new
/// verbs are included.
fn completing(definition: Command) -> Command {
    definition.mut_args(|arg| completed(arg, "")).mut_subcommands(in_verb)
}

fn in_verb(verb: Command) -> Command {
    let name = verb.get_name().to_owned();
    verb.mut_args(|arg| completed(arg, &name)).mut_subcommands(in_verb)
}

fn completed(arg: Arg, verb: &str) -> Arg {
    let named = arg.get_value_names().and_then(|names| names.first()).map(|name| name.to_string()).unwrap_or_default();
    let (remote, local) = (named.contains("REMOTE"), named.contains("LOCAL"));
    match (remote, local, &*named) {
        (true, true, _) => arg.add(ArgValueCompleter::new(remotes_and_files)),
        (true, ..) => arg.add(ArgValueCompleter::new(remotes)),
        (_, true, _) => arg.value_hint(ValueHint::AnyPath),
        (.., "FROM… TO" | "FROM" | "TO") => arg.add(ArgValueCompleter::new(remotes_and_files)),
        (.., "SITE") => arg.add(ArgValueCompleter::new(site_names)),
        (.., "NAME") if verb == "remove" => arg.add(ArgValueCompleter::new(site_names)),
        _ => arg,
    }
}

/// The saved servers; none if the file cannot be read, because errors cannot be reported here.
fn names() -> Vec<String> {
    let sites = Home::find().ok().and_then(|home| Sites::load(home.sites()).ok());
    sites.map(|sites| sites.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default()
}

fn site_names(current: &OsStr) -> Vec<CompletionCandidate> {
    matching(current, names())
}

fn remotes(current: &OsStr) -> Vec<CompletionCandidate> {
    if names_a_server(current) {
        return remote::paths(current);
    }
    matching(current, names().into_iter().map(|name| name + ":").collect())
}

fn remotes_and_files(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut all = remotes(current);
    if !names_a_server(current) {
        all.extend(PathCompleter::any().complete(current));
    }
    all
}

/// Whether a word has the server of an address before its end.
fn names_a_server(current: &OsStr) -> bool {
    let bytes = current.as_encoded_bytes();
    bytes.iter().position(|b| matches!(b, b':' | b'/')).is_some_and(|at| bytes[at] == b':')
}

fn matching(current: &OsStr, names: Vec<String>) -> Vec<CompletionCandidate> {
    let fits = |name: &String| name.as_bytes().starts_with(current.as_encoded_bytes());
    names.into_iter().filter(fits).map(CompletionCandidate::new).collect()
}

/// A shell with our own script. Candidates are written one per line, each followed by a tab and its help.
struct Script {
    shell: &'static str,
    text: &'static str,
}

impl EnvCompleter for Script {
    fn name(&self) -> &'static str {
        self.shell
    }

    fn is(&self, name: &str) -> bool {
        name == self.shell
    }

    fn write_registration(&self, _: &str, _: &str, _: &str, _: &str, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.text.as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let index = std::env::var(INDEX).ok().and_then(|index| index.parse().ok());
        let index = index.unwrap_or_else(|| words.len().saturating_sub(1));
        for (value, help) in candidates(command, words, index, folder)? {
            writeln!(out, "{value}\t{help}")?;
        }
        Ok(())
    }
}

/// The candidates, each with a line of help.
fn candidates(
    command: &mut Command,
    words: Vec<OsString>,
    index: usize,
    folder: Option<&Path>,
) -> io::Result<Vec<(String, String)>> {
    // Flags would hide the other candidates if nothing has been typed yet.
    let wants_flags = words.get(index).is_some_and(|word| word.as_encoded_bytes().starts_with(b"-"));
    let found = engine::complete(command, words, index, folder)?;
    let text = found.iter().filter_map(|candidate| {
        // A name that is not UTF-8 or has control characters cannot be passed to the shell.
        let value = candidate.get_value().to_str().filter(|value| !value.contains(char::is_control))?;
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.lines().next().unwrap_or_default().replace('\t', " ");
        (wants_flags || !value.starts_with('-')).then(|| (value.to_owned(), help))
    });
    Ok(text.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_line::definition;

    fn offered(line: &str) -> Vec<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let (last, folder) = (words.len() - 1, tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("report.odt"), "").unwrap();
        let found = candidates(&mut completing(definition()), words, last, Some(folder.path())).unwrap();
        found.into_iter().map(|(value, _)| value).collect()
    }

    #[test]
    fn verbs_are_offered_and_flags_only_after_a_dash() {
        assert_eq!(offered("ferry ge"), ["get"]);
        let all = offered("ferry ");
        assert!(all.iter().any(|word| word == "put") && !all.iter().any(|word| word.starts_with('-')), "{all:?}");
        assert!(offered("ferry ls --js").contains(&"--json".to_owned()));
        assert_eq!(offered("ferry put --on-conflict kee"), ["keep-both"]);
    }

    /// Every argument that names a server, a file or a site has a completer.
    #[test]
    fn no_argument_of_a_verb_is_forgotten() {
        fn look(command: &Command, forgotten: &mut Vec<String>) {
            for arg in command.get_positionals() {
                let known = arg.get::<ArgValueCompleter>().is_some()
                    || arg.get_value_hint() != ValueHint::Unknown
                    || !arg.get_possible_values().is_empty();
                let free = ["PATTERN", "NAME", "ADDRESS", "CMD", "COMMAND"];
                let named = arg.get_value_names().unwrap_or_default().iter().any(|name| free.contains(&name.as_str()));
                if !known && !named {
                    forgotten.push(format!("{} {arg}", command.get_name()));
                }
            }
            command.get_subcommands().for_each(|verb| look(verb, forgotten));
        }
        let mut forgotten = Vec::new();
        look(&completing(definition()), &mut forgotten);
        assert!(forgotten.is_empty(), "{forgotten:?}");
    }

    #[test]
    fn no_local_files_are_offered_after_a_server() {
        // No site has this name.
        let current = OsStr::new("no.such.site:");
        assert!(remotes_and_files(current).iter().all(|found| found.get_value().to_string_lossy().contains(':')));
    }
}
