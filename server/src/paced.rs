//! A stream whose bytes are limited by a [`Pace`]; without a limit they pass through.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take},
    time::{Sleep, sleep},
};

use crate::bandwidth::{Direction, Pace};

/// The maximum number of bytes per step under a limit: low rates get many small steps instead of bursts.
const CHUNK: u64 = 256 << 10;
/// Steps per second, at rates that need smaller steps.
const STEPS: u64 = 8;

/// `S` with a rate limit.
#[derive(Debug)]
pub(crate) struct PacedStream<S> {
    /// The limit of `Take` is set anew for each read.
    stream: Take<S>,
    pace: Arc<Pace>,
    reading: Waiting,
    writing: Waiting,
}

/// The time until which nothing more moves.
#[derive(Debug, Default)]
struct Waiting(Option<Pin<Box<Sleep>>>);

impl Waiting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.0 {
            ready!(sleep.as_mut().poll(cx));
            self.0 = None;
        }
        Poll::Ready(())
    }

    fn begin(&mut self, wait: Duration) {
        self.0 = (!wait.is_zero()).then(|| Box::pin(sleep(wait)));
    }
}

impl<S: AsyncRead + Unpin> PacedStream<S> {
    pub(crate) fn new(stream: S, pace: Arc<Pace>) -> Self {
        Self { stream: stream.take(0), pace, reading: Waiting::default(), writing: Waiting::default() }
    }

    /// The maximum number of bytes that may move at once; `None` without a limit.
    fn step(&self, direction: Direction) -> Option<u64> {
        Some((self.pace.rate(direction)? / STEPS).clamp(1, CHUNK))
    }

    fn inner(&mut self) -> Pin<&mut S> {
        Pin::new(self.stream.get_mut())
    }

    fn wrote(&mut self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        if let Ok(count) = result {
            self.writing.begin(self.pace.took(Direction::Down, count));
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.reading.poll(cx));
        let step = self.step(Direction::Up).unwrap_or(u64::MAX);
        self.stream.set_limit(step);
        let before = out.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, out))?;
        let wait = self.pace.took(Direction::Up, out.filled().len() - before);
        self.reading.begin(wait);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.writing.poll(cx));
        let step = self.step(Direction::Down).and_then(|step| usize::try_from(step).ok());
        let step = step.unwrap_or(usize::MAX).min(bytes.len());
        let result = ready!(self.inner().poll_write(cx, &bytes[..step]));
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.writing.poll(cx));
        if self.step(Direction::Down).is_some() {
            let first = bytes.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| &**slice);
            return self.poll_write(cx, first);
        }
        let result = ready!(self.inner().poll_write_vectored(cx, bytes));
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}
