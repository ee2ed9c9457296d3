//! Bytes that the kernel holds for connections on loopback, from `/proc/net/tcp`.

use std::{fs, net::SocketAddr};

/// Bytes in flight to or from the listener at `address`: sent and not acknowledged, or received and not yet read by
/// the program. Only open connections over IPv4 count.
#[must_use]
pub(crate) fn in_flight(address: SocketAddr) -> u64 {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table.lines().skip(1).filter_map(|line| of_line(line, address.port())).sum()
}

/// The queues in one line: `sl local_address rem_address st tx_queue:rx_queue ...`, all in hexadecimal.
fn of_line(line: &str, port: u16) -> Option<u64> {
    const ESTABLISHED: &str = "01";
    let mut words = line.split_whitespace().skip(1);
    let (local, remote, state, queues) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let at_port = |address: &str| {
        let (_, found) = address.split_once(':')?;
        Some(u16::from_str_radix(found, 16).ok()? == port)
    };
    if state != ESTABLISHED || !(at_port(local)? || at_port(remote)?) {
        return None;
    }
    let (sent, arrived) = queues.split_once(':')?;
    Some(u64::from_str_radix(sent, 16).ok()? + u64::from_str_radix(arrived, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn bytes_nobody_has_read_are_in_flight_until_they_are_read() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(in_flight(address), 0);
        client.write_all(&[7; 5000]).unwrap();
        assert!(in_flight(address) >= 5000);
        server.read_exact(&mut [0; 5000]).unwrap();
        crate::wait::until("acknowledgements", || in_flight(address) == 0);
    }
}
