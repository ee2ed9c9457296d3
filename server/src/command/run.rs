//! `Run`: a command that is built into the server; its output travels as it is written.

use ferry_shared::{
    feature::Feature,
    message::{Reply, reply::Stream, request::Word},
    refusal::Refusal,
};

use super::{Conversation, Running, telling};
use crate::{
    refusal,
    verbs::{Command, Said, Terms},
};

impl Conversation {
    /// Begins a command.
    pub(super) fn run_command(&self, words: Vec<Word>) -> Result<Running, Refusal> {
        if !self.features.has(Feature::Run) {
            return Err(refusal::unsupported("'run' of a client that does not list it as a feature"));
        }
        let terms = Terms { output: self.context.config.get().limits.command_output.0, empty_input: false };
        let words: Vec<_> = words.into_iter().map(|Word(bytes)| bytes).collect();
        Ok(telling::run(Box::new(Command::new(&self.files, &words, terms)), |said, _, out| {
            out.reply(&match said {
                Said::Out(bytes) => Reply::Output { stream: Stream::Out, bytes },
                Said::Err(bytes) => Reply::Output { stream: Stream::Err, bytes },
                Said::Exited(status) => Reply::Exited { status },
            });
            // The output of a command is worth seeing before it ends.
            out.finish();
        }))
    }
}
