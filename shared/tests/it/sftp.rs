//! SFTP as a peer sees it: fixed bytes, round trips, and robustness against hostile input.

mod decoder;
mod golden;
mod round_trip;

use bytes::BytesMut;
use ferry_shared::sftp::Packet;

/// The only packet in these bytes.
fn packet(bytes: &[u8]) -> Packet {
    let mut buffer = BytesMut::from(bytes);
    let packet = Packet::take(&mut buffer).unwrap().expect("a whole packet");
    assert!(buffer.is_empty(), "{} bytes are left", buffer.len());
    packet
}
