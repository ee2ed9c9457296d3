//! Usage and recounts as text for people.

use std::fmt::Write as _;

use super::user_report::table;
use crate::{
    control::message::{Explained, Rescanned, Source, Weighed},
    output::size,
};

fn or_none(value: Option<String>) -> String {
    value.unwrap_or_else(|| "none".to_owned())
}

fn weighed(Weighed { bytes, files }: Weighed) -> String {
    format!("{} ({bytes} bytes), {files} files and folders", size(bytes))
}

/// One user's usage, and the reservations of unfinished uploads.
pub(super) fn explained(explained: &Explained) -> String {
    let Explained { user, source, used, reserved, quota, max_files, suspect, parts } = explained;
    let source = match source {
        Source::Server => "the running server",
        Source::Ledger => "no server runs; what the last one wrote down when it stopped",
        Source::Count => "no server answers; the home was counted now",
    };
    let free = quota.map(|quota| size(quota.saturating_sub(used.bytes.saturating_add(reserved.bytes))));
    let mut rows = vec![
        ["user", user.as_str()].map(str::to_owned),
        ["source", source].map(str::to_owned),
        ["in the home".to_owned(), weighed(*used)],
        ["held".to_owned(), format!("{} by {} unfinished uploads", weighed(*reserved), parts.len())],
        ["quota".to_owned(), or_none(quota.map(size))],
        ["max files".to_owned(), or_none(max_files.map(|most| most.to_string()))],
        ["free".to_owned(), free.unwrap_or_else(|| "what the disk has".to_owned())],
    ];
    if *suspect {
        rows.push(["note", "the numbers cannot be right; the home will be counted again"].map(str::to_owned));
    }
    let mut out = table(&rows);
    if !parts.is_empty() {
        let head = ["UNFINISHED", "SIZE", "RECEIVED", "HELD", "SINCE", "STATE"].map(str::to_owned);
        let rows = parts.iter().map(|part| {
            [
                part.path.clone(),
                part.size.map_or_else(|| "unknown".to_owned(), size),
                size(part.received),
                size(part.reserved),
                part.started.to_string(),
                if part.active { "under way" } else { "waits" }.to_owned(),
            ]
        });
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        // Writing to a string cannot fail.
        let _ = write!(out, "\n{}", table(&rows));
    }
    out
}

/// The results of recounts, one per line.
pub(super) fn rescanned(all: &[Rescanned]) -> String {
    let head = ["USER", "COUNTED", "BELIEVED BEFORE"].map(str::to_owned);
    let rows = all.iter().map(|one| {
        let believed = match one.believed {
            Some(believed) if Some(believed) == one.counted => "the same".to_owned(),
            Some(believed) => weighed(believed),
            None => "nothing".to_owned(),
        };
        let counted = one.counted.map(weighed).or_else(|| one.failed.clone()).unwrap_or_default();
        [one.user.clone(), counted, believed]
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}
