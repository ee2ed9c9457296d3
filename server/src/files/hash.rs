//! The digest of a file.

use ferry_shared::{
    digest::{self, Digest, RootBuilder},
    path::RemotePath,
};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::{Error, Files, Fold, Work};

/// The function that computes a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// BLAKE3.
    Blake3,
    /// MD5: only for tools that know nothing better.
    Md5,
    /// SHA-1: only for tools that know nothing better.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// The digest of no bytes at all, in hexadecimal.
    #[must_use]
    pub fn of_nothing(self) -> String {
        Hasher::new(self).end()
    }
}

impl Files {
    /// The digest of a file, in hexadecimal.
    ///
    /// # Errors
    /// Those of [`Files::fold`].
    pub fn hash(&self, path: &RemotePath, algorithm: Algorithm) -> Result<Box<dyn Work<Item = String>>, Error> {
        self.fold(path, Hasher::new(algorithm))
    }
}

enum Hasher {
    Blake3(RootBuilder),
    Md5(md5::Context),
    Sha1(Sha1),
    Sha256(Box<Sha256>),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Blake3 => Self::Blake3(RootBuilder::new()),
            Algorithm::Md5 => Self::Md5(md5::Context::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Box::default()),
        }
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Fold for Hasher {
    type Value = String;

    fn take(&mut self, size: u64, index: u64, block: &[u8]) {
        match self {
            Self::Blake3(root) => root.push(digest::block_digest(size, index, block)),
            Self::Md5(md5) => md5.consume(block),
            Self::Sha1(sha1) => sha1.update(block),
            Self::Sha256(sha256) => sha256.update(block),
        }
    }

    fn digest(&self) -> Option<Digest> {
        match self {
            Self::Blake3(root) => Some(root.root()),
            Self::Md5(_) | Self::Sha1(_) | Self::Sha256(_) => None,
        }
    }

    fn end(&mut self) -> String {
        match self {
            Self::Blake3(root) => root.root().to_string(),
            Self::Md5(md5) => format!("{:x}", std::mem::take(md5).finalize()),
            Self::Sha1(sha1) => hexadecimal(&std::mem::take(sha1).finalize()),
            Self::Sha256(sha256) => Digest(std::mem::take(sha256).finalize().into()).to_string(),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_has_its_published_digest_of_nothing() {
        for (algorithm, digest) in [
            (Algorithm::Md5, "d41d8cd98f00b204e9800998ecf8427e"),
            (Algorithm::Sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (Algorithm::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (Algorithm::Blake3, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        ] {
            assert_eq!(algorithm.of_nothing(), digest);
        }
    }
}
