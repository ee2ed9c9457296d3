//! The last line: the keys that work here, a message, or the line being typed.

use ratatui::layout::Rect;

use super::{
    figures,
    paint::{Paint, columns},
};
use crate::tui::{
    action::{Action, Row, Where, table},
    state::{
        Quitting, Said, State,
        dialog::{Dialog, TypeLine, Typing},
        hits::Target,
        lines::wrapped,
    },
};

/// The most lines a word in the footer takes.
const TOAST_LINES: usize = 3;

/// Draws the last line, and above it the keys that may follow a begun sequence.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, area: Rect) {
    let theme = &paint.appearance().theme;
    paint.clear(area);
    if !state.pending.is_empty() {
        continuations(paint, state, area);
    }
    if let Some(Dialog::Type(line)) = state.dialogs.last() {
        type_line(paint, line, area);
        return;
    }
    if let Some(toast) = &state.toast {
        let signs = paint.appearance().signs;
        let (sign, style) = match toast.tone {
            Said::Done => (signs.good, theme.good),
            Said::Begun => (signs.more, theme.text),
            Said::Bad => (signs.bad, theme.warn),
        };
        let room = area.width.saturating_sub(4);
        // Text that does not fit on the last line uses the lines above it too.
        let lines = wrapped(&toast.text, usize::from(room));
        let above = u16::try_from(lines.len().clamp(1, TOAST_LINES) - 1).unwrap_or(0).min(area.y);
        let whole = Rect { y: area.y - above, height: above + 1, ..area };
        paint.clear(whole);
        paint.text(whole.x + 1, whole.y, 1, sign, style);
        let cut = lines.len() > usize::from(whole.height);
        let last = usize::from(above);
        for (at, (line, y)) in lines.iter().zip(whole.y..whole.y + whole.height).enumerate() {
            let line = if cut && at == last { lines[at..].join(" ") } else { line.clone() };
            paint.text(whole.x + 3, y, room, &line, style);
        }
        return;
    }
    let area = match state.dialogs.is_empty() {
        true => modes(paint, state, area),
        false => area,
    };
    // A box shows its keys itself.
    if state.dialogs.last().is_none_or(Dialog::is_full) {
        let hints = hints(state, state.place(), without(state));
        write(paint, area, &hints);
    }
}

/// The modes of the panes, at the right end of the line: filters, limits, lost servers. Returns the rest of the line.
fn modes(paint: &mut Paint<'_>, state: &State, area: Rect) -> Rect {
    let theme = &paint.appearance().theme;
    let pane = state.pane();
    let bandwidth = state.transfers.bandwidth;
    let limit = |rate: Option<u64>, sign: &str| rate.map(|rate| format!("limit {sign}{}", figures::rate(rate)));
    let signs = paint.appearance().signs;
    let lost = state.connections.keys().any(|server| state.outage(server).is_some());
    let on = |holds: bool, word: &str| holds.then(|| word.to_owned());
    let filter = pane.viewing.filter.as_ref().map(|filter| format!("filter {}", filter.text()));
    let plain = [
        (filter, theme.chip, Some(Action::Filter)),
        (on(pane.in_range(), "range"), theme.chip, Some(Action::Range)),
        (on(state.together, "in step"), theme.chip, Some(Action::StepTogether)),
        (on(pane.viewing.hidden, "hidden shown"), theme.chip, Some(Action::Hidden)),
        (limit(bandwidth.up, signs.up), theme.chip, Some(Action::Transfers)),
        (limit(bandwidth.down, signs.down), theme.chip, Some(Action::Transfers)),
        (on(state.quitting == Quitting::WhenDone, "quits when done"), theme.chip, None),
        (on(lost, "offline"), theme.bad, None),
    ];
    let mut end = area.x + area.width;
    for (text, style, action) in plain.into_iter().rev() {
        let Some(text) = text else { continue };
        let width = columns(&paint.shown(&text)).min(24) + 2;
        // The keys keep at least half of the line.
        if end.saturating_sub(width) < area.x + area.width / 2 {
            break;
        }
        end -= width;
        paint.chip(end, area.y, width, &text, style);
        if let Some(action) = action {
            paint.hit(Rect { x: end, width, ..area }, Target::Key(action));
        }
        end = end.saturating_sub(1);
    }
    Rect { width: end.saturating_sub(area.x), ..area }
}

/// The actions that are of no use on a full screen as it is.
fn without(state: &State) -> &'static [Action] {
    match state.dialogs.last() {
        // A sync that deletes starts with another key.
        Some(Dialog::Comparison(comparison)) if comparison.deletes => &[Action::Accept],
        Some(Dialog::Comparison(_)) => &[Action::StartDeleting],
        _ => &[],
    }
}

/// The keys of a place and their actions, in the order of the table.
pub(super) fn hints(state: &State, place: Where, without: &[Action]) -> Vec<Hint> {
    let hinted = |row: &&Row| row.places.contains(&place) && !row.hint.is_empty() && !without.contains(&row.action);
    let rows = table().filter(hinted).filter(|row| state.offers(row));
    rows.filter_map(|row| {
        Some(Hint { key: state.keymap.label(place, row.action)?, action: row.action, word: row.hint, rank: row.rank })
    })
    .collect()
}

/// A key and its action.
#[derive(Debug)]
pub(super) struct Hint {
    key: String,
    action: Action,
    word: &'static str,
    rank: u8,
}

impl Hint {
    /// Columns it takes.
    pub(super) fn width(&self) -> u16 {
        columns(&self.key) + columns(self.word) + 3
    }
}

/// Writes as many hints as there is room for, those of low rank first, in their order. Each can be clicked.
pub(super) fn write(paint: &mut Paint<'_>, area: Rect, hints: &[Hint]) {
    let theme = &paint.appearance().theme;
    let mut by_rank: Vec<usize> = (0..hints.len()).collect();
    by_rank.sort_by_key(|at| hints[*at].rank);
    // The first one has one space less before it.
    let mut left = area.width.saturating_add(1);
    by_rank.retain(|at| {
        let fits = hints[*at].width() <= left;
        left = if fits { left - hints[*at].width() } else { left };
        fits
    });
    by_rank.sort_unstable();
    let (mut x, end) = (area.x, area.x + area.width);
    for hint in by_rank.into_iter().map(|at| &hints[at]) {
        let space = if x == area.x { " " } else { "  " };
        x += paint.text(x, area.y, end.saturating_sub(x), space, theme.hint);
        let begin = x;
        x += paint.text(x, area.y, end.saturating_sub(x), &hint.key, theme.key);
        x += paint.text(x, area.y, end.saturating_sub(x), " ", theme.hint);
        x += paint.text(x, area.y, end.saturating_sub(x), hint.word, theme.hint);
        paint.hit(Rect { x: begin, width: x - begin, ..area }, Target::Key(hint.action));
    }
    paint.text(x, area.y, end.saturating_sub(x), " ", theme.hint);
}

fn type_line(paint: &mut Paint<'_>, line: &TypeLine, area: Rect) {
    let theme = &paint.appearance().theme;
    let word = match line.typing {
        Typing::Find(_) | Typing::FindText(_) => "find: ",
        Typing::Filter => "show only: ",
    };
    let x = area.x + 1 + paint.text(area.x + 1, area.y, area.width, word, theme.key);
    let room = area.width.saturating_sub(x + 1);
    let taken = paint.tail(x, area.y, room, &line.field.shown(), theme.field_active);
    let column = columns(&paint.shown(&line.field.shown_before())).min(taken);
    paint.put_cursor(x + column, area.y);
    if let Some(fault) = &line.fault {
        let left = room.saturating_sub(taken + 3);
        paint.right(area.x + area.width - 1, area.y, left, fault, theme.warn);
    }
}

/// A box with all keys that may follow those that were pressed.
fn continuations(paint: &mut Paint<'_>, state: &State, footer: Rect) {
    let theme = &paint.appearance().theme;
    let found: Vec<(String, &'static Row)> = state.keymap.continuations(state.place(), &state.pending);
    let width = footer.width.saturating_sub(2);
    let lines = u16::try_from(found.len()).unwrap_or(u16::MAX).min(footer.y.saturating_sub(2));
    let key_width = found.iter().map(|(key, _)| columns(key)).max().unwrap_or(0);
    let words = found.iter().map(|(_, row)| columns(row.help)).max().unwrap_or(0);
    let width = width.min(key_width + words + 7);
    let area = Rect { x: footer.width.saturating_sub(width + 1), y: footer.y - lines - 2, width, height: lines + 2 };
    paint.frame(area, theme.border, theme.dialog);
    let title = format!(" {} ", state.keymap.labels(&state.pending));
    paint.text(area.x + 2, area.y, width.saturating_sub(4), &title, theme.dialog_title);
    for ((key, row), y) in found.iter().zip(area.y + 1..area.y + 1 + lines) {
        paint.text(area.x + 2, y, key_width, key, theme.key);
        paint.text(area.x + 4 + key_width, y, width.saturating_sub(key_width + 6), row.help, theme.hint);
        paint.hit(Rect { y, height: 1, ..area }, Target::Key(row.action));
    }
}
