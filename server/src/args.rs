//! The command line of `ferryd`; help, man pages and completions are made from it.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    door::Doors,
    size::ByteCount,
    users::{
        Access, UserName,
        change::{self, Limit},
        file::RecordBandwidth,
        moment::Moment,
    },
};

/// The ferry server: encrypted file transfer for the users you add.
#[derive(Debug, Parser)]
#[command(
    name = "ferryd",
    version,
    propagate_version = true,
    after_help = "Examples:\n  \
        ferryd user add alice --quota 10GiB     add a user, asks for the password\n  \
        ferryd serve                            serve until SIGTERM\n  \
        ferryd identity                         the fingerprint clients will see\n  \
        ferryd check                            find mistakes in config and users"
)]
pub(crate) struct Args {
    /// The configuration [default: $CONFIGURATION_DIRECTORY/ferryd.toml, else /etc/ferryd/ferryd.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data folder [default: $STATE_DIRECTORY, else /var/lib/ferryd for root, else the user's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// One line of JSON on standard output, also for a failure
    #[arg(long, global = true)]
    pub json: bool,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `ferryd`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Serve until SIGTERM or SIGINT; SIGHUP reloads certificate and users
    Serve {
        /// Listen here instead of at the configured addresses; may be repeated, port 0 picks a free one
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Vec<SocketAddr>,
        /// Serve SFTP here, whatever is configured; may be repeated
        #[arg(long, value_name = "ADDR:PORT")]
        sftp: Vec<SocketAddr>,
    },
    /// Show the status of the running server
    Status,
    /// Show the sessions of the running server and their transfers
    Sessions,
    /// Watch sessions, transfers, rates, quotas and refusals of the running server, live
    ///
    /// Runs the program ferryd-top, from beside ferryd or else from /usr/libexec/ferryd.
    Top,
    /// End the sessions of a user, or one session by its number; interrupted transfers can be resumed
    Kick {
        /// A user's name, or a session's number from 'ferryd sessions'
        #[arg(value_name = "NAME|ID")]
        who: String,
    },
    /// Send a message to everybody who is connected
    Broadcast {
        /// The message
        text: String,
    },
    /// Show the waits after failed logins to the running server, or lift those of an address
    Penalties {
        /// Do this instead
        #[command(subcommand)]
        verb: Option<PenaltiesVerb>,
    },
    /// Make the running server reload configuration, certificate and users
    Reload,
    /// Make the running server accept nobody new, let transfers finish within their time, and stop; waits for that.
    /// As root it first stops the sockets through which systemd would start the server again
    Drain {
        /// A message for everybody who is connected, and for clients that connect until the end
        #[arg(long, value_name = "TEXT")]
        message: Option<String>,
    },
    /// Add, change and list users; a running server follows at once
    #[command(subcommand)]
    User(UserVerb),
    /// Show what users have and what counts against their quotas; count homes again
    #[command(subcommand)]
    Quota(QuotaVerb),
    /// Create, list and revoke invites, with which people make their own accounts
    #[command(subcommand)]
    Invite(InviteVerb),
    /// Print the fingerprint of the server's key, which clients will see; the first 'serve' creates the key
    Identity,
    /// Check configuration, users and key, and print every fault with its place; exit 1 if there is one
    Check,
    /// Check the audit log
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Show the configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Print the completion script for a shell
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages into a folder
    Man {
        /// The folder
        dir: PathBuf,
    },
}

/// Actions on waits after failed logins.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum PenaltiesVerb {
    /// Clear the failed logins from an address
    Lift {
        /// The address, as 'ferryd penalties' shows it; for IPv6 any address in its /64
        #[arg(value_name = "ADDR", value_parser = address)]
        address: IpAddr,
    },
}

/// The actions on quotas. Set them with `ferryd user set`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum QuotaVerb {
    /// Show what a user has, and how much each unfinished upload reserves
    Explain {
        /// The user
        name: UserName,
    },
    /// Discard unfinished uploads of a user, so that they reserve no quota
    Discard {
        /// The user
        name: UserName,
        /// Their paths, as 'ferryd quota explain' shows them
        #[arg(value_name = "PATH", required_unless_present = "all")]
        paths: Vec<String>,
        /// All of the user's inactive uploads
        #[arg(long, conflicts_with = "paths")]
        all: bool,
    },
    /// Count homes again, after files were changed by hand; works beside the running server
    Rescan {
        /// The user [default: everybody]
        name: Option<UserName>,
    },
}

/// The actions on the audit log.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum AuditVerb {
    /// Verify the chain of hashes and print the first line that is wrong; exit 1 if there is one
    Verify {
        /// Fail unless a line has this hash, which an earlier run printed: this also detects lines that were cut
        /// off at the end
        #[arg(long, value_name = "HASH")]
        noted: Option<String>,
        /// The files, oldest first [default: those in the data folder]
        files: Vec<PathBuf>,
    },
}

/// The actions on the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print every value in force and where it came from
    Show,
    /// Print the commented default file
    Default,
}

/// The actions on invites.
#[derive(Debug, Subcommand)]
pub(crate) enum InviteVerb {
    /// Create an invite and print its token, which is not stored anywhere
    Create {
        /// Bytes the account may have, such as 10GiB [default: registration.quota]
        #[arg(long, value_name = "SIZE", value_parser = size_of_quota)]
        quota: Option<ByteCount>,
        /// How many accounts can be made with it
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        uses: u32,
        /// When it expires: a date, a time from now such as 7d, or none
        #[arg(long, value_name = "WHEN|none", default_value = "7d", value_parser = invite_end)]
        expires: Limit<Moment>,
    },
    /// List the invites
    List,
    /// Revoke an invite
    Revoke {
        /// Its name in the list
        id: String,
    },
}

/// The actions on users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserVerb {
    /// Add a user; asks for the password, unless a key is given
    Add(AddUser),
    /// Change the settings of a user; open sessions follow at once
    Set(SetUser),
    /// Set a user's password; ends the sessions that were opened with a password
    Passwd {
        /// The user
        name: UserName,
        /// Do not ask before giving a password to a user who has keys only
        #[arg(long)]
        yes: bool,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove a user; the files stay unless --purge
    Remove {
        /// The user
        name: UserName,
        /// Remove the user's files too, at once and permanently
        #[arg(long)]
        purge: bool,
    },
    /// List the users
    List,
    /// Show one user
    Show {
        /// The user
        name: UserName,
    },
}

/// `ferryd user add`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AddUser {
    /// The name: a-z, 0-9, '.', '_' and '-', at most 64
    pub name: UserName,
    /// The same as --access read-only
    #[arg(long, conflicts_with = "access")]
    pub read_only: bool,
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
    /// Settings that differ from the default.
    #[command(flatten)]
    pub account: AccountArgs,
}

/// `ferryd user set`.
#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(
    ["quota", "max_files", "access", "doors", "enable", "disable", "expires", "max_sessions", "bandwidth", "add_key", "remove_key"]
))]
pub(crate) struct SetUser {
    /// The user
    pub name: UserName,
    /// The settings.
    #[command(flatten)]
    pub account: AccountArgs,
}

/// The settings of an account, for a new one and for changes.
#[derive(Debug, ClapArgs)]
pub(crate) struct AccountArgs {
    /// Bytes the user may have, such as 10GiB, or none
    #[arg(long, value_name = "SIZE|none", value_parser = quota)]
    pub quota: Option<Limit<ByteCount>>,
    /// Files and folders the user may have, or none for the default: one for each 16 KiB of the quota and at least
    /// 10000 (without a quota 1000000)
    #[arg(long, value_name = "N|none", value_parser = files)]
    pub max_files: Option<Limit<u64>>,
    /// The access of the user
    #[arg(long)]
    pub access: Option<Access>,
    /// The doors through which the user may come: 'ferry', 'sftp' or 'ferry,sftp', or all for those of the server;
    /// ends sessions at others
    #[arg(long, value_name = "DOORS|all", value_parser = doors)]
    pub doors: Option<Limit<Doors>>,
    /// Enable the account
    #[arg(long, conflicts_with = "disable")]
    pub enable: bool,
    /// Disable the account; ends the user's sessions
    #[arg(long)]
    pub disable: bool,
    /// When the account expires: a date (its first moment in UTC), a time from now such as 30d, or none
    #[arg(long, value_name = "WHEN|none", value_parser = account_end)]
    pub expires: Option<Limit<Moment>>,
    /// Concurrent sessions, or none for no limit of the user's own
    #[arg(long, value_name = "N|none", value_parser = sessions)]
    pub max_sessions: Option<Limit<u32>>,
    /// Bytes per second, such as 10MiB:none; a single size applies to both directions
    #[arg(long, value_name = "UP:DOWN|none", value_parser = bandwidth)]
    pub bandwidth: Option<RecordBandwidth>,
    /// A public key to log in with, from a file such as ~/.ssh/id_ed25519.pub; may be repeated
    #[arg(long, visible_alias = "key", value_name = "FILE")]
    pub add_key: Vec<PathBuf>,
    /// Remove a key, by its comment or its text as 'ferryd user show' prints it; ends the sessions it opened
    #[arg(long, value_name = "KEY")]
    pub remove_key: Vec<String>,
}

/// A value or `none`.
fn limit<T: FromStr<Err: ToString>>(text: &str) -> Result<Limit<T>, String> {
    match text {
        "none" => Ok(Limit(None)),
        text => text.parse().map(|value| Limit(Some(value))).map_err(|error: T::Err| error.to_string()),
    }
}

/// A limit whose value is checked.
fn sensible<T: FromStr<Err: ToString>>(
    text: &str,
    judge: impl FnOnce(T) -> Result<T, String>,
) -> Result<Limit<T>, String> {
    match limit(text)? {
        Limit(Some(value)) => judge(value).map(|value| Limit(Some(value))),
        none => Ok(none),
    }
}

fn quota(text: &str) -> Result<Limit<ByteCount>, String> {
    sensible(text, crate::size::sensible_quota)
}

fn size_of_quota(text: &str) -> Result<ByteCount, String> {
    text.parse().map_err(|error: crate::size::SizeError| error.to_string()).and_then(crate::size::sensible_quota)
}

fn files(text: &str) -> Result<Limit<u64>, String> {
    sensible(text, change::sensible_files)
}

fn account_end(text: &str) -> Result<Limit<Moment>, String> {
    expiry(text).map_err(|error| format!("{error}; to end the account now, use 'ferryd user set NAME --disable'"))
}

fn invite_end(text: &str) -> Result<Limit<Moment>, String> {
    expiry(text).map_err(|error| format!("{error}; to end an invite now, use 'ferryd invite revoke ID'"))
}

fn expiry(text: &str) -> Result<Limit<Moment>, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let end = Moment::from_now(text).map_err(|error| format!("{error}, or 30d"))?;
    change::future(end).map(|end| Limit(Some(end)))
}

/// An address, also written as the network that shares its waits.
fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_suffix("/64").unwrap_or(text);
    bare.parse().map_err(|_| "not an address such as 192.0.2.7 or 2001:db8::1".to_owned())
}

fn sessions(text: &str) -> Result<Limit<u32>, String> {
    match limit::<u32>(text)? {
        Limit(Some(0)) => Err("use --disable to let nobody in".to_owned()),
        limit => Ok(limit),
    }
}

fn doors(text: &str) -> Result<Limit<Doors>, String> {
    if text == "all" { Ok(Limit(None)) } else { text.parse().map(|doors| Limit(Some(doors))) }
}

fn bandwidth(text: &str) -> Result<RecordBandwidth, String> {
    let (up, down) = text.split_once(':').unwrap_or((text, text));
    let part = |text: &str| match limit::<ByteCount>(text)? {
        Limit(Some(ByteCount(0))) => Err("zero would stop every transfer".to_owned()),
        Limit(limit) => Ok(limit),
    };
    Ok(RecordBandwidth { up: part(up)?, down: part(down)? })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    fn set(line: &str) -> SetUser {
        match parse(line).unwrap().verb {
            Verb::User(UserVerb::Set(set)) => set,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn global_flags_may_stand_anywhere() {
        for line in ["ferryd --data d user add bob", "ferryd user --data d add bob", "ferryd user add bob --data d"] {
            assert_eq!(parse(line).unwrap().data, Some("d".into()), "{line}");
        }
    }

    #[test]
    fn limits_can_be_lifted() {
        let line = "ferryd user set bob --quota none --max-files 5 --expires none --bandwidth 10MiB:none";
        let AccountArgs { quota, max_files, expires, bandwidth, access, .. } = set(line).account;
        assert_eq!(quota, Some(Limit(None)));
        assert_eq!(max_files, Some(Limit(Some(5))));
        assert_eq!(expires, Some(Limit(None)));
        assert_eq!(bandwidth, Some(RecordBandwidth { up: Some(ByteCount(10 << 20)), down: None }));
        assert!(access.is_none());
    }

    #[test]
    fn an_end_that_is_over_is_refused_with_the_moment_and_what_to_do_instead() {
        let today = Moment::now().to_string();
        let today = today.split('T').next().unwrap();
        for (line, step) in [
            (format!("ferryd user set bob --expires {today}"), "--disable"),
            (format!("ferryd user add bob --expires {today}"), "--disable"),
            (format!("ferryd invite create --expires {today}"), "invite revoke"),
        ] {
            let said = parse(&line).unwrap_err().to_string();
            assert!(
                said.contains(&format!("{today}T00:00:00Z (UTC) is over already")) && said.contains(step),
                "{said}"
            );
        }
    }

    #[test]
    fn a_user_is_added_with_every_option_that_can_be_set() {
        let names = |verb: &str| -> Vec<String> {
            let command = Args::command();
            let user = command.find_subcommand("user").and_then(|user| user.find_subcommand(verb)).unwrap();
            user.get_opts().filter_map(|option| option.get_long()).map(str::to_owned).collect()
        };
        let add = names("add");
        let missing: Vec<_> = names("set").into_iter().filter(|name| !add.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let line = "ferryd user add bob --quota 1GiB --expires 30d --max-sessions 2 --bandwidth 1MiB --disable --key a";
        assert!(matches!(parse(line).unwrap().verb, Verb::User(UserVerb::Add(add)) if add.account.disable));
    }

    #[test]
    fn mistakes_are_usage_errors() {
        for line in [
            "ferryd",
            "ferryd user set bob",
            "ferryd user set bob --enable --disable",
            "ferryd user set bob --quota lots",
            "ferryd user set bob --bandwidth 0",
            "ferryd user set bob --max-sessions 0",
            "ferryd user set bob --expires soon",
            "ferryd user set bob --expires 2020-01-01",
            "ferryd user set bob --expires -1d",
            "ferryd user set bob --quota 0",
            "ferryd user set bob --quota 99999999EiB",
            "ferryd user add bob --quota 18446744073709551615",
            "ferryd user add bob --max-files 0",
            "ferryd user add bob --read-only --access read-write",
            "ferryd invite create --expires 2020-01-01",
            "ferryd invite create --quota 2EiB",
            "ferryd quota discard bob",
            "ferryd quota discard bob /a --all",
            "ferryd user add Bob",
            "ferryd user add ../bob",
            "ferryd serve --listen nowhere",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
