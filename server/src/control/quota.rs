//! The usage of users, explained and counted again for operators.

use std::sync::Arc;

use ferry_shared::{name::Escaped, path::RemotePath};

use super::message::{Answer, Explained, Rescanned, Source, StagedPart};
use crate::{
    audit::event::{Event, Who},
    context::Context,
    rescan,
    storage::PartInfo,
    user_state::{Pace, UserState},
    users::{UserName, moment::Moment},
};

/// A staged part and its reservation, for operators.
pub(crate) fn staged_part(part: PartInfo, reserved: u64) -> StagedPart {
    StagedPart {
        path: part.meta.path.display().to_string(),
        size: part.meta.size,
        received: part.length,
        reserved,
        started: Moment::from_system_time(part.started.to_system().unwrap_or(std::time::UNIX_EPOCH)),
        active: part.active,
    }
}

pub(super) async fn explain(context: &Arc<Context>, name: &str) -> Answer {
    on_disk(context, name, |_, user| Answer::Explained(Box::new(explained(user)))).await
}

fn explained(user: &UserState) -> Explained {
    let now = user.ledger.snapshot();
    let mut parts = user.home.parts();
    parts.sort_by(|a, b| a.meta.path.cmp(&b.meta.path));
    let parts = parts.into_iter().map(|part| {
        let reserved = user.reserved_for(&part.meta.path).bytes;
        staged_part(part, reserved)
    });
    Explained {
        user: user.name.to_string(),
        source: Source::Server,
        used: now.used.into(),
        reserved: now.reserved.into(),
        quota: now.limits.bytes,
        max_files: now.limits.files,
        suspect: now.suspect,
        parts: parts.collect(),
    }
}

/// Discards unfinished uploads of a user: those with these paths, or all inactive ones.
pub(super) async fn discard(context: &Arc<Context>, uid: u32, name: &UserName, paths: Option<Vec<String>>) -> Answer {
    let name_shown = name.to_string();
    let work = move |_: &Context, user: &UserState| {
        let mut gone = Vec::new();
        for path in wanted(&user.home.parts(), paths.as_deref()) {
            match user.discard(&path) {
                Ok(true) => gone.push(path.display().to_string()),
                // It was committed or discarded meanwhile.
                Ok(false) => {}
                Err(error) => return Answer::failed(format!("{}: {error}", path.display())),
            }
        }
        Answer::Discarded { paths: gone }
    };
    let answer = on_disk(context, &name_shown, work).await;
    if let Answer::Discarded { paths } = &answer {
        for path in paths {
            let event = Event::Discarded { of: name_shown.clone(), path: path.clone() };
            context.audit.note(Who::operator(uid), event).await;
        }
    }
    answer
}

/// Selects parts of a user by their displayed paths, with or without the leading `/`; without paths, all inactive
/// ones.
pub(crate) fn wanted(parts: &[PartInfo], paths: Option<&[String]>) -> Vec<RemotePath> {
    let is_wanted = |part: &&PartInfo| match paths {
        None => !part.active,
        Some(paths) => {
            let shown = part.meta.path.display().to_string();
            paths.iter().any(|path| same_path(path, &shown))
        }
    };
    parts.iter().filter(is_wanted).map(|part| part.meta.path.clone()).collect()
}

/// Whether both are the same path, with or without the leading `/`.
pub(crate) fn same_path(one: &str, other: &str) -> bool {
    one.trim_start_matches('/') == other.trim_start_matches('/')
}

pub(super) async fn rescan(context: &Arc<Context>, uid: u32, name: Option<&str>) -> Answer {
    tracing::info!(uid, user = name, "the operator has homes counted again");
    context.audit.note(Who::operator(uid), Event::Rescan { of: name.map(shown) }).await;
    let mut names: Vec<String> = match name {
        Some(name) => vec![name.to_owned()],
        None => context.users.all().iter().map(|account| account.name.to_string()).collect(),
    };
    names.sort();
    let mut all = Vec::new();
    for name in names {
        match on_disk(context, &name, |context, user| Answer::Rescanned(vec![rescanned(context, user)])).await {
            Answer::Rescanned(one) => all.extend(one),
            other => return other,
        }
    }
    Answer::Rescanned(all)
}

fn rescanned(context: &Context, user: &UserState) -> Rescanned {
    let name = user.name.to_string();
    match rescan::rescan(user, &context.counters, Pace::Quick, &|| context.stop.is_cancelled()) {
        Ok(drift) => Rescanned {
            user: name,
            believed: Some(drift.believed.into()),
            counted: Some(drift.counted.into()),
            failed: None,
        },
        Err(error) => Rescanned { user: name, believed: None, counted: None, failed: Some(error.to_string()) },
    }
}

/// Opens the home of the account `name` and runs work on it, off the async threads.
async fn on_disk(
    context: &Arc<Context>,
    name: &str,
    work: impl FnOnce(&Context, &UserState) -> Answer + Send + 'static,
) -> Answer {
    let Some(account) = name.parse().ok().and_then(|name| context.users.current(&name)) else {
        return Answer::failed(format!("there is no user '{}'; see 'ferryd user list'", shown(name)));
    };
    let context = Arc::clone(context);
    let worked = tokio::task::spawn_blocking(move || match context.open_user(&account) {
        Ok(user) => work(&context, &user),
        Err(error) => Answer::failed(format!("the home of {} cannot be used: {error}", account.name)),
    });
    worked.await.unwrap_or_else(|error| Answer::failed(format!("the server failed: {error}")))
}

fn shown(name: &str) -> String {
    Escaped(name.as_bytes()).to_string()
}
