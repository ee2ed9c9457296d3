//! Advice about errors: one table for commands and the browser, which differ in what a person can do next.

use ferry_client::{ClientError, transfer::part_of};
use ferry_shared::{
    name::Escaped,
    refusal::{Code, Refusal, Unit},
};

use crate::{fault::Kind, human};

/// Advice for the next step, where the message gives none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Advice {
    /// For a person who gave a command.
    pub(crate) command: Option<String>,
    /// For a person in the browser.
    pub(crate) browser: Option<String>,
}

impl Advice {
    /// The advice about an error of the client library.
    pub(crate) fn about(error: &ClientError) -> Self {
        match error {
            ClientError::Unreachable { .. } => Self::both("check the address, and that ferryd runs there"),
            ClientError::Lost(_) | ClientError::Timeout(_) => {
                Self::command("give the same command again: a transfer goes on from what has arrived")
            }
            ClientError::Local { path, error } => match Kind::of_io(error) {
                Kind::Space => Self { command: kept_part(path), ..Self::make_room_here() },
                Kind::FileTooLarge => Self { command: kept_part(path), browser: None },
                Kind::Denied => Self::browser("this computer's permissions do not allow it"),
                _ => Self::default(),
            },
            ClientError::NoRoom { needed, available, .. } => {
                Self { command: Some(missing(*needed, *available, Unit::Bytes)), ..Self::make_room_here() }
            }
            ClientError::SourceChanged => Self::browser("r tries again with what it is now"),
            ClientError::Refused(refusal) => Self::about_refusal(refusal),
            _ => Self::default(),
        }
    }

    fn about_refusal(refusal: &Refusal) -> Self {
        match refusal.code {
            Code::OverQuota => Self {
                command: Some(over_quota(refusal)),
                browser: Some("delete something there, then r tries again".to_owned()),
            },
            Code::DiskFull => Self::browser("the server's operator must make room; r tries again"),
            Code::DiskReadOnly | Code::DiskFailing => Self::browser("r tries again when that is mended"),
            Code::NotAllowed => Self::browser("your account may not do this"),
            Code::Exists => Self::command("choose what to do then with --on-conflict (mkdir: -p)"),
            Code::NotEmpty => Self::command("-r removes a folder with all below it"),
            Code::TooManyAttempts | Code::Busy => match refusal.retry_after {
                Some(seconds) => Self::both(&format!("the server asks to wait {seconds} s")),
                None => Self::default(),
            },
            _ => Self::default(),
        }
    }

    fn command(text: &str) -> Self {
        Self { command: Some(text.to_owned()), browser: None }
    }

    fn browser(text: &str) -> Self {
        Self { command: None, browser: Some(text.to_owned()) }
    }

    fn both(text: &str) -> Self {
        Self { command: Some(text.to_owned()), browser: Some(text.to_owned()) }
    }

    fn make_room_here() -> Self {
        Self::browser("make room on this computer, then r tries again")
    }
}

/// Where the part of a download is that the disk had no more room for.
fn kept_part(path: &std::path::Path) -> Option<String> {
    let part = part_of(path)?;
    let part = Escaped(part.as_os_str().as_encoded_bytes());
    Some(format!("what has arrived is kept in {part}: make room and give the same command again, or remove it"))
}

/// How much is needed and free, in units that people read.
pub(crate) fn missing(needed: u64, available: u64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => format!("{} needed, {} free", human::size(needed), human::size(available)),
        Unit::Files => format!("{} needed, {available} free", human::count(needed, "file", "files")),
    }
}

fn over_quota(refusal: &Refusal) -> String {
    let mut text = String::new();
    if let (Some(needed), Some(available), Some(unit)) = (refusal.needed, refusal.available, refusal.unit) {
        text = missing(needed, available, unit) + "; ";
    }
    match refusal.held {
        Some(held) if held > 0 && refusal.unit == Some(Unit::Bytes) => {
            text += &format!("unfinished uploads hold {}, `ferry uploads` shows them", human::size(held));
        }
        Some(held) if held > 0 => text += "unfinished uploads hold some of it, `ferry uploads` shows them",
        _ => text += "`ferry quota` shows what is used, `ferry du` where",
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_quota(unit: Option<Unit>) -> String {
        let refusal = Refusal {
            needed: Some(2048),
            available: Some(1024),
            held: Some(512),
            unit,
            ..Refusal::new(Code::OverQuota, "full")
        };
        Advice::about(&refusal.into()).command.unwrap()
    }

    #[test]
    fn over_quota_says_how_much_is_missing_and_what_holds_it() {
        assert_eq!(
            over_quota(Some(Unit::Bytes)),
            "2.0 KiB needed, 1.0 KiB free; unfinished uploads hold 512 B, `ferry uploads` shows them"
        );
        assert!(
            over_quota(Some(Unit::Files)).starts_with("2048 files needed, 1024 free; unfinished uploads hold some")
        );
    }

    #[test]
    fn figures_without_a_unit_are_not_told() {
        assert_eq!(over_quota(None), "unfinished uploads hold some of it, `ferry uploads` shows them");
    }

    #[test]
    fn the_wait_a_server_asks_for_is_told_whatever_its_message_says() {
        for message in ["full", "full; try again in 7 s"] {
            let refusal = Refusal { retry_after: Some(7), ..Refusal::new(Code::Busy, message) };
            assert_eq!(Advice::about(&refusal.into()), Advice::both("the server asks to wait 7 s"));
        }
    }
}
