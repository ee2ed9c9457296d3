//! Fields to fill in: labels to the left, the line being typed with the terminal's cursor.

use ratatui::layout::Rect;

use crate::tui::{
    action::Action,
    state::{
        State,
        attempt::Step,
        dialog::{Form, FormField, Purpose, Value},
        hits::Target,
    },
    view::{
        paint::{Paint, columns},
        pane, popup,
    },
};

/// The columns of a field that is empty.
const FIELD: u16 = 44;

pub(super) fn draw(paint: &mut Paint<'_>, state: &State, form: &Form, room: Rect) {
    let theme = &paint.appearance().theme;
    let most = popup::most_columns(room);
    let lines: Vec<String> = form.notes.iter().cloned().chain(form.remember_line()).collect();
    let notes = popup::all_wrapped(&lines, most);
    let (told, style) = match &form.fault {
        Some(fault) => (fault.clone(), theme.bad),
        None => (form.choices.join("  "), theme.dim),
    };
    let faults = if told.is_empty() { Vec::new() } else { popup::wrapped(&told, most) };
    let busy = state.attempt.as_ref().is_some_and(|attempt| matches!(attempt.step, Step::LoggingIn(..)))
        && matches!(form.purpose, Purpose::Password | Purpose::Register);
    let label = form.fields.iter().map(|field| columns(field.label)).max().unwrap_or(0);
    let below = if busy {
        2
    } else if faults.is_empty() {
        0
    } else {
        1 + faults.len()
    };
    let above = if notes.is_empty() { 0 } else { notes.len() + 1 };
    let lines = above + form.fields.len() + below + 2;
    let width = popup::widest(&notes).max(popup::widest(&faults)).max(label + 2 + FIELD);
    let lines = u16::try_from(lines).unwrap_or(u16::MAX);
    let mut without = Vec::new();
    if form.fields.len() < 2 {
        without.push(Action::NextField);
    }
    let area = popup::open_with(paint, state, room, &form.title, (width, lines), &without);
    let mut y = area.y + 1;
    popup::write(paint, Rect { y, ..area }, &notes, theme.dim);
    if let Some(line) = form.remember_line() {
        let height = u16::try_from(popup::wrapped(&line, most).len()).unwrap_or(1);
        let above = u16::try_from(notes.len()).unwrap_or(0).saturating_sub(height);
        paint.hit(Rect { y: y + above, height, ..area }, Target::Key(Action::Remember));
    }
    y += u16::try_from(above).unwrap_or(0);
    let bottom = area.y + area.height;
    for (at, field) in form.fields.iter().enumerate() {
        if y >= bottom {
            break;
        }
        paint.text(area.x, y, label, field.label, if at == form.focus { theme.text } else { theme.dim });
        let line = Rect { x: area.x + label + 2, y, width: area.width.saturating_sub(label + 2), height: 1 };
        value(paint, field, line, at == form.focus && !busy);
        paint.hit(Rect { y, height: 1, ..area }, Target::Field(at));
        y += 1;
    }
    if busy {
        let text = format!("{} checking", pane::spinner(paint, state.now));
        paint.text(area.x, (y + 1).min(bottom.saturating_sub(1)), area.width, &text, theme.warn);
    } else if !faults.is_empty() {
        let y = (y + 1).min(bottom.saturating_sub(1));
        popup::write(paint, Rect { y, height: bottom.saturating_sub(y), ..area }, &faults, style);
    }
}

fn value(paint: &mut Paint<'_>, field: &FormField, area: Rect, focused: bool) {
    let theme = &paint.appearance().theme;
    let style = if focused { theme.field_active } else { theme.field };
    let (text, head) = match &field.value {
        Value::Text(line) => (line.shown(), line.shown_before()),
        Value::Secret(line) => {
            let text = paint.appearance().signs.secret.repeat(line.text().chars().count());
            (text.clone(), text)
        }
    };
    let (text, head) = (paint.shown(&text).into_owned(), paint.shown(&head).into_owned());
    let column = usize::from(columns(&head));
    paint.fill(area, style);
    // The part around the cursor is shown.
    let room = usize::from(area.width.saturating_sub(1)).max(1);
    if column <= room {
        paint.text(area.x, area.y, area.width, &text, style);
    } else {
        paint.tail(area.x, area.y, area.width.saturating_sub(1), &head, style);
    }
    if focused {
        paint.put_cursor(area.x + u16::try_from(column.min(room)).unwrap_or(0), area.y);
    }
}
