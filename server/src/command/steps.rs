//! The work between two frames: steps of transfers and tasks, and when they give way to others.

use std::time::Duration;

use ferry_shared::message::{
    Request,
    decode::Follows,
    request::{Basis, Put, Word},
};

use super::{Conversation, Need, Running, download};
use crate::{scheduler::Slice, verbs};

impl Conversation {
    /// Starts a request, delayed if it makes the server write a lot for a user who has thrown much of that away.
    pub(super) fn pace(&mut self, request: Request) {
        let wait = if writes_much(&request) { self.files.pause_at_first() } else { Ok(Duration::ZERO) };
        match wait {
            Ok(Duration::ZERO) => return self.begin(request),
            Ok(_) => {}
            Err(error) => return self.refuse(error),
        }
        self.running = Running::Paced(Box::new(request));
        // Do not hold earlier answers back.
        self.out.finish();
    }

    /// Whether the current work goes on without the peer, which may have left.
    pub(super) fn goes_on_alone(&self) -> bool {
        match &self.running {
            Running::Task(_) | Running::Download(_) | Running::Paced(_) => true,
            Running::Upload(upload) => upload.is_preparing(),
            _ => false,
        }
    }

    /// Returns the condition for the conversation to continue; `None` if it may continue at once.
    pub(super) fn gives_way(&self, slice: &Slice, is_left: bool) -> Option<Need> {
        if matches!(self.running, Running::Paced(_)) {
            let wait = self.files.pause();
            return (!wait.is_zero()).then_some(if is_left { Need::End } else { Need::Later(wait) });
        }
        if slice.is_over() {
            return Some(match slice.moved {
                true => Need::Pause,
                false if is_left && self.goes_on_alone() => Need::End,
                false => Need::Turn,
            });
        }
        let begins_with_a_turn = matches!(&self.running, Running::Task(task) if task.is_heavy());
        (begins_with_a_turn && !slice.is_turn).then_some(Need::Turn)
    }

    /// Advances the work that needs no input; returns `true` if something was done.
    pub(super) fn advance(&mut self) -> bool {
        if let Running::Paced(_) = self.running
            && let Running::Paced(request) = std::mem::replace(&mut self.running, Running::Nothing)
        {
            self.begin(*request);
            return true;
        }
        let stepped = match &mut self.running {
            Running::Task(task) => task.step(&mut self.out),
            Running::Download(download) => match download.step(&mut self.out) {
                Ok(download::Step::NeedsHave) => return false,
                Ok(download::Step::More) => {
                    self.connection.advance(download.position());
                    Ok(true)
                }
                Ok(download::Step::Done) => Ok(false),
                Err(error) => {
                    let follows = download.follows();
                    self.skip(follows);
                    self.refuse(error);
                    return true;
                }
            },
            Running::Upload(upload) => match upload.prepare(&mut self.out) {
                Ok(busy) => return busy,
                Err(error) => Err(error),
            },
            _ => return false,
        };
        match stepped {
            Ok(true) => {}
            Ok(false) => self.running = Running::Nothing,
            Err(error) => {
                let was = std::mem::replace(&mut self.running, Running::Nothing);
                if matches!(was, Running::Upload(_)) {
                    self.running = Running::Skipping(Follows::UpToCommit);
                }
                self.refuse(error);
            }
        }
        true
    }
}

/// Whether a request of a few bytes makes the server write as much as a whole file.
fn writes_much(request: &Request) -> bool {
    match request {
        Request::Copy { .. } | Request::Put(Put { basis: Basis::Current, .. }) => true,
        Request::Run { words } => words.first().is_some_and(|Word(name)| verbs::writes_much(name)),
        _ => false,
    }
}
