//! Numbers in arguments and in results, as GNU's programs read and write them.

use std::str::FromStr;

/// How many lines or bytes `head` and `tail` show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    /// The number.
    pub(super) number: u64,
    /// The sign before it, if there is one.
    pub(super) sign: Option<char>,
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sign = text.chars().next().filter(|first| matches!(first, '+' | '-'));
        let digits = if sign.is_some() { &text[1..] } else { text };
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (number, unit) = digits.split_at(end);
        let wrong = || format!("{text:?} is not a number such as 10 or 4K");
        let unit = unit_of(unit).ok_or_else(wrong)?;
        let number = number.parse::<u64>().map_err(|_| wrong())?.checked_mul(unit).ok_or_else(wrong)?;
        Ok(Self { number, sign })
    }
}

/// The factor of a unit.
fn unit_of(unit: &str) -> Option<u64> {
    const UNITS: &str = "KMGTPE";
    let power = |letter: char, base: u64| {
        let power = UNITS.find(letter.to_ascii_uppercase())? + 1;
        base.checked_pow(u32::try_from(power).ok()?)
    };
    let mut letters = unit.chars();
    match (letters.next(), letters.as_str()) {
        (None, _) => Some(1),
        (Some('b'), "") => Some(512),
        (Some(letter), "" | "iB") => power(letter, 1024),
        (Some(letter), "B") => power(letter, 1000),
        _ => None,
    }
}

/// How sizes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// In units of this many bytes, rounded up.
    Units(u64),
    /// With a unit that leaves at most three digits before the point.
    Human,
}

impl Scale {
    /// The size as text.
    pub(super) fn write(self, bytes: u64) -> String {
        match self {
            Self::Units(unit) => bytes.div_ceil(unit).to_string(),
            Self::Human => human(bytes),
        }
    }
}

fn human(bytes: u64) -> String {
    let (mut unit, mut letters) = (1_u128, "KMGTPE".chars());
    let (bytes, mut letter) = (u128::from(bytes), None);
    while bytes > 1023 * unit {
        unit *= 1024;
        letter = letters.next();
    }
    let Some(letter) = letter else { return bytes.to_string() };
    let tenths = (bytes * 10).div_ceil(unit);
    if tenths < 100 {
        format!("{}.{}{letter}", tenths / 10, tenths % 10)
    } else {
        format!("{}{letter}", bytes.div_ceil(unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_sign_and_unit() {
        let read = |text: &str| text.parse::<Count>().map(|count| (count.sign, count.number));
        for (text, number) in [("0", 0), ("10", 10), ("2b", 1024), ("2kB", 2000), ("2K", 2048), ("2KiB", 2048)] {
            assert_eq!(read(text), Ok((None, number)), "{text}");
        }
        assert_eq!(read("+3"), Ok((Some('+'), 3)));
        assert_eq!(read("-3M"), Ok((Some('-'), 3 << 20)));
        for wrong in ["", "-", "x", "1x", "1.5", "K", "18446744073709551616", "18446744073709551615K", "1é", "++1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_rounded_up_as_du_rounds_them() {
        for (bytes, text) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.0K"),
            (1025, "1.1K"),
            (10_239, "10K"),
            (10_240, "10K"),
            (10_241, "11K"),
            (1_047_552, "1023K"),
            (1_047_553, "1.0M"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(Scale::Human.write(bytes), text, "{bytes}");
        }
        assert_eq!(Scale::Units(1024).write(1025), "2");
    }
}
