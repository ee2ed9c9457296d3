//! The decoder with hostile input: the body of the fuzz target on what real clients sent, whole and mutated.

use std::{fs, sync::LazyLock};

use bytes::{Bytes, BytesMut};
use ferry_shared::sftp::{Attributes, Extended, Hello, Packet, PacketError, Reply, Request};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

/// The properties that must hold for any input; the same as in `fuzz/fuzz_targets/sftp.rs`.
fn decode_all(input: &[u8]) {
    let mut buffer = BytesMut::from(input);
    loop {
        let before = buffer.len();
        match Packet::take(&mut buffer) {
            Ok(Some(packet)) => {
                assert_eq!(buffer.len() + 9 + packet.body.len(), before, "a packet is what it took");
                decode_each(&packet);
            }
            Ok(None) => return assert_eq!(buffer.len(), before, "needing more consumes nothing"),
            Err(PacketError::TooShort(_) | PacketError::TooLong(_)) => return,
        }
    }
}

/// Decodes the packet as every kind of message; what is decoded survives its own encoding.
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

/// The packets that each client sent.
static RECORDED: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/sftp");
    let seeds = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    seeds.map(|seed| (seed.file_name().into_string().unwrap(), fs::read(seed.path()).unwrap())).collect()
});

/// The packets of a recording, each with its length before it.
fn packets(recorded: &[u8]) -> Vec<Vec<u8>> {
    let (mut packets, mut rest) = (Vec::new(), recorded);
    while let Some(length) = rest.first_chunk::<4>() {
        let (packet, after) = rest.split_at(4 + u32::from_be_bytes(*length) as usize);
        packets.push(packet.to_vec());
        rest = after;
    }
    packets
}

#[test]
fn everything_that_clients_sent_is_understood_and_encoded_again_to_the_same_bytes() {
    let names: Vec<_> = RECORDED.iter().map(|(name, _)| &**name).collect();
    for client in ["openssh-sftp", "openssh-scp", "lftp", "rclone", "paramiko", "putty", "curl", "sshfs"] {
        assert!(names.contains(&client), "{client} is not among {names:?}");
    }
    for (client, recorded) in RECORDED.iter() {
        decode_all(recorded);
        let mut unknown = Vec::new();
        for bytes in packets(recorded) {
            let packet = super::packet(&bytes);
            let mut out = Vec::new();
            if packet.kind == 1 {
                Hello::decode_init(packet).unwrap().put_init(&mut out).unwrap();
            } else {
                let (id, request) = Request::decode(packet).unwrap();
                if let Request::Extended(Extended::Unknown { name }) = request {
                    unknown.push(name);
                    continue;
                }
                request.put(&mut out, id).unwrap();
            }
            // rclone's last write of a file carries the rest of its buffer behind the data.
            let end = if client == "rclone" && bytes[4] == 6 { out.len() } else { bytes.len() };
            assert_eq!(out[4..].escape_ascii().to_string(), bytes[4..end].escape_ascii().to_string(), "{client}");
        }
        unknown.sort();
        unknown.dedup();
        let known_as_unknown: [&[u8]; 2] = [b"users-groups-by-id@openssh.com", b"check-file"];
        assert!(unknown.iter().all(|name| known_as_unknown.contains(&&name[..])), "{client}: {unknown:?}");
    }
}

#[test]
fn a_number_of_names_or_attributes_that_are_not_there_is_refused() {
    let reply = |kind, body: &[u8]| Reply::decode(Packet { kind, number: 1, body: Bytes::copy_from_slice(body) });
    assert!(reply(104, &[0xff; 4]).is_err());
    assert!(reply(104, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
    assert!(reply(105, &[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).is_err());
    assert_eq!(reply(105, &[0x80, 0, 0, 0, 0, 0, 0, 0]), Ok((1, Reply::Attributes(Attributes::default()))));
}

/// A change of a recording.
#[derive(Debug, Clone)]
enum Mutation {
    /// One other byte.
    Byte(Index, u8),
    /// Another number, as a length or an offset has it.
    Number(Index, u32),
    /// A piece is missing.
    Remove(Index, usize),
    /// A piece is there twice.
    Repeat(Index, usize),
    /// Nothing follows.
    End(Index),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        match self {
            Self::Byte(at, value) => bytes[at.index(length)] = *value,
            Self::Number(at, number) => {
                let at = at.index(length);
                number.to_be_bytes().into_iter().zip(&mut bytes[at..]).for_each(|(new, old)| *old = new);
            }
            Self::Remove(at, many) => {
                let at = at.index(length);
                bytes.drain(at..length.min(at + many));
            }
            Self::Repeat(at, many) => {
                let at = at.index(length);
                bytes.extend_from_within(at..length.min(at + many));
                bytes[at..].rotate_right(length.min(at + many) - at);
            }
            Self::End(at) => bytes.truncate(at.index(length)),
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let number = prop_oneof![
        select(vec![0, 1, 4, 5, 255, 256, 257, 0x4_0400, 0x4_0401, 0x7fff_ffff, 0x8000_0000, u32::MAX]),
        any::<u32>(),
        0..300_u32,
    ];
    prop_oneof![
        4 => any::<(Index, u8)>().prop_map(|(at, value)| Mutation::Byte(at, value)),
        4 => (any::<Index>(), number).prop_map(|(at, number)| Mutation::Number(at, number)),
        1 => (any::<Index>(), 1..20_usize).prop_map(|(at, many)| Mutation::Remove(at, many)),
        1 => (any::<Index>(), 1..20_usize).prop_map(|(at, many)| Mutation::Repeat(at, many)),
        1 => any::<Index>().prop_map(Mutation::End),
    ]
}

/// Keeps the length before each packet right, so that mutations reach the fields.
fn with_right_length(packet: &mut [u8]) {
    let length = u32::try_from(packet.len().saturating_sub(4)).unwrap();
    if let Some(head) = packet.first_chunk_mut() {
        *head = length.to_be_bytes();
    }
}

proptest! {
    // A few seconds.
    #![proptest_config(ProptestConfig::with_cases(1_000_000))]

    #[test]
    fn mutated_packets_of_clients_are_survived(
        client: Index, at: Index, mutations in vec(mutation(), 1..4), keep_framing: bool,
    ) {
        static PACKETS: LazyLock<Vec<Vec<Vec<u8>>>> =
            LazyLock::new(|| RECORDED.iter().map(|(_, recorded)| packets(recorded)).collect());
        let packets = client.get(&PACKETS);
        let at = at.index(packets.len());
        let mut first = packets[at].clone();
        mutations.iter().for_each(|mutation| mutation.apply(&mut first));
        if keep_framing {
            with_right_length(&mut first);
        }
        decode_all(&[&first[..], packets.get(at + 1).map_or(&[], |next| &**next)].concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn random_packets_are_survived(packets in vec((any::<u8>(), vec(any::<u8>(), 0..60)), 0..6)) {
        let mut input = Vec::new();
        for (kind, rest) in packets {
            let start = input.len();
            input.extend_from_slice(&[0, 0, 0, 0, kind, 0, 0, 0, 1]);
            input.extend_from_slice(&rest);
            with_right_length(&mut input[start..]);
        }
        decode_all(&input);
    }
}
