//! Canonical spellings of addresses, which are compared as text.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The canonical form of `host`: an address as in RFC 5952, or a name in lower case without a trailing dot. An
/// IPv4-mapped IPv6 address becomes the IPv4 address; a zone stays unchanged.
pub(crate) fn canonical_host(host: &str) -> String {
    let (address, zone) = split_zone(host);
    match (address.parse::<Ipv6Addr>(), zone) {
        (Ok(address), Some(zone)) => format!("{address}%{zone}"),
        (Ok(address), None) => address.to_canonical().to_string(),
        (Err(_), _) => {
            let name = host.strip_suffix('.').unwrap_or(host);
            loose_ipv4(name).map_or_else(|| name.to_ascii_lowercase(), |address| address.to_string())
        }
    }
}

/// The canonical form of `host:port` or `[host]:port`; any other text is returned unchanged.
pub(crate) fn canonical(address: &str) -> String {
    let parts = match address.strip_prefix('[') {
        Some(inside) => inside.split_once("]:"),
        None => address.rsplit_once(':'),
    };
    match parts {
        Some((host, port)) => joined(&canonical_host(host), port),
        None => address.to_owned(),
    }
}

/// A canonical host with its port.
pub(crate) fn joined(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The host without its zone, which certificates do not contain.
pub(crate) fn without_zone(host: &str) -> &str {
    split_zone(host).0
}

fn split_zone(host: &str) -> (&str, Option<&str>) {
    match host.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (host, None),
    }
}

/// Parses the other IPv4 notations that systems accept: fewer than four parts, octal and hexadecimal numbers.
fn loose_ipv4(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = host.split('.').map(loose_number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    let filled = 32 - 8 * u32::try_from(first.len()).ok().filter(|number| *number <= 3)?;
    let fits = |value: u32, bits: u32| u64::from(value) < 1u64 << bits;
    if !fits(*last, filled) || first.iter().any(|part| !fits(*part, 8)) {
        return None;
    }
    let head = first.iter().zip([24, 16, 8]).map(|(part, shift)| part << shift).sum::<u32>();
    Some(Ipv4Addr::from_bits(head | last))
}

fn loose_number(text: &str) -> Option<u32> {
    let digits = |text: &str, radix| {
        let plain = text.chars().all(|c| c.is_digit(radix));
        u32::from_str_radix(text, radix).ok().filter(|_| plain)
    };
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => digits(hex, 16),
        None if text.len() > 1 && text.starts_with('0') => digits(&text[1..], 8),
        None => digits(text, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_has_one_canonical_form() {
        for (spellings, one) in [
            (&["::1", "0:0:0:0:0:0:0:1", "0::1", "::0001", "0000::0:1"][..], "::1"),
            (&["2001:db8::A", "2001:0DB8:0::000a", "2001:db8:0:0:0:0:0:a"], "2001:db8::a"),
            (
                &["127.0.0.1", "::ffff:127.0.0.1", "::FFFF:7f00:1", "127.1", "0x7f.1", "0177.0.0.01", "2130706433"],
                "127.0.0.1",
            ),
            (&["host", "HOST", "host.", "Host."], "host"),
            (&["fe80::1%eth0", "fe80:0::1%eth0"], "fe80::1%eth0"),
        ] {
            for spelling in spellings {
                assert_eq!(canonical_host(spelling), one, "{spelling}");
            }
        }
    }

    #[test]
    fn names_that_are_not_addresses_stay_names() {
        for name in ["1.2.3.4.5", "256.1.1.1", "1.2.3.256", "4294967296", "a.b", "08", "1..2", "", "+1", "0x"] {
            assert_eq!(canonical_host(name), name, "{name}");
        }
        assert_ne!(canonical_host("fe80::1%eth0"), canonical_host("fe80::1%eth1"));
        assert_ne!(canonical_host("fe80::1%eth0"), canonical_host("fe80::1"));
    }

    #[test]
    fn a_port_stays_with_its_host() {
        assert_eq!(canonical("[0::1]:7021"), "[::1]:7021");
        assert_eq!(canonical("[::ffff:1.2.3.4]:1"), "1.2.3.4:1");
        assert_eq!(canonical("HOST.:9"), "host:9");
        assert_eq!(canonical("#"), "#");
    }
}
