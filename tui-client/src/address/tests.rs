//! Cases of remote addresses and local paths.

use std::ffi::OsStr;

use super::*;

fn parse(text: &str) -> Option<Address> {
    Address::parse(OsStr::new(text)).unwrap()
}

fn error(text: &str) -> AddressError {
    Address::parse(OsStr::new(text)).unwrap_err()
}

fn direct(user: &str, host: &str, port: u16, path: &str) -> Option<Address> {
    let server = Server::Direct { user: user.into(), host: host.into(), port };
    Some(Address { server, path: path.into() })
}

fn site(name: &str, path: &str) -> Option<Address> {
    Some(Address { server: Server::Site(name.into()), path: path.into() })
}

#[test]
fn a_site_is_what_stands_before_the_first_colon() {
    assert_eq!(parse("work:"), site("work", ""));
    assert_eq!(parse("work:docs/a:b"), site("work", "docs/a:b"));
    assert_eq!(parse("w-1.x_y:/abs"), site("w-1.x_y", "/abs"));
}

#[test]
fn a_port_stands_between_two_colons() {
    assert_eq!(parse("al@host:x"), direct("al", "host", 7021, "x"));
    assert_eq!(parse("al@host:9000:x"), direct("al", "host", 9000, "x"));
    assert_eq!(parse("al@host:9000:/"), direct("al", "host", 9000, "/"));
    assert_eq!(parse("al@host:9000:"), direct("al", "host", 9000, ""));
    assert_eq!(parse("al@host:9000"), direct("al", "host", 7021, "9000"));
    assert_eq!(parse("al@host:/12:30.txt"), direct("al", "host", 7021, "/12:30.txt"));
    assert_eq!(parse("al@host:12x:30"), direct("al", "host", 7021, "12x:30"));
    assert_eq!(parse("al@host:12:30:1"), direct("al", "host", 12, "30:1"));
}

#[test]
fn ipv6_addresses_stand_in_brackets() {
    assert_eq!(parse("al@[::1]:x"), direct("al", "::1", 7021, "x"));
    assert_eq!(parse("al@[fe80::1]:9000:/x"), direct("al", "fe80::1", 9000, "/x"));
    assert_eq!(parse("ferry://al@[::1]:9000/x"), direct("al", "::1", 9000, "/x"));
}

#[test]
fn a_zone_stays_with_its_address() {
    assert_eq!(parse("al@[fe80::1%eth0]:x"), direct("al", "fe80::1%eth0", 7021, "x"));
    assert_eq!(parse("ferry://al@[fe80::1%25eth0]:9/x"), direct("al", "fe80::1%eth0", 9, "/x"));
    assert_eq!(parse("ferry://al@[fe80::1%eth0]/x"), direct("al", "fe80::1%eth0", 7021, "/x"));
}

#[test]
fn an_ipv6_address_without_brackets_is_told_with_them() {
    for (typed, meant) in [
        ("al@::1:/", "al@[::1]:/"),
        ("al@::1", "al@[::1]:"),
        ("al@fe80::1:x", "al@[fe80::1]:x"),
        ("al@fe80::1%lo:/x", "al@[fe80::1%lo]:/x"),
        ("al@2001:db8::1:/a:b", "al@[2001:db8::1]:/a:b"),
        ("ferry://al@::1/x", "ferry://al@[::1]/x"),
    ] {
        assert_eq!(error(typed), AddressError::Brackets(meant.into()), "{typed}");
        assert_eq!(Address::server(OsStr::new(typed)), Err(AddressError::Brackets(meant.into())), "{typed}");
    }
    // Hosts and paths that look a little alike.
    assert_eq!(parse("al@abcd:1:x"), direct("al", "abcd", 1, "x"));
    assert_eq!(parse("al@host:a::b"), direct("al", "host", 7021, "a::b"));
    assert_eq!(parse("./al@::1"), None);
}

#[test]
fn a_name_that_differs_by_capitals_only_is_told() {
    let capitals = |user: &str, meant: &str| Err(AddressError::Capitals { user: user.into(), meant: meant.into() });
    assert_eq!(check_user("Alice"), capitals("Alice", "alice"));
    assert_eq!(check_user("A.B-c_1"), capitals("A.B-c_1", "a.b-c_1"));
    for user in ["alice", "0", "Älice", "A B", ""] {
        assert_eq!(check_user(user), Ok(()), "{user}");
    }
}

#[test]
fn urls_are_unescaped() {
    assert_eq!(parse("ferry://al@host"), direct("al", "host", 7021, ""));
    assert_eq!(parse("ferry://al@host/"), direct("al", "host", 7021, "/"));
    assert_eq!(parse("ferry://al@host:80/a%20b/%3A"), direct("al", "host", 80, "/a b/:"));
    let bytes = Address::parse(OsStr::new("ferry://al@host/%ff")).unwrap().unwrap().path;
    assert_eq!(bytes, b"/\xff");
    assert!(matches!(error("ferry://al@host/a%2Fb"), AddressError::Escapes(_)));
    assert!(matches!(error("ferry://al@host/a%00"), AddressError::Escapes(_)));
}

#[test]
fn nothing_before_the_colon_is_the_default_site() {
    for path in ["", "x", "/x", "a:b"] {
        let address = Address { server: Server::Default, path: path.into() };
        assert_eq!(parse(&format!(":{path}")), Some(address));
    }
}

#[test]
fn local_paths_stay_local() {
    for local in ["file", "./a:b", "/a:b", "dir/a:b", "./:x", "-", "my file: draft", "", "."] {
        assert_eq!(parse(local), None, "{local:?}");
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_pass_unchanged() {
    use std::os::unix::ffi::OsStrExt as _;
    let address = Address::parse(OsStr::from_bytes(b"work:\xff\xfe/")).unwrap().unwrap();
    assert_eq!(address.path, b"\xff\xfe/");
    assert_eq!(Address::parse(OsStr::from_bytes(b"\xff:x")).unwrap(), None);
}

#[test]
fn an_argument_meant_as_a_server_that_is_none_is_reported() {
    assert!(matches!(error("@host:x"), AddressError::NoUser(_)));
    assert!(matches!(error("al@:x"), AddressError::NoHost(_)));
    assert!(matches!(error("al@a@b:x"), AddressError::NoHost(_)));
    assert!(matches!(error("al@host:0:x"), AddressError::Port(_)));
    assert!(matches!(error("al@host:65536:x"), AddressError::Port(_)));
    assert!(matches!(error("ferry://host/x"), AddressError::NoUser(_)));
    assert!(matches!(error("ferry://al@/x"), AddressError::NoHost(_)));
    assert!(matches!(error("ferry://al@host:/x"), AddressError::Port(_)));
    assert!(matches!(error("ferry://al@host:+1/x"), AddressError::Port(_)));
}

#[test]
fn a_password_in_a_url_is_refused() {
    assert_eq!(error("ferry://al:secret@host/"), AddressError::Password);
    assert_eq!(error("ferry://al:se@cret@host/"), AddressError::Password);
}

#[test]
fn a_server_alone_needs_no_path() {
    let server = |text: &str| Address::server(OsStr::new(text)).map(|address| address.server);
    assert_eq!(server("work"), Ok(Server::Site("work".into())));
    assert_eq!(server("work:"), Ok(Server::Site("work".into())));
    let named = |port| Ok(Server::Direct { user: "al".into(), host: "host".into(), port });
    assert_eq!(server("al@host"), named(7021));
    assert_eq!(server("al@host:9000"), named(9000));
    assert_eq!(server("al@host:9000:/x"), named(9000));
    assert_eq!(server("ferry://al@host:9000"), named(9000));
    assert!(server("./x").is_err());
    for wrong in ["al@host:99999", "al@host:0", "al@[::1]:65536"] {
        assert!(matches!(server(wrong), Err(AddressError::Port(_))), "{wrong}");
    }
    assert_eq!(server("al@host:9x"), named(7021));
}

#[test]
fn digits_where_a_path_stands_may_be_meant_as_a_port() {
    let with_port = |text: &str| Address::with_port(OsStr::new(text));
    assert_eq!(with_port("al@host:9000"), Some("al@host:9000:".into()));
    assert_eq!(with_port("al@[::1]:9000"), Some("al@[::1]:9000:".into()));
    for text in ["al@host:9000:", "al@host:99999", "al@host:1:2", "al@host:/9", "w:9000", "al@host", "ferry://al@h:9"] {
        assert_eq!(with_port(text), None, "{text}");
    }
}

#[test]
fn the_end_of_a_path_says_whether_it_means_into() {
    for (text, into) in [("s:", true), ("s:/", true), ("s:a/", true), ("s:a/..", true), ("s:.", true), ("s:a", false)] {
        assert_eq!(parse(text).unwrap().is_into(), into, "{text}");
    }
}

#[test]
fn a_place_as_a_url_is_understood_again() {
    for path in ["", "x", "a b/%41;$'/~", "ü/\u{202e}"] {
        let path = RemotePath::from_typed(path.as_bytes()).unwrap();
        let typed = url(&Target::ferry("al", "::1", 9), &path);
        let Address { server, path: found } = Address::parse(OsStr::new(&typed)).unwrap().unwrap();
        assert_eq!((server, &found[1..]), (direct("al", "::1", 9, "").unwrap().server, path.as_bytes()), "{typed}");
        assert!(typed.is_ascii() && !typed.contains([' ', '$', '\'', ';']), "{typed}");
    }
    let sftp = url(&Target::sftp("a@b:c", "host", 22), &RemotePath::from_typed(b"~/x").unwrap());
    assert_eq!(sftp, "sftp://a%40b%3Ac@host:22/~/x");
}
