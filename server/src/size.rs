//! Sizes as people write them in files and on the command line, converted exactly.

use std::{fmt, str::FromStr};

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Units from small to large; a number is written with the unit that gives the shortest whole number.
const UNITS: [(&str, u64); 13] = [
    ("B", 1),
    ("KB", bytesize::KB),
    ("KiB", bytesize::KIB),
    ("MB", bytesize::MB),
    ("MiB", bytesize::MIB),
    ("GB", bytesize::GB),
    ("GiB", bytesize::GIB),
    ("TB", bytesize::TB),
    ("TiB", bytesize::TIB),
    ("PB", bytesize::PB),
    ("PiB", bytesize::PIB),
    ("EB", bytesize::EB),
    ("EiB", bytesize::EIB),
];

/// A number of bytes, written `10GiB`; also parsed from `10 GB`, `1.5G` or a bare number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteCount(pub u64);

/// The text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a size such as 10GiB, 500MB or 4096")]
pub struct SizeError(String);

/// The largest quota: no filesystem on which ferryd runs can hold more.
pub const QUOTA_MAX: ByteCount = ByteCount(bytesize::EIB);

impl FromStr for ByteCount {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        text.trim().parse::<ByteSize>().map(|size| Self(size.as_u64())).map_err(|_| SizeError(text.to_owned()))
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().filter(|(_, unit)| self.0.is_multiple_of(*unit));
        let (name, unit) = whole.min_by_key(|(_, unit)| self.0 / unit).unwrap_or(&UNITS[0]);
        if self.0 == 0 { f.write_str("0B") } else { write!(f, "{}{name}", self.0 / unit) }
    }
}

impl Serialize for ByteCount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteCount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"10GiB\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteCount, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteCount, E> {
                Ok(ByteCount(bytes))
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteCount, E> {
                u64::try_from(bytes).map(ByteCount).map_err(|_| E::custom("a size is never negative"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Checks that something can be stored within a quota and that a disk could hold it.
///
/// # Errors
/// A description of the fault.
pub fn sensible_quota(quota: ByteCount) -> Result<ByteCount, String> {
    match quota {
        ByteCount(0) => {
            Err("nothing could be stored; --access read-only lets a user only list and download".to_owned())
        }
        quota if quota > QUOTA_MAX => {
            Err(format!("no disk can hold so much; at most {QUOTA_MAX}, or none for no limit"))
        }
        quota => Ok(quota),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_written_as_it_was_meant() {
        for text in ["10GiB", "10GB", "1KiB", "1KB", "1536B", "0B", "64MiB", "1EiB"] {
            assert_eq!(text.parse::<ByteCount>().unwrap().to_string(), text);
        }
        assert_eq!("10 GB".parse(), Ok(ByteCount(10_000_000_000)));
        assert_eq!(" 4096 ".parse(), Ok(ByteCount(4096)));
        assert_eq!("1.5KiB".parse(), Ok(ByteCount(1536)));
    }

    #[test]
    fn refuses_text_that_is_not_a_size() {
        for text in ["", "GiB", "-1", "10 gallons", "1,5GB", "ten"] {
            assert!(text.parse::<ByteCount>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<ByteCount>("-1").is_err());
        assert_eq!(serde_json::from_str::<ByteCount>("5").unwrap(), ByteCount(5));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_in_writing(bytes: u64, factor in prop::sample::select(UNITS.to_vec())) {
            for bytes in [bytes, (bytes % 1000) * (factor.1 % (1 << 50))] {
                prop_assert_eq!(ByteCount(bytes).to_string().parse(), Ok(ByteCount(bytes)));
            }
        }
    }
}
