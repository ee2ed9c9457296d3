//! Orders as the engine's jobs, and as the journal keeps them.

use std::sync::Arc;

use ferry_client::{
    Site,
    transfer::{self, Job, JobOptions, Work, journal},
};

use crate::{
    args::Links,
    tui::state::{
        place::Place,
        task::Left,
        transfers::{Key, Order, Piece},
    },
};

/// The job of an order.
pub(super) fn job(from: Arc<dyn Site>, to: Arc<dyn Site>, order: &Order, options: JobOptions) -> Job {
    let piece = |piece: &Piece| {
        // A path that cannot be joined is too long for that site; the folder itself then fails as the target.
        let source = order.from.join_path(&piece.path).unwrap_or_else(|| order.from.clone()).path;
        let target = order.to.join_path(&piece.becomes).unwrap_or_else(|| order.to.clone()).path;
        transfer::Piece { from: source, to: target }
    };
    let pieces = order.what.iter().map(piece).collect();
    Job { work: Work::Copy { from, to, pieces }, options }
}

/// An order as the journal keeps it.
pub(super) fn kept(order: &Order) -> journal::Order {
    let piece = |piece: &Piece| journal::Piece {
        path: piece.path.clone(),
        becomes: piece.becomes.clone(),
        folder: piece.folder,
    };
    let place = |place: &Place| journal::Place { site: place.site.clone(), path: place.path.clone() };
    journal::Order {
        from: place(&order.from),
        to: place(&order.to),
        what: order.what.iter().map(piece).collect(),
        moves: order.moves,
        rule: order.rule,
        follow: order.links.map(|links| links == Links::Follow),
    }
}

/// A transfer that the journal kept.
pub(super) fn left(key: u64, order: journal::Order) -> Left {
    let piece = |journal::Piece { path, becomes, folder }| Piece { path, becomes, folder };
    let journal::Order { from, to, what, moves, rule, follow } = order;
    let place = |journal::Place { site, path }| Place { site, path };
    let what = what.into_iter().map(piece).collect();
    let links = follow.map(|follow| if follow { Links::Follow } else { Links::Skip });
    let order = Order { from: place(from), to: place(to), what, moves, rule, links, mode: None };
    Left { key: Key(key), order, agreed: false }
}

#[cfg(test)]
mod tests {
    use ferry_client::{Local, transfer::ConflictRule};
    use ferry_shared::path::RemotePath;

    use super::*;

    #[test]
    fn an_order_is_one_job_with_a_piece_for_each_entry() {
        let piece = |path: &str| Piece::new(RemotePath::from_wire(path.as_bytes()).unwrap(), false);
        let order = Order {
            from: Place::local("/a"),
            to: Place::local("/b"),
            what: vec![piece("x"), piece("deep/y")],
            moves: false,
            rule: ConflictRule::Ask,
            links: Some(Links::Follow),
            mode: None,
        };
        let job = job(Arc::new(Local), Arc::new(Local), &order, JobOptions::default());
        let Work::Copy { from, to, pieces } = job.work else { panic!() };
        assert_eq!((from.name(), to.name()), ("local".to_owned(), "local".to_owned()));
        let ends = pieces.iter().map(|piece| (piece.from.to_string(), piece.to.to_string())).collect::<Vec<_>>();
        assert_eq!(ends, [("/a/x".into(), "/b/x".into()), ("/a/deep/y".into(), "/b/deep/y".into())]);
        assert_eq!(left(7, kept(&order)).order, order, "the journal keeps both ends");
    }
}
