//! Copying and moving to the other pane: the plan, the check for room, and the start.

use ferry_client::transfer::ConflictRule;

use ferry_shared::{entry::Kind, name::Name, path::RemotePath};

use super::{Out, count, list};
use crate::{
    args::Links,
    human,
    tui::{
        action::Action,
        effect::{CountFor, Effect, TransferEffect},
        state::{
            State,
            dialog::{CopyPlan, Decided, Dialog, Form, Purpose, Question},
            item::Item,
            place::Place,
            side::Side,
            task::Task,
            transfers::{Order, Piece},
        },
    },
};

/// The rules a person can choose from, in turn.
const RULES: [ConflictRule; 7] = [
    ConflictRule::Ask,
    ConflictRule::Different,
    ConflictRule::Changed,
    ConflictRule::Newer,
    ConflictRule::Replace,
    ConflictRule::KeepBoth,
    ConflictRule::Skip,
];

/// Shows the plan of a copy or move to the other pane.
pub(super) fn plan(state: &mut State, moves: bool, out: &mut Out) {
    state.pane_mut().mark_range();
    let from = state.pane().place.clone();
    let chosen: Vec<(RemotePath, Item)> =
        state.pane().chosen().into_iter().map(|item| (item.entry.name.clone().into(), item.clone())).collect();
    plan_of(state, from, chosen, moves, out);
}

/// Shows the plan of a copy or move of entries below a folder to the pane that is not active; they keep their paths below
/// it.
pub(super) fn plan_of(state: &mut State, from: Place, chosen: Vec<(RemotePath, Item)>, moves: bool, out: &mut Out) {
    let to = state.other().place.clone();
    if let Some(refusal) = refusal(state, &from, &to, &chosen, moves) {
        state.warn(refusal);
        return;
    }
    let what = chosen.iter().map(|(path, item)| Piece::new(path.clone(), item.is_folder())).collect();
    let (paths, chosen): (Vec<RemotePath>, Vec<Item>) = chosen.into_iter().unzip();
    // A move follows what was marked, and nothing inside: it would remove files elsewhere.
    let asks = from == to;
    let links = (!moves && from.is_local()).then(|| links(state, &to, &chosen));
    let order = Order { from: from.clone(), to, what, moves, rule: state.rule, links, mode: None };
    let purpose = purpose(&order);
    let count = count::begin(state, &from, (&chosen, paths), purpose, out);
    let room = room(state, &order.to);
    state.dialogs.push(Dialog::Copy(Box::new(CopyPlan { order, chosen, count, room, starts: false })));
    if asks {
        ask_name(state);
    }
}

fn purpose(order: &Order) -> CountFor {
    match order.links {
        _ if order.moves => CountFor::Move,
        Some(links) => CountFor::Copy(links),
        None => CountFor::Copy(Links::Skip),
    }
}

/// The rule for links that a plan begins with: the command line's, the site's, or what the marked entries suggest.
fn links(state: &State, to: &Place, chosen: &[Item]) -> Links {
    let of_site = to.target().and_then(|target| state.server_of(target).links);
    let only_links = chosen.iter().all(|item| item.entry.kind == Kind::Symlink);
    let usual = if only_links { Links::Follow } else { Links::Skip };
    state.links.or(of_site).unwrap_or(usual)
}

/// Follows links instead of skipping them, or the other way round, and counts again.
fn change_links(state: &mut State, out: &mut Out) {
    let Some(Dialog::Copy(mut plan)) = state.dialogs.pop() else { return };
    if plan.has_links() && !plan.stays() {
        out.extend(plan.count.ticket.map(Effect::Drop));
        plan.order.links = Some(match plan.order.links {
            Some(Links::Follow) => Links::Skip,
            _ => Links::Follow,
        });
        let paths = plan.order.what.iter().map(|piece| piece.path.clone()).collect();
        plan.count = count::begin(state, &plan.order.from, (&plan.chosen, paths), purpose(&plan.order), out);
        plan.starts = false;
    }
    state.dialogs.push(Dialog::Copy(plan));
}

/// The reason why the copy or move is impossible, if it is.
fn refusal(state: &State, from: &Place, to: &Place, chosen: &[(RemotePath, Item)], moves: bool) -> Option<String> {
    let word = if moves { "move" } else { "copy" };
    if chosen.is_empty() {
        return Some(format!("there is nothing to {word}: put the cursor on an entry, or mark some with Space"));
    }
    if Side::BOTH.iter().any(|side| state.panes[*side].vacant) || !state.is_reachable(from) || !state.is_reachable(to) {
        return Some("not connected; Ctrl-S shows the sites".to_owned());
    }
    let read_only = [to, from].into_iter().take(if moves { 2 } else { 1 }).find(|place| !state.may_write(place));
    if let Some(place) = read_only {
        return Some(format!("your account on {} may only read", state.site_name(&place.site)));
    }
    // A single entry can have another name there.
    if from == to && chosen.len() > 1 {
        return Some(format!("both panes show the same folder; there is nowhere to {word} to"));
    }
    // The engine would refuse it with these words; in its own folder it gets another name.
    let mut folders = chosen.iter().filter(|(_, item)| item.is_folder() && from != to);
    folders.find_map(|(path, _)| {
        let (source, target) = (from.join_path(path)?, to.join_path(path)?);
        target.starts_with(&source).then(|| format!("{} is inside {}", target.path, source.path))
    })
}

/// The free bytes at a place, if they are known.
fn room(state: &State, to: &Place) -> Option<u64> {
    if !to.is_local() {
        let usage = &state.connection_of(to)?.account.usage;
        let quota = usage.limit.map(|limit| limit.saturating_sub(usage.used).saturating_sub(usage.reserved));
        return Some(quota.map_or(usage.volume_free, |quota| quota.min(usage.volume_free)));
    }
    Side::BOTH.into_iter().find(|side| state.panes[*side].place == *to).and_then(|side| state.panes[side].free)
}

/// Starts a plan whose count is complete, if the user has confirmed it already and it fits.
pub(super) fn counted(state: &mut State, out: &mut Out) {
    if let Some(Dialog::Copy(plan)) = state.dialogs.last()
        && plan.starts
        && plan.count.is_done()
        && plan.missing().is_none()
    {
        start(state, out);
    }
}

/// Does an action while a plan is shown.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    let Some(Dialog::Copy(plan)) = state.dialogs.last_mut() else { return };
    match action {
        Action::Accept => accept(state, out),
        Action::ChangeLinks => change_links(state, out),
        Action::ChangeRule if !plan.stays() => {
            let at = RULES.iter().position(|rule| *rule == plan.order.rule).map_or(0, |at| at + 1);
            plan.order.rule = RULES[at % RULES.len()];
        }
        Action::CopyAs => ask_name(state),
        Action::ChangeTarget => {
            let shown = plan.order.to.display(&state.home);
            let note = "a folder, which is made where it is missing; Tab completes";
            let form = Form::new(Purpose::Target, "Target").path("folder", shown, plan.order.to.clone()).note(note);
            state.dialogs.push(Dialog::Form(Box::new(form)));
        }
        Action::Close => {
            out.extend(plan.count.ticket.map(Effect::Drop));
            state.dialogs.pop();
        }
        _ => {}
    }
}

/// Asks for the name of the only entry at the target.
fn ask_name(state: &mut State) {
    let Some(Dialog::Copy(plan)) = state.dialogs.last() else { return };
    let [piece] = plan.order.what.as_slice() else {
        state.warn("only a single entry can have another name at the target");
        return;
    };
    let Some(name) = piece.becomes.name().and_then(|name| String::from_utf8(name.as_bytes().to_vec()).ok()) else {
        state.warn("its name is no text and cannot be typed");
        return;
    };
    let title = if plan.order.moves { "Move as" } else { "Copy as" };
    state.dialogs.push(Dialog::Form(Box::new(Form::new(Purpose::As, title).text("name", name))));
}

/// Gives the only entry of the plan another name at the target.
///
/// # Errors
/// The name is not valid.
pub(super) fn change_name(state: &mut State, text: &str) -> Result<(), String> {
    let name = Name::try_from(text).map_err(|error| error.to_string())?;
    if let Some([piece]) = below(state).map(|plan| plan.order.what.as_mut_slice()) {
        let folder = piece.becomes.parent().unwrap_or_else(RemotePath::home);
        piece.becomes = folder.join(&name).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn accept(state: &mut State, out: &mut Out) {
    let Some(Dialog::Copy(plan)) = state.dialogs.last_mut() else { return };
    if plan.is_already_at(&plan.order.to) {
        state.warn("that is where it is already; a gives it another name, t another target");
        return;
    }
    if let Some(missing) = plan.missing() {
        let lines = vec![
            format!("{} are missing at the target.", human::size(missing)),
            "Files that fit are transferred; the rest fails and can be tried again.".to_owned(),
        ];
        let question =
            Question { title: "Start though it does not fit?".to_owned(), lines, decided: Decided::StartAnyway };
        state.dialogs.push(Dialog::Question(Box::new(question)));
    } else if plan.count.ticket.is_some() && plan.room.is_some() && !plan.starts {
        plan.starts = true;
    } else {
        start(state, out);
    }
}

/// Changes the target; a relative path starts at the present one.
///
/// # Errors
/// The path is not valid, or is the source folder.
pub(super) fn change_target(state: &mut State, text: &str) -> Result<(), String> {
    let home = state.home.clone();
    let Some(plan) = below(state) else { return Ok(()) };
    let to = plan.order.to.typed(text, &home)?;
    if plan.is_already_at(&to) {
        return Err("that is where it is already".to_owned());
    }
    plan.order.to = to;
    Ok(())
}

/// The topmost plan, which is below the form that changes it.
fn below(state: &mut State) -> Option<&mut CopyPlan> {
    state.dialogs.iter_mut().rev().find_map(|dialog| match dialog {
        Dialog::Copy(plan) => Some(&mut **plan),
        _ => None,
    })
}

/// Starts the topmost plan.
pub(super) fn start(state: &mut State, out: &mut Out) {
    let Some(at) = state.dialogs.iter().rposition(|dialog| matches!(dialog, Dialog::Copy(_))) else { return };
    let Dialog::Copy(mut plan) = state.dialogs.remove(at) else { return };
    list::close_found(state, out);
    out.extend(plan.count.ticket.map(Effect::Drop));
    for side in Side::BOTH {
        if state.panes[side].place == plan.order.from {
            state.panes[side].listing.unmark_all();
        }
    }
    if plan.stays() {
        there(state, &plan, out);
        return;
    }
    if !plan.leave_links() {
        state.warn("only links were marked, and links are skipped");
        return;
    }
    let key = state.transfers.add(plan.order.clone());
    out.push(Effect::Transfer(TransferEffect::Add(key, plan.order)));
}

/// Copies or moves within the server, without transferring content.
fn there(state: &mut State, plan: &CopyPlan, out: &mut Out) {
    let Order { from, to, what, moves, .. } = &plan.order;
    let ends = what.iter().map(|piece| from.join_path(&piece.path).zip(to.join_path(&piece.becomes)));
    let Some(ends) = ends.collect::<Option<Vec<_>>>() else {
        state.warn("a path would be too long there");
        return;
    };
    let ticket = state.tickets.next();
    state.tasks.push((ticket, Task::MoveCopy(from.clone(), to.clone())));
    state.begun(if *moves { "moving on the server" } else { "copying on the server" });
    out.push(match moves {
        true => Effect::Rename(ticket, ends),
        false => Effect::CopyThere(ticket, ends),
    });
}
