//! A TCP stream that reads in bursts, for a TLS layer that requests few bytes at a time.
//!
//! rustls requests 4 KiB to 16 KiB per read. One read of 256 KiB serves many of those. The buffer of a burst is
//! taken from the pool when bytes arrive and returned when they are consumed, so an idle connection holds none.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::pool::{Buffer, BufferPool};

/// The congestion controls that take loss for congestion, which are the defaults of Linux.
#[cfg(target_os = "linux")]
const BY_LOSS: [&[u8]; 2] = [b"cubic", b"reno"];

/// Sends with BBR instead of a default that slows down at every lost packet, where the system permits that to everybody. What an
/// administrator has chosen otherwise stays.
pub fn prefer_bbr(tcp: &TcpStream) {
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(tcp);
        let present = socket.tcp_congestion().unwrap_or_default();
        if BY_LOSS.contains(&present.trim_ascii_end().split(|byte| *byte == 0).next().unwrap_or_default()) {
            // Not permitted: the default works too.
            let _ = socket.set_tcp_congestion(b"bbr");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = tcp;
}

/// Bytes read from the socket at a time.
const BURST: usize = 256 << 10;

/// A [`TcpStream`] that reads in large bursts into pooled buffers; writes pass through.
#[derive(Debug)]
pub struct BurstStream {
    tcp: TcpStream,
    pool: BufferPool,
    burst: Option<(Buffer, usize)>,
}

impl BurstStream {
    /// Wraps `tcp`; bursts take their buffers from `pool`.
    #[must_use]
    pub fn new(tcp: TcpStream, pool: BufferPool) -> Self {
        Self { tcp, pool, burst: None }
    }

    /// The underlying stream.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

impl AsyncRead for BurstStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some((buffer, start)) = &mut self.burst {
                let rest = &buffer[*start..];
                if !rest.is_empty() {
                    let count = rest.len().min(out.remaining());
                    out.put_slice(&rest[..count]);
                    *start += count;
                    return Poll::Ready(Ok(()));
                }
            }
            if out.remaining() >= BURST {
                self.burst = None;
                return Pin::new(&mut self.tcp).poll_read(cx, out);
            }
            match self.tcp.poll_read_ready(cx) {
                Poll::Pending => {
                    self.burst = None;
                    return Poll::Pending;
                }
                Poll::Ready(result) => result?,
            }
            let (mut buffer, _) = self.burst.take().unwrap_or_else(|| (self.pool.take(), 0));
            buffer.clear();
            buffer.reserve(BURST);
            match self.tcp.try_read_buf(&mut *buffer) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(_) => self.burst = Some((buffer, 0)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for BurstStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn bytes_arrive_unchanged_whatever_the_read_size() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let here = listener.accept().await.unwrap().0;
        let data: Vec<u8> = (0..3_000_000u32).map(|i| (i / 3).to_le_bytes()[0]).collect();
        let sending = async {
            there.write_all(&data).await.unwrap();
            there.shutdown().await.unwrap();
        };
        let receiving = async {
            let mut stream = BurstStream::new(here, BufferPool::new(2));
            let mut got = Vec::new();
            for size in (1..).map(|n: usize| n * 7919 % 600_000) {
                let mut part = vec![0; size];
                let count = stream.read(&mut part).await.unwrap();
                if count == 0 && size > 0 {
                    break;
                }
                got.extend_from_slice(&part[..count]);
            }
            got
        };
        let got = tokio::join!(sending, receiving).1;
        assert!(got == data);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn bbr_replaces_what_slows_down_at_every_loss_where_that_is_permitted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = socket2::SockRef::from(&tcp);
        let allowed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control").unwrap();
        let expected = if allowed.split_whitespace().any(|name| name == "bbr") { "bbr" } else { "reno" };
        // Everybody may choose reno.
        socket.set_tcp_congestion(b"reno").unwrap();
        prefer_bbr(&tcp);
        let chosen = String::from_utf8(socket.tcp_congestion().unwrap()).unwrap();
        assert_eq!(chosen.trim_end_matches('\0'), expected);
    }
}
