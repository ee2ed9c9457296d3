//! The list of users' quotas in `ferryd top`: its order, and which part of it is in sight.

use crate::float::as_float;
use ferry_server::control::message::User;

/// Rows of the list at most.
pub(crate) const ROWS: usize = 6;

/// What the list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum QuotaSort {
    /// The share of the quota that is taken, most first.
    #[default]
    Share,
    /// What is taken, most first.
    Used,
    /// Names.
    Name,
}

impl QuotaSort {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Used => "bytes",
            Self::Name => "user",
        }
    }

    pub(crate) fn next(self) -> Self {
        match self {
            Self::Share => Self::Used,
            Self::Used => Self::Name,
            Self::Name => Self::Share,
        }
    }
}

/// The list.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    pub(crate) sort: QuotaSort,
    /// How many users are above the first row.
    first: usize,
}

impl Quotas {
    /// How many users are above the first row.
    pub(crate) fn first(&self, count: usize) -> usize {
        self.first.min(count.saturating_sub(ROWS))
    }

    /// Shows another part of the list of so many users.
    pub(crate) fn scroll(&mut self, count: usize, to: impl FnOnce(usize, usize) -> usize) {
        let last = count.saturating_sub(ROWS);
        self.first = to(self.first(count), last).min(last);
    }

    /// The users that are in sight, in order.
    pub(crate) fn in_sight<'a>(&self, users: &'a [User]) -> Vec<&'a User> {
        let mut sorted: Vec<_> = users.iter().collect();
        sorted.sort_by(|a, b| {
            let order = match self.sort {
                QuotaSort::Share => share(b).total_cmp(&share(a)).then(b.used.cmp(&a.used)),
                QuotaSort::Used => b.used.cmp(&a.used),
                QuotaSort::Name => a.name.cmp(&b.name),
            };
            order.then(a.name.cmp(&b.name))
        });
        sorted.into_iter().skip(self.first(users.len())).take(ROWS).collect()
    }
}

/// The share of the quota that is taken.
pub(crate) fn share(user: &User) -> f64 {
    user.quota.map_or(0.0, |quota| as_float(user.used.saturating_add(user.reserved)) / as_float(quota.max(1)))
}
