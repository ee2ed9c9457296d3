//! Traffic after login: reading frames, work and writing frames run side by side until one of them ends.
//!
//! Reading and writing stay on the async threads; the work (disk, digests) runs on a blocking thread, which is held
//! only while there is work and never while waiting for the peer. So thousands of idle or slow connections cost no
//! thread.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use ferry_shared::{
    frame::Frame,
    link::{LinkError, LinkReader, LinkWriter},
    message::Notice,
    packing::Packing,
    pool::Buffer,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    pin,
    sync::mpsc,
    time::sleep,
};

use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::{
    bandwidth::{Direction, Pace},
    command::{Conversation, Input, Need},
    context::Context,
    patience::{Activity, patient},
    scheduler::Turns,
};

/// Batches of frames between reader and worker; each holds at most one large block.
const BATCHES: usize = 1;
/// Buffers between worker and writer.
const BUFFERS: usize = 2;

/// Serves requests until the peer leaves or breaks a rule, or the server drains.
pub(super) async fn run<R, W>(
    reader: &mut LinkReader<R>,
    writer: &mut LinkWriter<W>,
    conversation: Conversation,
    pace: &Pace,
    context: &Context,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (in_tx, in_rx) = mpsc::channel(BATCHES);
    let (out_tx, out_rx) = mpsc::channel(BUFFERS);
    let activity = Arc::new(Activity::default());
    let reading = read(reader, in_tx, pace, &activity, context);
    let left = CancellationToken::new();
    let link = conversation.packing().cloned();
    let working = work(conversation, in_rx, out_tx, &activity, &left, context);
    let writing = write(writer, out_rx, pace, link.as_deref(), context);
    pin!(reading, working, writing);
    // The end of the work ends the reading; the writer then empties its queue.
    let mut read_done = false;
    let mut written = false;
    loop {
        tokio::select! {
            () = &mut working => break,
            () = &mut reading, if !read_done => {
                read_done = true;
                left.cancel();
            }
            () = &mut writing, if !written => written = true,
        }
    }
    if !written {
        writing.await;
    }
}

async fn read<R: AsyncRead + Unpin>(
    reader: &mut LinkReader<R>,
    batches: mpsc::Sender<Input>,
    pace: &Pace,
    activity: &Activity,
    context: &Context,
) {
    loop {
        let patience = || activity.patience(context);
        let first =
            match patient(reader.next(), || pace.meter(Direction::Up).load(Ordering::Relaxed), patience, context).await
            {
                Some(Ok(Some(frame))) => frame,
                Some(Ok(None)) => return,
                Some(Err(LinkError::Frame(error))) => {
                    // The worker answers this in order; if the channel is closed, the work is over already.
                    let _ = batches.send(Input::Malformed(error.to_string())).await;
                    return;
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "connection lost");
                    return;
                }
                None => {
                    let _ = batches.send(Input::Silent).await;
                    return;
                }
            };
        let mut batch: Vec<Frame> = vec![first];
        let malformed = loop {
            match reader.buffered() {
                Ok(Some(frame)) => batch.push(frame),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        if batches.send(Input::Frames(batch)).await.is_err() {
            return;
        }
        if let Some(reason) = malformed {
            let _ = batches.send(Input::Malformed(reason)).await;
            return;
        }
    }
}

async fn work(
    conversation: Conversation,
    mut input: mpsc::Receiver<Input>,
    output: mpsc::Sender<Buffer>,
    activity: &Activity,
    left: &CancellationToken,
    context: &Context,
) {
    let mut changes = context.users.changes();
    // Changes since the login count too.
    changes.mark_changed();
    let ended = conversation.session().ended.clone();
    let connection = Arc::clone(conversation.connection());
    let user = Arc::clone(&conversation.session().user);
    let mut turn = None;
    let mut draining = false;
    let mut end_heard = false;
    let mut conversation = Box::new(conversation);
    loop {
        activity.set(Activity::BUSY);
        let (sender, span) = (output.clone(), Span::current());
        let its_turn = turn.take();
        let ran = tokio::task::spawn_blocking(move || {
            let _on_every_line = span.entered();
            let need = conversation.run(&mut input, &sender);
            drop(its_turn);
            (conversation, input, need)
        });
        let need;
        (conversation, input, need) = match ran.await {
            Ok(back) => back,
            Err(error) => {
                context.counters.panics.one();
                tracing::error!(%error, "a connection's work panicked; only this connection ends");
                return;
            }
        };
        match need {
            Need::End => return,
            Need::Pause => {}
            Need::Turn => {
                tokio::select! {
                    biased;
                    next = Turns::next(&user.turns, &context.turns) => turn = next,
                    () = left.cancelled() => return,
                }
                conversation.give_turn();
            }
            Need::Later(wait) => tokio::select! {
                () = sleep(wait) => {}
                _ = changes.changed() => {}
                () = ended.cancelled(), if !end_heard => end_heard = true,
                () = left.cancelled() => return,
                () = context.drain.cancelled() => return,
            },
            // Do not delay a change of the account until a slow peer makes room: it may end a long reply, or change
            // its rate.
            Need::Room => tokio::select! {
                room = output.reserve() => if room.is_err() { return },
                _ = changes.changed() => {}
                () = ended.cancelled(), if !end_heard => end_heard = true,
            },
            Need::Input => {
                let in_transfer = conversation.in_transfer();
                if draining && !in_transfer {
                    return;
                }
                activity.set(if in_transfer { Activity::TRANSFER } else { Activity::IDLE });
                tokio::select! {
                    next = input.recv() => match next {
                        Some(next) => conversation.push(next),
                        None => conversation.push(Input::Gone),
                    },
                    // The gate checks the generation; this only wakes an idle connection.
                    _ = changes.changed() => conversation.push(Input::AccountChanged),
                    () = ended.cancelled() => conversation.push(Input::AccountChanged),
                    // The conversation takes the message when it continues.
                    () = connection.woken.notified() => {}
                    () = context.drain.cancelled(), if !draining => {
                        draining = true;
                        let seconds = if in_transfer { context.config.get().limits.drain().as_secs() } else { 0 };
                        conversation.notify(Notice::Closing { reason: context.why_it_ends(), seconds });
                    }
                }
            }
        }
    }
}

async fn write<W: AsyncWrite + Unpin>(
    writer: &mut LinkWriter<W>,
    mut buffers: mpsc::Receiver<Buffer>,
    pace: &Pace,
    link: Option<&Packing>,
    context: &Context,
) {
    let patience = || Some(context.config.get().limits.stall());
    while let Some(buffer) = buffers.recv().await {
        let begun = Instant::now();
        let sending = async {
            writer.write(&buffer).await?;
            if buffers.is_empty() { writer.flush().await } else { Ok(()) }
        };
        let meter = || pace.meter(Direction::Down).load(Ordering::Relaxed);
        match patient(sending, meter, patience, context).await {
            Some(Ok(())) => {
                if let Some(link) = link {
                    link.sent(buffer.len(), begun.elapsed());
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "connection lost while sending");
                return;
            }
            None => {
                tracing::debug!("the peer does not read");
                return;
            }
        }
    }
}
