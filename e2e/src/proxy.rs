//! A proxy between client and server that counts bytes and fails on command.
//!
//! Faults occur after a number of bytes, never after a time, so that a test meets the same state on every machine.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
};

use crate::{sockets, wait};

/// Bytes forwarded at a time.
const CHUNK: usize = 32 << 10;

/// The direction of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Up = 0,
    /// From the server to the client.
    Down = 1,
}

/// The fault when the allowance of a direction is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Bytes in that direction are held back until [`Proxy::release`]; connections stay open.
    Hold,
    /// Every connection is reset, as if a cable was pulled and plugged in again; later connections work.
    Reset,
    /// Every connection is closed in an orderly way, in the middle of its data.
    Close,
}

#[derive(Debug, Clone, Copy)]
struct Gate {
    left: u64,
    then: Then,
    tripped: bool,
}

const OPEN: Gate = Gate { left: u64::MAX, then: Then::Hold, tripped: false };

#[derive(Debug)]
struct ProxyState {
    target: SocketAddr,
    gates: [Gate; 2],
    counted: [u64; 2],
    chunks: [u64; 2],
    /// The total number of connections.
    connections: u64,
    live: u64,
    refusing: bool,
    delay: Duration,
    /// The counter grows when all connections must end; the other field tells how.
    end: (u64, Then),
}

/// The proxy. It ends with the test that holds its last clone.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: SocketAddr,
    shared: Shared,
    _stop: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Clone)]
struct Shared {
    state: Arc<Mutex<ProxyState>>,
    /// Notifies waiting pumps of changes of the state.
    bell: watch::Sender<()>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, ProxyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// A proxy to `target` on a port of its own.
    ///
    /// # Panics
    /// If no port is available.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        let state = ProxyState {
            target,
            gates: [OPEN; 2],
            counted: [0; 2],
            chunks: [0; 2],
            connections: 0,
            live: 0,
            refusing: false,
            delay: Duration::ZERO,
            end: (0, Then::Reset),
        };
        let shared = Shared { state: Arc::new(Mutex::new(state)), bell: watch::Sender::new(()) };
        let (stop, mut stopped) = watch::channel(false);
        let (tell, told) = mpsc::channel();
        let accepting = shared.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
                tell.send(listener.local_addr().expect("bound")).expect("the maker waits");
                tokio::select! {
                    () = accept(listener, accepting) => {}
                    _ = stopped.wait_for(|stop| *stop) => {}
                }
            });
        });
        let address = told.recv().expect("the proxy starts");
        Self { address, shared, _stop: Arc::new(stop) }
    }

    /// The address to which clients must connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes forwarded in this direction since the start or [`Proxy::reset_counters`].
    #[must_use]
    pub fn counted(&self, direction: Direction) -> u64 {
        self.shared.lock().counted[direction as usize]
    }

    /// How many chunks of bytes were picked up in this direction. With a [`Proxy::delay`], this tells how often a
    /// side had to wait: bytes that are sent without waiting accumulate and travel together.
    #[must_use]
    pub fn chunks(&self, direction: Direction) -> u64 {
        self.shared.lock().chunks[direction as usize]
    }

    /// Starts counting bytes, chunks and connections again.
    pub fn reset_counters(&self) {
        let mut state = self.shared.lock();
        state.counted = [0; 2];
        state.chunks = [0; 2];
        state.connections = 0;
    }

    /// Connections made since the start or [`Proxy::reset_counters`].
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.lock().connections
    }

    /// Lets `bytes` more pass in this direction, over all connections together, and then does `then`.
    pub fn after(&self, direction: Direction, bytes: u64, then: Then) {
        self.shared.lock().gates[direction as usize] = Gate { left: bytes, then, tripped: false };
        self.shared.bell.send_replace(());
    }

    /// Whether the fault set by [`Proxy::after`] has occurred.
    #[must_use]
    pub fn tripped(&self, direction: Direction) -> bool {
        self.shared.lock().gates[direction as usize].tripped
    }

    /// Waits until the fault set by [`Proxy::after`] has occurred. If bytes are held, this also waits until the
    /// server has read the bytes that were forwarded: sockets may hold 32 MiB, and the amount depends on the
    /// machine.
    pub fn wait_tripped(&self, direction: Direction) {
        wait::until(&format!("the fault in direction {direction:?}"), || self.tripped(direction));
        let (target, then) = {
            let state = self.shared.lock();
            (state.target, state.gates[direction as usize].then)
        };
        if direction == Direction::Up && then == Then::Hold {
            wait::until("the server to read the forwarded bytes", || sockets::in_flight(target) == 0);
        }
    }

    /// Removes all faults and forwards held bytes.
    pub fn release(&self) {
        let mut state = self.shared.lock();
        state.gates = [OPEN; 2];
        state.refusing = false;
        drop(state);
        self.shared.bell.send_replace(());
    }

    /// Resets every connection now.
    pub fn cut(&self) {
        let mut state = self.shared.lock();
        state.end = (state.end.0 + 1, Then::Reset);
        drop(state);
        self.shared.bell.send_replace(());
    }

    /// Resets every connection, and new ones too, until [`Proxy::release`].
    pub fn unplug(&self) {
        self.shared.lock().refusing = true;
        self.cut();
    }

    /// Delays every chunk of bytes in both directions.
    pub fn delay(&self, delay: Duration) {
        self.shared.lock().delay = delay;
    }

    /// Waits until no connection is open.
    pub fn wait_idle(&self) {
        wait::until("all connections to close", || self.shared.lock().live == 0);
    }
}

async fn accept(listener: TcpListener, shared: Shared) {
    while let Ok((client, _)) = listener.accept().await {
        let target = {
            let mut state = shared.lock();
            state.connections += 1;
            state.target
        };
        if shared.lock().refusing {
            let _ = client.set_zero_linger();
            continue;
        }
        let shared = shared.clone();
        tokio::spawn(async move {
            shared.lock().live += 1;
            if let Ok(server) = TcpStream::connect(target).await {
                carry(client, server, &shared).await;
            } else {
                let _ = client.set_zero_linger();
            }
            shared.lock().live -= 1;
        });
    }
}

/// Forwards bytes in both directions until both are done or the connection must end.
async fn carry(mut client: TcpStream, mut server: TcpStream, shared: &Shared) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let born = shared.lock().end.0;
    let mut bell = shared.bell.subscribe();
    let ended = async {
        loop {
            let (age, how) = shared.lock().end;
            if age != born || bell.changed().await.is_err() {
                return how;
            }
        }
    };
    let how = {
        let (client_in, client_out) = client.split();
        let (server_in, server_out) = server.split();
        let up = pump(Direction::Up, client_in, server_out, shared);
        let down = pump(Direction::Down, server_in, client_out, shared);
        tokio::select! {
            biased;
            how = ended => how,
            _ = async { tokio::join!(up, down) } => Then::Close,
        }
    };
    if how == Then::Reset {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Forwards bytes in one direction, within the gate's allowance.
async fn pump(direction: Direction, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, shared: &Shared) {
    let mut buffer = vec![0; CHUNK];
    let mut bell = shared.bell.subscribe();
    loop {
        let allowed = shared.lock().gates[direction as usize].left;
        if allowed == 0 {
            if bell.changed().await.is_err() {
                return;
            }
            continue;
        }
        let most = usize::try_from(allowed).unwrap_or(CHUNK).min(CHUNK);
        let got = tokio::select! {
            got = from.read(&mut buffer[..most]) => got,
            rung = bell.changed() => if rung.is_ok() { continue } else { return },
        };
        let Ok(count @ 1..) = got else {
            let _ = to.shutdown().await;
            return;
        };
        let delay = shared.lock().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let written = to.write_all(&buffer[..count]).await;
        spend(direction, count as u64, shared);
        if written.is_err() {
            return;
        }
    }
}

/// Counts forwarded bytes, and triggers the planned fault when the allowance of a direction is used up.
fn spend(direction: Direction, count: u64, shared: &Shared) {
    let mut state = shared.lock();
    state.counted[direction as usize] += count;
    state.chunks[direction as usize] += 1;
    let gate = &mut state.gates[direction as usize];
    if gate.left == u64::MAX {
        return;
    }
    gate.left = gate.left.saturating_sub(count);
    if gate.left > 0 || gate.tripped {
        return;
    }
    let then = gate.then;
    gate.tripped = true;
    if then != Then::Hold {
        gate.left = u64::MAX;
        state.end = (state.end.0 + 1, then);
    }
    drop(state);
    shared.bell.send_replace(());
}
