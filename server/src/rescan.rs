//! Recounts of homes while their users work in them; the result is compared with the ledger.
//!
//! A count is valid if nobody changed the home through the server meanwhile, so it needs the user's lock only for a
//! moment. Otherwise it is repeated, and the last attempt, if the operator asked for it, holds that lock.

use std::convert::Infallible;

use crate::{
    context::Context,
    counters::Counters,
    quota::{Changes, Drift, Tally, recount},
    storage::{Counter, StorageError},
    user_state::{Pace, REST, SPREAD, UserState, count},
};

/// How often a count is repeated because of a change.
const TRIES: u32 = 3;
/// After a failed count, the next one follows after this part of the interval.
const SOON: u32 = SPREAD / 10;

/// The reason why a home was not counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RescanError {
    /// An error of the disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Something in the home cannot be read, so the sum would be too small.
    #[error("{0} folders or entries of the home cannot be read; the usage stays unchanged")]
    Unreadable(u64),
    /// The home changed faster than it could be counted.
    #[error("the home changes too fast to be counted while its user works in it")]
    Busy,
}

/// Counts a user's home and makes the sum the usage; a difference is logged and counted. Blocks.
///
/// With [`Pace::Quick`], the last attempt blocks the user's changes during the count; with [`Pace::Calm`] none
/// does.
///
/// # Errors
/// [`RescanError`]; the usage is then unchanged.
pub(crate) fn rescan(
    user: &UserState,
    counters: &Counters,
    pace: Pace,
    stop: &dyn Fn() -> bool,
) -> Result<Drift, RescanError> {
    for _ in 0..TRIES {
        let before = user.ledger.lock_changes().number();
        let (counted, counter) = count(&user.home, pace, stop)?;
        let changes = user.ledger.lock_changes();
        if changes.number() == before + 1 {
            return settle(user, counters, &changes, counted, counter);
        }
    }
    if pace == Pace::Calm {
        return Err(RescanError::Busy);
    }
    let changes = user.ledger.lock_changes();
    let (counted, counter) = count(&user.home, pace, stop)?;
    settle(user, counters, &changes, counted, counter)
}

fn settle(
    user: &UserState,
    counters: &Counters,
    changes: &Changes<'_>,
    counted: Tally,
    counter: Counter,
) -> Result<Drift, RescanError> {
    match counter.unreadable() {
        0 => counter.believe(),
        unreadable => return Err(RescanError::Unreadable(unreadable)),
    }
    let Ok(drift) = recount(changes, [Ok::<_, Infallible>(counted)]);
    if drift.is_any() {
        counters.drifts.one();
        let Drift { believed, counted } = drift;
        tracing::warn!(
            user = %user.name,
            believed_bytes = believed.bytes,
            believed_files = believed.files,
            bytes = counted.bytes,
            files = counted.files,
            "the home differed from the ledger; its usage is now the counted one"
        );
    }
    Ok(drift)
}

/// Counts the homes that are due, and those whose usage is suspect. Blocks.
pub(crate) fn round(context: &Context) {
    let stop = || context.drain.is_cancelled();
    for account in context.users.all() {
        let name = &account.name;
        let every = context.config.get().quota.rescan_every();
        if stop() {
            return;
        }
        let user = match context.states.due(name, every) {
            Ok(Some(user)) => user,
            Ok(None) => continue,
            Err(error) => {
                tracing::error!(user = %name, %error, "a home cannot be used");
                continue;
            }
        };
        let share = match rescan(&user, &context.counters, Pace::Calm, &stop) {
            Ok(_) => SPREAD,
            Err(RescanError::Storage(StorageError::Stopped)) => return,
            Err(RescanError::Busy) => {
                tracing::debug!(user = %name, "not counted again: the home is busy");
                SOON
            }
            Err(error) => {
                tracing::error!(user = %name, %error, "the home cannot be counted again");
                SPREAD
            }
        };
        drop(user);
        context.states.next_due(name, share);
        context.states.rest_one(name, REST);
    }
}

#[cfg(test)]
mod tests;
