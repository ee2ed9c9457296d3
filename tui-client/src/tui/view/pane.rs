//! One pane: its title, its entries, and the amount of the marked ones.

use ferry_shared::entry::Kind;
use ratatui::{layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr as _;

use super::{
    figures::{self, Dates},
    gauge::Bar,
    paint::{Paint, columns},
};
use crate::{
    human,
    tui::{
        action::{Action, Where},
        state::{
            PATIENCE, State,
            appearance::Depth,
            attempt::{Attempt, Step},
            connection::Connection,
            item::Item,
            listing::Amount,
            order::{By, Sort},
            pane::Pane,
            pattern::Pattern,
            side::Side,
        },
    },
};

/// Columns of a size.
const SIZE: u16 = 8;

/// Draws a pane.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, side: Side, area: Rect) {
    title(paint, state, side, Rect { height: 1, ..area });
    let entries = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    let pane = &state.panes[side];
    if let Some(problem) = pane.problem.as_ref().filter(|_| pane.listing.total() == 0) {
        // The way out of a folder that cannot be read.
        if pane.has_up() && !problem.kind.is_offline() {
            line(paint, state, side, 0, Rect { height: 1, ..entries }, Columns::of(area.width), None);
        }
        instead(paint, state, side, entries);
    } else {
        rows(paint, state, side, entries);
    }
    status(paint, state, pane, Rect { y: area.y + area.height.saturating_sub(1), height: 1, ..area });
}

/// The line that names both panes, where only one is shown.
pub(super) fn tabs(paint: &mut Paint<'_>, state: &State, area: Rect) {
    let theme = &paint.appearance().theme;
    let half = area.width / 2;
    for (side, x) in [(Side::Left, area.x), (Side::Right, area.x + half)] {
        let active = side == state.active;
        let (style, mark) =
            if active { (theme.title_active, paint.appearance().signs.cursor) } else { (theme.title, " ") };
        let name = name(state, side);
        let taken = 2 + paint.text(x + 2, area.y, half.saturating_sub(3), &name, style);
        paint.text(x, area.y, 1, mark, style);
        if !active && let Some(key) = state.keymap.label(Where::Browse, Action::OtherPane) {
            let hint = format!("{key} shows it");
            if taken + 3 + columns(&hint) <= half {
                paint.text(x + taken + 2, area.y, half, &hint, theme.dim);
            }
        }
    }
}

/// The site that a pane shows.
fn name(state: &State, side: Side) -> String {
    let pane = &state.panes[side];
    match state.attempt.as_ref().filter(|attempt| pane.vacant && attempt.side == side) {
        Some(attempt) => attempt.server.name(),
        None if pane.vacant => "server".to_owned(),
        None => state.site_name(&pane.place.site),
    }
}

/// The path of the folder that a pane shows.
fn path(state: &State, pane: &Pane) -> String {
    if pane.vacant { "/".to_owned() } else { pane.place.display(&state.home) }
}

fn title(paint: &mut Paint<'_>, state: &State, side: Side, area: Rect) {
    let theme = &paint.appearance().theme;
    let pane = &state.panes[side];
    let active = side == state.active;
    let style = if active { theme.title_active } else { theme.title };
    if active {
        // Without colours this alone tells which pane has the keys.
        paint.text(area.x, area.y, 1, paint.appearance().signs.cursor, style);
    }
    let mut end = area.x + area.width.saturating_sub(1);
    let row = pane.cursor() + usize::from(!pane.has_up());
    let position = match (pane.listing.len(), row) {
        (0, _) => String::new(),
        (all, 0) => all.to_string(),
        (all, row) => format!("{row}/{all}"),
    };
    let figures = format!("{} {position}", sorted(paint, pane)).trim().to_owned();
    end = end.saturating_sub(paint.right(end, area.y, 24, &figures, theme.dim) + 1);
    if let Some(connection) = state.pane_connection(pane) {
        end = quota(paint, connection, end, area);
    }
    let x = area.x + 1;
    let prefix = name(state, side);
    let prefix_style = match () {
        () if pane.is_local() => theme.dim,
        () if pane
            .target()
            .is_some_and(|target| state.outage(target).is_none() && state.connections.contains_key(target)) =>
        {
            style
        }
        () => theme.bad,
    };
    let sign = waits(paint, state, pane);
    let room = end.saturating_sub(x + if sign.is_some() { 3 } else { 0 });
    let path = path(state, pane);
    let name_room = room.saturating_sub(columns(&path) + 1).max(room / 2);
    let taken = 1 + paint.text(x, area.y, name_room, &prefix, prefix_style);
    let taken = taken + paint.tail(x + taken, area.y, room.saturating_sub(taken), &path, style);
    if let Some(sign) = sign {
        paint.text(x + taken + 1, area.y, 1, sign, theme.warn);
    }
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

fn sorted(paint: &Paint<'_>, pane: &Pane) -> String {
    let sort = pane.viewing.sort;
    if sort == Sort::default() {
        return String::new();
    }
    let word = match sort.by {
        By::Name => "name",
        By::Size => "size",
        By::Time => "time",
        By::Extension => "ext",
    };
    // Sizes and times are sorted in descending order.
    let falls = matches!(sort.by, By::Size | By::Time) != sort.reversed;
    format!("{word}{}", paint.appearance().signs.sorted[usize::from(falls)])
}

/// How much of the quota is used, where there is one; the column left of it.
fn quota(paint: &mut Paint<'_>, connection: &Connection, end: u16, area: Rect) -> u16 {
    let theme = &paint.appearance().theme;
    let usage = &connection.account.usage;
    let Some(limit) = usage.limit else { return end };
    let used = usage.used.saturating_add(usage.reserved);
    let text = figures::of(used, limit);
    let permille = u64::try_from(u128::from(used) * 1000 / u128::from(limit.max(1))).unwrap_or(1000);
    let style = match permille {
        0..850 => theme.bar,
        850..970 => theme.warn,
        _ => theme.bad,
    };
    let taken = columns(&text);
    if area.width < 40 {
        return end;
    }
    paint.right(end, area.y, taken, &text, if permille < 850 { theme.dim } else { style });
    let end = end.saturating_sub(taken + 1);
    let bar = match area.width {
        0..56 => return end,
        56..72 => 8,
        _ => 14,
    };
    Bar { x: end.saturating_sub(bar), y: area.y, width: bar, done: permille, kept: 0 }.draw(paint, style);
    end.saturating_sub(bar + 1)
}

/// The text in place of entries that cannot be shown.
fn instead(paint: &mut Paint<'_>, state: &State, side: Side, area: Rect) {
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

/// The columns of an entry's line.
#[derive(Debug, Clone, Copy)]
struct Columns {
    name: u16,
    dates: Dates,
}

impl Columns {
    fn of(width: u16) -> Self {
        let dates = match width {
            0..30 => Dates::None,
            30..44 => Dates::Short,
            44..72 => Dates::Medium,
            _ => Dates::Long,
        };
        let date = if dates == Dates::None { 0 } else { dates.width() + 2 };
        Self { name: width.saturating_sub(3 + SIZE + 1 + date), dates }
    }
}

fn rows(paint: &mut Paint<'_>, state: &State, side: Side, area: Rect) {
    let pane = &state.panes[side];
    let columns = Columns::of(area.width);
    let found = state.find.as_ref().filter(|_| side == state.active && state.highlight);
    for (row, y) in (pane.offset()..pane.rows()).zip(area.y..area.y + area.height) {
        line(paint, state, side, row, Rect { y, height: 1, ..area }, columns, found);
    }
    let patient = pane.loading.as_ref().is_none_or(|loading| state.now >= loading.since + PATIENCE);
    if pane.rows() == usize::from(pane.has_up()) && patient {
        let theme = &paint.appearance().theme;
        let word = match (&pane.loading, pane.listing.total()) {
            (Some(_), 0) => "reading",
            (None, 0) => "empty",
            (_, hidden) => &*format!("{hidden} not shown; . shows hidden names, Esc ends a filter"),
        };
        let y = area.y + usize_to_u16(pane.rows()) + 1;
        if y < area.y + area.height {
            paint.text(area.x + 3, y, area.width.saturating_sub(4), word, theme.dim);
        }
    }
}

fn usize_to_u16(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn line(
    paint: &mut Paint<'_>,
    state: &State,
    side: Side,
    row: usize,
    area: Rect,
    columns: Columns,
    found: Option<&Pattern>,
) {
    let theme = &paint.appearance().theme;
    let signs = paint.appearance().signs;
    let pane = &state.panes[side];
    let here = row == pane.cursor();
    let over = match (here, side == state.active) {
        (false, _) => None,
        (true, true) => Some(theme.cursor),
        // Two reversed lines would not tell the active pane from the other.
        (true, false) if paint.appearance().depth == Depth::None => Some(Style::new().underlined()),
        (true, false) => Some(theme.cursor_other),
    };
    if let Some(style) = over {
        paint.fill(area, style);
    }
    let pick = |style: Style| over.unwrap_or(style);
    if here {
        paint.text(area.x, area.y, 1, signs.cursor, pick(theme.text));
    }
    let Some(item) = pane.item(row) else {
        paint.text(area.x + 3, area.y, columns.name, "../", pick(theme.folder));
        return;
    };
    let marked = pane.is_marked(row);
    if marked {
        paint.text(area.x + 1, area.y, 1, signs.mark, pick(theme.mark));
    }
    let style = if marked { theme.mark } else { kind_style(paint, item) };
    let x = area.x + 3;
    let shown = format!("{}{}", item.entry.name.display(), sign(item));
    let shown = paint.shown(&shown);
    paint.text(x, area.y, columns.name, &shown, pick(style));
    if let Some((from, to)) = found.and_then(|pattern| pattern.find(&shown)) {
        let (from, to) = (shown[..from].width(), shown[..to].width().min(usize::from(columns.name)));
        let at = Rect { x: x + usize_to_u16(from), width: usize_to_u16(to.saturating_sub(from)), ..area };
        paint.restyle(at, theme.found);
    }
    let mut end = area.x + area.width.saturating_sub(1);
    if columns.dates != Dates::None {
        let date = columns.dates.text(item.entry.mtime, state.clock(), &state.zone);
        paint.right(end, area.y, columns.dates.width(), &date, pick(theme.dim));
        end = end.saturating_sub(columns.dates.width() + 2);
    }
    let size = if item.entry.kind == Kind::File { figures::size(item.entry.size) } else { signs.dash.to_owned() };
    paint.right(end, area.y, SIZE, &size, pick(if item.entry.kind == Kind::File { theme.text } else { theme.dim }));
}

/// The sign behind a name, so that its kind does not depend on the colour alone.
fn sign(item: &Item) -> &'static str {
    match (item.entry.kind, item.leads) {
        (Kind::Folder, _) => "/",
        (Kind::Symlink, true) => "@/",
        (Kind::Symlink, false) => "@",
        (Kind::Other, _) => "?",
        (Kind::File, _) => "",
    }
}

fn kind_style(paint: &Paint<'_>, item: &Item) -> Style {
    let theme = &paint.appearance().theme;
    match item.entry.kind {
        Kind::Folder => theme.folder,
        Kind::Symlink => theme.symlink,
        Kind::Other => theme.special,
        Kind::File => theme.text,
    }
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

/// The line below the entries: the amount of the marked ones, else of all, and the free space.
fn status(paint: &mut Paint<'_>, state: &State, pane: &Pane, area: Rect) {
    let theme = &paint.appearance().theme;
    let mut end = area.x + area.width.saturating_sub(1);
    let connection = state.pane_connection(pane);
    let free = match connection.filter(|connection| connection.is_online()) {
        Some(connection) => Some(format!("free on server {}", figures::size(connection.account.usage.volume_free))),
        None => pane.free.filter(|_| pane.is_local()).map(|free| format!("free {}", figures::size(free))),
    };
    if let Some(free) = free {
        end = end.saturating_sub(paint.right(end, area.y, 30, &free, theme.dim) + 2);
    }
    let x = area.x + 1;
    let room = end.saturating_sub(x);
    if let Some(outage) = connection.and_then(|connection| state.outage(&connection.server.target)) {
        let text = format!("lost, {}: {}", outage.again(state.now), outage.problem.text);
        paint.text(x, area.y, room, &text, theme.bad);
        return;
    }
    let marked = pane.marked();
    let filter = if pane.viewing.filter.is_some() { ", filtered" } else { "" };
    let total = pane.listing.total() as u64;
    let (text, style) = if pane.in_range() {
        (format!("range: {} of {total}, {}", marked.entries(), amount(marked)), theme.mark)
    } else if marked.entries() > 0 {
        (format!("{} of {total} marked, {}{filter}", marked.entries(), amount(marked)), theme.mark)
    } else if let Some(problem) = pane.problem.as_ref().filter(|_| total > 0) {
        (problem.text.clone(), theme.bad)
    } else if total == 0 {
        (String::new(), theme.dim)
    } else {
        let hidden = total - pane.listing.len() as u64;
        let hidden = if hidden > 0 { format!(", {hidden} not shown") } else { String::new() };
        let step = if state.together { ", in step" } else { "" };
        (format!("{}{hidden}{filter}{step}", human::count(total, "entry", "entries")), theme.dim)
    };
    paint.text(x, area.y, room, &text, style);
}
