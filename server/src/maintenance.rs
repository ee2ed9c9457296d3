//! What the server does by itself now and then: homes that need care, parts that expired, accounts that went.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    context::Context,
    rescan,
    user_state::{Expiry, REST},
    users::Changes,
};

/// How often homes are looked at for what expired or is due.
const MAINTAIN: Duration = Duration::from_secs(600);
/// How often homes that nobody uses are closed.
const CLOSE: Duration = Duration::from_secs(60);

/// Counts homes whose figures are not to be believed before anybody waits for them, throws expired parts
/// away, counts the other homes again now and then, and closes those that nobody uses.
pub(crate) async fn maintain(context: Arc<Context>) {
    let mut ticks = interval(CLOSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let rounds = MAINTAIN.as_secs() / CLOSE.as_secs();
    for round in (0..rounds).cycle() {
        tokio::select! {
            _ = ticks.tick() => context.turned_away.sum_up(),
            () = context.drain.cancelled() => return context.turned_away.sum_up(),
        }
        let context = Arc::clone(&context);
        let work = move || {
            if round == 0 {
                maintain_homes(&context);
                rescan::round(&context);
            }
            close_unused(&context);
            // The log hears of it.
            context.differences();
            context.identity.remind();
        };
        if let Err(error) = tokio::task::spawn_blocking(work).await {
            tracing::error!(%error, "maintenance panicked");
        }
    }
}

fn maintain_homes(context: &Context) {
    for account in context.users.all() {
        if context.drain.is_cancelled() {
            return;
        }
        let old = Expiry { age: context.config.get().limits.part_age(), uptime: context.counters.uptime() };
        match context.states.attend(&account.name, old) {
            Ok(Some(user)) => user.expire(old),
            Ok(None) => continue,
            Err(error) => tracing::error!(user = %account.name, %error, "a home cannot be used"),
        }
        // Each holds descriptors; most users are away.
        context.states.rest_one(&account.name, REST);
    }
}

fn close_unused(context: &Context) {
    context.states.rest(REST, |name| context.users.current(name).is_some());
}

/// Ends the sessions of accounts that went, and notes in the audit log what of accounts and invites changed, and
/// who is behind it.
pub(crate) async fn follow_accounts(context: Arc<Context>) {
    loop {
        let (changes, is_over) = tokio::select! {
            changes = context.users.next_changes() => (changes, false),
            () = context.drain.cancelled() => (context.users.take_changes(), true),
        };
        for (who, event) in changes.iter().flat_map(Changes::told) {
            context.audit.note(who, event).await;
        }
        if is_over {
            return;
        }
        let context = Arc::clone(&context);
        let tidy = move || {
            context.end_displaced();
            close_unused(&context);
        };
        if let Err(error) = tokio::task::spawn_blocking(tidy).await {
            tracing::error!(%error, "maintenance panicked");
        }
    }
}
