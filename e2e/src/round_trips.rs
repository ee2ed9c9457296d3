//! Counts the round trips of a command, by carrying its bytes step by step.
//!
//! The bytes of one side are passed on only when both programs wait for the network: everything that a program sends
//! without waiting for an answer travels together, as over a line with a long delay. No time is measured.

use std::{
    fs,
    io::{ErrorKind, Read, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{
    client::{Outcome, Running},
    server::Server,
    wait::PATIENCE,
};

/// Looks in a row at which both programs must be found waiting.
const LOOKS: u32 = 3;

/// The place where the bytes are carried.
#[derive(Debug)]
pub struct Relay {
    listener: TcpListener,
    server: SocketAddr,
    server_pid: u32,
}

/// A connection through the relay.
struct Carried {
    client: Side,
    server: Side,
    /// Whether its handshake has taken its round trip.
    is_open: bool,
}

/// One of its ends, with the bytes that it has sent.
struct Side {
    stream: TcpStream,
    sent: Vec<u8>,
    ended: bool,
    /// Whether the other side knows of the end.
    end_told: bool,
}

impl Relay {
    /// A relay to `server`, on a port of its own.
    ///
    /// # Panics
    /// If no port is available, or the server does not run.
    #[must_use]
    pub fn to(server: &Server) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        Self { listener, server: server.address(), server_pid: server.pid() }
    }

    /// The address to which the command must connect.
    ///
    /// # Panics
    /// Never: it is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("bound")
    }

    /// Carries the bytes of `running` until it ends. Returns its round trips, with one for the handshake of TCP.
    ///
    /// # Panics
    /// If it takes too long.
    #[must_use]
    pub fn carry(&self, mut running: Running) -> (Outcome, u32) {
        let mut connections: Vec<Carried> = Vec::new();
        let (mut trips, mut looks) = (0, 0);
        let end = Instant::now() + PATIENCE;
        while !running.ended() {
            assert!(Instant::now() < end, "after {trips} round trips in {} connections", connections.len());
            let waiting = is_waiting(running.pid()) && is_waiting(self.server_pid);
            let news = self.collect(&mut connections);
            looks = if waiting && !news { looks + 1 } else { 0 };
            if looks < LOOKS {
                thread::park_timeout(Duration::from_millis(1));
                continue;
            }
            looks = 0;
            trips += u32::from(step(&mut connections));
        }
        (running.wait(), trips)
    }

    /// Takes what both sides have sent; returns whether there was anything.
    fn collect(&self, connections: &mut Vec<Carried>) -> bool {
        let mut news = false;
        while let Ok((client, _)) = self.listener.accept() {
            let server = TcpStream::connect(self.server).expect("the server listens");
            connections.push(Carried { client: Side::new(client), server: Side::new(server), is_open: false });
            news = true;
        }
        for connection in connections {
            news |= connection.client.receive() | connection.server.receive();
        }
        news
    }
}

/// Passes bytes on: answers first, otherwise requests. Returns whether a round trip has ended.
fn step(connections: &mut [Carried]) -> bool {
    if connections.iter().any(|connection| connection.server.has_news()) {
        for Carried { client, server, .. } in connections {
            server.pass_to(client);
        }
        return true;
    }
    let (mut opened, mut asked) = (false, false);
    for Carried { client, server, is_open } in connections {
        if *is_open {
            asked |= !client.sent.is_empty();
            client.pass_to(server);
        } else {
            (*is_open, opened) = (true, true);
        }
    }
    // A handshake beside other requests travels with them.
    opened && !asked
}

impl Side {
    fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(true).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, sent: Vec::new(), ended: false, end_told: false }
    }

    fn receive(&mut self) -> bool {
        let before = (self.sent.len(), self.ended);
        let mut buffer = [0; 32 << 10];
        while !self.ended {
            match self.stream.read(&mut buffer) {
                Ok(count @ 1..) => self.sent.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => self.ended = true,
            }
        }
        before != (self.sent.len(), self.ended)
    }

    fn pass_to(&mut self, other: &mut Self) {
        other.stream.set_nonblocking(false).expect("a socket");
        // A side that has gone reads nothing more.
        let _gone = other.stream.write_all(&self.sent);
        other.stream.set_nonblocking(true).expect("a socket");
        self.sent.clear();
        if self.ended {
            self.end_told = true;
            let _gone = other.stream.shutdown(Shutdown::Write);
        }
    }

    fn has_news(&self) -> bool {
        !self.sent.is_empty() || self.ended && !self.end_told
    }
}

/// Whether every thread of a program sleeps until something wakes it: none computes, and none waits for a disk.
fn is_waiting(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the name, which is in parentheses and may contain anything.
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('S'))
    })
}
