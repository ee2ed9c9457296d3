//! Questions: a server's key, yes or no, conflicts, quitting, resuming.

use ratatui::{layout::Rect, style::Style};

use crate::{
    human,
    tui::{
        state::{
            State,
            dialog::{ConflictView, Question, TrustView},
            labels, offered,
            transfers::{Ask, Piece},
        },
        view::{
            figures::{self, Dates},
            paint::{Paint, columns},
            pane, popup, transfer_strip,
        },
    },
};

/// Lines with their styles.
type Lines = Vec<(String, Style)>;

/// Opens a box around lines and writes them.
fn show(paint: &mut Paint<'_>, state: &State, room: Rect, title: &str, lines: Lines) {
    let most = popup::most_columns(room);
    let broken = |(text, style): (String, Style)| -> Lines {
        popup::wrapped(&text, most).into_iter().map(|line| (line, style)).collect()
    };
    let lines: Lines = lines.into_iter().flat_map(broken).collect();
    let width = lines.iter().map(|(line, _)| columns(line)).max().unwrap_or(0);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = popup::open(paint, state, room, title, width, height);
    for ((line, style), y) in lines.iter().zip(area.y + 1..area.y + area.height) {
        paint.text(area.x, y, area.width, line, *style);
    }
}

pub(super) fn reaching(paint: &mut Paint<'_>, state: &State, room: Rect) {
    let theme = &paint.appearance().theme;
    let Some(server) = state.attempt.as_ref().map(|attempt| &attempt.server) else { return };
    let lines = vec![
        (format!("{} {}", pane::spinner(paint, state.now), server.target.address()), theme.text),
        (String::new(), theme.text),
        ("Nothing is sent before the server's key is known to be right.".to_owned(), theme.dim),
    ];
    show(paint, state, room, &format!("Connecting to {}", server.name()), lines);
}

pub(super) fn trust(paint: &mut Paint<'_>, state: &State, view: &TrustView, room: Rect) {
    let theme = &paint.appearance().theme;
    let lines = vec![
        (format!("{} is not known yet. Its key is", view.host), theme.text),
        (String::new(), theme.text),
        (format!("  {}", view.key), theme.title_active),
        (String::new(), theme.text),
        ("Compare it with what `ferryd identity` prints there, or ask who runs it.".to_owned(), theme.text),
        ("Nothing was sent to it yet. A right key is remembered.".to_owned(), theme.dim),
    ];
    show(paint, state, room, "Is this the right server?", lines);
}

pub(super) fn question(paint: &mut Paint<'_>, state: &State, question: &Question, room: Rect) {
    let text = paint.appearance().theme.text;
    let lines = question.lines.iter().map(|line| (line.clone(), text)).collect();
    show(paint, state, room, &question.title, lines);
}

pub(super) fn conflict(paint: &mut Paint<'_>, state: &State, view: ConflictView, room: Rect) {
    let theme = &paint.appearance().theme;
    let asks = &state.transfers.asks;
    let Some(at) = asks.iter().position(|ask| ask.item == view.item) else { return };
    let ask = &asks[at];
    let path = ask.conflict.path.relative().display().to_string();
    let facts = |size: u64, mtime| {
        format!("{:>8}   {}", figures::size(size), Dates::Long.text(mtime, state.clock(), &state.zone))
    };
    let (source, target) = (ask.conflict.source, ask.conflict.target);
    let lines = vec![
        (path.trim_start_matches('/').to_owned(), theme.title_active),
        (String::new(), theme.text),
        (format!("there already  {}   {}", facts(target.size, target.mtime), elder(ask, true)), theme.text),
        (format!("the new one    {}   {}", facts(source.size, source.mtime), elder(ask, false)), theme.text),
        ("contents are not equal".to_owned(), theme.dim),
        (String::new(), theme.text),
        (format!("the answer is for: {}", labels::scope(view.scope)), theme.warn),
        ("Everything else goes on meanwhile.".to_owned(), theme.dim),
    ];
    let title = format!("Already there ({} of {})", at + 1, asks.len());
    show(paint, state, room, &title, lines);
}

/// Names the file that was changed later.
fn elder(ask: &Ask, target: bool) -> &'static str {
    let (a, b) = (ask.conflict.target.mtime, ask.conflict.source.mtime);
    let (this, other) = if target { (a, b) } else { (b, a) };
    if this > other { "newer" } else { "" }
}

pub(super) fn quit(paint: &mut Paint<'_>, state: &State, room: Rect) {
    let theme = &paint.appearance().theme;
    let total = state.transfers.total();
    let unfinished = state.transfers.all().iter().filter(|transfer| !transfer.is_over() && !transfer.held).count();
    let signs = paint.appearance().signs;
    let mut lines = vec![
        (
            format!(
                "{}: {}",
                human::count(unfinished as u64, "unfinished transfer", "unfinished transfers"),
                figures::part(total.bytes_done, total.bytes, total.counting, &signs)
            ),
            theme.text,
        ),
        ("Received data is kept at the target, and checked before it is used.".to_owned(), theme.dim),
    ];
    if state.transfers.all().iter().any(|transfer| !transfer.is_over() && transfer.sync.is_some()) {
        lines.push(("A sync is not taken up next time: compare again (=), and it goes on.".to_owned(), theme.dim));
    }
    if !state.edits.is_empty() {
        let text = format!(
            "{} being edited; changes that did not go back yet are lost",
            human::count(state.edits.len() as u64, "file is", "files are")
        );
        lines.push((text, theme.bad));
    }
    show(paint, state, room, "Quit while transfers run?", lines);
}

pub(super) fn resume(paint: &mut Paint<'_>, state: &State, room: Rect) {
    let theme = &paint.appearance().theme;
    let left = offered(state);
    let Some(first) = left.first() else { return };
    let servers = [&first.order.from, &first.order.to].into_iter().filter(|place| !place.is_local());
    let mut names: Vec<String> = servers.map(|place| state.site_name(&place.site)).collect();
    names.dedup();
    let with = if names.is_empty() { String::new() } else { format!(" with {}", names.join(" and ")) };
    let mut lines = vec![
        (
            format!("{}{with}:", human::count(left.len() as u64, "unfinished transfer", "unfinished transfers")),
            theme.text,
        ),
        (String::new(), theme.text),
    ];
    for left in left.iter().take(6) {
        let to = left.order.to.display(&state.home);
        let way = transfer_strip::arrow(paint, left.order.way());
        let piece = left.order.what.first().map(Piece::shown).unwrap_or_default();
        let others = left.order.what.len().saturating_sub(1);
        let others = if others > 0 { format!(" and {others} others") } else { String::new() };
        lines.push((format!("{way} {piece}{others}  to {to}"), theme.text));
    }
    if left.len() > 6 {
        lines.push((format!("  and {} others", left.len() - 6), theme.text));
    }
    lines.push((String::new(), theme.text));
    lines.push(("Each resumes from the blocks whose digests match.".to_owned(), theme.dim));
    show(paint, state, room, "Go on from the last time?", lines);
}
