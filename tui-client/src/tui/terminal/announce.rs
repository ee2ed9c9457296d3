//! The transfers outside of the browser's screen: the title of the terminal, its progress bar, and a notification for
//! a person who looks elsewhere.
//!
//! Progress is the sequence OSC 9;4 of ConEmu. Terminals that do not know it may show it as a notification, so it is
//! written only to those that are known to support it.

use std::{fmt::Write as _, time::Duration};

use ferry_shared::name::Escaped;

use crate::{
    human,
    tui::{
        config::{Notify, Settings},
        state::{State, transfers::Counts},
    },
};

/// Without keys for this long, a person is assumed to look elsewhere.
const AWAY: Duration = Duration::from_secs(10);
/// Transfers that end sooner are not worth a notification.
const LONG: Duration = Duration::from_secs(10);
/// The most characters of a title.
const TITLE: usize = 120;

/// Saves the title of the terminal.
const PUSH_TITLE: &str = "\x1b[22;2t";
/// Restores the title of the terminal.
const POP_TITLE: &str = "\x1b[23;2t";
const NO_PROGRESS: &str = "\x1b]9;4;0\x1b\\";

/// The parts of it that a terminal gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announces {
    /// The title.
    pub(crate) title: bool,
    /// The progress bar.
    pub(crate) progress: bool,
    /// Notifications.
    pub(crate) notify: Notify,
}

impl Announces {
    /// As the settings say, if the terminal of this process can show it.
    pub(crate) fn of_process(settings: &Settings) -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        Self {
            title: settings.title && has_title(&var("TERM")),
            progress: settings.title && has_progress(var),
            notify: settings.notify,
        }
    }

    /// The bytes that begin it.
    pub(super) fn begin(self) -> &'static str {
        if self.title { PUSH_TITLE } else { "" }
    }

    /// The bytes that leave the terminal as it was.
    pub(super) fn end(self) -> String {
        let progress = if self.progress { NO_PROGRESS } else { "" };
        format!("{progress}{}", if self.title { POP_TITLE } else { "" })
    }
}

fn has_title(term: &str) -> bool {
    !term.is_empty() && !["dumb", "linux", "vt1", "vt2"].iter().any(|without| term.starts_with(without))
}

/// Whether the terminal is known to show progress.
fn has_progress(var: impl Fn(&str) -> String) -> bool {
    // Programs inside of these have the variables of the terminal around them.
    if !var("TMUX").is_empty() || var("TERM").starts_with("screen") {
        return false;
    }
    !var("WT_SESSION").is_empty()
        || var("ConEmuANSI") == "ON"
        || matches!(var("TERM_PROGRAM").as_str(), "WezTerm" | "ghostty")
        || var("TERM_FEATURES").contains('P')
}

/// The state of the progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bar {
    None,
    Running(u64),
    Failed(u64),
    Unknown,
    Paused(u64),
}

/// Finds out what is to be written as the state changes.
#[derive(Debug)]
pub(super) struct Announcer {
    announces: Announces,
    title: Option<String>,
    bar: Bar,
    busy_since: Option<Duration>,
    asking: usize,
}

impl Announcer {
    pub(super) fn new(announces: Announces) -> Self {
        Self { announces, title: None, bar: Bar::None, busy_since: None, asking: 0 }
    }

    /// The state of the terminal is not known any more.
    pub(super) fn forget(&mut self) {
        (self.title, self.bar) = (None, Bar::None);
    }

    /// The bytes for what has changed.
    pub(super) fn look(&mut self, state: &State) -> String {
        let counts = state.transfers.counts(state.now);
        let percent = state.transfers.total().permille() / 10;
        let mut out = String::new();
        let title = title(state, &counts, percent);
        if self.announces.title && self.title.as_ref() != Some(&title) {
            let _ = write!(out, "\x1b]2;{title}\x1b\\");
            self.title = Some(title);
        }
        let bar = bar(state, &counts, percent);
        if self.announces.progress && self.bar != bar {
            let (kind, percent) = match bar {
                Bar::None => (0, 0),
                Bar::Running(percent) => (1, percent),
                Bar::Failed(percent) => (2, percent),
                Bar::Unknown => (3, 0),
                Bar::Paused(percent) => (4, percent),
            };
            let _ = write!(out, "\x1b]9;4;{kind};{percent}\x1b\\");
            self.bar = bar;
        }
        if let Some(text) = self.notice(state, &counts) {
            match self.announces.notify {
                Notify::Off => {}
                Notify::Bell => out.push('\x07'),
                Notify::Desktop => {
                    let _ = write!(out, "\x1b]9;{text}\x1b\\");
                }
            }
        }
        out
    }

    /// The reason to call a person who looks elsewhere.
    fn notice(&mut self, state: &State, counts: &Counts) -> Option<String> {
        let away = state.now.saturating_sub(state.touched) >= AWAY;
        let asked = self.asking == 0 && counts.asking > 0;
        self.asking = counts.asking;
        if state.transfers.is_unfinished() {
            self.busy_since.get_or_insert(state.now);
            return (asked && away).then(|| format!("ferry: {}", asking(counts)));
        }
        let since = self.busy_since.take()?;
        if !away || state.now.saturating_sub(since) < LONG {
            return None;
        }
        Some(match counts.failed {
            0 => "ferry: the transfers have finished".to_owned(),
            _ => format!("ferry: the transfers have finished, {}", failed(counts)),
        })
    }
}

fn asking(counts: &Counts) -> String {
    human::count(u64::try_from(counts.asking).unwrap_or(u64::MAX), "needs an answer", "need an answer")
}

fn failed(counts: &Counts) -> String {
    format!("{} failed", counts.failed)
}

/// The title: the state of the transfers, and the server of the active pane, or of the other one.
fn title(state: &State, counts: &Counts, percent: u64) -> String {
    let mut title = if counts.asking > 0 {
        format!("{} - ", asking(counts))
    } else if state.transfers.is_busy(state.now) {
        format!("{percent} % - ")
    } else if counts.failed > 0 {
        format!("{} - ", failed(counts))
    } else if counts.paused > 0 {
        "paused - ".to_owned()
    } else {
        String::new()
    };
    title.push_str("ferry");
    let server = [state.pane(), state.other()].into_iter().find_map(|pane| pane.place.target());
    if let Some(server) = server {
        // The name was typed, or came from a file: it must not end the sequence.
        let _ = write!(title, " {}", Escaped(server.to_string().as_bytes()));
    }
    title.chars().take(TITLE).collect()
}

fn bar(state: &State, counts: &Counts, percent: u64) -> Bar {
    let total = state.transfers.total();
    match () {
        () if !state.transfers.is_unfinished() => Bar::None,
        () if counts.asking > 0 || !state.transfers.is_busy(state.now) => Bar::Paused(percent),
        () if counts.failed > 0 => Bar::Failed(percent),
        () if total.counting => Bar::Unknown,
        () => Bar::Running(percent),
    }
}

#[cfg(test)]
mod tests {
    use ferry_client::transfer::Event as EngineEvent;

    use super::*;
    use crate::tui::{
        event::Event,
        fixture::{Fixture, asks, done, fails, job},
    };

    const ALL: Announces = Announces { title: true, progress: true, notify: Notify::Desktop };

    fn engine(fixture: &mut Fixture, event: EngineEvent) {
        fixture.event(Event::Transfer(event));
    }

    #[test]
    fn the_title_and_the_bar_follow_the_transfers_and_are_written_only_when_they_change() {
        let mut fixture = Fixture::connected();
        let mut announcer = Announcer::new(ALL);
        assert_eq!(announcer.look(&fixture.state), "\x1b]2;ferry alice@files.example.org:7021\x1b\\");
        fixture.keys("j");
        fixture.copy(1);
        fixture.progress(vec![job(1, (0, 1), (42, 100), 0)], Vec::new(), 42);
        let busy = "\x1b]2;42 % - ferry alice@files.example.org:7021\x1b\\\x1b]9;4;1;42\x1b\\";
        assert_eq!(announcer.look(&fixture.state), busy);
        assert_eq!(announcer.look(&fixture.state), "");
        announcer.forget();
        assert_eq!(announcer.look(&fixture.state), busy);
        engine(&mut fixture, asks(1, 1, "photos", "a"));
        assert!(announcer.look(&fixture.state).contains("]2;1 needs an answer - ferry"));
        let off = Announces { title: false, progress: false, notify: Notify::Off };
        assert_eq!(Announcer::new(off).look(&fixture.state), "");
    }

    #[test]
    fn only_the_end_of_long_transfers_calls_and_only_a_person_who_pressed_no_key() {
        for (seconds, key, failed, called) in
            [(11, false, 0, true), (11, false, 1, true), (9, false, 0, false), (11, true, 0, false)]
        {
            let mut fixture = Fixture::connected();
            let mut announcer = Announcer::new(ALL);
            fixture.keys("j");
            fixture.copy(1);
            announcer.look(&fixture.state);
            fixture.wait(seconds * 1000);
            if key {
                fixture.keys("j");
            }
            if failed > 0 {
                engine(&mut fixture, fails(1, 1, "a", ferry_client::ClientError::closed()));
            }
            engine(&mut fixture, done(1, failed));
            let written = announcer.look(&fixture.state);
            assert_eq!(written.contains("\x1b]9;ferry: the transfers have finished"), called, "{written:?}");
            assert_eq!(written.contains("finished, 1 failed"), called && failed > 0, "{written:?}");
            assert!(!announcer.look(&fixture.state).contains("]9;ferry"), "it is said once");
        }
    }

    #[test]
    fn a_question_calls_a_person_who_pressed_no_key() {
        let mut fixture = Fixture::connected();
        let mut announcer = Announcer::new(Announces { title: false, progress: false, notify: Notify::Bell });
        fixture.keys("j");
        fixture.copy(1);
        announcer.look(&fixture.state);
        fixture.wait(11_000);
        engine(&mut fixture, asks(1, 1, "photos", "a"));
        assert_eq!(announcer.look(&fixture.state), "\x07");
        engine(&mut fixture, asks(2, 1, "photos", "b"));
        assert_eq!(announcer.look(&fixture.state), "", "one call is enough for several questions");
    }

    #[test]
    fn a_hostile_server_name_ends_no_sequence() {
        let mut fixture = Fixture::connected();
        let evil = ferry_client::connect::Target::ferry("al\x1b\\\x07\u{9c}", "h", 1);
        let path = ferry_shared::path::RemotePath::home();
        fixture.state.pane_mut().place = crate::tui::state::place::Place::remote(evil, path);
        let written = Announcer::new(ALL).look(&fixture.state);
        let inside = written.strip_prefix("\x1b]2;").and_then(|rest| rest.strip_suffix("\x1b\\")).unwrap();
        assert!(!inside.contains(char::is_control), "{written:?}");
    }

    #[test]
    fn progress_is_for_terminals_that_are_known_to_show_it() {
        let with = |set: &[(&str, &str)]| {
            has_progress(|name| set.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value).to_owned())
        };
        assert!(with(&[("WT_SESSION", "x")]) && with(&[("TERM_PROGRAM", "ghostty")]));
        assert!(!with(&[]) && !with(&[("TERM_PROGRAM", "Apple_Terminal")]));
        assert!(!with(&[("TERM_PROGRAM", "ghostty"), ("TMUX", "/tmp/x")]));
        assert!(has_title("xterm-256color") && !has_title("linux") && !has_title("") && !has_title("dumb"));
    }
}
