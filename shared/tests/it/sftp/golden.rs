//! Packets byte for byte, as the draft and OpenSSH's `PROTOCOL` lay them out.

use bytes::Bytes;
use ferry_shared::sftp::{
    Attributes, DataReply, Extended, Extension, Hello, NameEntry, NameReply, OpenFlags, Owner, Pairs, Reply, Request,
    ServerLimits, StatVfs, Status, Times,
};

use super::packet;

fn bytes(text: &'static [u8]) -> Bytes {
    Bytes::from_static(text)
}

/// Checks that the request has exactly these bytes after its length, in both directions.
fn pin(request: &Request, expected: &[u8]) {
    let mut out = Vec::new();
    request.put(&mut out, 0x0102_0304).unwrap();
    assert_eq!(out[..4], u32::try_from(expected.len()).unwrap().to_be_bytes());
    assert_eq!(out[4..].escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!(Request::decode(packet(&out)), Ok((0x0102_0304, request.clone())));
}

fn pin_reply(reply: &Reply, expected: &[u8]) {
    let mut out = Vec::new();
    reply.put(&mut out, 7).unwrap();
    assert_eq!(out[..4], u32::try_from(expected.len()).unwrap().to_be_bytes());
    assert_eq!(out[4..].escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!(Reply::decode(packet(&out)), Ok((7, reply.clone())));
}

fn all_attributes() -> Attributes {
    Attributes {
        size: Some(0x0102_0304_0506_0708),
        owner: Some(Owner { uid: 1, gid: 2 }),
        permissions: Some(0o100_644),
        times: Some(Times { atime: 3, mtime: 4 }),
        extended: [("n@x", "v")].into_iter().collect(),
    }
}

const ALL_ATTRIBUTES: &[u8] = b"\x80\0\0\x0f\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\x01\0\0\0\x02\0\0\x81\xa4\0\0\0\x03\
\0\0\0\x04\0\0\0\x01\0\0\0\x03n@x\0\0\0\x01v";

#[test]
fn hellos_are_pinned() {
    let mut out = Vec::new();
    let init = Hello { version: 3, extensions: Pairs::new() };
    init.put_init(&mut out).unwrap();
    assert_eq!(out, *b"\0\0\0\x05\x01\0\0\0\x03");
    assert_eq!(Hello::decode_init(packet(&out)), Ok(init));

    out.clear();
    let version = Hello::with(&[Extension::StatVfs, Extension::CopyData]);
    version.put_version(&mut out).unwrap();
    assert_eq!(
        out[..],
        *b"\0\0\0\x33\x02\0\0\0\x03\0\0\0\x13statvfs@openssh.com\0\0\0\x012\0\0\0\x09copy-data\0\0\0\x011"
    );
    let decoded = Hello::decode_version(packet(&out)).unwrap();
    assert_eq!(decoded, version);
    assert!(decoded.offers(Extension::CopyData) && !decoded.offers(Extension::Fsync));
    let other = Hello { version: 3, extensions: [("copy-data", "2")].into_iter().collect() };
    assert!(!other.offers(Extension::CopyData), "another version is not offered");
    assert!(Hello::decode_init(packet(&out)).is_err(), "a VERSION is no INIT");
    assert!(Request::decode(packet(b"\0\0\0\x05\x01\0\0\0\x03")).is_err(), "nor is an INIT a request");
}

#[test]
fn requests_are_pinned() {
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    pin(
        &Request::Open { path: bytes(b"a\xff"), flags, attributes: all_attributes() },
        &[b"\x03\x01\x02\x03\x04\0\0\0\x02a\xff\0\0\0\x1a", ALL_ATTRIBUTES].concat(),
    );
    pin(
        &Request::Read { handle: bytes(b"h"), offset: 5, length: 6 },
        b"\x05\x01\x02\x03\x04\0\0\0\x01h\0\0\0\0\0\0\0\x05\0\0\0\x06",
    );
    pin(
        &Request::Write { handle: bytes(b"h"), offset: 1 << 40, data: bytes(b"xyz") },
        b"\x06\x01\x02\x03\x04\0\0\0\x01h\0\0\x01\0\0\0\0\0\0\0\0\x03xyz",
    );
    pin(&Request::Rename { from: bytes(b"a"), to: bytes(b"b") }, b"\x12\x01\x02\x03\x04\0\0\0\x01a\0\0\0\x01b");
    pin(
        &Request::Symlink { target: bytes(b"there"), link: bytes(b"l") },
        b"\x14\x01\x02\x03\x04\0\0\0\x05there\0\0\0\x01l",
    );
    pin(
        &Request::MakeDir { path: bytes(b"d"), attributes: Attributes::default() },
        b"\x0e\x01\x02\x03\x04\0\0\0\x01d\0\0\0\0",
    );
    type OnPath = fn(Bytes) -> Request;
    let plain: [(u8, OnPath); 11] = [
        (4, |handle| Request::Close { handle }),
        (7, |path| Request::LStat { path }),
        (8, |handle| Request::FStat { handle }),
        (11, |path| Request::OpenDir { path }),
        (12, |handle| Request::ReadDir { handle }),
        (13, |path| Request::Remove { path }),
        (15, |path| Request::RemoveDir { path }),
        (16, |path| Request::RealPath { path }),
        (17, |path| Request::Stat { path }),
        (19, |path| Request::ReadLink { path }),
        (200, |name| Request::Extended(Extended::Unknown { name })),
    ];
    for (kind, request) in plain {
        pin(&request(bytes(b"x")), &[&[kind][..], b"\x01\x02\x03\x04\0\0\0\x01x"].concat());
    }
    let attributes = Attributes { permissions: Some(0o755), ..Attributes::default() };
    pin(
        &Request::SetStat { path: bytes(b"p"), attributes: attributes.clone() },
        b"\x09\x01\x02\x03\x04\0\0\0\x01p\0\0\0\x04\0\0\x01\xed",
    );
    pin(
        &Request::FSetStat { handle: bytes(b"p"), attributes },
        b"\x0a\x01\x02\x03\x04\0\0\0\x01p\0\0\0\x04\0\0\x01\xed",
    );
}

#[test]
fn requests_of_extensions_are_pinned() {
    let pin = |request: Extended, expected: &[u8]| {
        pin(&Request::Extended(request), &[b"\xc8\x01\x02\x03\x04\0\0\0", expected].concat());
    };
    let (from, to) = (bytes(b"a"), bytes(b"b"));
    pin(
        Extended::PosixRename { from: from.clone(), to: to.clone() },
        b"\x18posix-rename@openssh.com\0\0\0\x01a\0\0\0\x01b",
    );
    pin(Extended::HardLink { from: from.clone(), to: to.clone() }, b"\x14hardlink@openssh.com\0\0\0\x01a\0\0\0\x01b");
    pin(Extended::Fsync { handle: bytes(b"h") }, b"\x11fsync@openssh.com\0\0\0\x01h");
    pin(Extended::StatVfs { path: bytes(b"/") }, b"\x13statvfs@openssh.com\0\0\0\x01/");
    pin(Extended::FStatVfs { handle: bytes(b"h") }, b"\x14fstatvfs@openssh.com\0\0\0\x01h");
    let attributes = Attributes { times: Some(Times { atime: 1, mtime: 2 }), ..Attributes::default() };
    pin(
        Extended::LSetStat { path: bytes(b"p"), attributes },
        b"\x14lsetstat@openssh.com\0\0\0\x01p\0\0\0\x08\0\0\0\x01\0\0\0\x02",
    );
    pin(Extended::Limits, b"\x12limits@openssh.com");
    pin(Extended::ExpandPath { path: bytes(b"~/x") }, b"\x17expand-path@openssh.com\0\0\0\x03~/x");
    pin(Extended::HomeDirectory { user: bytes(b"") }, b"\x0ehome-directory\0\0\0\0");
    pin(
        Extended::CopyData { from, from_offset: 1, length: 2, to, to_offset: 3 },
        b"\x09copy-data\0\0\0\x01a\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\x01b\0\0\0\0\0\0\0\x03",
    );
}

#[test]
fn replies_are_pinned() {
    pin_reply(
        &Reply::status(Status::NoSuchFile, "no such file"),
        b"e\0\0\0\x07\0\0\0\x02\0\0\0\x0cno such file\0\0\0\0",
    );
    pin_reply(&Reply::Handle(bytes(b"h1")), b"f\0\0\0\x07\0\0\0\x02h1");
    pin_reply(&Reply::Data(bytes(b"xyz")), b"g\0\0\0\x07\0\0\0\x03xyz");
    let entry = NameEntry { name: bytes(b"\xfe"), long_name: bytes(b"- \xfe"), attributes: all_attributes() };
    let names = [b"h\0\0\0\x07\0\0\0\x01\0\0\0\x01\xfe\0\0\0\x03- \xfe", ALL_ATTRIBUTES].concat();
    pin_reply(&Reply::Name(vec![entry]), &names);
    pin_reply(&Reply::path(bytes(b"/")), b"h\0\0\0\x07\0\0\0\x01\0\0\0\x01/\0\0\0\x01/\0\0\0\0");
    pin_reply(&Reply::Attributes(all_attributes()), &[b"i\0\0\0\x07", ALL_ATTRIBUTES].concat());
    let limits = ServerLimits { packet: 1, read: 2, write: 3, handles: 4 };
    let body = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04";
    pin_reply(&Reply::Extended(limits.encode()), &[&b"\xc9\0\0\0\x07"[..], body].concat());
    assert_eq!(ServerLimits::decode(limits.encode()), Ok(limits));
}

#[test]
fn the_figures_of_a_volume_keep_their_order() {
    let body: Vec<u8> = (1..=11_u64).flat_map(u64::to_be_bytes).collect();
    let figures = StatVfs::decode(body.clone().into()).unwrap();
    assert_eq!((figures.block_size, figures.fragment_size, figures.blocks), (1, 2, 3));
    assert_eq!((figures.blocks_free, figures.blocks_available), (4, 5));
    assert_eq!((figures.files, figures.files_free, figures.files_available), (6, 7, 8));
    assert_eq!((figures.id, figures.flags, figures.name_max), (9, 10, 11));
    assert_eq!(figures.encode(), body);
    assert!(StatVfs::decode(body[..87].to_vec().into()).is_err());
}

#[test]
fn a_status_without_a_message_is_accepted() {
    let expected = Reply::status(Status::Eof, "");
    assert_eq!(Reply::decode(packet(b"\0\0\0\x09e\0\0\0\x07\0\0\0\x01")), Ok((7, expected)));
}

#[test]
fn replies_written_in_place_are_those_written_at_once() {
    let (mut at_once, mut in_place) = (vec![9], vec![9]);
    Reply::Data(bytes(b"data")).put(&mut at_once, 3).unwrap();
    let reply = DataReply::begin(&mut in_place, 3);
    assert!(reply.is_empty(&in_place));
    in_place.extend_from_slice(b"data");
    assert_eq!(reply.len(&in_place), 4);
    reply.end(&mut in_place).unwrap();
    assert_eq!(at_once, in_place);
    DataReply::put_head(&mut in_place, 3, 4).unwrap();
    in_place.extend_from_slice(b"data");
    assert_eq!(in_place[1..at_once.len()], in_place[at_once.len()..]);
    DataReply::begin(&mut in_place, 4).abandon(&mut in_place);
    assert_eq!(in_place.len(), 2 * at_once.len() - 1);

    let (mut at_once, mut in_place) = (Vec::new(), Vec::new());
    let entry = |name| NameEntry { name, long_name: bytes(b"long"), attributes: all_attributes() };
    Reply::Name(vec![entry(bytes(b"a")), entry(bytes(b"b"))]).put(&mut at_once, 3).unwrap();
    let mut reply = NameReply::begin(&mut in_place, 3, at_once.len() - 4);
    let fits = [b"a", b"b", b"c"].map(|name| reply.push(&mut in_place, name, b"long", &all_attributes()));
    assert_eq!(fits, [true, true, false], "the third one exceeds the length");
    assert_eq!(reply.count(), 2);
    reply.end(&mut in_place).unwrap();
    assert_eq!(at_once, in_place);
}

#[test]
fn a_write_head_is_that_of_a_whole_write() {
    let (mut whole, mut head) = (Vec::new(), Vec::new());
    Request::Write { handle: bytes(b"h"), offset: 9, data: bytes(b"data") }.put(&mut whole, 3).unwrap();
    Request::put_write_head(&mut head, 3, b"h", 9, 4).unwrap();
    head.extend_from_slice(b"data");
    assert_eq!(whole, head);
}
