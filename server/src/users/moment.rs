//! A point in time as people write it: a date, a timestamp, or a span from now.

use std::{fmt, str::FromStr, time::SystemTime};

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text;

/// A moment in whole seconds, written `2026-12-31T00:00:00Z`; a bare date is its first moment in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Timestamp);

/// The text is not a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a date such as 2026-12-31 or 2026-12-31T12:00:00Z")]
pub struct MomentError(String);

impl Moment {
    /// The present second.
    #[must_use]
    pub fn now() -> Self {
        Self::from_timestamp(Timestamp::now())
    }

    /// A date, or a span from now such as `30d` or `2 weeks`.
    ///
    /// # Errors
    /// [`MomentError`].
    pub fn from_now(text: &str) -> Result<Self, MomentError> {
        let Ok(span) = text.trim().parse::<Span>() else { return text.parse() };
        let then = Timestamp::now().to_zoned(TimeZone::UTC).checked_add(span);
        then.map(|then| Self::from_timestamp(then.timestamp())).map_err(|_| MomentError(text.to_owned()))
    }

    /// A moment of the system clock; the present if it is out of range.
    #[must_use]
    pub fn from_system_time(time: SystemTime) -> Self {
        Timestamp::try_from(time).map_or_else(|_| Self::now(), Self::from_timestamp)
    }

    /// This many seconds after 1970; the first or last representable moment if it is out of range.
    #[must_use]
    pub fn from_second(second: i64) -> Self {
        let nearest = if second < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Self::from_timestamp(Timestamp::from_second(second).unwrap_or(nearest))
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn as_second(self) -> i64 {
        self.0.as_second()
    }

    /// The moment as system time, for comparing with the clock.
    #[must_use]
    pub fn to_system_time(self) -> SystemTime {
        self.0.into()
    }

    fn from_timestamp(timestamp: Timestamp) -> Self {
        Self(Timestamp::from_second(timestamp.as_second()).unwrap_or(timestamp))
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        let text = text.trim();
        let stamp = text.parse::<Timestamp>().ok();
        let date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp());
        stamp.or_else(date).map(Self::from_timestamp).ok_or_else(|| MomentError(text.to_owned()))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_and_timestamps_are_read_and_written_in_utc() {
        for (text, written) in [
            ("2026-12-31", "2026-12-31T00:00:00Z"),
            ("2026-12-31T23:59:59Z", "2026-12-31T23:59:59Z"),
            ("2026-12-31T12:00:00.9+02:00", "2026-12-31T10:00:00Z"),
        ] {
            assert_eq!(text.parse::<Moment>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn spans_count_from_now() {
        let month = Moment::from_now("30d").unwrap().to_system_time();
        let from_now = month.duration_since(SystemTime::now()).unwrap();
        assert!(from_now.abs_diff(Duration::from_secs(30 * 86_400)) < Duration::from_secs(60), "{from_now:?}");
        assert_eq!(Moment::from_now("2026-12-31"), "2026-12-31".parse());
    }

    #[test]
    fn refuses_text_that_is_not_a_moment() {
        for text in ["", "soon", "2026-13-01", "31.12.2026"] {
            assert!(Moment::from_now(text).is_err(), "{text}");
        }
    }
}
