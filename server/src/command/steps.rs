//! What goes on between two frames: transfers and tasks, step by step, and when they give way.

use ferry_shared::message::decode::Follows;

use super::{Conversation, Need, Running, download};
use crate::turns::Slice;

impl Conversation {
    /// Whether it works on without the peer, who may have left.
    pub(super) fn goes_on_alone(&self) -> bool {
        match &self.running {
            Running::Task(_) | Running::Download(_) => true,
            Running::Upload(upload) => upload.is_preparing(),
            _ => false,
        }
    }

    /// What it needs before it may go on; nothing where it may at once.
    pub(super) fn gives_way(&self, slice: &Slice, is_left: bool) -> Option<Need> {
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

    /// Goes on with what needs no input; `true` when something was done.
    pub(super) fn advance(&mut self) -> bool {
        let stepped = match &mut self.running {
            Running::Task(task) => task.step(&mut self.out),
            Running::Download(download) => match download.step(&mut self.out) {
                Ok(download::Step::NeedsHave) => return false,
                Ok(download::Step::More) => {
                    self.wire.advance(download.position());
                    Ok(true)
                }
                Ok(download::Step::Done { root }) => {
                    let size = download.size();
                    self.sent(size, root);
                    Ok(false)
                }
                Err(refusal) => {
                    let follows = download.follows();
                    self.skip(follows);
                    self.refuse(refusal);
                    return true;
                }
            },
            Running::Upload(upload) => match upload.prepare(&mut self.out) {
                Ok(busy) => return busy,
                Err(refusal) => Err(refusal),
            },
            _ => return false,
        };
        match stepped {
            Ok(true) => {}
            Ok(false) => {
                self.running = Running::Nothing;
                self.done();
            }
            Err(refusal) => {
                let was = std::mem::replace(&mut self.running, Running::Nothing);
                if matches!(was, Running::Upload(_)) {
                    self.running = Running::Skipping(Follows::UpToCommit);
                }
                self.refuse(refusal);
            }
        }
        true
    }
}
