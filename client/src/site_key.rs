//! The identity of a site, which an order stores for both of its ends.

use std::fmt;

use crate::connect::Target;

/// Identifies a site.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SiteKey {
    /// This computer.
    Local,
    /// An account on a server.
    Server(Target),
}

impl SiteKey {
    /// Whether it is this computer.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local)
    }

    /// The account on a server, if this is one.
    #[must_use]
    pub fn server(&self) -> Option<&Target> {
        match self {
            Self::Local => None,
            Self::Server(target) => Some(target),
        }
    }
}

/// The site, for display.
impl fmt::Display for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("this computer"),
            Self::Server(target) => target.fmt(f),
        }
    }
}
