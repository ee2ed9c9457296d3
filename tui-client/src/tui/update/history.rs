//! The history of transfers: noting what has ended, and looking at it.

use super::{Out, list};
use crate::{
    human,
    tui::{
        action::Action,
        effect::Effect,
        state::{
            State,
            dialog::{Decided, Dialog, History, ListView, Notice, Question},
            labels,
            past::{Outcome, Past},
            problem::Problem,
            ticket::Ticket,
            transfers::{Key, Phase},
        },
    },
};

/// Notes a transfer that has ended.
pub(super) fn note(state: &State, key: Key, out: &mut Out) {
    let Some(transfer) = state.transfers.get(key).filter(|_| state.keeps_history) else { return };
    let order = &transfer.order;
    let verb = match (&transfer.sync, order.moves) {
        (Some(_), _) => "sync",
        (None, true) => "move",
        (None, false) => "copy",
    };
    let (outcome, told) = match transfer.phase(state.now) {
        Phase::Failed => (Outcome::Failed, format!("{} failed", transfer.tally.failed.max(1))),
        Phase::Cancelled => (Outcome::Cancelled, "cancelled".to_owned()),
        Phase::LeftOut => (Outcome::Skipped, format!("{} skipped", transfer.tally.skipped)),
        _ => (Outcome::Done, transfer.proven().to_owned()),
    };
    let of_order = transfer.summary.as_ref().and_then(|summary| summary.error.as_ref()).map(Problem::from);
    let cause = transfer.failures.first().map(|failed| failed.problem.text.clone());
    out.push(Effect::NotePast(Past {
        at: state.clock(),
        verb: verb.to_owned(),
        what: transfer.title(),
        from: labels::place(state, &order.from),
        to: labels::place(state, &order.to),
        files: transfer.tally.files_done,
        bytes: transfer.tally.bytes_done,
        outcome,
        told,
        cause: cause.or_else(|| of_order.map(|problem| problem.text)),
    }));
}

/// Shows the history, once it is read.
pub(super) fn open(state: &mut State, out: &mut Out) {
    let ticket = state.tickets.next();
    out.push(Effect::ReadHistory(ticket));
    let history = History { ticket: Some(ticket), items: Vec::new(), damaged: 0, view: ListView::default() };
    state.dialogs.push(Dialog::History(Box::new(history)));
}

/// The history was read.
pub(super) fn read(state: &mut State, ticket: Ticket, items: Vec<Past>, damaged: u64) {
    for dialog in &mut state.dialogs {
        if let Dialog::History(history) = dialog
            && history.ticket == Some(ticket)
        {
            (history.ticket, history.damaged) = (None, damaged);
            history.items.clone_from(&items);
        }
    }
}

/// Does an action in the history.
pub(super) fn act(state: &mut State, action: Action) {
    let height = list::height(state);
    let Some(Dialog::History(history)) = state.dialogs.last_mut() else { return };
    if list::step(&mut history.view, action, history.items.len(), height) {
        return;
    }
    let chosen = history.items.get(history.view.cursor).cloned();
    match (action, chosen) {
        (Action::Accept, Some(past)) => {
            let notice = details(state, &past);
            state.dialogs.push(Dialog::Notice(notice));
        }
        (Action::RemoveEntry, Some(_)) => {
            let lines = vec!["The transfers themselves are not touched.".to_owned()];
            let title = "Forget the history of transfers?".to_owned();
            let question = Question { title, lines, decided: Decided::ClearHistory };
            state.dialogs.push(Dialog::Question(Box::new(question)));
        }
        (Action::Close, _) => drop(state.dialogs.pop()),
        _ => {}
    }
}

/// Forgets the history.
pub(super) fn clear(state: &mut State, out: &mut Out) {
    state.dialogs.retain(|dialog| !matches!(dialog, Dialog::History(_)));
    state.say("the history is empty now");
    out.push(Effect::ClearHistory);
}

fn details(state: &State, past: &Past) -> Notice {
    let when = jiff::Timestamp::from_second(past.at).map(|at| at.to_zoned(state.zone.clone()));
    let when = when.map(|at| at.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
    let files = human::count(past.files, "file", "files");
    let mut lines = vec![
        format!("when   {when}"),
        format!("from   {}", labels::escaped(&past.from)),
        format!("to     {}", labels::escaped(&past.to)),
        format!("is     {files}, {}, {}", human::size(past.bytes), labels::escaped(&past.told)),
    ];
    lines.extend(past.cause.iter().map(|cause| format!("why    {}", labels::escaped(cause))));
    let title = format!("{} {}", past.verb, labels::escaped(&past.what));
    if past.outcome == Outcome::Failed { Notice::bad(title, lines) } else { Notice::plain(title, lines) }
}
