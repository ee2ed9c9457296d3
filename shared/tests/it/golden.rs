//! One of every message, pinned byte for byte: a change here is a change of the protocol.

use std::collections::BTreeSet;

use bytes::Bytes;
use ferry_shared::{
    chunks::Describer,
    delta::{self, Level},
    digest::Digest,
    entry::{Entry, Kind, Mtime, Version},
    feature::Features,
    frame::{self, Frame, Phase},
    message::{
        Notice, Reply, Request,
        reply::{Access, LoggedIn, Page, Registration, ServerLimits, Stream, UnfinishedUpload, Usage, Welcome},
        request::{Algorithm, Basis, BlockRange, Hello, IfExists, Proof, Put, Word},
    },
    name::Name,
    path::RemotePath,
    refusal::{Code, Refusal, Unit},
    secret::Secret,
};
use serde::{Serialize, de::DeserializeOwned};

fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn name(bytes: &[u8]) -> Name {
    Name::new(bytes).unwrap()
}

/// Checks that the message encodes to exactly this JSON, and that this JSON decodes to the message.
fn pin<M: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(message: &M, json: &str) {
    let mut out = Vec::new();
    frame::put_message(&mut out, message).unwrap();
    let length = u32::try_from(json.len()).unwrap().to_be_bytes();
    assert_eq!(out[..4], [1, length[1], length[2], length[3]]);
    assert_eq!(std::str::from_utf8(&out[4..]).unwrap(), json);
    assert_eq!(&serde_json::from_str::<M>(json).unwrap(), message);
}

#[test]
fn every_request_is_pinned() {
    let usage = [
        (
            Request::Hello(Hello { protocol: 1, client: "ferry 0.1.0".into(), features: Features::NONE, seal: None }),
            r#"{"hello":{"protocol":1,"client":"ferry 0.1.0","features":[]}}"#,
        ),
        (
            Request::Hello(Hello {
                protocol: 1,
                client: "ferry 0.1.0".into(),
                features: Features::known(),
                seal: Some("c2VhbA==".into()),
            }),
            r#"{"hello":{"protocol":1,"client":"ferry 0.1.0","features":["uploads_pages","run","chunks","packed","remembered"],"seal":"c2VhbA=="}}"#,
        ),
        (
            Request::Login { user: "alice".into(), proof: Proof::Password(secret("pw")) },
            r#"{"login":{"user":"alice","proof":{"password":"pw"}}}"#,
        ),
        (Request::Attach { ticket: secret("t") }, r#"{"attach":{"ticket":"t"}}"#),
        (
            Request::Register { user: "bob".into(), password: secret("pw"), invite: Some(secret("i")) },
            r#"{"register":{"user":"bob","password":"pw","invite":"i"}}"#,
        ),
        (Request::List { path: path("") }, r#"{"list":{"path":""}}"#),
        (Request::Walk { path: path("a/b"), digests: false }, r#"{"walk":{"path":"a/b"}}"#),
        (Request::Walk { path: path("a/b"), digests: true }, r#"{"walk":{"path":"a/b","digests":true}}"#),
        (
            Request::Find { path: path("a"), pattern: "*.rs".into(), limit: 10 },
            r#"{"find":{"path":"a","pattern":"*.rs","limit":10}}"#,
        ),
        (Request::Stat { path: RemotePath::from_wire(b"\xff/x").unwrap() }, r#"{"stat":{"path":{"bytes":"/y94"}}}"#),
        (Request::Touch { path: path("a") }, r#"{"touch":{"path":"a"}}"#),
        (Request::MakeDir { path: path("d"), parents: true }, r#"{"make_dir":{"path":"d","parents":true}}"#),
        (
            Request::Rename { from: path("a"), to: path("b"), replace: false },
            r#"{"rename":{"from":"a","to":"b","replace":false}}"#,
        ),
        (
            Request::Copy { from: path("a"), to: path("b"), replace: true },
            r#"{"copy":{"from":"a","to":"b","replace":true}}"#,
        ),
        (
            Request::Remove { path: path("a"), recursive: true, version: None },
            r#"{"remove":{"path":"a","recursive":true}}"#,
        ),
        (
            Request::Remove { path: path("a"), recursive: false, version: Some(Version("v".into())) },
            r#"{"remove":{"path":"a","recursive":false,"version":"v"}}"#,
        ),
        (
            Request::SetAttributes { path: path("a"), mtime: Some(Mtime(-5, 7)), mode: Some(0o755) },
            r#"{"set_attributes":{"path":"a","mtime":[-5,7],"mode":493}}"#,
        ),
        (
            Request::Hash { path: path("a"), algorithm: Algorithm::Sha256 },
            r#"{"hash":{"path":"a","algorithm":"sha256"}}"#,
        ),
        (
            Request::Run { words: [&b"head"[..], b"", b"a\xff"].map(|word| Word(word.to_vec())).to_vec() },
            r#"{"run":{"words":["head","",{"bytes":"Yf8="}]}}"#,
        ),
        (Request::Usage, r#""usage""#),
        (Request::Uploads, r#""uploads""#),
        (Request::Discard { path: path("a") }, r#"{"discard":{"path":"a"}}"#),
        (
            Request::ChangePassword { old: secret("o"), new: secret("n") },
            r#"{"change_password":{"old":"o","new":"n"}}"#,
        ),
        (Request::Ping, r#""ping""#),
        (
            Request::Get { path: path("a"), blocks: Some(BlockRange { first: 2, count: 3 }) },
            r#"{"get":{"path":"a","blocks":{"first":2,"count":3}}}"#,
        ),
        (
            Request::Put(Put {
                path: path("a"),
                size: Some(5_368_709_120),
                mtime: Some(Mtime(1_700_000_000, 123_456_789)),
                mode: Some(0o644),
                if_exists: IfExists::ReplaceVersion(Version("v".into())),
                parents: true,
                basis: Basis::Staged,
            }),
            r#"{"put":{"path":"a","size":5368709120,"mtime":[1700000000,123456789],"mode":420,"if_exists":{"replace_version":"v"},"parents":true,"basis":"staged"}}"#,
        ),
        (
            Request::Commit { size: 3, root: Digest([0xab; 32]) },
            r#"{"commit":{"size":3,"root":"abababababababababababababababababababababababababababababababab"}}"#,
        ),
    ];
    usage.iter().for_each(|(request, json)| pin(request, json));
    let pinned: BTreeSet<_> = usage.iter().map(|(request, _)| request.name()).collect();
    assert_eq!(pinned, Request::NAMES.iter().copied().collect(), "every request has its golden bytes");
}

#[test]
fn every_reply_is_pinned() {
    let usage = Usage { used: 1, reserved: 2, limit: Some(3), files: 4, file_limit: None, volume_free: 5 };
    let usage_json = r#"{"used":1,"reserved":2,"limit":3,"files":4,"volume_free":5}"#;
    let entry = Entry { name: name(b"a"), kind: Kind::File, size: 9, mtime: Mtime(1, 2), mode: 0o600 };
    let entry_json = r#"{"name":"a","kind":"file","size":9,"mtime":[1,2],"mode":384}"#;
    let zeros = "0".repeat(64);
    let root = Digest([0; 32]);
    let version = Version("v1".into());
    pin(
        &Reply::Welcome(Welcome {
            protocol: 1,
            server: "ferry 0.1.0".into(),
            features: Features::known(),
            registration: Registration::Closed,
            limits: ServerLimits { connections: 32, idle_seconds: 90 },
        }),
        r#"{"welcome":{"protocol":1,"server":"ferry 0.1.0","features":["uploads_pages","run","chunks","packed","remembered"],"registration":"closed","limits":{"connections":32,"idle_seconds":90}}}"#,
    );
    pin(
        &Reply::LoggedIn(LoggedIn {
            user: "alice".into(),
            access: Access::ReadWrite,
            usage,
            ticket: secret("t"),
            motd: None,
        }),
        &format!(r#"{{"logged_in":{{"user":"alice","access":"read-write","usage":{usage_json},"ticket":"t"}}}}"#),
    );
    let over = Refusal {
        unit: Some(Unit::Bytes),
        needed: Some(10),
        available: Some(4),
        held: Some(2),
        ..Refusal::new(Code::OverQuota, "over quota")
    };
    pin(
        &Reply::Refused(over),
        r#"{"refused":{"code":"over_quota","message":"over quota","retry":false,"unit":"bytes","needed":10,"available":4,"held":2}}"#,
    );
    pin(
        &Reply::Entries(Page {
            under: path("x"),
            entries: vec![entry.clone()],
            unreadable: vec![],
            digests: vec![],
            more: true,
        }),
        &format!(r#"{{"entries":{{"under":"x","entries":[{entry_json}],"more":true}}}}"#),
    );
    let digests = vec![Some(Digest([0xab; 32])), None];
    pin(
        &Reply::Entries(Page {
            under: path(""),
            entries: vec![entry.clone(), entry.clone()],
            unreadable: vec![],
            digests,
            more: false,
        }),
        &format!(
            r#"{{"entries":{{"under":"","entries":[{entry_json},{entry_json}],"digests":["{}",null],"more":false}}}}"#,
            "ab".repeat(32)
        ),
    );
    pin(
        &Reply::Entry { entry, version: Some(version.clone()) },
        &format!(r#"{{"entry":{{"entry":{entry_json},"version":"v1"}}}}"#),
    );
    pin(&Reply::Done, r#""done""#);
    pin(&Reply::Removed { files: 1, dirs: 2, bytes: 3 }, r#"{"removed":{"files":1,"dirs":2,"bytes":3}}"#);
    pin(
        &Reply::Hashed { algorithm: Algorithm::Blake3, digest: zeros.clone() },
        &format!(r#"{{"hashed":{{"algorithm":"blake3","digest":"{zeros}"}}}}"#),
    );
    pin(&Reply::Output { stream: Stream::Out, bytes: b"a\n".to_vec() }, r#"{"output":{"stream":"out","bytes":"a\n"}}"#);
    pin(
        &Reply::Output { stream: Stream::Err, bytes: b"\xff".to_vec() },
        r#"{"output":{"stream":"err","bytes":{"bytes":"/w=="}}}"#,
    );
    pin(&Reply::Exited { status: 1 }, r#"{"exited":{"status":1}}"#);
    pin(&Reply::Usage(usage), &format!(r#"{{"usage":{usage_json}}}"#));
    let upload = UnfinishedUpload {
        path: path("a"),
        size: Some(10),
        received: 4,
        reserved: 10,
        started: Mtime(1, 0),
        expires: Mtime(2, 0),
        active: false,
    };
    pin(
        &Reply::Uploads { uploads: vec![upload], more: false },
        r#"{"uploads":{"uploads":[{"path":"a","size":10,"received":4,"reserved":10,"started":[1,0],"expires":[2,0],"active":false}]}}"#,
    );
    pin(&Reply::Uploads { uploads: vec![], more: true }, r#"{"uploads":{"uploads":[],"more":true}}"#);
    pin(&Reply::Pong, r#""pong""#);
    pin(&Reply::Ready { basis: Basis::Current, have_blocks: 7 }, r#"{"ready":{"basis":"current","have_blocks":7}}"#);
    pin(
        &Reply::Stored { root, size: 9, version: version.clone(), usage },
        &format!(r#"{{"stored":{{"root":"{zeros}","size":9,"version":"v1","usage":{usage_json}}}}}"#),
    );
    pin(
        &Reply::Opened { size: 9, mtime: Mtime(1, 2), mode: 0o644, version: version.clone() },
        r#"{"opened":{"size":9,"mtime":[1,2],"mode":420,"version":"v1"}}"#,
    );
    pin(
        &Reply::Sent { root: Some(root), version: version.clone() },
        &format!(r#"{{"sent":{{"root":"{zeros}","version":"v1"}}}}"#),
    );
    pin(&Reply::Sent { root: None, version }, r#"{"sent":{"version":"v1"}}"#);
}

#[test]
fn every_notice_is_pinned() {
    let pin_notice = |notice: Notice, json: &str| pin(&Reply::Notice(notice), &format!(r#"{{"notice":{json}}}"#));
    pin_notice(
        Notice::UsageChanged(Usage { used: 1, ..Usage::default() }),
        r#"{"usage_changed":{"used":1,"reserved":0,"files":0,"volume_free":0}}"#,
    );
    pin_notice(Notice::AccountChanged { access: Access::ReadOnly }, r#"{"account_changed":{"access":"read-only"}}"#);
    pin_notice(Notice::Broadcast { text: "hi".into() }, r#"{"broadcast":{"text":"hi"}}"#);
    pin_notice(Notice::Closing { reason: "stop".into(), seconds: 30 }, r#"{"closing":{"reason":"stop","seconds":30}}"#);
}

#[test]
fn binary_frames_are_pinned() {
    let mut out = Vec::new();
    frame::put_block_head(&mut out, 0x0102_0304_0506_0708, 2).unwrap();
    out.extend_from_slice(b"ab");
    frame::put_have(&mut out, 3, &[Digest([9; 32])]).unwrap();
    frame::put_have(&mut out, 0, &[]).unwrap();
    let mut expected = vec![2, 0, 0, 10, 1, 2, 3, 4, 5, 6, 7, 8, b'a', b'b', 3, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 3];
    expected.extend_from_slice(&[9; 32]);
    expected.extend_from_slice(&[3, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(out, expected);
    assert_eq!(kinds(out), ["block", "have", "have"]);
}

#[test]
fn deltas_and_chunks_are_pinned() {
    let mut steps = Vec::new();
    delta::put_bytes(&mut steps, b"ab");
    delta::put_range(&mut steps, 0x0102_0304_0506_0708, 0x0a_0b0c);
    assert_eq!(steps, [0, 0, 0, 2, b'a', b'b', 2, 0x0a, 0x0b, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8]);
    let mut out = Vec::new();
    frame::put_delta(&mut out, 3, &steps).unwrap();
    assert_eq!(out[..12], [4, 0, 0, 26, 0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(out[12..], steps);

    // A file shorter than any chunk is one chunk: 2^13 on average, 5 bytes, the beginning of its digest.
    let mut described = None;
    Describer::new(5, 5).take(b"hello", &mut described);
    let start = out.len();
    frame::put_chunks(&mut out, described.unwrap()).unwrap();
    let mut expected = vec![5, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0, 13, 0, 0, 5];
    expected.extend_from_slice(&Digest::of(b"hello").0[..6]);
    assert_eq!(out[start..], expected);
    assert_eq!(kinds(out), ["delta", "chunks"]);
}

#[test]
fn compressed_bytes_are_a_zstd_frame_behind_their_length() {
    let zeros = [0; 100];
    let zstd = zstd::bulk::compress(&zeros, 1).unwrap();
    let length = u8::try_from(zstd.len()).unwrap();
    let mut steps = Vec::new();
    assert!(delta::put_packed(&mut steps, &zeros, Level::Fast));
    assert_eq!(steps, [&[1, 0, 0, 100, 0, 0, length][..], &zstd].concat());

    let text = "a".repeat(98);
    let mut out = Vec::new();
    frame::put_message(&mut out, &text).unwrap();
    let plain = out[4..].to_vec();
    frame::pack_message(&mut out, 0).unwrap();
    let zstd = zstd::bulk::compress(&plain, 1).unwrap();
    let length = u8::try_from(zstd.len()).unwrap();
    assert_eq!(out, [&[6, 0, 0, length + 3, 0, 0, 100][..], &zstd].concat());
}

/// The kinds of the frames in `bytes`.
fn kinds(bytes: Vec<u8>) -> Vec<&'static str> {
    let mut bytes = Bytes::from(bytes);
    std::iter::from_fn(|| frame::decode(&mut bytes, Phase::LoggedIn).unwrap())
        .map(|frame| match frame {
            Frame::Message(_) => "message",
            Frame::PackedMessage(_) => "packed message",
            Frame::Block { .. } => "block",
            Frame::Have { .. } => "have",
            Frame::Delta { .. } => "delta",
            Frame::Chunks(_) => "chunks",
        })
        .collect()
}
