//! The boxes over the panes, one function each.

mod choose;
mod form;
mod lists;
mod plan;
mod question;
mod read;
use ratatui::layout::Rect;

use super::paint::Paint;
use crate::tui::state::{State, dialog::Dialog};

/// Draws a dialog in the middle of `room`.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, dialog: &Dialog, room: Rect) {
    match dialog {
        // All but the last take the whole screen, the last takes one line; they are drawn elsewhere.
        Dialog::Transfers(_) | Dialog::View(_) | Dialog::Comparison(_) | Dialog::Type(_) => {}
        Dialog::Sites(view) => lists::sites(paint, state, *view, room),
        Dialog::History(history) => lists::history(paint, state, history, room),
        Dialog::Bookmarks(view) => lists::bookmarks(paint, state, *view, room),
        Dialog::Found(found) => lists::found(paint, state, found, room),
        Dialog::Form(form) => form::draw(paint, state, form, room),
        Dialog::Reaching => question::reaching(paint, state, room),
        Dialog::Trust(view) => question::trust(paint, state, view, room),
        Dialog::Copy(plan) => plan::copy(paint, state, plan, room),
        Dialog::Delete(plan) => plan::delete(paint, state, plan, room),
        Dialog::Question(question) => question::question(paint, state, question, room),
        Dialog::Conflict(view) => question::conflict(paint, state, *view, room),
        Dialog::Quit => question::quit(paint, state, room),
        Dialog::Resume => question::resume(paint, state, room),
        Dialog::Palette(palette) => choose::palette(paint, state, palette, room),
        Dialog::Help(help) => choose::help(paint, state, help, room),
        Dialog::Details(details) => read::details(paint, state, details, room),
        Dialog::Notice(notice) => read::notice(paint, state, notice, room),
    }
}
