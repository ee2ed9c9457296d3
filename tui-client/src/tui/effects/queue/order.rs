//! Orders as the engine's jobs, and as the journal keeps them.

use ferry_client::{
    connect::Target,
    transfer::{Job, JobOptions, Work, journal},
};

use crate::tui::state::{
    place::Place,
    task::Left,
    transfers::{Key, Order, Piece},
};

/// The jobs of an order, one for each piece. A piece that the other side cannot have becomes a job that fails.
pub(super) fn jobs(order: &Order, options: &JobOptions) -> Vec<Job> {
    let job = |piece: &Piece| {
        // A path that cannot be joined is too long for the other side; the folder itself then fails as the target.
        let from = order.from.join(&piece.name).unwrap_or_else(|| order.from.clone());
        let to = order.to.join(&piece.becomes).unwrap_or_else(|| order.to.clone());
        let work = match (from, to) {
            (Place::Local(from), Place::Remote(to)) => Work::Upload { from, to },
            (Place::Remote(from), Place::Local(to)) => Work::Download { from, to },
            _ => return None,
        };
        Some(Job { work, options: options.clone() })
    };
    order.what.iter().filter_map(job).collect()
}

/// An order as the journal keeps it.
pub(super) fn kept(server: &Target, order: &Order) -> journal::Order {
    let piece = |piece: &Piece| journal::Piece {
        name: piece.name.clone(),
        becomes: piece.becomes.clone(),
        folder: piece.folder,
    };
    journal::Order {
        server: server.clone(),
        from: side(&order.from),
        to: side(&order.to),
        what: order.what.iter().map(piece).collect(),
        moves: order.moves,
        rule: order.rule,
    }
}

fn side(place: &Place) -> journal::Side {
    match place {
        Place::Local(path) => journal::Side::Local(path.clone()),
        Place::Remote(path) => journal::Side::Remote(path.clone()),
    }
}

/// The transfers that the journal kept.
pub(super) fn left(key: u64, order: journal::Order) -> Left {
    let place = |side| match side {
        journal::Side::Local(path) => Place::Local(path),
        journal::Side::Remote(path) => Place::Remote(path),
    };
    let piece = |journal::Piece { name, becomes, folder }| Piece { name, becomes, folder };
    let journal::Order { server, from, to, what, moves, rule } = order;
    let what = what.into_iter().map(piece).collect();
    Left { server, key: Key(key), order: Order { from: place(from), to: place(to), what, moves, rule, mode: None } }
}
