//! The plan of a copy, a move or a deletion.

use ratatui::{layout::Rect, style::Style};

use crate::{
    human,
    tui::{
        action::Action,
        state::{
            State,
            dialog::{CopyPlan, Count, DeletePlan},
            hits::Target,
            labels,
            transfers::Piece,
        },
        view::{
            figures,
            paint::{Paint, columns},
            pane, popup,
        },
    },
};

/// The number of names that are shown.
const NAMES: usize = 5;

/// Lines with their styles.
type Lines = Vec<(String, Style)>;

pub(super) fn copy(paint: &mut Paint<'_>, state: &State, plan: &CopyPlan, room: Rect) {
    let theme = &paint.appearance().theme;
    let order = &plan.order;
    let word = if order.moves { "Move" } else { "Copy" };
    let mut lines: Lines = names(order.what.iter().map(Piece::shown), theme.text);
    lines.push((String::new(), theme.text));
    lines.push((format!("from   {}", labels::place(state, &order.from)), theme.dim));
    let mut choices = vec![(lines.len(), Action::ChangeTarget)];
    lines.push((format!("to     {}", labels::place(state, &order.to)), theme.text));
    if let [piece] = order.what.as_slice()
        && piece.becomes != piece.path
    {
        choices.push((lines.len(), Action::CopyAs));
        lines.push((format!("as     {}", piece.becomes.display().to_string().trim_start_matches('/')), theme.text));
    }
    lines.push((format!("is     {}", amount(paint, state, &plan.count)), theme.text));
    if plan.stays() {
        lines.push(("       on the server, no byte travels; nothing is replaced".to_owned(), theme.dim));
    } else {
        choices.push((lines.len(), Action::ChangeRule));
        lines.push((format!("on conflict: {}", labels::rule(order.rule)), theme.dim));
        if let Some(links) = order.links.filter(|_| plan.has_links()) {
            choices.push((lines.len(), Action::ChangeLinks));
            lines.push((format!("symbolic links: {}", labels::links(links)), theme.dim));
        }
        lines.push(fit(paint, plan));
    }
    if order.moves && !plan.stays() {
        lines.push(("each source is removed once it is verified at the target".to_owned(), theme.dim));
    }
    if let Some(problem) = &plan.count.problem {
        lines.push((problem.to_string(), theme.bad));
    }
    let mut without = Vec::new();
    if order.what.len() != 1 {
        without.push(Action::CopyAs);
    }
    if plan.stays() {
        without.push(Action::ChangeRule);
    }
    if plan.stays() || !plan.has_links() {
        without.push(Action::ChangeLinks);
    }
    let title = format!("{word} {}", what(order.what.len()));
    show(paint, state, room, &title, &lines, (&without, &choices));
}

/// Whether it fits.
fn fit(paint: &Paint<'_>, plan: &CopyPlan) -> (String, Style) {
    let theme = &paint.appearance().theme;
    let Some(room) = plan.room else { return ("how much fits there is not known".to_owned(), theme.dim) };
    let missing = plan.missing();
    match missing {
        Some(missing) => (
            format!("DOES NOT FIT: {} are free there, {} are missing", figures::size(room), figures::size(missing)),
            theme.bad,
        ),
        None if plan.starts => ("starts as soon as it is counted; again starts at once".to_owned(), theme.warn),
        None if plan.count.ticket.is_some() => (format!("{} are free there", figures::size(room)), theme.dim),
        None => (format!("it fits: {} are free there", figures::size(room)), theme.good),
    }
}

pub(super) fn delete(paint: &mut Paint<'_>, state: &State, plan: &DeletePlan, room: Rect) {
    let theme = &paint.appearance().theme;
    let mut lines: Lines =
        names(plan.what.iter().map(|(path, folder)| Piece::new(path.clone(), *folder).shown()), theme.text);
    lines.push((String::new(), theme.text));
    lines.push((format!("in     {}", plan.folder.display(&state.home)), theme.dim));
    lines.push((format!("is     {}", amount(paint, state, &plan.count)), theme.warn));
    lines.push(("It cannot be brought back.".to_owned(), theme.bad));
    if let Some(problem) = &plan.count.problem {
        lines.push((problem.to_string(), theme.bad));
    }
    show(paint, state, room, &format!("Delete {}?", what(plan.what.len())), &lines, (&[], &[]));
}

fn what(count: usize) -> String {
    human::count(count as u64, "entry", "entries")
}

/// The first names, and how many others there are.
fn names(all: impl Iterator<Item = String>, style: Style) -> Lines {
    let mut lines: Lines = all.map(|name| (name, style)).collect();
    if lines.len() > NAMES {
        let others = lines.len() - (NAMES - 1);
        lines.truncate(NAMES - 1);
        lines.push((format!("and {others} others"), style));
    }
    lines
}

fn amount(paint: &Paint<'_>, state: &State, count: &Count) -> String {
    let amount = count.amount;
    let at_least = if count.is_done() { "" } else { paint.appearance().signs.at_least };
    let mut text = format!("{at_least}{}", human::count(amount.files, "file", "files"));
    if amount.folders > 0 {
        text += &format!(", {at_least}{}", human::count(amount.folders, "folder", "folders"));
    }
    text += &format!(", {at_least}{}", figures::size(amount.bytes));
    if count.unreadable > 0 {
        text += &format!(", {} cannot be read", human::count(count.unreadable, "folder", "folders"));
    }
    if count.left_out > 0 {
        text += &format!(
            ", {} skipped",
            human::count(count.left_out, "symlink or special file", "symlinks or special files")
        );
    }
    if count.ticket.is_some() {
        text += &format!("  {} counting", pane::spinner(paint, state.now));
    }
    text
}

/// Opens a box around lines and writes them; those with a number among the choices can be clicked.
fn show(
    paint: &mut Paint<'_>,
    state: &State,
    room: Rect,
    title: &str,
    lines: &Lines,
    (without, choices): (&[Action], &[(usize, Action)]),
) {
    let most = popup::most_columns(room);
    let choice = |at: usize| choices.iter().find(|(line, _)| *line == at).map(|(_, action)| *action);
    let broken = |(at, (text, style)): (usize, &(String, Style))| -> Vec<(String, Style, Option<Action>)> {
        popup::wrapped(text, most).into_iter().map(|line| (line, *style, choice(at))).collect()
    };
    let lines: Vec<_> = lines.iter().enumerate().flat_map(broken).collect();
    let width = lines.iter().map(|(line, ..)| columns(line)).max().unwrap_or(0);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = popup::open_with(paint, state, room, title, (width, height), without);
    for ((line, style, choice), y) in lines.iter().zip(area.y + 1..area.y + area.height) {
        let width = paint.text(area.x, y, area.width, line, *style);
        if let Some(action) = choice {
            paint.hit(Rect { x: area.x, y, width, height: 1 }, Target::Key(*action));
        }
    }
}
