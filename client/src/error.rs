//! The error type of the client, by cause and by whether a retry may help.

mod identity;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use ferry_shared::{digest::Digest, fingerprint::Fingerprint, link::LinkError, name::Escaped, refusal::Refusal};

use crate::obstacle::Obstacle;
pub use identity::{AgentError, IdentityError};

/// The error of all operations. Cheap to clone, because one lost connection fails many calls.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The server's key is unknown, and nobody can be asked.
    #[error(
        "the key of {host} is not known: {found}. If this is its fingerprint, accept it with --server-key {found} \
         (or take any new key with --accept-new)"
    )]
    UntrustedKey {
        /// The server, as `host:port`.
        host: String,
        /// The server's key.
        found: Fingerprint,
    },
    /// The user declined the server's key.
    #[error("the key of {host}, {found}, was not accepted")]
    DeclinedKey {
        /// The server, as `host:port`.
        host: String,
        /// The server's key.
        found: Fingerprint,
    },
    /// The server's key differs from the known one.
    #[error(
        "THE KEY OF {host} HAS CHANGED: it is {found}, but the known key is {expected}. Somebody may be intercepting the connection, or \
         the server has a new key. Nothing was sent. If the new key is right, remove the line of {host} from {}",
        .known_servers.display()
    )]
    ChangedKey {
        /// The server, as `host:port`.
        host: String,
        /// The known key.
        expected: Fingerprint,
        /// The server's key.
        found: Fingerprint,
        /// The file with the known key.
        known_servers: PathBuf,
    },
    /// The server's key is marked as revoked.
    #[error("THE KEY OF {host}, {found}, IS REVOKED in {}. Nothing was sent", .file.display())]
    RevokedKey {
        /// The server.
        host: String,
        /// The server's key.
        found: Fingerprint,
        /// The file with the mark.
        file: PathBuf,
    },
    /// The server's key differs from the required one.
    #[error("the key of {host} is {found}, not the required {expected}. Nothing was sent")]
    WrongKey {
        /// The server, as `host:port`.
        host: String,
        /// The required key.
        expected: Fingerprint,
        /// The server's key.
        found: Fingerprint,
    },
    /// The file of known servers cannot be read or written.
    #[error(
        "cannot store server keys in {}: {error}. Set FERRY_HOME to a writable folder, or accept \
         only this server with --server-key {found}", Escaped(.path.as_os_str().as_encoded_bytes())
    )]
    KnownServers {
        /// The file.
        path: PathBuf,
        /// The server's key.
        found: Fingerprint,
        /// The system's error.
        error: Arc<io::Error>,
    },
    /// The user's key cannot be used.
    #[error("{0}")]
    Identity(Arc<IdentityError>),
    /// The secret for the server's seal cannot be read.
    #[error("the seal {}: {error}; --seal-file, FERRY_SEAL_FILE or the site must name a file with the server's secret", .path.display())]
    Seal {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: Arc<io::Error>,
    },
    /// The server refused the request.
    #[error("{}", Escaped(.0.message.as_bytes()))]
    Refused(Refusal),
    /// An obstacle that was detected on this side.
    #[error("{}", Escaped(.message.as_bytes()))]
    Obstructed {
        /// The obstacle.
        obstacle: Obstacle,
        /// A message for the user, with the next step.
        message: String,
    },
    /// The connection was lost or closed during an operation.
    #[error("{0}")]
    Lost(Arc<LinkError>),
    /// The server cannot be reached: unknown host, connection refused, no route.
    #[error("cannot reach {address}: {error}")]
    Unreachable {
        /// The server, as `host:port`.
        address: String,
        /// The system's error.
        error: Arc<io::Error>,
    },
    /// The peer does not support TLS 1.3 with this protocol, or violates it.
    #[error("no secure connection to {address}: {}", Escaped(.message.as_bytes()))]
    Insecure {
        /// The server, as `host:port`.
        address: String,
        /// The fault in the handshake.
        message: String,
    },
    /// The server did not answer in time.
    #[error("no answer while {0}")]
    Timeout(&'static str),
    /// The server violated the protocol, or there is no common version.
    #[error("the server does not follow the protocol: {}", Escaped(.0.as_bytes()))]
    Protocol(String),
    /// An error of a local file.
    #[error("{}: {error}", Escaped(.path.as_os_str().as_encoded_bytes()))]
    Local {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        error: Arc<io::Error>,
    },
    /// The files do not fit at their target.
    #[error("{}at least {needed} bytes are needed, {available} are free", no_room(.at, *.quota, *.near))]
    NoRoom {
        /// The target, for display.
        at: String,
        /// Whether a quota, not the disk, is the limit.
        quota: bool,
        /// Whether the target is on this computer.
        near: bool,
        /// Bytes that are needed, at least.
        needed: u64,
        /// Bytes that are free.
        available: u64,
        /// Bytes that unfinished transfers have reserved.
        held: u64,
    },
    /// The file changed while it was being read, and was not stored.
    #[error("the file changed while it was being read")]
    SourceChanged,
    /// The received content differs from the sent content.
    #[error("the digest of the content is {found}, but should be {expected}")]
    Mismatch {
        /// The digest it should have.
        expected: Digest,
        /// The digest it has.
        found: Digest,
    },
    /// The caller stopped the operation.
    #[error("stopped")]
    Cancelled,
}

/// The start of the message for a target without enough space.
fn no_room(at: &str, quota: bool, near: bool) -> String {
    match (quota, near) {
        (true, _) => "over quota: ".to_owned(),
        (false, true) => format!("{at}: the disk is full: "),
        (false, false) => "the server's disk is full: ".to_owned(),
    }
}

impl ClientError {
    /// An error of the local file `path`.
    #[must_use]
    pub fn local(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self::Local { path: path.into(), error: Arc::new(error) }
    }

    /// The server closed the connection cleanly, but during an operation.
    #[must_use]
    pub fn closed() -> Self {
        LinkError::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")).into()
    }

    /// An obstacle that was detected on this side.
    #[must_use]
    pub fn obstructed(obstacle: Obstacle, message: impl Into<String>) -> Self {
        Self::Obstructed { obstacle, message: message.into() }
    }

    /// The obstacle, independent of the kind of site that reported it.
    #[must_use]
    pub fn obstacle(&self) -> Obstacle {
        match self {
            Self::Refused(refusal) => refusal.code.into(),
            Self::Obstructed { obstacle, .. } => *obstacle,
            Self::Local { error, .. } => error.kind().into(),
            Self::NoRoom { quota: true, .. } => Obstacle::OverQuota,
            Self::NoRoom { .. } => Obstacle::DiskFull,
            Self::SourceChanged => Obstacle::Changed,
            Self::Mismatch { .. } => Obstacle::Mismatch,
            Self::Cancelled => Obstacle::Cancelled,
            Self::Lost(_) | Self::Unreachable { .. } | Self::Timeout(_) | Self::Insecure { .. } => {
                Obstacle::Unreachable
            }
            Self::UntrustedKey { .. }
            | Self::DeclinedKey { .. }
            | Self::ChangedKey { .. }
            | Self::RevokedKey { .. }
            | Self::WrongKey { .. }
            | Self::KnownServers { .. }
            | Self::Identity(_)
            | Self::Seal { .. } => Obstacle::Account,
            Self::Protocol(_) => Obstacle::Fault,
        }
    }

    /// Whether a later attempt may succeed without any change: the network failed, or the server said that a retry
    /// can help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Lost(error) => !matches!(**error, LinkError::Frame(_)),
            Self::Unreachable { .. } | Self::Timeout(_) | Self::SourceChanged | Self::Mismatch { .. } => true,
            Self::Refused(refusal) => refusal.retry,
            Self::Obstructed { obstacle, .. } => {
                matches!(obstacle, Obstacle::Busy | Obstacle::Changed | Obstacle::Mismatch | Obstacle::Unreachable)
            }
            Self::UntrustedKey { .. }
            | Self::DeclinedKey { .. }
            | Self::ChangedKey { .. }
            | Self::RevokedKey { .. }
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

    /// Whether a disk or the user's quota is full.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        matches!(self.obstacle(), Obstacle::OverQuota | Obstacle::DiskFull)
    }

    /// The time that the server asked to wait.
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

    use ferry_shared::refusal::Code;

    use super::*;

    #[test]
    fn lost_connections_are_transient_and_protocol_violations_are_not() {
        assert!(ClientError::closed().is_transient());
        assert!(ClientError::from(LinkError::Cut).is_transient());
        assert!(!ClientError::from(LinkError::Frame(FrameError::UnknownKind(9))).is_transient());
    }

    #[test]
    fn the_server_decides_whether_its_refusal_is_transient() {
        assert!(ClientError::from(Refusal::new(Code::Busy, "later")).is_transient());
        assert!(!ClientError::from(Refusal::new(Code::OverQuota, "full")).is_transient());
    }

    #[test]
    fn a_refusal_is_displayed_escaped() {
        let error = ClientError::from(Refusal::new(Code::Internal, "a\u{1b}[2Jb"));
        assert_eq!(error.to_string(), r"a\u{1b}[2Jb");
    }

    #[test]
    fn invalid_messages_are_displayed_escaped() {
        let text = "a\u{1b}[2Jb\u{9b}\u{202e}";
        let insecure = ClientError::Insecure { address: "h:1".into(), message: text.into() };
        for error in [ClientError::Protocol(text.into()), insecure] {
            assert!(error.to_string().ends_with(r"a\u{1b}[2Jb\u{9b}\u{202e}"), "{error}");
        }
    }
}
