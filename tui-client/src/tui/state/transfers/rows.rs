//! The lines of the transfers view: each transfer, and below it its active, asking and failed files.

use ferry_client::transfer::{ActiveItem, ItemId};

use super::{Ask, Cause, Key, Transfer, Transfers};

/// A line of the transfers view.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row<'a> {
    /// A transfer.
    Whole(&'a Transfer),
    /// A file of it that was begun: it is worked on, or rests.
    Active(&'a Transfer, &'a ActiveItem),
    /// A file of it that asks.
    Asks(&'a Transfer, &'a Ask),
    /// The files of it that failed for one cause.
    Failed(&'a Transfer, Cause<'a>),
}

impl<'a> Row<'a> {
    /// Its transfer.
    pub(crate) fn transfer(&self) -> &'a Transfer {
        match self {
            Self::Whole(transfer) | Self::Active(transfer, _) | Self::Asks(transfer, _) | Self::Failed(transfer, _) => {
                transfer
            }
        }
    }

    /// The file, unless it is the whole transfer.
    pub(crate) fn item(&self) -> Option<ItemId> {
        match self {
            Self::Whole(_) => None,
            Self::Active(_, item) => Some(item.item),
            Self::Asks(_, ask) => Some(ask.item),
            Self::Failed(_, cause) => Some(cause.first.item),
        }
    }

    /// An identifier of the line that stays valid while others come and go.
    pub(crate) fn name(&self) -> (Key, Option<ItemId>) {
        (self.transfer().key, self.item())
    }
}

impl Transfers {
    /// All lines.
    pub(crate) fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for transfer in self.all() {
            rows.push(Row::Whole(transfer));
            // The line of a single file would repeat that of its transfer.
            let single = matches!(transfer.order.what.as_slice(), [piece] if !piece.folder);
            if !single {
                rows.extend(transfer.begun().map(|item| Row::Active(transfer, item)));
            }
            rows.extend(self.asks.iter().filter(|ask| ask.key == transfer.key).map(|ask| Row::Asks(transfer, ask)));
            rows.extend(transfer.causes().into_iter().map(|cause| Row::Failed(transfer, cause)));
        }
        rows
    }

    /// The line with this identifier, or the line of its transfer if it is gone.
    pub(crate) fn row_of(&self, name: (Key, Option<ItemId>)) -> Option<usize> {
        let names: Vec<_> = self.rows().iter().map(Row::name).collect();
        let line = |name| names.iter().position(|other| *other == name);
        line(name).or_else(|| line((name.0, None)))
    }
}
