//! The PROXY protocol, version 2: a load balancer names the client for which it connects, before TLS.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The first bytes of every header.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, the command, the family, and the length of the rest.
const HEAD: usize = 16;
/// Bytes that are skipped at a time.
const SCRATCH: usize = 256;

/// The reason why a balancer's connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// The connection ended before any byte: the balancer checked whether the port is open.
    #[error("closed at once")]
    Closed,
    /// The connection does not start with a header.
    #[error("the balancer sent no PROXY header of version 2")]
    Missing,
    /// The header is not understood.
    #[error("the PROXY header is broken: {0}")]
    Broken(&'static str),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a header of at most `most` bytes and nothing after it; returns the client for which the balancer connects,
/// or `None` if the balancer connects for itself.
///
/// # Errors
/// [`ProxyError`].
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin), most: u64) -> Result<Option<SocketAddr>, ProxyError> {
    let mut head = [0; HEAD];
    let first = stream.read(&mut head).await?;
    if first == 0 {
        return Err(ProxyError::Closed);
    }
    // Do not wait for more from a peer that starts with anything else.
    if !SIGNATURE.starts_with(&head[..first.min(SIGNATURE.len())]) {
        return Err(ProxyError::Missing);
    }
    stream.read_exact(&mut head[first..]).await?;
    let [.., command, family, long, short] = head;
    if !head.starts_with(&SIGNATURE) || command >> 4 != 2 {
        return Err(ProxyError::Missing);
    }
    let length = usize::from(u16::from_be_bytes([long, short]));
    if (HEAD + length) as u64 > most {
        return Err(ProxyError::Broken("it is longer than login.bytes"));
    }
    let needed = match (command & 0xf, family) {
        // The header is for the balancer itself, or for a client that it cannot name: ignore the rest.
        (0, _) | (1, 0) => 0,
        (1, 0x11) => 12,
        (1, 0x21) => 36,
        (1, _) => return Err(ProxyError::Broken("it is not about TCP over IPv4 or IPv6")),
        _ => return Err(ProxyError::Broken("its command is not known")),
    };
    let mut rest = length.checked_sub(needed).ok_or(ProxyError::Broken("its addresses are cut"))?;
    let mut addresses = [0; 36];
    let addresses = &mut addresses[..needed];
    stream.read_exact(addresses).await?;
    let mut scratch = [0; SCRATCH];
    while rest > 0 {
        let now = rest.min(SCRATCH);
        stream.read_exact(&mut scratch[..now]).await?;
        rest -= now;
    }
    Ok(source(addresses))
}

/// The client, from the addresses and ports of both ends.
fn source(addresses: &[u8]) -> Option<SocketAddr> {
    if let Ok([a, b, c, d, _, _, _, _, high, low, _, _]) = <[u8; 12]>::try_from(addresses) {
        return Some((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([high, low])).into());
    }
    let address: [u8; 16] = addresses.first_chunk().copied()?;
    let port = addresses.get(32..34)?.first_chunk().copied()?;
    Some((Ipv6Addr::from(address), u16::from_be_bytes(port)).into())
}

/// Whether bytes from an address that is not a balancer are the start of a header.
pub(super) fn begins(bytes: &[u8]) -> bool {
    // The first byte of TLS differs, so the first byte decides.
    !bytes.is_empty() && SIGNATURE.starts_with(&bytes[..bytes.len().min(SIGNATURE.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    async fn of(bytes: &[u8]) -> (Result<Option<SocketAddr>, String>, Vec<u8>) {
        let mut stream = bytes;
        let found = read(&mut stream, 16 << 10).await.map_err(|error| error.to_string());
        (found, stream.to_vec())
    }

    #[tokio::test]
    async fn the_client_is_read_and_the_bytes_after_it_stay() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0x1b, 0x6d];
        let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[9], &[0; 16], &[0x12, 0x34, 0, 1]].concat();
        let more = [&v4[..], &[7; 600]].concat();
        for (bytes, expected) in [
            (header(0x21, 0x11, &v4), Some("192.0.2.7:4660")),
            (header(0x21, 0x21, &v6), Some("[2001:db8::9]:4660")),
            (header(0x21, 0x11, &more), Some("192.0.2.7:4660")),
            (header(0x20, 0, &[]), None),
            (header(0x20, 0x11, &v4), None),
            (header(0x21, 0, &[1, 2, 3]), None),
        ] {
            let (found, left) = of(&[&bytes[..], b"TLS"].concat()).await;
            assert_eq!(found, Ok(expected.map(|text| text.parse().unwrap())));
            assert_eq!(left, b"TLS");
        }
    }

    #[tokio::test]
    async fn a_missing_or_broken_header_is_refused() {
        let long = header(0x21, 0x11, &[0; 17 << 10]);
        for bytes in [
            &b"\x16\x03\x01\x02\x00"[..],
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
            b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c",
            &header(0x11, 0x11, &[0; 12]),
            &header(0x22, 0x11, &[0; 12]),
            &header(0x21, 0x12, &[0; 12]),
            &header(0x21, 0x31, &[0; 216]),
            &header(0x21, 0x11, &[0; 11]),
            &header(0x21, 0x21, &[0; 12]),
            &header(0x21, 0x11, &[0; 12])[..20],
            &long,
        ] {
            assert!(of(bytes).await.0.is_err(), "{bytes:?}");
        }
        assert_eq!(of(b"").await.0, Err("closed at once".to_owned()));
    }

    #[test]
    fn a_header_is_distinguished_from_tls_by_its_first_bytes() {
        assert!(begins(b"\r") && begins(&header(0x21, 0x11, &[0; 12])));
        assert!(!begins(b"") && !begins(&[22, 3, 1]) && !begins(b"GET /"));
    }
}
