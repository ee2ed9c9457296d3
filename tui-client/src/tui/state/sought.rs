//! What a search looks for: names, and optionally sizes and times of change.

use std::ops::RangeInclusive;

use bytesize::ByteSize;
use ferry_shared::entry::{Entry, Kind};
use jiff::{civil::Date, tz::TimeZone};

/// What a search looks for. All of it must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sought {
    /// A part of the name, or a pattern.
    pub(crate) name: String,
    /// The size of a file in bytes; folders have none.
    pub(crate) size: Option<RangeInclusive<u64>>,
    /// The time of change in seconds since 1970.
    pub(crate) changed: Option<RangeInclusive<i64>>,
    /// All of it, for the title.
    pub(crate) shown: String,
}

impl Sought {
    /// Reads the fields of the form; `now` in seconds since 1970.
    ///
    /// # Errors
    /// A message for the user: nothing is given, or a size or time is not valid.
    pub(crate) fn parse(name: &str, size: &str, changed: &str, now: i64, zone: &TimeZone) -> Result<Self, String> {
        let shown = [name, size, changed].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
        if shown.is_empty() {
            return Err("what is sought is missing".to_owned());
        }
        Ok(Self {
            name: if name.is_empty() { "*".to_owned() } else { name.to_owned() },
            size: (!size.is_empty()).then(|| sizes(size)).transpose()?,
            changed: (!changed.is_empty()).then(|| times(changed, now, zone)).transpose()?,
            shown,
        })
    }

    /// Whether names are all it looks for.
    pub(crate) fn is_of_names(&self) -> bool {
        self.size.is_none() && self.changed.is_none()
    }

    /// Whether an entry with a fitting name fits.
    pub(crate) fn fits(&self, entry: &Entry) -> bool {
        let size = self.size.as_ref().is_none_or(|size| entry.kind == Kind::File && size.contains(&entry.size));
        size && self.changed.as_ref().is_none_or(|changed| changed.contains(&entry.mtime.0))
    }
}

/// `>10M`, `<1K`, `10M-1G`; a size alone is the least.
fn sizes(text: &str) -> Result<RangeInclusive<u64>, String> {
    let size = |text: &str| text.trim().parse::<ByteSize>().map(|size| size.as_u64());
    let range = if let Some(most) = text.strip_prefix('<') {
        size(most).map(|most| 0..=most.saturating_sub(1))
    } else if let Some(least) = text.strip_prefix('>') {
        size(least).map(|least| least.saturating_add(1)..=u64::MAX)
    } else if let Some((least, most)) = text.split_once('-') {
        size(least).and_then(|least| Ok(least..=size(most)?))
    } else {
        size(text).map(|least| least..=u64::MAX)
    };
    range.map_err(|_| format!("`{text}` is not a size; write >10MiB, <1KiB or 10MiB-1GiB"))
}

/// `7d`: in the last seven days; `>7d`: before that. `2026-11-01`: since that day; `<2026-11-01`: before it.
/// `2026-11-01..2026-11-05`: on these days.
fn times(text: &str, now: i64, zone: &TimeZone) -> Result<RangeInclusive<i64>, String> {
    let fault = || format!("`{text}` is not a time; write 7d, >7d, 2026-11-01, <2026-11-01 or 2026-11-01..2026-11-05");
    let start = |text: &str| {
        let date = text.trim().parse::<Date>().ok()?;
        date.to_zoned(zone.clone()).ok().map(|start| start.timestamp().as_second())
    };
    if let Some((first, last)) = text.split_once("..") {
        let after = last.trim().parse::<Date>().ok().and_then(|date| date.tomorrow().ok());
        let end = after.and_then(|after| start(&after.to_string()));
        return Ok(start(first).ok_or_else(fault)?..=end.ok_or_else(fault)? - 1);
    }
    let (before, bare) = match text.strip_prefix(['<', '>']) {
        Some(bare) => (true, bare),
        None => (false, text),
    };
    let at = match ago(bare.trim()) {
        // An age is older if it is greater, a date if it is smaller.
        Some(ago) if !text.starts_with('<') => now.saturating_sub(ago),
        None if !text.starts_with('>') => start(bare).ok_or_else(fault)?,
        _ => return Err(fault()),
    };
    Ok(if before { i64::MIN..=at - 1 } else { at..=i64::MAX })
}

/// The seconds of `30m`, `12h`, `7d` or `2w`.
fn ago(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    text[..text.len() - 1].parse::<u32>().ok().map(|number| i64::from(number) * unit)
}

#[cfg(test)]
mod tests {
    use ferry_shared::{entry::Mtime, name::Name};

    use super::*;

    const NOW: i64 = 1_795_219_200;
    const DAY: i64 = 86_400;

    fn fits(size: &str, changed: &str, entry: (u64, i64)) -> bool {
        let sought = Sought::parse("", size, changed, NOW, &TimeZone::UTC).unwrap();
        let name = Name::try_from("a").unwrap();
        sought.fits(&Entry { name, kind: Kind::File, size: entry.0, mtime: Mtime(entry.1, 0), mode: 0o644 })
    }

    #[test]
    fn sizes_are_limits_and_ranges() {
        for (text, inside, outside) in [
            (">1KiB", &[1025, u64::MAX][..], &[0, 1024][..]),
            ("<1KiB", &[0, 1023], &[1024]),
            ("1KiB", &[1024, 1025], &[1023]),
            ("1KiB-2KiB", &[1024, 2048], &[1023, 2049]),
        ] {
            assert!(inside.iter().all(|size| fits(text, "", (*size, 0))), "{text}");
            assert!(!outside.iter().any(|size| fits(text, "", (*size, 0))), "{text}");
        }
    }

    #[test]
    fn times_are_ages_and_days() {
        // The 21st of November 2026 begins at `NOW`.
        for (text, inside, outside) in [
            ("7d", &[NOW, NOW - 7 * DAY][..], &[NOW - 7 * DAY - 1][..]),
            (">7d", &[NOW - 7 * DAY - 1], &[NOW - 7 * DAY]),
            ("2w", &[NOW - 13 * DAY], &[NOW - 15 * DAY]),
            ("2026-11-20", &[NOW - DAY, NOW], &[NOW - DAY - 1]),
            ("<2026-11-20", &[NOW - DAY - 1], &[NOW - DAY]),
            ("2026-11-19..2026-11-20", &[NOW - 2 * DAY, NOW - 1], &[NOW - 2 * DAY - 1, NOW]),
        ] {
            assert!(inside.iter().all(|time| fits("", text, (0, *time))), "{text}");
            assert!(!outside.iter().any(|time| fits("", text, (0, *time))), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let fault = |size, changed| Sought::parse("", size, changed, NOW, &TimeZone::UTC).unwrap_err();
        assert!(fault("", "").contains("missing"));
        for size in ["big", ">", "1-", "-"] {
            assert!(fault(size, "").contains("is not a size"), "{size}");
        }
        for time in ["soon", "<7d", ">2026-11-01", "2026-13-01", "2026-11-01..", "9999999999999d"] {
            assert!(fault("", time).contains("is not a time"), "{time}");
        }
    }

    #[test]
    fn folders_have_no_size() {
        let sought = Sought::parse("a", "<1KiB", "", NOW, &TimeZone::UTC).unwrap();
        let name = Name::try_from("a").unwrap();
        assert!(!sought.fits(&Entry { name, kind: Kind::Folder, size: 0, mtime: Mtime(0, 0), mode: 0o755 }));
    }
}
