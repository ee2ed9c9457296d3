//! The inside of a server in a temporary folder, and the conversation of one connection.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    audit::Audit,
    command::{Conversation, Input, Need},
    config::{Config, Tls},
    connections::ConnectionInfo,
    context::Context,
    door::Door,
    files::Files,
    gate::Gate,
    identity::Identity,
    session::{Proven, Session},
    storage::{Durability, Storage, StorageError},
    users::{self, Users},
};
use bytes::Bytes;
use ferry_shared::{
    digest::{Digest, RootBuilder, block_digest},
    feature::Features,
    frame::{self, Frame, Phase},
    limits::BLOCK_LEN,
    message::{
        Reply, Request,
        request::{Basis, IfExists, Put},
    },
    path::RemotePath,
    pool::Buffer,
    refusal::{Code, Refusal},
};
use tokio::sync::mpsc;

/// A data folder with one user, `alice`, and the server's state in memory.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) context: Arc<Context>,
}

impl World {
    /// A new world whose user has a quota of `quota` bytes.
    pub(crate) fn new(quota: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let users = format!(
            r#"{{"version":1,"users":{{"alice":{{"password":null,"quota":"{quota} B","created":"2026-01-01T00:00:00Z"}}}},"invites":{{}}}}"#
        );
        fs::write(users::store_file(folder.path()), users).unwrap();
        let context = Self::context(&folder);
        Self { folder, context }
    }

    /// The same with an audit log, and a function that returns its present contents.
    pub(crate) fn audited(quota: u64) -> (Self, impl Fn() -> String) {
        let mut world = Self::new(quota);
        let folder = world.folder.path().to_owned();
        let (audit, _thread) = Audit::open(&folder, &Config::default().audit).unwrap();
        Arc::get_mut(&mut world.context).unwrap().audit = audit;
        (world, move || fs::read_to_string(folder.join("audit.jsonl")).unwrap_or_default())
    }

    fn context(folder: &tempfile::TempDir) -> Arc<Context> {
        let users = Users::load(users::store_file(folder.path())).unwrap();
        let identity = Identity::load_or_create(folder.path(), &Tls::default()).unwrap();
        let storage = Self::storage(folder.path());
        Arc::new(Context::new(Config::default(), users, identity, storage))
    }

    /// Other tests of this process start programs; between fork and exec such a child also holds the lock of the
    /// data folder for a moment.
    fn storage(folder: &std::path::Path) -> Storage {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            match Storage::open(folder, Durability::Full) {
                Err(StorageError::InUse) if Instant::now() < end => std::thread::yield_now(),
                opened => return opened.unwrap(),
            }
        }
    }

    /// Makes the account read-only.
    pub(crate) fn make_read_only(&self) {
        let store = users::store_file(self.folder.path());
        let text = fs::read_to_string(&store).unwrap();
        fs::write(&store, text.replacen("\"created\"", "\"access\":\"read-only\",\"created\"", 1)).unwrap();
        self.context.users.reload().unwrap();
    }

    /// Removes the account.
    pub(crate) fn remove_user(&self) {
        fs::write(users::store_file(self.folder.path()), r#"{"version":1,"users":{},"invites":{}}"#).unwrap();
        self.context.users.reload().unwrap();
    }

    /// As after `kill -9`: the state in memory is lost, and nothing was written.
    pub(crate) fn kill(self) -> Self {
        self.kill_after(|| {})
    }

    fn kill_after(self, meanwhile: impl FnOnce()) -> Self {
        let Self { folder, context } = self;
        assert_eq!(Arc::strong_count(&context), 1, "a conversation is still open");
        drop(context);
        meanwhile();
        let context = Self::context(&folder);
        Self { folder, context }
    }

    /// The same while these connections are working: their unfinished work stays as it is.
    pub(crate) fn kill_with<T>(self, connections: impl IntoIterator<Item = T>) -> Self {
        let staging = self.home().with_file_name("staging");
        let kept = tempfile::tempdir().unwrap();
        let copy = |from: &Path, to: &Path| {
            for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
                fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        };
        copy(&staging, kept.path());
        drop(connections.into_iter().collect::<Vec<_>>());
        self.kill_after(|| copy(kept.path(), &staging))
    }

    /// As after an orderly stop.
    pub(crate) fn stop(self) -> Self {
        self.context.states.close();
        self.kill()
    }

    /// A logged-in connection.
    pub(crate) fn connect(&self) -> Peer {
        Peer::new(self.conversation())
    }

    /// A logged-in connection of a client that supports `features`.
    pub(crate) fn connect_with(&self, features: Features) -> Peer {
        Peer::new(self.conversation().with_features(features))
    }

    pub(crate) fn session(&self) -> Arc<Session> {
        let account = self.context.users.current(&"alice".parse().unwrap()).unwrap();
        let user = self.context.open_user(&account).unwrap();
        let (session, _ticket) =
            self.context.sessions.open(Door::Ferry, user, Proven::password_of(&account), None).unwrap();
        session
    }

    /// The user's files, without a protocol above them, and the gate.
    pub(crate) fn files(&self) -> (Files, Gate) {
        let session = self.session();
        let gate = Gate::new(self.context.users.clone(), Arc::clone(&session)).unwrap();
        (self.context.files(&ConnectionInfo::unlisted(session)), gate)
    }

    /// The server's side of a connection alone.
    pub(crate) fn conversation(&self) -> Conversation {
        let session = self.session();
        let gate = Gate::new(self.context.users.clone(), Arc::clone(&session)).unwrap();
        Conversation::new(Arc::clone(&self.context), Arc::new(ConnectionInfo::unlisted(session)), gate)
    }

    /// The real path of the user's files.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("users/alice/home")
    }

    /// The same, created before anybody logs in.
    pub(crate) fn home_made(&self) -> PathBuf {
        fs::create_dir_all(self.home()).unwrap();
        self.home()
    }

    /// Bytes and entries below the home, as an outsider counts them.
    pub(crate) fn on_disk(&self) -> (u64, u64) {
        fn count(folder: &std::path::Path) -> (u64, u64) {
            fs::read_dir(folder).unwrap().map(Result::unwrap).fold((0, 0), |(bytes, files), entry| {
                let meta = entry.metadata().unwrap();
                let (b, f) = if meta.is_dir() { count(&entry.path()) } else { (meta.len(), 0) };
                (bytes + b, files + 1 + f)
            })
        }
        count(&self.home())
    }
}

/// Decodes `bytes` into frames.
pub(crate) fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut bytes = Bytes::copy_from_slice(bytes);
    std::iter::from_fn(|| frame::decode(&mut bytes, Phase::LoggedIn).unwrap()).collect()
}

/// The input of a connection whose client sends this request.
pub(crate) fn asking(request: &Request) -> Input {
    let mut bytes = Vec::new();
    frame::put_message(&mut bytes, request).unwrap();
    Input::Frames(frames(&bytes))
}

/// Runs until the need is something other than a pause.
pub(crate) fn next_need(
    conversation: &mut Conversation,
    input: &mut mpsc::Receiver<Input>,
    output: &mpsc::Sender<Buffer>,
) -> Need {
    loop {
        match conversation.run(input, output) {
            Need::Pause => {}
            need => return need,
        }
    }
}

/// One connection: its input is processed at once.
pub(crate) struct Peer {
    conversation: Option<Conversation>,
    replies: VecDeque<Bytes>,
    pub(crate) blocks_received: Vec<u64>,
    /// The kinds of the frames received that are no messages.
    pub(crate) kinds: Vec<&'static str>,
}

impl Peer {
    fn new(conversation: Conversation) -> Self {
        Self {
            conversation: Some(conversation),
            replies: VecDeque::new(),
            blocks_received: Vec::new(),
            kinds: Vec::new(),
        }
    }

    /// Passes encoded frames in and collects all output. `false` if the connection was closed.
    pub(crate) fn send(&mut self, frames: &[u8]) -> bool {
        let arriving = self::frames(frames);
        let Some(mut conversation) = self.conversation.take() else { return false };
        conversation.push(Input::Frames(arriving));
        let (_input_end, mut input) = mpsc::channel(1);
        let (output, mut buffers) = mpsc::channel(4);
        loop {
            let need = conversation.run(&mut input, &output);
            while let Ok(buffer) = buffers.try_recv() {
                for frame in self::frames(&buffer) {
                    match frame {
                        Frame::Message(json) => self.replies.push_back(json),
                        Frame::PackedMessage(packed) => {
                            self.kinds.push("packed message");
                            self.replies.push_back(frame::unpack_message(&packed).unwrap());
                        }
                        Frame::Block { index, .. } => {
                            self.kinds.push("block");
                            self.blocks_received.push(index);
                        }
                        Frame::Delta { index, .. } => {
                            self.kinds.push("delta");
                            self.blocks_received.push(index);
                        }
                        Frame::Have { .. } => self.kinds.push("have"),
                        Frame::Chunks(_) => self.kinds.push("chunks"),
                    }
                }
            }
            match need {
                Need::Room | Need::Pause | Need::Later(_) => {}
                Need::Turn => conversation.give_turn(),
                Need::Input => break,
                Need::End => return false,
            }
        }
        self.conversation = Some(conversation);
        true
    }

    pub(crate) fn request(&mut self, request: &Request) -> bool {
        let mut out = Vec::new();
        frame::put_message(&mut out, request).unwrap();
        self.send(&out)
    }

    /// The oldest reply that has not been taken yet.
    pub(crate) fn reply(&mut self) -> Reply {
        serde_json::from_slice(&self.replies.pop_front().expect("a reply")).unwrap()
    }

    pub(crate) fn has_no_reply(&self) -> bool {
        self.replies.is_empty()
    }

    /// Sends a request and takes the only answer. The request gives up an upload in progress, which is answered
    /// first, unless the request discards the part of that same upload.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Reply, Refusal> {
        let gives_up = self.conversation.as_ref().is_some_and(Conversation::in_transfer);
        self.request(request);
        if gives_up {
            let first = self.answer();
            if self.has_no_reply() && matches!(request, Request::Discard { .. }) {
                return first;
            }
            assert_eq!(first.unwrap_err().code, Code::Superseded);
        }
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> Result<Reply, Refusal> {
        if self.conversation.is_none() && self.has_no_reply() {
            return Err(Refusal::new(Code::AccountClosed, "the connection is closed"));
        }
        match self.reply() {
            Reply::Refused(refusal) => Err(refusal),
            reply => Ok(reply),
        }
    }
}

pub(crate) fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

pub(crate) fn put(target: &str, size: u64, basis: Basis) -> Put {
    Put {
        path: path(target),
        size: Some(size),
        mtime: None,
        mode: None,
        if_exists: IfExists::Replace,
        parents: false,
        basis,
    }
}

pub(crate) fn root_of(bytes: &[u8]) -> Digest {
    Digest::of(bytes)
}

/// The frames of block `index` of `data`.
pub(crate) fn block(data: &[u8], index: usize) -> Vec<u8> {
    let bytes = data.chunks(BLOCK_LEN).nth(index).unwrap();
    let mut out = Vec::new();
    frame::put_block_head(&mut out, index as u64, bytes.len()).unwrap();
    out.extend_from_slice(bytes);
    out
}

pub(crate) fn commit(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let request = Request::Commit { size: data.len() as u64, root: root_of(data) };
    frame::put_message(&mut out, &request).unwrap();
    out
}

/// An optimistic upload: all its frames at once.
pub(crate) fn small(target: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_message(&mut out, &Request::Put(put(target, data.len() as u64, Basis::None))).unwrap();
    if !data.is_empty() {
        out.extend(block(data, 0));
    }
    out.extend(commit(data));
    out
}

/// The merged root, which equals the plain hash; a separate function so that a test of the harness can fail.
pub(crate) fn merged(data: &[u8]) -> Digest {
    let mut root = RootBuilder::new();
    for (index, bytes) in data.chunks(BLOCK_LEN).enumerate() {
        root.push(block_digest(data.len() as u64, index as u64, bytes));
    }
    root.root()
}

/// Bytes that differ from block to block.
pub(crate) fn data(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(((i / 4099) ^ i.wrapping_mul(usize::from(seed | 1))) & 0xff).unwrap()).collect()
}
