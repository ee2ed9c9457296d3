//! Addresses: a server and a path on it as typed by the user, distinguished from local paths.
//!
//! | typed | means |
//! |---|---|
//! | `SITE:path` | a saved server; a relative path starts at the folder saved with it |
//! | `:path` | the same at the default site, see [`crate::defaults`] |
//! | `user@host:path` | a path in the user's home |
//! | `user@host:port:path` | the same on another port |
//! | `ferry://user@host[:port]/path` | the same as a URL, with `%` escapes |
//! | `sftp://[user@]host[:port]/path` | a path on an SSH server; `/~/path` and no path at all start at the user's home |
//!
//! - Digits between two colons after the host are a port: `user@host:7021:x` is `x` on port
//!   7021. A path that begins with digits and a colon is written `user@host:/12:30.txt`.
//! - An IPv6 address is written in brackets: `user@[::1]:7021:/x`.
//! - A path with a `/` before its first colon is local, such as `./a:b` and `/a:b`; so is any text whose part before
//!   the colon cannot be the name of a site.

mod parse;

use std::ffi::OsStr;

use ferry_client::connect::Target;
use ferry_shared::{limits::DEFAULT_PORT, path::RemotePath};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// The characters that are escaped in a URL: all that a shell or another program could take for something else.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

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
    /// The default site, which the address does not name.
    Default,
    /// A saved server.
    Site(String),
    /// A server with its full address.
    Direct {
        /// The user name.
        user: String,
        /// The host name or IP address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// An SSH server; the rest comes from the user's configuration of SSH.
    Sftp {
        /// The user name.
        user: Option<String>,
        /// The host name, IP address or name in the configuration, without brackets.
        host: String,
        /// The port.
        port: Option<u16>,
    },
}

/// The reason why an argument is not a valid address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// A local path where a path on a server is required.
    #[error(
        "{0} is not a path on a server; write SITE:path, user@host:path, ferry://user@host/path or sftp://user@host/path"
    )]
    Local(String),
    /// A path on a server where a local path is required.
    #[error("{0} is a path on a server, but a local path is needed; for a local file of that name write ./{0}")]
    NotLocal(String),
    /// The user is missing.
    #[error("the user is missing in {0}; write user@host")]
    NoUser(String),
    /// The host is missing or invalid.
    #[error("the host is missing in {0}")]
    NoHost(String),
    /// An IPv6 address without brackets.
    #[error("an IPv6 address needs brackets: write {0}")]
    Brackets(String),
    /// A user name that would be valid without its capital letters.
    #[error("user names have no capital letters: {user} is not a valid name; do you mean {meant}?")]
    Capitals {
        /// The typed text.
        user: String,
        /// The valid name.
        meant: String,
    },
    /// The port is invalid.
    #[error("{0} is not a port; a port is a number from 1 to 65535")]
    Port(String),
    /// A password in an address would end up in the shell's history.
    #[error("a password cannot be part of an address; use --password-file, --password-stdin or the prompt")]
    Password,
    /// The `%` escapes of a URL are invalid.
    #[error("{0} contains escapes for characters that names cannot have")]
    Escapes(String),
}

impl Address {
    /// Parses an argument; `None` if it is a local path.
    ///
    /// # Errors
    /// [`AddressError`] if it is an invalid address of a server.
    pub(crate) fn parse(argument: &OsStr) -> Result<Option<Self>, AddressError> {
        parse::parse(argument)
    }

    /// Parses an argument that must be a server and a path.
    ///
    /// # Errors
    /// [`AddressError`].
    pub(crate) fn remote(argument: &OsStr) -> Result<Self, AddressError> {
        Self::parse(argument)?.ok_or_else(|| AddressError::Local(argument.display().to_string()))
    }

    /// Parses an argument that names only a server: `SITE`, `user@host` and `user@host:port` are sufficient, and a
    /// path is accepted. Digits after the host are always a port.
    ///
    /// # Errors
    /// [`AddressError`].
    pub(crate) fn server(argument: &OsStr) -> Result<Self, AddressError> {
        parse::server(argument)
    }

    /// The argument with a port, if it ends with digits that are parsed as a path but may be intended as a port:
    /// `user@host:7021:` for `user@host:7021`.
    pub(crate) fn with_port(argument: &OsStr) -> Option<String> {
        parse::with_port(argument)
    }

    /// The same address with `site` in place of the default site. A relative path starts at the folder of `site`.
    ///
    /// # Errors
    /// `site` is not a valid address.
    pub(crate) fn at_default(&self, site: &str) -> Result<Self, AddressError> {
        let Self { server, path: mut folder } = Self::server(OsStr::new(site))?;
        if !folder.is_empty() && !folder.ends_with(b"/") {
            folder.push(b'/');
        }
        let path = if self.path.starts_with(b"/") { self.path.clone() } else { [&*folder, &self.path].concat() };
        Ok(Self { server, path })
    }

    /// Whether the typed path means "into this folder": it is empty or ends with `/`, `.` or `..`.
    pub(crate) fn is_into(&self) -> bool {
        matches!(self.path.rsplit(|b| *b == b'/').next(), None | Some(b"" | b"." | b".."))
    }
}

/// A place on a server as a URL that [`Address::parse`] understands.
pub(crate) fn url(target: &Target, path: &RemotePath) -> String {
    let encoded = |bytes| percent_encode(bytes, ESCAPED);
    let (scheme, user) = (target.protocol.scheme(), encoded(target.user.as_bytes()));
    format!("{scheme}://{user}@{}/{}", target.address(), encoded(path.as_bytes()))
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
///
/// # Errors
/// [`AddressError`].
pub(crate) fn host_and_port(address: &str) -> Result<(String, u16), AddressError> {
    host_and_given_port(address).map(|(host, port)| (host, port.unwrap_or(DEFAULT_PORT)))
}

/// The same, with the port only if there is one.
///
/// # Errors
/// [`AddressError`].
pub(crate) fn host_and_given_port(address: &str) -> Result<(String, Option<u16>), AddressError> {
    let no_host = || AddressError::NoHost(address.to_owned());
    let (host, rest) = match address.strip_prefix('[') {
        Some(inner) => inner.split_once(']').ok_or_else(no_host)?,
        None => address.split_at(address.find(':').unwrap_or(address.len())),
    };
    if host.is_empty() || host.contains(['@', '[', ']', '/']) {
        return Err(no_host());
    }
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(parse::port(port)?),
        None if rest.is_empty() => None,
        None => return Err(no_host()),
    };
    Ok((host.to_owned(), port))
}

/// Refuses a user name that is invalid only because of its capitals: a login with it would fail and count as an
/// attempt.
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
