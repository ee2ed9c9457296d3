//! One pane: a frame with its place and figures above, and its marks, usage and free space below.

use ratatui::{layout::Rect, style::Style};

use super::{
    absent, entries,
    entries::Columns,
    figures,
    paint::{Paint, columns},
};
use crate::{
    human,
    tui::state::{PATIENCE, State, connection::Connection, layout, listing::Amount, order::By, pane::Pane, side::Side},
};

/// The least columns of the gauge of a quota, with a space around it.
const GAUGE: u16 = 8;

/// Draws a pane.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, side: Side, area: Rect) {
    let theme = &paint.appearance().theme;
    let style = if side == state.active { entries::side_style(paint, side) } else { theme.border };
    paint.border(area, style);
    title(paint, state, side, Rect { height: 1, ..area });
    let inside = layout::inside(area);
    let pane = &state.panes[side];
    if let Some(problem) = pane.problem.as_ref().filter(|_| pane.listing.total() == 0) {
        // The way out of a folder that cannot be read.
        if pane.has_up() && !problem.kind.is_offline() {
            let first = Rect { height: 1, ..inside };
            entries::line(paint, state, side, 0, first, Columns::of(inside.width), None);
        }
        absent::draw(paint, state, side, inside);
    } else {
        entries::draw(paint, state, side, inside);
    }
    status(paint, state, pane, Rect { y: area.y + area.height.saturating_sub(1), height: 1, ..area });
}

/// The site that a pane shows, or is about to show if it is on this side.
pub(super) fn name(state: &State, pane: &Pane, side: Option<Side>) -> String {
    let reaching = state.attempt.as_ref().filter(|attempt| pane.vacant && Some(attempt.side) == side);
    match reaching {
        Some(attempt) => attempt.server.name(),
        None if pane.vacant => "server".to_owned(),
        None => state.site_name(&pane.place.site),
    }
}

/// A pane in few columns: the server, or the folder on this computer.
pub(super) fn short(state: &State, pane: &Pane) -> String {
    let folder = pane.place.name().filter(|_| pane.is_local());
    match folder {
        Some(folder) => folder.display().to_string(),
        None if pane.is_local() => pane.place.display(&state.home),
        None => name(state, pane, None),
    }
}

/// The path of the folder that a pane shows.
fn path(state: &State, pane: &Pane) -> String {
    if pane.vacant { "/".to_owned() } else { pane.place.display(&state.home) }
}

/// The line above the entries: the site on a coloured ground, the path, and how many entries in which order.
fn title(paint: &mut Paint<'_>, state: &State, side: Side, area: Rect) {
    let theme = &paint.appearance().theme;
    let pane = &state.panes[side];
    let active = side == state.active;
    if active {
        // Without colours this tells which pane has the keys.
        paint.text(area.x + 1, area.y, 1, paint.appearance().signs.cursor, entries::side_style(paint, side));
    }
    let x = area.x + 2;
    let end = area.x + area.width.saturating_sub(2);
    let reached = pane.is_local()
        || pane.target().is_some_and(|target| state.outage(target).is_none() && state.connections.contains_key(target));
    let chip = match (active, side) {
        _ if !reached => theme.bad,
        (false, _) => theme.chip,
        (true, Side::Left) => theme.chip_left,
        (true, Side::Right) => theme.chip_right,
    };
    let (name, path) = (name(state, pane, Some(side)), path(state, pane));
    let sign = waits(paint, state, pane);
    let room = end.saturating_sub(x + if sign.is_some() { 3 } else { 0 });
    let needed = columns(&name) + columns(&path) + 5;
    let figures = figures(paint, pane).into_iter().find(|text| columns(text) + 3 + needed <= room);
    let mut room = room;
    if let Some(text) = figures {
        let taken = paint.right(end, area.y, room, &format!(" {text} "), theme.dim);
        room = room.saturating_sub(taken + 1);
    }
    let name_room = room.saturating_sub(columns(&path) + 2).max(room / 2);
    let taken = paint.chip(x, area.y, name_room, &name, chip);
    let style = if active { theme.title_active } else { theme.title };
    let path = format!(" {path} ");
    let taken = taken + paint.tail(x + taken, area.y, room.saturating_sub(taken), &path, style);
    if let Some(sign) = sign {
        paint.text(x + taken, area.y, 2, &format!("{sign} "), theme.warn);
    }
}

/// How many entries there are, in which order, and what is filtered; from long to short.
fn figures(paint: &Paint<'_>, pane: &Pane) -> Vec<String> {
    let signs = paint.appearance().signs;
    let (shown, total) = (pane.listing.len() as u64, pane.listing.total() as u64);
    if total == 0 {
        return Vec::new();
    }
    let count = match shown == total {
        true => human::count(total, "entry", "entries"),
        false => format!("{shown} of {}", human::count(total, "entry", "entries")),
    };
    let sort = pane.viewing.sort;
    let word = match sort.by {
        By::Name => "name",
        By::Size => "size",
        By::Time => "time",
        By::Extension => "ext",
    };
    // Sizes and times are sorted in descending order.
    let falls = matches!(sort.by, By::Size | By::Time) != sort.reversed;
    let order = format!("{word} {}", signs.sorted[usize::from(falls)]);
    let usual = sort == Default::default();
    let both = format!("{count} {} {order}", signs.between);
    let short = if usual { shown.to_string() } else { order };
    vec![both, if usual { count } else { short.clone() }, short]
}

/// The sign that turns while a folder is being read, once that takes a while.
fn waits(paint: &Paint<'_>, state: &State, pane: &Pane) -> Option<&'static str> {
    let loading = pane.loading.as_ref().filter(|loading| state.now >= loading.since + PATIENCE)?;
    Some(spinner(paint, state.now.saturating_sub(loading.since)))
}

/// The sign that turns, at some time.
pub(super) fn spinner(paint: &Paint<'_>, time: std::time::Duration) -> &'static str {
    let signs = paint.appearance().signs.spinner;
    let turn = usize::try_from(time.as_millis() / 100).unwrap_or(0);
    signs[turn % signs.len().max(1)]
}

/// How much is marked: the size of files, and of folders, whose size is not known, how many.
fn amount(marked: Amount) -> String {
    let folders = human::count(marked.folders, "folder", "folders");
    match (marked.files, marked.folders) {
        (_, 0) => figures::size(marked.bytes),
        (0, _) => folders,
        _ => format!("{} and {folders}", figures::size(marked.bytes)),
    }
}

/// The line below the entries: what is marked, else the cursor's row; the quota and the free space.
fn status(paint: &mut Paint<'_>, state: &State, pane: &Pane, area: Rect) {
    let theme = &paint.appearance().theme;
    let x = area.x + 2;
    let end = area.x + area.width.saturating_sub(2);
    let connection = state.pane_connection(pane);
    if let Some(outage) = connection.and_then(|connection| state.outage(&connection.server.target)) {
        let text = format!(" lost, {}: {} ", outage.again(state.now), outage.problem.text);
        paint.text(x, area.y, end.saturating_sub(x), &text, theme.bad);
        return;
    }
    let (text, style) = about(pane, theme.mark, theme.bad, theme.dim);
    let needed = if text.is_empty() { 0 } else { columns(&text) + 3 };
    let room = end.saturating_sub(x + needed);
    let taken = space(paint, connection, pane, Rect { x: x + needed, width: room, ..area });
    if !text.is_empty() {
        paint.text(x, area.y, end.saturating_sub(x + taken), &format!(" {text} "), style);
    }
}

/// The marked amount, why the folder cannot be read again, or the row of the cursor.
fn about(pane: &Pane, mark: Style, bad: Style, dim: Style) -> (String, Style) {
    let marked = pane.marked();
    let total = pane.listing.total() as u64;
    if pane.in_range() {
        return (format!("range: {} of {total}, {}", marked.entries(), amount(marked)), mark);
    }
    if marked.entries() > 0 {
        return (format!("{} of {total} marked, {}", marked.entries(), amount(marked)), mark);
    }
    if let Some(problem) = pane.problem.as_ref().filter(|_| total > 0) {
        return (problem.text.clone(), bad);
    }
    let hidden = total - pane.listing.len() as u64;
    let hidden = if hidden > 0 { format!(", {hidden} not shown") } else { String::new() };
    let row = pane.cursor() + usize::from(!pane.has_up());
    match (pane.listing.len(), row) {
        (0, _) => (hidden.trim_start_matches(", ").to_owned(), dim),
        (all, 0) => (format!("{all}{hidden}"), dim),
        (all, row) => (format!("{row}/{all}{hidden}"), dim),
    }
}

/// The quota with its gauge, and the free space, right-aligned in an area. Returns the columns that they took.
fn space(paint: &mut Paint<'_>, connection: Option<&Connection>, pane: &Pane, area: Rect) -> u16 {
    let end = area.x + area.width;
    let Some(connection) = connection.filter(|connection| connection.is_online()) else {
        let free = pane.free.filter(|_| pane.is_local());
        let text = free.map_or(String::new(), |free| format!(" free {} ", figures::size(free)));
        // Cut off, a size would look like another one.
        let text = if columns(&text) > area.width { String::new() } else { text };
        return paint.right(end, area.y, area.width, &text, paint.appearance().theme.dim);
    };
    let usage = &connection.account.usage;
    let free = format!(" free on server {} ", figures::size(usage.volume_free));
    let Some(limit) = usage.limit else {
        return paint.right(end, area.y, area.width, &free, paint.appearance().theme.dim);
    };
    let used = usage.used.saturating_add(usage.reserved);
    let text = format!(" {} used ", figures::of(used, limit));
    // The limit that is reached first is shown first: the disk only where it has less than the quota leaves.
    let both = columns(&free) + columns(&text) + GAUGE;
    let free = match usage.volume_free < limit.saturating_sub(used) || both <= area.width {
        true => paint.right(end, area.y, area.width, &free, paint.appearance().theme.dim),
        false => 0,
    };
    free + quota(paint, (used, limit), &text, Rect { width: area.width - free, ..area })
}

/// The used part of a quota, right-aligned in an area. Returns the columns that it took.
fn quota(paint: &mut Paint<'_>, (used, limit): (u64, u64), text: &str, area: Rect) -> u16 {
    let theme = &paint.appearance().theme;
    let permille = u64::try_from(u128::from(used) * 1000 / u128::from(limit.max(1))).unwrap_or(1000);
    let style = match permille {
        0..850 => theme.bar,
        850..970 => theme.warn,
        _ => theme.bad,
    };
    if columns(text) > area.width {
        return 0;
    }
    let end = area.x + area.width;
    let taken = paint.right(end, area.y, area.width, text, if permille < 850 { theme.dim } else { style });
    let cells = match area.width - taken {
        0..8 => return taken,
        8..20 => 6,
        _ => 12,
    };
    let [full, empty] = paint.appearance().signs.gauge;
    let filled = u16::try_from((u64::from(cells) * permille.min(1000)).div_ceil(1000)).unwrap_or(cells);
    let left = end - taken - cells;
    for cell in 0..cells {
        let (sign, style) = if cell < filled { (full, style) } else { (empty, theme.bar_rest) };
        paint.text(left + cell, area.y, 1, sign, style);
    }
    paint.text(left - 1, area.y, 1, " ", theme.dim);
    taken + cells + 1
}
