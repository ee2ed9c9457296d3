//! Feeds arbitrary bytes to the decoder of SFTP: `cargo +nightly fuzz run sftp` in `shared`.
//! `shared/tests/it/sftp/decoder.rs` runs the same on the seeds, which real clients sent, and on mutations of them.
#![no_main]

use bytes::BytesMut;
use ferry_shared::sftp::{Hello, Packet, Reply, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut buffer = BytesMut::from(input);
    while let Ok(Some(packet)) = Packet::take(&mut buffer) {
        decode_each(&packet);
    }
});

fn decode_each(packet: &Packet) {
    let mut out = Vec::new();
    let again = |out: &[u8]| Packet::take(&mut BytesMut::from(out)).unwrap().unwrap();
    if let Ok(hello) = Hello::decode_version(packet.clone()) {
        hello.put_version(&mut out).unwrap();
        assert_eq!(Hello::decode_version(again(&out)), Ok(hello));
    }
    out.clear();
    match Request::decode(packet.clone()) {
        Ok((id, request)) => {
            request.put(&mut out, id).unwrap();
            assert_eq!(Request::decode(again(&out)), Ok((id, request)));
        }
        Err(invalid) => assert_eq!(invalid.id, packet.number),
    }
    out.clear();
    match Reply::decode(packet.clone()) {
        // A status may have come without its message, and then be longer than a packet with it.
        Ok((id, reply)) if reply.put(&mut out, id).is_ok() => {
            assert_eq!(Reply::decode(again(&out)), Ok((id, reply)));
        }
        Ok(_) => {}
        Err(invalid) => assert_eq!(invalid.id, packet.number),
    }
}
