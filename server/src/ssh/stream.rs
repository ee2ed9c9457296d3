//! The stream below SSH: it ends on demand, and carries little before the login.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use ferry_shared::socket::BurstStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    bandwidth::{Direction, Pace},
    paced::PacedStream,
};

/// Bytes that a peer may send before it has logged in: a key exchange, and many offers of large keys.
const BEFORE_LOGIN: u64 = 64 << 10;

/// A paced TCP stream for russh, which owns it and cannot be told to drop it.
#[derive(Debug)]
pub(super) struct Stream {
    inner: PacedStream<BurstStream>,
    received: Arc<AtomicU64>,
    logged_in: Arc<AtomicBool>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Stream {
    /// Fails once `cut` is cancelled, or if the peer sends too much before `logged_in` is set.
    pub(super) fn new(tcp: BurstStream, pace: &Arc<Pace>, logged_in: Arc<AtomicBool>, cut: CancellationToken) -> Self {
        Self {
            inner: PacedStream::new(tcp, Arc::clone(pace)),
            received: Arc::clone(pace.meter(Direction::Up)),
            logged_in,
            cut: Box::pin(cut.cancelled_owned()),
        }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !self.logged_in.load(Ordering::Acquire) && self.received.load(Ordering::Relaxed) > BEFORE_LOGIN {
            return Err(io::Error::other("too many bytes before login"));
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_read(cx, out)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
