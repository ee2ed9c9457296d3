//! Advice for errors: one table for commands and the browser, in which the next steps differ.

use ferry_client::{ClientError, Obstacle, transfer::part_of};
use ferry_shared::{
    name::Escaped,
    refusal::{Code, Refusal, Unit},
};

use crate::{fault::Kind, human};

const ROOM_THERE: &str = "delete files there, then press r to retry";
const OPERATOR: &str = "the server's operator must free some space; r retries";
const ON_CONFLICT: &str = "choose what to do then with --on-conflict (mkdir: -p)";

/// Advice for the next step, unless the message contains it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Advice {
    /// For the command line.
    pub(crate) command: Option<String>,
    /// For the browser.
    pub(crate) browser: Option<String>,
}

impl Advice {
    /// The advice about an error of the client library.
    pub(crate) fn about(error: &ClientError) -> Self {
        match error {
            ClientError::Unreachable { .. } => Self::both("check the address, and that ferryd runs there"),
            ClientError::Lost(_) | ClientError::Timeout(_) => {
                Self::command("run the same command again: a transfer resumes from the received data")
            }
            ClientError::Local { path, error } => match Kind::of_io(error) {
                Kind::Space => Self { command: kept_part(path), ..Self::make_room_here() },
                Kind::FileTooLarge => Self { command: kept_part(path), browser: None },
                Kind::Denied => Self::browser("this computer's permissions do not allow it"),
                _ => Self::default(),
            },
            ClientError::NoRoom { quota: true, needed, available, held, .. } => Self {
                command: Some(over_quota(Some((*needed, *available, Unit::Bytes)), Some((*held, Some(Unit::Bytes))))),
                browser: Some(ROOM_THERE.to_owned()),
            },
            ClientError::NoRoom { near: false, .. } => Self::browser(OPERATOR),
            ClientError::NoRoom { needed, available, .. } => {
                Self { command: Some(missing(*needed, *available, Unit::Bytes)), ..Self::make_room_here() }
            }
            ClientError::SourceChanged => Self::browser("r retries with the current file"),
            ClientError::Refused(refusal) => Self::about_refusal(refusal),
            ClientError::Obstructed { obstacle: Obstacle::Exists, .. } => Self::command(ON_CONFLICT),
            _ => Self::default(),
        }
    }

    fn about_refusal(refusal: &Refusal) -> Self {
        match refusal.code {
            Code::OverQuota => Self {
                command: Some(over_quota(
                    refusal
                        .needed
                        .zip(refusal.available)
                        .zip(refusal.unit)
                        .map(|((needed, free), unit)| (needed, free, unit)),
                    refusal.held.map(|held| (held, refusal.unit)),
                )),
                browser: Some(ROOM_THERE.to_owned()),
            },
            Code::DiskFull => Self::browser(OPERATOR),
            Code::DiskReadOnly | Code::DiskFailing => Self::browser("r retries when the disk works again"),
            Code::NotAllowed => Self::browser("your account may not do this"),
            Code::Exists => Self::command(ON_CONFLICT),
            Code::NotEmpty => Self::command("-r removes a folder with everything below it"),
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
        Self::browser("free some space on this computer, then press r to retry")
    }
}

/// The location of a partial download for which the disk had no space.
fn kept_part(path: &std::path::Path) -> Option<String> {
    let part = part_of(path)?;
    let part = Escaped(part.as_os_str().as_encoded_bytes());
    Some(format!("the received data is kept in {part}: free some space and run the same command again, or remove it"))
}

/// The needed and free amounts, in readable units.
pub(crate) fn missing(needed: u64, available: u64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => format!("{} needed, {} free", human::size(needed), human::size(available)),
        Unit::Files => format!("{} needed, {available} free", human::count(needed, "file", "files")),
    }
}

fn over_quota(short: Option<(u64, u64, Unit)>, held: Option<(u64, Option<Unit>)>) -> String {
    let mut text = String::new();
    if let Some((needed, available, unit)) = short {
        text = missing(needed, available, unit) + "; ";
    }
    match held {
        Some((held, Some(Unit::Bytes))) if held > 0 => {
            text += &format!("unfinished uploads reserve {}, `ferry uploads` shows them", human::size(held));
        }
        Some((held, _)) if held > 0 => text += "unfinished uploads reserve some of it, `ferry uploads` shows them",
        _ => text += "`ferry quota` shows the usage, `ferry du` the size of folders",
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
    fn over_quota_shows_the_missing_amount_and_the_reservations() {
        assert_eq!(
            over_quota(Some(Unit::Bytes)),
            "2.0 KiB needed, 1.0 KiB free; unfinished uploads reserve 512 B, `ferry uploads` shows them"
        );
        assert!(
            over_quota(Some(Unit::Files)).starts_with("2048 files needed, 1024 free; unfinished uploads reserve some")
        );
    }

    #[test]
    fn figures_without_a_unit_are_not_shown() {
        assert_eq!(over_quota(None), "unfinished uploads reserve some of it, `ferry uploads` shows them");
    }

    #[test]
    fn the_wait_that_a_server_asks_for_is_shown_whatever_its_message_says() {
        for message in ["full", "full; try again in 7 s"] {
            let refusal = Refusal { retry_after: Some(7), ..Refusal::new(Code::Busy, message) };
            assert_eq!(Advice::about(&refusal.into()), Advice::both("the server asks to wait 7 s"));
        }
    }
}
