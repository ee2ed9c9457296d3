//! The table of the flags of each verb, from which help, completions and manual pages are generated.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, ArgMatches, Args, Command};

use super::{
    BarFlags, Common, ConflictFlags, DryRunFlags, EngineFlags, Filters, Global, LinkFlags, Login, Patience,
    ServerFlags,
    ends::{Ends, FromFlags, ToFlags},
};

/// A group of flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Common,
    Login,
    Server,
    Ends,
    Patience,
    Engine,
    Bar,
    Filters,
    Links,
    Conflict,
    DryRun,
}

use Group::{Bar, Conflict, DryRun, Engine, Filters as Filter, Links, Login as Password, Patience as Wait, Server};

/// All groups.
const ALL: [Group; 11] =
    [DryRun, Conflict, Engine, Filter, Links, Bar, Password, Server, Group::Ends, Wait, Group::Common];
/// The flags of every verb that connects to a server.
const CONNECTS: [Group; 3] = [Password, Server, Wait];

/// The groups of a verb in addition to [`Common`]; the empty name is the browser.
fn groups(verb: &str) -> Vec<Group> {
    let more: &[Group] = match verb {
        "completion" | "man" | "list" | "site" | "help" => return Vec::new(),
        "add" => return vec![DryRun, Server, Links],
        "import" | "remove" | "forget" => return vec![DryRun],
        "password" => return vec![DryRun, Password],
        "" => &[Engine, Conflict, Links],
        "get" | "put" => &[DryRun, Conflict, Engine, Filter, Links, Bar],
        "cp" | "mv" => &[DryRun, Conflict, Engine, Filter, Links, Bar, Group::Ends],
        "watch" => &[Engine, Filter, Links, Bar],
        "sync" => &[DryRun, Engine, Filter, Links, Bar, Group::Ends],
        "rm" => &[DryRun, Filter],
        "check" => &[Filter, Links],
        "ls" | "tree" | "du" | "find" => &[Filter],
        "mkdir" | "touch" | "uploads" | "passwd" | "register" => &[DryRun],
        _ => &[],
    };
    [more, &CONNECTS].concat()
}

/// The flag groups that a verb about saved servers accepts but hides in its help. The verb does not connect, but
/// scripts may pass the same login flags to all calls of `ferry`.
fn tolerated(verb: &str) -> Vec<Group> {
    match verb {
        "add" | "forget" | "import" | "list" | "password" | "remove" => {
            CONNECTS.into_iter().filter(|group| !groups(verb).contains(group)).collect()
        }
        _ => Vec::new(),
    }
}

/// Adds the flags of `group` to `command` without listing them in its help.
fn with_hidden(command: Command, group: Group) -> Command {
    let flags = group.add_to(Command::new("flags"));
    flags.get_arguments().fold(command, |command, flag| command.arg(flag.clone().hide(true)))
}

impl Group {
    fn add_to(self, command: Command) -> Command {
        match self {
            Self::Common => Common::augment_args(command),
            Self::Login => Login::augment_args(command),
            Self::Server => ServerFlags::augment_args(command),
            Self::Ends => ToFlags::augment_args(FromFlags::augment_args(command)),
            Self::Patience => Patience::augment_args(command),
            Self::Engine => EngineFlags::augment_args(command),
            Self::Bar => BarFlags::augment_args(command),
            Self::Filters => Filters::augment_args(command),
            Self::Links => LinkFlags::augment_args(command),
            Self::Conflict => ConflictFlags::augment_args(command),
            Self::DryRun => DryRunFlags::augment_args(command),
        }
    }
}

/// Adds the flags of each verb to the command line `program`.
pub(crate) fn add_to_verbs(program: Command) -> Command {
    with_flags(program, "")
}

fn with_flags(command: Command, name: &str) -> Command {
    // The description of a group would replace the verb's.
    let (about, long_about) = (command.get_about().cloned(), command.get_long_about().cloned());
    let mut command =
        groups(name).into_iter().chain([Group::Common]).fold(command, |command, group| group.add_to(command));
    if let Some(about) = about {
        command = command.about(about);
    }
    if let Some(long_about) = long_about {
        command = command.long_about(long_about);
    }
    command = tolerated(name).into_iter().fold(command, with_hidden);
    command.mut_subcommands(|verb| {
        let name = verb.get_name().to_owned();
        with_flags(verb, &name)
    })
}

/// The flag of this long name, if it is in a group.
pub(crate) fn flag(long: &str) -> Option<Arg> {
    let flags = ALL.into_iter().fold(Command::new("flags"), |flags, group| group.add_to(flags));
    flags.get_arguments().find(|arg| arg.get_long() == Some(long)).cloned()
}

/// The flags that were given, with defaults for those that the verb does not accept.
pub(crate) fn given(matches: &ArgMatches) -> Global {
    let mut verb = matches;
    while let Some((_, inner)) = verb.subcommand() {
        verb = inner;
    }
    Global {
        common: group(verb),
        login: group(verb),
        server: group(verb),
        ends: Ends { from: group::<FromFlags>(verb).into(), to: group::<ToFlags>(verb).into() },
        patience: group(verb),
        engine: group(verb),
        bar: group(verb),
        filters: group(verb),
        links: group::<LinkFlags>(verb).links,
        on_conflict: group::<ConflictFlags>(verb).on_conflict,
        dry_run: group::<DryRunFlags>(verb).dry_run,
        site: None,
    }
}

/// The flags of one group, or the defaults if the verb does not accept them.
fn group<G: Args + Default>(matches: &ArgMatches) -> G {
    let known = G::group_id().is_some_and(|id| matches.try_contains_id(id.as_str()).is_ok());
    if known { G::from_arg_matches(matches).unwrap_or_default() } else { G::default() }
}

/// Moves flags from before the verb to behind it, where each verb knows its own flags.
pub(crate) fn move_behind_verb(command: &Command, mut words: Vec<OsString>) -> Vec<OsString> {
    let flags = ALL.into_iter().fold(Command::new("flags"), |flags, group| group.add_to(flags));
    let mut first = 1;
    while let Some(width) = words.get(first).and_then(|word| flag_width(&flags, word)) {
        first += width;
    }
    let (mut end, mut inner) = (first, command);
    while let Some(verb) = words.get(end).and_then(|word| inner.find_subcommand(word)) {
        (inner, end) = (verb, end + 1);
    }
    if first < end {
        words[1..end].rotate_left(first - 1);
    }
    words
}

/// The number of words of one of `flags` with its value; `None` for any other word.
fn flag_width(flags: &Command, word: &OsStr) -> Option<usize> {
    let text = word.to_str()?;
    if let Some(long) = text.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let takes = takes_value(flags, |arg| arg.get_long() == Some(name))?;
        return Some(if takes && value.is_none() { 2 } else { 1 });
    }
    let mut letters = text.strip_prefix('-').filter(|letters| !letters.is_empty())?.chars();
    while let Some(letter) = letters.next() {
        if takes_value(flags, |arg| arg.get_short() == Some(letter))? {
            return Some(if letters.as_str().is_empty() { 2 } else { 1 });
        }
    }
    Some(1)
}

/// Whether the flag selected by `is` takes a value; `None` if there is no such flag.
fn takes_value(flags: &Command, is: impl Fn(&Arg) -> bool) -> Option<bool> {
    let found = flags.get_arguments().find(|arg| is(arg))?;
    Some(matches!(found.get_action(), ArgAction::Set | ArgAction::Append))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        args::ProgressChoice,
        command_line::{self, Cli, definition},
        defaults::Defaults,
    };

    fn read(line: &str) -> Result<(Cli, Global), clap::Error> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        command_line::parse(&words, &Defaults::default())
    }

    #[test]
    fn the_definitions_are_consistent() {
        definition().debug_assert();
    }

    #[test]
    fn flags_are_accepted_before_and_after_the_verb_and_its_arguments() {
        for line in [
            "ferry get a@h:1:/x dst/ -q --accept-new --password-file F",
            "ferry -q --accept-new --password-file F get a@h:1:/x dst/",
            "ferry get -q a@h:1:/x --accept-new dst/ --password-file=F",
            "ferry --password-file=F --accept-new get -q a@h:1:/x dst/",
        ] {
            let (_, global) = read(line).unwrap();
            assert!(global.common.quiet && global.login.accept_new, "{line}");
            assert_eq!(global.login.password_file, Some("F".into()), "{line}");
        }
        let (cli, global) = read("ferry --identity F -n site add work a@h").unwrap();
        assert!(cli.command.is_some() && global.dry_run && global.server.identity == Some("F".into()));
    }

    #[test]
    fn a_flag_before_the_verb_is_not_overridden_by_its_default() {
        for line in
            ["ferry -j 2 --retries 0 --progress never get a:x y", "ferry -qnj2 --retries=0 --progress never get a:x y"]
        {
            let (_, global) = read(line).unwrap();
            let seen = (global.engine.transfers, global.patience.retries, global.bar.progress);
            assert_eq!(seen, (2, Some(0), ProgressChoice::Never), "{line}");
        }
    }

    #[test]
    fn a_verb_accepts_only_flags_that_apply_to_it() {
        for line in [
            "ls a: --on-conflict skip",
            "ls a: -n",
            "ls a: -j 2",
            "-j 2 ls a:",
            "cat a:x --exclude y",
            "--exclude y cat a:x",
            "stat a:x --include y",
            "hash a:x --include y",
            "mkdir a:x --exclude y",
            "quota a: --include y",
            "uploads a: --include y",
            "passwd a: --exclude y",
            "register a: --exclude y",
            "site list --exclude y",
            "site add x a@h --include y",
            "completion bash --password-stdin",
            "rm a:x --verify",
            "--exclude y",
            "--dry-run a:",
        ] {
            let error = read(&format!("ferry {line}")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn verbs_about_saved_servers_accept_login_flags_without_listing_them() {
        for line in ["site add x a@h", "site import", "site list", "site remove x"] {
            assert!(read(&format!("ferry {line} --accept-new --password-file f --retries 0")).is_ok(), "{line}");
            let help = read(&format!("ferry {line} --help")).unwrap_err().to_string();
            assert!(!help.contains("--accept-new") && !help.contains("--retries"), "{help}");
        }
    }

    #[test]
    fn verbs_that_walk_folders_accept_filters() {
        for verb in [
            "put x a:",
            "get a:x y",
            "cp a:x a:y",
            "mv a:x a:y",
            "sync x a:y",
            "rm a:x",
            "ls a:",
            "find a:",
            "tree a:",
            "du a:",
            "check x a:",
        ] {
            let (_, global) = read(&format!("ferry {verb} --include *.a --exclude b --exclude c")).unwrap();
            assert_eq!((global.filters.include.len(), global.filters.exclude.len()), (1, 2), "{verb}");
        }
    }

    #[test]
    fn contradictory_flags_are_refused() {
        for flags in ["--password-stdin --password-file f", "-q -v", "--accept-new --server-key x", "-j 0", "-j 65"] {
            assert!(read(&format!("ferry get a:x y {flags}")).is_err(), "{flags}");
        }
    }
}
