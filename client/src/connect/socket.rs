//! The options of a client's TCP socket; which of them exist differs by system.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Silence after which the system asks whether the peer is still there.
const IDLE: Duration = Duration::from_secs(30);
/// How often it asks again.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long sent bytes may stay unacknowledged before the connection counts as lost.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Sends at once, and notices a dead peer within about a minute.
///
/// # Errors
/// The system's.
pub(super) fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(IDLE).with_interval(INTERVAL))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}
