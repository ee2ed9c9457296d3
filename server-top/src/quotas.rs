//! The list of users' quotas in `ferryd top`: its order, and its visible part.

use crate::float::as_float;
use ferry_server::control::message::User;

/// The maximum number of rows of the list.
pub(crate) const ROWS: usize = 6;

/// The sort order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum QuotaSort {
    /// By the used share of the quota, largest first.
    #[default]
    Share,
    /// By usage, largest first.
    Used,
    /// By name.
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
    /// The number of users above the first row.
    first: usize,
}

impl Quotas {
    /// The number of users above the first row.
    pub(crate) fn first(&self, count: usize) -> usize {
        self.first.min(count.saturating_sub(ROWS))
    }

    /// Scrolls the list, which has `count` users.
    pub(crate) fn scroll(&mut self, count: usize, to: impl FnOnce(usize, usize) -> usize) {
        let last = count.saturating_sub(ROWS);
        self.first = to(self.first(count), last).min(last);
    }

    /// The visible users, in order.
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

/// The used share of the quota.
pub(crate) fn share(user: &User) -> f64 {
    user.quota.map_or(0.0, |quota| as_float(user.used.saturating_add(user.reserved)) / as_float(quota.max(1)))
}
