//! What can go wrong on the client, told apart by whose fault it is and whether to try again.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use ferry_shared::{
    digest::Digest,
    link::LinkError,
    name::Escaped,
    refusal::{Code, Refusal},
};

use crate::{identity::IdentityError, trust::Fingerprint};

/// Why something was not done. Cheap to clone: one lost connection fails many calls.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// Nothing is known about the server's key, and nobody can be asked.
    #[error(
        "the key of {host} is not known: {found}. If that is its fingerprint, accept it with --server-key {found} \
         (or take any new key with --accept-new)"
    )]
    UntrustedKey {
        /// The server, as `host:port`.
        host: String,
        /// The key it showed.
        found: Fingerprint,
    },
    /// The user looked at the server's key and did not accept it.
    #[error("the key of {host}, {found}, was not accepted")]
    DeclinedKey {
        /// The server, as `host:port`.
        host: String,
        /// The key it showed.
        found: Fingerprint,
    },
    /// The server shows another key than the one it is known by.
    #[error(
        "THE KEY OF {host} HAS CHANGED: it shows {found} but is known by {expected}. Somebody may be listening in, or \
         the server has a new key. Nothing was sent. If the new key is right, remove the line of {host} from {}",
        .known_servers.display()
    )]
    ChangedKey {
        /// The server, as `host:port`.
        host: String,
        /// The key it is known by.
        expected: Fingerprint,
        /// The key it showed.
        found: Fingerprint,
        /// The file that knows it.
        known_servers: PathBuf,
    },
    /// The server shows another key than the one that was demanded.
    #[error("the key of {host} is {found}, not the demanded {expected}. Nothing was sent")]
    WrongKey {
        /// The server, as `host:port`.
        host: String,
        /// The key that was demanded.
        expected: Fingerprint,
        /// The key it showed.
        found: Fingerprint,
    },
    /// The file of known servers cannot be read, or a new key not be kept in it.
    #[error(
        "the keys of servers cannot be kept in {}: {error}. Set FERRY_HOME to a folder that can be written, or accept \
         this server alone with --server-key {found}", Escaped(.path.as_os_str().as_encoded_bytes())
    )]
    KnownServers {
        /// The file.
        path: PathBuf,
        /// The key the server showed.
        found: Fingerprint,
        /// What the system says.
        error: Arc<io::Error>,
    },
    /// The user's key cannot be used.
    #[error("{0}")]
    Identity(Arc<IdentityError>),
    /// The secret that seals the greeting cannot be read.
    #[error("the seal {}: {error}; --seal-file, FERRY_SEAL_FILE or the site names a file with the server's secret", .path.display())]
    Seal {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: Arc<io::Error>,
    },
    /// The server would not.
    #[error("{}", Escaped(.0.message.as_bytes()))]
    Refused(Refusal),
    /// The connection broke, or was closed, while something was under way.
    #[error("{0}")]
    Lost(Arc<LinkError>),
    /// No connection came about: no such host, nobody listens there, no way to it.
    #[error("cannot reach {address}: {error}")]
    Unreachable {
        /// The server, as `host:port`.
        address: String,
        /// What the system says.
        error: Arc<io::Error>,
    },
    /// Who answers there does not speak TLS 1.3 with this protocol in it, or not correctly.
    #[error("no secure connection to {address}: {}", Escaped(.message.as_bytes()))]
    Insecure {
        /// The server, as `host:port`.
        address: String,
        /// What is wrong with its side of the handshake.
        message: String,
    },
    /// Nothing came in time.
    #[error("no answer while {0}")]
    Timeout(&'static str),
    /// The server said what the protocol does not allow, or speaks no common version.
    #[error("the server does not follow the protocol: {}", Escaped(.0.as_bytes()))]
    Protocol(String),
    /// This computer's own files.
    #[error("{}: {error}", Escaped(.path.as_os_str().as_encoded_bytes()))]
    Local {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        error: Arc<io::Error>,
    },
    /// The files to come do not fit on this disk.
    #[error(
        "{}: the disk has no room for it: at least {needed} bytes are needed, {available} are free",
        Escaped(.path.as_os_str().as_encoded_bytes())
    )]
    NoRoom {
        /// Where it was to go.
        path: PathBuf,
        /// Bytes that are needed, as far as is known.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// The file changed while it was being read; what was sent is not committed.
    #[error("the file changed while it was being read")]
    SourceChanged,
    /// What arrived is not what was sent.
    #[error("the content's digest is {found}, it should be {expected}")]
    Mismatch {
        /// The digest it should have.
        expected: Digest,
        /// The digest it has.
        found: Digest,
    },
    /// The caller stopped it.
    #[error("stopped")]
    Cancelled,
}

impl ClientError {
    /// An error of this computer's file `path`.
    #[must_use]
    pub fn local(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self::Local { path: path.into(), error: Arc::new(error) }
    }

    /// The peer closed the connection in order, but in the middle of something.
    #[must_use]
    pub fn closed() -> Self {
        LinkError::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it")).into()
    }

    /// Whether the same may work later without anybody changing anything: the network
    /// failed, or the server said that trying again can help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Lost(error) => !matches!(**error, LinkError::Frame(_)),
            Self::Unreachable { .. } | Self::Timeout(_) | Self::SourceChanged | Self::Mismatch { .. } => true,
            Self::Refused(refusal) => refusal.retry,
            Self::UntrustedKey { .. }
            | Self::DeclinedKey { .. }
            | Self::ChangedKey { .. }
            | Self::WrongKey { .. }
            | Self::KnownServers { .. }
            | Self::Insecure { .. }
            | Self::Protocol(_)
            | Self::Identity(_)
            | Self::Seal { .. }
            | Self::Local { .. }
            | Self::NoRoom { .. }
            | Self::Cancelled => false,
        }
    }

    /// Whether a disk, or the user's quota, has no room for it.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        match self {
            Self::NoRoom { .. } => true,
            Self::Refused(refusal) => matches!(refusal.code, Code::OverQuota | Code::DiskFull),
            Self::Local { error, .. } => {
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }

    /// How long the server asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after.map(Duration::from_secs),
            _ => None,
        }
    }
}

impl From<LinkError> for ClientError {
    fn from(error: LinkError) -> Self {
        Self::Lost(Arc::new(error))
    }
}

impl From<Refusal> for ClientError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

#[cfg(test)]
mod tests {
    use ferry_shared::frame::FrameError;

    use super::*;

    #[test]
    fn lost_links_are_worth_a_retry_but_a_broken_peer_is_not() {
        assert!(ClientError::closed().is_transient());
        assert!(ClientError::from(LinkError::Cut).is_transient());
        assert!(!ClientError::from(LinkError::Frame(FrameError::UnknownKind(9))).is_transient());
    }

    #[test]
    fn the_server_says_whether_its_refusal_is_worth_a_retry() {
        assert!(ClientError::from(Refusal::new(Code::Busy, "later")).is_transient());
        assert!(!ClientError::from(Refusal::new(Code::OverQuota, "full")).is_transient());
    }

    #[test]
    fn a_refusal_cannot_forge_a_screen() {
        let error = ClientError::from(Refusal::new(Code::Internal, "a\u{1b}[2Jb"));
        assert_eq!(error.to_string(), r"a\u{1b}[2Jb");
    }

    #[test]
    fn what_breaks_the_protocol_cannot_forge_a_screen() {
        let text = "a\u{1b}[2Jb\u{9b}\u{202e}";
        let insecure = ClientError::Insecure { address: "h:1".into(), message: text.into() };
        for error in [ClientError::Protocol(text.into()), insecure] {
            assert!(error.to_string().ends_with(r"a\u{1b}[2Jb\u{9b}\u{202e}"), "{error}");
        }
    }
}
