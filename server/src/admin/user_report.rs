//! Users as a table or a list of facts.

use std::{fmt::Write as _, io};

use crate::{output, size::ByteCount, users::facts::AccountFacts};

/// All users: a table or a JSON array.
pub(super) fn list(users: &[AccountFacts], json: bool) -> io::Result<()> {
    output::result(json, || list_text(users), &users)
}

fn list_text(users: &[AccountFacts]) -> String {
    let head = ["NAME", "STATE", "ACCESS", "QUOTA", "MAX FILES", "EXPIRES"].map(str::to_owned);
    let rows = users.iter().map(|user| {
        [
            user.name.to_string(),
            user.state().to_owned(),
            user.access.as_str().to_owned(),
            or_none(user.quota.map(ByteCount)),
            user.max_files.to_string(),
            or_none(user.expires),
        ]
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// One user: facts line by line or a JSON object.
pub(super) fn show(user: &AccountFacts, json: bool) -> io::Result<()> {
    output::result(json, || show_text(user), user)
}

fn show_text(user: &AccountFacts) -> String {
    let password = if user.password { "set" } else { "none" };
    let mut rows = vec![
        ["name", user.name.as_str()].map(str::to_owned),
        ["state", user.state()].map(str::to_owned),
        ["access", user.access.as_str()].map(str::to_owned),
        ["doors".to_owned(), user.doors.map_or_else(|| "all".to_owned(), |doors| doors.to_string())],
        ["quota".to_owned(), or_none(user.quota.map(ByteCount))],
        ["max files".to_owned(), user.max_files.to_string()],
        ["max sessions".to_owned(), or_none(user.max_sessions)],
        ["bandwidth up".to_owned(), or_none(user.bandwidth_up.map(ByteCount))],
        ["bandwidth down".to_owned(), or_none(user.bandwidth_down.map(ByteCount))],
        ["expires".to_owned(), or_none(user.expires)],
        ["created".to_owned(), or_none(user.created)],
        ["password", password].map(str::to_owned),
    ];
    rows.extend(user.keys.iter().map(|key| ["key".to_owned(), key.clone()]));
    table(&rows)
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

/// A table whose columns are as wide as their widest cells.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    measured(rows, |cell| cell.chars().count())
}

/// Like [`table`], with `measure` for the width of a cell. Each cell is measured once, however many rows there are:
/// a table may have one for each user.
fn measured<const N: usize>(rows: &[[String; N]], mut measure: impl FnMut(&str) -> usize) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = measure(cell).max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let begin = out.len();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string cannot fail.
            let _ = write!(out, "{cell:width$}  ");
        }
        let end = begin + out[begin..].trim_end().len();
        out.truncate(end);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_measures_each_cell_once_however_many_users_there_are() {
        let rows: Vec<_> = (0..1000).map(|user| [format!("user{user}"), "é".to_owned(), String::new()]).collect();
        let mut measured_cells = 0;
        let text = measured(&rows, |cell| {
            measured_cells += 1;
            cell.chars().count()
        });
        assert_eq!(measured_cells, 3 * rows.len());
        assert!(text.starts_with("user0    é\n") && text.ends_with("user999  é\n"), "{text}");
    }
}
