//! Digests that a server computes by its own programs, where it lets users run them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_lc_rs::digest::Context;
use ferry_shared::digest::Digest;
use russh::ChannelMsg;
use tokio::time::timeout;

use super::{
    calls::Calls,
    dial::{Connection, Counted},
};
use crate::error::ClientError;

/// Bytes of output, at most: a line with a digest and the longest path.
const OUTPUT: usize = 16 << 10;
/// The time that a program may take, besides that for reading the file.
const START: Duration = Duration::from_secs(60);
/// Bytes that a server reads in a second, at least.
const SLOWEST: u64 = 8 << 20;

/// The programs of a server, on one of its connections.
pub(super) struct Programs {
    connection: Arc<Connection>,
    no_b3sum: AtomicBool,
    no_sha256sum: AtomicBool,
}

impl Programs {
    pub(super) fn new(connection: Arc<Connection>) -> Arc<Self> {
        Arc::new(Self { connection, no_b3sum: AtomicBool::new(false), no_sha256sum: AtomicBool::new(false) })
    }

    /// The digest that a program prints for a file; `None` if the server does not have the program. It is not asked
    /// again then.
    async fn digest(&self, program: &str, missing: &AtomicBool, path: &[u8], size: u64) -> Option<[u8; 32]> {
        if missing.load(Relaxed) {
            return None;
        }
        let limit = START + Duration::from_secs(size / SLOWEST);
        let printed = timeout(limit, self.run(command(program, path))).await.ok().flatten();
        let digest = printed.as_deref().and_then(parse);
        missing.store(digest.is_none(), Relaxed);
        digest
    }

    /// The output of a command; `None` if it does not run, or fails.
    async fn run(&self, command: Vec<u8>) -> Option<Vec<u8>> {
        let _counted = Counted::new(&self.connection);
        let mut channel = self.connection.handle.channel_open_session().await.ok()?;
        channel.exec(true, command).await.ok()?;
        let (mut output, mut succeeded) = (Vec::new(), false);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => output.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => succeeded = exit_status == 0,
                ChannelMsg::Failure => return None,
                ChannelMsg::Close => break,
                _ => {}
            }
            if output.len() > OUTPUT {
                return None;
            }
        }
        succeeded.then_some(output)
    }
}

impl Calls {
    /// Compares the file at `path` with the digest of what was sent. `sha256` has the same content, if all of it was
    /// sent by this attempt.
    ///
    /// Returns whether they are equal; `None` if the server computes no digest.
    ///
    /// # Errors
    /// [`ClientError::Mismatch`].
    pub(super) async fn prove(
        &self,
        path: &[u8],
        size: u64,
        root: Digest,
        sha256: Option<Context>,
    ) -> Result<Option<Digest>, ClientError> {
        let programs = &self.programs;
        if let Some(found) = programs.digest("b3sum", &programs.no_b3sum, path, size).await {
            return same(root, root, Digest(found));
        }
        let Some(sha256) = sha256 else { return Ok(None) };
        let Some(found) = programs.digest("sha256sum", &programs.no_sha256sum, path, size).await else {
            return Ok(None);
        };
        let sent = sha256.finish();
        same(root, Digest(sent.as_ref().try_into().unwrap_or_default()), Digest(found))
    }
}

fn same(root: Digest, expected: Digest, found: Digest) -> Result<Option<Digest>, ClientError> {
    if found == expected { Ok(Some(root)) } else { Err(ClientError::Mismatch { expected, found }) }
}

/// A command line for a shell. The path is absolute, so it is no option.
fn command(program: &str, path: &[u8]) -> Vec<u8> {
    let mut line = program.as_bytes().to_vec();
    line.extend_from_slice(b" '");
    for byte in path {
        match byte {
            b'\'' => line.extend_from_slice(br"'\''"),
            byte => line.push(*byte),
        }
    }
    line.push(b'\'');
    line
}

/// The digest at the start of a line; a backslash before it marks a name with escapes.
fn parse(output: &[u8]) -> Option<[u8; 32]> {
    let line = output.strip_prefix(b"\\").unwrap_or(output);
    let digits = std::str::from_utf8(line.get(..64)?).ok()?;
    let ends = line.get(64).is_none_or(u8::is_ascii_whitespace);
    digits.parse::<Digest>().ok().filter(|_| ends).map(|digest| digest.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(command("b3sum", b"/a b/it's\xff"), b"b3sum '/a b/it'\\''s\xff'");
    }

    #[test]
    fn only_a_whole_digest_is_one() {
        let digest = Digest::of(b"x").to_string();
        for (text, is) in [
            (format!("{digest}  /x\n"), true),
            (format!("\\{digest}  /x\\n\n"), true),
            (format!("{digest}0"), false),
            (digest[1..].to_owned(), false),
            ("sh: b3sum: not found".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(parse(text.as_bytes()).is_some(), is, "{text}");
        }
    }
}
