//! Conflicts a person decides, one at a time, while all else goes on.

use std::{collections::VecDeque, future::pending, io};

use ferry_client::{
    ClientError,
    transfer::{Conflict, Decision, FileFacts, ItemId},
};
use ferry_shared::{name::Escaped, path::RemotePath};
use tokio::task::JoinHandle;

use crate::{
    human::{self, Times},
    terminal,
};

/// The reply of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    This(Decision),
    All(Decision),
    Stop,
}

/// The answer for the engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// For this item.
    Decided(ItemId, Decision),
    /// For these, which were all asked about, and every one that is still to come.
    Always(Vec<ItemId>, Decision),
    /// Stop everything.
    Stop,
}

/// The open question and those behind it.
#[derive(Debug, Default)]
pub(super) struct Prompts {
    queue: VecDeque<(ItemId, Conflict)>,
    open: Option<(ItemId, JoinHandle<io::Result<Reply>>)>,
    always: Option<Decision>,
}

impl Prompts {
    /// Adds a conflict; an earlier "for all" answers it at once.
    pub(super) fn add(&mut self, item: ItemId, conflict: Conflict) -> Option<Decision> {
        if self.always.is_none() {
            self.queue.push_back((item, conflict));
        }
        self.always
    }

    /// An item needs no answer any more.
    pub(super) fn forget(&mut self, item: ItemId) {
        self.queue.retain(|(queued, _)| *queued != item);
    }

    /// Whether a question stands on the terminal.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the next question can be put: there is one, and the terminal is free.
    pub(super) fn has_next(&self) -> bool {
        self.open.is_none() && !self.queue.is_empty()
    }

    /// Puts the next question on the terminal.
    pub(super) fn ask_next(&mut self) {
        let Some((item, conflict)) = self.queue.pop_front() else { return };
        let text = question(&conflict.path.relative(), &conflict.source, &conflict.target);
        self.open = Some((item, tokio::task::spawn_blocking(move || ask(&text, terminal::ask_line))));
    }

    /// Waits for the answer; for ever when nothing is asked. Cancel-safe.
    pub(super) async fn answered(&mut self) -> Answer {
        let Some((item, handle)) = &mut self.open else { return pending().await };
        let (item, reply) = (*item, handle.await);
        self.open = None;
        match reply {
            Ok(Ok(Reply::This(decision))) => Answer::Decided(item, decision),
            Ok(Ok(Reply::All(decision))) => {
                self.always = Some(decision);
                let others = self.queue.drain(..).map(|(item, _)| item);
                Answer::Always(std::iter::once(item).chain(others).collect(), decision)
            }
            // A terminal that went away answers nothing any more.
            Ok(Ok(Reply::Stop) | Err(_)) | Err(_) => Answer::Stop,
        }
    }
}

/// An answer about a file the engine has nothing to do with.
pub(in crate::cli) struct Answered {
    pub(in crate::cli) decision: Decision,
    /// Whether it holds for all that follow.
    pub(in crate::cli) for_all: bool,
}

/// Asks what to do where `target` is at `path` already.
///
/// # Errors
/// [`ClientError::Cancelled`] when all is to stop.
pub(in crate::cli) async fn ask_about(
    path: &RemotePath,
    source: FileFacts,
    target: FileFacts,
) -> Result<Answered, ClientError> {
    let text = question(path, &source, &target);
    match tokio::task::spawn_blocking(move || ask(&text, terminal::ask_line)).await {
        Ok(Ok(Reply::This(decision))) => Ok(Answered { decision, for_all: false }),
        Ok(Ok(Reply::All(decision))) => Ok(Answered { decision, for_all: true }),
        Ok(Ok(Reply::Stop) | Err(_)) | Err(_) => Err(ClientError::Cancelled),
    }
}

fn question(path: &RemotePath, source: &FileFacts, target: &FileFacts) -> String {
    let mut times = Times::local();
    let mut facts = |facts: &FileFacts| {
        let time = String::from_utf8_lossy(times.text(facts.mtime)).into_owned();
        format!("{}, {time}", human::size(facts.size))
    };
    format!(
        "{} is there already ({}), the new one is {}.\n\
         [r]eplace, [n]ewer only, [s]kip, [k]eep both, [q]uit; a capital letter for all: ",
        Escaped(path.as_bytes()),
        facts(target),
        facts(source),
    )
}

fn ask(text: &str, mut line: impl FnMut(&str) -> io::Result<String>) -> io::Result<Reply> {
    let mut answer = line(text)?;
    loop {
        match answer.trim() {
            "r" => return Ok(Reply::This(Decision::Replace)),
            "R" => return Ok(Reply::All(Decision::Replace)),
            "n" => return Ok(Reply::This(Decision::Newer)),
            "N" => return Ok(Reply::All(Decision::Newer)),
            "s" => return Ok(Reply::This(Decision::Skip)),
            "S" => return Ok(Reply::All(Decision::Skip)),
            "k" => return Ok(Reply::This(Decision::KeepBoth)),
            "K" => return Ok(Reply::All(Decision::KeepBoth)),
            "q" | "Q" => return Ok(Reply::Stop),
            _ => answer = line("Please type one of r n s k q or R N S K: ")?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(lines: &[&str]) -> io::Result<Reply> {
        let mut lines = lines.iter();
        ask("?", |_| lines.next().map(|line| (*line).to_owned()).ok_or(io::ErrorKind::UnexpectedEof.into()))
    }

    #[test]
    fn small_letters_decide_one_and_capitals_all() {
        assert_eq!(reply(&["r"]).unwrap(), Reply::This(Decision::Replace));
        assert_eq!(reply(&["", "x", " S "]).unwrap(), Reply::All(Decision::Skip));
        assert_eq!(reply(&["q"]).unwrap(), Reply::Stop);
        assert!(reply(&[""]).is_err());
    }

    #[tokio::test]
    async fn an_answer_for_all_covers_what_was_asked_before_it() {
        let reply = tokio::spawn(async { Ok(Reply::All(Decision::KeepBoth)) });
        let mut prompts = Prompts { open: Some((ItemId(1), reply)), ..Prompts::default() };
        assert_eq!(prompts.answered().await, Answer::Always(vec![ItemId(1)], Decision::KeepBoth));
        assert_eq!(prompts.always, Some(Decision::KeepBoth));
        assert!(!prompts.is_open() && !prompts.has_next());
    }

    #[tokio::test]
    async fn a_terminal_that_went_away_stops_everything() {
        let gone = tokio::spawn(async { Err(io::ErrorKind::UnexpectedEof.into()) });
        let mut prompts = Prompts { open: Some((ItemId(1), gone)), ..Prompts::default() };
        assert_eq!(prompts.answered().await, Answer::Stop);
    }
}
