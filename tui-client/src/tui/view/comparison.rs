//! The comparison of two trees: what differs, what a sync would do about it, and what it cannot.

use ferry_shared::entry::Kind;
use ratatui::{layout::Rect, style::Style};

use super::{
    figures,
    paint::{Paint, columns},
    pane, popup,
};
use crate::{
    human,
    tui::state::{
        State,
        dialog::{Comparison, Finding, Group, Line, Step, Sums, Why},
        hits::Target,
        labels,
    },
};

/// The columns of the word before each path.
const WORD: u16 = 10;
/// The lines above the list, and those below it.
const ABOVE: u16 = 3;
const BELOW: u16 = 2;

/// Draws the comparison.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, comparison: &Comparison, area: Rect) {
    title(paint, state, comparison, area);
    let body = Rect { y: area.y + ABOVE, height: area.height.saturating_sub(ABOVE), ..area };
    if comparison.plan.is_none() {
        return waiting(paint, state, comparison, body);
    }
    let list = Rect { height: body.height.saturating_sub(BELOW), ..body };
    if comparison.lines.is_empty() {
        return same(paint, comparison, list);
    }
    let cursor = comparison.view.cursor.min(comparison.shown.len().saturating_sub(1));
    let height = usize::from(list.height);
    let offset = comparison.view.offset.min(cursor).max((cursor + 1).saturating_sub(height));
    let shown = comparison.shown.iter().enumerate().skip(offset);
    for ((at, line), y) in shown.zip(list.y..list.y + list.height) {
        let Some(line) = comparison.lines.get(*line) else { continue };
        let row = Rect { y, height: 1, ..list };
        draw_line(paint, comparison, line, row);
        paint.hit(row, Target::Line(at));
        if at == cursor {
            paint.text(row.x, y, 1, paint.appearance().signs.cursor, paint.appearance().theme.text);
            paint.restyle(row, paint.appearance().theme.cursor);
        }
    }
    explained(paint, comparison, Rect { y: list.y + list.height, height: BELOW, ..body });
}

/// Both ends, how they are compared, and the sums.
fn title(paint: &mut Paint<'_>, state: &State, comparison: &Comparison, area: Rect) {
    let theme = &paint.appearance().theme;
    let trees = &comparison.trees;
    let to = if paint.appearance().is_plain() { "->" } else { "→" };
    let by = if comparison.checksum { "same content" } else { "same size and date" };
    let end = area.x + area.width.saturating_sub(1);
    let taken = paint.right(end, area.y, area.width / 3, by, theme.dim);
    let ends = format!("Sync {} {to} {}", labels::place(state, &trees.from), labels::place(state, &trees.to));
    paint.tail(area.x + 1, area.y, area.width.saturating_sub(taken + 4), &ends, theme.title_active);
    let mut sums = sums(paint, comparison);
    if let Some(links) = trees.links {
        sums.push((format!("links: {}", labels::links(links)), theme.dim));
    }
    let (mut x, mut y) = (area.x + 1, area.y + 1);
    for (text, style) in sums {
        let wide = columns(&text);
        if x > area.x + 1 && x + wide > end {
            (x, y) = (area.x + 1, y + 1);
        }
        // The third line belongs to the list.
        if y < area.y + ABOVE {
            x += paint.text(x, y, end.saturating_sub(x), &text, style) + 2;
        }
    }
}

/// The sums, each with its style.
fn sums(paint: &Paint<'_>, comparison: &Comparison) -> Vec<(String, Style)> {
    let theme = &paint.appearance().theme;
    let Some(plan) = &comparison.plan else { return Vec::new() };
    let mut sums = Vec::new();
    let here = |group| if comparison.group == Some(group) { paint.appearance().signs.cursor } else { "" };
    let mut sum = |group, text: String, style| sums.push((format!("{}{text}", here(group)), style));
    let Sums { new, changed, only_there: gone, left_out } = comparison.sums;
    if new.entries > 0 {
        sum(Group::New, format!("{} new {}", new.entries, figures::size(new.bytes)), theme.good);
    }
    if changed.entries > 0 {
        sum(Group::Changed, format!("{} changed {}", changed.entries, figures::size(changed.bytes)), theme.warn);
    }
    if gone.entries > 0 {
        let (text, style) = match comparison.deletes && comparison.seen {
            true => (format!("{} to delete {}", gone.entries, figures::size(gone.bytes)), theme.bad),
            false => (format!("{} only there {}, kept", gone.entries, figures::size(gone.bytes)), theme.dim),
        };
        sum(Group::OnlyThere, text, style);
    }
    if !plan.problems.is_empty() {
        let problems = human::count(plan.problems.len() as u64, "problem", "problems");
        sum(Group::Problem, problems, theme.bad);
    }
    if left_out > 0 {
        sum(Group::LeftOut, format!("{left_out} left out"), theme.dim);
    }
    sums.push((format!("{} the same", human::count(plan.unchanged, "file", "files")), theme.dim));
    sums
}

/// The step that is waited for, or why it failed.
fn waiting(paint: &mut Paint<'_>, state: &State, comparison: &Comparison, body: Rect) {
    let theme = &paint.appearance().theme;
    if let Some(problem) = &comparison.problem {
        let lines = popup::wrapped(&problem.to_string(), usize::from(body.width.saturating_sub(4)).max(1));
        popup::write(paint, Rect { x: body.x + 2, width: body.width.saturating_sub(4), ..body }, &lines, theme.bad);
        return;
    }
    let (here, there) = comparison.steps.listed;
    let text = format!("{} listing: {here} and {there} entries so far", pane::spinner(paint, state.now));
    paint.centre(Rect { y: body.y + body.height / 3, height: 1, ..body }, &text, theme.text);
}

/// Nothing differs.
fn same(paint: &mut Paint<'_>, comparison: &Comparison, list: Rect) {
    let theme = &paint.appearance().theme;
    let by = if comparison.checksum { "content" } else { "size and date" };
    let text = format!("nothing differs: both trees are the same by {by}");
    paint.centre(Rect { y: list.y + list.height / 3, height: 1, ..list }, &text, theme.good);
}

fn draw_line(paint: &mut Paint<'_>, comparison: &Comparison, line: &Line, area: Rect) {
    let theme = &paint.appearance().theme;
    let left_out = comparison.is_left_out(line);
    let (word, style) = match line.finding {
        Finding::Problem(_) => ("! stays", theme.bad),
        _ if left_out => ("  left out", theme.dim),
        Finding::New => ("+ new", theme.good),
        Finding::Changed(why) => (changed(why, line), theme.warn),
        Finding::OnlyThere if !comparison.deletes || !comparison.seen => ("  only there", theme.dim),
        Finding::OnlyThere if line.kind == Some(Kind::Symlink) => ("- unlink", theme.bad),
        Finding::OnlyThere => ("- delete", theme.bad),
    };
    let x = area.x + 2;
    paint.text(x, area.y, WORD + 2, word, style);
    let end = area.x + area.width.saturating_sub(1);
    let size = match line.kind {
        Some(Kind::File) => figures::size(line.size),
        Some(Kind::Symlink) => "link".to_owned(),
        _ => String::new(),
    };
    let taken = paint.right(end, area.y, 10, &size, theme.dim);
    let x = x + WORD + 3;
    let room = end.saturating_sub(x + if taken > 0 { taken + 2 } else { 0 });
    let name = if left_out { theme.dim } else { theme.text };
    match line.finding {
        Finding::Problem(number) => {
            let cause = comparison.cause(number).map(labels::cause).unwrap_or_default();
            // The cause matters more than the folders above.
            let wide = room.saturating_sub(columns(&cause) + 2).max(room / 3);
            let path = paint.tail(x, area.y, wide, &path(line), name);
            paint.text(x + path + 2, area.y, room.saturating_sub(path + 2), &cause, theme.bad);
        }
        _ => drop(paint.tail(x, area.y, room, &path(line), name)),
    }
}

fn changed(why: Why, line: &Line) -> &'static str {
    match why {
        Why::New => "+ new",
        Why::Size => "~ size",
        Why::Date => "~ date",
        Why::Content if line.kind == Some(Kind::Symlink) => "~ link",
        Why::Content => "~ content",
        Why::Kind => "~ kind",
    }
}

fn path(line: &Line) -> String {
    if line.path.is_home() {
        return ".".to_owned();
    }
    let path = line.path.display().to_string();
    format!("{}{}", path.trim_start_matches('/'), if line.kind == Some(Kind::Folder) { "/" } else { "" })
}

/// The line of the cursor in full, or the step that goes on.
fn explained(paint: &mut Paint<'_>, comparison: &Comparison, area: Rect) {
    let theme = &paint.appearance().theme;
    paint.across(area.x, area.y, area.width, theme.border);
    let (answered, of) = comparison.steps.answered;
    let step = match comparison.step {
        Step::Contents => Some(format!(" comparing contents: {answered} of {of} files read ")),
        Step::Deletions => Some(format!(" looking at what would be deleted: {answered} of {of} ")),
        Step::Listing | Step::Ready | Step::Failed => None,
    };
    if let Some(step) = step {
        paint.text(area.x + 2, area.y, area.width.saturating_sub(4), &step, theme.warn);
    } else if let Some(group) = comparison.group {
        paint.text(area.x + 2, area.y, area.width.saturating_sub(4), &format!(" only {} ", name(group)), theme.text);
    }
    let Some(line) = comparison.current() else { return };
    let text = match line.finding {
        Finding::Problem(number) => {
            let cause = comparison.cause(number).map(labels::cause).unwrap_or_default();
            format!("{}: {cause}", path(line))
        }
        _ => path(line),
    };
    paint.tail(area.x + 2, area.y + 1, area.width.saturating_sub(3), &text, theme.dim);
}

fn name(group: Group) -> &'static str {
    match group {
        Group::New => "what is new",
        Group::Changed => "what changed",
        Group::OnlyThere => "what only the target has",
        Group::Problem => "what cannot be made equal",
        Group::LeftOut => "what is left out",
    }
}
