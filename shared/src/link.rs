//! Frames over any async stream: messages are never merged or split.
//!
//! Reading uses a look-ahead buffer that grows with the arriving data and shrinks when little arrives, so that an
//! idle connection uses little memory. A large block is read directly into a pooled buffer. Writing takes bytes
//! that are already frames, so they may be created by a thread that does nothing but read a disk.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::{
    frame::{self, Frame, FrameError, FrameKind, Header, Payload, Phase},
    limits::{HEADER_LEN, INDEX_LEN},
    pool::BufferPool,
};

/// The look-ahead of a connection with little incoming data.
const SMALL: usize = 4 << 10;
/// The look-ahead of a connection with much incoming data.
const LARGE: usize = 64 << 10;
/// Blocks from this length on get a separate buffer.
const OWN_BUFFER: usize = 64 << 10;
/// Bytes passed to the stream at a time. Encrypted bytes are then sent while they are in cache, and the buffers of
/// TLS stay below 128 KiB: above that size the allocator returns freed memory to the system, only to request it
/// again for the next block.
const WRITE_CHUNK: usize = 80 << 10;

/// The reason why no more frames arrive.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The stream failed.
    #[error("connection lost: {0}")]
    Io(io::Error),
    /// The peer does not speak the protocol.
    #[error("protocol error: {0}")]
    Frame(#[from] FrameError),
    /// The stream ended inside a frame, or without the closing message of TLS.
    #[error("connection lost: it was cut")]
    Cut,
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Cut } else { Self::Io(error) }
    }
}

/// The reading half of a connection.
#[derive(Debug)]
pub struct LinkReader<R> {
    stream: R,
    ahead: BytesMut,
    want: usize,
    phase: Phase,
    pool: BufferPool,
    received: Arc<AtomicU64>,
}

impl<R: AsyncRead + Unpin> LinkReader<R> {
    /// Reads frames from `stream`, in the phase before login.
    pub fn new(stream: R, pool: BufferPool) -> Self {
        Self { stream, ahead: BytesMut::new(), want: SMALL, phase: Phase::BeforeLogin, pool, received: Arc::default() }
    }

    /// Sets the phase, which determines the limits for the peer's frames.
    pub fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Bytes read from the stream so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// The counter behind [`received`](Self::received), to be observed during a read.
    pub fn meter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// The underlying stream; look-ahead that was already read from it is lost.
    pub fn into_inner(self) -> R {
        self.stream
    }

    /// The next frame; `None` if the peer closed the connection between two frames.
    ///
    /// Cancelling loses nothing except inside a large block: the bytes already read of it are gone, and the
    /// connection cannot be used any more.
    ///
    /// # Errors
    /// [`LinkError`]; the connection cannot be used any more.
    pub async fn next(&mut self) -> Result<Option<Frame>, LinkError> {
        self.next_observed(&mut |_, _| ()).await
    }

    /// Like [`next`](Self::next), but passes the index and the bytes of a large block to `arriving` as they
    /// arrive.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub async fn next_observed(
        &mut self,
        arriving: &mut (dyn FnMut(u64, usize) + Send),
    ) -> Result<Option<Frame>, LinkError> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(Some(frame));
            }
            if let Some(header) = self.large_block()? {
                return self.read_large(header, arriving).await.map(Some);
            }
            if self.fill().await? == 0 {
                return if self.ahead.is_empty() { Ok(None) } else { Err(LinkError::Cut) };
            }
        }
    }

    /// The next frame, if it has already arrived completely.
    ///
    /// # Errors
    /// [`LinkError::Frame`].
    pub fn buffered(&mut self) -> Result<Option<Frame>, LinkError> {
        let Some(header) = self.ahead.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let header = Header::parse(*header, self.phase)?;
        if self.ahead.len() < HEADER_LEN + header.length {
            return Ok(None);
        }
        self.ahead.advance(HEADER_LEN);
        Ok(Some(frame::assemble(header.kind, self.ahead.split_to(header.length).freeze())?))
    }

    /// The kind and length of the next block or delta, if its header has arrived and it is large enough for a separate buffer.
    fn large_block(&self) -> Result<Option<Header>, LinkError> {
        let Some(header) = self.ahead.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let header = Header::parse(*header, self.phase)?;
        let is_block = matches!(header.kind, FrameKind::Block | FrameKind::Delta);
        let large = is_block && header.length >= INDEX_LEN + OWN_BUFFER;
        let index_here = self.ahead.len() >= HEADER_LEN + INDEX_LEN;
        Ok((large && index_here).then(|| Header { length: header.length - INDEX_LEN, ..header }))
    }

    async fn read_large(
        &mut self,
        Header { kind, length }: Header,
        arriving: &mut (dyn FnMut(u64, usize) + Send),
    ) -> Result<Frame, LinkError> {
        self.ahead.advance(HEADER_LEN);
        let index = self.ahead.get_u64();
        let mut buffer = self.pool.take();
        let here = self.ahead.len().min(length);
        buffer.extend_from_slice(&self.ahead[..here]);
        self.ahead.advance(here);
        arriving(index, here);
        while buffer.len() < length {
            // Reserve the full length once a good part has arrived; until it is written, that is address space
            // only. Growing step by step would fragment the heap.
            let missing = length - buffer.len();
            if buffer.capacity() < length {
                let room = if buffer.len() < OWN_BUFFER { OWN_BUFFER } else { missing };
                buffer.reserve_exact(room);
            }
            let got = (&mut self.stream).take(missing as u64).read_buf(&mut *buffer).await?;
            if got == 0 {
                return Err(LinkError::Cut);
            }
            self.received.fetch_add(got as u64, Ordering::Relaxed);
            arriving(index, got);
        }
        let bytes = Payload::Pooled(buffer);
        Ok(if kind == FrameKind::Delta { Frame::Delta { index, steps: bytes } } else { Frame::Block { index, bytes } })
    }

    async fn fill(&mut self) -> Result<usize, LinkError> {
        if self.ahead.is_empty() && self.ahead.capacity() > self.want {
            self.ahead = BytesMut::new();
        }
        self.ahead.reserve(self.want);
        let got = self.stream.read_buf(&mut self.ahead).await?;
        self.received.fetch_add(got as u64, Ordering::Relaxed);
        self.want = (got * 2).clamp(SMALL, LARGE);
        Ok(got)
    }
}

/// The writing half of a connection.
#[derive(Debug)]
pub struct LinkWriter<W> {
    stream: W,
    sent: Arc<AtomicU64>,
}

impl<W: AsyncWrite + Unpin> LinkWriter<W> {
    /// Writes frames to `stream`.
    pub fn new(stream: W) -> Self {
        Self { stream, sent: Arc::default() }
    }

    /// Bytes written to the stream so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The counter behind [`sent`](Self::sent), to be observed during a write.
    pub fn meter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// Sends one message immediately.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn send(&mut self, message: &impl serde::Serialize) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        frame::put_message(&mut bytes, message)?;
        self.write(&bytes).await?;
        self.flush().await
    }

    /// Writes bytes that consist of whole frames; they may stay in the stream's buffer until
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    /// [`LinkError::Io`].
    pub async fn write(&mut self, frames: &[u8]) -> Result<(), LinkError> {
        for chunk in frames.chunks(WRITE_CHUNK) {
            self.stream.write_all(chunk).await?;
            self.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Flushes everything written to the peer.
    ///
    /// # Errors
    /// [`LinkError::Io`].
    pub async fn flush(&mut self) -> Result<(), LinkError> {
        Ok(self.stream.flush().await?)
    }

    /// Closes the stream in an orderly way, so that the peer can distinguish this from a lost connection.
    ///
    /// # Errors
    /// [`LinkError::Io`].
    pub async fn close(&mut self) -> Result<(), LinkError> {
        Ok(self.stream.shutdown().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Request;

    async fn sent(chunks: &[&[u8]]) -> LinkReader<io::Cursor<Vec<u8>>> {
        let mut reader = LinkReader::new(io::Cursor::new(chunks.concat()), BufferPool::new(1));
        reader.set_phase(Phase::LoggedIn);
        reader
    }

    fn block(index: u64, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        frame::put_block_head(&mut out, index, bytes.len()).unwrap();
        out.extend_from_slice(bytes);
        out
    }

    #[tokio::test]
    async fn small_and_large_blocks_arrive_whole_and_in_order() {
        let large: Vec<u8> = (0..1_u32 << 20).map(|i| i.to_le_bytes()[0]).collect();
        let mut reader = sent(&[&block(1, b"small"), &block(2, &large), &block(3, b"")]).await;
        for (number, expected) in [(1, &b"small"[..]), (2, &large), (3, b"")] {
            match reader.next().await.unwrap() {
                Some(Frame::Block { index, bytes }) => assert!(index == number && &bytes[..] == expected),
                other => panic!("{other:?}"),
            }
        }
        assert!(reader.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_bytes_of_a_large_block_are_told_as_they_arrive() {
        let (mut ours, theirs) = tokio::io::duplex(1 << 20);
        let mut reader = LinkReader::new(theirs, BufferPool::new(1));
        reader.set_phase(Phase::LoggedIn);
        let whole = block(7, &[1; 200_000]);
        let (told, mut so_far) = tokio::sync::mpsc::unbounded_channel();
        let reading = async {
            reader.next_observed(&mut |index, bytes| told.send((index, bytes)).unwrap()).await.unwrap().unwrap();
            drop(told);
        };
        let writing = async {
            let mut arrived = 0;
            for part in whole.chunks(whole.len() / 2) {
                ours.write_all(part).await.unwrap();
                let head = if arrived == 0 { HEADER_LEN + INDEX_LEN } else { 0 };
                let until = arrived + part.len() - head;
                while arrived < until {
                    let (index, bytes) = so_far.recv().await.unwrap();
                    assert_eq!(index, 7);
                    arrived += bytes;
                }
                assert_eq!(arrived, until);
            }
            assert_eq!((arrived, so_far.recv().await), (200_000, None));
        };
        tokio::join!(reading, writing);
    }

    #[tokio::test]
    async fn an_end_inside_a_frame_is_a_cut_and_between_frames_is_an_end() {
        let whole = block(0, &[1; 100_000]);
        for cut in [1, 3, 4, 11, 12, 500, 99_000] {
            let mut reader = sent(&[&whole[..cut]]).await;
            assert!(matches!(reader.next().await, Err(LinkError::Cut)), "{cut}");
        }
        assert!(sent(&[]).await.next().await.unwrap().is_none());
    }

    /// Reports the end of a stream without a closing message, as rustls does.
    struct Ended;

    impl AsyncRead for Ended {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
        }
    }

    #[tokio::test]
    async fn a_stream_without_a_closing_message_was_cut() {
        let mut reader = LinkReader::new(Ended, BufferPool::new(1));
        assert!(matches!(reader.next().await, Err(LinkError::Cut)));
    }

    #[tokio::test]
    async fn messages_written_byte_by_byte_are_still_messages() {
        let (ours, theirs) = tokio::io::duplex(1);
        let mut writer = LinkWriter::new(ours);
        let mut reader = LinkReader::new(theirs, BufferPool::new(1));
        let sending = async {
            for _ in 0..3 {
                writer.send(&Request::Ping).await.unwrap();
            }
            writer.close().await.unwrap();
        };
        let receiving = async {
            let mut count = 0;
            while let Some(frame) = reader.next().await.unwrap() {
                assert!(matches!(frame, Frame::Message(json) if &json[..] == b"\"ping\""));
                count += 1;
            }
            count
        };
        assert_eq!(tokio::join!(sending, receiving).1, 3);
    }

    #[tokio::test]
    async fn the_look_ahead_shrinks_when_little_arrives() {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (mut writer, mut reader) = (LinkWriter::new(ours), LinkReader::new(theirs, BufferPool::new(1)));
        let mut many = Vec::new();
        for _ in 0..50_000 {
            frame::put_message(&mut many, &Request::Ping).unwrap();
        }
        writer.write(&many).await.unwrap();
        for _ in 0..50_000 {
            reader.next().await.unwrap().unwrap();
        }
        assert!(reader.ahead.capacity() <= LARGE, "{}", reader.ahead.capacity());
        for _ in 0..2 {
            writer.send(&Request::Ping).await.unwrap();
            reader.next().await.unwrap().unwrap();
        }
        assert!(reader.ahead.capacity() <= SMALL, "{}", reader.ahead.capacity());
    }
}
