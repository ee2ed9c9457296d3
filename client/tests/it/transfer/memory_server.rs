//! An in-memory server that counts transferred data and can inject faults.

mod file;
mod halves;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use ferry_client::Connector;
use ferry_shared::{
    digest::{Digest, block_digest},
    entry::{Entry, Kind, Mtime, Version},
    frame::{Frame, put_have},
    limits::{BLOCK_LEN, BLOCK_SIZE, block_count, block_len},
    message::{
        Reply, Request,
        reply::Usage,
        request::{Basis, IfExists, Put},
    },
    name::Name,
    path::RemotePath,
    refusal::{Code, Refusal},
};
use tokio::sync::watch;

pub(crate) use self::{
    file::{File, Meanwhile},
    halves::Halves,
};

use crate::fake::{Fake, Peer};

type Path = Vec<u8>;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<Path, File>,
    pub(crate) folders: BTreeSet<Path>,
    /// The dates of folders, if different from `(1, 0)`.
    pub(crate) dates: BTreeMap<Path, Mtime>,
    pub(crate) symlinks: BTreeSet<Path>,
    pub(crate) staged: BTreeMap<Path, Vec<u8>>,
    /// The number of blocks with data that were received and sent.
    pub(crate) blocks_in: usize,
    pub(crate) blocks_out: usize,
    /// The number of bytes in these blocks.
    pub(crate) bytes_in: usize,
    pub(crate) bytes_out: usize,
    pub(crate) requests: Vec<&'static str>,
    /// The connection breaks after this number of further blocks.
    pub(crate) cut_after: Option<usize>,
    /// When it breaks, another client has just stored this content.
    pub(crate) when_cut: Option<(&'static str, Vec<u8>)>,
    /// The next block with this index is corrupted in transit.
    pub(crate) damage: Option<u64>,
    /// Another client stores this file right before the next request of this name is processed.
    pub(crate) meanwhile: Option<(&'static str, &'static str, File)>,
    /// Runs right before the next request of this name is processed.
    pub(crate) before: Option<(&'static str, Meanwhile)>,
    /// Sends blocks that the client already has, like a server that would otherwise be silent for long.
    pub(crate) chatty: bool,
    /// The connection breaks right after the next file is stored, before the answer.
    pub(crate) lose_answer: bool,
    /// Refuses uploads of these names.
    pub(crate) refuse: BTreeMap<Path, Code>,
    /// The next walk breaks after this number of pages.
    pub(crate) cut_walk: Option<usize>,
    /// The user's usage and limits.
    pub(crate) usage: Usage,
    /// Permits for the halves of blocks that further downloads send.
    pub(crate) halves: Halves,
    /// Closes each connection at once.
    pub(crate) shut: bool,
}

impl State {
    pub(crate) fn put(&mut self, path: &str, bytes: &[u8]) {
        self.make(path, File::new(bytes, 1_000));
    }

    pub(crate) fn make(&mut self, path: &str, file: File) {
        self.files.insert(path.into(), file);
        self.make_parents(path.as_bytes());
    }

    pub(crate) fn bytes(&self, path: &str) -> &[u8] {
        &self.files[path.as_bytes()].bytes
    }

    fn make_parents(&mut self, path: &[u8]) {
        for (slash, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            self.folders.insert(path[..slash].to_vec());
        }
    }

    fn parent_exists(&self, path: &RemotePath) -> bool {
        path.parent().is_none_or(|parent| parent.is_home() || self.folders.contains(parent.as_bytes()))
    }

    fn entry(&self, path: &[u8]) -> Option<Entry> {
        let name = Name::new(path.rsplit(|b| *b == b'/').next()?).ok()?;
        let other = |kind| Entry { name: name.clone(), kind, size: 0, mtime: Mtime(1, 0), mode: 0o755 };
        if let Some(file) = self.files.get(path) {
            let (size, mtime, mode) = (file.bytes.len() as u64, file.mtime, file.mode);
            return Some(Entry { name, kind: Kind::File, size, mtime, mode });
        }
        if self.symlinks.contains(path) {
            return Some(other(Kind::Symlink));
        }
        let mtime = self.dates.get(path).copied().unwrap_or(Mtime(1, 0));
        self.folders.contains(path).then(|| Entry { mtime, ..other(Kind::Folder) })
    }

    fn is_changed(&self, put: &Put) -> bool {
        let IfExists::ReplaceVersion(wanted) = &put.if_exists else { return false };
        self.version(put.path.as_bytes()).as_ref() != Some(wanted)
    }

    fn begin(&mut self, request: &'static str) {
        self.requests.push(request);
        if let Some((_, deed)) = self.before.take_if(|(before, _)| *before == request) {
            deed();
        }
        if let Some((_, path, file)) = self.meanwhile.take_if(|(before, ..)| *before == request) {
            self.files.insert(path.into(), file);
        }
    }

    fn version(&self, path: &[u8]) -> Option<Version> {
        self.files.get(path).map(File::version)
    }

    /// Counts a block; returns whether the connection breaks now.
    fn is_cut(&mut self) -> bool {
        let Some(left) = &mut self.cut_after else { return false };
        *left = left.saturating_sub(1);
        let cut = *left == 0;
        if cut {
            self.cut_after = None;
            if let Some((path, bytes)) = self.when_cut.take() {
                self.put(path, &bytes);
            }
        }
        cut
    }

    fn damaged(&mut self, index: u64, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if self.damage.take_if(|damaged| *damaged == index).is_some() {
            bytes[0] ^= 1;
        }
        bytes
    }
}

/// A running server and its state.
pub(crate) struct Server {
    pub(crate) fake: Fake,
    state: Arc<Mutex<State>>,
    /// Blocks are received and sent only while this is true.
    gate: watch::Sender<bool>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let usage = Usage { volume_free: 1 << 50, ..Usage::default() };
        let state = Arc::new(Mutex::new(State { usage, ..State::default() }));
        let gate = watch::Sender::new(true);
        let (shared, open) = (Arc::clone(&state), gate.clone());
        let fake = Fake::start(move |mut peer| {
            let (state, gate) = (Arc::clone(&shared), open.subscribe());
            async move {
                if state.lock().unwrap().shut {
                    return None;
                }
                peer.let_in().await?;
                Session { peer, state, gate }.run().await
            }
        });
        Self { fake: fake.await, state, gate }
    }

    pub(crate) fn connector(&self) -> Connector {
        self.fake.trusting()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn open_gate(&self, open: bool) {
        self.gate.send_replace(open);
    }
}

struct Session {
    peer: Peer,
    state: Arc<Mutex<State>>,
    gate: watch::Receiver<bool>,
}

impl Session {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Sends a reply; `None` if the client has disconnected.
    async fn say(&mut self, reply: Reply) -> Option<()> {
        self.peer.writer.send(&reply).await.ok()
    }

    async fn run(mut self) -> Option<()> {
        let mut next = None;
        loop {
            let request = match next.take() {
                Some(request) => request,
                None => self.peer.request().await?,
            };
            self.state().begin(request.name());
            match request {
                Request::Put(put) => next = self.upload(put).await?,
                Request::Get { path, .. } => self.download(&path).await?,
                Request::Walk { path, .. } => {
                    let (pages, cut) = {
                        let mut state = self.state();
                        (state.walk(&path), state.cut_walk.take())
                    };
                    for (number, page) in pages.into_iter().enumerate() {
                        if cut == Some(number) {
                            return None;
                        }
                        self.say(Reply::Entries(page)).await?;
                    }
                }
                request => {
                    let reply = self.answer(request);
                    self.say(reply).await?;
                }
            }
        }
    }

    fn answer(&self, request: Request) -> Reply {
        let mut state = self.state();
        match request {
            Request::Ping => Reply::Pong,
            Request::Usage => Reply::Usage(state.usage),
            Request::Stat { path } => match state.entry(path.as_bytes()) {
                Some(entry) => Reply::Entry { entry, version: state.version(path.as_bytes()) },
                None => refused(Code::NotFound),
            },
            Request::MakeDir { path, parents } => {
                if state.entry(path.as_bytes()).is_some() && !parents {
                    return refused(Code::Exists);
                }
                if !parents && !state.parent_exists(&path) {
                    return refused(Code::NotFound);
                }
                if state.files.contains_key(path.as_bytes()) {
                    return refused(Code::NotDirectory);
                }
                state.make_parents(path.as_bytes());
                state.folders.insert(path.as_bytes().to_vec());
                Reply::Done
            }
            Request::Hash { path, algorithm } => match state.files.get(path.as_bytes()) {
                Some(file) => Reply::Hashed { algorithm, digest: Digest::of(&file.bytes).to_string() },
                None => refused(Code::NotFound),
            },
            Request::Remove { path, version, .. } => {
                let there = state.version(path.as_bytes());
                if version.is_some() && there.is_some() && version != there {
                    return refused(Code::Changed);
                }
                let inside = [path.as_bytes(), b"/"].concat();
                if state.files.keys().chain(&state.folders).any(|other| other.starts_with(&inside)) {
                    return refused(Code::NotEmpty);
                }
                let file = state.files.remove(path.as_bytes()).is_some();
                match file || state.folders.remove(path.as_bytes()) {
                    true => Reply::Removed { files: u64::from(file), dirs: u64::from(!file), bytes: 0 },
                    false => refused(Code::NotFound),
                }
            }
            Request::Discard { path } => match state.staged.remove(path.as_bytes()) {
                Some(_) => Reply::Done,
                None => refused(Code::NotFound),
            },
            Request::SetAttributes { path, mtime, mode } => {
                if let Some(file) = state.files.get_mut(path.as_bytes()) {
                    file.mtime = mtime.unwrap_or(file.mtime);
                    file.mode = mode.unwrap_or(file.mode);
                    return Reply::Done;
                }
                if !state.folders.contains(path.as_bytes()) {
                    return refused(Code::NotFound);
                }
                if let Some(mtime) = mtime {
                    state.dates.insert(path.as_bytes().to_vec(), mtime);
                }
                Reply::Done
            }
            other => panic!("not expected: {other:?}"),
        }
    }

    /// Receives one upload; `Some(Some(request))` if the client sent another request instead.
    async fn upload(&mut self, put: Put) -> Option<Option<Request>> {
        let path = put.path.as_bytes().to_vec();
        if let Some(code) = self.refusal(&put) {
            while put.is_optimistic() {
                if let Frame::Message(_) = self.peer.frame().await? {
                    break;
                }
            }
            self.say(refused(code)).await?;
            return Some(None);
        }
        let mut part = self.basis(&put);
        if !put.is_optimistic() {
            self.send_ready(&put, &part).await?;
        }
        loop {
            match self.peer.frame().await? {
                Frame::Block { index, bytes } => {
                    self.gate.wait_for(|open| *open).await.unwrap();
                    let mut state = self.state();
                    let start = usize::try_from(index).unwrap() * BLOCK_LEN;
                    let size = put.size.unwrap_or(u64::MAX);
                    let zeros = vec![0; block_len(size, index).unwrap()];
                    let bytes = if bytes.is_empty() { zeros } else { state.damaged(index, &bytes) };
                    state.blocks_in += 1;
                    state.bytes_in += bytes.len();
                    part.resize(part.len().max(start + bytes.len()), 0);
                    part[start..start + bytes.len()].copy_from_slice(&bytes);
                    if !put.is_optimistic() {
                        state.staged.insert(path.clone(), part.clone());
                    }
                    if state.is_cut() {
                        return None;
                    }
                }
                Frame::Message(json) => match Request::decode(&json).unwrap() {
                    Request::Commit { size, root } => {
                        self.commit(put, part, size, root).await?;
                        return Some(None);
                    }
                    request => {
                        self.say(refused(Code::Superseded)).await?;
                        return Some(Some(request));
                    }
                },
                other => panic!("not a frame of an upload: {other:?}"),
            }
        }
    }

    fn refusal(&self, put: &Put) -> Option<Code> {
        let state = self.state();
        let path = put.path.as_bytes();
        if let Some(code) = state.refuse.get(path) {
            return Some(*code);
        }
        if !put.parents && !state.parent_exists(&put.path) {
            return Some(Code::NotFound);
        }
        match state.entry(path) {
            Some(entry) if entry.kind == Kind::Folder => Some(Code::IsDirectory),
            Some(_) if put.if_exists == IfExists::Refuse => Some(Code::Exists),
            _ => state.is_changed(put).then_some(Code::Changed),
        }
    }

    fn basis(&self, put: &Put) -> Vec<u8> {
        let mut state = self.state();
        let path = put.path.as_bytes();
        let staged = state.staged.get(path).cloned();
        match put.basis {
            Basis::None => {
                state.staged.remove(path);
                Vec::new()
            }
            Basis::Staged => staged.unwrap_or_default(),
            Basis::Current => {
                staged.or_else(|| state.files.get(path).map(|file| file.bytes.clone())).unwrap_or_default()
            }
        }
    }

    async fn send_ready(&mut self, put: &Put, part: &[u8]) -> Option<()> {
        let size = put.size.unwrap_or(0);
        let whole = ferry_shared::blocks::held_blocks(size, part.len() as u64);
        let digests: Vec<Digest> = (0..whole)
            .map(|index| {
                let start = usize::try_from(index).unwrap() * BLOCK_LEN;
                block_digest(size, index, &part[start..start + block_len(size, index).unwrap()])
            })
            .collect();
        self.say(Reply::Ready { basis: put.basis, have_blocks: whole }).await?;
        for (chunk, digests) in digests.chunks(3).enumerate() {
            let mut frames = Vec::new();
            put_have(&mut frames, chunk as u64 * 3, digests).unwrap();
            self.peer.writer.write(&frames).await.ok()?;
        }
        self.peer.writer.flush().await.ok()
    }

    async fn commit(&mut self, put: Put, mut part: Vec<u8>, size: u64, root: Digest) -> Option<()> {
        let path = put.path.as_bytes().to_vec();
        part.truncate(usize::try_from(size).unwrap());
        if part.len() as u64 != size || Digest::of(&part) != root {
            if !put.is_optimistic() {
                self.state().staged.insert(path, part);
            }
            return self.say(refused(Code::Mismatch)).await;
        }
        self.state().begin("commit");
        if self.state().is_changed(&put) {
            return self.say(refused(Code::Changed)).await;
        }
        {
            let mut state = self.state();
            state.staged.remove(&path);
            state.make_parents(&path);
            let (mtime, mode) = (put.mtime.unwrap_or(Mtime(7, 7)), put.mode.unwrap_or(0o644));
            state.files.insert(path, File { bytes: part, mtime, mode });
        }
        if std::mem::take(&mut self.state().lose_answer) {
            return None;
        }
        let usage = Usage::default();
        self.say(Reply::Stored { root, size, version: Version("1".into()), usage }).await
    }

    async fn download(&mut self, path: &RemotePath) -> Option<()> {
        let mut held = BTreeMap::new();
        loop {
            match self.peer.frame().await? {
                Frame::Have { digests, .. } if digests.is_empty() => break,
                Frame::Have { first, digests } => held.extend((first..).zip(digests)),
                other => panic!("not a have-frame: {other:?}"),
            }
        }
        let Some(file) = self.state().files.get(path.as_bytes()).cloned() else {
            return self.say(refused(Code::NotFound)).await;
        };
        let size = file.bytes.len() as u64;
        let version = file.version();
        let opened = Reply::Opened { size, mtime: file.mtime, mode: file.mode, version: version.clone() };
        self.say(opened).await?;
        let halves = self.state().halves.clone();
        for index in 0..block_count(size) {
            let start = usize::try_from(index).unwrap() * BLOCK_LEN;
            let bytes = &file.bytes[start..start + block_len(size, index).unwrap()];
            if held.get(&index) == Some(&block_digest(size, index, bytes)) && !self.state().chatty {
                continue;
            }
            self.gate.wait_for(|open| *open).await.unwrap();
            halves::permit(&mut self.peer, &halves).await?;
            let (bytes, cut) = {
                let mut state = self.state();
                let zeros = bytes.iter().all(|b| *b == 0);
                let bytes = if zeros { Vec::new() } else { state.damaged(index, bytes) };
                state.blocks_out += 1;
                state.bytes_out += bytes.len();
                (bytes, state.is_cut())
            };
            if cut {
                return None;
            }
            let mut frame = Vec::new();
            ferry_shared::frame::put_block_head(&mut frame, index, bytes.len()).unwrap();
            frame.extend_from_slice(&bytes);
            halves::send(&mut self.peer, &frame, &halves).await?;
        }
        let root = Some(Digest::of(&file.bytes));
        self.say(Reply::Sent { root, version }).await
    }
}

fn refused(code: Code) -> Reply {
    Reply::Refused(Refusal::new(code, "no"))
}

/// More than a block.
pub(crate) const LARGE: usize = 5 * BLOCK_LEN + 17;

const _: () = assert!(LARGE as u64 > BLOCK_SIZE);
