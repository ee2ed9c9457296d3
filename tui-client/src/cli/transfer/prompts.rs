//! Asks the user about conflicts, one at a time, while other transfers continue.

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

/// The user's reply.
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
    /// For these open questions, and all later ones.
    Always(Vec<ItemId>, Decision),
    /// Stop everything.
    Stop,
}

/// The current question and those waiting.
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

    /// Removes the question of an item.
    pub(super) fn forget(&mut self, item: ItemId) {
        self.queue.retain(|(queued, _)| *queued != item);
    }

    /// Whether a question is displayed.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the next question can be asked: there is one, and the terminal is free.
    pub(super) fn has_next(&self) -> bool {
        self.open.is_none() && !self.queue.is_empty()
    }

    /// Asks the next question.
    pub(super) fn ask_next(&mut self) {
        let Some((item, conflict)) = self.queue.pop_front() else { return };
        let text = question(&conflict.path.relative(), &conflict.source, &conflict.target);
        self.open = Some((item, tokio::task::spawn_blocking(move || ask(&text, terminal::ask_line))));
    }

    /// Waits for the answer; never resolves if there is no question. This method is cancel safe.
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
            // A closed terminal gives no more answers.
            Ok(Ok(Reply::Stop) | Err(_)) | Err(_) => Answer::Stop,
        }
    }
}

/// An answer about a file that the engine does not handle.
pub(in crate::cli) struct Answered {
    pub(in crate::cli) decision: Decision,
    /// Whether the answer applies to all later questions.
    pub(in crate::cli) for_all: bool,
}

/// Asks what to do about the existing `target` at `path`.
///
/// # Errors
/// [`ClientError::Cancelled`] if the user stops the command.
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
        "{} already exists ({}), the new one is {}.\n\
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
    fn lower_case_answers_apply_to_one_file_and_capitals_to_all() {
        assert_eq!(reply(&["r"]).unwrap(), Reply::This(Decision::Replace));
        assert_eq!(reply(&["", "x", " S "]).unwrap(), Reply::All(Decision::Skip));
        assert_eq!(reply(&["q"]).unwrap(), Reply::Stop);
        assert!(reply(&[""]).is_err());
    }

    #[tokio::test]
    async fn an_answer_for_all_applies_to_earlier_questions_too() {
        let reply = tokio::spawn(async { Ok(Reply::All(Decision::KeepBoth)) });
        let mut prompts = Prompts { open: Some((ItemId(1), reply)), ..Prompts::default() };
        assert_eq!(prompts.answered().await, Answer::Always(vec![ItemId(1)], Decision::KeepBoth));
        assert_eq!(prompts.always, Some(Decision::KeepBoth));
        assert!(!prompts.is_open() && !prompts.has_next());
    }

    #[tokio::test]
    async fn a_closed_terminal_stops_everything() {
        let gone = tokio::spawn(async { Err(io::ErrorKind::UnexpectedEof.into()) });
        let mut prompts = Prompts { open: Some((ItemId(1), gone)), ..Prompts::default() };
        assert_eq!(prompts.answered().await, Answer::Stop);
    }
}
