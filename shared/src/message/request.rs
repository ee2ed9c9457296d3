//! What a client asks.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

use crate::{
    digest::Digest,
    entry::{Mtime, Version},
    feature::Features,
    limits::BLOCK_SIZE,
    path::RemotePath,
    secret::Secret,
};

/// A client's message. Answered strictly in order; see each variant's reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Request {
    /// The first message: who speaks. Answered by `Welcome`.
    Hello(Hello),
    /// Proves who the user is. Answered by `LoggedIn`.
    Login {
        /// The user's name.
        user: String,
        /// The proof.
        proof: Proof,
    },
    /// Joins a session another connection of this client logged in. Answered by `LoggedIn`.
    Attach {
        /// From that connection's `LoggedIn`.
        ticket: Secret,
    },
    /// Makes an account, where the server allows it. Answered by `LoggedIn`.
    Register {
        /// The wanted name.
        user: String,
        /// The wanted password.
        password: Secret,
        /// The invite, where one is needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        invite: Option<Secret>,
    },
    /// The entries of a folder. Answered by `Entries` until one has no `more`.
    List {
        /// The folder.
        path: RemotePath,
    },
    /// Everything below a folder, a page for each folder. Answered by `Entries`.
    Walk {
        /// The folder.
        path: RemotePath,
    },
    /// Entries below a folder whose name matches. Answered by `Entries`.
    Find {
        /// The folder.
        path: RemotePath,
        /// A part of the name, or a glob when it has one of `*?[`. Without a capital
        /// letter in it, capitals do not matter.
        pattern: String,
        /// At most so many entries; all of them if absent.
        #[serde(default = "all")]
        limit: u64,
    },
    /// One entry. Answered by `Entry`.
    Stat {
        /// Which.
        path: RemotePath,
    },
    /// Makes an empty file, or sets the modification time of what is there to now. Answered by `Done`.
    Touch {
        /// The file or folder.
        path: RemotePath,
    },
    /// Makes a folder. Answered by `Done`.
    MakeDir {
        /// The new folder.
        path: RemotePath,
        /// Make the folders above too, and do not mind if it exists.
        #[serde(default)]
        parents: bool,
    },
    /// Renames or moves, atomically. Answered by `Done`.
    Rename {
        /// From here.
        from: RemotePath,
        /// To here.
        to: RemotePath,
        /// Replace a file that is there.
        #[serde(default)]
        replace: bool,
    },
    /// Copies a file or folder on the server. Answered by `Stored` for a file, `Done` for a folder.
    Copy {
        /// From here.
        from: RemotePath,
        /// To here.
        to: RemotePath,
        /// Replace a file that is there.
        #[serde(default)]
        replace: bool,
    },
    /// Removes. Answered by `Removed`.
    Remove {
        /// What.
        path: RemotePath,
        /// A folder with all below it.
        #[serde(default)]
        recursive: bool,
        /// Only a file, and only if it still is this version, else refuse with `changed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// Sets times or permissions. Answered by `Done`.
    SetAttributes {
        /// Of what.
        path: RemotePath,
        /// The modification time, or as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mtime: Option<Mtime>,
        /// The permission bits, or as they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
    /// A file's digest. Answered by `Hashed`.
    Hash {
        /// The file.
        path: RemotePath,
        /// Which digest.
        algorithm: Algorithm,
    },
    /// How much the user has and may have. Answered by `Usage`.
    Usage,
    /// The user's unfinished uploads. Answered by `Uploads`, until one has no `more`.
    Uploads,
    /// Throws an unfinished upload away. Answered by `Done`.
    Discard {
        /// The path it was for.
        path: RemotePath,
    },
    /// Changes the password. Answered by `Done`; the user's other sessions end.
    ChangePassword {
        /// The present one.
        old: Secret,
        /// The new one.
        new: Secret,
    },
    /// Says the client is there. Answered by `Pong`.
    Ping,
    /// Downloads; have-frames follow, ended by an empty one. Answered by `Opened`,
    /// block frames and `Sent`.
    Get {
        /// The file.
        path: RemotePath,
        /// Only these blocks, for previews; all of them if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blocks: Option<BlockRange>,
    },
    /// Uploads. Answered by `Ready` (not for a file of one block), then `Stored` after `Commit`.
    Put(Put),
    /// Ends an upload's blocks. Answered by `Stored`.
    Commit {
        /// The size in bytes, as it was read.
        size: u64,
        /// The digest, as it was read.
        root: Digest,
    },
}

/// Who the client is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The highest protocol version it speaks.
    pub protocol: u32,
    /// Its name and version, for logs.
    #[serde(default)]
    pub client: String,
    /// Optional abilities it has.
    #[serde(default)]
    pub features: Features,
    /// HMAC-SHA-256 (base64) of the TLS exporter `EXPORTER-ferry-seal` under the shared secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
}

/// How a user proves who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The password; only ever inside TLS, after the server's key was trusted.
    Password(Secret),
    /// A signature bound to this connection.
    Key {
        /// The OpenSSH public key line.
        public_key: String,
        /// Base64 of the signature over `"ferry-login-v1" ‖ user ‖ exporter`.
        signature: String,
    },
}

/// Which digest of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// What `b3sum` prints.
    Blake3,
    /// What `sha256sum` prints.
    Sha256,
}

/// Consecutive blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRange {
    /// The first block's index.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// An upload's declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The target.
    pub path: RemotePath,
    /// Bytes to come; absent when the source is a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The modification time to keep; now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<Mtime>,
    /// The permission bits to keep; the server's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// What to do when the target exists.
    #[serde(default)]
    pub if_exists: IfExists,
    /// Make the folders above the target.
    #[serde(default)]
    pub parents: bool,
    /// What to go on from.
    #[serde(default)]
    pub basis: Basis,
}

impl Put {
    /// Whether this is an optimistic upload: a declared file of one block or none, whose
    /// block and `Commit` follow at once and which gets no `Ready`.
    #[must_use]
    pub fn is_optimistic(&self) -> bool {
        self.size.is_some_and(|size| size <= BLOCK_SIZE)
    }
}

/// What an upload does when its target exists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfExists {
    /// Refuse with `exists`.
    #[default]
    Refuse,
    /// Replace it.
    Replace,
    /// Replace it if it still is this version, else refuse with `changed`.
    ReplaceVersion(Version),
}

/// What an upload goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Nothing: a fresh upload.
    #[default]
    None,
    /// The staged part of an earlier upload, if there is one.
    Staged,
    /// The staged part, else the file as it is now.
    Current,
}

/// The `limit` of a `find` without one.
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
    /// Every request's name, in their order.
    pub const NAMES: &'static [&'static str] = Self::VARIANTS;

    /// The request's name as it travels.
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
