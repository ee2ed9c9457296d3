//! The input of a job's scan.

use crate::{
    site::SitePath,
    transfer::{item::Stream, job::Piece},
};

/// The input of a job's scan.
#[derive(Debug)]
pub(in crate::transfer) enum Work {
    /// Files and folders.
    Pieces(Vec<Piece>),
    /// A stream that becomes a file.
    FromStream(Stream, SitePath),
    /// A file that is written to a stream.
    ToStream(SitePath, Stream),
}

impl Work {
    /// The number of pieces.
    pub(in crate::transfer) fn pieces(&self) -> usize {
        match self {
            Self::Pieces(pieces) => pieces.len(),
            Self::FromStream(..) | Self::ToStream(..) => 1,
        }
    }
}
