//! One entry of another program's file, and whether it can become a site.

use crate::{
    address::{host_and_given_port, is_site_name},
    sites::{Kind, Site},
};

/// The maximum length of a name, a host or a user.
const LONGEST: usize = 255;
/// The maximum length of the name of a site.
const LONGEST_NAME: usize = 64;

/// An entry as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name.
    pub(crate) name: String,
    /// The account, or the reason why ferry cannot open it.
    pub(crate) account: Result<Account, String>,
}

/// An account on an SSH server as the file has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) host: String,
    pub(crate) user: Option<String>,
    pub(crate) port: Option<String>,
}

/// The reason why an entry does not become a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// ferry cannot open servers of its kind.
    Kind(String),
    /// Its text is invalid, and perhaps hostile.
    Invalid(&'static str),
}

impl Entry {
    /// An entry that ferry cannot open.
    pub(super) fn of_other_kind(name: &str, why: impl Into<String>) -> Self {
        Self { name: name.to_owned(), account: Err(why.into()) }
    }

    /// The beginning of the name, for people.
    pub(crate) fn shown(&self) -> String {
        self.name.chars().take(LONGEST_NAME).collect()
    }

    /// The name and the site.
    ///
    /// # Errors
    /// [`Unusable`].
    pub(crate) fn site(&self) -> Result<(String, Site), Unusable> {
        let account = self.account.as_ref().map_err(|why| Unusable::Kind(why.clone()))?;
        let name = site_name(&self.name)?;
        let address = account.address()?;
        let user = account.user.clone().unwrap_or_default();
        // A colon would be read as the start of a password.
        if !is_plain(&user) || user.contains(':') {
            return Err(Unusable::Invalid("its user is invalid"));
        }
        let kind = Kind::Sftp;
        Ok((
            name,
            Site {
                kind,
                address,
                user,
                path: None,
                server_key: None,
                identity: None,
                seal: None,
                links: None,
                keyring: false,
            },
        ))
    }
}

impl Account {
    fn address(&self) -> Result<String, Unusable> {
        let invalid = Unusable::Invalid("its host is invalid");
        let bare = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host);
        if !is_plain(bare) || bare.contains(char::is_whitespace) || bare.starts_with('-') {
            return Err(invalid);
        }
        let host = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
        match host_and_given_port(&host) {
            Ok((_, None)) => {}
            _ => return Err(invalid),
        }
        match self.port.as_deref().map(str::parse) {
            None => Ok(host),
            Some(Ok(port @ 1..=u16::MAX)) => Ok(format!("{host}:{port}")),
            Some(_) => Err(Unusable::Invalid("its port is invalid")),
        }
    }
}

/// The name as the name of a site: characters that this cannot have become `-`.
fn site_name(name: &str) -> Result<String, Unusable> {
    let name = name.trim_matches(' ');
    if name.len() > LONGEST_NAME {
        return Err(Unusable::Invalid("its name is too long"));
    }
    if !is_plain(name) || name.contains(['/', '\\']) || name.contains("..") {
        return Err(Unusable::Invalid("its name is invalid"));
    }
    let parts = name.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')));
    let name = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    if is_site_name(&name) { Ok(name) } else { Err(Unusable::Invalid("its name is invalid")) }
}

fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, host: &str, user: &str, port: Option<&str>) -> Entry {
        let account = Account { host: host.into(), user: Some(user.into()), port: port.map(str::to_owned) };
        Entry { name: name.into(), account: Ok(account) }
    }

    #[test]
    fn names_hosts_users_and_ports_become_a_site() {
        for (name, host, port, site, address) in [
            ("My server (new)", "files.example.org", Some("2222"), "My-server-new", "files.example.org:2222"),
            ("v6", "::1", None, "v6", "[::1]"),
            ("v6", "[::1]", Some("22"), "v6", "[::1]:22"),
        ] {
            let (named, found) = entry(name, host, "al", port).site().unwrap();
            assert_eq!((&*named, &*found.address, &*found.user, found.kind), (site, address, "al", Kind::Sftp));
        }
    }

    #[test]
    fn hostile_entries_are_refused() {
        let long = "x".repeat(LONGEST + 1);
        for name in ["", "..", "a..b", "../a", "a/b", r"a\b", "a\x1b[2J", "a\nb", "-x", "\u{202e}", &long] {
            assert!(matches!(entry(name, "h", "al", None).site(), Err(Unusable::Invalid(_))), "{name:?}");
        }
        for host in ["", "a b", "-oProxyCommand=x", "al:secret@h", "h/x", "a\x07", "a]", &long] {
            assert!(matches!(entry("a", host, "al", None).site(), Err(Unusable::Invalid(_))), "{host:?}");
        }
        for (user, port) in [("al:secret", None), ("a\nb", None), (&*long, None), ("al", Some("0")), ("al", Some("x"))]
        {
            assert!(matches!(entry("a", "h", user, port).site(), Err(Unusable::Invalid(_))), "{user:?} {port:?}");
        }
    }
}
