//! An account on a server, as a person names it: by an address, by user and host, or by a saved site.

use std::path::{Path, PathBuf};

use ferry_client::{
    connect::{Protocol, Target},
    sftp,
};
use ferry_shared::{fingerprint::Fingerprint, path::RemotePath};

use crate::{
    address::{self, Address},
    args::Links,
    home::user_home,
    sites::Site,
};

/// An account on a server, and the folder to start in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// User, host and port.
    pub(crate) target: Target,
    /// The saved site it is, if it is one.
    pub(crate) site: Option<String>,
    /// The folder to start in.
    pub(crate) start: RemotePath,
    /// The only key to accept.
    pub(crate) key: Option<Fingerprint>,
    /// The file of the key to log in with; a password is asked for without one.
    pub(crate) identity: Option<PathBuf>,
    /// The file with the server's secret.
    pub(crate) seal: Option<PathBuf>,
    /// The rule for symbolic links inside a folder.
    pub(crate) links: Option<Links>,
    /// Whether the password is in the keyring of the system.
    pub(crate) keyring: bool,
}

impl Server {
    /// The account `target`, with nothing saved about it.
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            site: None,
            start: RemotePath::home(),
            key: None,
            identity: None,
            seal: None,
            links: None,
            keyring: false,
        }
    }

    /// The server that an address names.
    ///
    /// # Errors
    /// The address is not valid.
    pub(crate) fn from_address(address: Address) -> Result<Self, String> {
        let start = RemotePath::from_typed(&address.path).map_err(|error| error.to_string())?;
        match address.server {
            address::Server::Direct { user, host, port } => {
                address::check_user(&user).map_err(|error| error.to_string())?;
                Ok(Self { start, ..Self::new(Target::ferry(user, host, port)) })
            }
            address::Server::Sftp { user, host, port } => {
                Ok(Self { start, ..Self::new(sftp::completed(user.as_deref(), &host, port, &user_home())) })
            }
            address::Server::Default => Err("the address names no server".to_owned()),
            address::Server::Site(name) => Err(format!("there is no site named {name}")),
        }
    }

    /// The account of `user` at `address`, which is a host with or without a port.
    ///
    /// # Errors
    /// The user's name or the address is not valid.
    pub(crate) fn of_user(user: &str, address: &str) -> Result<Self, String> {
        address::check_user(user).map_err(|error| error.to_string())?;
        let (host, port) = address::host_and_port(address).map_err(|error| error.to_string())?;
        Ok(Self::new(Target::ferry(user, host, port)))
    }

    /// The server of a saved site.
    ///
    /// # Errors
    /// A part of the site is not valid.
    pub(crate) fn from_site(name: &str, site: &Site, home: &Path) -> Result<Self, String> {
        let target = site.target().map_err(|error| error.to_string())?;
        if target.protocol == Protocol::Ferry {
            address::check_user(&target.user).map_err(|error| error.to_string())?;
        }
        Ok(Self {
            site: Some(name.to_owned()),
            start: RemotePath::from_typed(site.folder().as_bytes()).map_err(|error| error.to_string())?,
            key: site.server_key,
            identity: site.identity.as_ref().map(|file| key_file(file, home)),
            seal: site.seal.clone(),
            links: site.links,
            keyring: site.keyring,
            ..Self::new(target)
        })
    }

    /// The secret that it asks for: a password, or a key's passphrase.
    pub(crate) fn secret(&self) -> &'static str {
        if self.identity.is_some() { "passphrase" } else { "password" }
    }

    /// Its short name: the site's, or user and host.
    pub(crate) fn name(&self) -> String {
        match &self.site {
            Some(site) => site.clone(),
            None if self.target.protocol == Protocol::Sftp && self.target.port == sftp::PORT => {
                format!("sftp://{}@{}", self.target.user, self.target.host)
            }
            None if self.target.protocol == Protocol::Ferry
                && self.target.port == ferry_shared::limits::DEFAULT_PORT =>
            {
                format!("{}@{}", self.target.user, self.target.host)
            }
            None => self.target.to_string(),
        }
    }
}

/// The path of a key file as it was typed: `~/` is the user's home.
pub(crate) fn key_file(typed: &Path, home: &Path) -> PathBuf {
    typed.strip_prefix("~").map_or_else(|_| typed.to_owned(), |below| home.join(below))
}
