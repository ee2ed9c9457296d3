//! The full list of transfers: each with its files that move, ask or failed.

use ratatui::layout::Rect;

use super::{figures, gauge::Bar, paint::Paint, transfer_strip};
use crate::tui::state::{
    State,
    dialog::TransfersView,
    labels,
    transfers::{Row, eta, rests},
};

/// Columns of a bar.
const BAR: u16 = 12;

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
        draw_row(paint, state, row, line);
        if at + offset == selected {
            paint.text(line.x, line.y, 1, paint.appearance().signs.cursor, theme.text);
            paint.restyle(line, theme.cursor);
        }
    }
    let settings = settings(state);
    let bottom = area.y + area.height.saturating_sub(1);
    paint.text(area.x + 1, bottom, area.width.saturating_sub(2), &settings, theme.dim);
}

fn settings(state: &State) -> String {
    let limit = |limit: Option<u64>| limit.map_or("no limit".to_owned(), figures::rate);
    let bandwidth = state.transfers.bandwidth;
    let (at_once, up, down) = (state.transfers.at_once, limit(bandwidth.up), limit(bandwidth.down));
    format!("at a time {at_once}   to the server {up}   from the server {down}")
}

fn draw_row(paint: &mut Paint<'_>, state: &State, row: &Row<'_>, area: Rect) {
    let theme = &paint.appearance().theme;
    let signs = paint.appearance().signs;
    let end = area.x + area.width.saturating_sub(1);
    let right = end.saturating_sub(right_width(area.width));
    let bar = right.saturating_sub(BAR + 2);
    match row {
        Row::Whole(transfer) => {
            let phase = transfer.phase(state.now);
            let style = transfer_strip::phase_style(paint, phase);
            paint.text(area.x + 2, area.y, 2, transfer_strip::arrow(paint, transfer.order.way()), style);
            let word = if transfer.order.moves { "move " } else { "" };
            let name =
                format!("{word}{}  {} {}", transfer.title(), signs_to(paint), transfer.order.to.display(&state.home));
            paint.text(area.x + 4, area.y, bar.saturating_sub(area.x + 5), &name, theme.text);
            transfer_strip::bar_of(transfer.tally, phase, bar, area.y, BAR).draw(paint, theme.bar);
            paint.text(
                right,
                area.y,
                end.saturating_sub(right),
                &transfer_strip::described(paint, state, transfer, phase),
                style,
            );
        }
        Row::Active(_, item) => {
            let name = item.path.relative().display().to_string();
            paint.tail(area.x + 6, area.y, bar.saturating_sub(area.x + 7), name.trim_start_matches('/'), theme.dim);
            let size = item.size.unwrap_or(0).max(1);
            let part = |bytes: u64| u64::try_from(u128::from(bytes) * 1000 / u128::from(size)).unwrap_or(0).min(1000);
            Bar { x: bar, y: area.y, width: BAR, done: part(item.done), kept: part(item.reused) }
                .draw(paint, theme.bar);
            let millis = item.elapsed.as_millis().max(1);
            let rate = u64::try_from(u128::from(item.done.saturating_sub(item.reused)) * 1000 / millis).unwrap_or(0);
            let mut text = format!("{}  {}", figures::percent(part(item.done)), labels::item(item.state));
            if let Some(left) = eta(size.saturating_sub(item.done), rate).filter(|_| !rests(item)) {
                text += &format!("  {}", figures::time_left(left));
            }
            paint.text(right, area.y, end.saturating_sub(right), &text, theme.dim);
        }
        Row::Asks(_, ask) => {
            let name = ask.conflict.path.relative().display().to_string();
            paint.tail(area.x + 6, area.y, bar.saturating_sub(area.x + 7), name.trim_start_matches('/'), theme.warn);
            let text = "asks: it is already there, Enter answers";
            paint.text(bar, area.y, end.saturating_sub(bar), text, theme.warn);
        }
        Row::Failed(_, failed) => {
            let name = failed.path.display().to_string();
            paint.text(area.x + 4, area.y, 1, signs.bad, theme.bad);
            let wide = bar.saturating_sub(area.x + 7).min(area.width / 3);
            paint.tail(area.x + 6, area.y, wide, name.trim_start_matches('/'), theme.bad);
            let x = area.x + 7 + wide;
            let again = if failed.retryable { "; r tries again" } else { "" };
            paint.text(x, area.y, end.saturating_sub(x), &format!("{}{again}", failed.problem), theme.bad);
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

fn signs_to(paint: &Paint<'_>) -> &'static str {
    if paint.appearance().is_plain() { "->" } else { "→" }
}
