//! The thread that turns items into requests: reads files in a plain loop and encodes many
//! frames into one buffer.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use ferry_shared::{
    blocks,
    digest::Digest,
    frame::{self, FrameError},
    limits::BLOCK_SIZE,
    link::LinkError,
    message::{
        Request,
        request::{Algorithm, Basis, Put},
    },
};
use tokio::sync::mpsc;

use super::{Asked, Expected, Requests};
use crate::{
    error::ClientError,
    transfer::{
        core::Shared,
        flow::{self, Next},
        item::{Done, Item, Step},
        source::{self, Opened},
        window::Window,
    },
};

/// Bytes of frames that are handed over together.
const ENOUGH: usize = 256 << 10;
/// How often a source that is touched again and again is looked at before it is removed.
const LOOKS: u8 = 5;
/// How long a connection may be silent while a large file is read.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) struct Feeder {
    core: Shared,
    window: Arc<Window>,
    out: mpsc::Sender<Requests>,
    filling: Requests,
}

/// `Break`: the connection is gone; the item, if it is given back, was not asked for.
type Fed = ControlFlow<Option<Item>>;

impl Feeder {
    pub(super) fn new(core: Shared, window: Arc<Window>, out: mpsc::Sender<Requests>) -> Self {
        let filling = Requests { frames: core.pool.take(), asked: Vec::new() };
        Self { core, window, out, filling }
    }

    /// Feeds `batch` and whatever else the queue has; gives back what was not asked for.
    pub(super) fn run(mut self, batch: Vec<Item>) -> Vec<Item> {
        let mut items = batch.into_iter();
        loop {
            while let Some(item) = items.next() {
                if let ControlFlow::Break(item) = self.feed(item) {
                    return self.give_back(item.into_iter().chain(items));
                }
            }
            match self.core.queue.more_quick() {
                Some(more) => items = more.into_iter(),
                None if self.hand_over().is_break() => return self.give_back(items),
                None => return Vec::new(),
            }
        }
    }

    fn give_back(&mut self, rest: impl Iterator<Item = Item>) -> Vec<Item> {
        self.filling.asked.drain(..).filter_map(|asked| asked.item).chain(rest).collect()
    }

    fn feed(&mut self, item: Item) -> Fed {
        if item.task.is_cancelled() && !matches!(item.step, Step::Discard) {
            return self.next(Next::Again(item));
        }
        let upload = item.is_upload();
        let path = item.path.remote().clone();
        match item.step {
            Step::Fresh | Step::Replace(_) if upload => self.put(item),
            Step::Fresh | Step::Replace(_) => {
                let bytes = item.facts.size;
                self.ask(item, &Request::Get { path, blocks: None }, Expected::Content, bytes)
            }
            Step::Folder if !upload => self.here(item, source::make_folder, |item, ()| flow::folder_made(item)),
            Step::Folder => self.ask(item, &Request::MakeDir { path, parents: true }, Expected::Folder, 0),
            Step::FolderMode => {
                let request = Request::SetAttributes { path, mtime: None, mode: Some(item.mode) };
                self.ask(item, &request, Expected::Folder, 0)
            }
            Step::FolderDate if upload => {
                let request = Request::SetAttributes { path, mtime: Some(item.facts.mtime), mode: None };
                self.ask(item, &request, Expected::FolderDate, 0)
            }
            Step::FolderDate => self.here(item, source::set_folder_date, |item, ()| flow::folder_dated(item)),
            Step::Look(_) if upload => self.ask(item, &Request::Stat { path }, Expected::Entry, 0),
            Step::Look(_) => self.here(item, source::look, |item, found| flow::found(item, found, false)),
            Step::Compare(_) => self.compare(item),
            Step::Confirm(done) if upload => {
                self.ask(item, &Request::Hash { path, algorithm: Algorithm::Blake3 }, Expected::Confirmed(done), 0)
            }
            Step::Confirm(done) => self.confirm(item, done),
            Step::Attributes if upload => {
                let (mtime, mode) = (Some(item.facts.mtime), Some(item.task.options.mode_for(item.mode)));
                self.ask(item, &Request::SetAttributes { path, mtime, mode }, Expected::Attributes, 0)
            }
            Step::Attributes => self.here(item, source::set_attributes, flow::attributes_set),
            Step::RemoveSource(done) if upload => self.remove(item, done),
            Step::RemoveSource(done) => {
                let version = item.version.clone();
                let request = Request::Remove { path, recursive: false, version };
                self.ask(item, &request, Expected::SourceRemoved(done), 0)
            }
            Step::Discard if upload => self.ask(item, &Request::Discard { path }, Expected::Discarded, 0),
            Step::Discard => self.here(item, source::discard_part, |item, ()| flow::discarded(item)),
        }
    }
}

impl Feeder {
    /// A file of one block or less: declared, sent and committed at once.
    fn put(&mut self, mut item: Item) -> Fed {
        let mut opened = match source::open(&item.task, &item.path) {
            Ok(opened) => opened,
            Err(error) => return self.failed(item, error),
        };
        item.set_source(&opened);
        let size = opened.facts.size;
        if size > BLOCK_SIZE {
            return self.next(Next::Again(item));
        }
        if !self.enter(size) {
            return ControlFlow::Break(Some(item));
        }
        let start = self.filling.frames.len();
        match self.encode_put(&item, &mut opened) {
            Ok(done) => {
                item.identity = Some(opened.identity);
                // From here on it is for the server to say whether it fits.
                item.growth = None;
                self.asked(Asked { item: Some(item), answer: Expected::Stored(done), bytes: size })
            }
            Err(error) => {
                self.filling.frames.truncate(start);
                self.window.leave(size);
                self.failed(item, error)
            }
        }
    }

    fn encode_put(&mut self, item: &Item, opened: &mut Opened) -> Result<Done, ClientError> {
        let out = &mut *self.filling.frames;
        let size = opened.facts.size;
        let keep = item.task.options.keep_attributes;
        let put = Put {
            path: item.path.remote().clone(),
            size: Some(size),
            mtime: keep.then_some(opened.facts.mtime),
            mode: keep.then(|| item.task.options.mode_for(opened.mode)),
            if_exists: item.if_exists(),
            parents: item.makes_parents(),
            basis: Basis::None,
        };
        frame::put_message(out, &Request::Put(put)).map_err(unsendable)?;
        let head = out.len();
        let root = if size > 0 {
            frame::put_block_head(out, 0, usize::try_from(size).unwrap_or(usize::MAX)).map_err(unsendable)?;
            let data = out.len();
            match &opened.content {
                Some(content) => out.extend_from_slice(content),
                None => blocks::read_block(&opened.file, size, 0, out)
                    .map_err(|error| source::read_error(&item.path, error))?,
            }
            let root = Digest::of(&out[data..]);
            if blocks::is_zero(&out[data..]) {
                out.truncate(head);
                frame::put_block_head(out, 0, 0).map_err(unsendable)?;
            }
            root
        } else {
            Digest::of(b"")
        };
        let growing = item.task.options.growing;
        let grown = source::settle(&self.core, &item.path, opened, root, growing, |_| Ok(()))?;
        frame::put_message(out, &Request::Commit { size, root }).map_err(unsendable)?;
        Ok(Done { root, size, transferred: size, reused: 0, grown })
    }

    /// Reads the local content, then asks for the remote one's digest.
    fn compare(&mut self, mut item: Item) -> Fed {
        if item.removes_source() && !item.is_upload() && item.version.is_none() {
            // What is equal will be removed: it must be known before which version was compared.
            let request = Request::Stat { path: item.path.remote().clone() };
            return self.ask(item, &request, Expected::Source, 0);
        }
        let local = source::open(&item.task, &item.path)
            .and_then(|opened| self.digest(&item, &opened).map(|digest| (digest, opened)));
        let local = match local {
            Ok((digest, opened)) => {
                // What is compared is this, whatever was seen before.
                match item.is_upload() {
                    true => item.set_source(&opened),
                    false => (item.step, item.identity) = (Step::Compare(opened.facts), Some(opened.identity)),
                }
                Some(digest)
            }
            // What is at a download's target may be gone by now, which is no failure.
            Err(ClientError::Local { .. }) if !item.is_upload() => None,
            Err(error) => return self.failed(item, error),
        };
        let request = Request::Hash { path: item.path.remote().clone(), algorithm: Algorithm::Blake3 };
        self.ask(item, &request, Expected::Compared(local), 0)
    }

    /// Reads a download again.
    fn confirm(&mut self, item: Item, done: Done) -> Fed {
        let found = source::open(&item.task, &item.path).and_then(|opened| self.digest(&item, &opened));
        match found {
            Ok(found) if found == done.root => self.next(flow::confirmed(item, done)),
            Ok(found) => self.failed(item, ClientError::Mismatch { expected: done.root, found }),
            Err(error) => self.failed(item, error),
        }
    }

    /// Removes an upload's source if it still is what was stored: by its state, or else by its content.
    fn remove(&mut self, item: Item, done: Done) -> Fed {
        match self.remove_unchanged(&item, &done) {
            Ok(()) => self.next(flow::verified(item, done)),
            Err(error) => self.failed(item, error),
        }
    }

    fn remove_unchanged(&mut self, item: &Item, done: &Done) -> Result<(), ClientError> {
        for _ in 0..LOOKS {
            let opened = source::open(&item.task, &item.path)?;
            let read = item.identity.filter(|_| done.grown.is_none());
            let proven = read.is_some_and(|read| read.proves(&opened.identity));
            if !proven && (opened.facts.size != done.size || self.digest(item, &opened)? != done.root) {
                return Err(ClientError::SourceChanged);
            }
            if source::remove(item, &opened)? {
                return Ok(());
            }
        }
        Err(ClientError::SourceChanged)
    }

    /// A local file's digest; keeps the connection alive meanwhile.
    fn digest(&mut self, item: &Item, opened: &Opened) -> Result<Digest, ClientError> {
        let mut last = Instant::now();
        let core = Arc::clone(&self.core);
        if opened.facts.size > BLOCK_SIZE && self.hand_over().is_break() {
            return Err(ClientError::closed());
        }
        source::digest(&core, &item.path, opened, |_| {
            if core.stop.is_cancelled() || item.task.is_cancelled() {
                return Err(ClientError::Cancelled);
            }
            if last.elapsed() < KEEP_ALIVE {
                return Ok(());
            }
            last = Instant::now();
            frame::put_message(&mut self.filling.frames, &Request::Ping).map_err(unsendable)?;
            self.filling.asked.push(Asked { item: None, answer: Expected::Alive, bytes: 0 });
            match self.window.enter(0) && self.hand_over().is_continue() {
                true => Ok(()),
                false => Err(ClientError::closed()),
            }
        })
    }

    fn ask(&mut self, item: Item, request: &Request, answer: Expected, bytes: u64) -> Fed {
        if !self.enter(bytes) {
            return ControlFlow::Break(Some(item));
        }
        let start = self.filling.frames.len();
        let out = &mut *self.filling.frames;
        let encoded = frame::put_message(out, request).and_then(|()| match request {
            Request::Get { .. } => frame::put_have(out, 0, &[]),
            _ => Ok(()),
        });
        if let Err(error) = encoded {
            self.filling.frames.truncate(start);
            self.window.leave(bytes);
            return self.failed(item, unsendable(error));
        }
        self.asked(Asked { item: Some(item), answer, bytes })
    }

    fn asked(&mut self, asked: Asked) -> Fed {
        self.filling.asked.push(asked);
        if self.filling.frames.len() >= ENOUGH { self.hand_over() } else { ControlFlow::Continue(()) }
    }

    /// Enters the window. What was encoded so far must be out before this thread waits
    /// for answers to it.
    fn enter(&mut self, bytes: u64) -> bool {
        self.window.try_enter(bytes) || (self.hand_over().is_continue() && self.window.enter(bytes))
    }

    fn hand_over(&mut self) -> Fed {
        if self.filling.asked.is_empty() {
            return ControlFlow::Continue(());
        }
        let empty = Requests { frames: self.core.pool.take(), asked: Vec::new() };
        let full = std::mem::replace(&mut self.filling, empty);
        match self.out.blocking_send(full) {
            Ok(()) => ControlFlow::Continue(()),
            Err(mpsc::error::SendError(full)) => {
                self.filling = full;
                ControlFlow::Break(None)
            }
        }
    }

    /// Does a step that needs nothing from the server.
    fn here<T>(
        &mut self,
        item: Item,
        work: impl FnOnce(&Item) -> Result<T, ClientError>,
        then: impl FnOnce(Item, T) -> Next,
    ) -> Fed {
        match work(&item) {
            Ok(result) => self.next(then(item, result)),
            Err(error) => self.failed(item, error),
        }
    }

    fn failed(&mut self, item: Item, error: ClientError) -> Fed {
        self.next(flow::failed(item, error, self.core.patience))
    }

    fn next(&mut self, next: Next) -> Fed {
        self.core.wait(self.core.apply(next));
        ControlFlow::Continue(())
    }
}

fn unsendable(error: FrameError) -> ClientError {
    LinkError::Frame(error).into()
}
