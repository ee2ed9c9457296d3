//! The options of the client's TCP socket, as far as the system supports them.

use std::{io, time::Duration};

use ferry_shared::socket::prefer_bbr;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Idle time before the first keep-alive probe.
const IDLE: Duration = Duration::from_secs(30);
/// Interval between probes.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long sent bytes may stay unacknowledged before the connection counts as lost.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Disables Nagle's algorithm, asks for BBR, and makes the system detect a dead peer within about a minute.
///
/// # Errors
/// The system's.
pub(crate) fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    prefer_bbr(tcp);
    let socket = SockRef::from(tcp);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(IDLE).with_interval(INTERVAL))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}
