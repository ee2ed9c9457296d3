//! Feeds arbitrary bytes to the decoder: `cargo +nightly fuzz run decoder` in `shared`.
//! `shared/tests/it/decoder.rs` runs the same on the seeds and on bounded random input.
#![no_main]

use bytes::Bytes;
use ferry_shared::{
    delta,
    frame::{self, Frame, Phase},
    limits::{BLOCK_LEN, CHUNKS_MAX, HAVE_MAX, MESSAGE_MAX},
    message::{Reply, Request},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    decode_all(input, Phase::BeforeLogin);
    decode_all(input, Phase::LoggedIn);
});

fn decode_all(input: &[u8], phase: Phase) {
    let mut bytes = Bytes::copy_from_slice(input);
    while let Ok(Some(frame)) = frame::decode(&mut bytes, phase) {
        match frame {
            Frame::Message(json) => {
                assert!(json.len() <= MESSAGE_MAX);
                if let Ok(request) = Request::decode(&json) {
                    let again = serde_json::to_vec(&request).unwrap();
                    assert_eq!(Request::decode(&again), Ok(request));
                }
                if let Ok(reply) = serde_json::from_slice::<Reply>(&json) {
                    let again = serde_json::to_vec(&reply).unwrap();
                    assert_eq!(serde_json::from_slice::<Reply>(&again).unwrap(), reply);
                }
            }
            Frame::PackedMessage(packed) => {
                if let Ok(message) = frame::unpack_message(&packed) {
                    assert!(message.len() <= MESSAGE_MAX);
                }
            }
            Frame::Delta { steps, .. } => {
                let mut block = Vec::new();
                let _invalid = delta::apply(&steps, None, &mut block);
                assert!(block.len() <= BLOCK_LEN);
            }
            Frame::Chunks(described) => assert!(described.chunks.len() <= CHUNKS_MAX),
            Frame::Block { bytes, .. } => assert!(bytes.len() <= BLOCK_LEN),
            Frame::Have { digests, .. } => assert!(digests.len() <= HAVE_MAX),
        }
    }
}
