//! A server of either protocol, as people browse it: connectors, and calls about files.
//!
//! A call that a protocol does not offer fails with [`Obstacle::Unsupported`](crate::Obstacle).

mod stream;

use std::sync::Arc;

use ferry_shared::{
    entry::{Entry, Mtime, Version},
    fingerprint::Fingerprint,
    message::{
        Notice,
        reply::{Access, LoggedIn, Registration, UnfinishedUpload, Usage},
        request::{Algorithm, BlockRange},
    },
    path::RemotePath,
    refusal::{Code, Refusal},
    secret::Secret,
};
use tokio::sync::broadcast;

pub use self::stream::{Block, BlockStream, PageStream};
use crate::{
    connect::{self, Target},
    error::ClientError,
    ferry::Ferry,
    remote::{self, CommandStream, CopyDone, Removed},
    sftp::{Login, Sftp, SftpConnector, SftpRemote},
    site::{Abilities, Site},
};

/// Opens connections to one account; clones share the login.
#[derive(Debug, Clone)]
pub enum Connector {
    /// On a ferry server.
    Ferry(connect::Connector),
    /// On an SSH server.
    Sftp(SftpConnector),
}

/// A server that was greeted, whose key is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeted {
    /// Its name and version.
    pub software: String,
    /// The rule for making accounts.
    pub registration: Registration,
    /// Its key.
    pub key: Fingerprint,
}

/// The account as it was at the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user's permissions.
    pub access: Access,
    /// The user's usage and limits.
    pub usage: Usage,
    /// The operator's word of the day.
    pub motd: Option<String>,
}

impl Connector {
    /// The account.
    #[must_use]
    pub fn target(&self) -> &Target {
        match self {
            Self::Ferry(connector) => connector.target(),
            Self::Sftp(connector) => connector.target(),
        }
    }

    /// Whether both are clones of one connector, so that they share their login.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ferry(connector), Self::Ferry(other)) => connector.is_same(other),
            (Self::Sftp(connector), Self::Sftp(other)) => connector.is_same(other),
            _ => false,
        }
    }

    /// The site of the engine.
    #[must_use]
    pub fn site(&self) -> Arc<dyn Site> {
        match self {
            Self::Ferry(connector) => Arc::new(Ferry::new(connector.clone())),
            Self::Sftp(connector) => Arc::new(Sftp::new(connector.clone())),
        }
    }

    /// The connector of a ferry server.
    ///
    /// # Errors
    /// It is a server of another protocol, which cannot do what is `asked`.
    pub fn ferry(&self, asked: &str) -> Result<&connect::Connector, ClientError> {
        match self {
            Self::Ferry(connector) => Ok(connector),
            Self::Sftp(_) => Err(unsupported(asked)),
        }
    }

    /// Checks the server's key. Sends no secret, does not log in, and closes the connection.
    ///
    /// # Errors
    /// Any [`ClientError`] of connecting and trust.
    pub async fn probe(&self) -> Result<Greeted, ClientError> {
        match self {
            Self::Ferry(connector) => {
                let (welcome, key) = connector.probe().await?;
                Ok(Greeted { software: welcome.server, registration: welcome.registration, key })
            }
            Self::Sftp(connector) => {
                let greeted = connector.probe().await?;
                Ok(Greeted { software: greeted.software, registration: Registration::Closed, key: greeted.key })
            }
        }
    }

    /// Logs in to an SSH server like this from now on.
    pub fn set_login(&self, login: Login) {
        if let Self::Sftp(connector) = self {
            connector.set_login(login);
        }
    }
}

/// The abilities of a kind of server, before it is connected to.
#[must_use]
pub fn abilities(target: &Target) -> Abilities {
    match target.protocol {
        connect::Protocol::Ferry => Ferry::ABILITIES,
        connect::Protocol::Sftp => Sftp::ABILITIES,
    }
}

fn unsupported(asked: &str) -> ClientError {
    Refusal::new(Code::Unsupported, format!("an SFTP server cannot {asked}")).into()
}

/// Calls over one connection; clones share it.
#[derive(Debug, Clone)]
pub enum Remote {
    /// To a ferry server.
    Ferry(remote::Remote),
    /// To an SSH server.
    Sftp(SftpRemote),
}

impl From<remote::Remote> for Remote {
    fn from(remote: remote::Remote) -> Self {
        Self::Ferry(remote)
    }
}

/// Every call fails with [`ClientError::Refused`] if the server refuses it or does not offer it, and with the reason
/// for the end of the connection if that ends first.
#[expect(clippy::missing_errors_doc, reason = "the same for all of them: see above")]
impl Remote {
    /// Opens a connection.
    pub async fn connect(connector: &Connector) -> Result<Self, ClientError> {
        match connector {
            Connector::Ferry(connector) => remote::Remote::connect(connector).await.map(Self::Ferry),
            Connector::Sftp(connector) => SftpRemote::connect(connector).await.map(Self::Sftp),
        }
    }

    /// Creates the account of `connector`, and opens a connection.
    pub async fn register(connector: &Connector, invite: Option<Secret>) -> Result<Self, ClientError> {
        let connector = connector.ferry("make accounts")?;
        remote::Remote::register(connector, invite).await.map(Self::Ferry)
    }

    fn ferry(&self, asked: &str) -> Result<&remote::Remote, ClientError> {
        match self {
            Self::Ferry(remote) => Ok(remote),
            Self::Sftp(_) => Err(unsupported(asked)),
        }
    }

    /// The server.
    #[must_use]
    pub fn greeted(&self) -> Greeted {
        match self {
            Self::Ferry(remote) => {
                let welcome = remote.welcome();
                let (software, registration) = (welcome.server.clone(), welcome.registration);
                Greeted { software, registration, key: remote.server_key() }
            }
            Self::Sftp(remote) => {
                let greeted = remote.greeted();
                let (software, key) = (greeted.software.clone(), greeted.key);
                Greeted { software, registration: Registration::Closed, key }
            }
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> Account {
        match self {
            Self::Ferry(remote) => {
                let LoggedIn { access, usage, motd, .. } = remote.logged_in();
                Account { access: *access, usage: *usage, motd: motd.clone() }
            }
            Self::Sftp(_) => Account { access: Access::ReadWrite, usage: no_usage(0), motd: None },
        }
    }

    /// The server's notices; `None` if it sends none.
    #[must_use]
    pub fn notices(&self) -> Option<broadcast::Receiver<Notice>> {
        match self {
            Self::Ferry(remote) => Some(remote.notices()),
            Self::Sftp(_) => None,
        }
    }

    /// Waits until the connection has ended, and returns the reason.
    pub async fn closed(&self) -> ClientError {
        match self {
            Self::Ferry(remote) => remote.closed().await,
            Self::Sftp(remote) => remote.closed().await,
        }
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Ferry(remote) => remote.is_closed(),
            Self::Sftp(remote) => remote.is_closed(),
        }
    }

    /// Lists the entries of a folder, page by page.
    pub async fn list(&self, path: RemotePath) -> Result<PageStream, ClientError> {
        match self {
            Self::Ferry(remote) => remote.list(path).await.map(PageStream::Ferry),
            Self::Sftp(remote) => remote.list(path).await.map(PageStream::Sftp),
        }
    }

    /// Lists everything below a folder, with at least one page per folder.
    pub async fn walk(&self, path: RemotePath) -> Result<PageStream, ClientError> {
        match self {
            Self::Ferry(remote) => remote.walk(path).await.map(PageStream::Ferry),
            Self::Sftp(remote) => remote.walk(path).await.map(PageStream::Sftp),
        }
    }

    /// Finds at most `limit` entries below a folder whose name contains `pattern`, or matches it if it is a glob. An
    /// SFTP server is searched by reading all of it.
    pub async fn find(&self, path: RemotePath, pattern: String, limit: u64) -> Result<PageStream, ClientError> {
        match self {
            Self::Ferry(remote) => remote.find(path, pattern, limit).await.map(PageStream::Ferry),
            Self::Sftp(remote) => remote.find(path, &pattern, limit).await.map(PageStream::Sftp),
        }
    }

    /// Returns one entry, with its version if the server has one.
    pub async fn stat(&self, path: RemotePath) -> Result<(Entry, Option<Version>), ClientError> {
        match self {
            Self::Ferry(remote) => remote.stat(path).await,
            Self::Sftp(remote) => remote.stat(&path).await.map(|entry| (entry, None)),
        }
    }

    /// Creates a folder; with `parents` also missing parent folders, and an existing folder is not an error.
    pub async fn make_dir(&self, path: RemotePath, parents: bool) -> Result<(), ClientError> {
        match self {
            Self::Ferry(remote) => remote.make_dir(path, parents).await,
            Self::Sftp(remote) => remote.make_dir(&path, parents).await,
        }
    }

    /// Creates an empty file if nothing exists there, otherwise sets the date of the file or folder to now.
    pub async fn touch(&self, path: RemotePath) -> Result<(), ClientError> {
        match self {
            Self::Ferry(remote) => remote.touch(path).await,
            Self::Sftp(remote) => remote.touch(&path).await,
        }
    }

    /// Renames or moves a file or folder.
    pub async fn rename(&self, from: RemotePath, to: RemotePath, replace: bool) -> Result<(), ClientError> {
        match self {
            Self::Ferry(remote) => remote.rename(from, to, replace).await,
            Self::Sftp(remote) => remote.rename(&from, &to, replace).await,
        }
    }

    /// Copies a file or folder on the server.
    pub async fn copy(&self, from: RemotePath, to: RemotePath, replace: bool) -> Result<CopyDone, ClientError> {
        self.ferry("copy by itself")?.copy(from, to, replace).await
    }

    /// Removes a file or an empty folder; with `recursive` also a folder with everything below it.
    pub async fn remove(&self, path: RemotePath, recursive: bool) -> Result<Removed, ClientError> {
        match self {
            Self::Ferry(remote) => remote.remove(path, recursive).await,
            Self::Sftp(remote) => remote.remove(&path, recursive).await,
        }
    }

    /// Sets the modification time and the permission bits; `None` leaves a value unchanged.
    pub async fn set_attributes(
        &self,
        path: RemotePath,
        mtime: Option<Mtime>,
        mode: Option<u32>,
    ) -> Result<(), ClientError> {
        match self {
            Self::Ferry(remote) => remote.set_attributes(path, mtime, mode).await,
            Self::Sftp(remote) => remote.set_attributes(&path, mtime, mode).await,
        }
    }

    /// Makes a symbolic link that leads to `text`.
    ///
    /// # Errors
    /// [`Code::Unsupported`] from a ferry server, whose homes have none; [`Code::Exists`] if something is there.
    pub async fn make_link(&self, path: RemotePath, text: Vec<u8>) -> Result<(), ClientError> {
        match self {
            Self::Ferry(_) => Err(Refusal::new(Code::Unsupported, "a ferry server makes no symbolic links").into()),
            Self::Sftp(remote) => remote.make_link(&path, text).await,
        }
    }

    /// Returns the digest of a file in hexadecimal. A ferry server computes it; from an SFTP server the file is read.
    pub async fn hash(&self, path: RemotePath, algorithm: Algorithm) -> Result<String, ClientError> {
        match self {
            Self::Ferry(remote) => remote.hash(path, algorithm).await,
            Self::Sftp(remote) => remote.hash(&path, algorithm).await,
        }
    }

    /// Returns the user's usage and limits.
    pub async fn usage(&self) -> Result<Usage, ClientError> {
        self.ferry("tell a quota")?.usage().await
    }

    /// The same as far as the server tells it, for display beside its files.
    pub async fn shown_usage(&self) -> Result<Usage, ClientError> {
        match self {
            Self::Ferry(remote) => remote.usage().await,
            Self::Sftp(remote) => remote.free().await.map(|free| no_usage(free.unwrap_or(0))),
        }
    }

    /// Returns the user's unfinished uploads.
    pub async fn uploads(&self) -> Result<Vec<UnfinishedUpload>, ClientError> {
        self.ferry("list unfinished uploads")?.uploads().await
    }

    /// Discards the unfinished upload of `path`.
    pub async fn discard(&self, path: RemotePath) -> Result<(), ClientError> {
        self.ferry("list unfinished uploads")?.discard(path).await
    }

    /// Changes the password; the user's other sessions end.
    pub async fn change_password(&self, old: Secret, new: Secret) -> Result<(), ClientError> {
        self.ferry("change the password")?.change_password(old, new).await
    }

    /// Reads a file block by block: all of it, or a range of blocks. A ferry server proves a whole file at its end.
    pub async fn read_blocks(&self, path: RemotePath, range: Option<BlockRange>) -> Result<BlockStream, ClientError> {
        match self {
            Self::Ferry(remote) => remote.read_blocks(path, range).await.map(BlockStream::ferry),
            Self::Sftp(remote) => remote.read_blocks(&path, range).await.map(BlockStream::sftp),
        }
    }

    /// Runs a command that is built into a ferry server.
    pub async fn run(&self, words: Vec<Vec<u8>>) -> Result<CommandStream, ClientError> {
        self.ferry("run ferry's commands")?.run(words).await
    }
}

/// The usage of an account without a quota.
fn no_usage(volume_free: u64) -> Usage {
    Usage { used: 0, reserved: 0, limit: None, files: 0, file_limit: None, volume_free }
}
