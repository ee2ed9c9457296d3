//! Comparing the trees of both panes, and syncing one like the other.

use std::collections::HashSet;

use ferry_client::transfer::ConflictRule;

use super::{Out, list};
use crate::{
    args::Links,
    human,
    tui::{
        action::Action,
        effect::{Effect, SyncEffect},
        state::{
            State,
            dialog::{Comparison, Decided, Dialog, Finding, Question, Step, Steps, doubt},
            layout::Layout,
            problem::Problem,
            side::Side,
            ticket::Ticket,
            transfers::{Key, Order, Stage, SyncRun},
            trees::{Planned, Trees},
        },
    },
};

/// The lines of the screen that show no entries: the two of the title, and those below.
pub(crate) const FRAME: u16 = 5;

/// Compares the tree of the active pane with that of the other.
pub(super) fn open(state: &mut State, out: &mut Out) {
    let (from, to) = (state.pane().place.clone(), state.other().place.clone());
    if Side::BOTH.iter().any(|side| state.panes[*side].vacant) || !state.is_reachable(&from) || !state.is_reachable(&to)
    {
        state.warn("not connected; Ctrl-S shows the sites");
        return;
    }
    if from == to {
        state.warn("both panes show the same folder; there is nothing to compare it with");
        return;
    }
    let servers = [from.target(), to.target()];
    let of_site = servers.into_iter().flatten().find_map(|target| state.server_of(target).links);
    let trees = Trees { from, to, links: state.links.or(of_site) };
    let id = state.tickets.next();
    out.push(Effect::Sync(id, SyncEffect::Compare(trees.clone(), false)));
    state.dialogs.push(Dialog::Comparison(Box::new(Comparison::new(trees, id))));
}

/// The comparison that waits for the answer with this ticket.
fn waiting(state: &mut State, ticket: Ticket) -> Option<&mut Comparison> {
    state.dialogs.iter_mut().find_map(|dialog| match dialog {
        Dialog::Comparison(comparison) if comparison.id == ticket => Some(&mut **comparison),
        _ => None,
    })
}

/// A comparison goes on.
pub(super) fn comparing(state: &mut State, ticket: Ticket, steps: Steps) {
    if let Some(comparison) = waiting(state, ticket) {
        comparison.steps = steps;
    }
}

/// Two trees were compared.
pub(super) fn compared(state: &mut State, ticket: Ticket, plan: Planned, out: &mut Out) {
    let Some(comparison) = waiting(state, ticket) else { return };
    comparison.seen = comparison.step == Step::Deletions;
    comparison.step = Step::Ready;
    comparison.take(plan);
    look_at_deletions(comparison, out);
}

/// Looks at what would be deleted, once that is wanted.
fn look_at_deletions(comparison: &mut Comparison, out: &mut Out) {
    if comparison.deletes && !comparison.seen && comparison.step == Step::Ready {
        comparison.step = Step::Deletions;
        out.push(Effect::Sync(comparison.id, SyncEffect::Again(comparison.checksum, true)));
    }
}

/// A comparison failed. Returns whether the ticket is of one.
pub(super) fn failed(state: &mut State, ticket: Ticket, problem: &Problem) -> bool {
    let Some(comparison) = waiting(state, ticket) else { return false };
    match (comparison.plan.is_some(), comparison.step) {
        // The earlier plan stays.
        (true, step) => {
            match step {
                Step::Contents => comparison.checksum = false,
                _ => comparison.deletes = false,
            }
            comparison.step = Step::Ready;
            state.warn(problem.to_string());
        }
        (false, _) => (comparison.step, comparison.problem) = (Step::Failed, Some(problem.clone())),
    }
    true
}

/// Does an action while trees are compared.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    let height = Layout::of(state).map_or(1, |layout| usize::from(layout.full().height.saturating_sub(FRAME))).max(1);
    let Some(Dialog::Comparison(comparison)) = state.dialogs.last_mut() else { return };
    if list::step(&mut comparison.view, action, comparison.shown.len(), height) {
        return;
    }
    match action {
        Action::Close => {
            out.push(Effect::Drop(comparison.id));
            state.dialogs.pop();
        }
        Action::Filter => {
            comparison.group = comparison.next_group();
            comparison.arrange();
            comparison.view = Default::default();
        }
        Action::LeaveOut => leave_out(state),
        Action::Deletions => {
            comparison.deletes = !comparison.deletes;
            look_at_deletions(comparison, out);
        }
        Action::Checksum if comparison.step == Step::Ready => {
            comparison.checksum = !comparison.checksum;
            (comparison.step, comparison.seen, comparison.steps) = (Step::Contents, false, Steps::default());
            out.push(Effect::Sync(comparison.id, SyncEffect::Again(comparison.checksum, false)));
        }
        Action::Turn => {
            let Trees { from, to, .. } = &mut comparison.trees;
            std::mem::swap(from, to);
            (comparison.deletes, comparison.left_out) = (false, Default::default());
            again(state, out);
        }
        Action::ChangeLinks => {
            comparison.trees.links = match comparison.trees.links {
                None => Some(Links::Follow),
                Some(Links::Follow) => Some(Links::Keep),
                Some(Links::Keep) => Some(Links::Skip),
                Some(Links::Skip) => None,
            };
            again(state, out);
        }
        Action::Refresh => again(state, out),
        Action::MarkDifferent => mark(state, out),
        Action::Accept | Action::StartDeleting => accept(state, action == Action::StartDeleting, out),
        _ => {}
    }
}

/// Begins the comparison on the screen again.
fn again(state: &mut State, out: &mut Out) {
    let id = state.tickets.next();
    let Some(Dialog::Comparison(comparison)) = state.dialogs.last_mut() else { return };
    out.push(Effect::Drop(comparison.id));
    comparison.again(id);
    out.push(Effect::Sync(id, SyncEffect::Compare(comparison.trees.clone(), comparison.checksum)));
}

/// Leaves the line of the cursor out of the sync, or takes it in again.
fn leave_out(state: &mut State) {
    let Some(Dialog::Comparison(comparison)) = state.dialogs.last_mut() else { return };
    let Some(line) = comparison.current().cloned() else { return };
    if matches!(line.finding, Finding::Problem(_)) {
        state.say("the sync does not touch this anyway");
        return;
    }
    if comparison.is_inside_left_out(&line) {
        state.say("a folder around it is left out");
        return;
    }
    comparison.leave_out(line.path);
    comparison.view.step(1, comparison.shown.len());
}

/// Marks in the panes what differs, and closes the comparison.
fn mark(state: &mut State, out: &mut Out) {
    let Some(Dialog::Comparison(comparison)) = state.dialogs.last() else { return };
    if comparison.step != Step::Ready {
        state.warn("still comparing");
        return;
    }
    let names = |of: fn(Finding) -> bool| -> HashSet<Vec<u8>> {
        let meant = comparison.lines.iter().filter(|line| of(line.finding));
        meant.filter_map(|line| line.path.names().next().map(<[u8]>::to_vec)).collect()
    };
    let source = names(|finding| matches!(finding, Finding::New | Finding::Changed(_)));
    let target = names(|finding| matches!(finding, Finding::OnlyThere | Finding::Changed(_)));
    let (id, Trees { from, to, .. }) = (comparison.id, comparison.trees.clone());
    let mut marked = [0, 0];
    for (at, side) in Side::BOTH.into_iter().enumerate() {
        let pane = &mut state.panes[side];
        let differ = match &pane.place {
            place if *place == from => &source,
            place if *place == to => &target,
            _ => continue,
        };
        pane.listing.unmark_all();
        pane.listing.mark_shown(|item| Some(differ.contains(item.name())));
        marked[at] = pane.listing.marked().entries();
    }
    out.push(Effect::Drop(id));
    state.dialogs.pop();
    let [left, right] = marked;
    state.say(format!("marked what differs, also in a folder: {left} on the left, {right} on the right"));
}

/// Starts the sync, if nothing has to be asked before.
fn accept(state: &mut State, deleting: bool, out: &mut Out) {
    let Some(Dialog::Comparison(comparison)) = state.dialogs.last() else { return };
    let chosen = match comparison.step {
        Step::Ready => comparison.chosen(),
        Step::Failed => None,
        Step::Listing | Step::Contents | Step::Deletions => {
            state.warn("still comparing; nothing was started");
            return;
        }
    };
    let Some(plan) = chosen else { return };
    let to = comparison.trees.to.clone();
    if plan.is_empty() {
        state.say("there is nothing to do");
        return;
    }
    if !state.may_write(&to) {
        state.warn(format!("your account on {} may only read", state.site_name(&to.site)));
        return;
    }
    let deletions = plan.deletions.len() as u64;
    if deletions > 0 && !deleting {
        let entries = human::count(deletions, "entry is", "entries are");
        state.warn(format!("{entries} deleted at the target by this: y starts it, d keeps them"));
        return;
    }
    match plan.doubt(None) {
        Some(reason) => {
            let lines =
                vec![doubt(reason), "Everything is copied first. What is deleted cannot be brought back.".into()];
            let title = "Delete so much?".to_owned();
            state.dialogs.push(Dialog::Question(Box::new(Question { title, lines, decided: Decided::SyncAnyway })));
        }
        None => start(state, out),
    }
}

/// Starts the sync of the topmost comparison.
pub(super) fn start(state: &mut State, out: &mut Out) {
    let Some(Dialog::Comparison(comparison)) = state.dialogs.last() else { return };
    let Some(plan) = comparison.chosen() else { return };
    let (id, Trees { from, to, links }) = (comparison.id, comparison.trees.clone());
    state.dialogs.pop();
    let order = Order { from, to, what: Vec::new(), moves: false, rule: ConflictRule::Changed, links, mode: None };
    let run = SyncRun::new(id, plan.clone());
    let stage = run.stage;
    let key = state.transfers.add_sync(order, run);
    let effect = match stage {
        Stage::Copying => SyncEffect::Copy(key, plan),
        Stage::Deleting | Stage::Rest => SyncEffect::Delete(key, plan),
    };
    out.push(Effect::Sync(id, effect));
    state.begun("syncing; w shows all about it");
}

/// Requests of a sync's deletions were answered.
pub(super) fn deleting(state: &mut State, key: Key, answered: (u64, u64)) {
    if let Some(run) = state.transfers.get_mut(key).and_then(|transfer| transfer.sync.as_mut()) {
        run.answered = answered;
    }
}
