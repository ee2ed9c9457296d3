//! The saved servers in `sites.toml`: parsed strictly, and edited without losing manual changes.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ferry_client::{
    connect::{Protocol, Target},
    sftp,
};
use ferry_shared::{
    fingerprint::Fingerprint,
    name::{Escaped, Name},
    path::{PathError, RemotePath},
    text_file,
};
use serde::Deserialize;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::{
    address::{Address, AddressError, Server, check_user, host_and_given_port, host_and_port, is_site_name},
    args::Links,
    home::user_home,
};

/// The scheme of SSH servers.
const SFTP: &str = "sftp://";
/// The key of the mark that the password is in the keyring.
const KEYRING: &str = "keyring";
/// The first lines of a new `sites.toml`.
const HEAD: &str = "# ferry's saved servers. Passwords are never stored here.\n\n";

/// One saved server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Site {
    /// The protocol; ferry's own if absent.
    #[serde(default)]
    pub(crate) kind: Kind,
    /// `host`, `host:port` or `[v6]:port`.
    pub(crate) address: String,
    /// The user name; may be absent for SFTP.
    #[serde(default)]
    pub(crate) user: String,
    /// The starting folder of `SITE:` and relative paths; the home if absent.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// The only server key to accept, instead of those in `known_servers`.
    #[serde(default)]
    pub(crate) server_key: Option<Fingerprint>,
    /// The file of the key for the login, instead of a password.
    #[serde(default)]
    pub(crate) identity: Option<PathBuf>,
    /// The file with the server's secret.
    #[serde(default)]
    pub(crate) seal: Option<PathBuf>,
    /// The rule for symbolic links inside a folder, unless `--links` is given.
    #[serde(default)]
    pub(crate) links: Option<Links>,
    /// Whether the person has put the password into the keyring of the system. It is never in this file.
    #[serde(default)]
    pub(crate) keyring: bool,
}

/// The protocol of a saved server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// ferry's own.
    #[default]
    Ferry,
    /// SFTP.
    Sftp,
}

impl Kind {
    /// The word in the file; `None` for the default.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::Ferry => None,
            Self::Sftp => Some("sftp"),
        }
    }
}

impl Site {
    /// The account.
    ///
    /// # Errors
    /// The address is not valid, or the user is missing.
    pub(crate) fn target(&self) -> Result<Target, AddressError> {
        match self.kind {
            Kind::Ferry => {
                let (host, port) = host_and_port(&self.address)?;
                if self.user.is_empty() {
                    return Err(AddressError::NoUser(self.address.clone()));
                }
                Ok(Target::ferry(&*self.user, host, port))
            }
            Kind::Sftp => {
                let (host, port) = host_and_given_port(&self.address)?;
                let user = Some(&*self.user).filter(|user| !user.is_empty());
                Ok(sftp::completed(user, &host, port, &user_home()))
            }
        }
    }

    /// The address as it is typed: with its scheme, unless it is ferry's own.
    pub(crate) fn url(&self) -> String {
        match self.kind {
            Kind::Ferry => self.address.clone(),
            Kind::Sftp => format!("{SFTP}{}", self.address),
        }
    }

    /// The address and the folder, for people.
    pub(crate) fn shown(&self) -> String {
        let path = self.path.as_deref().unwrap_or_default();
        let user = if self.user.is_empty() { String::new() } else { format!("{}@", self.user) };
        match self.kind {
            Kind::Ferry => format!("{user}{}:{path}", self.address),
            Kind::Sftp => format!("{SFTP}{user}{}/{path}", self.address),
        }
    }

    /// The entry in the file.
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.insert("address", value(&self.address));
        if !self.user.is_empty() {
            table.insert("user", value(&self.user));
        }
        let text = |file: &Option<PathBuf>| file.as_ref().map(|file| file.display().to_string());
        let optional = [
            ("kind", self.kind.word().map(str::to_owned)),
            ("path", self.path.clone()),
            ("server_key", self.server_key.map(|key| key.to_string())),
            ("identity", text(&self.identity)),
            ("seal", text(&self.seal)),
            ("links", self.links.map(|links| links.word().to_owned())),
        ];
        for (key, text) in optional {
            if let Some(text) = text {
                table.insert(key, value(text));
            }
        }
        if self.keyring {
            table.insert(KEYRING, value(true));
        }
        table
    }

    /// The parts of an address with or without a scheme.
    pub(crate) fn kind_and_address(typed: &str) -> (Kind, &str) {
        match typed.strip_prefix(SFTP) {
            Some(address) => (Kind::Sftp, address.trim_end_matches('/')),
            None => (Kind::Ferry, typed),
        }
    }

    /// The folder to start in, as typed.
    pub(crate) fn folder(&self) -> &str {
        match (&self.path, self.kind) {
            (Some(path), _) => path,
            (None, Kind::Ferry) => "",
            (None, Kind::Sftp) => "~",
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    sites: BTreeMap<String, Site>,
}

/// An error of the saved servers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SitesError {
    /// The disk's error.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The file is invalid; the message contains line and column.
    #[error("{} cannot be used: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The message, with the position.
        message: String,
    },
    /// There is no such site.
    #[error("there is no site named {0}; `ferry site list` lists the sites; for a local file write ./{0}")]
    Unknown(String),
    /// An address names no site, and there is no default.
    #[error(
        "there is no default site; set FERRY_SITE, or site in the table [verbs] of config.toml; for a local file write ./:{0}"
    )]
    NoDefault(String),
    /// The name is taken.
    #[error("there is already a site named {0}; `ferry site remove {0}` removes it")]
    Exists(String),
    /// The name is not a valid name of a site.
    #[error("{0} is not a valid site name; use letters, digits, '.', '_' and '-'")]
    BadName(String),
    /// The saved address is invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The path is invalid.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// The saved servers.
#[derive(Debug)]
pub(crate) struct Sites {
    file: PathBuf,
    sites: BTreeMap<String, Site>,
}

/// An address completed from its site: the server and the path.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The server.
    pub(crate) target: Target,
    /// The path relative to the home.
    pub(crate) path: RemotePath,
    /// The path as typed, for output.
    pub(crate) typed: Vec<u8>,
    /// Whether the path was written as "into this folder".
    pub(crate) into: bool,
    /// The only server key to accept.
    pub(crate) server_key: Option<Fingerprint>,
    /// The file of the key to log in with.
    pub(crate) identity: Option<PathBuf>,
    /// The file with the server's secret.
    pub(crate) seal: Option<PathBuf>,
    /// The rule for symbolic links inside a folder.
    pub(crate) links: Option<Links>,
    /// Whether the password is in the keyring of the system.
    pub(crate) keyring: bool,
}

impl Place {
    /// A place without anything saved about its server.
    fn new(target: Target, path: RemotePath, typed: Vec<u8>, into: bool) -> Self {
        Self { target, path, typed, into, server_key: None, identity: None, seal: None, links: None, keyring: false }
    }

    /// Whether it is the topmost folder, or the user's home: these have no name of their own.
    pub(crate) fn is_top(&self) -> bool {
        self.path.is_home() || (self.target.protocol == Protocol::Sftp && self.path.as_bytes() == sftp::HOME)
    }

    /// Its last name; `None` for a top.
    pub(crate) fn name(&self) -> Option<Name> {
        self.path.name().filter(|_| !self.is_top())
    }
}

impl Sites {
    /// Reads the file; a missing file contains no sites.
    ///
    /// # Errors
    /// [`SitesError::Io`] or [`SitesError::Syntax`].
    pub(crate) fn load(file: PathBuf) -> Result<Self, SitesError> {
        let text = read(&file)?;
        let sites = toml::from_str::<File>(&text).map_err(|error| syntax(&file, &error))?.sites;
        if let Some(name) = sites.keys().find(|name| !is_site_name(name)) {
            let error = SitesError::BadName(name.clone());
            return Err(syntax(&file, &error));
        }
        Ok(Self { file, sites })
    }

    /// An empty list, for addresses that need no saved server.
    pub(crate) fn none() -> Self {
        Self { file: PathBuf::new(), sites: BTreeMap::new() }
    }

    /// The sites by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Site)> {
        self.sites.iter()
    }

    /// The site named `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Site> {
        self.sites.get(name)
    }

    /// Completes `address` from its site.
    ///
    /// # Errors
    /// [`SitesError::Unknown`], and errors of the path or of the site's address.
    pub(crate) fn resolve(&self, address: &Address) -> Result<Place, SitesError> {
        let into = address.is_into();
        let typed = address.path.clone();
        if let Some(user) = self.user_of(&address.server) {
            check_user(user)?;
        }
        match &address.server {
            Server::Direct { user, host, port } => {
                Ok(Place::new(Target::ferry(user, host, *port), RemotePath::from_typed(&typed)?, typed, into))
            }
            Server::Sftp { user, host, port } => {
                let target = sftp::completed(user.as_deref(), host, *port, &user_home());
                Ok(Place::new(target, RemotePath::from_typed(&typed)?, typed, into))
            }
            Server::Default => Err(SitesError::NoDefault(Escaped(&typed).to_string())),
            Server::Site(name) => {
                let site = self.sites.get(name).ok_or_else(|| unknown(name, &typed))?;
                let target = site.target()?;
                let path = below(site.folder(), &typed)?;
                let (server_key, identity, seal) = (site.server_key, site.identity.clone(), site.seal.clone());
                let (links, keyring) = (site.links, site.keyring);
                Ok(Place { target, path, typed, into, server_key, identity, seal, links, keyring })
            }
        }
    }

    fn user_of<'a>(&'a self, server: &'a Server) -> Option<&'a str> {
        match server {
            Server::Direct { user, .. } => Some(user),
            // Other servers have other rules for names.
            Server::Sftp { .. } | Server::Default => None,
            Server::Site(name) => self.sites.get(name).filter(|site| site.kind == Kind::Ferry).map(|site| &*site.user),
        }
    }

    /// Checks that a new site can have `name`.
    ///
    /// # Errors
    /// [`SitesError::Exists`] or [`SitesError::BadName`].
    pub(crate) fn require_free(&self, name: &str) -> Result<(), SitesError> {
        match name {
            _ if !is_site_name(name) => Err(SitesError::BadName(name.to_owned())),
            _ if self.sites.contains_key(name) => Err(SitesError::Exists(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// Checks that a site is named `name`.
    ///
    /// # Errors
    /// [`SitesError::Unknown`].
    pub(crate) fn require(&self, name: &str) -> Result<(), SitesError> {
        if self.sites.contains_key(name) { Ok(()) } else { Err(SitesError::Unknown(name.to_owned())) }
    }

    /// Saves a new site.
    ///
    /// # Errors
    /// [`SitesError::Exists`], [`SitesError::BadName`], or the file cannot be written.
    pub(crate) fn add(&mut self, name: &str, site: Site) -> Result<(), SitesError> {
        self.require_free(name)?;
        self.put(&[(name.to_owned(), site)])
    }

    /// Saves sites, and replaces those of the same names.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn put(&mut self, new: &[(String, Site)]) -> Result<(), SitesError> {
        let mut document = self.document()?;
        let all = document.entry("sites").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        let all = all.as_table_like_mut().ok_or_else(|| syntax(&self.file, &"`sites` is not a table"))?;
        for (name, site) in new {
            all.insert(name, Item::Table(site.table()));
        }
        self.write(&document)?;
        self.sites.extend(new.iter().cloned());
        Ok(())
    }

    /// Notes whether the password of a site is in the keyring.
    ///
    /// # Errors
    /// [`SitesError::Unknown`], or the file cannot be written.
    pub(crate) fn mark(&mut self, name: &str, keyring: bool) -> Result<(), SitesError> {
        let site = self.sites.get_mut(name).ok_or_else(|| SitesError::Unknown(name.to_owned()))?;
        if std::mem::replace(&mut site.keyring, keyring) == keyring {
            return Ok(());
        }
        let mut document = self.document()?;
        let all = document.get_mut("sites").and_then(Item::as_table_like_mut);
        if let Some(site) = all.and_then(|all| all.get_mut(name)).and_then(Item::as_table_like_mut) {
            match keyring {
                true => drop(site.insert(KEYRING, value(true))),
                false => drop(site.remove(KEYRING)),
            }
        }
        self.write(&document)
    }

    /// Removes a site.
    ///
    /// # Errors
    /// [`SitesError::Unknown`], or the file cannot be written.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), SitesError> {
        self.require(name)?;
        let mut document = self.document()?;
        if let Some(all) = document.get_mut("sites").and_then(Item::as_table_like_mut) {
            all.remove(name);
        }
        self.write(&document)?;
        self.sites.remove(name);
        Ok(())
    }

    fn document(&self) -> Result<DocumentMut, SitesError> {
        let text = read(&self.file)?;
        text.parse().map_err(|error| syntax(&self.file, &error))
    }

    fn write(&self, document: &DocumentMut) -> Result<(), SitesError> {
        let io_error = |source| SitesError::Io { path: self.file.clone(), source };
        let folder = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(io_error)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(io_error)?;
        let head = if self.sites.is_empty() && read(&self.file)?.is_empty() { HEAD } else { "" };
        io::Write::write_all(&mut temporary, format!("{head}{document}").as_bytes()).map_err(io_error)?;
        temporary.as_file().sync_all().map_err(io_error)?;
        temporary.persist(&self.file).map_err(|error| io_error(error.error))?;
        Ok(())
    }
}

/// The error for `NAME:typed` if there is no site of that name.
fn unknown(name: &str, typed: &[u8]) -> SitesError {
    let mut parts = typed.splitn(2, |b| *b == b'@');
    match (parts.next(), parts.next()) {
        // `user:password@host:path`
        (Some(secret), Some(server)) if !secret.contains(&b'/') && server.contains(&b':') => {
            AddressError::Password.into()
        }
        _ => SitesError::Unknown(name.to_owned()),
    }
}

/// A typed path, relative to the site's folder, or to the home if it begins with `/`.
fn below(folder: &str, typed: &[u8]) -> Result<RemotePath, PathError> {
    if typed.starts_with(b"/") {
        return RemotePath::from_typed(typed);
    }
    RemotePath::from_typed(&[folder.as_bytes(), typed].join(&b'/'))
}

fn read(file: &Path) -> Result<String, SitesError> {
    match text_file::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|source| SitesError::Io { path: file.to_owned(), source }),
    }
}

fn syntax(file: &Path, error: &dyn std::fmt::Display) -> SitesError {
    SitesError::Syntax { path: file.to_owned(), message: error.to_string() }
}

#[cfg(test)]
mod tests;
