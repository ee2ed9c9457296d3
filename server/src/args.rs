//! The command line of `ferryd`; help, man pages and completions are made from it.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use ferry_shared::message::reply::Access;

use crate::{
    size::ByteCount,
    users::{UserName, file::RecordBandwidth, moment::Moment},
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
pub struct Args {
    /// The configuration [default: $CONFIGURATION_DIRECTORY/ferryd.toml, else /etc/ferryd/ferryd.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data folder [default: $STATE_DIRECTORY, else /var/lib/ferryd for root, else the user's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// One line of JSON on standard output, also for a failure
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What `ferryd` can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve until SIGTERM or SIGINT; SIGHUP reads certificate and users again
    Serve {
        /// Listen here instead of where the configuration says; may be repeated, port 0 picks a free one
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Vec<SocketAddr>,
    },
    /// Show how the running server is
    Status,
    /// Show who is connected to the running server, and what travels
    Sessions,
    /// Watch sessions, transfers, rates, quotas and refusals of the running server, live
    Top,
    /// Close the sessions of a user, or one by its number; what was cut can be resumed
    Kick {
        /// A user's name, or a session's number from 'ferryd sessions'
        #[arg(value_name = "NAME|ID")]
        who: String,
    },
    /// Say something to everybody who is connected
    Broadcast {
        /// What
        text: String,
    },
    /// Show who has to wait after failed logins to the running server, or let an address off
    Penalties {
        /// Do this instead
        #[command(subcommand)]
        verb: Option<PenaltiesVerb>,
    },
    /// Make the running server read configuration, certificate and users again
    Reload,
    /// Make the running server take nobody new, give transfers their time, and end; waits for that
    Drain,
    /// Add, change and list users; a running server follows at once
    #[command(subcommand)]
    User(UserVerb),
    /// What users have, and what holds it; count it again
    #[command(subcommand)]
    Quota(QuotaVerb),
    /// Make, list and revoke invites, with which people make their own accounts
    #[command(subcommand)]
    Invite(InviteVerb),
    /// Print the fingerprint of the server's key, which clients will see; the first 'serve' makes the key
    Identity,
    /// Read config, users and key, and print every fault with its place; exit 1 if there is one
    Check,
    /// Check the audit log
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Show the configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Print the completion script for a shell
    Completion {
        /// Which shell
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
pub enum PenaltiesVerb {
    /// Forget the failed logins from an address
    Lift {
        /// The address, as 'ferryd penalties' shows it; of IPv6 any in its /64
        #[arg(value_name = "ADDR", value_parser = address)]
        address: IpAddr,
    },
}

/// What can be done with quotas. Set them with `ferryd user set`.
#[derive(Debug, Clone, Subcommand)]
pub enum QuotaVerb {
    /// Show what a user has, and which unfinished uploads hold how much
    Explain {
        /// Whose
        name: UserName,
    },
    /// Count homes again, after files were changed by hand; beside the work of the running server
    Rescan {
        /// Whose [default: everybody's]
        name: Option<UserName>,
    },
}

/// What can be done with the audit log.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditVerb {
    /// Walk the chain of hashes and print the first line that does not hold; exit 1 if there is one
    Verify {
        /// Fail unless a line has this hash, which an earlier run printed: so lines cut off at the end are found too
        #[arg(long, value_name = "HASH")]
        noted: Option<String>,
        /// The files, oldest first [default: those in the data folder]
        files: Vec<PathBuf>,
    },
}

/// What can be done with the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigVerb {
    /// Print every value in force and where it came from
    Show,
    /// Print the commented default file
    Default,
}

/// What can be done with invites.
#[derive(Debug, Subcommand)]
pub enum InviteVerb {
    /// Make an invite and print its token, which is kept nowhere
    Create {
        /// Bytes the account may have, such as 10GiB [default: registration.quota]
        #[arg(long, value_name = "SIZE")]
        quota: Option<ByteCount>,
        /// How many accounts can be made with it
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        uses: u32,
        /// When it ends: a date, a time from now such as 7d, or none
        #[arg(long, value_name = "WHEN|none", default_value = "7d", value_parser = expiry)]
        expires: Limit<Moment>,
    },
    /// List the invites
    List,
    /// Take an invite back
    Revoke {
        /// Its name in the list
        id: String,
    },
}

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// Add a user; asks for the password, unless a key is given
    Add(AddUser),
    /// Change what a user may do; open sessions follow at once
    Set(SetUser),
    /// Set a user's password; ends the user's sessions
    Passwd {
        /// Whose
        name: UserName,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove a user; the files stay unless --purge
    Remove {
        /// Whom
        name: UserName,
        /// Remove the user's files too, at once and for good
        #[arg(long)]
        purge: bool,
    },
    /// List the users
    List,
    /// Show one user
    Show {
        /// Whom
        name: UserName,
    },
}

/// `ferryd user add`.
#[derive(Debug, ClapArgs)]
pub struct AddUser {
    /// The name: a-z, 0-9, '.', '_' and '-', at most 64
    pub name: UserName,
    /// Bytes the user may have, such as 10GiB; no limit if left out
    #[arg(long, value_name = "SIZE")]
    pub quota: Option<ByteCount>,
    /// Files and folders the user may have [default: one for each 16 KiB of the quota, at least 10000; without one 1000000]
    #[arg(long, value_name = "N")]
    pub max_files: Option<u64>,
    /// The user may look and download, but change nothing
    #[arg(long)]
    pub read_only: bool,
    /// A public key to log in with, from a file as ~/.ssh/id_ed25519.pub; may be repeated
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
}

/// `ferryd user set`.
#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(
    ["quota", "max_files", "access", "enable", "disable", "expires", "max_sessions", "bandwidth", "add_key", "remove_key"]
))]
pub struct SetUser {
    /// Whom
    pub name: UserName,
    /// Bytes the user may have, such as 10GiB, or none
    #[arg(long, value_name = "SIZE|none")]
    pub quota: Option<Limit<ByteCount>>,
    /// Files and folders the user may have, or none for the default of 'ferryd user add'
    #[arg(long, value_name = "N|none")]
    pub max_files: Option<Limit<u64>>,
    /// What the user may do
    #[arg(long)]
    pub access: Option<AccessArg>,
    /// Switch the account on
    #[arg(long, conflicts_with = "disable")]
    pub enable: bool,
    /// Switch the account off; ends the user's sessions
    #[arg(long)]
    pub disable: bool,
    /// When the account ends: a date, a time from now such as 30d, or none
    #[arg(long, value_name = "WHEN|none", value_parser = expiry)]
    pub expires: Option<Limit<Moment>>,
    /// Sessions at once, or none for no limit of the user's own
    #[arg(long, value_name = "N|none", value_parser = sessions)]
    pub max_sessions: Option<Limit<u32>>,
    /// Bytes a second, such as 10MiB:none; one size is for both ways
    #[arg(long, value_name = "UP:DOWN|none", value_parser = bandwidth)]
    pub bandwidth: Option<RecordBandwidth>,
    /// One more public key to log in with, from a file as ~/.ssh/id_ed25519.pub; may be repeated
    #[arg(long, value_name = "FILE")]
    pub add_key: Vec<PathBuf>,
    /// Take a key away, by its comment or its text as 'ferryd user show' has it; ends the sessions it opened
    #[arg(long, value_name = "KEY")]
    pub remove_key: Vec<String>,
}

/// What a user may do, on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum AccessArg {
    /// Look and download
    ReadOnly,
    /// Everything in the home
    ReadWrite,
}

impl From<AccessArg> for Access {
    fn from(access: AccessArg) -> Self {
        match access {
            AccessArg::ReadOnly => Self::ReadOnly,
            AccessArg::ReadWrite => Self::ReadWrite,
        }
    }
}

/// A value or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit<T>(pub Option<T>);

impl<T: FromStr> FromStr for Limit<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

fn expiry(text: &str) -> Result<Limit<Moment>, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    Moment::from_now(text).map(|moment| Limit(Some(moment))).map_err(|error| format!("{error}, or 30d"))
}

/// An address, also written as the network that pays together.
fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_suffix("/64").unwrap_or(text);
    bare.parse().map_err(|_| "not an address such as 192.0.2.7 or 2001:db8::1".to_owned())
}

fn sessions(text: &str) -> Result<Limit<u32>, String> {
    match text.parse::<Limit<u32>>().map_err(|error| error.to_string())? {
        Limit(Some(0)) => Err("use --disable to let nobody in".to_owned()),
        limit => Ok(limit),
    }
}

fn bandwidth(text: &str) -> Result<RecordBandwidth, String> {
    let (up, down) = text.split_once(':').unwrap_or((text, text));
    let part = |text: &str| match text.parse::<Limit<ByteCount>>().map_err(|error| error.to_string())? {
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
        let SetUser { quota, max_files, expires, bandwidth, access, .. } = set(line);
        assert_eq!(quota, Some(Limit(None)));
        assert_eq!(max_files, Some(Limit(Some(5))));
        assert_eq!(expires, Some(Limit(None)));
        assert_eq!(bandwidth, Some(RecordBandwidth { up: Some(ByteCount(10 << 20)), down: None }));
        assert!(access.is_none());
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
            "ferryd user add Bob",
            "ferryd user add ../bob",
            "ferryd serve --listen nowhere",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
