//! `md5sum`, `sha1sum`, `sha256sum`, `b3sum` and `hash`: digests of files, printed as those programs do.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

use clap::Args;

use super::call::Call;
use crate::files::Algorithm;

/// Arguments of the programs for one digest each.
#[derive(Debug, Args)]
pub(super) struct SumArgs {
    /// The files
    files: Vec<OsString>,
    /// Mark names with an asterisk; the digest is the same
    #[arg(short, long, overrides_with = "text")]
    binary: bool,
    /// Do not mark names
    #[arg(short, long)]
    text: bool,
}

/// Arguments of `hash`.
#[derive(Debug, Args)]
pub(super) struct HashArgs {
    /// The files
    #[arg(required = true)]
    files: Vec<OsString>,
    /// Print SHA-256 digests
    #[arg(long, conflicts_with_all = ["sha1", "md5"])]
    sha256: bool,
    /// Print SHA-1 digests
    #[arg(long, conflicts_with = "md5")]
    sha1: bool,
    /// Print MD5 digests
    #[arg(long)]
    md5: bool,
}

pub(super) async fn run_hash(args: HashArgs, call: &mut Call) {
    let algorithm = match args {
        HashArgs { sha256: true, .. } => Algorithm::Sha256,
        HashArgs { sha1: true, .. } => Algorithm::Sha1,
        HashArgs { md5: true, .. } => Algorithm::Md5,
        _ => Algorithm::Blake3,
    };
    run(SumArgs { files: args.files, binary: false, text: false }, algorithm, call).await;
}

pub(super) async fn run(args: SumArgs, algorithm: Algorithm, call: &mut Call) {
    let mark = if args.binary && algorithm != Algorithm::Blake3 { b'*' } else { b' ' };
    if args.files.is_empty() {
        if call.empty_input {
            call.print(line(&algorithm.of_nothing(), mark, b"-")).await;
        } else {
            call.complain("name a file: there is no standard input");
        }
    }
    for file in &args.files {
        let Some(path) = call.path(file).await else { continue };
        let digest = match call.files.hash(&path, algorithm) {
            Ok(mut hashing) => call.next(&mut *hashing).await,
            Err(error) => Err(error),
        };
        match digest {
            Ok((digest, _)) => call.print(line(&digest, mark, OsStr::as_bytes(file))).await,
            Err(error) => call.fail(file, &error),
        }
    }
}

/// A line in the format of the GNU programs and b3sum: a backslash before the digest marks a name with escapes.
fn line(digest: &str, mark: u8, name: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(digest.len() + name.len() + 4);
    if name.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'\r')) {
        line.push(b'\\');
    }
    line.extend_from_slice(digest.as_bytes());
    line.extend([b' ', mark]);
    for byte in name {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            byte => line.push(*byte),
        }
    }
    line.push(b'\n');
    line
}
