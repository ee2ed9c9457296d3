//! Sizes, times and counts in few columns.

use std::time::Duration;

use ferry_shared::entry::Mtime;
use jiff::{Timestamp, tz::TimeZone};

pub(super) use crate::human::size;
use crate::{human, tui::state::appearance::Signs};

/// `12.4 of ≥30.1 GiB`: how much of how much, in the unit of the whole.
pub(super) fn part(done: u64, whole: u64, grows: bool, signs: &Signs) -> String {
    let text = of(done, whole);
    if grows { text.replacen(" of ", &format!(" of {}", signs.at_least), 1) } else { text }
}

/// `6.8 of 10 GiB`: the unit is said once where it is the same.
pub(super) fn of(part: u64, whole: u64) -> String {
    let (part, whole) = (size(part), size(whole));
    match (part.split_once(' '), whole.split_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other => format!("{number} of {whole}"),
        _ => format!("{part} of {whole}"),
    }
}

/// Bytes a second.
pub(super) fn rate(rate: u64) -> String {
    format!("{}/s", size(rate))
}

/// How long something takes: `0:31`, `2:00:05`, `3 d`.
pub(super) fn time_left(time: Duration) -> String {
    match time.as_secs() / 86_400 {
        0 => human::duration(time),
        days @ 1..=99 => format!("{days} d"),
        _ => "99+ d".to_owned(),
    }
}

/// Thousandths as percent; never 100 before it is whole.
pub(super) fn percent(permille: u64) -> String {
    format!("{} %", permille / 10)
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dates {
    /// Not at all.
    None,
    /// `02 Nov`, or `  2025`: 6 columns.
    Short,
    /// `02 Nov 17:40`, or `02 Nov  2025`: 12 columns.
    Medium,
    /// `2026-11-02 17:40`: 16 columns.
    Long,
}

impl Dates {
    /// Columns of a time.
    pub(super) fn width(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Short => 6,
            Self::Medium => 12,
            Self::Long => 16,
        }
    }

    /// Formats a time. The year is left out if it is the year of `now` (in seconds since 1970), except in the long
    /// form.
    pub(super) fn text(self, time: Mtime, now: i64, zone: &TimeZone) -> String {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let civil = |seconds| Timestamp::from_second(seconds).ok().map(|timestamp| zone.to_datetime(timestamp));
        let (Some(date), Some(today)) = (civil(time.0), civil(now)) else { return "?".to_owned() };
        let month = MONTHS[usize::from(date.month().unsigned_abs().clamp(1, 12)) - 1];
        let this_year = date.year() == today.year();
        match (self, this_year) {
            (Self::None, _) => String::new(),
            (Self::Short, true) => format!("{:02} {month}", date.day()),
            (Self::Short, false) => format!("{:>6}", date.year()),
            (Self::Medium, true) => format!("{:02} {month} {:02}:{:02}", date.day(), date.hour(), date.minute()),
            (Self::Medium, false) => format!("{:02} {month}  {:>4}", date.day(), date.year()),
            (Self::Long, _) => {
                let (y, m, d) = (date.year(), date.month(), date.day());
                format!("{y:04}-{m:02}-{d:02} {:02}:{:02}", date.hour(), date.minute())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_is_said_where_it_is_another() {
        let now = 1_793_637_600;
        let text = |dates: Dates, time| dates.text(Mtime(time, 0), now, &TimeZone::UTC);
        assert_eq!(text(Dates::Medium, now), "02 Nov 16:40");
        assert_eq!(text(Dates::Medium, 0), "01 Jan  1970");
        assert_eq!(text(Dates::Short, 0), "  1970");
        assert_eq!(text(Dates::Long, now), "2026-11-02 16:40");
        assert_eq!(text(Dates::Long, i64::MAX), "?");
        for dates in [Dates::Short, Dates::Medium, Dates::Long] {
            assert_eq!(text(dates, 0).len(), usize::from(dates.width()));
        }
    }
}
