//! One SFTP channel: it carries out requests in their order, and knows no socket.
//!
//! It runs on a blocking thread and never waits for the peer there: when it needs input, room for output or a turn,
//! it returns that need and gives the thread back.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use ferry_shared::{
    path::RemotePath,
    pool::Buffer,
    sftp::{Extended, Extension, Hello, Invalid, Packet, Request, Status},
};
use tokio::sync::mpsc;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    answers::Answers,
    opened::Opened,
    status::Failure,
    task::{TASKS, Task},
};
use crate::{
    bandwidth::Direction,
    connections::ConnectionInfo,
    context::Context,
    files::Files,
    gate::{Gate, Standing},
    scheduler::Slice,
};

/// The extensions that are offered.
const OFFERED: [Extension; 7] = [
    Extension::PosixRename,
    Extension::Fsync,
    Extension::StatVfs,
    Extension::FStatVfs,
    Extension::LSetStat,
    Extension::Limits,
    Extension::CopyData,
];

/// The reason why the channel gave its thread back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It waits for requests.
    Input,
    /// There is output, and the writer has no room for it.
    Room,
    /// Nothing is missing: the thread goes to others first.
    Pause,
    /// The current work goes on without the peer; the channel continues when it is given a turn.
    Turn,
    /// The user has caused so much wasted work that the next request waits for this time.
    Later(Duration),
    /// The channel is over.
    End,
}

/// Packets that arrived together.
pub(super) type Batch = Vec<Packet>;

/// The server's side of a channel. Dropping it parks its uploads.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) files: Files,
    pub(super) user: String,
    pub(super) out: Answers,
    pub(super) opened: Opened,
    pub(super) tasks: VecDeque<Task>,
    context: Arc<Context>,
    connection: Arc<ConnectionInfo>,
    gate: Gate,
    requests: VecDeque<(u32, Result<Request, Invalid>)>,
    /// The file whose transfer operators see.
    shown: Option<RemotePath>,
    is_greeted: bool,
    is_gone: bool,
    is_over: bool,
    has_turn: bool,
    /// Kept until the channel is dropped: at shutdown the server waits for it before it writes the users' ledgers.
    _work: TaskTrackerToken,
}

impl Channel {
    pub(super) fn new(context: Arc<Context>, connection: Arc<ConnectionInfo>, gate: Gate, files: Files) -> Self {
        Self {
            files,
            user: connection.session.user.name.to_string(),
            out: Answers::new(context.pool.clone()),
            opened: Opened::default(),
            tasks: VecDeque::new(),
            _work: context.work.token(),
            context,
            connection,
            gate,
            requests: VecDeque::new(),
            shown: None,
            is_greeted: false,
            is_gone: false,
            is_over: false,
            has_turn: false,
        }
    }

    /// Whether files are open or a request is being carried out.
    pub(super) fn in_transfer(&self) -> bool {
        !self.opened.is_at_rest() || !self.tasks.is_empty()
    }

    /// Hands in packets.
    pub(super) fn push(&mut self, batch: Batch) {
        self.connection.hear();
        for packet in batch {
            if !self.is_greeted {
                self.greet(packet);
                continue;
            }
            match Request::decode(packet) {
                Ok((id, request)) => self.requests.push_back((id, Ok(request))),
                Err(invalid) => self.requests.push_back((invalid.id, Err(invalid))),
            }
        }
    }

    /// The peer sends nothing more.
    pub(super) fn gone(&mut self) {
        self.is_gone = true;
    }

    /// Grants the turn that the channel asked for; it lasts until the next [`Need`].
    pub(super) fn give_turn(&mut self) {
        self.has_turn = true;
    }

    /// Frees memory while nothing happens.
    pub(super) fn rest(&mut self) {
        self.opened.rest();
    }

    /// Works until something is needed; blocks on the disk only.
    pub(super) fn run(&mut self, input: &mut mpsc::Receiver<Batch>, output: &mpsc::Sender<Buffer>) -> Need {
        let mut slice = Slice::begin(std::mem::take(&mut self.has_turn));
        loop {
            if self.context.stop.is_cancelled() || !self.may_go_on() {
                return Need::End;
            }
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
            if self.is_over {
                self.out.finish();
                if self.out.is_full() {
                    continue;
                }
                return Need::End;
            }
            if slice.is_over() {
                return if slice.moved { Need::Pause } else { Need::Turn };
            }
            if self.requests.is_empty() && !self.is_gone {
                match input.try_recv() {
                    Ok(batch) => {
                        slice.moved = true;
                        self.push(batch);
                    }
                    Err(mpsc::error::TryRecvError::Disconnected) => self.gone(),
                    Err(mpsc::error::TryRecvError::Empty) => {}
                }
            }
            match self.next(&mut slice) {
                Ok(true) => {}
                Ok(false) => {
                    self.out.finish();
                    if self.out.is_full() {
                        continue;
                    }
                    return if self.is_gone { Need::End } else { Need::Input };
                }
                Err(need) => {
                    self.out.finish();
                    if self.out.is_full() {
                        continue;
                    }
                    return need;
                }
            }
        }
    }

    /// Carries out the next request, or a step of a task; `false` if there is nothing to do.
    fn next(&mut self, slice: &mut Slice) -> Result<bool, Need> {
        if let Some((_, Ok(request))) = self.requests.front() {
            if self.is_held(request) {
                return self.step(slice).map(|()| true);
            }
            if self.copies_first(request) {
                match self.files.pause_at_first() {
                    Ok(Duration::ZERO) => {}
                    Ok(wait) => return Err(if self.is_gone { Need::End } else { Need::Later(wait) }),
                    Err(error) => {
                        if let Some((id, _)) = self.requests.pop_front() {
                            self.fail(id, error.into());
                        }
                        return Ok(true);
                    }
                }
            }
        }
        if let Some((id, request)) = self.requests.pop_front() {
            slice.moved = true;
            match request {
                Ok(request) => {
                    if let Err(failure) = self.handle(id, request) {
                        self.fail(id, failure);
                    }
                }
                Err(Invalid { fault, .. }) => self.out.status(id, fault.status(), fault.to_string()),
            }
            return Ok(true);
        }
        if self.tasks.is_empty() {
            return Ok(false);
        }
        self.step(slice).map(|()| true)
    }

    /// Does one step of the oldest task, and puts it behind the others.
    fn step(&mut self, slice: &Slice) -> Result<(), Need> {
        let Some(mut task) = self.tasks.pop_front() else { return Ok(()) };
        if task.is_heavy() && !slice.is_turn {
            // Also if the peer is gone: what it asked for before counts, for as long as its connection lets it end.
            self.tasks.push_front(task);
            return Err(Need::Turn);
        }
        match task.step(&self.files, &mut self.opened) {
            Ok(false) => self.tasks.push_back(task),
            Ok(true) => self.out.status(task.id, Status::Ok, ""),
            Err(failure) => self.fail(task.id, failure),
        }
        Ok(())
    }

    /// Whether a request has to wait for a task.
    fn is_held(&self, request: &Request) -> bool {
        self.tasks.len() >= TASKS || self.tasks.iter().any(|task| task.holds(request, &self.opened))
    }

    /// Whether a request of a few bytes makes the server copy a file that exists.
    fn copies_first(&self, request: &Request) -> bool {
        use Request as R;
        let handle = match request {
            R::Write { handle, .. } => handle,
            R::FSetStat { handle, attributes } if attributes.size.is_some_and(|size| size > 0) => handle,
            R::Extended(Extended::CopyData { to, .. }) => to,
            R::SetStat { attributes, .. } => return attributes.size.is_some_and(|size| size > 0),
            _ => return false,
        };
        self.opened.is_unchanged(handle)
    }

    fn greet(&mut self, packet: Packet) {
        if Hello::decode_init(packet).is_err() {
            tracing::debug!("the channel does not begin as SFTP does");
            self.is_over = true;
            return;
        }
        self.is_greeted = true;
        let greeted = self.out.write(0, |out| Ok::<_, Failure>(Hello::with(&OFFERED).put_version(out)));
        self.is_over = greeted.is_err();
        self.out.finish();
    }

    /// Whether the account still allows this session.
    fn may_go_on(&mut self) -> bool {
        match self.gate.standing() {
            Standing::Open | Standing::AccessChanged(_) => true,
            Standing::Closed | Standing::Farewell(_) => false,
        }
    }

    /// Answers with a failure.
    pub(super) fn fail(&mut self, id: u32, failure: Failure) {
        let (status, told, refusal) = failure.told();
        if let Some(refusal) = refusal {
            self.context.count_refusal(&refusal, &self.connection);
        }
        self.out.status(id, status, told);
    }

    /// Shows operators the progress of a transfer: the oldest one, if there are several.
    pub(super) fn show(&mut self, direction: Direction, path: &RemotePath, size: Option<u64>, position: u64) {
        if self.shown.is_none() {
            self.shown = Some(path.clone());
            self.connection.begin(direction, path.clone(), size);
        }
        if self.shown.as_ref() == Some(path) {
            self.connection.advance(position);
        }
    }

    /// The transfer of a file is over.
    pub(super) fn hide(&mut self, path: &RemotePath) {
        if self.shown.take_if(|shown| shown == path).is_some() {
            self.connection.rest();
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if self.shown.is_some() {
            self.connection.rest();
        }
    }
}
