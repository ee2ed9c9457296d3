//! `ferry hash`: digests computed by the server, printed as `b3sum` and `sha256sum` do.

use std::ffi::OsString;

use clap::Args;
use ferry_shared::{message::request::Algorithm, name::Escaped, path::RemotePath};
use serde::Serialize;

use super::{
    batch::Tally,
    in_order::{self, Order},
};
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    output::Output,
    sites::Place,
};

/// `ferry hash`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ferry hash work:debian.iso\n  ferry hash --sha256 work:debian.iso | sha256sum -c\n\n\
    Names are printed as given, so that `b3sum -c` can check a local tree of the same structure."
)]
pub(crate) struct HashArgs {
    /// The files
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
    /// Print SHA-256 digests like sha256sum, instead of BLAKE3 digests like b3sum
    #[arg(long)]
    sha256: bool,
}

#[derive(Serialize)]
struct HashObject<'a> {
    #[serde(serialize_with = "crate::json::path")]
    path: &'a RemotePath,
    algorithm: &'static str,
    digest: &'a str,
}

pub(super) async fn run(args: HashArgs, context: &mut Context) -> Result<Exit, Failure> {
    let places = context.places(&args.remotes)?;
    let remote = context.remote(&places[0]).await?;
    let algorithm = if args.sha256 { Algorithm::Sha256 } else { Algorithm::Blake3 };
    let mut tally = Tally::default();
    let hash = |place: &Place| remote.hash(place.path.clone(), algorithm);
    in_order::each(&places, in_order::most(&remote, Order::Free), hash, async |place, digest| {
        let result = match digest {
            Ok(digest) => show(place, algorithm, &digest, &context.output),
            Err(error) => Err(Failure::remote(&place.path, Looking::File, error)),
        };
        tally.count(context, result)
    })
    .await?;
    Ok(tally.exit())
}

fn show(place: &Place, algorithm: Algorithm, digest: &str, output: &Output) -> Result<(), Failure> {
    if output.json {
        let algorithm = match algorithm {
            Algorithm::Blake3 => "blake3",
            Algorithm::Sha256 => "sha256",
        };
        return output.object(&HashObject { path: &place.path, algorithm, digest });
    }
    let digest = Escaped(digest.as_bytes());
    if output.is_terminal() {
        return output.line(&format!("{digest}  {}", Escaped(&place.typed)));
    }
    output.bytes(&sum_line(&digest.to_string(), &place.typed))
}

/// A line in the format of b3sum and sha256sum: a name with a backslash or a newline is escaped, and marked by a
/// backslash before the digest.
fn sum_line(digest: &str, name: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(digest.len() + name.len() + 4);
    if name.iter().any(|b| matches!(b, b'\\' | b'\n' | b'\r')) {
        line.push(b'\\');
    }
    line.extend_from_slice(digest.as_bytes());
    line.extend_from_slice(b"  ");
    for b in name {
        match b {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            _ => line.push(*b),
        }
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_format_of_b3sum_and_sha256sum() {
        assert_eq!(sum_line("d1", b"a b"), b"d1  a b\n");
        assert_eq!(sum_line("d1", b"\xff"), b"d1  \xff\n");
        assert_eq!(sum_line("d1", b"a\nb\\c\r"), b"\\d1  a\\nb\\\\c\\r\n");
    }
}
