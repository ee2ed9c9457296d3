//! The verbs that talk to the running server: status, sessions, kick, broadcast, reload, drain.

use std::{fmt::Write as _, os::fd::OwnedFd, path::Path};

use serde_json::Value;

use super::{AdminError, user_report::table};
use crate::{
    bandwidth::Direction,
    config::Loaded,
    control::{
        client::{self, AskError, Line},
        message::{Answer, Ask, Certificate, Differs, Penalty, Session, Status, Transfer},
    },
    door::Door,
    output::{self, size, span},
};

/// Asks the server and prints its answer.
///
/// A configuration with faults does not prevent asking: the server runs with an earlier one.
pub(super) fn run(ask: &Ask, json: bool, loaded: Result<Loaded, AdminError>, data: &Path) -> Result<(), AdminError> {
    run_with(ask, &[], json, loaded, data)
}

/// Like [`run`], and passes open files to the server.
pub(super) fn run_with(
    ask: &Ask,
    files: &[OwnedFd],
    json: bool,
    loaded: Result<Loaded, AdminError>,
    data: &Path,
) -> Result<(), AdminError> {
    let answer = open(json, loaded, data)?.ask_with(ask, files)?;
    output::result(json, || as_text(&answer), &inside(&answer)?)?;
    match answer {
        Answer::Reloaded { faults, .. } if !faults.is_empty() => Err(AdminError::Reload(faults)),
        _ => Ok(()),
    }
}

/// Connects to the server.
pub(super) fn open(json: bool, loaded: Result<Loaded, AdminError>, data: &Path) -> Result<Line, AdminError> {
    let fault = loaded.as_ref().err().map(ToString::to_string);
    let socket = loaded.ok().and_then(|loaded| loaded.config.control.socket);
    let line = Line::open(client::path(socket.as_deref(), data))?;
    if let Some(fault) = fault.filter(|_| !json) {
        output::note(format_args!("asked at the usual socket, for the configuration has faults: {fault}"));
    }
    Ok(line)
}

/// The inner value of the answer: the caller of `status` knows that it is one.
fn inside(answer: &Answer) -> Result<Value, AskError> {
    let value = serde_json::to_value(answer).map_err(|_| AskError::Strange)?;
    match value {
        Value::Object(object) => object.into_iter().next().map(|(_, inside)| inside).ok_or(AskError::Strange),
        _ => Err(AskError::Strange),
    }
}

/// An answer as text for people.
pub(super) fn as_text(answer: &Answer) -> String {
    match answer {
        Answer::Status(status) => as_facts(status),
        Answer::Sessions(sessions) => as_table(sessions),
        Answer::Kicked { sessions } => format!("ended {}\n", counted(sessions.len(), "session")),
        Answer::Broadcast { sessions } => format!("told {}\n", counted(*sessions, "session")),
        Answer::Penalties(penalties) => as_waits(penalties),
        Answer::Lifted { address } => format!("nothing from {address} has to wait now\n"),
        Answer::Reloaded { faults, changed, notes } => {
            let mut text = match (faults.is_empty(), changed.is_empty()) {
                (true, true) => "reloaded; nothing changed\n".to_owned(),
                (true, false) => "reloaded\n".to_owned(),
                (false, _) => String::new(),
            };
            text.extend(changed.iter().map(|changed| format!("changed: {changed}\n")));
            text.extend(notes.iter().map(|note| format!("note: {note}\n")));
            text
        }
        Answer::Draining { transfers, seconds } => {
            format!("draining: {} under way, at most {seconds} s\n", counted(*transfers, "transfer"))
        }
        // Other verbs print these.
        Answer::Explained(_)
        | Answer::Rescanned(_)
        | Answer::Discarded { .. }
        | Answer::Accounts(_)
        | Answer::Changed { .. }
        | Answer::Unchanged(_)
        | Answer::Barred { .. }
        | Answer::Done => String::new(),
        Answer::Failed { message } => format!("{message}\n"),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn as_facts(status: &Status) -> String {
    let state = if status.draining { "draining" } else { "serving" };
    let refusals: Vec<_> = status.refusals.iter().map(|(code, count)| format!("{code} {count}")).collect();
    let turned_away = status.turned_away.iter().filter(|(_, count)| **count > 0);
    let turned_away: Vec<_> = turned_away.map(|(reason, count)| format!("{reason} {count}")).collect();
    let rows = [
        ("state", format!("{state}, ferryd {} as process {}", status.version, status.pid)),
        ("since", format!("{} ({})", status.started, span(status.uptime_seconds))),
        ("sessions", format!("{}, {}", status.sessions, counted(status.connections, "connection"))),
        ("not logged in", status.unfinished.to_string()),
        ("transfers", status.transfers.to_string()),
        ("received", size(status.received)),
        ("sent", size(status.sent)),
        ("files", format!("{} stored, {} sent", status.uploads, status.downloads)),
        ("logins", status.logins.to_string()),
        ("sftp", as_sftp(status)),
        ("refusals", if refusals.is_empty() { "none".to_owned() } else { refusals.join(", ") }),
        ("turned away", if turned_away.is_empty() { "none".to_owned() } else { turned_away.join(", ") }),
        ("panics", status.panics.to_string()),
        ("quota drifts", status.quota_drifts.to_string()),
        ("audit lines lost", status.audit_lost.to_string()),
        ("log lines lost", status.log_lost.to_string()),
        ("tasks", status.tasks.to_string()),
        ("hash queue", status.hash_queue.to_string()),
        ("flushes", format!("{}, {:.1} s", status.flushes, status.flush_seconds)),
        ("certificate", status.certificate.as_ref().map_or_else(|| "unknown".to_owned(), as_term)),
        ("disk free", status.disk_free.map_or_else(|| "unknown".to_owned(), size)),
    ];
    let mut out = table(&rows.map(|(name, value)| [name.to_owned(), value]));
    if let Some(warning) = status.certificate.as_ref().and_then(|certificate| certificate.warning.as_ref()) {
        let _ = write!(out, "\nthe certificate {warning}\n");
    }
    for Differs { what, why, since } in &status.differs {
        let _ = write!(out, "\nthe disk differs from what is in force: {what}, known since {since}: {why}\n");
    }
    if !status.users.is_empty() {
        let head = ["USER", "USED", "HELD", "QUOTA", "FILES"].map(str::to_owned);
        let rows = status.users.iter().map(|user| {
            let quota = user.quota.map_or_else(|| "none".to_owned(), size);
            [user.name.clone(), size(user.used), size(user.reserved), quota, user.files.to_string()]
        });
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        let _ = write!(out, "\n{}", table(&rows));
    }
    out
}

fn as_sftp(status: &Status) -> String {
    let at_door = status.doors.get(Door::Sftp.as_str()).map(|door| counted(door.sessions, "session"));
    match (&status.sftp_host_key, at_door) {
        (Some(key), Some(sessions)) => format!("{sessions}, host key {key}"),
        _ => "off".to_owned(),
    }
}

fn as_term(certificate: &Certificate) -> String {
    let names = if certificate.names.is_empty() { "no name".to_owned() } else { certificate.names.join(", ") };
    format!("until {}, for {names}", certificate.until)
}

fn as_waits(penalties: &[Penalty]) -> String {
    if penalties.is_empty() {
        return "nobody has to wait\n".to_owned();
    }
    let head = ["ADDRESS", "USER", "FAILED", "WAITS"].map(str::to_owned);
    let rows = penalties.iter().map(|penalty| {
        let user = match penalty.user.as_deref() {
            None => "everybody",
            Some("") => "no name",
            Some(name) => name,
        };
        [penalty.address.clone(), user.to_owned(), penalty.failures.to_string(), span(penalty.seconds)]
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn as_table(sessions: &[Session]) -> String {
    let head = ["ID", "USER", "DOOR", "FROM", "SINCE", "CONNS", "RECEIVED", "SENT", "TRANSFERS"].map(str::to_owned);
    let mut rows = vec![head];
    for session in sessions {
        let mut transfers = session.transfers.iter().map(one_transfer);
        rows.push([
            session.id.to_string(),
            session.user.clone(),
            session.door.clone(),
            session.peer.clone(),
            session.since.to_string(),
            session.connections.to_string(),
            size(session.received),
            size(session.sent),
            transfers.next().unwrap_or_default(),
        ]);
        rows.extend(transfers.map(|transfer| {
            let mut row: [String; 9] = Default::default();
            row[8] = transfer;
            row
        }));
    }
    table(&rows)
}

fn one_transfer(transfer: &Transfer) -> String {
    let way = match transfer.direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    match transfer.size {
        Some(all) if all > 0 => {
            let percent = u128::from(transfer.done) * 100 / u128::from(all);
            format!("{way} {} {percent}% of {}", transfer.path, size(all))
        }
        _ => format!("{way} {} {}", transfer.path, size(transfer.done)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_row_for_each_transfer() {
        let transfer = |path: &str, done| Transfer {
            direction: Direction::Up,
            path: path.into(),
            size: Some(200),
            done,
            seconds: 1,
        };
        let session = Session {
            id: 7,
            user: "anna".into(),
            peer: "[::1]:5".into(),
            door: "ferry".into(),
            since: "2026-01-01".parse().unwrap(),
            connections: 2,
            received: 2048,
            sent: 5,
            transfers: vec![transfer("/a", 100), transfer("/b", 0)],
        };
        let text = as_table(&[session]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].contains("anna  ferry") && lines[1].ends_with("up /a 50% of 200 B"), "{text}");
        assert!(lines[2].trim() == "up /b 0% of 200 B", "{text}");
    }
}
