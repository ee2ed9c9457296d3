//! The details of a transfer, or of a file of it, as lines.

use ferry_client::transfer::ItemId;

use super::super::conflict;
use crate::{
    human,
    tui::state::{
        State,
        dialog::{Dialog, Notice},
        labels,
        place::below,
        problem::Problem,
        transfers::{FailedItem, Key, Phase, Piece, Transfer},
    },
};

/// Shows everything about a line.
pub(super) fn details(state: &mut State, key: Key, item: Option<ItemId>) {
    if item.is_some_and(|item| state.transfers.asks.iter().any(|ask| Some(ask.item) == Some(item))) {
        conflict::open_at(state, item.unwrap_or(ItemId(0)));
        return;
    }
    let Some(transfer) = state.transfers.get(key) else { return };
    let alike = item.map(|item| transfer.failed_alike(item)).unwrap_or_default();
    let notice = match (item, alike.as_slice()) {
        (Some(_), [first, _, ..]) => Notice { saves: true, ..Notice::plain("Failed", alike_lines(first, &alike)) },
        (Some(item), _) => Notice::plain("Transfer", item_lines(transfer, item)),
        (None, _) => Notice::plain("Transfer", whole_lines(state, transfer)),
    };
    state.dialogs.push(Dialog::Notice(notice));
}

/// The files that failed for one cause.
fn alike_lines(first: &FailedItem, alike: &[&FailedItem]) -> Vec<String> {
    let bytes = alike.iter().map(|failed| failed.size).fold(0, u64::saturating_add);
    let count = human::count(alike.len() as u64, "file", "files");
    let mut lines = vec![format!("{count}, {}: {}", human::size(bytes), first.problem.cause)];
    lines.extend(first.problem.hint.clone());
    lines.push("In the list of transfers, r on their line tries all of them again.".to_owned());
    lines.push(String::new());
    lines.extend(alike.iter().map(|failed| below(&failed.path)));
    lines
}
fn item_lines(transfer: &Transfer, item: ItemId) -> Vec<String> {
    if let Some(failed) = transfer.failures.iter().find(|failed| failed.item == item) {
        let mut lines =
            vec![format!("file      {}", failed.path.display()), format!("failed    {}", failed.problem.text)];
        lines.extend(failed.problem.hint.iter().map(|hint| format!("to do     {hint}")));
        lines.push(String::new());
        lines.push(
            if failed.retryable {
                "r tries again."
            } else {
                "Another attempt alone will not help; change something first, then press r."
            }
            .to_owned(),
        );
        return lines;
    }
    let Some(active) = transfer.begun().find(|begun| begun.item == item) else { return Vec::new() };
    vec![
        format!("file      {}", active.path.relative().display()),
        format!("size      {}", active.size.map_or("not known".to_owned(), human::size)),
        format!("is at     {}", labels::item(active.state)),
        format!("done      {}", human::size(active.done)),
        format!("was there {}", human::size(active.reused)),
        format!("for       {}", human::duration(active.elapsed)),
    ]
}

/// The phase of a transfer, or how it is known that it arrived.
fn is(state: &State, transfer: &Transfer) -> &'static str {
    match transfer.phase(state.now) {
        Phase::Verified => transfer.proven(),
        phase => labels::phase(phase),
    }
}

fn whole_lines(state: &State, transfer: &Transfer) -> Vec<String> {
    let tally = &transfer.tally;
    let mut lines = vec![
        format!("from      {}", labels::place(state, &transfer.order.from)),
        format!("to        {}", labels::place(state, &transfer.order.to)),
        format!("is        {}", is(state, transfer)),
        format!("files     {} of {}", tally.files_done, tally.files),
        format!("bytes     {} of {}", human::size(tally.bytes_done), human::size(tally.bytes)),
        format!("was there {}", human::size(tally.reused)),
    ];
    match &transfer.sync {
        Some(run) => {
            lines.extend(run.deletions().map(|deletions| format!("deletions {deletions}")));
            lines.extend(run.stopped.as_ref().map(|problem| format!("stopped   {problem}")));
            lines.extend(run.different().map(|different| format!("of them   {different}")));
        }
        None => lines.push(format!("conflict  {}", labels::rule(transfer.order.rule))),
    }
    if transfer.order.moves {
        lines.push("moves     sources are removed once they are verified at the target".to_owned());
    }
    lines.extend(transfer.digest.map(|digest| format!("digest    {digest}")));
    lines.extend(transfer.left_out().map(|left| format!("of them   {left}")));
    if tally.failed > 0 {
        lines.push(format!("failed    {}", tally.failed));
    }
    let refused = transfer.refused.iter().filter_map(|(at, why)| Some((transfer.order.what.get(*at)?, why)));
    lines.extend(refused.map(|(piece, why)| format!("{}: {}", piece.shown(), why.text)));
    let error = transfer.summary.as_ref().and_then(|summary| summary.error.as_ref());
    lines.extend(
        error.filter(|_| transfer.refused.is_empty()).map(|error| format!("failed    {}", Problem::from(error).text)),
    );
    if !transfer.skipped.is_empty() {
        let mut skipped: Vec<_> = transfer.skipped.iter().collect();
        skipped.sort();
        lines.extend([String::new(), "skipped:".to_owned()]);
        lines.extend(skipped.into_iter().map(|(path, why)| format!("  {}: {why}", below(path))));
    }
    if let Some(run) = &transfer.sync {
        let kept = run.kept.iter().map(|(path, why)| format!("  {}: {why}", below(path)));
        let differ = run.plan.problems.iter().map(|problem| {
            let path = if problem.path.is_home() { ".".to_owned() } else { below(&problem.path) };
            format!("  {path}: {}", labels::cause(&problem.cause))
        });
        for (title, paths) in [("not deleted:", kept.collect::<Vec<_>>()), ("not made equal:", differ.collect())] {
            if !paths.is_empty() {
                lines.extend([String::new(), title.to_owned()]);
                lines.extend(paths);
            }
        }
    }
    lines.push(String::new());
    lines.extend(transfer.order.what.iter().take(200).map(Piece::shown));
    lines
}
