//! SFTP: translates its requests to calls on `files`. It knows no SSH: a channel is a stream of bytes.
//!
//! Reading and writing stay on the async threads; the work runs on a blocking thread, which is held only while there
//! is work. Requests are carried out in their order, except that long ones let others go first.

mod answers;
mod attributes;
mod channel;
mod listing;
mod opened;
mod requests;
mod status;
mod task;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use ferry_shared::{
    pool::Buffer,
    sftp::{PACKET_MAX, Packet},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    pin,
    sync::mpsc,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use self::channel::{Batch, Channel, Need};
use crate::{
    connections::ConnectionInfo,
    context::Context,
    files::Files,
    patience::{Activity, patient},
    scheduler::Turns,
    visit::Visit,
};

/// Batches of packets between reader and worker.
const BATCHES: usize = 1;
/// Buffers between worker and writer.
const BUFFERS: usize = 2;
/// The buffer of a peer that sends little, and the one of a peer that sends a lot. There are no sizes between them:
/// the allocator would keep some memory for each, on each thread.
const SMALL: usize = 16 << 10;
const LARGE: usize = 320 << 10;
const _: () = assert!(LARGE >= PACKET_MAX + SMALL);
/// How long nothing must happen before memory of open files is freed.
const REST: Duration = Duration::from_secs(1);

/// Serves one SFTP channel until the peer closes it or the session ends.
pub(crate) async fn serve<S>(visit: Visit, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let Visit { context, session, gate, peer } = visit;
    let connection = context.connections.of(&session, peer);
    let connection = connection.unwrap_or_else(|| Arc::new(ConnectionInfo::unlisted(Arc::clone(&session))));
    // Copies of present files end with the channel.
    let left = context.stop.child_token();
    let _at_the_end = left.clone().drop_guard();
    let (user, counters) = (Arc::clone(&session.user), Arc::clone(&context.counters));
    let files = Files::new(user, context.audit.clone(), counters, session.who(Some(peer)), left.clone());
    let channel = Channel::new(Arc::clone(&context), Arc::clone(&connection), gate, files);

    let (read, write) = tokio::io::split(stream);
    let (in_tx, in_rx) = mpsc::channel(BATCHES);
    let (out_tx, out_rx) = mpsc::channel(BUFFERS);
    let activity = Activity::default();
    let reading = receive(read, in_tx, &activity, &connection, &context);
    let working = work(channel, in_rx, out_tx, &activity, &left, &connection, &context);
    let writing = send(write, out_rx, &context);
    pin!(reading, working, writing);
    // The end of the work ends the reading; the writer then empties its queue.
    let (mut read_done, mut written) = (false, false);
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

/// Reads packets until the peer ends the stream, breaks the protocol or is silent for too long.
async fn receive<R: AsyncRead + Unpin>(
    mut reader: R,
    batches: mpsc::Sender<Batch>,
    activity: &Activity,
    connection: &ConnectionInfo,
    context: &Context,
) {
    let (mut buffer, mut is_busy) = (BytesMut::new(), false);
    let received = AtomicU64::new(0);
    loop {
        // Packets that are being worked on keep their memory.
        if buffer.is_empty() && !is_busy {
            buffer = BytesMut::with_capacity(SMALL);
        } else if buffer.capacity() - buffer.len() < SMALL {
            let mut fresh = BytesMut::with_capacity(LARGE);
            fresh.extend_from_slice(&buffer);
            buffer = fresh;
        }
        // Any byte of the connection is a sign of life.
        let meter = || received.load(Ordering::Relaxed).wrapping_add(connection.traffic().0);
        let patience = || activity.patience(context);
        match patient(reader.read_buf(&mut buffer), meter, patience, context).await {
            Some(Ok(count @ 1..)) => {
                received.fetch_add(count as u64, Ordering::Relaxed);
                is_busy = count >= SMALL;
            }
            Some(Ok(0)) => return,
            Some(Err(error)) => return tracing::debug!(%error, "channel lost"),
            None => return tracing::debug!("no sign of life for too long"),
        }
        let mut batch = Batch::new();
        let broken = loop {
            match Packet::take(&mut buffer) {
                Ok(Some(packet)) => batch.push(packet),
                Ok(None) => break false,
                Err(error) => {
                    tracing::debug!(%error, "the peer does not speak SFTP");
                    break true;
                }
            }
        };
        if (!batch.is_empty() && batches.send(batch).await.is_err()) || broken {
            return;
        }
    }
}

async fn work(
    channel: Channel,
    mut input: mpsc::Receiver<Batch>,
    output: mpsc::Sender<Buffer>,
    activity: &Activity,
    left: &CancellationToken,
    connection: &ConnectionInfo,
    context: &Context,
) {
    let mut changes = context.users.changes();
    // Changes since the login count too.
    changes.mark_changed();
    let ended = connection.session.ended.clone();
    let user = Arc::clone(&connection.session.user);
    let (mut turn, mut draining) = (None, false);
    let mut channel = Box::new(channel);
    loop {
        activity.set(Activity::BUSY);
        let (sender, span) = (output.clone(), Span::current());
        let its_turn = turn.take();
        let ran = tokio::task::spawn_blocking(move || {
            let _on_every_line = span.entered();
            let need = channel.run(&mut input, &sender);
            drop(its_turn);
            (channel, input, need)
        });
        let need;
        (channel, input, need) = match ran.await {
            Ok(back) => back,
            Err(error) => {
                context.counters.panics.one();
                tracing::error!(%error, "a channel's work panicked; only this channel ends");
                return;
            }
        };
        match need {
            Need::End => break,
            Need::Pause => {}
            Need::Turn => {
                tokio::select! {
                    biased;
                    next = Turns::next(&user.turns, &context.turns) => turn = next,
                    () = ended.cancelled() => {}
                }
                channel.give_turn();
            }
            Need::Later(wait) => tokio::select! {
                () = sleep(wait) => {}
                _ = changes.changed() => {}
                () = ended.cancelled() => {}
                () = left.cancelled() => {}
                () = context.drain.cancelled() => break,
            },
            Need::Room => tokio::select! {
                room = output.reserve() => if room.is_err() { break },
                _ = changes.changed() => {}
                () = ended.cancelled() => {}
            },
            Need::Input => {
                if draining && !channel.in_transfer() {
                    break;
                }
                activity.set(Activity::IDLE);
                tokio::select! {
                    next = input.recv() => match next {
                        Some(batch) => channel.push(batch),
                        None => channel.gone(),
                    },
                    // The gate checks the account; this only wakes an idle channel.
                    _ = changes.changed() => {}
                    () = ended.cancelled() => {}
                    () = context.drain.cancelled(), if !draining => draining = true,
                    () = sleep(REST) => channel.rest(),
                }
            }
        }
    }
    // Unfinished uploads are flushed now.
    if tokio::task::spawn_blocking(move || drop(channel)).await.is_err() {
        context.counters.panics.one();
    }
}

async fn send<W: AsyncWrite + Unpin>(mut writer: W, mut buffers: mpsc::Receiver<Buffer>, context: &Context) {
    let sent = AtomicU64::new(0);
    let patience = || Some(context.config.get().limits.stall());
    while let Some(buffer) = buffers.recv().await {
        let sending = async {
            let mut rest = &buffer[..];
            while !rest.is_empty() {
                let count = writer.write(rest).await?;
                sent.fetch_add(count as u64, Ordering::Relaxed);
                if count == 0 {
                    return Err(std::io::ErrorKind::WriteZero.into());
                }
                rest = rest.get(count..).unwrap_or_default();
            }
            if buffers.is_empty() { writer.flush().await } else { Ok(()) }
        };
        match patient(sending, || sent.load(Ordering::Relaxed), patience, context).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return tracing::debug!(%error, "channel lost while sending"),
            None => return tracing::debug!("the peer does not read"),
        }
    }
    // The peer may be gone.
    let _ = writer.shutdown().await;
}

#[cfg(test)]
pub(crate) mod tests;
