//! Optional features: a side uses one only if both have announced it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeSeq as _};

/// An addition to the first version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Replies to `uploads` come in pages.
    UploadsPages,
    /// The server runs commands that are built into it.
    Run,
    /// Blocks may be sent as deltas against the receiver's file, whose chunks it describes.
    Chunks,
    /// Blocks and messages may be sent compressed.
    Packed,
    /// A walk can also yield the digests that the server remembers.
    Remembered,
}

impl Feature {
    /// Every feature that this build supports.
    pub const ALL: [Self; 5] = [Self::UploadsPages, Self::Run, Self::Chunks, Self::Packed, Self::Remembered];

    /// The name of the feature in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UploadsPages => "uploads_pages",
            Self::Run => "run",
            Self::Chunks => "chunks",
            Self::Packed => "packed",
            Self::Remembered => "remembered",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A set of features. Unknown names are dropped when a set is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(u32);

impl Features {
    /// No features: the first version of the protocol.
    pub const NONE: Self = Self(0);

    /// Every feature that this build supports.
    #[must_use]
    pub fn known() -> Self {
        Feature::ALL.into_iter().collect()
    }

    /// The features that both sides listed: only those may be used.
    #[must_use]
    pub const fn common(self, theirs: Self) -> Self {
        Self(self.0 & theirs.0)
    }

    /// The set without `feature`.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !feature.bit())
    }

    /// Whether the set contains `feature`.
    #[must_use]
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & feature.bit() != 0
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        Self(features.into_iter().fold(0, |set, feature| set | feature.bit()))
    }
}

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names = serializer.serialize_seq(None)?;
        for feature in Feature::ALL.into_iter().filter(|feature| self.has(*feature)) {
            names.serialize_element(feature.as_str())?;
        }
        names.end()
    }
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let known = |name: String| Feature::ALL.into_iter().find(|feature| feature.as_str() == name);
        Ok(names.into_iter().filter_map(known).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_used_only_when_both_know_it() {
        let ours = Features::known();
        assert!(ours.common(ours).has(Feature::UploadsPages));
        assert!(!ours.common(Features::NONE).has(Feature::UploadsPages));
        let fewer = ours.without(Feature::Run);
        assert!(!ours.common(fewer).has(Feature::Run) && ours.common(fewer).has(Feature::Packed));
        assert!(!Features::NONE.common(ours).has(Feature::UploadsPages));
    }

    #[test]
    fn unknown_features_are_ignored() {
        let heard: Features = serde_json::from_str(r#"["telepathy","uploads_pages","uploads_pages"]"#).unwrap();
        assert_eq!(heard, [Feature::UploadsPages].into_iter().collect());
        assert_eq!(serde_json::from_str::<Features>(r#"["telepathy"]"#).unwrap(), Features::NONE);
    }

    #[test]
    fn every_feature_travels_under_its_own_name() {
        let json = serde_json::to_string(&Features::known()).unwrap();
        assert_eq!(serde_json::from_str::<Features>(&json).unwrap(), Features::known());
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), Feature::ALL.map(Feature::as_str));
    }
}
