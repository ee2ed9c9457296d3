//! Parses addresses; the parent module documents the rules.

use std::{ffi::OsStr, net::Ipv6Addr};

use ferry_shared::{limits::DEFAULT_PORT, name::Escaped};
use percent_encoding::percent_decode;

use super::{Address, AddressError, Server, host_and_given_port, host_and_port, is_site_name};
use crate::os_bytes::bytes_of;

/// The prefixes of URLs.
const SCHEME: &[u8] = b"ferry://";
const SFTP: &[u8] = b"sftp://";

pub(super) fn parse(argument: &OsStr) -> Result<Option<Address>, AddressError> {
    let bytes = bytes_of(argument);
    if let Some(rest) = bytes.strip_prefix(SCHEME) {
        return url(rest).map(Some);
    }
    if let Some(rest) = bytes.strip_prefix(SFTP) {
        return sftp(rest).map(Some);
    }
    if let Some(path) = bytes.strip_prefix(b":") {
        return Ok(Some(Address { server: Server::Default, path: path.to_vec() }));
    }
    if let Some(meant) = bare_ipv6(&bytes) {
        return Err(AddressError::Brackets(meant));
    }
    let Some((head, rest)) = split_head(&bytes) else { return Ok(None) };
    let Ok(head) = std::str::from_utf8(head) else { return Ok(None) };
    if let Some((user, host)) = head.split_once('@') {
        return direct(user, host, rest).map(Some);
    }
    if !is_site_name(head) || is_drive(head, rest) {
        return Ok(None);
    }
    Ok(Some(Address { server: Server::Site(head.to_owned()), path: rest.to_vec() }))
}

pub(super) fn server(argument: &OsStr) -> Result<Address, AddressError> {
    if let Some(text) = argument.to_str() {
        if is_site_name(text) {
            return Ok(Address { server: Server::Site(text.to_owned()), path: Vec::new() });
        }
        if let Some((user, address)) = text.split_once('@')
            && !is_url(text)
            && bare_ipv6(text.as_bytes()).is_none()
        {
            match host_and_port(address) {
                Ok((host, port)) => return Ok(Address { server: named(user, host, port)?, path: Vec::new() }),
                // Only if no path is required: otherwise digits at the end are a path.
                Err(AddressError::Port(text)) if is_number(&text) => return Err(AddressError::Port(text)),
                Err(_) => {}
            }
        }
    }
    Address::remote(argument)
}

pub(super) fn with_port(argument: &OsStr) -> Option<String> {
    let text = argument.to_str().filter(|text| !is_url(text))?;
    let (user, address) = text.split_once('@')?;
    let (host, number) = address.rsplit_once(':')?;
    let has_port = host.rsplit(']').next().is_none_or(|rest| rest.contains(':'));
    (!user.contains(':') && !has_port && port(number).is_ok()).then(|| format!("{text}:"))
}

/// The part before the colon that ends the server's name, and what follows it; `None` for a
/// local path. The colons inside brackets do not count.
fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let skip = match bytes.iter().position(|b| *b == b'@') {
        Some(at) if bytes.get(at + 1) == Some(&b'[') => bytes.iter().position(|b| *b == b']')?,
        _ => 0,
    };
    let colon = skip + bytes[skip..].iter().position(|b| *b == b':')?;
    let (head, rest) = (&bytes[..colon], &bytes[colon + 1..]);
    (!head.is_empty() && !head.contains(&b'/')).then_some((head, rest))
}

/// The intended address of `user@::1:/path`, where the brackets around the address are missing.
fn bare_ipv6(bytes: &[u8]) -> Option<String> {
    let (user, rest) = std::str::from_utf8(bytes).ok()?.split_once('@')?;
    if user.is_empty() || user.contains(['/', ':']) {
        return None;
    }
    let ends = rest.match_indices([':', '/']).map(|(at, _)| at).chain([rest.len()]);
    let is_address = |text: &str| {
        let (address, zone) = text.split_once('%').unwrap_or((text, ""));
        address.parse::<Ipv6Addr>().is_ok() && !zone.contains([':', '/'])
    };
    let end = ends.filter(|end| is_address(&rest[..*end])).max()?;
    let (address, rest) = rest.split_at(end);
    Some(format!("{user}@[{address}]{}", if rest.is_empty() { ":" } else { rest }))
}

fn direct(user: &str, host: &str, rest: &[u8]) -> Result<Address, AddressError> {
    let (host, _) = host_and_port(host)?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (port_number, path) = match (digits, rest.get(digits)) {
        (1.., Some(b':')) => (port(&String::from_utf8_lossy(&rest[..digits]))?, &rest[digits + 1..]),
        _ => (DEFAULT_PORT, rest),
    };
    Ok(Address { server: named(user, host, port_number)?, path: path.to_vec() })
}

fn url(rest: &[u8]) -> Result<Address, AddressError> {
    let cut = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(cut);
    let shown = || format!("ferry://{}", Escaped(rest));
    let authority = std::str::from_utf8(authority).map_err(|_| AddressError::NoHost(shown()))?;
    if let Some(meant) = bare_ipv6(rest) {
        return Err(AddressError::Brackets(format!("ferry://{meant}")));
    }
    let (user, address) = authority.rsplit_once('@').ok_or_else(|| AddressError::NoUser(shown()))?;
    if user.contains(':') {
        return Err(AddressError::Password);
    }
    let user = percent_decode(user.as_bytes()).decode_utf8().map_err(|_| AddressError::Escapes(shown()))?;
    // RFC 6874: in a URL the sign before a zone is escaped.
    let (host, port) = host_and_port(&address.replacen("%25", "%", 1))?;
    let path = decode_path(path).ok_or_else(|| AddressError::Escapes(shown()))?;
    Ok(Address { server: named(&user, host, port)?, path })
}

/// An SSH server. Paths begin at the topmost folder; without a path the user's home is meant.
fn sftp(rest: &[u8]) -> Result<Address, AddressError> {
    let cut = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(cut);
    let shown = || format!("sftp://{}", Escaped(rest));
    let authority = std::str::from_utf8(authority).map_err(|_| AddressError::NoHost(shown()))?;
    let (user, address) = match authority.rsplit_once('@') {
        Some(("", _)) => return Err(AddressError::NoUser(shown())),
        Some((user, _)) if user.contains(':') => return Err(AddressError::Password),
        Some((user, address)) => {
            let user = percent_decode(user.as_bytes()).decode_utf8().map_err(|_| AddressError::Escapes(shown()))?;
            (Some(user.into_owned()), address)
        }
        None => (None, authority),
    };
    let (host, port) = host_and_given_port(&address.replacen("%25", "%", 1))?;
    let path = if path.is_empty() { b"/~/" } else { path };
    let path = decode_path(path).ok_or_else(|| AddressError::Escapes(shown()))?;
    Ok(Address { server: Server::Sftp { user, host, port }, path })
}

fn is_url(text: &str) -> bool {
    [SCHEME, SFTP].into_iter().any(|scheme| text.as_bytes().starts_with(scheme))
}

/// The bytes of the path; `None` if an escape represents `/` or NUL, which names cannot contain.
fn decode_path(path: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(path.len());
    for (at, name) in path.split(|b| *b == b'/').enumerate() {
        if at > 0 {
            decoded.push(b'/');
        }
        let start = decoded.len();
        decoded.extend(percent_decode(name));
        if decoded[start..].iter().any(|b| matches!(b, b'/' | 0)) {
            return None;
        }
    }
    Some(decoded)
}

fn named(user: &str, host: String, port: u16) -> Result<Server, AddressError> {
    if user.is_empty() {
        return Err(AddressError::NoUser(format!("@{host}")));
    }
    if user.contains(':') {
        return Err(AddressError::Password);
    }
    Ok(Server::Direct { user: user.to_owned(), host, port })
}

pub(super) fn port(text: &str) -> Result<u16, AddressError> {
    match text.parse() {
        Ok(port @ 1..) if is_number(text) => Ok(port),
        _ => Err(AddressError::Port(text.to_owned())),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether this is a path with a drive letter, such as `C:\data`.
fn is_drive(head: &str, rest: &[u8]) -> bool {
    cfg!(windows) && head.len() == 1 && matches!(rest.first(), Some(b'\\' | b'/'))
}
