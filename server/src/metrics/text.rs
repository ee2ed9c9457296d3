//! The metrics in Prometheus' text format, version 0.0.4.

use std::fmt::{self, Display, Write as _};

use ferry_shared::refusal::Code;

use crate::{control::message::Status, drift};

/// Whether a value may decrease.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        })
    }
}

/// All metrics.
pub(super) fn render(status: &Status) -> String {
    use Kind::{Counter, Gauge};
    let mut out = String::new();
    let mut one = |name, kind, about, value: &dyn Display| family(&mut out, name, kind, about, [("", value)]);
    one("start_time_seconds", Gauge, "Start time of the server, in seconds since 1970.", &status.started.as_second());
    one("draining", Gauge, "1 while the server is stopping and accepts nobody new.", &u8::from(status.draining));
    one("sessions", Gauge, "Open sessions.", &status.sessions);
    one("connections", Gauge, "Connections of open sessions.", &status.connections);
    one("connections_unfinished", Gauge, "Connections that have not logged in.", &status.unfinished);
    one("connections_total", Counter, "Connections that were accepted.", &status.accepted);
    one("logins_total", Counter, "Logins that opened a session.", &status.logins);
    one("transfers", Gauge, "Files in transfer, without small uploads.", &status.transfers);
    one("uploads_total", Counter, "Files stored.", &status.uploads);
    one("downloads_total", Counter, "Files sent completely.", &status.downloads);
    one("received_bytes_total", Counter, "Bytes from logged-in clients.", &status.received);
    one("sent_bytes_total", Counter, "Bytes to logged-in clients.", &status.sent);
    one("panics_total", Counter, "Connections that ended in a panic.", &status.panics);
    one("tasks", Gauge, "Tasks in the server.", &status.tasks);
    one("hash_queue", Gauge, "Password checks that wait or run.", &status.hash_queue);
    one("flushes_total", Counter, "Commits that were made durable.", &status.flushes);
    one("flush_seconds_total", Counter, "Seconds that these flushes took.", &status.flush_seconds);
    one("audit_lost_total", Counter, "Lines that the audit log lost.", &status.audit_lost);
    one("log_lost_total", Counter, "Log lines that standard error did not accept.", &status.log_lost);
    one("quota_drifts_total", Counter, "Recounts that differed from the ledger.", &status.quota_drifts);
    if let Some(free) = &status.disk_free {
        one("disk_free_bytes", Gauge, "Bytes free to users on the disk of the homes.", free);
    }
    if let Some(certificate) = &status.certificate {
        let about = "Expiry time of the certificate, in seconds since 1970.";
        one("certificate_end_time_seconds", Gauge, about, &certificate.until.as_second());
    }
    one("users", Gauge, "Accounts.", &status.accounts);
    let version = [(format!("{{version=\"{}\"}}", status.version), 1)];
    family(&mut out, "build_info", Gauge, "Always 1; the label is the version.", version);
    // Include every code from the start: a series that first appears with the value 1 has no increase that an alert
    // could detect.
    let refusals = Code::ALL.iter().map(|code| {
        let code = code.as_str();
        (format!("{{code=\"{code}\"}}"), status.refusals.get(code).copied().unwrap_or_default())
    });
    family(&mut out, "refusals_total", Counter, "Refusals by code.", refusals);
    let differs = |what: &str| u8::from(status.differs.iter().any(|one| one.what == what));
    let differs = drift::WHAT.map(|what| (format!("{{what=\"{what}\"}}"), differs(what)));
    family(&mut out, "differs_from_disk", Gauge, "1 while the files on disk differ from what is in force.", differs);
    let turned_away = status.turned_away.iter().map(|(reason, count)| (format!("{{reason=\"{reason}\"}}"), count));
    family(&mut out, "turned_away_total", Counter, "Connections that failed before login.", turned_away);
    let doors = || status.doors.iter().map(|(door, at)| (format!("{{door=\"{door}\"}}"), at));
    let sessions = doors().map(|(label, at)| (label, at.sessions));
    family(&mut out, "door_sessions", Gauge, "Open sessions by door, the protocol.", sessions);
    let connections = doors().map(|(label, at)| (label, at.connections));
    family(&mut out, "door_connections", Gauge, "Connections of open sessions by door.", connections);
    let accepted = doors().map(|(label, at)| (label, at.accepted));
    family(&mut out, "door_connections_total", Counter, "Connections that were accepted, by door.", accepted);
    let logins = doors().map(|(label, at)| (label, at.logins));
    family(&mut out, "door_logins_total", Counter, "Logins that opened a session, by door.", logins);
    let users = || status.users.iter().map(|user| (format!("{{user=\"{}\"}}", user.name), user));
    family(&mut out, "user_used_bytes", Gauge, "Bytes in a home.", users().map(|(label, user)| (label, user.used)));
    let reserved = users().map(|(label, user)| (label, user.reserved));
    family(&mut out, "user_reserved_bytes", Gauge, "Bytes reserved for unfinished uploads.", reserved);
    let quota = users().filter_map(|(label, user)| Some((label, user.quota?)));
    family(&mut out, "user_quota_bytes", Gauge, "Bytes a user may have; absent without a limit.", quota);
    family(
        &mut out,
        "user_files",
        Gauge,
        "Files and folders of a user.",
        users().map(|(label, user)| (label, user.files)),
    );
    out
}

fn family<L: Display, V: Display>(
    out: &mut String,
    name: &str,
    kind: Kind,
    about: &str,
    samples: impl IntoIterator<Item = (L, V)>,
) {
    // Writing to a string cannot fail.
    let _ = write!(out, "# HELP ferryd_{name} {about}\n# TYPE ferryd_{name} {kind}\n");
    for (labels, value) in samples {
        let _ = writeln!(out, "ferryd_{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_type_and_every_sample_its_number() {
        let status: Status = serde_json::from_str(include_str!("text/status.json")).unwrap();
        let text = render(&status);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let family = name.split('{').next().unwrap();
            assert!(text.contains(&format!("# TYPE {family} ")), "{line}");
            let counts = text.contains(&format!("# TYPE {family} counter"));
            assert_eq!(counts, family.ends_with("_total"), "{line}");
        }
        assert!(text.contains(&format!("ferryd_build_info{{version=\"{}\"}} 1\n", status.version)), "{text}");
        assert!(text.contains("ferryd_refusals_total{code=\"over_quota\"} 2\n"), "{text}");
        assert!(text.contains("ferryd_refusals_total{code=\"internal\"} 0\n"), "{text}");
        assert_eq!(text.matches("ferryd_refusals_total{").count(), Code::ALL.len());
        for (what, differs) in [("users", 1), ("certificate", 0), ("configuration", 0)] {
            assert!(text.contains(&format!("ferryd_differs_from_disk{{what=\"{what}\"}} {differs}\n")), "{text}");
        }
        assert!(text.contains("ferryd_door_logins_total{door=\"ferry\"} 3\n"), "{text}");
        assert!(text.contains("ferryd_certificate_end_time_seconds 1893456000\n"), "{text}");
        assert!(text.contains("ferryd_user_used_bytes{user=\"anna\"} 1000\n"), "{text}");
        assert!(!text.contains("ferryd_user_quota_bytes{user=\"berta\"}"), "{text}");
    }
}
