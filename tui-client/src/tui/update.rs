//! Applies events to the state and returns the effects. No I/O, no waiting, no clock.

mod answer;
mod arrange;
mod browse;
mod choose;
mod click;
mod clipboard;
mod comparison;
mod complete;
mod conflict;
mod connect;
mod connection;
mod copy;
mod count;
mod delete;
mod details;
mod edit;
mod find;
mod form;
mod history;
mod key;
mod land;
mod list;
mod mark;
mod mouse;
mod name;
mod permissions;
mod preview;
mod programs;
mod question;
mod queue;
mod quit;
mod reach;
mod read;
mod resume;
mod search;
mod site;
mod sizes;
mod start;
mod tabs;
#[cfg(test)]
mod tests;
mod transfer;
mod view;

use super::{effect::Effect, event::Event, state::State};

pub(crate) use answer::FOUND_MOST;
pub(crate) use start::{Begin, start};

/// The effects gathered so far.
type Out = Vec<Effect>;

/// Takes an event.
pub(crate) fn update(state: &mut State, event: Event) -> Vec<Effect> {
    let mut out = Out::new();
    if matches!(event, Event::Key(_) | Event::Paste(_) | Event::Mouse(_)) {
        state.touched = state.now;
    }
    match event {
        Event::Time(now) => time(state, now, &mut out),
        Event::Key(key) => key::press(state, key, &mut out),
        Event::Paste(text) => key::paste(state, &text, &mut out),
        Event::Mouse(mouse) => mouse::act(state, mouse, &mut out),
        Event::Resize(width, height) => state.size = (width, height),
        Event::Answer(ticket, answer) => answer::take(state, ticket, answer, &mut out),
        Event::Trust(question) => connect::ask_trust(state, question),
        Event::Lost { server, problem, retry_in } => connection::lost(state, &server, problem, retry_in),
        Event::Retrying(server) => connection::retrying(state, &server),
        Event::Restored(server, account) => connection::restored(state, &server, account, &mut out),
        Event::Ended(server, problem) => connection::ended(state, &server, problem, &mut out),
        Event::Notice(server, notice) => connection::notice(state, &server, notice),
        Event::Started(key, job) => state.transfers.started(key, job),
        Event::Deleting(key, answered) => comparison::deleting(state, key, answered),
        Event::Deleted(key, deleted) => transfer::deleted(state, key, deleted, &mut out),
        Event::Transfer(event) => transfer::take(state, event, &mut out),
        Event::Progress(progress) => transfer::progress(state, &progress),
        Event::Changed(folder) => read::changed(state, &folder),
        Event::Free(side, free) => state.panes[side].free = free,
        Event::Saved(saved) => site::loaded(state, saved),
        Event::Left(left) => resume::found(state, left, &mut out),
        Event::Problem(problem) => state.warn(problem.to_string()),
        Event::Stop => quit::now(state, &mut out),
        Event::Ran(run, end) => programs::ended(state, *run, &end, &mut out),
        Event::Back => read::both(state, &mut out),
    }
    connection::close_unused(state, &mut out);
    land::watch(state, &mut out);
    state.settle();
    preview::follow(state, &mut out);
    out
}

fn time(state: &mut State, now: std::time::Duration, out: &mut Out) {
    state.now = now;
    state.toast.take_if(|toast| toast.until <= now);
    land::show(state);
    read::due(state, out);
}
