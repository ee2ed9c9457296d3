//! What the server does by itself now and then: homes that need care, parts that expired, accounts that went.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    audit::event::{Event, Who},
    context::Context,
    gate, rescan,
    user_state::REST,
};

/// How often homes are looked at for what expired or is due.
const CARE: Duration = Duration::from_secs(600);
/// How often homes that nobody uses are closed.
const CLOSE: Duration = Duration::from_secs(60);

/// Counts homes whose figures are not to be believed before anybody waits for them, throws expired parts
/// away, counts the other homes again now and then, and closes those that nobody uses.
pub(crate) async fn care(context: Arc<Context>) {
    let mut ticks = interval(CLOSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let rounds = CARE.as_secs() / CLOSE.as_secs();
    for round in (0..rounds).cycle() {
        tokio::select! {
            _ = ticks.tick() => context.turned_away.sum_up(),
            () = context.drain.cancelled() => return context.turned_away.sum_up(),
        }
        let context = Arc::clone(&context);
        let work = move || {
            if round == 0 {
                look_after(&context);
                rescan::round(&context);
            }
            close_unused(&context);
        };
        if let Err(error) = tokio::task::spawn_blocking(work).await {
            tracing::error!(%error, "upkeep panicked");
        }
    }
}

fn look_after(context: &Context) {
    for account in context.users.all() {
        if context.drain.is_cancelled() {
            return;
        }
        let part_age = context.config.get().limits.part_age();
        match context.states.attend(&account.name, gate::limits(&account), part_age) {
            Ok(Some(user)) => user.expire(part_age),
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

/// Ends the sessions of accounts that went, and notes in the audit log whose account came, went or changed.
pub(crate) async fn follow_accounts(context: Arc<Context>) {
    let by_name = || -> BTreeMap<_, _> {
        context.users.all().into_iter().map(|account| (account.name.to_string(), account)).collect()
    };
    let mut changes = context.users.changes();
    let mut before = by_name();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = context.drain.cancelled() => return,
        }
        let now = by_name();
        let added = now.keys().filter(|name| !before.contains_key(*name)).cloned().collect();
        let removed = before.keys().filter(|name| !now.contains_key(*name)).cloned().collect();
        let differs = |name: &String| before.get(name).is_some_and(|old| now.get(name).is_some_and(|new| old != new));
        let changed = now.keys().filter(|name| differs(name)).cloned().collect();
        context.audit.note(Who::default(), Event::Accounts { added, removed, changed }).await;
        before = now;
        let context = Arc::clone(&context);
        let tidy = move || {
            context.end_displaced();
            close_unused(&context);
        };
        if let Err(error) = tokio::task::spawn_blocking(tidy).await {
            tracing::error!(%error, "upkeep panicked");
        }
    }
}
