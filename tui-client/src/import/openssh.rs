//! The configuration of OpenSSH.

use std::collections::BTreeSet;

use ferry_client::sftp::{self, ConfiguredHost};

use super::{
    Found,
    entry::{Account, Entry},
};

/// Reads the hosts that are named in `text`. A host of the configuration that ferry itself uses (`own`) is saved by
/// its name, so that jump hosts, keys and later changes count.
pub(super) fn read(text: &str, own: bool) -> Found {
    let hosts = sftp::configured_hosts(text);
    let ignored: BTreeSet<_> = hosts.iter().flat_map(|host| &host.unsupported).collect();
    let notes = ignored.iter().map(|(number, key)| format!("line {number} is not supported: {key}")).collect();
    Found { entries: hosts.into_iter().map(|host| entry(host, own)).collect(), notes }
}

fn entry(host: ConfiguredHost, own: bool) -> Entry {
    let account = if host.unsupported.iter().any(|(_, key)| key == "proxycommand") {
        Err("it needs a ProxyCommand, which ferry does not run".to_owned())
    } else if own {
        Ok(Account { host: host.name.clone(), user: None, port: None })
    } else if host.jumps {
        Err("it needs a ProxyJump, which ferry reads only in ~/.ssh/config".to_owned())
    } else {
        Ok(Account { host: host.host, user: host.user, port: host.port.map(|port| port.to_string()) })
    };
    Entry { name: host.name, account }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Host box
    HostName box.example.org
    User al
    Port 2222
Host far
    ProxyJump box
Host odd
    ProxyCommand sshpass -p hunter2 nc %h %p
Host *.example.org
    User bo
";

    #[test]
    fn a_host_of_the_own_configuration_is_saved_by_its_name_and_another_with_its_settings() {
        let names = |own| {
            let hosts = read(TEXT, own).entries.into_iter();
            hosts.filter_map(|entry| entry.site().ok()).map(|(_, site)| (site.user, site.address)).collect::<Vec<_>>()
        };
        let pair = |user: &str, address: &str| (user.to_owned(), address.to_owned());
        assert_eq!(names(true), [pair("", "box"), pair("", "far")]);
        assert_eq!(names(false), [pair("al", "box.example.org:2222")]);
    }

    #[test]
    fn lines_that_are_not_understood_are_named_without_their_content() {
        let found = read(TEXT, true);
        assert_eq!(found.notes, ["line 8 is not supported: proxycommand"]);
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}
