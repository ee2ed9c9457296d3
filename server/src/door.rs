//! The protocols by which users reach their homes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A protocol, as sessions, logs and metrics name it. Each has listeners of its own; accounts, homes and their
/// rules are the same behind all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// Ferry's own protocol.
    Ferry,
    /// SFTP and a few commands over SSH.
    Sftp,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ferry, Self::Sftp];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ferry => "ferry",
            Self::Sftp => "sftp",
        }
    }

    /// Whether its clients can be sent a message while nothing is asked.
    #[must_use]
    pub fn carries_messages(self) -> bool {
        match self {
            Self::Ferry => true,
            Self::Sftp => false,
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// At least one door: those through which a user may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doors([bool; Door::ALL.len()]);

impl Doors {
    /// These doors; `None` if there are none.
    fn of(doors: impl IntoIterator<Item = Door>) -> Option<Self> {
        let mut these = [false; Door::ALL.len()];
        doors.into_iter().for_each(|door| these[door as usize] = true);
        these.contains(&true).then_some(Self(these))
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn contains(self, door: Door) -> bool {
        self.0[door as usize]
    }

    fn iter(self) -> impl Iterator<Item = Door> {
        Door::ALL.into_iter().filter(move |door| self.contains(*door))
    }
}

impl FromStr for Doors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let door = |name: &str| Door::ALL.into_iter().find(|door| door.as_str() == name);
        let doors: Option<Vec<Door>> = text.split(',').map(|name| door(name.trim())).collect();
        doors.and_then(Self::of).ok_or_else(|| {
            let names = Door::ALL.map(Door::as_str).join(",");
            format!("not doors such as '{names}'")
        })
    }
}

impl fmt::Display for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Door::as_str).collect();
        f.write_str(&names.join(","))
    }
}

impl Serialize for Doors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Doors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let doors = Vec::<Door>::deserialize(deserializer)?;
        Self::of(doors).ok_or_else(|| de::Error::custom("no door lets nobody in; set enabled to false instead"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_door_has_its_own_place() {
        assert!(Door::ALL.iter().enumerate().all(|(place, door)| *door as usize == place));
    }

    #[test]
    fn doors_are_read_as_they_are_written_and_none_is_refused() {
        for (text, json) in [("ferry", r#"["ferry"]"#), ("sftp", r#"["sftp"]"#), ("ferry,sftp", r#"["ferry","sftp"]"#)]
        {
            let doors: Doors = text.parse().unwrap();
            assert_eq!((doors.to_string(), serde_json::to_string(&doors).unwrap()), (text.into(), json.into()));
            assert_eq!(serde_json::from_str::<Doors>(json).unwrap(), doors);
        }
        assert_eq!("sftp, ferry".parse::<Doors>().unwrap().to_string(), "ferry,sftp");
        for wrong in ["", "ftp", "ferry,", "Ferry"] {
            assert!(wrong.parse::<Doors>().is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<Doors>("[]").is_err());
    }
}
