//! A peer that speaks SSH and SFTP by hand, for what OpenSSH's clients do not do.
//!
//! It trusts any server, because it is the server that is tested.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use bytes::{Bytes, BytesMut};
use ferry_shared::sftp::{Hello, OpenFlags, Packet, Reply, Request};
use russh::{
    ChannelStream, Error,
    client::{self, AuthResult, DisconnectReason, Handle, Msg},
    keys::PublicKeyOrCertificate,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::peer::tcp_from;

/// How long a peer waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the door of SFTP.
pub struct SshPeer {
    handle: Handle<Trusting>,
    last_words: LastWords,
}

type LastWords = Arc<Mutex<Option<String>>>;

impl SshPeer {
    /// Completes the key exchange.
    ///
    /// # Errors
    /// If the server does not accept the connection.
    pub async fn connect(server: SocketAddr) -> Result<Self> {
        Self::over(timeout(PATIENCE, TcpStream::connect(server)).await??).await
    }

    /// The same from another address of this machine.
    ///
    /// # Errors
    /// If the server does not accept the connection.
    pub async fn connect_from(from: IpAddr, server: SocketAddr) -> Result<Self> {
        Self::over(tcp_from(from, server).await?).await
    }

    async fn over(tcp: TcpStream) -> Result<Self> {
        let last_words = LastWords::default();
        let trusting = Trusting(Arc::clone(&last_words));
        let handle = timeout(PATIENCE, client::connect_stream(Arc::default(), tcp, trusting)).await??;
        Ok(Self { handle, last_words })
    }

    /// Tries a password; `false` if it is refused, after which the server may end the connection.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn try_password(&mut self, user: &str, password: &str) -> Result<bool> {
        let tried = timeout(PATIENCE, self.handle.authenticate_password(user, password));
        Ok(matches!(tried.await.context("the server says nothing")??, AuthResult::Success))
    }

    /// The message with which the server ends the connection.
    ///
    /// # Errors
    /// If it does not.
    pub async fn last_words(&mut self) -> Result<String> {
        // An error is the usual end.
        let _ = timeout(PATIENCE, &mut self.handle).await.context("the connection stays")?;
        let told = self.last_words.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(told.unwrap_or_default())
    }

    /// Opens a channel for SFTP.
    ///
    /// # Errors
    /// If the server refuses it.
    pub async fn sftp(&self) -> Result<SftpPeer> {
        let channel = timeout(PATIENCE, self.handle.channel_open_session()).await??;
        channel.request_subsystem(false, "sftp").await?;
        let mut peer = SftpPeer { stream: channel.into_stream(), received: BytesMut::new(), last: 0 };
        let mut bytes = Vec::new();
        Hello::with(&[]).put_init(&mut bytes)?;
        peer.stream.write_all(&bytes).await?;
        peer.packet().await?;
        Ok(peer)
    }
}

/// A channel on which SFTP is spoken.
pub struct SftpPeer {
    stream: ChannelStream<Msg>,
    received: BytesMut,
    last: u32,
}

impl SftpPeer {
    async fn packet(&mut self) -> Result<Packet> {
        loop {
            if let Some(packet) = Packet::take(&mut self.received)? {
                return Ok(packet);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.received));
            if read.await.context("the server says nothing")?? == 0 {
                bail!("the server closed the channel");
            }
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn send(&mut self, request: &Request) -> Result<()> {
        self.last = self.last.wrapping_add(1);
        let mut bytes = Vec::new();
        request.put(&mut bytes, self.last)?;
        Ok(timeout(PATIENCE, self.stream.write_all(&bytes)).await.context("the server takes no bytes")??)
    }

    /// The next reply.
    ///
    /// # Errors
    /// If nothing arrives.
    pub async fn reply(&mut self) -> Result<Reply> {
        Ok(Reply::decode(self.packet().await?)?.1)
    }

    /// Opens a file that is written from its beginning; returns its handle.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn create(&mut self, path: &str) -> Result<Bytes> {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let path = Bytes::copy_from_slice(path.as_bytes());
        self.send(&Request::Open { path, flags, attributes: ferry_shared::sftp::Attributes::default() }).await?;
        match self.reply().await? {
            Reply::Handle(handle) => Ok(handle),
            other => bail!("expected a handle, got {other:?}"),
        }
    }
}

/// Trusts every server, and remembers its last words.
struct Trusting(LastWords);

impl client::Handler for Trusting {
    type Error = Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Error> {
        Ok(true)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Error>) -> Result<(), Error> {
        if let DisconnectReason::ReceivedDisconnect(info) = reason {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.message);
        }
        Ok(())
    }
}
