//! `ferry site`: saves, imports, lists and removes servers.

mod import;
mod password;

use std::{
    ffi::OsString,
    path::{PathBuf, absolute},
};

use clap::{Args, Subcommand};
use ferry_shared::name::Escaped;
use serde::Serialize;

use crate::{
    address::{Address, AddressError, Server},
    args::{Links, ServerFlags},
    context::Context,
    exit::Exit,
    failure::Failure,
    json::{Bytes, NameObject},
    keyring,
    sites::{Kind, Site},
};

/// `ferry site`.
#[derive(Debug, Args)]
pub(crate) struct SiteArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Save a server; --server-key, --identity, --seal-file and --links are saved with it
    #[command(after_help = "Example:\n  ferry site add work alice@files.example.org:9000:projects")]
    Add {
        /// The name of the site
        name: String,
        /// `user@host[:port]`, optionally with the folder to start in: user@host:path, user@host:port:path or a URL;
        /// an SSH server is `sftp://user@host/path`
        address: OsString,
    },
    /// Save the servers of other programs, without their passwords
    #[command(after_help = "Example:\n  ferry site import filezilla -n")]
    Import(import::ImportArgs),
    /// Put the password of a site into the keyring of the system, from where logins take it
    ///
    /// The password is stored for the kind, user, host and port of the site alone, and in no file of ferry's.
    #[command(after_help = "Examples:\n  ferry site password work\n  ferry site forget work")]
    Password {
        /// The name of the site
        name: String,
    },
    /// Remove the password of a site from the keyring of the system
    Forget {
        /// The name of the site
        name: String,
    },
    /// List the saved servers
    List,
    /// Remove a saved server, and its password from the keyring of the system
    Remove {
        /// The name of the site
        name: String,
    },
}

/// A site in `--json` output.
#[derive(Serialize)]
struct SiteObject<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    address: &'a str,
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keyring: bool,
}

impl<'a> SiteObject<'a> {
    fn new(name: &'a str, site: &'a Site) -> Self {
        let file = |file: &'a Option<PathBuf>| file.as_ref().map(|file| Bytes(file.as_os_str().as_encoded_bytes()));
        Self {
            name,
            kind: site.kind.word(),
            address: &site.address,
            user: &site.user,
            path: site.path.as_deref(),
            server_key: site.server_key.map(|key| key.to_string()),
            identity: file(&site.identity),
            seal: file(&site.seal),
            links: site.links.map(Links::word),
            keyring: site.keyring,
        }
    }
}

pub(super) async fn run(args: SiteArgs, context: &mut Context) -> Result<Exit, Failure> {
    match args.action {
        Action::Add { name, address } => add(&name, &address, context),
        Action::Import(args) => import::run(args, context).await,
        Action::Password { name } => password::store(&name, context).await,
        Action::Forget { name } => password::forget(&name, context).await,
        Action::List => list(context),
        Action::Remove { name } => remove(&name, context).await,
    }
}

async fn remove(name: &str, context: &mut Context) -> Result<Exit, Failure> {
    let mut sites = context.sites()?;
    sites.require(name)?;
    let (outcome, exit) = if context.global.dry_run {
        context.output.say(&format!("{name} would be removed"));
        ("would", Exit::Done)
    } else {
        let orphan = keyring::orphan(&sites, name, None);
        sites.remove(name)?;
        ("forgotten", password::discard(orphan, context).await)
    };
    context.output.result(&NameObject { name, outcome })?;
    Ok(exit)
}

fn add(name: &str, address: &OsString, context: &mut Context) -> Result<Exit, Failure> {
    let mut sites = context.sites()?;
    let address = Address::server(address)?;
    // This checks the path too.
    let place = sites.resolve(&address)?;
    let (kind, user, host) = match address.server {
        Server::Direct { user, .. } => (Kind::Ferry, user, place.target.address()),
        // Settings that are not given stay with the configuration of SSH.
        Server::Sftp { user, host, port } => {
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let address = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
            (Kind::Sftp, user.unwrap_or_default(), address)
        }
        Server::Site(_) | Server::Default => return Err(AddressError::NoUser(name.to_owned()).into()),
    };
    let path = match String::from_utf8(place.path.as_bytes().to_vec()) {
        Ok(path) => Some(path).filter(|path| !path.is_empty()),
        Err(_) => return Err(Failure::Usage("a site's folder must be UTF-8".to_owned())),
    };
    // Store an absolute path, because the site is used from other folders too.
    let absolute = |file: &Option<PathBuf>| file.as_ref().map(absolute).transpose().map_err(Failure::Start);
    let ServerFlags { identity, seal_file, server_key } = &context.global.server;
    let (identity, seal, server_key) = (absolute(identity)?, absolute(seal_file)?, *server_key);
    let links = context.global.links;
    let site = Site { kind, address: host, user, path, server_key, identity, seal, links, keyring: false };
    let outcome = if context.global.dry_run {
        sites.require_free(name)?;
        context.output.say(&format!("{name} would be saved"));
        "would"
    } else {
        sites.add(name, site)?;
        context.output.say(&format!("saved; try `ferry ls {name}:`"));
        "saved"
    };
    context.output.result(&NameObject { name, outcome })?;
    Ok(Exit::Done)
}

fn list(context: &mut Context) -> Result<Exit, Failure> {
    let sites = context.sites()?;
    let width = sites.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, site) in sites.iter() {
        if context.output.json {
            context.output.object(&SiteObject::new(name, site))?;
            continue;
        }
        context.output.line(&format!("{name:width$}  {}", Escaped(site.shown().as_bytes())))?;
    }
    Ok(Exit::Done)
}
