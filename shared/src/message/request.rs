//! The requests of a client.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use crate::{
    digest::Digest,
    entry::{Mtime, Version},
    feature::Features,
    limits::BLOCK_SIZE,
    path::RemotePath,
    secret::Secret,
    wire_bytes,
};

/// A message of a client. Requests are answered strictly in order; each variant names its reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Request {
    /// The first message: introduces the client. Answered by `Welcome`.
    Hello(Hello),
    /// Proves the identity of the user. Answered by `LoggedIn`.
    Login {
        /// The user's name.
        user: String,
        /// The proof.
        proof: Proof,
    },
    /// Joins a session that another connection of this client opened. Answered by `LoggedIn`.
    Attach {
        /// The ticket from that connection's `LoggedIn`.
        ticket: Secret,
    },
    /// Creates an account, if the server allows it. Answered by `LoggedIn`.
    Register {
        /// The wanted name.
        user: String,
        /// The wanted password.
        password: Secret,
        /// The invite, if one is needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        invite: Option<Secret>,
    },
    /// The entries of a folder. Answered by `Entries`, until one has `more` unset.
    List {
        /// The folder.
        path: RemotePath,
    },
    /// Everything below a folder, a page for each folder. Answered by `Entries`.
    Walk {
        /// The folder.
        path: RemotePath,
        /// Whether the pages also contain the digests that the server remembers; only if [`Feature::Remembered`] is
        /// common.
        ///
        /// [`Feature::Remembered`]: crate::feature::Feature::Remembered
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        digests: bool,
    },
    /// Entries below a folder whose names match. Answered by `Entries`.
    Find {
        /// The folder.
        path: RemotePath,
        /// A part of the name, or a glob if it contains one of `*?[`. The search is case-sensitive only if the
        /// pattern contains a capital letter.
        pattern: String,
        /// The maximum number of entries; all of them if absent.
        #[serde(default = "all")]
        limit: u64,
    },
    /// One entry. Answered by `Entry`.
    Stat {
        /// The path.
        path: RemotePath,
    },
    /// Makes an empty file, or sets the modification time of an existing entry to now. Answered by `Done`.
    Touch {
        /// The file or folder.
        path: RemotePath,
    },
    /// Makes a folder. Answered by `Done`.
    MakeDir {
        /// The new folder.
        path: RemotePath,
        /// Make missing parents too, and accept an existing folder.
        #[serde(default)]
        parents: bool,
    },
    /// Renames or moves an entry atomically. Answered by `Done`.
    Rename {
        /// The old path.
        from: RemotePath,
        /// The new path.
        to: RemotePath,
        /// Replace an existing file.
        #[serde(default)]
        replace: bool,
    },
    /// Copies a file or folder on the server. Answered by `Stored` for a file, `Done` for a folder.
    Copy {
        /// The source.
        from: RemotePath,
        /// The target.
        to: RemotePath,
        /// Replace an existing file.
        #[serde(default)]
        replace: bool,
    },
    /// Removes an entry. Answered by `Removed`.
    Remove {
        /// The path.
        path: RemotePath,
        /// Remove a folder with everything below it.
        #[serde(default)]
        recursive: bool,
        /// Only remove a file of this version, else refuse with `changed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// Sets modification time or permission bits. Answered by `Done`.
    SetAttributes {
        /// The path.
        path: RemotePath,
        /// The modification time; unchanged if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mtime: Option<Mtime>,
        /// The permission bits; unchanged if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
    /// The digest of a file. Answered by `Hashed`.
    Hash {
        /// The file.
        path: RemotePath,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// Runs a command that is built into the server, only if [`Feature::Run`] is common. Answered by `Output` any
    /// number of times, then by `Exited`.
    ///
    /// [`Feature::Run`]: crate::feature::Feature::Run
    Run {
        /// The name of the command, and its arguments.
        words: Vec<Word>,
    },
    /// The user's usage and limits. Answered by `Usage`.
    Usage,
    /// The user's unfinished uploads. Answered by `Uploads`, until one has `more` unset.
    Uploads,
    /// Discards an unfinished upload. Answered by `Done`.
    Discard {
        /// The target of the upload.
        path: RemotePath,
    },
    /// Changes the password. Answered by `Done`; the user's other sessions end.
    ChangePassword {
        /// The present password.
        old: Secret,
        /// The new password.
        new: Secret,
    },
    /// Shows that the client is alive. Answered by `Pong`.
    Ping,
    /// Downloads a file; have-frames follow, ended by an empty one. Answered by `Opened`, block frames and `Sent`.
    Get {
        /// The file.
        path: RemotePath,
        /// Only these blocks, for previews; all of them if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blocks: Option<BlockRange>,
    },
    /// Uploads a file. Answered by `Ready` (except for a file of one block), then by `Stored` after `Commit`.
    Put(Put),
    /// Ends the blocks of an upload. Answered by `Stored`.
    Commit {
        /// The size in bytes of the data that was read.
        size: u64,
        /// The digest of the data that was read.
        root: Digest,
    },
}

/// The introduction of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The highest protocol version it speaks.
    pub protocol: u32,
    /// Its name and version, for logs.
    #[serde(default)]
    pub client: String,
    /// The optional features that it supports.
    #[serde(default)]
    pub features: Features,
    /// HMAC-SHA-256 (base64) of the TLS exporter `EXPORTER-ferry-seal` under the shared secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
}

/// The proof of a user's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The password; sent only inside TLS, after the server's key was trusted.
    Password(Secret),
    /// A signature bound to this connection.
    Key {
        /// The OpenSSH public key line.
        public_key: String,
        /// Base64 of the signature over `"ferry-login-v1" ‖ user ‖ exporter`.
        signature: String,
    },
}

/// A word of a command: any bytes, encoded as those of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Word(#[serde(with = "wire_bytes")] pub Vec<u8>);

/// The algorithm of a file's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// BLAKE3, as `b3sum` prints it.
    Blake3,
    /// SHA-256, as `sha256sum` prints it.
    Sha256,
}

/// Consecutive blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRange {
    /// The first block's index.
    pub first: u64,
    /// The number of blocks.
    pub count: u64,
}

/// The declaration of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The target.
    pub path: RemotePath,
    /// The size in bytes; absent if the source is a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The modification time to set; the present time if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<Mtime>,
    /// The permission bits to set; the server's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// The rule for an existing target.
    #[serde(default)]
    pub if_exists: IfExists,
    /// Make missing parent folders.
    #[serde(default)]
    pub parents: bool,
    /// The basis on which to continue.
    #[serde(default)]
    pub basis: Basis,
}

impl Put {
    /// Whether this is an optimistic upload: a declared file of at most one block, whose block and `Commit` follow
    /// at once and which gets no `Ready`.
    #[must_use]
    pub fn is_optimistic(&self) -> bool {
        self.size.is_some_and(|size| size <= BLOCK_SIZE)
    }
}

/// The rule of an upload for an existing target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfExists {
    /// Refuse with `exists`.
    #[default]
    Refuse,
    /// Replace it.
    Replace,
    /// Replace it if it still has this version, else refuse with `changed`.
    ReplaceVersion(Version),
}

/// The basis on which an upload continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Nothing: a new upload.
    #[default]
    None,
    /// The staged part of an earlier upload, if there is one.
    Staged,
    /// The staged part, else the present file.
    Current,
}

/// The `limit` of a `find` that states none.
const fn all() -> u64 {
    u64::MAX
}

/// The frames a request sends after itself without waiting for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// None.
    Nothing,
    /// Blocks up to a `Commit`.
    UpToCommit,
    /// Have-frames up to an empty one.
    UpToEmptyHave,
}

impl Request {
    /// The names of all requests, in order.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The name of the request in messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// The frames that may follow this request before its answer.
    #[must_use]
    pub fn follows(&self) -> Follows {
        match self {
            Self::Put(_) => Follows::UpToCommit,
            Self::Get { .. } => Follows::UpToEmptyHave,
            _ => Follows::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_declared_files_of_one_block_are_optimistic() {
        let put = |size| Put {
            path: RemotePath::home(),
            size,
            mtime: None,
            mode: None,
            if_exists: IfExists::Refuse,
            parents: false,
            basis: Basis::None,
        };
        assert!(put(Some(0)).is_optimistic());
        assert!(put(Some(BLOCK_SIZE)).is_optimistic());
        assert!(!put(Some(BLOCK_SIZE + 1)).is_optimistic());
        assert!(!put(None).is_optimistic());
    }
}
