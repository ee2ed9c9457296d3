//! The fields of which messages consist: numbers, and strings with a length before them.

use bytes::{Buf as _, Bytes};

use super::{fault::Fault, packet::HANDLE_MAX};

/// Takes a 32-bit number off the front.
pub(super) fn u32(from: &mut Bytes) -> Result<u32, Fault> {
    from.try_get_u32().map_err(|_| Fault::Cut)
}

/// Takes a 64-bit number off the front.
pub(super) fn u64(from: &mut Bytes) -> Result<u64, Fault> {
    from.try_get_u64().map_err(|_| Fault::Cut)
}

/// Takes a string off the front; it shares the packet's memory.
pub(super) fn string(from: &mut Bytes) -> Result<Bytes, Fault> {
    let length = u32(from)? as usize;
    if length > from.len() { Err(Fault::Cut) } else { Ok(from.split_to(length)) }
}

/// Takes a handle off the front.
pub(super) fn handle(from: &mut Bytes) -> Result<Bytes, Fault> {
    let handle = string(from)?;
    if handle.len() > HANDLE_MAX { Err(Fault::HandleTooLong(handle.len())) } else { Ok(handle) }
}

/// Appends a 32-bit number.
pub(super) fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Appends a 64-bit number.
pub(super) fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Appends a length; one that exceeds 32 bits makes a packet that is too long to be finished.
pub(super) fn put_length(out: &mut Vec<u8>, length: usize) {
    put_u32(out, u32::try_from(length).unwrap_or(u32::MAX));
}

/// Appends a string.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}
