//! The data that a peer sends on one channel, until the service behind it reads it.
//!
//! russh stops reading the whole connection while a channel's queue of messages is full, and with it the messages
//! that let the server send again. So the queue is emptied here at once, up to a limit in bytes instead of messages.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};

/// Bytes of one channel that may wait.
const MOST: usize = 512 << 10;
/// The least that a message counts, for its overhead.
const LEAST: usize = 64;

/// A message, and its share of the limit.
type Piece = (Bytes, OwnedSemaphorePermit);

/// The reading end.
#[derive(Debug)]
pub(super) struct Inbox {
    pieces: mpsc::Receiver<Piece>,
    current: Option<Piece>,
}

/// The end that fills it.
#[derive(Debug)]
pub(super) struct Feed {
    pieces: Option<mpsc::Sender<Piece>>,
    room: Arc<Semaphore>,
}

/// An empty inbox.
pub(super) fn inbox() -> (Inbox, Feed) {
    let (sender, receiver) = mpsc::channel(MOST / LEAST);
    let feed = Feed { pieces: Some(sender), room: Arc::new(Semaphore::new(MOST)) };
    (Inbox { pieces: receiver, current: None }, feed)
}

impl Feed {
    /// Moves data from the channel until the peer closes it or the connection is over.
    pub(super) async fn run(mut self, mut channel: ChannelReadHalf) {
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Data { data }) => self.push(data).await,
                Some(ChannelMsg::Eof) => self.pieces = None,
                Some(ChannelMsg::Close) | None => return,
                Some(_) => {}
            }
        }
    }

    async fn push(&mut self, data: Bytes) {
        let Some(pieces) = &self.pieces else { return };
        let cost = u32::try_from(data.len().clamp(LEAST, MOST)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let Ok(share) = Arc::clone(&self.room).acquire_many_owned(cost).await else { return };
        if !data.is_empty() && pieces.send((data, share)).await.is_err() {
            self.pieces = None;
        }
    }
}

impl AsyncRead for Inbox {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (mut data, share) = match self.current.take() {
            Some(piece) => piece,
            None => match ready!(self.pieces.poll_recv(cx)) {
                Some(piece) => piece,
                None => return Poll::Ready(Ok(())),
            },
        };
        let count = data.len().min(out.remaining());
        out.put_slice(&data[..count]);
        data.advance(count);
        if !data.is_empty() {
            self.current = Some((data, share));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{io::AsyncReadExt as _, time::timeout};

    use super::*;

    /// How many of these messages fit before somebody reads.
    async fn fitting(message: &'static [u8]) -> usize {
        let (_inbox, mut feed) = inbox();
        for count in 0.. {
            if timeout(Duration::from_millis(50), feed.push(Bytes::from_static(message))).await.is_err() {
                return count;
            }
        }
        unreachable!()
    }

    #[tokio::test(start_paused = true)]
    async fn it_holds_many_small_messages_and_few_large_ones() {
        assert_eq!(fitting(b"a request").await, MOST / LEAST);
        assert_eq!(fitting(&[7; 256 << 10]).await, 2);
        assert_eq!(fitting(&[7; 2 * MOST]).await, 1, "one of any size can pass");
    }

    #[tokio::test]
    async fn what_is_read_makes_room_and_arrives_in_order() {
        let (mut inbox, mut feed) = inbox();
        let pushed = async {
            for part in [&b"one "[..], b"", b"two "] {
                feed.push(Bytes::from_static(part)).await;
            }
            for _ in 0..3 {
                feed.push(Bytes::from(vec![b'x'; MOST])).await;
            }
            drop(feed);
        };
        let mut all = Vec::new();
        let (_, read) = tokio::join!(pushed, inbox.read_to_end(&mut all));
        assert_eq!(read.unwrap(), 8 + 3 * MOST);
        assert!(all.starts_with(b"one two xx"));
    }
}
