//! Every request gets one answer: uploads that are given up, refused or not understood, and pages of unfinished
//! uploads.

use std::fs;

use ferry_shared::{
    digest::{Digest, block_digest},
    feature::Features,
    frame,
    limits::{BLOCK_LEN, MESSAGE_MAX},
    message::{
        Reply, Request,
        reply::UnfinishedUpload,
        request::{Basis, Put},
    },
    refusal::Code,
};

use super::harness::{Peer, World, block, commit, data, path, put, root_of, small};

const MIB: usize = BLOCK_LEN;
const SIZE: u64 = 3 * MIB as u64;

fn json(text: &str) -> Vec<u8> {
    let mut out = frame::Header::write(frame::FrameKind::Message, text.len()).unwrap().to_vec();
    out.extend_from_slice(text.as_bytes());
    out
}

fn begin(peer: &mut Peer, declared: Put) {
    let answer = peer.ask(&Request::Put(declared));
    assert!(matches!(answer, Ok(Reply::Ready { .. })), "{answer:?}");
}

/// The code of the next answer, which must be a refusal.
fn refused(peer: &mut Peer) -> Code {
    peer.answer().unwrap_err().code
}

#[test]
fn giving_an_upload_up_has_one_answer_whatever_became_of_it() {
    let world = World::new(20 << 20);
    let bytes = data(3 * MIB, 3);
    let (mut one, mut other) = (world.connect(), world.connect());
    for case in ["nothing happened", "superseded", "discarded", "refused before"] {
        begin(&mut one, put("f", SIZE, Basis::None));
        one.send(&block(&bytes, 0));
        match case {
            "superseded" => begin(&mut other, put("f", SIZE, Basis::None)),
            "discarded" => assert_eq!(other.ask(&Request::Discard { path: path("f") }), Ok(Reply::Done)),
            "refused before" => {
                assert_eq!(other.ask(&Request::Discard { path: path("f") }), Ok(Reply::Done));
                one.send(&block(&bytes, 1));
            }
            _ => {}
        }
        one.request(&Request::Ping);
        assert_eq!(refused(&mut one), Code::Superseded, "{case}");
        assert_eq!(one.answer(), Ok(Reply::Pong), "{case}");
        assert!(one.has_no_reply(), "{case}: one answer too many");
    }
}

#[test]
fn a_discard_by_the_uploads_own_connection_is_its_only_answer() {
    let world = World::new(20 << 20);
    let mut peer = world.connect();
    begin(&mut peer, put("f", SIZE, Basis::None));
    peer.request(&Request::Discard { path: path("other") });
    assert_eq!((refused(&mut peer), refused(&mut peer)), (Code::Superseded, Code::NotFound));
    begin(&mut peer, put("f", SIZE, Basis::None));
    peer.request(&Request::Discard { path: path("f") });
    assert_eq!(peer.answer(), Ok(Reply::Done));
    assert!(peer.has_no_reply());
    assert_eq!(peer.ask(&Request::Uploads), Ok(Reply::Uploads { uploads: vec![], more: false }));
}

#[test]
fn any_request_in_place_of_a_block_gives_the_upload_up_and_is_answered_too() {
    let world = World::new(20 << 20);
    let mut peer = world.connect();
    let unknown = json(r#"{"dance":{}}"#);
    let unknown_value = json(r#"{"hash":{"path":"f","algorithm":"md5"}}"#);
    let bad_path = json(r#"{"stat":{"path":"../x"}}"#);
    let requests = [(unknown, Code::Unsupported), (unknown_value, Code::Unsupported), (bad_path, Code::BadPath)];
    let stream = Put { size: None, ..put("stream", 0, Basis::None) };
    for declared in [put("large", SIZE, Basis::None), stream, put("small", 5, Basis::None)] {
        for (request, code) in &requests {
            let mut frames = Vec::new();
            frame::put_message(&mut frames, &Request::Put(declared.clone())).unwrap();
            peer.send(&frames);
            if !declared.is_optimistic() {
                assert!(matches!(peer.answer(), Ok(Reply::Ready { .. })));
            }
            assert!(peer.send(request), "the connection goes on");
            assert_eq!((refused(&mut peer), refused(&mut peer)), (Code::Superseded, *code));
            assert!(peer.has_no_reply());
        }
    }
    // An upload that is given up for the next one: each gets its answer, in order.
    let mut frames = Vec::new();
    frame::put_message(&mut frames, &Request::Put(put("a", 5, Basis::None))).unwrap();
    peer.send(&[frames, small("b", b"two")].concat());
    assert_eq!(refused(&mut peer), Code::Superseded);
    assert!(matches!(peer.answer(), Ok(Reply::Stored { size: 3, .. })));
    let Ok(Reply::Uploads { uploads, .. }) = peer.ask(&Request::Uploads) else { panic!() };
    let left: Vec<_> = uploads.iter().map(|upload| upload.path.display().to_string()).collect();
    assert_eq!(left, ["/large"], "only the part of a declared size stays");
}

#[test]
fn after_a_put_refused_instead_of_ready_its_frames_are_passed_over() {
    let world = World::new(20 << 20);
    let mut peer = world.connect();
    let bytes = data(3 * MIB, 3);
    let refusal_of: [(Vec<u8>, Code); 3] = [
        (
            {
                let mut frames = Vec::new();
                frame::put_message(&mut frames, &Request::Put(put("no/f", SIZE, Basis::None))).unwrap();
                frames
            },
            Code::NotFound,
        ),
        (json(r#"{"put":{"path":"../f","size":3145728}}"#), Code::BadPath),
        (json(r#"{"put":{"path":"f","size":3145728,"basis":"guessed"}}"#), Code::Unsupported),
    ];
    let ping = json("\"ping\"");
    for (declared, code) in &refusal_of {
        for ahead in [vec![], block(&bytes, 0), commit(&bytes), [block(&bytes, 0), commit(&bytes)].concat()] {
            assert!(peer.send(&[&declared[..], &ahead, &ping].concat()), "{code:?}: the connection goes on");
            assert_eq!(refused(&mut peer), *code);
            assert_eq!(peer.answer(), Ok(Reply::Pong));
            assert!(peer.has_no_reply());
        }
    }
    assert_eq!(world.on_disk(), (0, 0));
}

#[test]
fn a_stopping_server_does_not_wait_for_a_refused_upload() {
    let world = World::new(20 << 20);
    let mut conversation = world.conversation();
    assert!(!conversation.in_transfer());
    let (_end, mut input) = tokio::sync::mpsc::channel(1);
    let (output, _buffers) = tokio::sync::mpsc::channel(4);
    let mut declared = Vec::new();
    frame::put_message(&mut declared, &Request::Put(put("no/f", SIZE, Basis::None))).unwrap();
    let mut bytes = bytes::Bytes::from(declared);
    let frame = frame::decode(&mut bytes, frame::Phase::LoggedIn).unwrap().unwrap();
    conversation.push(crate::command::Input::Frames(vec![frame]));
    assert_eq!(conversation.run(&mut input, &output), crate::command::Need::Input);
    assert!(!conversation.in_transfer());
}

#[test]
fn an_unknown_value_of_a_known_field_is_unsupported_and_the_connection_goes_on() {
    let world = World::new(20 << 20);
    let mut peer = world.connect();
    let frames = [
        json(r#"{"hash":{"path":"f","algorithm":"md5"}}"#),
        json(r#"{"put":{"path":"f","size":3,"if_exists":"rename"}}"#),
        block(b"abc", 0),
        commit(b"abc"),
        json(r#"{"get":{"path":"f","blocks":{"first":1}}}"#),
        {
            let mut haves = Vec::new();
            frame::put_have(&mut haves, 0, &[root_of(b"x")]).unwrap();
            frame::put_have(&mut haves, 0, &[]).unwrap();
            haves
        },
        json(r#"{"list":{}}"#),
        json("\"ping\""),
    ];
    assert!(peer.send(&frames.concat()));
    for _ in 0..4 {
        assert_eq!(refused(&mut peer), Code::Unsupported);
    }
    assert_eq!(peer.answer(), Ok(Reply::Pong));
    assert_eq!(world.on_disk(), (0, 0));
}

#[test]
fn a_request_among_the_digests_of_a_download_ends_the_connection() {
    for request in [json("\"ping\""), json(r#"{"dance":{}}"#), json(r#"{"stat":{"path":"../x"}}"#)] {
        let world = World::new(20 << 20);
        let mut peer = world.connect();
        fs::write(world.home().join("f"), b"abc").unwrap();
        peer.request(&Request::Get { path: path("f"), blocks: None });
        assert!(matches!(peer.answer(), Ok(Reply::Opened { .. })));
        assert!(!peer.send(&request));
        assert_eq!(refused(&mut peer), Code::Malformed);
    }
}

/// Downloads a file of `there` bytes with digests of the blocks of a file of `held` bytes that starts the same.
fn download(held: usize, there: usize, frames_of: usize) -> (Peer, Vec<u8>) {
    let world = World::new(20 << 20);
    let mut peer = world.connect();
    let bytes = data(held.max(there), 5);
    fs::write(world.home().join("f"), &bytes[..there]).unwrap();
    let digests: Vec<Digest> = bytes[..held]
        .chunks(MIB)
        .enumerate()
        .map(|(index, block)| block_digest(held as u64, index as u64, block))
        .collect();
    let mut frames = Vec::new();
    frame::put_message(&mut frames, &Request::Get { path: path("f"), blocks: None }).unwrap();
    for (first, digests) in (0..).step_by(frames_of).zip(digests.chunks(frames_of)) {
        frame::put_have(&mut frames, first, digests).unwrap();
    }
    frame::put_have(&mut frames, 0, &[]).unwrap();
    assert!(peer.send(&frames), "{held} held, {there} there: the connection goes on");
    (peer, bytes[..there].to_vec())
}

#[test]
fn digests_past_the_end_of_a_file_are_passed_over() {
    let held = 4 * MIB + 9;
    for there in [0, 1, MIB, MIB + 1, 4 * MIB, held, held + 1, held + MIB] {
        for frames_of in [1, 2, 1024] {
            let (mut peer, bytes) = download(held, there, frames_of);
            assert!(matches!(peer.answer(), Ok(Reply::Opened { size, .. }) if size == there as u64), "{there}");
            let sent = peer.answer();
            assert!(matches!(sent, Ok(Reply::Sent { root: Some(root), .. }) if root == root_of(&bytes)), "{there}");
            // Complete blocks that are equal on both sides were not sent.
            let same = there.min(held) / MIB;
            let same = if there <= MIB { 0 } else { same + usize::from(there == held) };
            let expected: Vec<u64> = (same as u64..there.div_ceil(MIB) as u64).collect();
            assert_eq!(peer.blocks_received, expected, "{there} bytes, {frames_of} digests a frame");
            assert_eq!(peer.ask(&Request::Ping), Ok(Reply::Pong));
        }
    }
}

/// Starts this many uploads with long names, with a small one at the end, and lists them.
fn many_uploads(features: Features) -> (usize, Vec<(Vec<UnfinishedUpload>, bool)>) {
    let world = World::new(1 << 40);
    let mut peer = world.connect_with(features);
    let count = 1100;
    let long = vec!["n".repeat(250); 6].join("/");
    for number in 0..count {
        let declared = Put { parents: true, ..put(&format!("{long}/{number:05}"), 2 * MIB as u64, Basis::None) };
        peer.request(&Request::Put(declared));
        while !peer.has_no_reply() {
            drop(peer.answer());
        }
    }
    peer.request(&Request::Ping);
    assert!(peer.answer().is_err() && peer.answer().is_ok());
    let mut pages = Vec::new();
    peer.request(&Request::Uploads);
    while !peer.has_no_reply() {
        match peer.answer() {
            Ok(Reply::Uploads { uploads, more }) => pages.push((uploads, more)),
            other => panic!("{other:?}"),
        }
    }
    (count, pages)
}

#[test]
fn unfinished_uploads_come_in_pages_and_none_is_left_out() {
    let (count, pages) = many_uploads(Features::known());
    let (last, others) = pages.split_last().unwrap();
    assert!(!others.is_empty() && others.iter().all(|(_, more)| *more) && !last.1);
    let told: Vec<_> = pages.iter().flat_map(|(uploads, _)| uploads).map(|upload| upload.path.clone()).collect();
    assert_eq!(told.len(), count);
    assert!(told.is_sorted() && told.windows(2).all(|two| two[0] != two[1]));
}

#[test]
fn a_client_that_knows_no_pages_hears_one_message_that_fits() {
    let (_, pages) = many_uploads(Features::NONE);
    let [(uploads, more)] = &pages[..] else { panic!("{} messages", pages.len()) };
    let json = serde_json::to_vec(&Reply::Uploads { uploads: uploads.clone(), more: *more }).unwrap();
    assert!(!more && json.len() <= MESSAGE_MAX);
    assert!(json.len() > MESSAGE_MAX - (8 << 10), "it holds as much as there is room for: {}", json.len());
}
