//! The flags of the command line, in groups shared by verbs.

pub(crate) mod ends;
pub(crate) mod flags;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, ValueEnum};
use ferry_client::{
    ClientError, reconnect,
    transfer::{Bandwidth, ConflictRule, Filter, FilterError, LinkRule},
    trust::Fingerprint,
};
use ferry_shared::{
    packing::Pack,
    refusal::{Code, Refusal},
};
use serde::Deserialize;

use crate::human;

/// The default number of concurrent transfers.
const TRANSFERS: usize = 4;

/// The flags that were given. A verb accepts those of its groups (see [`flags`]); the others have their defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct Global {
    /// The form of results and messages.
    pub(crate) common: Common,
    /// The source of the password, and the trust in new servers.
    pub(crate) login: Login,
    /// Flags about a server, which are saved with a site.
    pub(crate) server: ServerFlags,
    /// The same for each end of a command with two ends.
    pub(crate) ends: ends::Ends,
    /// How long to retry after temporary failures.
    pub(crate) patience: Patience,
    /// The options of transfers.
    pub(crate) engine: EngineFlags,
    /// The style of the progress bar.
    pub(crate) bar: BarFlags,
    /// The selection of files.
    pub(crate) filters: Filters,
    /// The rule for symbolic links inside a folder.
    pub(crate) links: Option<Links>,
    /// The rule for existing targets.
    pub(crate) on_conflict: Option<Conflict>,
    /// Change nothing.
    pub(crate) dry_run: bool,
    /// The site of addresses that name none; there is no flag for it.
    pub(crate) site: Option<String>,
}

impl Global {
    /// Adds the flags of the batch that this command is a line of, where the line says nothing else.
    pub(crate) fn inherit(&mut self, batch: &Self) {
        let Self { common, login, server, patience, .. } = batch;
        self.common.json |= common.json;
        self.common.quiet |= common.quiet && self.common.verbose == 0;
        if !self.common.quiet {
            self.common.verbose = self.common.verbose.max(common.verbose);
        }
        if self.common.color == ColorChoice::Auto {
            self.common.color = common.color;
        }
        if self.login.password_file.is_none() && !self.login.password_stdin {
            self.login.password_file.clone_from(&login.password_file);
            self.login.password_stdin = login.password_stdin;
        }
        self.login.accept_new |= login.accept_new;
        self.server.identity = self.server.identity.take().or_else(|| server.identity.clone());
        self.server.seal_file = self.server.seal_file.take().or_else(|| server.seal_file.clone());
        self.server.server_key = self.server.server_key.or(server.server_key);
        self.patience.retry_for = self.patience.retry_for.or(patience.retry_for);
        self.patience.retries = self.patience.retries.or(patience.retries);
    }
}

/// The form of results and messages.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Common {
    /// Show errors only
    #[arg(short = 'q', long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// More messages
    #[arg(short = 'v', long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Write one JSON object per line to standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Whether to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

/// The source of the password, and the trust in new servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Login {
    /// Read the password from standard input
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) password_stdin: bool,
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Accept the key of an unknown server without asking
    #[arg(long, conflicts_with = "server_key")]
    pub(crate) accept_new: bool,
}

/// Flags about a server, which are saved with a site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ServerFlags {
    /// Log in with the key in this file: a private key of ssh-keygen, or a public key whose private key is in
    /// ssh-agent
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// The file with the secret of a server that has a seal
    ///
    /// The default is the file saved with the site, then the one in FERRY_SEAL_FILE.
    #[arg(long, value_name = "FILE")]
    pub(crate) seal_file: Option<PathBuf>,
    /// Accept only this server key
    #[arg(long, value_name = "SHA256:…")]
    pub(crate) server_key: Option<Fingerprint>,
}

/// How long to retry after temporary failures.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Patience {
    /// How long to retry if the server is unavailable, such as 90s, 10m or 2h; 0 disables retrying
    ///
    /// The time starts at the failure, and ends with the next progress. Transfers retry for ten minutes by default,
    /// other verbs do not retry. Every verb waits up to 30 s if the server asks to wait after failed logins.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) retry_for: Option<Duration>,
    /// The maximum number of retries within that time; 0 disables retrying
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,
}

/// The options of transfers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Transfers")]
pub(crate) struct EngineFlags {
    /// The number of concurrent transfers
    #[arg(short = 'j', long, value_name = "N", default_value_t = TRANSFERS, value_parser = transfers)]
    pub(crate) transfers: usize,
    /// The maximum bytes per second, such as 10MiB or UP:DOWN; 0 means no limit
    #[arg(long, value_name = "UP[:DOWN]", value_parser = bandwidth)]
    pub(crate) bwlimit: Option<Limit>,
    /// Whether to compress what is sent to and by a ferry server; `auto` does while that is faster
    #[arg(long, value_name = "WHEN", default_value = "auto", num_args = 0..=1, default_missing_value = "always")]
    #[arg(require_equals = true)]
    pub(crate) compress: Compress,
    /// Start every file from the beginning instead of resuming
    #[arg(long)]
    pub(crate) no_resume: bool,
    /// Read each file again after writing it, and compare
    #[arg(long)]
    pub(crate) verify: bool,
}

/// The style of the progress bar.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct BarFlags {
    /// Whether to draw a progress bar on standard error; `plain` writes lines instead
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) progress: ProgressChoice,
}

/// The selection of files.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct Filters {
    /// Leave out matching names (or paths, if the pattern contains a `/`); can be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Select only matching files; can be repeated; --exclude takes precedence
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
}

impl Filters {
    /// Whether no pattern was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.exclude.is_empty() && self.include.is_empty()
    }

    /// Creates the filter.
    ///
    /// # Errors
    /// A pattern is empty or invalid.
    pub(crate) fn filter(&self) -> Result<Filter, FilterError> {
        Filter::new(&self.include, &self.exclude)
    }
}

/// The rule for symbolic links inside a folder.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(crate) struct LinkFlags {
    /// The treatment of symbolic links inside a folder [default: leave them out, report each, exit code 6]
    #[arg(long, value_name = "WHAT")]
    pub(crate) links: Option<Links>,
}

/// The rule for existing targets.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Transfers")]
pub(crate) struct ConflictFlags {
    /// The treatment of existing files [default: ask on a terminal, otherwise fail]
    #[arg(long, value_name = "RULE")]
    pub(crate) on_conflict: Option<Conflict>,
}

/// Whether to change anything.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DryRunFlags {
    /// Change nothing, show what would be done
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
        Self { transfers: TRANSFERS, bwlimit: None, compress: Compress::Auto, no_resume: false, verify: false }
    }
}

impl Default for BarFlags {
    fn default() -> Self {
        Self { progress: ProgressChoice::Auto }
    }
}

impl ServerFlags {
    /// The file with the server's secret, if any: from the flag, the site or the environment.
    pub(crate) fn seal_for(&self, site: Option<PathBuf>) -> Option<PathBuf> {
        let environment = || std::env::var_os("FERRY_SEAL_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
        self.seal_file.clone().or(site).or_else(environment)
    }
}

/// The rule for symbolic links inside a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Links {
    /// Leave them out without an error
    Skip,
    /// Follow them
    Follow,
    /// Make the same links at the other end, after everything else
    Keep,
}

impl Patience {
    /// The limits on retrying of transfers; the defaults of the engine where no flag is given.
    pub(crate) fn of_transfer(self) -> reconnect::Patience {
        let usual = reconnect::Patience::default();
        reconnect::Patience {
            time: self.retry_for.unwrap_or(usual.time),
            retries: self.retries.unwrap_or(usual.retries),
        }
    }

    /// Whether a verb other than a transfer retries after this failure.
    pub(crate) fn waits_for(self, error: &ClientError) -> bool {
        let asked = |refusal: &Refusal| refusal.code == Code::TooManyAttempts;
        self.retry_for.is_some() || matches!(error, ClientError::Refused(refusal) if asked(refusal))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a valid time; write 90s, 10m, 2h or 0");
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => text.parse::<jiff::SignedDuration>().ok().and_then(|time| time.try_into().ok()).ok_or_else(wrong),
    }
}

/// The rule for existing targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Conflict {
    /// Ask, and continue with the other files meanwhile
    Ask,
    /// Keep the existing file
    Skip,
    /// Replace the existing file
    Replace,
    /// Replace the existing file if it is older
    Newer,
    /// Replace the existing file if its content differs
    Different,
    /// Replace the existing file if its size or date differs, without comparing the content
    Changed,
    /// Keep both: give the new file another name
    KeepBoth,
    /// Fail
    Fail,
}

impl Links {
    /// The engine's rule; by default links are left out with an error.
    pub(crate) fn rule(links: Option<Self>) -> LinkRule {
        match links {
            None => LinkRule::LeaveOut,
            Some(Self::Skip) => LinkRule::Skip,
            Some(Self::Follow) => LinkRule::Follow,
            Some(Self::Keep) => LinkRule::Keep,
        }
    }

    /// The name on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Follow => "follow",
            Self::Keep => "keep",
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

/// Whether to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compress {
    /// While it is faster than the connection, and makes the data smaller
    Auto,
    /// All data sent to the server, as long as that makes it smaller
    Always,
    /// Nothing, in neither direction
    Never,
}

impl From<Compress> for Pack {
    fn from(compress: Compress) -> Self {
        match compress {
            Compress::Auto => Self::Auto,
            Compress::Always => Self::Always,
            Compress::Never => Self::Never,
        }
    }
}

/// Whether to draw a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressChoice {
    /// A progress bar on a terminal, otherwise one line at the end
    Auto,
    /// A progress bar
    Always,
    /// Nothing during the transfer
    Never,
    /// A line every few seconds
    Plain,
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The maximum bytes per second in each direction.
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
    use crate::{command_line, defaults::Defaults};

    fn patience(line: &str) -> Patience {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        command_line::parse(&words, &Defaults::default()).unwrap().1.patience
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
    fn other_verbs_retry_only_on_request_of_the_user_or_the_server() {
        let refused = |code| ClientError::from(Refusal::new(code, ""));
        let waits = |flags: &str, error| patience(&format!("ferry ls a: {flags}")).waits_for(&error);
        assert!(!waits("", ClientError::closed()) && waits("--retry-for 5", ClientError::closed()));
        assert!(waits("", refused(Code::TooManyAttempts)) && !waits("", refused(Code::Busy)));
    }

    #[test]
    fn one_limit_applies_to_both_directions() {
        let limit = |text: &str| bandwidth(text).map(|limit| (limit.0.up, limit.0.down));
        assert_eq!(limit("1KiB"), Ok((Some(1024), Some(1024))));
        assert_eq!(limit("2k:0"), Ok((Some(2000), None)));
        assert_eq!(limit("0:1"), Ok((None, Some(1))));
        assert!(limit("fast").is_err() && limit("").is_err() && limit("1:2:3").is_err());
    }
}
