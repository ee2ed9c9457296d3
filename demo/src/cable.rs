//! A cable that can be cut: relays bytes between client and server until a number of bytes was sent.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The cable's state, shared with the tasks that forward its bytes.
#[derive(Debug, Default)]
struct CableState {
    /// Bytes sent to the server since the last call.
    up: AtomicU64,
    /// Bytes until the cut; negative if none is planned.
    left: AtomicI64,
}

/// A TCP relay on a port of its own; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Cable {
    /// The address to connect to.
    pub(crate) address: SocketAddr,
    state: Arc<CableState>,
    _tasks: JoinSet<()>,
}

impl Cable {
    /// Lays a cable to `server`.
    pub(crate) async fn lay(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(CableState { up: AtomicU64::new(0), left: AtomicI64::new(-1) });
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&state);
        tasks.spawn(async move {
            let mut wires = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                wires.spawn(wire(client, server, Arc::clone(&shared)));
            }
        });
        Ok(Self { address, state, _tasks: tasks })
    }

    /// Cuts the connection once, after `bytes` more were sent to the server.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.state.left.store(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Bytes sent to the server since the last call.
    pub(crate) fn bytes_up(&self) -> u64 {
        self.state.up.swap(0, Ordering::SeqCst)
    }
}

/// One connection through the cable. An error on either side ends it like a normal close.
async fn wire(client: TcpStream, server: SocketAddr, state: Arc<CableState>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    let up = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            let planned = state.left.load(Ordering::SeqCst);
            let count_signed = i64::try_from(count).unwrap_or(i64::MAX);
            if planned >= 0 && planned <= count_signed {
                state.left.store(-1, Ordering::SeqCst);
                return;
            }
            if planned > 0 {
                state.left.fetch_sub(count_signed, Ordering::SeqCst);
            }
            state.up.fetch_add(count as u64, Ordering::SeqCst);
            if to_server.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = down => {}
        () = up => {}
    }
}
