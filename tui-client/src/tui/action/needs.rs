//! The abilities of a site that actions need.

use ferry_client::site::Abilities;

/// An ability of a site that an action needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Need {
    /// The site reports a quota.
    Quota,
    /// The site has symbolic links.
    Links,
}

impl Need {
    /// Whether a site has the ability.
    pub(crate) fn is_met(self, abilities: &Abilities) -> bool {
        match self {
            Self::Quota => abilities.quota,
            Self::Links => abilities.links,
        }
    }

    /// The name of the ability, for a message that a site lacks it.
    pub(crate) fn lacking(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Links => "symbolic links",
        }
    }
}
