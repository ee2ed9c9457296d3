//! Frames: a kind, a length and a payload, decoded from a stream of bytes.
//!
//! The code is pure and bounded: a length is checked against the limit of its kind before anything is allocated for
//! it, and "more bytes needed" is a value, not an error.

use bytes::{Buf as _, Bytes};

use crate::{
    chunks::{self, Described},
    digest::Digest,
    limits::{
        BLOCK_FRAME_MAX, CHUNK_LEN, CHUNKS_FRAME_MAX, DELTA_FRAME_MAX, HAVE_FRAME_MAX, HAVE_MAX, HEADER_LEN, INDEX_LEN,
        MESSAGE_MAX, MESSAGE_MAX_BEFORE_LOGIN,
    },
    pack::{Level, pack, put_length, take_length, unpack},
    pool::Buffer,
};

/// The kind of a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// One JSON object.
    Message = 1,
    /// A block index and the block's bytes.
    Block = 2,
    /// A block index and block digests.
    Have = 3,
    /// A block index and the block as a delta.
    Delta = 4,
    /// An offset and descriptions of chunks.
    Chunks = 5,
    /// One JSON object, compressed.
    PackedMessage = 6,
}

/// The phase of the conversation; before login a peer may send little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not logged in: short messages only.
    BeforeLogin,
    /// All frames, at their full size.
    LoggedIn,
}

/// The reason why bytes are not a valid frame. The connection must be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first byte is not a known kind.
    #[error("unknown frame kind {0}")]
    UnknownKind(u8),
    /// A block or have-frame before login.
    #[error("a frame of kind {0} before login")]
    TooEarly(u8),
    /// The length exceeds the limit of its kind.
    #[error("a frame of {length} bytes where at most {most} are allowed")]
    TooLong {
        /// The length in the header.
        length: usize,
        /// The limit.
        most: usize,
    },
    /// A block or have-frame without a complete index, or a have-frame with an incomplete digest.
    #[error("a frame of {0} bytes, which its kind cannot have")]
    BadLength(usize),
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The kind of the payload.
    pub kind: FrameKind,
    /// The length of the payload in bytes.
    pub length: usize,
}

impl Header {
    /// Parses a header and checks it against the limits of `phase`.
    ///
    /// # Errors
    /// [`FrameError`]: the peer does not speak the protocol.
    pub fn parse(bytes: [u8; HEADER_LEN], phase: Phase) -> Result<Self, FrameError> {
        let [first, a, b, c] = bytes;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let (kind, most) = match first {
            1 => (FrameKind::Message, if phase == Phase::LoggedIn { MESSAGE_MAX } else { MESSAGE_MAX_BEFORE_LOGIN }),
            2 => (FrameKind::Block, BLOCK_FRAME_MAX),
            3 => (FrameKind::Have, HAVE_FRAME_MAX),
            4 => (FrameKind::Delta, DELTA_FRAME_MAX),
            5 => (FrameKind::Chunks, CHUNKS_FRAME_MAX),
            6 => (FrameKind::PackedMessage, MESSAGE_MAX),
            other => return Err(FrameError::UnknownKind(other)),
        };
        if kind != FrameKind::Message && phase == Phase::BeforeLogin {
            return Err(FrameError::TooEarly(first));
        }
        if length > most {
            return Err(FrameError::TooLong { length, most });
        }
        let has_index = !matches!(kind, FrameKind::Message | FrameKind::PackedMessage);
        let index_missing = has_index && length < INDEX_LEN;
        let is_cut = match kind {
            FrameKind::Have => length % 32 != INDEX_LEN % 32,
            FrameKind::Chunks => length % CHUNK_LEN != (INDEX_LEN + 1) % CHUNK_LEN,
            _ => false,
        };
        if index_missing || is_cut {
            return Err(FrameError::BadLength(length));
        }
        Ok(Self { kind, length })
    }

    /// Writes a header.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] beyond the frame limit of 2^24 − 1 bytes.
    pub fn write(kind: FrameKind, length: usize) -> Result<[u8; HEADER_LEN], FrameError> {
        match u32::try_from(length).map(u32::to_be_bytes) {
            Ok([0, a, b, c]) => Ok([kind as u8, a, b, c]),
            _ => Err(FrameError::TooLong { length, most: (1 << 24) - 1 }),
        }
    }
}

/// The bytes of a block: a slice of the read buffer if small, a separate buffer if large.
#[derive(Debug)]
pub enum Payload {
    /// Shares the read buffer.
    Shared(Bytes),
    /// A pooled buffer.
    Pooled(Buffer),
}

impl std::ops::Deref for Payload {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Pooled(buffer) => buffer,
        }
    }
}

/// A complete frame.
#[derive(Debug)]
pub enum Frame {
    /// One message, as JSON.
    Message(Bytes),
    /// One message, compressed. Only clients take it: a few bytes could keep a server busy for long.
    PackedMessage(Bytes),
    /// One block. An empty payload stands for a block of zeros.
    Block {
        /// Its index in the file.
        index: u64,
        /// Its bytes.
        bytes: Payload,
    },
    /// Digests of consecutive blocks that the sender of this frame holds.
    Have {
        /// The index of the first one.
        first: u64,
        /// The digests; an empty list ends a series of have-frames.
        digests: Vec<Digest>,
    },
    /// One block as a delta.
    Delta {
        /// Its index in the file.
        index: u64,
        /// Its steps.
        steps: Payload,
    },
    /// Chunks that the sender of this frame has.
    Chunks(Described),
}

/// Builds a frame from a header and its payload.
///
/// # Errors
/// [`FrameError::BadLength`] if `payload` is not what [`Header::parse`] accepted.
pub fn assemble(kind: FrameKind, mut payload: Bytes) -> Result<Frame, FrameError> {
    let length = payload.len();
    match kind {
        FrameKind::Message => return Ok(Frame::Message(payload)),
        FrameKind::PackedMessage => return Ok(Frame::PackedMessage(payload)),
        _ => {}
    }
    let index = payload.try_get_u64().map_err(|_| FrameError::BadLength(length))?;
    match kind {
        FrameKind::Block => return Ok(Frame::Block { index, bytes: Payload::Shared(payload) }),
        FrameKind::Delta => return Ok(Frame::Delta { index, steps: Payload::Shared(payload) }),
        FrameKind::Chunks => {
            return Described::decode(index, payload).map(Frame::Chunks).ok_or(FrameError::BadLength(length));
        }
        _ => {}
    }
    let (digests, rest) = payload.as_chunks::<32>();
    if !rest.is_empty() || digests.len() > HAVE_MAX {
        return Err(FrameError::BadLength(length));
    }
    Ok(Frame::Have { first: index, digests: digests.iter().copied().map(Digest).collect() })
}

/// The message in the payload of a packed one: the length of the message (3 bytes), and a zstd frame.
///
/// # Errors
/// [`FrameError::BadLength`] if it does not hold a message of this length, or the length exceeds that of a message.
pub fn unpack_message(mut payload: &[u8]) -> Result<Bytes, FrameError> {
    let wrong = FrameError::BadLength(payload.len());
    let Some(length) = take_length(&mut payload).filter(|length| *length <= MESSAGE_MAX) else { return Err(wrong) };
    let mut message = vec![0; length];
    unpack(payload, &mut message).map_err(|_| wrong)?;
    Ok(message.into())
}

/// Splits the first frame off `bytes`; `None` means that more bytes are needed.
///
/// # Errors
/// [`FrameError`]: the peer does not speak the protocol.
pub fn decode(bytes: &mut Bytes, phase: Phase) -> Result<Option<Frame>, FrameError> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let header = Header::parse(*header, phase)?;
    if bytes.len() < HEADER_LEN + header.length {
        return Ok(None);
    }
    bytes.advance(HEADER_LEN);
    assemble(header.kind, bytes.split_to(header.length)).map(Some)
}

/// Appends a message frame to `out`.
///
/// # Errors
/// [`FrameError::TooLong`] if the JSON exceeds the limit of a message.
pub fn put_message(out: &mut Vec<u8>, message: &impl serde::Serialize) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LEN]);
    let written = serde_json::to_writer(&mut *out, message);
    let length = out.len() - start - HEADER_LEN;
    if written.is_err() || length > MESSAGE_MAX {
        out.truncate(start);
        return Err(FrameError::TooLong { length, most: MESSAGE_MAX });
    }
    let header = Header::write(FrameKind::Message, length)?;
    out[start..start + HEADER_LEN].copy_from_slice(&header);
    Ok(())
}

/// Compresses the message frame that begins at `start` and is the last in `out`, if that makes it smaller.
///
/// # Errors
/// None in practice: what is smaller than a message is not longer than one.
pub fn pack_message(out: &mut Vec<u8>, start: usize) -> Result<(), FrameError> {
    let message = out.split_off(start + HEADER_LEN);
    let data = out.len();
    put_length(out, message.len());
    let kind = match pack(&message, out, Level::Least) {
        Some(_) => FrameKind::PackedMessage,
        None => {
            out.truncate(data);
            out.extend_from_slice(&message);
            FrameKind::Message
        }
    };
    let header = Header::write(kind, out.len() - data)?;
    out[start..data].copy_from_slice(&header);
    Ok(())
}

/// Appends the header and index of a block frame; `length` bytes of the block must follow.
///
/// # Errors
/// [`FrameError::TooLong`] if `length` exceeds that of a block.
pub fn put_block_head(out: &mut Vec<u8>, index: u64, length: usize) -> Result<(), FrameError> {
    let length = length + INDEX_LEN;
    if length > BLOCK_FRAME_MAX {
        return Err(FrameError::TooLong { length, most: BLOCK_FRAME_MAX });
    }
    out.extend_from_slice(&Header::write(FrameKind::Block, length)?);
    out.extend_from_slice(&index.to_be_bytes());
    Ok(())
}

/// Appends a delta-frame with these steps.
///
/// # Errors
/// [`FrameError::TooLong`] if they are longer than a block.
pub fn put_delta(out: &mut Vec<u8>, index: u64, steps: &[u8]) -> Result<(), FrameError> {
    let length = steps.len() + INDEX_LEN;
    if length > DELTA_FRAME_MAX {
        return Err(FrameError::TooLong { length, most: DELTA_FRAME_MAX });
    }
    out.extend_from_slice(&Header::write(FrameKind::Delta, length)?);
    out.extend_from_slice(&index.to_be_bytes());
    out.extend_from_slice(steps);
    Ok(())
}

/// Appends chunks-frames with these descriptions; none if there are no chunks.
///
/// # Errors
/// None in practice: each frame is cut to its limit.
pub fn put_chunks(out: &mut Vec<u8>, described: Described) -> Result<(), FrameError> {
    for described in chunks::frames(described) {
        let length = INDEX_LEN + 1 + described.chunks.len() * CHUNK_LEN;
        out.extend_from_slice(&Header::write(FrameKind::Chunks, length)?);
        out.extend_from_slice(&described.first.to_be_bytes());
        described.encode(out);
    }
    Ok(())
}

/// Appends a have-frame.
///
/// # Errors
/// [`FrameError::TooLong`] for more than [`HAVE_MAX`] digests.
pub fn put_have(out: &mut Vec<u8>, first: u64, digests: &[Digest]) -> Result<(), FrameError> {
    let length = INDEX_LEN + digests.len() * 32;
    if length > HAVE_FRAME_MAX {
        return Err(FrameError::TooLong { length, most: HAVE_FRAME_MAX });
    }
    out.extend_from_slice(&Header::write(FrameKind::Have, length)?);
    out.extend_from_slice(&first.to_be_bytes());
    digests.iter().for_each(|digest| out.extend_from_slice(&digest.0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_frame_needs_more_bytes_and_is_not_an_error() {
        let mut out = Vec::new();
        put_message(&mut out, &"ping").unwrap();
        for cut in 0..out.len() {
            let mut bytes = Bytes::copy_from_slice(&out[..cut]);
            assert!(decode(&mut bytes, Phase::LoggedIn).unwrap().is_none());
            assert_eq!(bytes.len(), cut, "nothing is consumed");
        }
    }

    #[test]
    fn frames_that_arrive_together_come_apart() {
        let mut out = Vec::new();
        put_message(&mut out, &"ping").unwrap();
        put_block_head(&mut out, 9, 3).unwrap();
        out.extend_from_slice(b"abc");
        put_have(&mut out, 4, &[Digest([1; 32]), Digest([2; 32])]).unwrap();
        let mut bytes = Bytes::from(out);
        let mut next = || decode(&mut bytes, Phase::LoggedIn).unwrap();
        assert!(matches!(next(), Some(Frame::Message(json)) if &json[..] == b"\"ping\""));
        assert!(matches!(next(), Some(Frame::Block { index: 9, bytes }) if &bytes[..] == b"abc"));
        assert!(matches!(next(), Some(Frame::Have { first: 4, digests }) if digests.len() == 2));
        assert!(next().is_none());
    }

    #[test]
    fn a_message_is_packed_if_that_makes_it_smaller() {
        let long = "list ".repeat(1000);
        let mut out = b"before".to_vec();
        put_message(&mut out, &long).unwrap();
        pack_message(&mut out, 6).unwrap();
        assert!(out.len() < 200 && out[6] == 6, "{}", out.len());
        let small = out.len();
        put_message(&mut out, &"ping").unwrap();
        pack_message(&mut out, small).unwrap();
        let mut bytes = Bytes::from(out.split_off(6));
        let mut next = || decode(&mut bytes, Phase::LoggedIn).unwrap();
        let Some(Frame::PackedMessage(packed)) = next() else { panic!("not packed") };
        assert_eq!(*unpack_message(&packed).unwrap(), *serde_json::to_vec(&long).unwrap());
        assert!(matches!(next(), Some(Frame::Message(json)) if &json[..] == b"\"ping\""));
        assert!(next().is_none());
    }

    #[test]
    fn packed_messages_that_are_too_long_or_damaged_are_refused() {
        let mut out = Vec::new();
        put_message(&mut out, &"x".repeat(5000)).unwrap();
        pack_message(&mut out, 0).unwrap();
        assert!(unpack_message(&out[4..]).is_ok());
        assert!(matches!(decode(&mut Bytes::from(out.clone()), Phase::BeforeLogin), Err(FrameError::TooEarly(6))));
        for wrong in [[0x10, 0, 1], [0, 0, 9], [0xff, 0xff, 0xff]] {
            let mut other = out[4..].to_vec();
            other[..3].copy_from_slice(&wrong);
            assert_eq!(unpack_message(&other), Err(FrameError::BadLength(other.len())), "{wrong:?}");
        }
        assert_eq!(unpack_message(&[1, 1]), Err(FrameError::BadLength(2)));
    }

    #[test]
    fn lengths_are_refused_from_the_header_alone() {
        let parse = |bytes, phase| Header::parse(bytes, phase);
        let too_long = |result| matches!(result, Err(FrameError::TooLong { .. }));
        assert!(too_long(parse([1, 0, 0x10, 1], Phase::BeforeLogin)));
        assert!(parse([1, 0, 0x10, 0], Phase::BeforeLogin).is_ok());
        assert!(too_long(parse([1, 0x10, 0, 1], Phase::LoggedIn)));
        assert!(too_long(parse([2, 0x10, 0, 9], Phase::LoggedIn)));
        assert!(parse([2, 0x10, 0, 8], Phase::LoggedIn).is_ok());
        assert!(too_long(parse([3, 0, 0x80, 9], Phase::LoggedIn)));
        assert_eq!(parse([2, 0, 0, 8], Phase::BeforeLogin), Err(FrameError::TooEarly(2)));
        assert_eq!(parse([0, 0, 0, 0], Phase::LoggedIn), Err(FrameError::UnknownKind(0)));
        assert_eq!(parse([2, 0, 0, 7], Phase::LoggedIn), Err(FrameError::BadLength(7)));
        assert_eq!(parse([3, 0, 0, 41], Phase::LoggedIn), Err(FrameError::BadLength(41)));
    }
}
