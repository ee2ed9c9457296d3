//! Periodic maintenance: homes that must be counted, expired parts, removed accounts.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    context::Context,
    rescan,
    user_state::{Expiry, REST},
    users::Changes,
};

/// How often to check homes for expired parts and due counts.
const MAINTAIN: Duration = Duration::from_secs(600);
/// How often to close unused homes.
const CLOSE: Duration = Duration::from_secs(60);

/// Counts homes whose ledger is not valid before anybody waits for them, discards expired parts, counts other homes
/// regularly, and closes unused ones.
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
            // This logs new differences.
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
        // An open home occupies descriptors, and most users are absent.
        context.states.rest_one(&account.name, REST);
    }
}

fn close_unused(context: &Context) {
    context.states.rest(REST, |name| context.users.current(name).is_some());
}

/// Ends the sessions of removed accounts, and records changes of accounts and invites with their authors in the
/// audit log.
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
