//! Routes answers of disk and server to the requests they belong to; answers to abandoned requests are dropped.

use ferry_shared::path::RemotePath;

use super::{
    Out, comparison, complete, connect, connection, copy, count, details, edit, history, name, permissions, preview,
    read, search, sizes, view,
};
use crate::{
    human,
    tui::{
        event::Answer,
        state::{State, listing::Amount, problem::Problem, side::Side, task::Task, ticket::Ticket},
    },
};

/// The maximum number of entries that a search returns.
pub(crate) const FOUND_MOST: usize = 5000;

/// Takes an answer.
pub(super) fn take(state: &mut State, ticket: Ticket, answer: Answer, out: &mut Out) {
    match answer {
        Answer::Page { items, more } => {
            if let Some(side) = read::waiting(state, ticket) {
                read::page(state, side, items, more);
            } else {
                complete::page(state, ticket, &items, more);
            }
        }
        Answer::Found { items, more } => search::found(state, ticket, items, more, FOUND_MOST),
        Answer::Counted { amount, unreadable, left_out, more } => {
            if count::counted(state, ticket, (amount, unreadable, left_out), more) {
                copy::counted(state, out);
            } else {
                sizes::counted(state, ticket, (amount, unreadable), more, out);
            }
        }
        Answer::Comparing(steps) => comparison::comparing(state, ticket, steps),
        Answer::Compared(plan) => comparison::compared(state, ticket, plan, out),
        Answer::Block { index, bytes, size } => view::block(state, ticket, index, bytes, size, out),
        Answer::Preview(content) => preview::taken(state, ticket, *content),
        Answer::Digest(digest) => drop(details::digest(state, ticket, Ok(digest))),
        Answer::Version(version) => drop(edit::version(state, ticket, version, out)),
        Answer::Gone(path) => gone(state, ticket, &path),
        Answer::Done => done(state, ticket, out),
        Answer::History(all, damaged) => history::read(state, ticket, all, damaged),
        Answer::ModesSet { set, failed, why } => {
            if let Some(Task::SetMode(folder)) = finish(state, ticket) {
                permissions::done(state, &folder, (set, failed), why, out);
            }
        }
        Answer::Removed(amount) => removed(state, ticket, amount, out),
        Answer::Edited { text, changed } => edited(state, ticket, &text, changed, out),
        Answer::Greeted(greeting) => connect::greeted(state, ticket, greeting, out),
        Answer::Locked => connect::locked(state, ticket),
        Answer::LoggedIn(greeting, account) => connect::logged_in(state, ticket, greeting, account, out),
        Answer::Uploads(uploads) => {
            if let Some(Task::Uploads(server)) = finish(state, ticket) {
                connection::uploads(state, &server, &uploads);
            }
        }
        Answer::Failed(problem) => failed(state, ticket, &problem, out),
    }
}

/// Removes the task of a ticket from the list.
fn finish(state: &mut State, ticket: Ticket) -> Option<Task> {
    let at = state.tasks.iter().position(|(other, _)| *other == ticket)?;
    Some(state.tasks.remove(at).1)
}

/// One of several entries was removed.
fn gone(state: &mut State, ticket: Ticket, path: &RemotePath) {
    let removed = state.tasks.iter().find(|(other, _)| *other == ticket).and_then(|(_, task)| match task {
        Task::Remove(folder) => folder.join_path(path),
        _ => None,
    });
    let Some((name, folder)) = removed.and_then(|place| Some((place.name()?, place.parent()?))) else { return };
    for side in Side::BOTH {
        if state.panes[side].place == folder {
            state.panes[side].remove(&name);
        }
    }
}

fn done(state: &mut State, ticket: Ticket, out: &mut Out) {
    match finish(state, ticket) {
        Some(Task::MakeFolder(place)) => {
            name::made(state, &place);
            connection::usage(&place, out);
        }
        Some(Task::Rename(folder, land)) => {
            if let Some(name) = land {
                for side in Side::BOTH {
                    if state.panes[side].place == folder {
                        state.panes[side].land_on(name.clone());
                    }
                }
            }
            read::changed(state, &folder);
        }
        Some(Task::Write(place)) => {
            state.say(format!("saved as {}", place.display(&state.home)));
            if let Some(folder) = place.parent() {
                read::changed(state, &folder);
            }
        }
        Some(Task::MoveCopy(from, to)) => {
            state.say("done");
            read::changed(state, &from);
            read::changed(state, &to);
            connection::usage(&to, out);
        }
        _ => {}
    }
    read::due(state, out);
}

fn removed(state: &mut State, ticket: Ticket, amount: Amount, out: &mut Out) {
    let Some(Task::Remove(folder)) = finish(state, ticket) else { return };
    let files = human::count(amount.files, "file", "files");
    let folders = human::count(amount.folders, "folder", "folders");
    state.say(format!("deleted: {files}, {folders}, {}", human::size(amount.bytes)));
    read::changed_below(state, &folder);
    read::due(state, out);
    connection::usage(&folder, out);
}

fn edited(state: &mut State, ticket: Ticket, text: &str, changed: bool, out: &mut Out) {
    if edit::edited(state, ticket, changed, out) {
        return;
    }
    match finish(state, ticket) {
        Some(Task::EditNames(folder, names)) => name::edited(state, &folder, &names, text, out),
        // A local file was edited where it is.
        _ => read::both(state, out),
    }
}

fn failed(state: &mut State, ticket: Ticket, problem: &Problem, out: &mut Out) {
    if let Some(side) = read::waiting(state, ticket) {
        read::failed(state, side, problem.clone(), out);
        return;
    }
    let taken = connect::failed(state, ticket, problem)
        || comparison::failed(state, ticket, problem)
        || count::failed(state, ticket, problem)
        || view::failed(state, ticket, problem)
        || preview::failed(state, ticket, problem)
        || search::failed(state, ticket, problem)
        || complete::failed(state, ticket, problem)
        || details::digest(state, ticket, Err(problem))
        || edit::failed(state, ticket, problem);
    if taken {
        return;
    }
    let Some(task) = finish(state, ticket) else { return };
    state.warn(problem.to_string());
    match task {
        // Show the part that was done before the failure.
        Task::Remove(folder) | Task::Rename(folder, _) | Task::SetMode(folder) => read::changed(state, &folder),
        Task::MoveCopy(from, to) => {
            read::changed(state, &from);
            read::changed(state, &to);
        }
        Task::MakeFolder(_) | Task::EditNames(..) | Task::Uploads(_) | Task::Write(_) | Task::Sizes(..) => {}
    }
    read::due(state, out);
}
