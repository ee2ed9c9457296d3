//! A client of one channel, whose requests are carried out at once.

use std::{collections::HashMap, fs, sync::Arc};

use bytes::{Bytes, BytesMut};
use ferry_shared::sftp::{Attributes, Hello, OpenFlags, Packet, Reply, Request, Status, Times};
use tokio::sync::mpsc;

use crate::{
    command::tests::harness::World,
    connections::ConnectionInfo,
    files::Files,
    gate::Gate,
    sftp::channel::{Channel, Need},
};

/// Bytes in one WRITE or READ.
pub(crate) const PIECE: usize = 200 << 10;

pub(crate) const READ: OpenFlags = OpenFlags::READ;
pub(crate) const WRITE: OpenFlags = OpenFlags::WRITE;
pub(crate) const CREATE: OpenFlags = OpenFlags::CREATE;
pub(crate) const TRUNCATE: OpenFlags = OpenFlags::TRUNCATE;
pub(crate) const EXCLUSIVE: OpenFlags = OpenFlags::EXCLUSIVE;
pub(crate) const APPEND: OpenFlags = OpenFlags::APPEND;

/// The answer: data, a handle, or a failure with its text.
pub(crate) type Answer<T = Reply> = Result<T, (Status, String)>;

#[derive(Debug)]
pub(crate) struct Peer {
    channel: Option<Channel>,
    replies: HashMap<u32, Reply>,
    last: u32,
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

impl Peer {
    pub(crate) fn new(world: &World) -> Self {
        let session = world.session();
        let gate = Gate::new(world.context.users.clone(), Arc::clone(&session)).unwrap();
        let connection = Arc::new(ConnectionInfo::unlisted(Arc::clone(&session)));
        let files: Files = world.context.files(&connection);
        let channel = Channel::new(Arc::clone(&world.context), connection, gate, files);
        let mut peer = Self { channel: Some(channel), replies: HashMap::new(), last: 0 };
        let mut out = Vec::new();
        Hello { version: 3, ..Hello::with(&[]) }.put_init(&mut out).unwrap();
        let [hello] = peer.exchange(&out).try_into().unwrap();
        assert_eq!(Hello::decode_version(hello).unwrap().version, 3);
        peer
    }

    /// Sends bytes; returns the packets that come back.
    fn exchange(&mut self, sent: &[u8]) -> Vec<Packet> {
        let Some(mut channel) = self.channel.take() else { return Vec::new() };
        channel.push(packets(sent));
        let (_input_end, mut input) = mpsc::channel(1);
        let (output, mut buffers) = mpsc::channel(4);
        let mut received = Vec::new();
        loop {
            let need = channel.run(&mut input, &output);
            while let Ok(buffer) = buffers.try_recv() {
                received.extend(packets(&buffer));
            }
            match need {
                Need::Room | Need::Pause | Need::Later(_) => {}
                Need::Turn => channel.give_turn(),
                Need::Input => break,
                Need::End => return received,
            }
        }
        self.channel = Some(channel);
        received
    }

    /// Sends requests together; returns their ids.
    pub(crate) fn send(&mut self, requests: &[Request]) -> Vec<u32> {
        let (mut out, mut ids) = (Vec::new(), Vec::new());
        for request in requests {
            self.last += 1;
            request.put(&mut out, self.last).unwrap();
            ids.push(self.last);
        }
        for packet in self.exchange(&out) {
            let (id, reply) = Reply::decode(packet).unwrap();
            assert!(self.replies.insert(id, reply).is_none(), "two answers for {id}");
        }
        ids
    }

    /// The answer to a request that was sent.
    pub(crate) fn answer(&mut self, id: u32) -> Answer {
        match self.replies.remove(&id) {
            None => Err((Status::ConnectionLost, "no answer".to_owned())),
            Some(Reply::Status { status, message }) if status != Status::Ok => {
                Err((status, String::from_utf8(message.to_vec()).unwrap()))
            }
            Some(reply) => Ok(reply),
        }
    }

    pub(crate) fn ask(&mut self, request: Request) -> Answer {
        let ids = self.send(&[request]);
        self.answer(ids[0])
    }

    pub(crate) fn open(&mut self, path: &str, flags: OpenFlags) -> Answer<Bytes> {
        let attributes = Attributes { permissions: Some(0o644), ..Attributes::default() };
        match self.ask(Request::Open { path: bytes(path), flags, attributes })? {
            Reply::Handle(handle) => Ok(handle),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn write(&mut self, handle: &Bytes, offset: u64, data: &[u8]) -> Answer<()> {
        let pieces = data.chunks(PIECE).enumerate();
        let requests: Vec<_> = pieces
            .map(|(index, piece)| Request::Write {
                handle: handle.clone(),
                offset: offset + (index * PIECE) as u64,
                data: Bytes::copy_from_slice(piece),
            })
            .collect();
        let ids = self.send(&requests);
        let answers: Vec<_> = ids.into_iter().map(|id| self.answer(id)).collect();
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }

    pub(crate) fn read_at(&mut self, handle: &Bytes, offset: u64, length: u32) -> Answer<Vec<u8>> {
        match self.ask(Request::Read { handle: handle.clone(), offset, length })? {
            Reply::Data(data) => Ok(data.to_vec()),
            other => panic!("{other:?}"),
        }
    }

    /// Reads up to the end of the file.
    pub(crate) fn read_all(&mut self, handle: &Bytes) -> Answer<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            match self.read_at(handle, all.len() as u64, u32::try_from(PIECE).unwrap()) {
                Ok(data) => all.extend(data),
                Err((Status::Eof, _)) => return Ok(all),
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn close(&mut self, handle: &Bytes) -> Answer<()> {
        self.ask(Request::Close { handle: handle.clone() }).map(drop)
    }

    /// A whole upload.
    pub(crate) fn put(&mut self, path: &str, data: &[u8]) -> Answer<()> {
        let handle = self.open(path, WRITE | CREATE | TRUNCATE)?;
        self.write(&handle, 0, data)?;
        self.close(&handle)
    }

    /// A whole download.
    pub(crate) fn get(&mut self, path: &str) -> Answer<Vec<u8>> {
        let handle = self.open(path, READ)?;
        let data = self.read_all(&handle)?;
        self.close(&handle)?;
        Ok(data)
    }

    pub(crate) fn stat(&mut self, path: &str) -> Answer<Attributes> {
        match self.ask(Request::Stat { path: bytes(path) })? {
            Reply::Attributes(attributes) => Ok(attributes),
            other => panic!("{other:?}"),
        }
    }

    /// Size and modification time.
    pub(crate) fn shown(&mut self, path: &str) -> Answer<(u64, u32)> {
        let Attributes { size, times, .. } = self.stat(path)?;
        Ok((size.unwrap(), times.unwrap().mtime))
    }

    pub(crate) fn set(&mut self, path: &str, attributes: Attributes) -> Answer<()> {
        self.ask(Request::SetStat { path: bytes(path), attributes }).map(drop)
    }

    pub(crate) fn remove(&mut self, path: &str) -> Answer<()> {
        self.ask(Request::Remove { path: bytes(path) }).map(drop)
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Answer<()> {
        self.ask(Request::Rename { from: bytes(from), to: bytes(to) }).map(drop)
    }

    /// The names in a folder, in order, without the folder and its parent.
    pub(crate) fn list(&mut self, path: &str) -> Answer<Vec<String>> {
        let Reply::Handle(handle) = self.ask(Request::OpenDir { path: bytes(path) })? else { panic!() };
        let mut names = Vec::new();
        loop {
            match self.ask(Request::ReadDir { handle: handle.clone() }) {
                Ok(Reply::Name(entries)) => {
                    names.extend(entries.iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned()));
                }
                Err((Status::Eof, _)) => break,
                other => panic!("{other:?}"),
            }
        }
        self.close(&handle)?;
        names.retain(|name| name != "." && name != "..");
        names.sort();
        Ok(names)
    }
}

fn packets(received: &[u8]) -> Vec<Packet> {
    let mut buffer = BytesMut::from(received);
    let packets = std::iter::from_fn(|| Packet::take(&mut buffer).unwrap()).collect();
    assert!(buffer.is_empty());
    packets
}

pub(crate) fn mtime(mtime: u32) -> Attributes {
    Attributes { times: Some(Times { atime: 0, mtime }), ..Attributes::default() }
}

/// Bytes used and reserved, and whether the former equals what an outsider counts.
pub(crate) fn figures(world: &World) -> (u64, u64) {
    let user = &world.session().user;
    let figures = user.ledger.snapshot();
    assert_eq!((figures.used.bytes, figures.used.files), world.on_disk());
    (figures.used.bytes, figures.reserved.bytes)
}

/// The content of a file, as an outsider sees it.
pub(crate) fn on_disk(world: &World, path: &str) -> Option<Vec<u8>> {
    fs::read(world.home().join(path)).ok()
}
