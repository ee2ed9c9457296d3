//! The flags of the command line, in groups that verbs share.

pub(crate) mod flags;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, ValueEnum};
use ferry_client::{
    ClientError, reconnect,
    transfer::{Bandwidth, ConflictRule, Filter, FilterError, LinkRule},
    trust::Fingerprint,
};
use ferry_shared::refusal::{Code, Refusal};
use serde::Deserialize;

use crate::{human, secret::Source};

/// How many transfers run side by side, unless the command line says otherwise.
const TRANSFERS: usize = 4;

/// The flags as they were given. A verb knows those of its groups (see [`flags`]); the others have their defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct Global {
    /// How results and messages look.
    pub(crate) common: Common,
    /// How the password is found, and which new servers are trusted.
    pub(crate) login: Login,
    /// Flags about a server, which are saved with a site.
    pub(crate) server: ServerFlags,
    /// How long failures that may pass are put up with.
    pub(crate) patience: Patience,
    /// How transfers are done.
    pub(crate) engine: EngineFlags,
    /// The style of the progress bar.
    pub(crate) bar: BarFlags,
    /// The selection of files.
    pub(crate) filters: Filters,
    /// The rule for symbolic links inside a folder.
    pub(crate) links: Option<Links>,
    /// The rule for targets that exist already.
    pub(crate) on_conflict: Option<Conflict>,
    /// Change nothing.
    pub(crate) dry_run: bool,
}

/// How results and messages look.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Common {
    /// No messages but errors
    #[arg(short = 'q', long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// More messages
    #[arg(short = 'v', long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// One JSON object a line on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Whether to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

/// How the password is found, and which new servers are trusted.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Login {
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) password_stdin: bool,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Accept the key of a server that is not known yet, without asking
    #[arg(long, conflicts_with = "server_key")]
    pub(crate) accept_new: bool,
}

/// Flags about a server, which are saved with a site.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ServerFlags {
    /// Log in with the key in this file: made by ssh-keygen, or its .pub half when ssh-agent holds it
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// The file with the secret of a server that speaks only to clients that know it
    ///
    /// Without it a site's own file is used, then the one that FERRY_SEAL_FILE names.
    #[arg(long, value_name = "FILE")]
    pub(crate) seal_file: Option<PathBuf>,
    /// Accept this server key and no other
    #[arg(long, value_name = "SHA256:…")]
    pub(crate) server_key: Option<Fingerprint>,
}

/// How long failures that may pass are put up with.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Patience {
    /// How long to wait for a server that is away, as 90s, 10m or 2h; 0 is not at all
    ///
    /// The time counts from the failure on; what gets through ends the wait. Transfers wait for ten
    /// minutes, other verbs only where this is given. A server that asks to wait after failed logins
    /// is waited for up to 30 s by every verb.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) retry_for: Option<Duration>,
    /// The most attempts within that time; 0 is never to try again
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
}

/// How transfers are done.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Transfers")]
pub(crate) struct EngineFlags {
    /// How many transfers run side by side
    #[arg(short = 'j', long, value_name = "N", default_value_t = TRANSFERS, value_parser = transfers)]
    pub(crate) transfers: usize,
    /// The most bytes a second, as 10MiB or UP:DOWN; 0 is no limit
    #[arg(long, value_name = "UP[:DOWN]", value_parser = bandwidth)]
    pub(crate) bwlimit: Option<Limit>,
    /// Start every file anew instead of going on from what is there
    #[arg(long)]
    pub(crate) no_resume: bool,
    /// Read each file again after it was written, and compare
    #[arg(long)]
    pub(crate) verify: bool,
}

/// The style of the progress bar.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct BarFlags {
    /// Whether to draw a bar on standard error; `plain` writes lines instead
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) progress: ProgressChoice,
}

/// The selection of files.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct Filters {
    /// Leave out names (or, with a `/`, paths) that match; can be given more than once
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Take only files that match; can be given more than once, --exclude wins
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
}

impl Filters {
    /// Whether none was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.exclude.is_empty() && self.include.is_empty()
    }

    /// The filter they make.
    ///
    /// # Errors
    /// A pattern is empty or none.
    pub(crate) fn filter(&self) -> Result<Filter, FilterError> {
        Filter::new(&self.include, &self.exclude)
    }
}

/// The rule for symbolic links inside a folder.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct LinkFlags {
    /// What to do with symbolic links inside a folder [default: leave them out, name each, exit code 6]
    #[arg(long, value_name = "WHAT")]
    pub(crate) links: Option<Links>,
}

/// The rule for targets that exist already.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Transfers")]
pub(crate) struct ConflictFlags {
    /// What to do where something else is there already [default: ask on a terminal, else fail]
    #[arg(long, value_name = "RULE")]
    pub(crate) on_conflict: Option<Conflict>,
}

/// Whether to change anything.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DryRunFlags {
    /// Change nothing, tell what would be done
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

impl Default for Common {
    fn default() -> Self {
        Self { quiet: false, verbose: 0, json: false, color: ColorChoice::Auto }
    }
}

impl Default for EngineFlags {
    fn default() -> Self {
        Self { transfers: TRANSFERS, bwlimit: None, no_resume: false, verify: false }
    }
}

impl Default for BarFlags {
    fn default() -> Self {
        Self { progress: ProgressChoice::Auto }
    }
}

impl Global {
    /// The file with the server's secret, if there is one: the flag's, the site's, the environment's.
    pub(crate) fn seal_for(&self, site: Option<PathBuf>) -> Option<PathBuf> {
        let environment = || std::env::var_os("FERRY_SEAL_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
        self.server.seal_file.clone().or(site).or_else(environment)
    }

    /// Where passwords come from.
    pub(crate) fn password_source(&self) -> Source {
        match &self.login.password_file {
            Some(file) => Source::File(file.clone()),
            None if self.login.password_stdin => Source::Stdin,
            None => Source::Prompt,
        }
    }
}

/// The rule for symbolic links inside a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Links {
    /// Leave them out; that is no failure
    Skip,
    /// Take what they lead to
    Follow,
}

impl Patience {
    /// The patience of transfers.
    pub(crate) fn of_transfer(self) -> reconnect::Patience {
        let usual = reconnect::Patience::default();
        reconnect::Patience {
            time: self.retry_for.unwrap_or(usual.time),
            retries: self.retries.unwrap_or(usual.retries),
        }
    }

    /// Whether a verb that is no transfer waits at all when it fails so.
    pub(crate) fn waits_for(self, error: &ClientError) -> bool {
        let asked = |refusal: &Refusal| refusal.code == Code::TooManyAttempts;
        self.retry_for.is_some() || matches!(error, ClientError::Refused(refusal) if asked(refusal))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time; write 90s, 10m, 2h or 0");
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => text.parse::<jiff::SignedDuration>().ok().and_then(|time| time.try_into().ok()).ok_or_else(wrong),
    }
}

/// The rule for targets that exist already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Conflict {
    /// Ask, and go on with the rest meanwhile
    Ask,
    /// Keep what is there
    Skip,
    /// Replace it
    Replace,
    /// Replace it if it is older
    Newer,
    /// Replace it if the content differs; that is compared
    Different,
    /// Replace it if size or date differs; what has the same of both is not compared
    Changed,
    /// Give the new one another name
    KeepBoth,
    /// Fail
    Fail,
}

impl Links {
    /// The engine's rule; without a word links are left out, and that is a failure.
    pub(crate) fn rule(links: Option<Self>) -> LinkRule {
        match links {
            None => LinkRule::LeaveOut,
            Some(Self::Skip) => LinkRule::Skip,
            Some(Self::Follow) => LinkRule::Follow,
        }
    }

    /// The word it is written as.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Follow => "follow",
        }
    }
}

impl From<Conflict> for ConflictRule {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Ask => Self::Ask,
            Conflict::Skip => Self::Skip,
            Conflict::Replace => Self::Replace,
            Conflict::Newer => Self::Newer,
            Conflict::Different => Self::Different,
            Conflict::Changed => Self::Changed,
            Conflict::KeepBoth => Self::KeepBoth,
            Conflict::Fail => Self::Fail,
        }
    }
}

/// Whether to draw a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    /// A bar on a terminal, else one line at the end
    Auto,
    /// A bar
    Always,
    /// Nothing while it runs
    Never,
    /// A line every few seconds
    Plain,
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Yes
    Always,
    /// No
    Never,
}

/// The most bytes a second in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Bandwidth);

fn bandwidth(text: &str) -> Result<Limit, String> {
    let (up, down) = text.split_once(':').unwrap_or((text, text));
    Ok(Limit(Bandwidth { up: human::parse_limit(up)?, down: human::parse_limit(down)? }))
}

fn transfers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err("a number from 1 to 64 is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::command_line;

    fn patience(line: &str) -> Patience {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        command_line::parse(&words).unwrap().1.patience
    }

    #[test]
    fn patience_is_a_time_and_retries_are_a_cap() {
        let of = |flags: &str| patience(&format!("ferry get a: b {flags}")).of_transfer();
        assert_eq!(of(""), reconnect::Patience::default());
        for (flags, seconds) in [("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("45", 45), ("0", 0)] {
            assert_eq!(of(&format!("--retry-for {flags}")), reconnect::Patience::of(Duration::from_secs(seconds)));
        }
        let capped = reconnect::Patience { retries: 3, ..reconnect::Patience::default() };
        assert_eq!(of("--retries 3"), capped);
        assert!(duration("soon").is_err() && duration("-1s").is_err() && duration("").is_err());
    }

    #[test]
    fn other_verbs_wait_only_where_they_are_told_to_or_asked_by_the_server() {
        let refused = |code| ClientError::from(Refusal::new(code, ""));
        let waits = |flags: &str, error| patience(&format!("ferry ls a: {flags}")).waits_for(&error);
        assert!(!waits("", ClientError::closed()) && waits("--retry-for 5", ClientError::closed()));
        assert!(waits("", refused(Code::TooManyAttempts)) && !waits("", refused(Code::Busy)));
    }

    #[test]
    fn one_limit_holds_for_both_directions() {
        let limit = |text: &str| bandwidth(text).map(|limit| (limit.0.up, limit.0.down));
        assert_eq!(limit("1KiB"), Ok((Some(1024), Some(1024))));
        assert_eq!(limit("2k:0"), Ok((Some(2000), None)));
        assert_eq!(limit("0:1"), Ok((None, Some(1))));
        assert!(limit("fast").is_err() && limit("").is_err() && limit("1:2:3").is_err());
    }
}
