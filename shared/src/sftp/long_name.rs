//! Lines of a listing for people, as OpenSSH's server writes them.

use jiff::{Timestamp, fmt::strtime, tz::TimeZone};

use super::attributes::Attributes;

/// The age in seconds from which a date is shown with its year instead of the time of day.
const HALF_A_YEAR: i64 = 365 * 24 * 60 * 60 / 2;

/// The line of an entry, like `-rw-r--r--    1 alice    alice        1234 Jul 30 12:00 name`.
///
/// `now` is in seconds since 1970; dates are in UTC. The number of links is always 1.
#[must_use]
pub fn long_name(name: &[u8], attributes: &Attributes, user: &str, group: &str, now: i64) -> Vec<u8> {
    let mode = mode(attributes.permissions.unwrap_or_default());
    let size = attributes.size.unwrap_or_default();
    let date = attributes.times.map(|times| date(times.mtime.into(), now)).unwrap_or_default();
    let mut line = format!("{mode} {:>3} {user:<8} {group:<8} {size:>8} {date} ", 1).into_bytes();
    line.extend_from_slice(name);
    line
}

fn date(seconds: i64, now: i64) -> String {
    let format = if now.saturating_sub(seconds) < HALF_A_YEAR { "%b %e %H:%M" } else { "%b %e  %Y" };
    let time = Timestamp::from_second(seconds).map(|time| time.to_zoned(TimeZone::UTC));
    time.and_then(|time| strtime::format(format, &time)).unwrap_or_default()
}

/// Type and permission bits as `strmode(3)` shows them, with a space at the end.
fn mode(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o020_000 => 'c',
        0o060_000 => 'b',
        0o100_000 => '-',
        0o120_000 => 'l',
        0o140_000 => 's',
        0o010_000 => 'p',
        _ => '?',
    };
    let bits = |shift: u32, special: u32, set: char| {
        let bits = mode >> shift;
        let execute = match (bits & 1 != 0, mode & special != 0) {
            (false, false) => '-',
            (true, false) => 'x',
            (false, true) => set.to_ascii_uppercase(),
            (true, true) => set,
        };
        [if bits & 4 != 0 { 'r' } else { '-' }, if bits & 2 != 0 { 'w' } else { '-' }, execute]
    };
    let all = [bits(6, 0o4000, 's'), bits(3, 0o2000, 's'), bits(0, 0o1000, 't')];
    [kind].into_iter().chain(all.into_iter().flatten()).chain([' ']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sftp::Times;

    const NOW: i64 = 1_700_000_000;

    fn line(name: &[u8], permissions: u32, size: u64, mtime: u32) -> String {
        let times = Some(Times { atime: 0, mtime });
        let attributes =
            Attributes { size: Some(size), permissions: Some(permissions), times, ..Attributes::default() };
        String::from_utf8_lossy(&long_name(name, &attributes, "alice", "staff", NOW)).into_owned()
    }

    #[test]
    fn lines_look_as_those_of_openssh() {
        assert_eq!(
            line(b"a b", 0o100_644, 1234, 1_699_999_000),
            "-rw-r--r--    1 alice    staff        1234 Nov 14 21:56 a b"
        );
        assert_eq!(line(b"d", 0o041_777, 0, 86_400 * 3), "drwxrwxrwt    1 alice    staff           0 Jan  4  1970 d");
        assert_eq!(
            line(b"x", 0o106_640, 12_345_678_901, u32::MAX),
            "-rwSr-S---    1 alice    staff    12345678901 Feb  7 06:28 x"
        );
    }

    #[test]
    fn the_year_is_shown_from_half_a_year_on() {
        let at = |age: i64| line(b"x", 0, 0, u32::try_from(NOW - age).unwrap());
        assert!(at(HALF_A_YEAR - 1).contains(':'));
        assert!(at(HALF_A_YEAR).ends_with("  2023 x"));
    }

    #[test]
    fn unknown_attributes_leave_a_line_and_bytes_stay_bytes() {
        let line = long_name(b"\xff", &Attributes::default(), "someone-long", "g", NOW);
        assert_eq!(line, b"?---------    1 someone-long g               0  \xff");
    }
}
