//! The full list of transfers: each with its files that move, ask or failed.

use ratatui::layout::Rect;

use super::{
    figures,
    gauge::Bar,
    paint::{Paint, columns},
    transfer_strip,
};
use crate::{
    human,
    tui::{
        action::Action,
        state::{
            State,
            dialog::TransfersView,
            hits::Target,
            labels,
            transfers::{ActiveItem, Cause, Row, eta, rests},
        },
    },
};

/// Columns of a bar; on a narrow screen both ends of a transfer matter more.
fn bar_width(width: u16) -> u16 {
    if width < 70 { 0 } else { 12 }
}

/// Draws the list.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, view: &TransfersView, area: Rect) {
    let theme = &paint.appearance().theme;
    transfer_strip::title(paint, state, Rect { height: 1, ..area });
    let rows = state.transfers.rows();
    let list = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    let selected = view.selected.and_then(|name| state.transfers.row_of(name));
    let selected = selected.unwrap_or(view.row).min(rows.len().saturating_sub(1));
    let offset = view.offset.min(selected).max((selected + 1).saturating_sub(usize::from(list.height)));
    if rows.is_empty() {
        let line = Rect { y: list.y + list.height / 3, height: 1, ..list };
        paint.centre(line, "no transfers", theme.dim);
    }
    for (at, (row, y)) in rows.iter().skip(offset).zip(list.y..list.y + list.height).enumerate() {
        let line = Rect { y, height: 1, ..list };
        paint.hit(line, Target::Line(at + offset));
        draw_row(paint, state, row, at + offset, line);
        if at + offset == selected {
            paint.text(line.x, line.y, 1, paint.appearance().signs.cursor, theme.text);
            paint.restyle(line, theme.cursor);
            bar_again(paint, state, row, line);
        }
    }
    let settings = settings(state);
    let bottom = area.y + area.height.saturating_sub(1);
    paint.text(area.x + 1, bottom, area.width.saturating_sub(2), &settings, theme.dim);
}

/// Draws the bar of the line with the cursor in its own colours: in those of the cursor it could not be seen.
fn bar_again(paint: &mut Paint<'_>, state: &State, row: &Row<'_>, area: Rect) {
    if matches!(row, Row::Asks(..) | Row::Failed(..)) {
        return;
    }
    let x = bar_column(area);
    paint.clear(Rect { x, width: bar_width(area.width), ..area });
    match row {
        Row::Whole(transfer) => {
            let style = paint.appearance().theme.bar;
            transfer_strip::bar_of(transfer.tally, transfer.phase(state.now), x, area.y, bar_width(area.width))
                .draw(paint, style);
        }
        Row::Active(_, item) => {
            let style = paint.appearance().theme.bar;
            item_bar(item, x, area).draw(paint, style);
        }
        Row::Asks(..) | Row::Failed(..) => {}
    }
}

/// The column of the bars.
fn bar_column(area: Rect) -> u16 {
    let end = area.x + area.width.saturating_sub(1);
    end.saturating_sub(right_width(area.width)).saturating_sub(bar_width(area.width) + 2)
}

fn item_bar(item: &ActiveItem, x: u16, area: Rect) -> Bar {
    Bar { x, y: area.y, width: bar_width(area.width), done: part(item, item.done), kept: part(item, item.reused) }
}

/// Some bytes of a file, in thousandths of it.
fn part(item: &ActiveItem, bytes: u64) -> u64 {
    let size = item.size.unwrap_or(0).max(1);
    u64::try_from(u128::from(bytes) * 1000 / u128::from(size)).unwrap_or(0).min(1000)
}

fn settings(state: &State) -> String {
    let limit = |limit: Option<u64>| limit.map_or("no limit".to_owned(), figures::rate);
    let bandwidth = state.transfers.bandwidth;
    let (at_once, up, down) = (state.transfers.at_once, limit(bandwidth.up), limit(bandwidth.down));
    format!("at a time {at_once}   to the server {up}   from the server {down}")
}

fn draw_row(paint: &mut Paint<'_>, state: &State, row: &Row<'_>, number: usize, area: Rect) {
    let theme = &paint.appearance().theme;
    let signs = paint.appearance().signs;
    let end = area.x + area.width.saturating_sub(1);
    let right = end.saturating_sub(right_width(area.width));
    let bar = bar_column(area);
    match row {
        Row::Whole(transfer) => {
            let phase = transfer.phase(state.now);
            let style = transfer_strip::style_of(paint, transfer, phase);
            paint.text(area.x + 2, area.y, 2, transfer_strip::arrow(paint, transfer.order.way()), style);
            let name = Rect { x: area.x + 4, width: bar.saturating_sub(area.x + 5), ..area };
            transfer_strip::titled(paint, state, transfer, name);
            transfer_strip::bar_of(transfer.tally, phase, bar, area.y, bar_width(area.width)).draw(paint, theme.bar);
            let right = Rect { x: right, width: end.saturating_sub(right), ..area };
            transfer_strip::described(paint, state, transfer, phase, right);
        }
        Row::Active(_, item) => {
            let name = item.path.relative().display().to_string();
            paint.tail(area.x + 6, area.y, bar.saturating_sub(area.x + 7), name.trim_start_matches('/'), theme.dim);
            let size = item.size.unwrap_or(0).max(1);
            item_bar(item, bar, area).draw(paint, theme.bar);
            let millis = item.elapsed.as_millis().max(1);
            let rate = u64::try_from(u128::from(item.done.saturating_sub(item.reused)) * 1000 / millis).unwrap_or(0);
            let mut text = format!("{}  {}", figures::percent(part(item, item.done)), labels::item(item.state));
            if let Some(left) = eta(size.saturating_sub(item.done), rate).filter(|_| !rests(item)) {
                text += &format!("  {}", figures::time_left(left));
            }
            paint.text(right, area.y, end.saturating_sub(right), &text, theme.dim);
        }
        Row::Asks(_, ask) => {
            let name = ask.conflict.path.relative().display().to_string();
            paint.tail(area.x + 6, area.y, bar.saturating_sub(area.x + 7), name.trim_start_matches('/'), theme.warn);
            let text = "already there: Enter answers";
            let width = paint.text(bar, area.y, end.saturating_sub(bar), text, theme.warn);
            paint.hit(Rect { x: bar, width, ..area }, Target::KeyOfLine(number, Action::Details));
        }
        Row::Failed(_, Cause { first, files, bytes }) => {
            let (name, problem) = match files {
                1 => (first.path.display().to_string(), first.problem.to_string()),
                _ => {
                    let count = human::count(*files, "file", "files");
                    (format!("{count}, {}", figures::size(*bytes)), first.problem.cause.clone())
                }
            };
            paint.text(area.x + 4, area.y, 1, signs.bad, theme.bad);
            let wide = bar.saturating_sub(area.x + 7).min(area.width / 3);
            let wide = if *files > 1 { columns(&name) } else { wide };
            paint.tail(area.x + 6, area.y, wide, name.trim_start_matches('/'), theme.bad);
            let x = area.x + 7 + wide;
            // The key that helps stays, however long the cause is.
            let (key, action) = match first.retryable {
                true => ("r retries", Action::Retry),
                false => ("Enter: all about it", Action::Details),
            };
            let width = paint.right(end, area.y, columns(key), key, theme.warn);
            paint.hit(Rect { x: end.saturating_sub(width), width, ..area }, Target::KeyOfLine(number, action));
            let taken = 2 + width;
            paint.text(x, area.y, end.saturating_sub(x + taken), &problem, theme.bad);
        }
    }
}

fn right_width(width: u16) -> u16 {
    match width {
        0..80 => 24,
        80..120 => 36,
        _ => 46,
    }
}
