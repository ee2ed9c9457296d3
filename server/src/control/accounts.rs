//! Shows and changes accounts and invites for operators who may not write the user store, and closes accounts for
//! those who do.

use std::sync::Arc;

use super::message::Answer;
use crate::{
    audit::event::{Event, Who},
    context::Context,
    users::{
        By, UserName, barred,
        change::{Change, ChangeError},
        facts::Facts,
        file::{self, Store},
    },
};

/// All accounts and invites in the file.
pub(super) async fn list(context: &Arc<Context>) -> Answer {
    blocking(context, |context| {
        let path = context.users.path();
        match file::is_there_or_new(path).and_then(|()| file::load(path)) {
            Ok(store) => Answer::Accounts(Box::new(Facts::of(&store))),
            Err(error) => Answer::failed(error.to_string()),
        }
    })
    .await
}

/// Writes a change to the file and applies it.
pub(super) async fn change(context: &Arc<Context>, uid: u32, change: Change) -> Answer {
    blocking(context, move |context| change_now(context, uid, &change)).await
}

fn change_now(context: &Context, uid: u32, change: &Change) -> Answer {
    let users = &context.users;
    let mut barred = Vec::new();
    let apply = |store: &mut Store| {
        let is_known = matches!(change, Change::Remove { name, .. } if store.users.contains_key(name));
        change.apply(store).map(|()| is_known)
    };
    let closing = |names: &[UserName]| barred = users.bar(names);
    let edited = file::edit_then(users.path(), apply, closing, |_, _| users.reload_and_log(By::Operator(uid)));
    let (is_known, reloaded) = match edited {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => return Answer::Unchanged(error),
        Err(error) => {
            tracing::error!(uid, %error, "accounts were not changed");
            return Answer::failed(barred::not_written(&barred, &error));
        }
    };
    if let Err(error) = reloaded {
        return Answer::failed(format!("it is in the file and not in force: {error}"));
    }
    if let Some(name) = change.enables() {
        users.allow(name);
    }
    let files = match change {
        Change::Add { name, .. } => context.states.has_files(name).unwrap_or(false),
        Change::Remove { name, purge: true } => match context.states.remove_files(name) {
            Ok(false) if !is_known => return Answer::Unchanged(ChangeError::NoSuchUser(name.clone())),
            Ok(files) => files,
            Err(error) => {
                let text = format!("user '{name}' is removed, but not all files are: {error}; run the command again");
                return Answer::failed(text);
            }
        },
        _ => false,
    };
    Answer::Changed { files }
}

/// Closes accounts that are about to be closed in the file.
pub(super) async fn bar(context: &Context, uid: u32, names: &[UserName]) -> Answer {
    let users = context.users.bar(names);
    for name in &users {
        tracing::info!(uid, user = %name, "closed by the operator");
        context.audit.note(Who::operator(uid), Event::Barred { of: name.to_string() }).await;
    }
    Answer::Barred { users }
}

/// Reverts the closing of an account.
pub(super) async fn allow(context: &Context, uid: u32, name: &UserName) -> Answer {
    if context.users.barred().contains(name) {
        context.users.allow(name);
        tracing::info!(uid, user = %name, "the operator reopens the account");
        context.audit.note(Who::operator(uid), Event::Allowed { of: name.to_string() }).await;
    }
    Answer::Done
}

async fn blocking(context: &Arc<Context>, work: impl FnOnce(&Context) -> Answer + Send + 'static) -> Answer {
    let context = Arc::clone(context);
    let worked = tokio::task::spawn_blocking(move || work(&context)).await;
    worked.unwrap_or_else(|error| Answer::failed(format!("the server failed: {error}")))
}
