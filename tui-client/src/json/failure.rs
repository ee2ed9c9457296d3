//! Failures in `--json` output: a code, a message, and the exit code of this failure alone.

use ferry_client::ClientError;
use ferry_shared::refusal::{Refusal, Unit};
use serde::Serialize;

use super::Bytes;
use crate::{exit::Exit, failure::Failure, fault};

/// The line for one failure.
#[derive(Debug, Serialize)]
pub(crate) struct FailureObject<'a> {
    error: About<'a>,
}

#[derive(Debug, Serialize)]
struct About<'a> {
    /// The path on the server, relative to the home.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Bytes<'a>>,
    /// The local file or folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<Bytes<'a>>,
    #[serde(flatten)]
    error: ErrorObject,
}

/// The error.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorObject {
    /// The server's code if the server refused, otherwise a code of this program.
    code: &'static str,
    message: String,
    /// The exit code of this error alone.
    exit: u8,
    /// Whether a later attempt may succeed without any change.
    retry: bool,
    #[serde(flatten)]
    figures: Figures,
}

/// The figures of a refusal.
#[derive(Debug, Serialize, Default)]
struct Figures {
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// An invalid command line.
#[derive(Debug, Serialize)]
pub(crate) struct UsageObject {
    error: ErrorObject,
}

impl<'a> FailureObject<'a> {
    /// The object of `failure`.
    pub(crate) fn new(failure: &'a Failure) -> Self {
        let mut about = About { path: None, local: None, error: ErrorObject::of_failure(failure) };
        let local = match failure {
            Failure::Remote { path, .. } => {
                about.path = Some(Bytes(path.as_bytes()));
                None
            }
            Failure::Local { path, .. } | Failure::NewFolder(path) => Some(path),
            Failure::Server(error) => match &**error {
                ClientError::Local { path, .. } => Some(path),
                _ => None,
            },
            _ => None,
        };
        about.local = local.map(|path| Bytes(path.as_os_str().as_encoded_bytes()));
        Self { error: about }
    }
}

impl UsageObject {
    /// The object of an invalid command line with the parser's `message`.
    pub(crate) fn new(message: &str) -> Self {
        // Use the parser's first paragraph; the others contain the usage and a reference to the help.
        let first = message.trim().trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
        let words: Vec<_> = first.split_whitespace().collect();
        Self { error: ErrorObject::plain("usage", words.join(" "), Exit::Usage) }
    }
}

impl ErrorObject {
    /// An error of the client library.
    pub(crate) fn of_client(error: &ClientError, exit: Exit, retry: bool) -> Self {
        let figures = match error {
            ClientError::Refused(refusal) => {
                let Refusal { unit, needed, available, held, retry_after, .. } = *refusal;
                Figures { unit: unit.map(word_of_unit), needed, available, held, retry_after }
            }
            ClientError::NoRoom { quota, needed, available, held, .. } => Figures {
                unit: Some(word_of_unit(Unit::Bytes)),
                needed: Some(*needed),
                available: Some(*available),
                held: quota.then_some(*held),
                ..Figures::default()
            },
            _ => Figures::default(),
        };
        Self { code: fault::word(error), message: error.to_string(), exit: exit as u8, retry, figures }
    }

    fn of_failure(failure: &Failure) -> Self {
        let exit = failure.exit();
        let code = match failure {
            Failure::Server(error)
            | Failure::Register(error)
            | Failure::Remote { error, .. }
            | Failure::End { error, .. } => {
                let object = Self::of_client(error, exit, error.is_transient());
                // Include the path, as in the message on standard error.
                return Self { message: failure.to_string(), ..object };
            }
            Failure::Usage(_) | Failure::Address(_) | Failure::Path(_) | Failure::Filter(_) | Failure::Defaults(_) => {
                "usage"
            }
            Failure::Pattern(_) => "usage",
            Failure::Unconfirmed(_) => "unconfirmed",
            Failure::Locked(_) => "busy",
            Failure::Sites(_) => "sites",
            Failure::NoHome(_) => "no_home",
            Failure::Keyring(_) => "keyring",
            Failure::Secret(_) => "password",
            Failure::Local { error, .. } => fault::word_of_io(error),
            Failure::NewFolder(_) => "not_found",
            _ => "other",
        };
        Self::plain(code, failure.to_string(), exit)
    }

    fn plain(code: &'static str, message: String, exit: Exit) -> Self {
        Self { code, message, exit: exit as u8, retry: false, figures: Figures::default() }
    }
}

fn word_of_unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "bytes",
        Unit::Files => "files",
    }
}

#[cfg(test)]
mod tests {
    use ferry_shared::{path::RemotePath, refusal::Code};

    use std::io;

    use super::*;
    use crate::exit::Looking;

    fn json(failure: &Failure) -> String {
        serde_json::to_string(&FailureObject::new(failure)).unwrap()
    }

    #[test]
    fn a_failure_names_its_path_its_code_and_its_exit() {
        let path = RemotePath::from_wire(b"a/\xff").unwrap();
        let failure = Failure::remote(&path, Looking::File, Refusal::new(Code::NotFound, "it is not there").into());
        let expected = r#"{"error":{"path":{"bytes":"YS//"},"code":"not_found","message":"/a/\\u{ff}: it is not there","exit":4,"retry":false}}"#;
        let shown = json(&failure);
        assert!(shown.starts_with(&expected[..50]) && shown.ends_with(&expected[expected.len() - 35..]), "{shown}");
        let full = Refusal {
            unit: Some(Unit::Files),
            needed: Some(5),
            available: Some(3),
            ..Refusal::new(Code::OverQuota, "full")
        };
        let shown = json(&Failure::remote(&path, Looking::File, full.into()));
        assert!(
            shown.contains(r#""code":"over_quota""#) && shown.contains(r#""unit":"files","needed":5,"available":3"#),
            "{shown}"
        );
    }

    #[test]
    fn local_failures_have_the_servers_codes() {
        let local = |kind: io::ErrorKind| json(&Failure::local("/x", Looking::File, kind.into()));
        assert!(local(io::ErrorKind::NotFound).starts_with(r#"{"error":{"local":"/x","code":"not_found""#));
        assert!(local(io::ErrorKind::PermissionDenied).contains(r#""code":"not_allowed""#));
        assert!(json(&Failure::Usage("no".into())).contains(r#"{"code":"usage","message":"no","exit":2"#));
    }

    #[test]
    fn an_invalid_command_line_is_reported_in_one_sentence() {
        let shown = serde_json::to_string(&UsageObject::new("error: what?\n  <X>\n\nUsage: ferry\n")).unwrap();
        assert_eq!(shown, r#"{"error":{"code":"usage","message":"what? <X>","exit":2,"retry":false}}"#);
    }
}
