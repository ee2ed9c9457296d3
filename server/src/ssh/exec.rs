//! `exec`: a command that is built into the server, run in turns with the work of others.

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Error, server::Msg};
use tokio::time::sleep;
use tracing::Span;

use crate::{
    files::{Files, Step},
    gate::Standing,
    scheduler::{Slice, Turns},
    verbs::{self, Command, STOPPED, Said, Terms, UNKNOWN},
    visit::Visit,
};

/// The end of a channel that leads to the client.
pub(super) type Writing = ChannelWriteHalf<Msg>;

/// The type of extended data for standard error.
const STANDARD_ERROR: u32 = 1;
/// Bytes that a command may write in one turn, before the peer has taken them.
const AT_ONCE: usize = 256 << 10;

/// Runs a command line until it ends or the peer closes the channel; returns its status.
pub(super) async fn run(visit: Visit, line: &[u8], mut read: ChannelReadHalf, write: &Writing) -> u8 {
    let closed = async {
        // Commands read no input.
        while !matches!(read.wait().await, None | Some(ChannelMsg::Close)) {}
    };
    tokio::select! {
        // The peer that is gone gets no status.
        status = attempt(visit, line, write) => status.unwrap_or(STOPPED),
        () = closed => STOPPED,
    }
}

async fn attempt(visit: Visit, line: &[u8], write: &Writing) -> Result<u8, Error> {
    let Visit { context, session, mut gate, peer } = visit;
    let words = match verbs::split(line) {
        Ok(words) => words,
        Err(error) => {
            say(write, Said::Err(format!("ferryd: {error}\n").into_bytes())).await?;
            return Ok(UNKNOWN);
        }
    };
    // A command that is dropped ends at its next step.
    let stop = context.stop.child_token();
    let _guard = stop.clone().drop_guard();
    let (user, counters) = (session.user.clone(), context.counters.clone());
    let files = Files::new(user, context.audit.clone(), counters, session.who(Some(peer)), stop);
    if words.first().is_some_and(|name| verbs::writes_much(name)) {
        match files.pause_at_first() {
            Ok(wait) => sleep(wait).await,
            Err(error) => {
                say(write, Said::Err(format!("ferryd: {error}\n").into_bytes())).await?;
                return Ok(STOPPED);
            }
        }
    }
    let terms = Terms { output: context.config.get().limits.command_output.0, empty_input: true };
    let mut command = Box::new(Command::new(&files, &words, terms));
    loop {
        if files.is_stopped() || !matches!(gate.standing(), Standing::Open | Standing::AccessChanged(_)) {
            return Ok(STOPPED);
        }
        let turn = Turns::next(&session.user.turns, &context.turns).await;
        let span = Span::current();
        let working = context.work.spawn_blocking(move || {
            let _on_every_line = span.entered();
            let said = work(&mut command);
            drop(turn);
            (command, said)
        });
        let said;
        (command, said) = match working.await {
            Ok(back) => back,
            Err(error) => {
                context.counters.panics.one();
                tracing::error!(%error, "a command panicked; only this command ends");
                return Ok(STOPPED);
            }
        };
        for said in said {
            if let Said::Exited(status) = said {
                return Ok(status);
            }
            say(write, said).await?;
        }
    }
}

/// Works until the turn is over, or a lot is written; returns what was written.
fn work(command: &mut Command) -> Vec<Said> {
    let (slice, mut written, mut all) = (Slice::begin(true), 0, Vec::new());
    while !slice.is_over() && written < AT_ONCE {
        match command.advance() {
            Step::Busy => {}
            Step::Item(said) => {
                written += match &said {
                    Said::Out(bytes) | Said::Err(bytes) => bytes.len(),
                    Said::Exited(_) => 0,
                };
                all.push(said);
            }
            Step::Last(said) => {
                all.push(said);
                break;
            }
        }
    }
    all
}

async fn say(write: &Writing, said: Said) -> Result<(), Error> {
    match said {
        Said::Out(bytes) => write.data_bytes(Bytes::from(bytes)).await,
        Said::Err(bytes) => write.extended_data_bytes(STANDARD_ERROR, Bytes::from(bytes)).await,
        Said::Exited(_) => Ok(()),
    }
}
