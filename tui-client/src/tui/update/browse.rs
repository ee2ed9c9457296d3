//! The panes: moving about in a folder and from one to another.

use super::{
    Out, arrange, choose, clipboard, comparison, conflict, connection, copy, delete, details, edit, find, history,
    mark, name, permissions, preview, programs, queue, quit, reach, read, search, site, sizes, tabs, view,
};
use crate::tui::{
    action::{Action, Where},
    effect::Effect,
    state::{
        State,
        dialog::{Dialog, Form, ListView, Purpose},
        layout::Layout,
        place::Place,
        side::Side,
    },
};

/// The step of the divider for one key, in hundredths of the width.
const DIVIDER_STEP: u16 = 5;

/// Does an action in the panes.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    if movement(state, action)
        || mark::act(state, action)
        || arrange::act(state, action, out)
        || tabs::act(state, action, out)
    {
        return;
    }
    match action {
        Action::Open => open(state, out),
        Action::OpenOutside => programs::open(state, out),
        Action::Custom(number) => programs::command(state, number, out),
        Action::Parent => parent(state, out),
        Action::Back | Action::Forward => walk_history(state, action, out),
        Action::GoHome => read::go(state, state.active, home_of(state), out),
        Action::GoRoot => read::go(state, state.active, state.pane().place.root(), out),
        Action::GoTo => go_to(state),
        Action::SwitchPlace => switch_place(state, out),
        Action::Bookmarks => state.dialogs.push(Dialog::Bookmarks(ListView::default())),
        Action::AddBookmark => site::bookmark_this(state, out),
        Action::Copy => copy::plan(state, false, out),
        Action::Move => copy::plan(state, true, out),
        Action::Rename => name::rename(state, out),
        Action::NewFolder => name::new_folder(state),
        Action::Delete => delete::plan(state, out),
        Action::Compare => comparison::open(state, out),
        Action::View => view::open(state, out),
        Action::Preview => preview::toggle(state),
        Action::Edit => edit::begin(state, out),
        Action::Details => details::open(state, out),
        Action::MakeLink => name::link(state),
        Action::Permissions => permissions::ask(state),
        Action::FolderSizes => sizes::ask(state, out),
        Action::CopyPath | Action::CopyAddress => clipboard::copy(state, action, out),
        Action::Find => find::begin(state),
        Action::Filter => find::begin_filter(state),
        Action::FindNext => find::again(state, true),
        Action::FindPrevious => find::again(state, false),
        Action::Search => search::ask(state),
        _ => program(state, action, out),
    }
}

fn program(state: &mut State, action: Action, out: &mut Out) {
    match action {
        Action::Refresh => connection::refresh(state, out),
        Action::Transfers => state.dialogs.push(Dialog::Transfers(queue::view(state))),
        Action::History => history::open(state, out),
        Action::Answer => conflict::open(state),
        Action::Sites => reach::choose_server(state),
        Action::Account => connection::account(state, out),
        Action::Disconnect => connection::leave(state, out),
        Action::Palette => choose::open_palette(state, Where::Browse),
        Action::Shell => shell(state, out),
        Action::NextTheme => choose::next_theme(state),
        Action::PauseAll | Action::ClearFinished => queue::act_on_all(state, action, out),
        Action::Close => close(state),
        Action::Quit => quit::ask(state, out),
        _ => {}
    }
}

/// The cursor, the panes and the divider.
fn movement(state: &mut State, action: Action) -> bool {
    let page = page(state);
    let half = page / 2;
    let rows = state.pane().rows();
    match action {
        Action::Up => state.pane_mut().step(-1),
        Action::Down => state.pane_mut().step(1),
        Action::PageUp => state.pane_mut().step(-page),
        Action::PageDown => state.pane_mut().step(page),
        Action::HalfUp => state.pane_mut().step(-half),
        Action::HalfDown => state.pane_mut().step(half),
        Action::Top => state.pane_mut().put_cursor(0),
        Action::Bottom => state.pane_mut().put_cursor(rows),
        Action::OtherPane => {
            state.pane_mut().mark_range();
            state.active = state.active.other();
        }
        Action::SwapPanes => state.panes.swap(),
        Action::Narrower => state.divider = state.divider.saturating_sub(DIVIDER_STEP).max(20),
        Action::Wider => state.divider = (state.divider + DIVIDER_STEP).min(80),
        _ => return false,
    }
    true
}

/// Lines of entries on the screen.
fn page(state: &State) -> isize {
    let area = Layout::of(state).and_then(|layout| layout.entries(state.active));
    area.map_or(1, |area| isize::try_from(area.height).unwrap_or(1)).max(1)
}

/// Enters the folder under the cursor, or opens the file: with the user's program for it, or in the viewer.
pub(super) fn open(state: &mut State, out: &mut Out) {
    let pane = state.pane();
    let Some(item) = pane.current() else {
        if pane.has_up() {
            parent(state, out);
        }
        return;
    };
    if !item.is_folder() {
        if !programs::open_if_named(state, out) {
            view::open(state, out);
        }
        return;
    }
    let name = item.entry.name.clone();
    let Some(place) = pane.place.join(&name) else {
        state.warn("its path would be too long for this side");
        return;
    };
    read::go(state, state.active, place, out);
    if state.together {
        let side = state.active.other();
        let other = &state.panes[side];
        let folder = other.listing.all().iter().any(|item| item.entry.name == name && item.is_folder());
        match other.place.join(&name).filter(|_| folder) {
            Some(place) => read::go(state, side, place, out),
            None => state.warn(format!("the other pane has no folder {}", name.display())),
        }
    }
}

/// Goes to the folder above.
fn parent(state: &mut State, out: &mut Out) {
    let sides: &[Side] = if state.together { &Side::BOTH } else { &[state.active] };
    for side in sides {
        let pane = &state.panes[*side];
        if let Some(place) = pane.place.parent().filter(|_| pane.has_up()) {
            read::go(state, *side, place, out);
        }
    }
}

fn walk_history(state: &mut State, action: Action, out: &mut Out) {
    let side = state.active;
    read::forget(state, side, out);
    let pane = state.pane_mut();
    let moved = if action == Action::Back { pane.go_back() } else { pane.go_forward() };
    if !moved {
        state.warn(if action == Action::Back {
            "there is no folder before this one"
        } else {
            "there is no folder after this one"
        });
    }
    read::folder(state, side, out);
}

/// The home folder at the site of the active pane.
fn home_of(state: &State) -> Place {
    match state.pane().place.target() {
        None => Place::local(state.home.clone()),
        Some(target) => Place::remote(target.clone(), state.server_of(target).start),
    }
}

fn go_to(state: &mut State) {
    let side = state.active;
    let note = match state.pane().place.is_local() {
        true => "~ is your home folder; what does not begin with / starts here; Tab completes",
        false => "/ is your home on the server; what does not begin with / starts here; Tab completes",
    };
    let place = state.panes[side].place.clone();
    let form = Form::new(Purpose::GoTo(side), "Go to").path("path", "", place).note(note);
    state.dialogs.push(Dialog::Form(Box::new(form)));
}

/// Switches the active pane: from a server to this computer; from this computer to the server of the other pane, or
/// else to the last one; asks for a server if there was none.
fn switch_place(state: &mut State, out: &mut Out) {
    let before = state.pane().elsewhere().cloned();
    if !state.pane().is_local() {
        let place = before.filter(Place::is_local).unwrap_or_else(|| Place::local(state.home.clone()));
        read::go(state, state.active, place, out);
        return;
    }
    if let Some(place) = before.filter(|place| !place.is_local()) {
        reach::again(state, state.active, place, out);
        return;
    }
    match state.other().target().or(state.last_server.as_ref()).cloned() {
        Some(target) => {
            let place = Place::remote(target.clone(), state.server_of(&target).start);
            reach::again(state, state.active, place, out);
        }
        None => reach::choose_server(state),
    }
}

fn shell(state: &mut State, out: &mut Out) {
    let local = [state.pane(), state.other()].into_iter().filter(|pane| pane.is_local());
    let folder = local.into_iter().find_map(|pane| pane.place.path.local()).unwrap_or(&state.home).to_owned();
    out.push(Effect::Shell(folder));
}

/// Esc without a dialog: ends the range, the filter, or the sight of what was found.
fn close(state: &mut State) {
    let pane = state.pane_mut();
    if pane.drop_range() {
        return;
    }
    if pane.viewing.filter.take().is_some() {
        pane.rearrange(false);
        return;
    }
    let marked = pane.listing.marked().entries() > 0;
    if std::mem::take(&mut state.highlight) && state.find.is_some() {
        return;
    }
    if marked {
        state.say("the marks stay; u takes them away");
    }
}
