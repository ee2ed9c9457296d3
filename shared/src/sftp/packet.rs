//! Packets: a length, a type, a number and a body.

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes in a packet that is accepted, without the length before it: 256 KiB, as OpenSSH accepts, and room for the
/// other fields of a WRITE with 256 KiB of data.
pub const PACKET_MAX: usize = (256 << 10) + (1 << 10);
/// Bytes in a packet that is sent, without the length before it: OpenSSH's client breaks off at a longer one.
pub const SEND_MAX: usize = 256 << 10;
/// Bytes in a packet that every implementation accepts by the draft: the length of a page of a listing.
pub const PAGE_LEN: usize = 34_000 - LENGTH_LEN;
/// Bytes of a file in one packet that is sent, so that the packet stays below [`SEND_MAX`].
pub const DATA_MAX: usize = 255 << 10;
/// Bytes in a handle.
pub const HANDLE_MAX: usize = 256;

/// Bytes in the length before a packet.
const LENGTH_LEN: usize = 4;
/// Bytes of type and number, which every packet has.
const HEAD_LEN: usize = 5;

/// Types of packets.
pub(super) mod kind {
    pub(in super::super) const INIT: u8 = 1;
    pub(in super::super) const VERSION: u8 = 2;
    pub(in super::super) const OPEN: u8 = 3;
    pub(in super::super) const CLOSE: u8 = 4;
    pub(in super::super) const READ: u8 = 5;
    pub(in super::super) const WRITE: u8 = 6;
    pub(in super::super) const LSTAT: u8 = 7;
    pub(in super::super) const FSTAT: u8 = 8;
    pub(in super::super) const SETSTAT: u8 = 9;
    pub(in super::super) const FSETSTAT: u8 = 10;
    pub(in super::super) const OPENDIR: u8 = 11;
    pub(in super::super) const READDIR: u8 = 12;
    pub(in super::super) const REMOVE: u8 = 13;
    pub(in super::super) const MKDIR: u8 = 14;
    pub(in super::super) const RMDIR: u8 = 15;
    pub(in super::super) const REALPATH: u8 = 16;
    pub(in super::super) const STAT: u8 = 17;
    pub(in super::super) const RENAME: u8 = 18;
    pub(in super::super) const READLINK: u8 = 19;
    pub(in super::super) const SYMLINK: u8 = 20;
    pub(in super::super) const STATUS: u8 = 101;
    pub(in super::super) const HANDLE: u8 = 102;
    pub(in super::super) const DATA: u8 = 103;
    pub(in super::super) const NAME: u8 = 104;
    pub(in super::super) const ATTRS: u8 = 105;
    pub(in super::super) const EXTENDED: u8 = 200;
    pub(in super::super) const EXTENDED_REPLY: u8 = 201;
}

/// The reason why bytes are not a packet. No id is known, so nothing can be answered: the channel must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Shorter than the type and number that every packet has.
    #[error("a packet of {0} bytes")]
    TooShort(usize),
    /// Longer than [`PACKET_MAX`].
    #[error("a packet of {0} bytes where at most {PACKET_MAX} are accepted")]
    TooLong(usize),
}

/// A message that would be longer than [`PACKET_MAX`]; nothing of it was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a packet of {0} bytes where at most {PACKET_MAX} are allowed")]
pub struct TooLong(pub usize);

/// A whole packet, not decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its type.
    pub kind: u8,
    /// The request's id, or the version in the first packet of each side.
    pub number: u32,
    /// The fields after these. They share the memory of the buffer from which the packet was taken.
    pub body: Bytes,
}

impl Packet {
    /// Takes the first packet off `buffer`; `None` means that more bytes are needed.
    ///
    /// The length is checked as soon as it is there, and nothing is allocated for it.
    ///
    /// # Errors
    /// [`PacketError`]: the peer does not speak the protocol.
    pub fn take(buffer: &mut BytesMut) -> Result<Option<Self>, PacketError> {
        let Some(length) = buffer.first_chunk::<LENGTH_LEN>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length < HEAD_LEN {
            return Err(PacketError::TooShort(length));
        }
        if length > PACKET_MAX {
            return Err(PacketError::TooLong(length));
        }
        if buffer.len() < LENGTH_LEN + length {
            return Ok(None);
        }
        buffer.advance(LENGTH_LEN);
        let kind = buffer.get_u8();
        let number = buffer.get_u32();
        Ok(Some(Self { kind, number, body: buffer.split_to(length - HEAD_LEN).freeze() }))
    }
}

/// A packet under construction at the end of a buffer, into which the caller writes its fields.
#[derive(Debug)]
pub(super) struct Draft {
    start: usize,
}

impl Draft {
    /// Appends the head of a packet.
    pub(super) fn begin(out: &mut Vec<u8>, kind: u8, number: u32) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0, 0, 0, 0, kind]);
        out.extend_from_slice(&number.to_be_bytes());
        Self { start }
    }

    /// The length of the packet so far, without the length before it.
    pub(super) fn len(&self, out: &[u8]) -> usize {
        out.len().saturating_sub(self.start + LENGTH_LEN)
    }

    /// Overwrites the 32-bit number `at` bytes behind the head.
    pub(super) fn patch(&self, out: &mut [u8], at: usize, number: u32) {
        write_at(out, self.start + LENGTH_LEN + HEAD_LEN + at, number);
    }

    /// Writes the length into the head; `more` bytes of the packet follow separately.
    pub(super) fn end_before(self, out: &mut Vec<u8>, more: usize) -> Result<(), TooLong> {
        let length = self.len(out).saturating_add(more);
        match u32::try_from(length) {
            Ok(number) if length <= PACKET_MAX => {
                write_at(out, self.start, number);
                Ok(())
            }
            _ => {
                out.truncate(self.start);
                Err(TooLong(length))
            }
        }
    }

    /// Writes the length into the head: the packet is complete.
    pub(super) fn end(self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        self.end_before(out, 0)
    }

    /// Removes the packet.
    pub(super) fn abandon(self, out: &mut Vec<u8>) {
        out.truncate(self.start);
    }
}

fn write_at(out: &mut [u8], at: usize, number: u32) {
    if let Some(field) = out.get_mut(at..at + 4) {
        field.copy_from_slice(&number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &[u8]) -> Result<Option<Packet>, PacketError> {
        Packet::take(&mut BytesMut::from(bytes))
    }

    #[test]
    fn an_incomplete_packet_needs_more_bytes_and_nothing_is_taken() {
        let whole = [0, 0, 0, 7, 101, 0, 0, 0, 9, 1, 2];
        for cut in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            assert_eq!(Packet::take(&mut buffer), Ok(None));
            assert_eq!(buffer, whole[..cut]);
        }
        let body = Bytes::from_static(&[1, 2]);
        assert_eq!(take(&whole), Ok(Some(Packet { kind: 101, number: 9, body })));
    }

    #[test]
    fn lengths_are_refused_from_their_four_bytes_and_allocate_nothing() {
        for length in [0, 1, 4] {
            assert_eq!(take(&[0, 0, 0, length]), Err(PacketError::TooShort(length.into())));
        }
        for length in [PACKET_MAX + 1, u32::MAX as usize] {
            let bytes = u32::try_from(length).unwrap().to_be_bytes();
            assert_eq!(take(&bytes), Err(PacketError::TooLong(length)));
        }
        let mut buffer = BytesMut::with_capacity(64);
        let before = buffer.capacity();
        buffer.extend_from_slice(&u32::try_from(PACKET_MAX).unwrap().to_be_bytes());
        assert_eq!(Packet::take(&mut buffer), Ok(None));
        assert_eq!(buffer.capacity(), before, "the buffer does not grow for a length");
    }

    #[test]
    fn the_body_shares_the_memory_of_the_buffer() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 7, 101, 0, 0, 0, 9, 1, 2][..]);
        let there = buffer[9..].as_ptr();
        let packet = Packet::take(&mut buffer).unwrap().unwrap();
        assert_eq!(packet.body.as_ptr(), there);
    }

    #[test]
    fn a_packet_that_became_too_long_leaves_nothing_behind() {
        let mut out = vec![7];
        let draft = Draft::begin(&mut out, kind::DATA, 1);
        out.resize(1 + LENGTH_LEN + PACKET_MAX + 1, 0);
        assert_eq!(draft.end(&mut out), Err(TooLong(PACKET_MAX + 1)));
        assert_eq!(out, [7]);
    }
}
