//! Checks whether the bytes that jobs add fit at their targets: compares the known growth with the free room.
//!
//! A job that could fit is never refused: the growth is what a file adds to an existing one, and room that unfinished
//! transfers hold counts as free, because they may belong to this very job.

use std::sync::Arc;

use super::{
    connecting::NoSession,
    engine_state::EngineState,
    event::{Failure, Outcome},
    item::{Item, Step},
    room::{KnownRoom, Place},
    sessions::Pool,
    task::Task,
    transitions::Next,
    tries::outlive,
};
use crate::{
    error::ClientError,
    reconnect::Backoff,
    site::{Found, Location},
};
use ferry_shared::entry::Kind;

/// A planned item, the bytes that it adds as a whole, and those of them that are at its place already.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) next: Next,
    pub(super) whole: i128,
    pub(super) arrived: u64,
}

/// A lack of room.
#[derive(Debug, Clone, Copy)]
struct Short {
    needed: u64,
    available: u64,
}

impl Planned {
    /// A planned item without known growth.
    pub(super) fn nothing(next: Next) -> Self {
        Self { next, whole: 0, arrived: 0 }
    }

    /// A planned item whose target is `met`.
    pub(super) fn meeting(next: Next, met: Option<&Found>) -> Self {
        let whole = match &next {
            Next::Again(item) => {
                let old = met.filter(|met| met.kind == Kind::File).map_or(0, |met| i128::from(met.facts.size));
                let size = i128::from(item.facts.size);
                match item.step {
                    Step::Fresh => size,
                    Step::Replace(_) | Step::Stat(Some(_)) => size - old,
                    // It may turn out to be equal, or may be skipped.
                    _ => 0,
                }
            }
            _ => 0,
        };
        Self { next, whole, arrived: 0 }
    }

    fn left(&self) -> i128 {
        self.whole - i128::from(self.arrived)
    }
}

/// Admits the items that fit at the target `at`. The site is asked only if the known room is not enough. A job with
/// `fill` continues without the rest; any other is refused as a whole.
///
/// # Errors
/// [`ClientError::NoRoom`], or the error of asking the site.
pub(super) async fn admit(
    core: &EngineState,
    task: &Task,
    pool: &Arc<Pool>,
    at: &Location,
    planned: Vec<Planned>,
) -> Result<Vec<Next>, ClientError> {
    let more: i128 = planned.iter().map(Planned::left).sum();
    if more <= 0 || task.options.dry_run {
        return Ok(claim_all(&pool.place(0), planned));
    }
    let traffic = &core.surroundings.traffic;
    let known =
        pool.known_room(0).filter(|known| !pool.abilities.near && fits(&pool.place(0), known, more, traffic.sent()));
    let known = match known {
        Some(known) => known,
        None => match ask(core, pool, at, more).await? {
            Some(known) => known,
            // The room is unknown; the site itself refuses files that do not fit.
            None => return Ok(claim_all(&pool.place(0), planned)),
        },
    };
    let place = pool.place(known.room.volume);
    let free = known.left(traffic.sent());
    within(task, &place, free, planned, |short| ClientError::NoRoom {
        at: at.root().path().to_string(),
        quota: known.room.quota,
        near: pool.abilities.near,
        needed: short.needed,
        available: short.available,
        held: known.room.held,
    })
}

/// Asks for the room at the target; retries during an outage.
async fn ask(core: &EngineState, pool: &Pool, at: &Location, more: i128) -> Result<Option<KnownRoom>, ClientError> {
    let mut backoff = Backoff::new(core.patience);
    loop {
        let mut open = match core.session_in_turn(pool).await {
            Ok(open) => open,
            Err(NoSession::Failed(error)) => return Err(error),
            Err(NoSession::Stopped | NoSession::Enough) => return Err(ClientError::Cancelled),
        };
        let asked = ask_once(core, pool, &mut open, at, more).await;
        pool.put(open);
        match asked {
            Err(error) => outlive(&mut backoff, error).await?,
            asked => return asked,
        }
    }
}

/// The room at the target: as the session knows it, or, if that is not enough, as the site reports it now.
async fn ask_once(
    core: &EngineState,
    pool: &Pool,
    open: &mut super::sessions::Open,
    at: &Location,
    more: i128,
) -> Result<Option<KnownRoom>, ClientError> {
    let traffic = &core.surroundings.traffic;
    for ask in [false, true] {
        let Some(room) = open.session.room(at, ask).await? else { continue };
        let known = pool.note_room(room, traffic.sent());
        if ask || fits(&pool.place(room.volume), &known, more, traffic.sent()) {
            return Ok(Some(known));
        }
    }
    Ok(None)
}

fn fits(place: &Place, known: &KnownRoom, more: i128, sent: u64) -> bool {
    place.known() + more <= known.left(sent)
}

fn within(
    task: &Task,
    place: &Place,
    free: i128,
    planned: Vec<Planned>,
    refuse: impl Fn(Short) -> ClientError,
) -> Result<Vec<Next>, ClientError> {
    let more: i128 = planned.iter().map(Planned::left).sum();
    let fits = place.known() + more <= free;
    if !fits && !task.options.fill {
        let needed = place.known() + more;
        return Err(refuse(Short { needed: bytes(needed), available: bytes(free) }));
    }
    let admitted = planned.into_iter().map(|planned| {
        let (known, left) = (place.known(), planned.left());
        if fits || left <= 0 || known + left <= free {
            return claimed(place, planned);
        }
        let error = refuse(Short { needed: bytes(left), available: bytes(free - known) });
        match planned.next {
            Next::Again(item) => Next::Done(item, Outcome::Failed(Failure { error, retryable: true })),
            next => next,
        }
    });
    Ok(admitted.collect())
}

fn claim_all(place: &Place, planned: Vec<Planned>) -> Vec<Next> {
    planned.into_iter().map(|planned| claimed(place, planned)).collect()
}

fn claimed(place: &Place, planned: Planned) -> Next {
    let (whole, left) = (planned.whole, planned.left());
    match planned.next {
        Next::Again(item) if left != 0 && !item.task.options.dry_run => {
            Next::Again(Item { growth: Some(Arc::new(place.claim(whole, left))), ..item })
        }
        next => next,
    }
}

fn bytes(number: i128) -> u64 {
    u64::try_from(number.max(0)).unwrap_or(u64::MAX)
}
