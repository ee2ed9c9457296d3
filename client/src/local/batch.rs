//! Answers pipelined requests in a plain loop on one thread.

mod small;
#[cfg(test)]
mod tests;

use std::{fs::FileTimes, io};

use ferry_shared::{
    entry::{Kind, Mtime},
    limits::BLOCK_SIZE,
    pool::BufferPool,
};
use tokio::sync::mpsc;

use self::small::Small;
use super::{
    identity::Identity,
    landing::{Create, Targets},
    link,
    place::{failed, look},
    read,
    remembered::Remembered,
    remove, source, system,
    threads::Stop,
};
use crate::{
    error::ClientError,
    site::{Answer, Done, Location, Op, Reach, Request, Version},
};

/// The loop that answers requests.
pub(super) struct Batch {
    pool: BufferPool,
    remembered: Option<Remembered>,
    targets: Targets,
    small: Small,
    answers: mpsc::Sender<Answer>,
    stop: Stop,
}

impl Batch {
    pub(super) fn new(
        pool: BufferPool,
        remembered: Option<Remembered>,
        answers: mpsc::Sender<Answer>,
        stop: Stop,
    ) -> Self {
        Self { pool, remembered, targets: Targets::default(), small: Small::default(), answers, stop }
    }

    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) -> Result<(), ClientError> {
        loop {
            let request = match requests.try_recv() {
                Ok(request) => Some(request),
                // One flush per iteration: requests that arrive meanwhile share the next one.
                Err(_) if !self.small.is_idle() => {
                    self.small.flush();
                    self.send_stored()?;
                    continue;
                }
                Err(_) => self.stop.receive(&mut requests),
            };
            let Some(Request { id, op, .. }) = request else { return Ok(()) };
            if let Op::Put { put, content } = op {
                self.small.place(id, put, &content, &mut self.targets);
                self.send_stored()?;
                continue;
            }
            let result = self.answer(op);
            self.send(Answer { id, result })?;
        }
    }

    /// Makes all written files durable and answers for them.
    fn flush(&mut self) -> Result<(), ClientError> {
        self.small.flush();
        self.small.flush();
        self.send_stored()
    }

    fn send_stored(&mut self) -> Result<(), ClientError> {
        let answers = self.small.take_answers();
        answers.into_iter().try_for_each(|answer| self.send(answer))
    }

    fn send(&self, answer: Answer) -> Result<(), ClientError> {
        // Does not block: the channel has capacity for every unanswered request.
        self.stop.send(&self.answers, answer)
    }

    fn answer(&mut self, op: Op) -> Result<Done, ClientError> {
        match op {
            Op::Stat { at } => look(&mut self.targets, &at).map(Done::Found).map_err(|error| failed(&at, error)),
            Op::MakeFolder { at, private } => {
                let made = self.targets.folder(&at, Create::All { private });
                made.map(|_| Done::Done).map_err(|error| failed(&at, error))
            }
            Op::SetAttributes { at, mtime, mode, seen } => self.set_attributes(&at, mtime, mode, seen),
            Op::Hash { at } => self.hash(&at),
            Op::Remove { at, only } => {
                let stop = self.stop.clone();
                let removed = remove::remove(&self.pool, &mut self.targets, &at, only.as_ref(), || stop.check());
                removed.map(|()| Done::Done)
            }
            Op::ReadLink { at } => {
                link::read(&mut self.targets, &at).map(Done::Link).map_err(|error| failed(&at, error))
            }
            Op::MakeLink { at, text, replace } => {
                let made = link::make(&mut self.targets, &at, &text, replace);
                made.map(|()| Done::Done).map_err(|error| failed(&at, error))
            }
            Op::Discard { at } => {
                remove::discard(&mut self.targets, &at).map(|()| Done::Done).map_err(|error| failed(&at, error))
            }
            Op::Get { at, growing, .. } => self.get(&at, growing),
            // Handled in `run`, which answers later.
            Op::Put { put, .. } => Err(failed(&put.at, io::ErrorKind::Unsupported.into())),
        }
    }

    fn hash(&mut self, at: &Location) -> Result<Done, ClientError> {
        let opened = source::open(&mut self.targets, at)?;
        if opened.facts.size > BLOCK_SIZE {
            // Answer for the written files first: reading a large file takes long.
            self.flush()?;
        }
        let stop = self.stop.clone();
        let root = source::digest(&self.pool, at, &opened, |_| stop.check())?;
        if let Some(remembered) = &self.remembered {
            remembered.note(&opened, &root);
        }
        Ok(Done::Hashed { root, opened: Some(opened.told()) })
    }

    fn get(&mut self, at: &Location, growing: bool) -> Result<Done, ClientError> {
        let opened = source::open(&mut self.targets, at)?;
        if opened.facts.size > BLOCK_SIZE {
            return Ok(Done::Large(opened.told()));
        }
        let stop = self.stop.clone();
        let content = read::content(&self.pool, self.remembered.as_ref(), at, opened, growing, || stop.check())?;
        Ok(Done::Content(Box::new(content)))
    }

    fn set_attributes(
        &mut self,
        at: &Location,
        mtime: Option<Mtime>,
        mode: Option<u32>,
        seen: Option<Version>,
    ) -> Result<Done, ClientError> {
        let is_folder = at.reach() == Reach::Contained
            && look(&mut self.targets, at).map_err(|error| failed(at, error))?.kind == Kind::Folder;
        if is_folder {
            let mut set = || {
                let folder = self.targets.folder(at, Create::None)?.ok_or(io::ErrorKind::NotFound)?;
                mode.map_or(Ok(()), |mode| folder.set_mode(mode))?;
                mtime.map_or(Ok(()), |mtime| folder.set_date(mtime))
            };
            return set().map(|()| Done::Done).map_err(|error| failed(at, error));
        }
        let opened = source::open(&mut self.targets, at)?;
        if seen.is_some_and(|seen| seen.get::<Identity>() != Some(&opened.identity)) {
            return Err(ClientError::SourceChanged);
        }
        let set = || {
            let mtime = mtime.filter(|mtime| *mtime != opened.facts.mtime);
            if let Some(time) = mtime.and_then(Mtime::to_system) {
                opened.file.set_times(FileTimes::new().set_modified(time))?;
            }
            match mode.map(|mode| mode & 0o777) {
                Some(mode) if mode != opened.mode => system::set_mode(&opened.file, mode),
                _ => Ok(()),
            }
        };
        set().map(|()| Done::Done).map_err(|error| failed(at, error))
    }
}
