//! Draws `ferryd top`; reads the state and changes nothing.

use std::time::Duration;

use ferry_server::{
    bandwidth::Direction,
    control::message::{Session, Status, Transfer},
    output::{size, span},
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style, Stylize as _},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Wrap},
};
use unicode_width::UnicodeWidthChar as _;

use crate::{
    float::as_float,
    quotas::{self, share},
    state::{Dialog, Focus, Top},
};

/// The width of a bar in cells.
const BAR: usize = 12;

/// Draws everything.
pub(crate) fn draw(top: &Top, frame: &mut Frame<'_>) {
    let users = top.status.as_ref().map_or(0, |status| status.users.len().min(quotas::ROWS));
    let users_height = if users == 0 { 0 } else { u16::try_from(users).unwrap_or(0) + 1 };
    let rows = [Constraint::Length(4), Constraint::Min(3), Constraint::Length(users_height), Constraint::Length(1)];
    let [head, list, quotas, foot] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(Paragraph::new(head_lines(top)), head);
    draw_sessions(top, list, frame);
    if let Some(status) = &top.status {
        frame.render_widget(Paragraph::new(user_lines(top, status)), quotas);
    }
    frame.render_widget(Paragraph::new(foot_line(top)), foot);
    if let Some(dialog) = &top.dialog {
        draw_dialog(dialog, frame);
    }
}

fn head_lines(top: &Top) -> Vec<Line<'static>> {
    let Some(status) = &top.status else {
        return vec![Line::from("ferryd top: asking the server …")];
    };
    let state = match (&top.lost, status.draining) {
        (Some(_), _) => Span::from(" not reached ").reversed().bold(),
        (None, true) => Span::from(" draining ").reversed().bold(),
        (None, false) => Span::from("serving").bold(),
    };
    let free = status.disk_free.map_or_else(|| "?".to_owned(), size);
    let counts = format!(
        "sessions {}  connections {}  not logged in {}  transfers {}",
        status.sessions, status.connections, status.unfinished, status.transfers
    );
    let traffic = format!(
        "up {}  down {}  |  in all {} up, {} down, {} files stored, {} sent",
        rate(top.total.up),
        rate(top.total.down),
        size(status.received),
        size(status.sent),
        status.uploads,
        status.downloads
    );
    vec![
        Line::from(vec![
            Span::from(format!("ferryd {}  ", status.version)),
            state,
            Span::from(format!("  for {}  disk free {free}", span(status.uptime_seconds))),
        ]),
        Line::from(counts),
        Line::from(traffic),
        refusal_line(status),
    ]
}

fn refusal_line(status: &Status) -> Line<'static> {
    let mut codes: Vec<_> = status.refusals.iter().collect();
    codes.sort_by(|a, b| b.1.cmp(a.1));
    let told: Vec<_> = codes.iter().map(|(code, count)| format!("{code} {count}")).collect();
    let mut spans = vec![Span::from(format!(
        "{} logins  refusals: {}",
        status.logins,
        if told.is_empty() { "none".to_owned() } else { told.join(", ") }
    ))];
    for (what, count) in
        [("panics", status.panics), ("audit lines lost", status.audit_lost), ("quota drifts", status.quota_drifts)]
    {
        if count > 0 {
            spans.push(Span::from(format!("  {what}: {count}")).red().bold());
        }
    }
    Line::from(spans)
}

fn draw_sessions(top: &Top, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let mut lines = Vec::new();
    let mut selected = 0..0;
    for session in &top.sessions {
        let begin = lines.len();
        let mut line = session_line(top, session);
        if top.selected == Some(session.id) {
            line = line.style(Style::new().add_modifier(Modifier::REVERSED));
        }
        lines.push(line);
        let skipped = if top.selected == Some(session.id) { top.skipped } else { 0 };
        lines.extend(
            session.transfers.iter().skip(skipped).map(|transfer| transfer_line(top, session, transfer, width)),
        );
        if top.selected == Some(session.id) {
            selected = begin..lines.len();
        }
    }
    let [title, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let head =
        format!("{:>6} {:<16} {:>10} {:>5} {:>12} {:>12}  FROM, DOOR", "ID", "USER", "FOR", "CONNS", "UP", "DOWN");
    frame.render_widget(Paragraph::new(head).style(Style::new().bold().underlined()), title);
    if lines.is_empty() && top.status.is_some() {
        lines.push(Line::from("  nobody is connected").dim());
    }
    // Keep the selected session visible, its head rather than its transfers.
    let height = usize::from(body.height);
    let offset = selected.end.saturating_sub(height).min(selected.start);
    let shown: Vec<_> = lines.into_iter().skip(offset).take(height).collect();
    frame.render_widget(Paragraph::new(shown), body);
}

fn session_line(top: &Top, session: &Session) -> Line<'static> {
    let now = top.rates.get(&session.id).copied().unwrap_or_default();
    let begun = session.since.as_second();
    let clock = top.status.as_ref().map_or(begun, |status| {
        status.started.as_second().saturating_add(i64::try_from(status.uptime_seconds).unwrap_or(i64::MAX))
    });
    let age = u64::try_from(clock.saturating_sub(begun)).unwrap_or(0);
    let user = fitted(&session.user, 16);
    // An earlier server does not send the door.
    let from: Vec<_> = [&session.peer, &session.door].into_iter().filter(|part| !part.is_empty()).cloned().collect();
    Line::from(format!(
        "{:>6} {user} {:>10} {:>5} {:>12} {:>12}  {}",
        session.id,
        span(age),
        session.connections,
        rate(now.up),
        rate(now.down),
        from.join(", ")
    ))
}

fn transfer_line(top: &Top, session: &Session, transfer: &Transfer, width: usize) -> Line<'static> {
    let way = match transfer.direction {
        Direction::Up => "↑",
        Direction::Down => "↓",
    };
    let key = (session.id, transfer.direction, transfer.path.clone());
    let speed = top.speeds.get(&key).copied().unwrap_or(0.0);
    let (bar, percent) = match transfer.size {
        Some(whole) if whole > 0 => {
            let part = (as_float(transfer.done) / as_float(whole)).min(1.0);
            (bar(part), format!("{:>3.0}%", part * 100.0))
        }
        _ => (" ".repeat(BAR), format!("{:>4}", "")),
    };
    let left = transfer.size.filter(|_| speed > 0.0).map_or_else(String::new, |whole| {
        let seconds = as_float(whole.saturating_sub(transfer.done)) / speed;
        Duration::try_from_secs_f64(seconds).map_or_else(|_| String::new(), |left| span(left.as_secs()))
    });
    let figures = format!(" {bar} {percent} {:>12} {:>10}", rate(speed), left);
    let room = width.saturating_sub(figures.chars().count() + 10);
    Line::from(vec![
        Span::from(format!("       {way} ")).cyan(),
        Span::from(fitted(&transfer.path, room)),
        Span::from(figures).dim(),
    ])
}

/// The visible users' quotas.
fn user_lines(top: &Top, status: &Status) -> Vec<Line<'static>> {
    let count = status.users.len();
    let mut title = "QUOTAS".to_owned();
    if count > quotas::ROWS {
        let first = top.quotas.first(count);
        title.push_str(&format!(
            " {} to {} of {count}, by {}",
            first + 1,
            first + quotas::ROWS,
            top.quotas.sort.name()
        ));
    }
    let mut lines = vec![Line::from(title).bold().underlined()];
    if top.focus == Focus::Quotas {
        lines[0] = std::mem::take(&mut lines[0]).reversed();
    }
    for user in top.quotas.in_sight(&status.users) {
        let name = fitted(&user.name, 16);
        let held = if user.reserved > 0 { format!(" and {} held", size(user.reserved)) } else { String::new() };
        lines.push(match user.quota {
            Some(quota) => {
                let full = share(user);
                let text = format!(
                    "{name} {} {:>3.0}%  {}{held} of {}",
                    bar(full.min(1.0)),
                    full * 100.0,
                    size(user.used),
                    size(quota)
                );
                if full >= 0.9 { Line::from(text).red() } else { Line::from(text) }
            }
            None => Line::from(format!("{name} {} {:>4}  {}{held}, no limit", " ".repeat(BAR), "", size(user.used))),
        });
    }
    lines
}

fn foot_line(top: &Top) -> Line<'static> {
    match (&top.lost, &top.message) {
        (Some(lost), _) => Line::from(lost.clone()).red(),
        (None, Some(message)) => Line::from(message.clone()).bold(),
        (None, None) => {
            let by = match top.focus {
                Focus::Sessions => top.sort.name(),
                Focus::Quotas => top.quotas.sort.name(),
            };
            Line::from(format!("x kick  b broadcast  s sort (by {by})  ↑↓ scroll  Tab list  ? help  q quit")).dim()
        }
    }
}

fn draw_dialog(dialog: &Dialog, frame: &mut Frame<'_>) {
    let (title, text) = match dialog {
        Dialog::Kick { id, user } => (
            " End a session ",
            format!("End session {id} of {user}?\nWhat travels is cut and can be resumed.\n\ny yes   n no"),
        ),
        Dialog::Broadcast { text } => (" Say to everybody ", format!("{text}▏\n\nEnter send   Esc cancel")),
        Dialog::Help => (
            " Keys ",
            "  ↑ ↓ j k  select a session, scroll the list\nPgUp PgDn  ten rows at once\n g G Home End  first, last\n      \
             ← →  scroll its transfers\n      Tab  sessions or quotas\n        x  end it (asks first)\n        \
             b  say something to everybody\n        s  sort: rate, bytes, user, age;\n           \
             quotas: share, bytes, user\n        q  quit\n\nUp is to the server, down is from it."
                .to_owned(),
        ),
    };
    let screen = frame.area();
    let width = screen.width.min(56);
    let inner = usize::from(width.saturating_sub(4)).max(1);
    let rows: usize = text.lines().map(|line| line.chars().count().div_ceil(inner).max(1)).sum();
    let height = u16::try_from(rows + 2).unwrap_or(u16::MAX).min(screen.height);
    let area = Rect::new((screen.width - width) / 2, (screen.height - height) / 2, width, height);
    let block = Block::bordered().title(title).padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }).block(block), area);
}

fn rate(bytes: f64) -> String {
    if bytes < 1.0 { "-".to_owned() } else { format!("{}/s", size(whole(bytes))) }
}

/// A rate is never negative nor near the maximum of `u64`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates where it does not fit")]
fn whole(number: f64) -> u64 {
    number as u64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and BAR")]
fn bar(part: f64) -> String {
    let full = ((part * as_float(BAR as u64)).round() as usize).min(BAR);
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

/// Exactly `width` cells: truncated at the front, where paths are alike, or padded.
fn fitted(text: &str, width: usize) -> String {
    let cells = |c: char| c.width().unwrap_or(0);
    let total: usize = text.chars().map(cells).sum();
    if total <= width {
        return format!("{text}{}", " ".repeat(width - total));
    }
    let mut kept = Vec::new();
    let mut used = 1;
    for c in text.chars().rev() {
        if used + cells(c) > width {
            break;
        }
        used += cells(c);
        kept.push(c);
    }
    let tail: String = kept.into_iter().rev().collect();
    format!("…{tail}{}", " ".repeat(width.saturating_sub(used)))
}

#[cfg(test)]
mod tests;
