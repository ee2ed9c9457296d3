//! Addresses: a server and a path on it as a person types them, distinguished from local paths.
//!
//! | typed | means |
//! |---|---|
//! | `SITE:path` | a saved server; a relative path starts at the folder saved with it |
//! | `user@host:path` | a path in the user's home |
//! | `user@host:port:path` | the same on another port |
//! | `ferry://user@host[:port]/path` | the same as a URL, with `%` escapes |
//!
//! - Digits between two colons after the host are a port: `user@host:7021:x` is `x` on port
//!   7021. A path that begins with digits and a colon is written `user@host:/12:30.txt`.
//! - An IPv6 address stands in brackets: `user@[::1]:7021:/x`.
//! - A path with a `/` before its first colon is local, so `./a:b` and `/a:b` are; so is
//!   anything whose part before the colon cannot be a site's name.

mod parse;

use std::ffi::OsStr;

use ferry_shared::limits::DEFAULT_PORT;

/// A server and a path on it, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The server.
    pub(crate) server: Server,
    /// The path as typed; see [`Address::is_into`].
    pub(crate) path: Vec<u8>,
}

/// The server of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    /// A saved one, by its name.
    Site(String),
    /// One named in full.
    Direct {
        /// The user's name there.
        user: String,
        /// Its name or IP address, without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
}

/// Why something typed names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// A path of this machine where a server's is needed.
    #[error("{0} names no server; write SITE:path, user@host:path or ferry://user@host/path")]
    Local(String),
    /// A path of a server where one of this machine is needed.
    #[error("{0} is on a server, a path of this machine is needed; for a file of that name write ./{0}")]
    NotLocal(String),
    /// The user is missing.
    #[error("{0} names no user; write user@host")]
    NoUser(String),
    /// The host is missing or is none.
    #[error("{0} names no host")]
    NoHost(String),
    /// An IPv6 address whose colons would be taken for others.
    #[error("an IPv6 address stands in brackets: write {0}")]
    Brackets(String),
    /// A user's name that differs by capitals only from one a server can have.
    #[error("user names have no capital letters, so there is no {user}; do you mean {meant}?")]
    Capitals {
        /// The typed text.
        user: String,
        /// The name that a server can have.
        meant: String,
    },
    /// The port is none.
    #[error("{0} is no port; a port is a number from 1 to 65535")]
    Port(String),
    /// A password in an address would end up in the shell's history.
    #[error("a password cannot be part of an address; use --password-file, --password-stdin or the prompt")]
    Password,
    /// A URL's `%` escapes are not text.
    #[error("{0} has escapes that make no valid name")]
    Escapes(String),
}

impl Address {
    /// Reads an argument; `None` when it is a path of this machine.
    ///
    /// # Errors
    /// [`AddressError`] when it means a server but not a valid one.
    pub(crate) fn parse(argument: &OsStr) -> Result<Option<Self>, AddressError> {
        parse::parse(argument)
    }

    /// Reads an argument that must name a server and a path.
    ///
    /// # Errors
    /// [`AddressError`].
    pub(crate) fn remote(argument: &OsStr) -> Result<Self, AddressError> {
        Self::parse(argument)?.ok_or_else(|| AddressError::Local(argument.display().to_string()))
    }

    /// Reads an argument that names a server only: `SITE`, `user@host` and `user@host:port`
    /// are enough, and a path is let pass. Digits after the host are always a port.
    ///
    /// # Errors
    /// [`AddressError`].
    pub(crate) fn server(argument: &OsStr) -> Result<Self, AddressError> {
        parse::server(argument)
    }

    /// The argument as it would be with a port, where it ends with digits that are taken for a
    /// path but may be meant as one: `user@host:7021` for `user@host:7021:`.
    pub(crate) fn with_port(argument: &OsStr) -> Option<String> {
        parse::with_port(argument)
    }

    /// Whether the typed path means "into this folder": it is empty or ends with `/`, `.` or `..`.
    pub(crate) fn is_into(&self) -> bool {
        matches!(self.path.rsplit(|b| *b == b'/').next(), None | Some(b"" | b"." | b".."))
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
///
/// # Errors
/// [`AddressError`].
pub(crate) fn host_and_port(address: &str) -> Result<(String, u16), AddressError> {
    let no_host = || AddressError::NoHost(address.to_owned());
    let (host, rest) = match address.strip_prefix('[') {
        Some(inner) => inner.split_once(']').ok_or_else(no_host)?,
        None => address.split_at(address.find(':').unwrap_or(address.len())),
    };
    if host.is_empty() || host.contains(['@', '[', ']', '/']) {
        return Err(no_host());
    }
    let port = match rest.strip_prefix(':') {
        Some(port) => parse::port(port)?,
        None if rest.is_empty() => DEFAULT_PORT,
        None => return Err(no_host()),
    };
    Ok((host.to_owned(), port))
}

/// Refuses a user's name that no server has, because of its capitals alone: a login with it can only
/// fail, and counts there.
///
/// # Errors
/// [`AddressError::Capitals`].
pub(crate) fn check_user(user: &str) -> Result<(), AddressError> {
    let meant = user.to_ascii_lowercase();
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    match meant != user && meant.bytes().all(legal) {
        true => Err(AddressError::Capitals { user: user.to_owned(), meant }),
        false => Ok(()),
    }
}

/// Whether `name` may name a site: letters, digits, `.`, `_` and `-`, the first a letter or digit.
pub(crate) fn is_site_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests;
