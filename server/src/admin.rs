//! The command-line verbs that only read and write files: users, identity, check, config.
#![expect(clippy::disallowed_methods, reason = "man pages are written where the operator says")]

mod accounts;
mod audit_report;
mod check;
mod drain;
mod invite;
mod objects;
mod operate;
mod password_input;
pub mod places;
mod quota;
mod quota_report;
mod reload;
mod tell;
mod top;
mod user;
mod user_report;

use std::{env, fs, io, path::PathBuf, process::ExitCode, sync::Arc};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use serde_json::json;

use self::{
    accounts::Accounts,
    objects::{FailureObject, WrittenObject},
};
use crate::{
    args::{Args, AuditVerb, ConfigVerb, PenaltiesVerb, UserVerb, Verb},
    audit::{
        AuditError,
        verify::{self, Broken},
    },
    config::{ConfigError, Layers, Loaded, manual, show},
    control::{self, message::Ask},
    identity::{Identity, IdentityError},
    output, serve,
    storage::StorageError,
    users::{StoreError, UserName, change::ChangeError, invite::NoRandomness, password::NewPasswordError},
};

/// The reason why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The configuration is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The user store is not usable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server's key is not usable.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No server has run here.
    #[error("no key in {} yet: the first 'ferryd serve' makes it; is --data right?", .0.display())]
    NoKey(PathBuf),
    /// No token could be generated.
    #[error(transparent)]
    Token(#[from] NoRandomness),
    /// The user's files could not be removed.
    #[error("user '{name}' is removed, but not all files are: {source}; run the command again")]
    Purge {
        /// The user.
        name: UserName,
        /// The cause.
        source: StorageError,
    },
    /// The password is not acceptable.
    #[error(transparent)]
    NewPassword(#[from] NewPasswordError),
    /// There is no terminal to ask on.
    #[error("there is no terminal to ask for the password: pipe it in with --password-stdin")]
    NoTerminal,
    /// The two entries differ.
    #[error("the two passwords differ")]
    PasswordsDiffer,
    /// The user has only keys, and would get a second way to log in.
    #[error("user '{0}' logs in with keys only and would get a password too: confirm with --yes")]
    KeysOnly(UserName),
    /// The operator declined.
    #[error("nothing was changed")]
    Declined,
    /// No account or invite was changed.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The file was not written, but the running server keeps somebody out.
    #[error("{0}")]
    Barred(String),
    /// The user store belongs to another user, and no server makes the change instead.
    #[error(
        "{0}; be root or the server's user, or a member of control.group (to look) or control.admin_group (to change) \
         while the server runs"
    )]
    NotYours(String),
    /// There is no such unfinished upload.
    #[error("user '{user}' has no unfinished upload '{path}'; see 'ferryd quota explain {user}'")]
    NoSuchUpload {
        /// The user.
        user: UserName,
        /// The requested path.
        path: String,
    },
    /// The sockets of the service could not be stopped.
    #[error("cannot stop {units}, on which systemd would start the server again: {message}")]
    Sockets {
        /// The units.
        units: String,
        /// The cause.
        message: String,
    },
    /// A file the operator named is not usable.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        message: String,
    },
    /// The data folder cannot be determined.
    #[error("no data folder: there is no home directory; name one with --data")]
    NoDataFolder,
    /// `check` found faults and has printed them.
    #[error("{0} found")]
    Faulty(String),
    /// The server did not start.
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    /// The password could not be read.
    #[error("cannot read the password: {0}")]
    Input(io::Error),
    /// The running server was not reached, or failed.
    #[error(transparent)]
    Control(#[from] control::client::AskError),
    /// A server uses the data folder and cannot be asked.
    #[error("a server uses this data folder and does not answer at {}; give this command its configuration", .0.display())]
    InUse(PathBuf),
    /// The data folder is not usable.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Some homes were not counted.
    #[error("not counted: {0}")]
    NotCounted(String),
    /// The program of `ferryd top` could not be run.
    #[error(transparent)]
    Top(#[from] top::TopError),
    /// The audit log cannot be continued.
    #[error(transparent)]
    Append(#[from] AuditError),
    /// The audit log failed its verification.
    #[error(transparent)]
    Audit(#[from] Broken),
    /// Only a part of the configuration was applied.
    #[error("{}", .0.join("\n"))]
    Reload(Vec<String>),
    /// The result could not be printed.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Runs `ferryd`: 0 done, 1 failed, 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| misused(&error));
    let json = args.json;
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as in `ferryd config show | head -1`.
        Err(AdminError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(object) = FailureObject::new(&error).filter(|_| json) {
                // If standard output cannot be written, the error still appears on standard error.
                let _ = output::result(true, String::new, &object);
            }
            output::error(error);
            ExitCode::FAILURE
        }
    }
}

/// Ends the process because of a command line that is wrong or asks for help.
fn misused(error: &clap::Error) -> ! {
    if error.use_stderr() && env::args_os().any(|word| word == "--json") {
        // If standard output cannot be written, the error still appears on standard error.
        let _ = output::result(true, String::new, &FailureObject::usage(&error.to_string()));
    }
    error.exit()
}

fn run(args: Args) -> Result<(), AdminError> {
    let Args { config, data, json, verb } = args;
    let flag = data;
    let data = || places::data_folder_to_ask(flag.as_deref());
    match verb {
        Verb::Serve { .. } | Verb::Top if json => {
            let text = "serve and top take no --json: set log.format = \"json\", or ask 'ferryd status --json'";
            misused(&Args::command().error(ErrorKind::ArgumentConflict, text));
        }
        Verb::Serve { listen, sftp } => {
            let file = config.clone().unwrap_or_else(places::config_place);
            let read = move || Ok(layers(config.clone())?.listen(&listen).sftp(&sftp).load()?.config);
            serve::run(Arc::new(read), &file, places::data_folder(flag.as_deref())?)?;
        }
        Verb::Status => operate::run(&Ask::Status, json, load(config), &data()?)?,
        Verb::Sessions => operate::run(&Ask::Sessions, json, load(config), &data()?)?,
        Verb::Kick { who } => operate::run(&Ask::Kick { who }, json, load(config), &data()?)?,
        Verb::Broadcast { text } => operate::run(&Ask::Broadcast { text }, json, load(config), &data()?)?,
        Verb::Penalties { verb } => {
            let ask = match verb {
                Some(PenaltiesVerb::Lift { address }) => Ask::Lift { address },
                None => Ask::Penalties,
            };
            operate::run(&ask, json, load(config), &data()?)?;
        }
        Verb::Reload => reload::run(config, json, &data()?)?,
        Verb::Drain { message } => drain::run(message, json, load(config), &data()?)?,
        Verb::Top => {
            let config = load(config)?.config;
            return Err(top::become_view(&control::client::path(config.control.socket.as_deref(), &data()?)).into());
        }
        Verb::User(verb) => {
            let data = data()?;
            if let UserVerb::List | UserVerb::Show { .. } = verb {
                places::not_there(&data).iter().for_each(output::note);
            }
            user::run(verb, json, &Accounts::new(config, &data), &data)?;
        }
        Verb::Quota(verb) => {
            let data = data()?;
            places::not_there(&data).iter().for_each(output::note);
            quota::run(verb, json, &load(config)?, &data)?;
        }
        Verb::Invite(verb) => {
            let data = data()?;
            invite::run(verb, json, &Accounts::new(config, &data))?;
        }
        Verb::Identity => {
            let loaded = load(config)?;
            let (tls, data) = (&loaded.config.tls, data()?);
            if tls.key.is_none() && !data.join("identity").exists() {
                return Err(AdminError::NoKey(data));
            }
            let fingerprint = Identity::load(&data, tls)?.fingerprint().to_string();
            output::result(json, || format!("{fingerprint}\n"), &json!({ "fingerprint": fingerprint }))?;
        }
        Verb::Check => check::run(config, json, &data()?)?,
        Verb::Audit(AuditVerb::Verify { noted, files }) => {
            let noted = noted.as_deref();
            let verified = match files.is_empty() {
                true => verify::whole(load(config)?.config.audit.folder(&data()?), noted)?,
                false => verify::verify(&files, noted)?,
            };
            output::result(json, || audit_report::text(&verified), &verified)?;
        }
        Verb::Config(ConfigVerb::Show) => {
            let loaded = load(config)?;
            output::result(json, || show::effective(&loaded), &show::object(&loaded))?;
        }
        Verb::Config(ConfigVerb::Default) => {
            output::result(json, || show::DEFAULT_FILE.to_owned(), &json!({ "file": show::DEFAULT_FILE }))?;
        }
        Verb::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "ferryd", &mut script);
            let script = String::from_utf8_lossy(&script);
            output::result(json, || script.to_string(), &json!({ "shell": shell.to_string(), "script": script }))?;
        }
        Verb::Man { dir } => {
            let written = fs::create_dir_all(&dir)
                .and_then(|()| clap_mangen::generate_to(Args::command(), &dir))
                .and_then(|()| fs::write(dir.join(manual::PAGE), manual::page()));
            written.map_err(|error| AdminError::File {
                path: dir.clone(),
                message: format!("cannot write the man pages: {error}"),
            })?;
            output::result(json, String::new, &WrittenObject { folder: &dir, outcome: "written" })?;
        }
    }
    Ok(())
}

fn load(config: Option<PathBuf>) -> Result<Loaded, AdminError> {
    Ok(layers(config)?.load()?)
}

/// The file and the environment; a file that was named must exist.
fn layers(config: Option<PathBuf>) -> Result<Layers, ConfigError> {
    layers_with(config, places::credentials())
}

/// The same, with the service manager's credentials from this folder.
fn layers_with(config: Option<PathBuf>, credentials: Option<PathBuf>) -> Result<Layers, ConfigError> {
    let layers = Layers::default().credentials(credentials).environment(places::environment());
    match config.or_else(places::config_file) {
        Some(path) => layers.read_file(&path),
        None => Ok(layers),
    }
}
