//! The conversation after login: handles a connection's frames synchronously, in order, one at a time.
//!
//! This module knows no sockets: the connection hands in frames and takes encoded frames from the outbox. The
//! conversation runs on a blocking thread and never waits for the peer there: when it needs more input, or room for
//! output, it returns that need and gives the thread back.

mod download;
mod frames;
mod pages;
mod password;
mod run;
mod start;
mod steps;
mod telling;
mod upload;
mod upload_small;
mod uploads;
pub(crate) mod usage;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use ferry_shared::{
    feature::{Feature, Features},
    frame::Frame,
    message::{
        Notice, Reply, Request,
        decode::{Follows, Undecodable},
    },
    name::Escaped,
    packing::{Pack, Packing},
    pool::Buffer,
    refusal::{Code, Refusal},
};
use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{
    connections::ConnectionInfo,
    context::Context,
    files::{Error, Files},
    gate::{Gate, Standing},
    outbox::Outbox,
    refusal,
    scheduler::Slice,
    session::Session,
};
use upload_small::Group;

/// Input that the connection hands to the conversation.
#[derive(Debug)]
pub(crate) enum Input {
    /// Frames, in order.
    Frames(Vec<Frame>),
    /// The peer broke the protocol; the valid frames before were handed over already.
    Malformed(String),
    /// The peer was silent for too long.
    Silent,
    /// The user store changed, or the session was ended.
    AccountChanged,
    /// The peer is gone.
    Gone,
}

/// The reason why the conversation gave its thread back.
///
/// It does so in the middle of a request too: it holds a thread for about 50 ms at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The conversation waits for input from the peer.
    Input,
    /// There is output, and the writer has no room for it.
    Room,
    /// Nothing is missing: the thread goes to others first, and the conversation continues at once.
    Pause,
    /// The current work goes on without the peer; the conversation continues when it is given a turn.
    Turn,
    /// The user has caused so much wasted work that the conversation continues only after this time.
    Later(Duration),
    /// The connection is over.
    End,
}

/// The request that is being handled.
#[derive(Debug)]
enum Running {
    /// None: the next frame must be a request.
    Nothing,
    /// The remaining frames of a refused request are skipped.
    Skipping(Follows),
    /// A request that makes the server write a lot, delayed by the user's wait.
    Paced(Box<Request>),
    /// An optimistic upload that waits for its block and its `Commit`.
    Small(upload_small::Arriving),
    /// An upload of several blocks, or of unknown size.
    Upload(Box<upload::Upload>),
    /// A download.
    Download(Box<download::Download>),
    /// Work that goes on without the peer: pages, a digest, a copy, a removal.
    Task(Box<dyn Task>),
}

/// A request whose answer takes many steps. The connection may end between two steps.
trait Task: std::fmt::Debug + Send {
    /// Does one small step; returns `true` when there is more to do.
    fn step(&mut self, out: &mut Outbox) -> Result<bool, Error>;

    /// Whether the task must wait for a turn before its first step, because it is expensive even in few steps.
    fn is_heavy(&self) -> bool {
        false
    }
}

/// One logged-in connection's side of the conversation.
#[derive(Debug)]
pub(crate) struct Conversation {
    context: Arc<Context>,
    session: Arc<Session>,
    gate: Gate,
    files: Files,
    connection: Arc<ConnectionInfo>,
    /// The features that both sides know.
    features: Features,
    out: Outbox,
    running: Running,
    /// Small uploads that have arrived and are answered after their common flush.
    group: Group,
    frames: VecDeque<Frame>,
    /// The input to handle after the frames.
    then: Option<Input>,
    over: bool,
    has_turn: bool,
    /// Kept until the conversation is dropped: at shutdown the server waits for it before it writes the users'
    /// ledgers.
    _work: TaskTrackerToken,
}

impl Conversation {
    /// Creates the conversation that begins right after login; operators see it as `connection`.
    #[must_use]
    pub(crate) fn new(context: Arc<Context>, connection: Arc<ConnectionInfo>, gate: Gate) -> Self {
        let files = context.files(&connection);
        Self {
            out: Outbox::new(context.pool.clone()),
            group: Group::new(&files, &context.config.get().limits),
            files,
            session: Arc::clone(&connection.session),
            connection,
            _work: context.work.token(),
            context,
            gate,
            features: Features::NONE,
            running: Running::Nothing,
            frames: VecDeque::new(),
            then: None,
            over: false,
            has_turn: false,
        }
    }

    /// Enables the features that both sides know.
    #[must_use]
    pub(crate) fn with_features(mut self, common: Features) -> Self {
        self.features = common;
        if common.has(Feature::Packed) {
            self.out.pack(Arc::new(Packing::new(Pack::Auto)));
        }
        self
    }

    /// The judge of whether something is compressed; it must be told of what is sent.
    pub(crate) fn packing(&self) -> Option<&Arc<Packing>> {
        self.out.packing()
    }

    /// The connection as operators see it.
    #[must_use]
    pub(crate) fn connection(&self) -> &Arc<ConnectionInfo> {
        &self.connection
    }

    /// The session of this connection.
    #[must_use]
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Whether the next frames belong to a transfer rather than to a new request.
    #[must_use]
    pub(crate) fn in_transfer(&self) -> bool {
        // A refused transfer is over, even if the peer still sends frames of it.
        !matches!(self.running, Running::Nothing | Running::Skipping(_))
    }

    /// Hands in input that arrived while the conversation was not running.
    pub(crate) fn push(&mut self, input: Input) {
        match input {
            Input::Frames(frames) => {
                self.connection.hear();
                self.frames.extend(frames);
            }
            other => self.then = Some(other),
        }
    }

    /// Grants the turn that the conversation asked for; it lasts until the next [`Need`].
    pub(crate) fn give_turn(&mut self) {
        self.has_turn = true;
    }

    /// Sends a notice, which answers no request.
    pub(crate) fn notify(&mut self, notice: Notice) {
        self.out.notice(notice);
    }

    /// Works until the conversation needs something; blocks on the disk only.
    pub(crate) fn run(&mut self, input: &mut mpsc::Receiver<Input>, output: &mpsc::Sender<Buffer>) -> Need {
        let mut slice = Slice::begin(std::mem::take(&mut self.has_turn));
        loop {
            if self.context.stop.is_cancelled() {
                return Need::End;
            }
            self.hear_the_operator();
            while let Some(buffer) = self.out.take() {
                match output.try_send(buffer) {
                    Ok(()) => slice.moved = true,
                    Err(mpsc::error::TrySendError::Full(buffer)) => {
                        self.out.put_back(buffer);
                        return Need::Room;
                    }
                    Err(mpsc::error::TrySendError::Closed(_)) => return Need::End,
                }
            }
            if self.over {
                self.out.finish();
                if self.out.is_full() {
                    continue;
                }
                return Need::End;
            }
            if let Some(need) = self.gives_way(&slice, input.is_closed() || output.is_closed()) {
                return need;
            }
            if self.advance() {
                continue;
            }
            if let Some(frame) = self.frames.pop_front() {
                slice.moved = true;
                self.take(frame);
            } else if let Some(then) = self.then.take() {
                self.interrupt(then);
            } else {
                match input.try_recv() {
                    Ok(next) => self.push(next),
                    // The input is empty, so waiting would not enlarge this group: flush now.
                    Err(mpsc::error::TryRecvError::Empty) if !self.group.is_empty() => self.flush_group(),
                    Err(mpsc::error::TryRecvError::Disconnected) => self.then = Some(Input::Gone),
                    Err(mpsc::error::TryRecvError::Empty) => {
                        self.out.finish();
                        if !self.out.is_full() {
                            if !self.in_transfer() {
                                self.connection.rest();
                            }
                            return Need::Input;
                        }
                    }
                }
            }
        }
    }

    /// Passes on broadcasts of the operator and checks the account. Called before every step, also within a long
    /// answer.
    fn hear_the_operator(&mut self) {
        for text in self.connection.take_words() {
            self.out.notice(Notice::Broadcast { text });
        }
        if !self.over {
            self.check_account();
        }
    }

    fn interrupt(&mut self, input: Input) {
        match input {
            Input::Frames(_) => self.push(input),
            Input::Malformed(reason) => self.close(refusal::malformed(&reason)),
            Input::Silent => {
                self.flush_group();
                self.out.notice(Notice::Closing { reason: "no sign of life for too long".into(), seconds: 0 });
                self.over = true;
            }
            Input::AccountChanged => {
                self.check_account();
            }
            Input::Gone => {
                self.flush_group();
                self.over = true;
            }
        }
    }

    /// Whether the account still allows this connection; ends the connection if not.
    fn check_account(&mut self) -> bool {
        match self.gate.standing() {
            Standing::Open => true,
            Standing::AccessChanged(access) => {
                self.out.notice(Notice::AccountChanged { access: usage::access(access.is_read_only()) });
                true
            }
            Standing::Closed => {
                self.close(refusal::account_closed());
                false
            }
            Standing::Farewell(reason) => {
                self.flush_group();
                self.running = Running::Nothing;
                self.out.notice(Notice::Closing { reason, seconds: 0 });
                self.over = true;
                false
            }
        }
    }

    /// Answers with a refusal and ends the connection.
    fn close(&mut self, refusal: Refusal) {
        self.flush_group();
        self.running = Running::Nothing;
        tracing::info!(session = self.session.id, code = refusal.code.as_str(), "connection refused");
        self.context.count_refusal(&refusal, &self.connection);
        self.out.reply(&Reply::Refused(refusal));
        self.over = true;
    }

    /// Answers a request with a refusal; the connection goes on.
    fn refuse(&mut self, refusal: impl Into<Refusal>) {
        let refusal = refusal.into();
        self.flush_group();
        self.context.count_refusal(&refusal, &self.connection);
        self.out.reply(&Reply::Refused(refusal));
    }

    fn flush_group(&mut self) {
        self.group.flush(&self.context, &self.connection, &mut self.out);
    }

    fn flush_if_full(&mut self) {
        if self.group.is_full() {
            self.flush_group();
        }
    }

    /// Skips the remaining frames of a refused request.
    fn skip(&mut self, follows: Follows) {
        self.running = match follows {
            Follows::Nothing => Running::Nothing,
            follows => Running::Skipping(follows),
        };
    }

    /// Handles the next frame. The caller has made sure that `advance` has nothing to do.
    fn take(&mut self, frame: Frame) {
        if !self.check_account() {
            return;
        }
        match frame {
            Frame::Message(json) => self.message(&json),
            Frame::PackedMessage(_) => self.close(refusal::malformed("a packed message, which only a server sends")),
            Frame::Block { index, bytes } => self.block(index, bytes),
            Frame::Have { first, digests } => self.have(first, digests),
            Frame::Delta { index, steps } => self.delta(index, &steps),
            Frame::Chunks(described) => self.chunks(&described),
        }
    }

    fn message(&mut self, json: &Bytes) {
        let request = match Request::decode(json) {
            Ok(Request::Commit { size, root }) => return self.commit(size, root),
            Ok(request) => Ok(request),
            Err(Undecodable::Malformed(reason)) => return self.close(refusal::malformed(&reason)),
            Err(Undecodable::BadPath { message, follows }) => Err((Refusal::new(Code::BadPath, message), follows)),
            Err(Undecodable::Unsupported { what, follows }) => {
                Err((refusal::unsupported(&Escaped(what.as_bytes()).to_string()), follows))
            }
        };
        if !self.make_way(request.as_ref().ok()) {
            return self.close(refusal::malformed("a request in the middle of a transfer's frames"));
        }
        match request {
            Ok(request) => self.request(request),
            Err((refused, follows)) => {
                self.skip(follows);
                self.refuse(refused);
            }
        }
    }

    /// Ends the current transfer when a new request arrives. An upload is given up, and that refusal is its only
    /// answer; its part stays. If the new request discards that same part, the answer to that request is enough.
    /// Returns `false` where no request may come.
    fn make_way(&mut self, request: Option<&Request>) -> bool {
        match std::mem::replace(&mut self.running, Running::Nothing) {
            // A refused upload has been answered already.
            Running::Nothing | Running::Skipping(Follows::UpToCommit) => {}
            Running::Small(_) => {
                self.group.add_refused(refusal::given_up());
                self.flush_if_full();
            }
            Running::Upload(upload) => {
                let discarded = matches!(request, Some(Request::Discard { path }) if upload.is_of(path));
                // Drop the upload before the answer is sent: the part of a stream is gone by then.
                drop(upload);
                if !discarded {
                    self.refuse(refusal::given_up());
                }
            }
            _ => return false,
        }
        true
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Put(put) if put.is_optimistic() => self.running = Running::Small(upload_small::Arriving::new(put)),
            request => {
                self.flush_group();
                self.pace(request);
            }
        }
    }

    /// Starts a request now.
    fn begin(&mut self, request: Request) {
        let follows = request.follows();
        match self.start(request) {
            Ok(running) => self.running = running,
            Err(refused) => {
                self.skip(follows);
                self.refuse(refused);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
