//! Lists to choose from: sites, bookmarks, the results of a search.

use ferry_shared::entry::Mtime;
use ratatui::layout::Rect;

use crate::tui::{
    action::Action,
    state::{
        State,
        dialog::{Found, History, ListView},
        labels,
        past::{Outcome, Past},
        saved::{Bookmark, NamedSite},
    },
    view::{
        figures::{self, Dates},
        list::{self, Line},
        paint::{Paint, columns},
        pane, popup,
    },
};

/// Opens a box for lines. Returns the area inside, below `above` lines.
fn open(
    paint: &mut Paint<'_>,
    state: &State,
    room: Rect,
    title: &str,
    lines: &[Line],
    above: u16,
    without: &[Action],
) -> Rect {
    let first = lines.iter().map(|(first, _)| columns(first)).max().unwrap_or(0);
    let second = lines.iter().map(|(_, second)| columns(second)).max().unwrap_or(0);
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2 + above)
        .max(5)
        .min(room.height.saturating_sub(2));
    let area = popup::open_wide(paint, state, room, title, ((first + second + 6).max(40), height), without);
    Rect { y: area.y + 1 + above, height: area.height.saturating_sub(2 + above), ..area }
}

fn empty(paint: &mut Paint<'_>, area: Rect, text: &str) {
    let dim = paint.appearance().theme.dim;
    popup::write(paint, area, &popup::wrapped(text, usize::from(area.width)), dim);
}

pub(super) fn sites(paint: &mut Paint<'_>, state: &State, view: ListView, room: Rect) {
    let style = paint.appearance().theme.text;
    let mut lines: Vec<Line> = state
        .saved
        .sites
        .iter()
        .map(|NamedSite { name, site }| {
            let folder =
                site.path.as_ref().map(|path| format!("  /{}", path.trim_start_matches('/'))).unwrap_or_default();
            (name.clone(), format!("{}@{}{folder}", site.user, site.address))
        })
        .collect();
    lines.extend(state.recent_servers().iter().map(|server| (server.name(), "recent; e saves it".to_owned())));
    let area = open(paint, state, room, "Connect to", &lines, 0, &[]);
    if lines.is_empty() {
        empty(paint, area, "no saved sites; n connects to a new address and can save it");
    }
    list::draw(paint, area, view, &lines, style);
}

pub(super) fn bookmarks(paint: &mut Paint<'_>, state: &State, view: ListView, room: Rect) {
    let style = paint.appearance().theme.text;
    let line = |bookmark: &Bookmark| (bookmark.place.display(&state.home), bookmark.place.site.to_string());
    let lines: Vec<Line> = state.saved.bookmarks.iter().map(line).collect();
    let area = open(paint, state, room, "Bookmarks", &lines, 0, &[Action::EditSite]);
    if lines.is_empty() {
        empty(paint, area, "no bookmarks yet; n bookmarks the folder of the active pane");
    }
    list::draw(paint, area, view, &lines, style);
}

pub(super) fn history(paint: &mut Paint<'_>, state: &State, history: &History, room: Rect) {
    let theme = &paint.appearance().theme;
    let (style, dim) = (theme.text, theme.dim);
    let signs = paint.appearance().signs;
    let line = |past: &Past| {
        let sign = match past.outcome {
            Outcome::Done => signs.good,
            Outcome::Failed => signs.bad,
            Outcome::Cancelled | Outcome::Skipped => signs.dash,
        };
        let date = Dates::Medium.text(Mtime(past.at, 0), state.clock(), &state.zone);
        let (what, to) = (labels::escaped(&past.what), labels::escaped(&past.to));
        (
            format!("{sign} {} {what} → {to}", past.verb),
            format!("{:>8}  {}  {date}", figures::size(past.bytes), labels::escaped(&past.told)),
        )
    };
    let lines: Vec<Line> = history.items.iter().map(line).collect();
    let above = u16::from(history.damaged > 0);
    let area =
        open(paint, state, room, "Transfers that have ended", &lines, above, &[Action::NewSite, Action::EditSite]);
    if lines.is_empty() && history.ticket.is_none() {
        empty(paint, area, "no transfer has ended yet");
    }
    if above > 0 {
        let text = format!("{} lines of the history could not be read", history.damaged);
        paint.text(area.x, area.y.saturating_sub(1), area.width, &text, dim);
    }
    list::draw(paint, area, history.view, &lines, style);
}

pub(super) fn found(paint: &mut Paint<'_>, state: &State, found: &Found, room: Rect) {
    let theme = &paint.appearance().theme;
    let line = |item: &crate::tui::state::dialog::FoundItem| {
        let under = item.under.display().to_string();
        let folder = if item.item.is_folder() { "/" } else { "" };
        let name = item.item.entry.name.display();
        let shown = format!(
            "{}{}{name}{folder}",
            if item.item.marked { format!("{} ", paint.appearance().signs.mark) } else { String::new() },
            if item.under.is_home() { String::new() } else { format!("{}/", under.trim_start_matches('/')) }
        );
        let size = if item.item.is_folder() { String::new() } else { figures::size(item.item.entry.size) };
        let date = Dates::Medium.text(item.item.entry.mtime, state.clock(), &state.zone);
        (shown, format!("{size:>8}  {date}"))
    };
    let lines: Vec<Line> = found.items.iter().map(line).collect();
    let title = format!("Found for {} below {}", found.pattern, found.folder.display(&state.home));
    let area = open(paint, state, room, &title, &lines, 2, &[]);
    let count = match (&found.ticket, &found.problem, found.cut) {
        (Some(_), ..) => format!("{} {} so far", pane::spinner(paint, state.now), found.items.len()),
        (None, Some(problem), _) => problem.to_string(),
        (None, None, true) => format!("the first {}; there may be more", found.items.len()),
        (None, None, false) => format!("{} found", found.items.len()),
    };
    let marked = found.items.iter().filter(|found| found.item.marked).count();
    let count = if marked > 0 { format!("{marked} marked, {count}") } else { count };
    let style = if found.problem.is_some() { theme.bad } else { theme.dim };
    paint.text(area.x, area.y.saturating_sub(2), area.width, &count, style);
    list::draw(paint, area, found.view, &lines, theme.text);
}
