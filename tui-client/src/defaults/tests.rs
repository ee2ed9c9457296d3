//! Precedence, forbidden flags, and errors with their places.

use std::time::Duration;

use super::*;
use crate::{
    args::{Compress, Conflict, Global, ProgressChoice},
    command_line,
};

fn of(variables: &[(&str, &str)], text: &str) -> Result<Defaults, DefaultsError> {
    let variable = |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into());
    Defaults::of(variable, Path::new("/home/al/config.toml"), text)
}

fn wrong(variables: &[(&str, &str)], text: &str) -> String {
    of(variables, text).unwrap_err().to_string()
}

fn global(line: &str, defaults: &Defaults) -> Global {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    command_line::parse(&words, defaults).unwrap().1
}

#[test]
fn a_flag_outranks_the_environment_which_outranks_the_file_which_outranks_what_is_built_in() {
    let file = "theme = \"dark\"\n[verbs]\ntransfers = 7\nretry-for = \"90s\"\nverify = true\n";
    let transfers = |line: &str, variables: &[(&str, &str)], file: &str| {
        global(line, &of(variables, file).unwrap()).engine.transfers
    };
    let variable = [("FERRY_TRANSFERS", "9")];
    assert_eq!(transfers("ferry put x a:", &[], ""), 4);
    assert_eq!(transfers("ferry put x a:", &[], file), 7);
    assert_eq!(transfers("ferry put x a:", &variable, file), 9);
    for line in ["ferry put -j 2 x a:", "ferry -j2 put x a:", "ferry put x a: --transfers=2"] {
        assert_eq!(transfers(line, &variable, file), 2, "{line}");
    }
    let global = global("ferry put x a:", &of(&[("FERRY_VERIFY", "0")], file).unwrap());
    assert_eq!(global.patience.retry_for, Some(Duration::from_secs(90)));
    assert!(!global.engine.verify, "the environment turns off what the file turns on");
}

#[test]
fn every_settable_flag_takes_effect_and_only_in_verbs_that_have_it() {
    let all = [
        ("FERRY_BWLIMIT", "1KiB:0"),
        ("FERRY_COLOR", "never"),
        ("FERRY_NO_RESUME", "true"),
        ("FERRY_ON_CONFLICT", "skip"),
        ("FERRY_COMPRESS", "never"),
        ("FERRY_PROGRESS", "plain"),
        ("FERRY_QUIET", "1"),
        ("FERRY_RETRIES", "3"),
        ("FERRY_RETRY_FOR", "2h"),
        ("FERRY_TRANSFERS", "5"),
        ("FERRY_VERIFY", "true"),
    ];
    let defaults = of(&all, "").unwrap();
    assert_eq!(defaults.settings.len(), SETTABLE.len());
    let put = global("ferry put x a:", &defaults);
    assert!(put.common.quiet && put.engine.no_resume && put.engine.verify);
    assert_eq!((put.engine.transfers, put.patience.retries), (5, Some(3)));
    assert_eq!((put.on_conflict, put.bar.progress), (Some(Conflict::Skip), ProgressChoice::Plain));
    assert_eq!(put.engine.compress, Compress::Never);
    assert!(put.engine.bwlimit.is_some() && put.patience.retry_for.is_some());
    for line in ["ferry ls a:", "ferry run a: -- du", "ferry site list", "ferry completion bash", "ferry sync x a:"] {
        assert!(global(line, &defaults).common.quiet, "{line}");
    }
    // The browser has settings of its own.
    assert!(!global("ferry a:", &defaults).common.quiet);
    // A default gives way to a flag that contradicts it.
    let loud = global("ferry ls -v a:", &defaults);
    assert!(!loud.common.quiet && loud.common.verbose == 1);
}

#[test]
fn what_deletes_replaces_trusts_or_is_secret_is_refused_with_the_cause() {
    let names = NEVER.iter().flat_map(|(names, why)| names.iter().map(move |name| (*name, *why)));
    let of_site = OF_SITE.iter().map(|name| (*name, "belongs to one server"));
    for (name, why) in names.chain(of_site) {
        for value in ["1", "0", "false", "anything"] {
            let variable = variable_of(name);
            let told = wrong(&[(&*variable, value)], "");
            assert!(told.starts_with(&format!("{variable}: --{name} ")) && told.contains(why), "{told}");
            let told = wrong(&[], &format!("mouse = true\n\n[verbs]\n{name} = \"{value}\"\n"));
            assert!(told.starts_with("/home/al/config.toml, line 4: ") && told.contains(why), "{told}");
        }
    }
    for value in ["replace", "newer", "different", "changed"] {
        let told = wrong(&[("FERRY_ON_CONFLICT", value)], "");
        assert!(told.starts_with("FERRY_ON_CONFLICT: ") && told.contains("can replace"), "{told}");
        assert!(wrong(&[], &format!("[verbs]\non-conflict = \"{value}\"")).contains("line 2: "), "{value}");
    }
}

#[test]
fn an_error_names_the_variable_or_the_line_also_where_the_setting_is_outranked() {
    for (text, told) in [
        ("[verbs]\ntransfers = 65", "line 2: "),
        ("\n[verbs]\nverify = true\nprogress = \"sometimes\"", "line 4: "),
        ("[verbs]\nverify = \"maybe\"", "line 2: --verify is on or off"),
        ("[verbs]\njobs = 3", "line 2: there is no default for `jobs`"),
        ("[verbs]\njson = true", "line 2: there is no default for `json`"),
        ("[verbs]\ntransfers = [4]", "line 2: `transfers` must be"),
        ("verbs = 3", "line 1: `verbs` must be a table"),
        ("[verbs]\nsite = \"a b\"", "line 2: "),
        ("[verbs\n", "line 1: "),
    ] {
        let message = wrong(&[("FERRY_TRANSFERS", "3")], text);
        assert!(message.starts_with(&format!("/home/al/config.toml, {told}")), "{text}: {message}");
    }
    let told = wrong(&[("FERRY_TRANSFERS", "many")], "");
    assert!(told.starts_with("FERRY_TRANSFERS: ") && told.contains("from 1 to 64") && !told.contains('\n'), "{told}");
    assert!(wrong(&[("FERRY_COLOR", "red")], "").contains("always"));
    let told = wrong(&[("FERRY_SITE", "ferry://al:secret@host/")], "");
    assert!(told.starts_with("FERRY_SITE: ") && !told.contains("secret"), "{told}");
    assert_eq!(of(&[("FERRY_TRANSFERS", ""), ("FERRY_DELETE", "")], "").unwrap(), Defaults::default());
}

#[test]
fn the_help_says_where_a_default_comes_from() {
    let help = |verb: &str, defaults: &Defaults| {
        let words = ["ferry", verb, "--help"].map(OsString::from);
        let text = command_line::parse(&words, defaults).unwrap_err().to_string();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let text = help("get", &Defaults::default());
    for name in SETTABLE {
        assert!(text.contains(&format!("[env: {}]", variable_of(name))), "{name}: {text}");
    }
    let set = of(&[("FERRY_TRANSFERS", "9")], "[verbs]\nretry-for = \"90s\"").unwrap();
    let text = help("get", &set);
    assert!(text.contains("[default from FERRY_TRANSFERS: 9]") && !text.contains("[default: 4]"), "{text}");
    assert!(text.contains("[default from /home/al/config.toml, line 2: 90s]"), "{text}");
}

#[test]
fn the_commented_file_has_every_setting_at_what_is_built_in() {
    let text = include_str!("../../../assets/config.toml").replace("#: ", "");
    let defaults = of(&[], &text).unwrap();
    assert_eq!(defaults.settings.len(), SETTABLE.len() + 1);
    let Global { engine, bar, common, .. } = global("ferry get a: b", &defaults);
    let usual = Global::default();
    assert_eq!((engine.transfers, bar.progress), (usual.engine.transfers, usual.bar.progress));
    assert_eq!((engine.verify, common.quiet, common.color), (false, false, usual.common.color));
}

/// A new flag is settable, forbidden, or named here as one that has no default.
#[test]
fn no_flag_of_a_verb_is_forgotten() {
    const NO_DEFAULT: &[&str] = &[
        "all",
        "bytes",
        "depth",
        "sha256",
        "checksum",
        "children",
        "dry-run",
        "exclude",
        "exclude-from",
        "files-from",
        "fill",
        "from-command",
        "growing",
        "include",
        "keep-going",
        "json",
        "limit",
        "lock",
        "long",
        "max-size",
        "min-size",
        "newer-than",
        "parents",
        "seal-file",
        "verbose",
    ];
    fn look(command: &Command, forgotten: &mut Vec<String>) {
        for long in command.get_arguments().filter_map(Arg::get_long) {
            let refused = NEVER.iter().any(|(names, _)| names.contains(&long)) || OF_SITE.contains(&long);
            let known = SETTABLE.contains(&long) || NO_DEFAULT.contains(&long);
            if known == refused {
                forgotten.push(format!("{} --{long}", command.get_name()));
            }
        }
        command.get_subcommands().for_each(|verb| look(verb, forgotten));
    }
    let mut forgotten = Vec::new();
    look(&command_line::definition(), &mut forgotten);
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn an_address_that_begins_with_a_colon_is_at_the_default_site() {
    let at = |address: &str, site: &str| {
        let address = Address::remote(OsStr::new(address)).unwrap();
        let Address { path, .. } = address.at_default(site).unwrap();
        String::from_utf8(path).unwrap()
    };
    assert_eq!(at(":docs", "work"), "docs");
    assert_eq!(at(":docs", "al@host:9000"), "docs");
    assert_eq!(at(":docs", "al@host:base"), "base/docs");
    assert_eq!(at(":", "al@host:base"), "base/");
    assert_eq!(at(":/docs", "al@host:base"), "/docs");
    assert_eq!(at(":docs", "sftp://host"), "/~/docs");
    assert_eq!(at(":docs", "sftp://host/srv"), "/srv/docs");
    let set = of(&[("FERRY_SITE", "work")], "[verbs]\nsite = \"home\"").unwrap();
    assert_eq!(global("ferry ls :", &set).site, Some("work".to_owned()));
}
