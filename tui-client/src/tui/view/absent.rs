//! The text in place of entries that cannot be shown: why, and which key helps.

use ratatui::layout::Rect;

use super::paint::Paint;
use crate::tui::{
    action::{Action, Where},
    state::{
        State,
        attempt::{Attempt, Step},
        side::Side,
    },
};

/// The text in place of entries that cannot be shown.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, side: Side, area: Rect) {
    let theme = &paint.appearance().theme;
    let pane = &state.panes[side];
    let Some(problem) = &pane.problem else { return };
    let mut lines = Vec::new();
    let reaches = |attempt: &&Attempt| match pane.vacant {
        true => attempt.side == side,
        false => pane.target() == Some(&attempt.server.target),
    };
    let step = state.attempt.as_ref().filter(reaches).map(|attempt| &attempt.step);
    match (step, state.pane_connection(pane), problem.kind.is_offline()) {
        (Some(Step::Reaching(_) | Step::LoggingIn(..)), _, true) => lines.push(("connecting".to_owned(), theme.warn)),
        (Some(Step::Greeted(_)), _, true) => lines.push(("waiting for the password".to_owned(), theme.warn)),
        (None, Some(_), true) => lines.push(("the connection is lost".to_owned(), theme.bad)),
        (None, None, true) => {
            let ended = pane.target().and_then(|target| state.ended.get(target));
            let key = |action| state.keymap.label(Where::Browse, action).unwrap_or_default();
            match ended {
                Some(problem) => {
                    lines.push((format!("ended: {}", problem.cause), theme.bad));
                    lines.push((format!("{} logs in again", key(Action::Refresh)), theme.dim));
                }
                None => {
                    lines.push(("not connected".to_owned(), theme.warn));
                    if pane.target().is_some() {
                        lines.push((format!("{} logs in again", key(Action::Refresh)), theme.dim));
                    }
                    lines.push((format!("{} connects to a server", key(Action::Sites)), theme.dim));
                }
            }
        }
        _ => {
            lines.push((problem.text.clone(), theme.bad));
            lines.extend(problem.hint.clone().map(|hint| (hint, theme.dim)));
        }
    }
    let top = area.y + area.height.saturating_sub(u16::try_from(lines.len()).unwrap_or(1)) / 3;
    for ((line, style), y) in lines.into_iter().zip(top..area.y + area.height) {
        paint.centre(Rect { x: area.x + 1, y, width: area.width.saturating_sub(2), height: 1 }, &line, style);
    }
}
