//! Texts to read: the details of an entry, and messages.

use ferry_shared::entry::Kind;
use ratatui::layout::Rect;

use crate::{
    human,
    tui::{
        action::Action,
        state::{
            State,
            dialog::{Details, DigestState, Notice, Tone},
        },
        view::{figures::Dates, paint::Paint, pane, popup},
    },
};

pub(super) fn notice(paint: &mut Paint<'_>, state: &State, notice: &Notice, room: Rect) {
    let theme = &paint.appearance().theme;
    let lines = popup::all_wrapped(&notice.lines, popup::most_columns(room));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let mut without = Vec::new();
    without.extend(notice.again.is_none().then_some(Action::Refresh));
    without.extend((!notice.saves).then_some(Action::SaveList));
    let size = (popup::widest(&lines), height.min(room.height.saturating_sub(4)));
    let area = popup::open_with(paint, state, room, &notice.title, size, &without);
    let style = match notice.tone {
        Tone::Plain => theme.text,
        Tone::Bad => theme.warn,
        Tone::Alarm => theme.bad,
    };
    let inside = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    let most = lines.len().saturating_sub(usize::from(inside.height));
    let offset = notice.offset.min(most);
    popup::write(paint, inside, &lines[offset..], style);
    if offset < most {
        let below = format!("{} more lines below", most - offset);
        paint.right(area.x + area.width, area.y + area.height - 1, area.width, &below, theme.dim);
    }
}

pub(super) fn details(paint: &mut Paint<'_>, state: &State, details: &Details, room: Rect) {
    let theme = &paint.appearance().theme;
    let entry = &details.item.entry;
    let kind = match entry.kind {
        Kind::File => "file",
        Kind::Folder => "folder",
        Kind::Symlink if details.item.leads => "symlink to a folder",
        Kind::Symlink => "symlink",
        Kind::Other => "FIFO, socket or device",
    };
    let mode = human::mode(entry.kind, entry.mode);
    let mut lines = vec![
        format!("name      {}", entry.name.display()),
        format!("where     {}", details.place.display(&state.home)),
        format!("kind      {kind}"),
    ];
    if entry.kind == Kind::File {
        lines.push(format!("size      {} ({} bytes)", human::size(entry.size), entry.size));
    }
    lines.push(format!("changed   {}", Dates::Long.text(entry.mtime, state.clock(), &state.zone)));
    lines.push(format!("may       {} ({:03o})", String::from_utf8_lossy(&mode), entry.mode));
    match &details.digest {
        DigestState::Pending(_) => lines.push(format!("blake3    {} computing", pane::spinner(paint, state.now))),
        DigestState::Known(digest) => lines.push(format!("blake3    {digest}")),
        DigestState::Failed(problem) => lines.push(format!("blake3    {problem}")),
        DigestState::None => {}
    }
    let lines = popup::all_wrapped(&lines, popup::most_columns(room));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = popup::open(paint, state, room, "Details", popup::widest(&lines), height);
    popup::write(paint, Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }, &lines, theme.text);
}
