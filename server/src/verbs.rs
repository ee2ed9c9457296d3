//! Commands on files: there are none yet.

use crate::files::Files;

/// The peer is gone.
#[derive(Debug)]
pub(crate) struct Closed;

/// Where a command writes.
pub(crate) trait Output {
    fn out(&mut self, bytes: &[u8]) -> Result<(), Closed>;
    fn err(&mut self, bytes: &[u8]) -> Result<(), Closed>;
}

/// A command line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be read")]
pub(crate) struct Usage;

pub(crate) fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Usage> {
    Ok(line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect())
}

pub(crate) fn run(_: &Files, _: &[Vec<u8>], output: &mut dyn Output) -> u8 {
    let _ = output.err(b"ferryd: there is no such command\n");
    127
}
