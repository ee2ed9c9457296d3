//! Readable sizes, times and permissions; fast enough for a hundred thousand lines.

use std::time::{Duration, SystemTime};

use bytesize::ByteSize;
use ferry_client::ClientError;
use ferry_shared::{
    entry::{Kind, Mtime},
    message::reply::Access,
};
use jiff::{Timestamp, tz::TimeZone};

/// The message for a failure that is retried.
pub(crate) fn trying_again(error: &ClientError, delay: Duration, attempt: u32) -> String {
    format!("{error}; retrying in {:.1} s (attempt {attempt})", delay.as_secs_f32())
}

/// Bytes in at most 8 columns: `9.8 MiB`, `24 MiB`, `1023 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = bytes.ilog2() / 10;
    let unit = 1u128 << (10 * power);
    let name = usize::try_from(power).ok().and_then(|power| UNITS.get(power.wrapping_sub(1))).unwrap_or(&"EiB");
    let tenths = u128::from(bytes) * 10 / unit;
    if tenths < 100 { format!("{}.{} {name}", tenths / 10, tenths % 10) } else { format!("{} {name}", tenths / 10) }
}

/// Parses a rate in bytes per second; 0 means no limit.
///
/// # Errors
/// A message that the text is not a size.
pub(crate) fn parse_limit(text: &str) -> Result<Option<u64>, String> {
    match text.parse::<ByteSize>() {
        Ok(size) => Ok(Some(size.as_u64()).filter(|size| *size > 0)),
        Err(_) => Err(format!("`{text}` is not a size; write 500KiB, 10MiB or 0 for no limit")),
    }
}

/// Seconds as `1:25` or `2:00:05`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// An elapsed time: `3.2 s`, or from a minute on as [`duration`].
pub(crate) fn elapsed(time: Duration) -> String {
    if time.as_secs() < 60 { format!("{:.1} s", time.as_secs_f64()) } else { duration(time) }
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// Bytes per second over `time`; `None` if the time is too short.
pub(crate) fn rate(bytes: u64, time: Duration) -> Option<String> {
    let millis = time.as_millis();
    if millis < 10 {
        return None;
    }
    let rate = u128::from(bytes) * 1000 / millis;
    Some(format!("{}/s", size(u64::try_from(rate).unwrap_or(u64::MAX))))
}

/// The first ten characters of a line of `ls -l`.
pub(crate) fn mode(kind: Kind, mode: u32) -> [u8; 10] {
    let mut text = *b"?rwxrwxrwx";
    text[0] = match kind {
        Kind::File => b'-',
        Kind::Folder => b'd',
        Kind::Symlink => b'l',
        Kind::Other => b'?',
    };
    for (at, letter) in text[1..].iter_mut().enumerate() {
        if mode & (0o400 >> at) == 0 {
            *letter = b'-';
        }
    }
    text
}

/// Formats times as `2026-11-02 17:40` in the local time zone.
///
/// Caches the last minute, which many entries of a folder share.
pub(crate) struct Times {
    zone: TimeZone,
    minute: Option<i64>,
    text: [u8; Self::LENGTH],
}

impl Times {
    /// The length of a time.
    pub(crate) const LENGTH: usize = 16;

    /// Times in the local time zone.
    pub(crate) fn local() -> Self {
        Self::in_zone(TimeZone::system())
    }

    fn in_zone(zone: TimeZone) -> Self {
        Self { zone, minute: None, text: [b'?'; Self::LENGTH] }
    }

    /// The time as text; question marks if it is outside the calendar.
    pub(crate) fn text(&mut self, time: Mtime) -> &[u8; Self::LENGTH] {
        // All offsets from UTC of the last hundred years are whole minutes; for older times the previous minute may be shown.
        let minute = time.0.div_euclid(60);
        if self.minute != Some(minute) {
            self.minute = Some(minute);
            self.text = self.compute(time);
        }
        &self.text
    }

    fn compute(&self, time: Mtime) -> [u8; Self::LENGTH] {
        let mut text = *b"????-??-?? ??:??";
        let Ok(timestamp) = Timestamp::from_second(time.0) else { return text };
        let civil = self.zone.to_datetime(timestamp);
        let Ok(mut year) = u16::try_from(civil.year()) else { return text };
        for place in text[..4].iter_mut().rev() {
            *place = digit(year % 10);
            year /= 10;
        }
        let pairs = [(5, civil.month()), (8, civil.day()), (11, civil.hour()), (14, civil.minute())];
        for (at, number) in pairs {
            let number = u16::from(number.unsigned_abs());
            text[at] = digit(number / 10);
            text[at + 1] = digit(number % 10);
        }
        text
    }
}

/// A time as `2026-11-02 17:40:05`, in the local time zone.
pub(crate) fn second(time: SystemTime) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => TimeZone::system().to_datetime(time).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "?".to_owned(),
    }
}

fn digit(number: u16) -> u8 {
    b"0123456789"[usize::from(number % 10)]
}

/// The message for a change of the account's access.
pub(crate) fn access_changed(access: Access) -> &'static str {
    match access {
        Access::ReadOnly => "your account on this server is read-only now",
        Access::ReadWrite => "your account on this server can write now",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(times: &mut Times, seconds: i64) -> String {
        String::from_utf8(times.text(Mtime(seconds, 0)).to_vec()).unwrap()
    }

    #[test]
    fn times_are_written_in_their_zone() {
        let mut times = Times::in_zone(TimeZone::fixed(jiff::tz::offset(2)));
        assert_eq!(text(&mut times, 0), "1970-01-01 02:00");
        assert_eq!(text(&mut times, 59), "1970-01-01 02:00");
        assert_eq!(text(&mut times, 60), "1970-01-01 02:01");
        assert_eq!(text(&mut times, -1), "1970-01-01 01:59");
        assert_eq!(text(&mut times, 1_793_637_600), "2026-11-02 18:40");
    }

    #[test]
    fn times_beyond_the_calendar_are_question_marks() {
        let mut times = Times::in_zone(TimeZone::UTC);
        assert_eq!(text(&mut times, i64::MAX), "????-??-?? ??:??");
        assert_eq!(text(&mut times, i64::MIN), "????-??-?? ??:??");
    }

    #[test]
    fn permissions_look_like_those_of_ls() {
        assert_eq!(&mode(Kind::Folder, 0o755), b"drwxr-xr-x");
        assert_eq!(&mode(Kind::File, 0o640), b"-rw-r-----");
        assert_eq!(&mode(Kind::Symlink, 0o777), b"lrwxrwxrwx");
        assert_eq!(&mode(Kind::Other, 0), b"?---------");
    }

    #[test]
    fn durations_show_hours_only_from_one_hour_on() {
        assert_eq!(duration(Duration::from_secs(85)), "1:25");
        assert_eq!(duration(Duration::from_secs(7205)), "2:00:05");
    }

    #[test]
    fn rates_need_a_minimum_time() {
        assert_eq!(rate(1 << 20, Duration::from_secs(2)).as_deref(), Some("512 KiB/s"));
        assert_eq!(rate(1 << 20, Duration::from_millis(1)), None);
    }

    #[test]
    fn sizes_take_at_most_eight_columns() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10_239, "9.9 KiB"),
            (10_240, "10 KiB"),
            (1_048_575, "1023 KiB"),
            (24 << 20, "24 MiB"),
            (u64::MAX, "15 EiB"),
        ] {
            assert_eq!(size(bytes), text);
            assert!(text.len() <= 8);
        }
    }
}
