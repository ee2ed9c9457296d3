//! Every message survives its own encoding, and no message survives being cut.

use bytes::{Bytes, BytesMut};
use ferry_shared::sftp::{
    Attributes, Extended, Extension, Fault, HANDLE_MAX, Hello, Invalid, NameEntry, OpenFlags, Owner, PACKET_MAX,
    Packet, Pairs, Reply, Request, Status, Times, TooLong,
};
use proptest::{collection::vec, option, prelude::*};

use super::packet;

fn string() -> impl Strategy<Value = Bytes> + Clone {
    vec(any::<u8>(), 0..30).prop_map(Bytes::from)
}

fn pairs() -> impl Strategy<Value = Pairs> {
    vec((string(), string()), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let owner = option::of(any::<(u32, u32)>().prop_map(|(uid, gid)| Owner { uid, gid }));
    let times = option::of(any::<(u32, u32)>().prop_map(|(atime, mtime)| Times { atime, mtime }));
    (any::<Option<u64>>(), owner, any::<Option<u32>>(), times, pairs()).prop_map(
        |(size, owner, permissions, times, extended)| Attributes { size, owner, permissions, times, extended },
    )
}

fn extended() -> impl Strategy<Value = Extended> {
    let two = || (string(), string());
    let known = |name: &Bytes| Extension::ALL.iter().any(|known| name == known.name());
    prop_oneof![
        two().prop_map(|(from, to)| Extended::PosixRename { from, to }),
        two().prop_map(|(from, to)| Extended::HardLink { from, to }),
        string().prop_map(|handle| Extended::Fsync { handle }),
        string().prop_map(|path| Extended::StatVfs { path }),
        string().prop_map(|handle| Extended::FStatVfs { handle }),
        (string(), attributes()).prop_map(|(path, attributes)| Extended::LSetStat { path, attributes }),
        Just(Extended::Limits),
        string().prop_map(|path| Extended::ExpandPath { path }),
        string().prop_map(|user| Extended::HomeDirectory { user }),
        (two(), any::<[u64; 3]>()).prop_map(|((from, to), [from_offset, length, to_offset])| Extended::CopyData {
            from,
            from_offset,
            length,
            to,
            to_offset
        }),
        string().prop_filter("known", move |name| !known(name)).prop_map(|name| Extended::Unknown { name }),
    ]
}

fn requests() -> impl Strategy<Value = Request> {
    let two = || (string(), string());
    prop_oneof![
        (string(), any::<u32>(), attributes()).prop_map(|(path, flags, attributes)| Request::Open {
            path,
            flags: OpenFlags(flags),
            attributes
        }),
        string().prop_map(|handle| Request::Close { handle }),
        (string(), any::<(u64, u32)>()).prop_map(|(handle, (offset, length))| Request::Read { handle, offset, length }),
        (string(), any::<u64>(), vec(any::<u8>(), 0..300)).prop_map(|(handle, offset, data)| Request::Write {
            handle,
            offset,
            data: data.into()
        }),
        string().prop_map(|path| Request::LStat { path }),
        string().prop_map(|handle| Request::FStat { handle }),
        (string(), attributes()).prop_map(|(path, attributes)| Request::SetStat { path, attributes }),
        (string(), attributes()).prop_map(|(handle, attributes)| Request::FSetStat { handle, attributes }),
        string().prop_map(|path| Request::OpenDir { path }),
        string().prop_map(|handle| Request::ReadDir { handle }),
        string().prop_map(|path| Request::Remove { path }),
        (string(), attributes()).prop_map(|(path, attributes)| Request::MakeDir { path, attributes }),
        string().prop_map(|path| Request::RemoveDir { path }),
        string().prop_map(|path| Request::RealPath { path }),
        string().prop_map(|path| Request::Stat { path }),
        two().prop_map(|(from, to)| Request::Rename { from, to }),
        string().prop_map(|path| Request::ReadLink { path }),
        two().prop_map(|(target, link)| Request::Symlink { target, link }),
        extended().prop_map(Request::Extended),
    ]
}

fn replies() -> impl Strategy<Value = Reply> {
    let entry = (string(), string(), attributes());
    let entry = entry.prop_map(|(name, long_name, attributes)| NameEntry { name, long_name, attributes });
    prop_oneof![
        (any::<u32>(), string()).prop_map(|(code, message)| Reply::status(Status::from(code), message)),
        (0..12_u32, string()).prop_map(|(code, message)| Reply::status(Status::from(code), message)),
        string().prop_map(Reply::Handle),
        string().prop_map(Reply::Data),
        vec(entry, 0..5).prop_map(Reply::Name),
        attributes().prop_map(Reply::Attributes),
        string().prop_map(Reply::Extended),
    ]
}

proptest! {
    #[test]
    fn requests_survive_their_encoding(request in requests(), id: u32) {
        let mut out = Vec::new();
        request.put(&mut out, id).unwrap();
        prop_assert_eq!(Request::decode(packet(&out)), Ok((id, request)));
    }

    #[test]
    fn replies_survive_their_encoding(reply in replies(), id: u32) {
        let mut out = Vec::new();
        reply.put(&mut out, id).unwrap();
        prop_assert_eq!(Reply::decode(packet(&out)), Ok((id, reply)));
    }

    #[test]
    fn hellos_survive_their_encoding(version: u32, extensions in pairs()) {
        let hello = Hello { version, extensions };
        let mut out = Vec::new();
        hello.put_version(&mut out).unwrap();
        prop_assert_eq!(Hello::decode_version(packet(&out)), Ok(hello.clone()));
        out.clear();
        hello.put_init(&mut out).unwrap();
        prop_assert_eq!(Hello::decode_init(packet(&out)), Ok(hello));
    }

    #[test]
    fn a_request_that_is_cut_anywhere_is_refused_by_its_id(request in requests(), id: u32) {
        let mut out = Vec::new();
        request.put(&mut out, id).unwrap();
        let whole = packet(&out);
        for cut in 0..whole.body.len() {
            let packet = Packet { body: whole.body.slice(..cut), ..whole.clone() };
            prop_assert_eq!(Request::decode(packet), Err(Invalid { id, fault: Fault::Cut }), "cut at {}", cut);
        }
    }

    #[test]
    fn a_reply_that_is_cut_anywhere_is_refused_by_its_id(reply in replies(), id: u32) {
        let mut out = Vec::new();
        reply.put(&mut out, id).unwrap();
        let whole = packet(&out);
        let least = match reply {
            Reply::Status { .. } => 4, // The message may be missing.
            Reply::Extended(_) => 0,   // Only the extension knows its length.
            _ => whole.body.len(),
        };
        for cut in 0..least {
            let packet = Packet { body: whole.body.slice(..cut), ..whole.clone() };
            prop_assert_eq!(Reply::decode(packet), Err(Invalid { id, fault: Fault::Cut }), "cut at {}", cut);
        }
    }

    #[test]
    fn bytes_after_the_fields_are_ignored(request in requests(), tail in vec(any::<u8>(), 0..20)) {
        let mut out = Vec::new();
        request.put(&mut out, 1).unwrap();
        let whole = packet(&out);
        let longer = Packet { body: [&whole.body[..], &tail].concat().into(), ..whole };
        prop_assert_eq!(Request::decode(longer), Ok((1, request)));
    }

    #[test]
    fn the_place_where_bytes_are_split_changes_nothing(requests in vec(requests(), 1..6), step in 1..50_usize) {
        let mut out = Vec::new();
        for (id, request) in (0..).zip(&requests) {
            request.put(&mut out, id).unwrap();
        }
        let (mut buffer, mut found) = (BytesMut::new(), Vec::new());
        for piece in out.chunks(step) {
            buffer.extend_from_slice(piece);
            while let Some(packet) = Packet::take(&mut buffer).unwrap() {
                found.push(Request::decode(packet).unwrap().1);
            }
        }
        prop_assert_eq!(found, requests);
    }
}

#[test]
fn a_message_that_fills_a_packet_is_sent_and_a_longer_one_is_not() {
    let mut out = vec![7];
    let data = |length| Reply::Data(vec![0; length].into());
    data(PACKET_MAX - 9).put(&mut out, 1).unwrap();
    assert_eq!(packet(&out[1..]).body.len(), PACKET_MAX - 5);
    let before = out.clone();
    assert_eq!(data(PACKET_MAX - 8).put(&mut out, 1), Err(TooLong(PACKET_MAX + 1)));
    assert!(Request::put_write_head(&mut out, 1, b"h", 0, PACKET_MAX).is_err());
    assert!(Request::put_write_head(&mut out, 1, b"h", 0, usize::MAX).is_err());
    assert_eq!(out, before, "nothing of it is appended");
}

#[test]
fn a_handle_longer_than_the_protocol_allows_is_refused() {
    let mut out = Vec::new();
    Request::Close { handle: vec![0; HANDLE_MAX + 1].into() }.put(&mut out, 4).unwrap();
    let fault = Fault::HandleTooLong(HANDLE_MAX + 1);
    assert_eq!(Request::decode(packet(&out)), Err(Invalid { id: 4, fault }));
    assert_eq!(fault.status(), Status::BadMessage);
    out.clear();
    Reply::Handle(vec![0; HANDLE_MAX + 1].into()).put(&mut out, 4).unwrap();
    assert_eq!(Reply::decode(packet(&out)), Err(Invalid { id: 4, fault }));
}

#[test]
fn an_unknown_type_is_refused_by_its_id_as_unsupported() {
    let refused = Request::decode(packet(b"\0\0\0\x05\x63\0\0\0\x09")).unwrap_err();
    assert_eq!(refused, Invalid { id: 9, fault: Fault::UnknownType(0x63) });
    assert_eq!(refused.fault.status(), Status::OpUnsupported);
}
