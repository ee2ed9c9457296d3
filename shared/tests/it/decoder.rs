//! The decoder with arbitrary input: the body of the fuzz target on its seeds and on bounded random input.

use bytes::Bytes;
use ferry_shared::{
    delta,
    frame::{self, Frame, FrameError, Phase},
    limits::{BLOCK_LEN, CHUNKS_MAX, HAVE_MAX, MESSAGE_MAX},
    message::{Reply, Request},
};
use proptest::prelude::*;

/// The properties that must hold for any input; the same as in `fuzz/fuzz_targets/decoder.rs`.
fn decode_all(input: &[u8], phase: Phase) {
    let mut bytes = Bytes::copy_from_slice(input);
    loop {
        let before = bytes.len();
        match frame::decode(&mut bytes, phase) {
            Ok(Some(frame)) => {
                assert!(bytes.len() < before, "a frame was made of nothing");
                match frame {
                    Frame::Message(json) => {
                        assert!(json.len() <= MESSAGE_MAX);
                        if let Ok(request) = Request::decode(&json) {
                            let again = serde_json::to_vec(&request).unwrap();
                            assert_eq!(Request::decode(&again), Ok(request), "a request survives its own encoding");
                        }
                        if let Ok(reply) = serde_json::from_slice::<Reply>(&json) {
                            let again = serde_json::to_vec(&reply).unwrap();
                            assert_eq!(serde_json::from_slice::<Reply>(&again).unwrap(), reply);
                        }
                    }
                    Frame::Block { bytes, .. } => assert!(bytes.len() <= BLOCK_LEN),
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
                    Frame::Have { digests, .. } => assert!(digests.len() <= HAVE_MAX),
                }
            }
            Ok(None) => {
                assert_eq!(bytes.len(), before, "needing more consumes nothing");
                return;
            }
            Err(FrameError::UnknownKind(_) | FrameError::TooEarly(_)) => return,
            Err(FrameError::TooLong { .. } | FrameError::BadLength(_)) => return,
        }
    }
}

#[test]
fn the_seed_corpus_is_survived() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/decoder");
    let mut seeds = 0;
    for seed in std::fs::read_dir(folder).unwrap() {
        let input = std::fs::read(seed.unwrap().path()).unwrap();
        decode_all(&input, Phase::BeforeLogin);
        decode_all(&input, Phase::LoggedIn);
        seeds += 1;
    }
    assert!(seeds >= 10, "only {seeds} seeds in {folder}");
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let json = prop_oneof![
        Just(r#"{"put":{"path":"a","size":1,"if_exists":"refuse"}}"#.to_owned()),
        Just(r#"{"get":{"path":{"bytes":"Li4="}}}"#.to_owned()),
        r#"\{"(list|stat|get|put|rename)":\{"(path|from|to|size)":("[a-z./]{0,9}"|[0-9]{0,30}|\{"bytes":"[A-Z=]{0,4}"\})\}\}"#,
        ".{0,40}",
    ];
    (1..5u8, 0..64usize, json, any::<[u8; 8]>(), prop::collection::vec(any::<u8>(), 0..80)).prop_map(
        |(kind, claimed, json, index, tail)| {
            let payload = if kind == 1 { json.into_bytes() } else { [&index[..], &tail].concat() };
            // Mostly correct lengths, and occasionally a wrong one.
            let length = if claimed < 8 { payload.len() + claimed * 7 } else { payload.len() };
            let length = u32::try_from(length).unwrap().to_be_bytes();
            [&[kind, length[1], length[2], length[3]], &payload[..]].concat()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_are_survived(input in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_all(&input, Phase::BeforeLogin);
        decode_all(&input, Phase::LoggedIn);
    }

    #[test]
    fn nearly_right_frames_are_survived(input in prop::collection::vec(frames(), 0..6)) {
        decode_all(&input.concat(), Phase::LoggedIn);
    }

    #[test]
    fn the_place_where_bytes_are_split_changes_nothing(input in prop::collection::vec(frames(), 1..5), cut in any::<prop::sample::Index>()) {
        let input = input.concat();
        let whole = all(&input);
        let mut pieces = Bytes::copy_from_slice(&input[..cut.index(input.len())]);
        // The frames of a prefix are a prefix of the frames of the whole.
        let mut front = Vec::new();
        while let Ok(Some(frame)) = frame::decode(&mut pieces, Phase::LoggedIn) {
            front.push(format!("{frame:?}"));
        }
        prop_assert!(whole.starts_with(&front));
    }
}

fn all(input: &[u8]) -> Vec<String> {
    let mut bytes = Bytes::copy_from_slice(input);
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = frame::decode(&mut bytes, Phase::LoggedIn) {
        frames.push(format!("{frame:?}"));
    }
    frames
}
