//! Versions of files, opaque to everything except the site that created them.

use std::{any::Any, fmt, sync::Arc};

/// Identifies one state of one file. Only the site that created the version can interpret it; given back to the site,
/// it restricts an operation to the file in this state.
#[derive(Clone)]
pub struct Version {
    known: Arc<dyn Any + Send + Sync>,
    is_same: fn(&Self, &Self) -> bool,
}

impl Version {
    /// Creates a version from the site's own value `known`.
    pub(crate) fn new<T: Any + Send + Sync + PartialEq>(known: T) -> Self {
        let is_same = |a: &Self, b: &Self| a.get::<T>().zip(b.get::<T>()).is_some_and(|(a, b)| a == b);
        Self { known: Arc::new(known), is_same }
    }

    /// The site's own value; `None` if another kind of site created the version.
    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.known.downcast_ref()
    }

    /// Whether both identify the same state of the same file, even under different paths or addresses of the same
    /// site.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (self.is_same)(self, other)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Version")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_versions_of_one_kind_are_the_same() {
        assert!(Version::new(1_u64).is_same(&Version::new(1_u64)));
        assert!(!Version::new(1_u64).is_same(&Version::new(2_u64)));
        assert!(!Version::new(1_u64).is_same(&Version::new("1".to_owned())));
    }
}
