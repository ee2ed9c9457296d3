//! The transfers below the panes: a title with all of them together, and the ones that matter most.

use ferry_shared::limits::BLOCK_SIZE;
use ratatui::{layout::Rect, style::Style};

use super::{
    figures,
    gauge::Bar,
    paint::{Paint, columns},
    spark,
};
use crate::tui::state::{
    Quitting, State, labels,
    place::Place,
    transfers::{Phase, Tally, Transfer, Way},
};

/// From this width on there is room for words and long bars.
const WIDE: u16 = 100;

/// Columns of a bar on a screen so wide.
fn bar_width(width: u16) -> u16 {
    if width < WIDE { 12 } else { 20 }
}

/// Draws the transfer strip.
pub(super) fn draw(paint: &mut Paint<'_>, state: &State, area: Rect) {
    title(paint, state, Rect { height: 1, ..area });
    let mut transfers: Vec<&Transfer> = state.transfers.all().iter().collect();
    transfers.sort_by_key(|transfer| (rank(transfer.phase(state.now)), std::cmp::Reverse(transfer.ended)));
    for (transfer, y) in transfers.into_iter().zip(area.y + 1..area.y + area.height) {
        line(paint, state, transfer, Rect { y, height: 1, ..area });
    }
}

/// The order in which transfers are shown where there is no room for all.
fn rank(phase: Phase) -> u8 {
    match phase {
        Phase::Working(_) | Phase::Deleting => 0,
        Phase::Asking => 1,
        Phase::Failed => 2,
        Phase::Counting => 3,
        Phase::Paused => 4,
        Phase::Waiting | Phase::Held => 5,
        Phase::Verified | Phase::LeftOut | Phase::Cancelled => 6,
    }
}

/// The line above the transfers: the numbers by phase, and the sum of the unfinished ones.
pub(super) fn title(paint: &mut Paint<'_>, state: &State, area: Rect) {
    let theme = &paint.appearance().theme;
    paint.clear(area);
    paint.across(area.x, area.y, area.width, theme.border);
    let counts = state.transfers.counts(state.now);
    let parts = [
        (counts.running as u64, "running", theme.good),
        (counts.waiting as u64, "waiting", theme.text),
        (counts.paused as u64, "paused", theme.warn),
        (counts.failed, "failed", theme.bad),
        (counts.asking as u64, if counts.asking == 1 { "needs an answer" } else { "need an answer" }, theme.warn),
        (counts.cancelled as u64, "cancelled", theme.dim),
        (counts.done as u64, "done", theme.dim),
    ];
    let mut x = area.x + 1;
    let mut end = area.x + area.width.saturating_sub(1);
    let word = if area.width < WIDE { "" } else { " transfers " };
    let counted = parts.iter().filter(|(number, ..)| *number > 0);
    let needed: u16 = counted.map(|(number, word, _)| columns(&format!(" {number} {word} "))).sum();
    let room = end.saturating_sub(x + columns(word) + 3);
    let (texts, style) = sum(paint, state);
    // The longest that leaves the counts whole, else the shortest.
    let fitting = texts.iter().find(|text| columns(text) + needed <= room).or(texts.last());
    if let Some(text) = fitting.filter(|text| !text.is_empty()) {
        end = end.saturating_sub(paint.right(end, area.y, room, &format!(" {text} "), style) + 1);
    }
    let history = state.transfers.rate.history();
    let sparks = if area.width < WIDE { 12 } else { 24 };
    let free = end.saturating_sub(x + columns(word) + needed + 2);
    if free >= sparks && state.transfers.is_busy(state.now) && history.len() > 2 {
        end -= sparks + 1;
        paint.text(end, area.y, sparks + 2, &" ".repeat(usize::from(sparks) + 2), theme.text);
        spark::draw(paint, end + 1, area.y, sparks, &history, theme.bar);
    }
    x += paint.text(x, area.y, end.saturating_sub(x), word, theme.title_active);
    for (number, word, style) in parts {
        if number > 0 {
            x += paint.text(x, area.y, end.saturating_sub(x), &format!(" {number} {word} "), style);
        }
    }
}

/// The sum of the unfinished transfers, or the reason why nothing moves; variants from long to short.
fn sum(paint: &Paint<'_>, state: &State) -> (Vec<String>, Style) {
    let theme = &paint.appearance().theme;
    let total = state.transfers.total();
    let unfinished = state.transfers.all().iter().filter(|transfer| !transfer.is_over() && !transfer.held);
    let mut outages = unfinished.flat_map(|transfer| transfer.order.servers()).filter_map(|server| {
        let again = state.outage(&server)?.again(state.now);
        Some((state.server_name(&server), state.outage(&server)?.problem, again))
    });
    if let Some((name, problem, again)) = outages.next() {
        let texts = vec![
            format!("{name} lost, {again}: {}", problem.text),
            format!("{name} lost, {again}"),
            format!("lost, {again}"),
            again,
        ];
        return (texts, theme.bad);
    }
    if total.files == 0 && !total.counting {
        return (Vec::new(), theme.text);
    }
    // Nothing redraws the screen while nothing moves, so the rate would be outdated.
    let moves = state.transfers.is_busy(state.now);
    let rate = if moves { state.transfers.rate.at(state.now) } else { 0 };
    let percent = figures::percent(total.permille());
    let part = figures::part(total.bytes_done, total.bytes, total.counting, &paint.appearance().signs);
    let speed = if rate > 0 { format!("  {}", figures::rate(rate)) } else { String::new() };
    let left = state.transfers.left().filter(|_| rate > 0);
    let left = left.map_or(String::new(), |left| format!("  {}", figures::time_left(left)));
    let then = if state.quitting == Quitting::WhenDone { "  then quit" } else { "" };
    // A single one says the rest on its own line.
    if state.transfers.all().iter().filter(|transfer| !transfer.is_over() && !transfer.held).count() == 1 {
        return (vec![format!("{part}{then}"), then.trim_start().to_owned()], theme.text);
    }
    let texts = vec![
        format!("{percent}  {part}{speed}{left}{then}"),
        format!("{percent}{speed}{left}{then}"),
        format!("{percent}{left}{then}"),
        percent,
    ];
    (texts, theme.text)
}

/// One transfer on one line: the line itself is its bar where there are colours enough, else a bar stands in it.
pub(super) fn line(paint: &mut Paint<'_>, state: &State, transfer: &Transfer, area: Rect) {
    let theme = &paint.appearance().theme;
    let phase = transfer.phase(state.now);
    let style = style_of(paint, transfer, phase);
    let way = arrow(paint, transfer.order.way());
    paint.text(area.x + 2, area.y, 2, way, style);
    let end = area.x + area.width.saturating_sub(1);
    let x = area.x + 4;
    let right = end.saturating_sub(figures_width(area.width));
    let shown = bar_of(transfer.tally, phase, area.x, area.y, area.width);
    let bar = if shown.is_whole_line(paint) { 0 } else { bar_width(area.width) + 1 };
    titled(paint, state, transfer, Rect { x, width: right.saturating_sub(x + bar + 1), ..area });
    described(paint, state, transfer, phase, Rect { x: right, width: end.saturating_sub(right), ..area });
    match bar {
        0 => shown.tint(paint),
        _ => Bar { x: right - bar, width: bar - 1, ..shown }.draw(paint, theme.bar),
    }
}

/// The columns for the description of a transfer.
fn figures_width(width: u16) -> u16 {
    match width {
        0..80 => 26,
        80..120 => 36,
        _ => 46,
    }
}

/// The progress bar of a transfer: done, and of that what the target already had.
pub(super) fn bar_of(tally: Tally, phase: Phase, x: u16, y: u16, width: u16) -> Bar {
    let kept = u128::from(tally.reused) * 1000 / u128::from(tally.bytes.max(1));
    // A finished transfer is complete, even if it held nothing.
    let whole = phase == Phase::Verified && tally.skipped == 0;
    let done = if whole { 1000 } else { tally.permille() };
    Bar { x, y, width, done, kept: u64::try_from(kept).unwrap_or(1000) }
}

/// The arrow of a direction.
pub(super) fn arrow(paint: &Paint<'_>, way: Way) -> &'static str {
    match way {
        Way::Up => paint.appearance().signs.up,
        Way::Down => paint.appearance().signs.down,
        Way::Across => paint.appearance().signs.aside,
    }
}

/// The name of a transfer, and as much about both of its ends as there is room for.
pub(super) fn titled(paint: &mut Paint<'_>, state: &State, transfer: &Transfer, area: Rect) {
    let theme = &paint.appearance().theme;
    let (text, dim) = (theme.text, theme.dim);
    let word = if transfer.order.moves { "move " } else { "" };
    let title = format!("{word}{}", transfer.title());
    let to = if paint.appearance().is_plain() { "->" } else { "→" };
    let (from, into) = (&transfer.order.from, &transfer.order.to);
    let sites = |place: &Place| if place.is_local() { "here".to_owned() } else { state.site_name(&place.site) };
    let ends = [
        format!("{} {to} {}", labels::place(state, from), labels::place(state, into)),
        format!("{} {to} {}", sites(from), labels::place(state, into)),
        format!("{} {to} {}", sites(from), sites(into)),
    ];
    let room = area.width.saturating_sub(columns(&title) + 2);
    let shown = ends.iter().find(|ends| columns(ends) <= room).unwrap_or(&ends[2]);
    // Both ends are told on every line, if need be at the expense of the name.
    let least = columns(&title).min(area.width / 3);
    let taken = paint.text(area.x, area.y, area.width.saturating_sub(columns(shown) + 2).max(least), &title, text);
    paint.text(area.x + taken + 2, area.y, area.width.saturating_sub(taken + 2), shown, dim);
}

/// The style of a transfer in a phase.
pub(super) fn style_of(paint: &Paint<'_>, transfer: &Transfer, phase: Phase) -> Style {
    let theme = &paint.appearance().theme;
    match phase {
        Phase::Verified if is_partial(transfer) => theme.warn,
        Phase::Verified => theme.good,
        Phase::Failed => theme.bad,
        Phase::Asking | Phase::Paused => theme.warn,
        Phase::Cancelled | Phase::LeftOut | Phase::Held | Phase::Waiting => theme.dim,
        Phase::Counting | Phase::Deleting | Phase::Working(_) => theme.text,
    }
}

/// Whether something was skipped, or stays different after a sync.
fn is_partial(transfer: &Transfer) -> bool {
    !transfer.skipped.is_empty() || transfer.sync.as_ref().is_some_and(|run| run.different().is_some())
}

/// The result of a sync.
fn ended(transfer: &Transfer) -> String {
    let Some(run) = &transfer.sync else { return String::new() };
    let files = transfer.tally.files_done;
    let copied = (files > 0).then(|| format!("{files} {}", transfer.proven()));
    let problems = run.plan.problems.len();
    let different = (problems > 0).then(|| format!("{problems} different"));
    let parts = [copied, run.deletions(), different];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if text.is_empty() { "failed".to_owned() } else { text }
}

/// The server that a transfer waits for, because it is not connected or cannot be reached.
fn waits_for(state: &State, transfer: &Transfer) -> Option<String> {
    let mut servers = transfer.order.servers().into_iter();
    let server = servers.find(|server| !state.connections.contains_key(server) || state.outage(server).is_some())?;
    Some(state.server_name(&server))
}

/// Describes a transfer: its figures in columns while it moves, else its state.
pub(super) fn described(paint: &mut Paint<'_>, state: &State, transfer: &Transfer, phase: Phase, area: Rect) {
    let style = style_of(paint, transfer, phase);
    let rate = transfer.rate.at(state.now);
    let (Phase::Working(_), true) = (phase, rate > 0) else {
        paint.text(area.x, area.y, area.width, &phrase(paint, state, transfer, phase), style);
        return;
    };
    let tally = transfer.tally;
    paint.right(area.x + 5, area.y, 5, &figures::percent(tally.permille()), style);
    paint.right(area.x + 17, area.y, 11, &figures::rate(rate), style);
    if let Some(left) = tally.left(&transfer.estimate) {
        paint.right(area.x + 26, area.y, 8, &figures::time_left(left), style);
    }
    // For small files their number tells more than their bytes.
    if tally.files > 1 && tally.bytes / tally.files.max(1) < BLOCK_SIZE {
        paint.text(area.x + 28, area.y, area.width.saturating_sub(28), &files(transfer), style);
    }
}

/// How many of the files of a transfer are done.
fn files(transfer: &Transfer) -> String {
    format!("{} of {} files", transfer.tally.files_done, transfer.tally.files)
}

/// The state of a transfer that does not move.
fn phrase(paint: &Paint<'_>, state: &State, transfer: &Transfer, phase: Phase) -> String {
    let tally = transfer.tally;
    let signs = paint.appearance().signs;
    match phase {
        Phase::Working(item) => format!("{}  {}", figures::percent(tally.permille()), labels::item(item)),
        Phase::Counting => format!("counting  {}{}", signs.at_least, files(transfer)),
        Phase::Paused => format!("paused  {}", figures::percent(tally.permille())),
        Phase::Asking => format!("{} already there: A", tally.asking.max(1)),
        Phase::Deleting => {
            let (answered, of) = transfer.sync.as_ref().map_or((0, 0), |run| run.answered);
            if of == 0 { "deleting".to_owned() } else { format!("deleting  {answered} of {of}") }
        }
        Phase::Failed if transfer.tally.failed == 0 && transfer.sync.is_some() => ended(transfer),
        Phase::Failed => format!("{} failed, {} {}", tally.failed.max(1), tally.files_done, transfer.proven()),
        Phase::Verified if transfer.sync.is_some() => format!("{} {}", signs.good, ended(transfer)),
        Phase::Verified if tally.skipped > 0 => {
            format!("{} {}, {} skipped", signs.good, transfer.proven(), tally.skipped)
        }
        Phase::Verified => format!("{} {}  {}", signs.good, transfer.proven(), figures::size(tally.bytes_done)),
        Phase::LeftOut => format!("{} skipped", tally.skipped),
        Phase::Cancelled if tally.bytes_done > 0 => format!("cancelled at {}", figures::percent(tally.permille())),
        Phase::Waiting | Phase::Held if waits_for(state, transfer).is_some() => {
            format!("waiting for {}", waits_for(state, transfer).unwrap_or_default())
        }
        Phase::Waiting if tally.bytes_done > 0 => format!("waiting  {}", figures::percent(tally.permille())),
        Phase::Waiting | Phase::Held | Phase::Cancelled => labels::phase(phase).to_owned(),
    }
}
