//! The contents of `ferryd top` and the effects of its keys, without a terminal or a server.

use std::{collections::HashMap, time::Duration};

use ferry_server::{
    bandwidth::Direction,
    control::message::{Answer, Ask, Session, Status, Transfer},
};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::{asker::News, float::as_float, quotas::Quotas};

/// Rows of a page.
const PAGE: usize = 10;
/// The maximum length of a message that can be typed here.
const WORD: usize = 500;

/// The sort order of the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    /// By present rate, highest first.
    #[default]
    Rate,
    /// By total bytes, largest first.
    Bytes,
    /// By user name.
    User,
    /// By age, oldest first.
    Age,
}

impl Sort {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Bytes => "bytes",
            Self::User => "user",
            Self::Age => "age",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Rate => Self::Bytes,
            Self::Bytes => Self::User,
            Self::User => Self::Age,
            Self::Age => Self::Rate,
        }
    }
}

/// A dialog over the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dialog {
    /// Asks whether to end this session.
    Kick { id: u64, user: String },
    /// Asks for a message to everybody.
    Broadcast { text: String },
    /// Lists the keys.
    Help,
}

/// The list that the keys act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Focus {
    /// The sessions.
    #[default]
    Sessions,
    /// The users' quotas.
    Quotas,
}

/// Bytes per second in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Rate {
    pub(crate) up: f64,
    pub(crate) down: f64,
}

impl Rate {
    pub(crate) fn sum(self) -> f64 {
        self.up + self.down
    }
}

/// The whole state of the view.
#[derive(Debug, Default)]
pub(crate) struct Top {
    pub(crate) status: Option<Box<Status>>,
    /// In display order.
    pub(crate) sessions: Vec<Session>,
    /// By session.
    pub(crate) rates: HashMap<u64, Rate>,
    pub(crate) total: Rate,
    /// The speed of each transfer, by session, direction and path.
    pub(crate) speeds: HashMap<(u64, Direction, String), f64>,
    /// The time of the present numbers.
    heard: Duration,
    pub(crate) sort: Sort,
    /// The selected session.
    pub(crate) selected: Option<u64>,
    /// The number of its transfers above the first visible one.
    pub(crate) skipped: usize,
    pub(crate) focus: Focus,
    pub(crate) quotas: Quotas,
    pub(crate) dialog: Option<Dialog>,
    /// The result of the last order.
    pub(crate) message: Option<String>,
    /// The reason why there are no news.
    pub(crate) lost: Option<String>,
    pub(crate) quit: bool,
}

impl Top {
    /// Takes news; `now` is from any monotonic clock.
    pub(crate) fn hear(&mut self, news: News, now: Duration) {
        match news {
            News::Fresh(status, sessions) => self.fresh(status, sessions, now),
            News::Lost(why) => self.lost = Some(why),
            News::Done(Ok(answer)) => self.message = said(&answer),
            News::Done(Err(why)) => self.message = Some(why),
        }
    }

    fn fresh(&mut self, status: Box<Status>, sessions: Vec<Session>, now: Duration) {
        let seconds = now.saturating_sub(self.heard).as_secs_f64();
        let rate = |new: u64, old: Option<u64>| match old {
            Some(old) if seconds > 0.0 => as_float(new.saturating_sub(old)) / seconds,
            _ => 0.0,
        };
        let before: HashMap<u64, &Session> = self.sessions.iter().map(|session| (session.id, session)).collect();
        let mut rates = HashMap::new();
        let mut speeds = HashMap::new();
        for session in &sessions {
            let old = before.get(&session.id);
            let up = rate(session.received, old.map(|old| old.received));
            rates.insert(session.id, Rate { up, down: rate(session.sent, old.map(|old| old.sent)) });
            for transfer in &session.transfers {
                let same = |old: &&Transfer| old.direction == transfer.direction && old.path == transfer.path;
                let same = old.and_then(|old| old.transfers.iter().find(same));
                let key = (session.id, transfer.direction, transfer.path.clone());
                speeds.insert(key, rate(transfer.done, same.map(|old| old.done)));
            }
        }
        let old = self.status.as_ref().filter(|old| old.pid == status.pid);
        self.total = Rate {
            up: rate(status.received, old.map(|old| old.received)),
            down: rate(status.sent, old.map(|old| old.sent)),
        };
        (self.rates, self.speeds, self.status, self.sessions) = (rates, speeds, Some(status), sessions);
        (self.heard, self.lost) = (now, None);
        self.arrange();
    }

    fn arrange(&mut self) {
        let rates = &self.rates;
        let rate = |session: &Session| rates.get(&session.id).copied().unwrap_or_default().sum();
        self.sessions.sort_by(|a, b| {
            let order = match self.sort {
                Sort::Rate => rate(b).total_cmp(&rate(a)),
                Sort::Bytes => (b.received + b.sent).cmp(&(a.received + a.sent)),
                Sort::User => a.user.cmp(&b.user),
                Sort::Age => a.since.cmp(&b.since),
            };
            order.then(a.id.cmp(&b.id))
        });
        if self.at().is_none() {
            self.selected = self.sessions.first().map(|session| session.id);
        }
    }

    /// The position of the selected session.
    fn at(&self) -> Option<usize> {
        self.sessions.iter().position(|session| Some(session.id) == self.selected)
    }

    /// Handles a key; returns an order if the key gives one.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Ask> {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            self.quit = true;
            return None;
        }
        match self.dialog.take() {
            Some(Dialog::Kick { id, user }) => match key.code {
                KeyCode::Char('y') => return Some(Ask::Kick { who: id.to_string() }),
                KeyCode::Char('n' | 'q') | KeyCode::Esc => {}
                // Other keys do not answer such a question.
                _ => self.dialog = Some(Dialog::Kick { id, user }),
            },
            Some(Dialog::Broadcast { text }) => return self.typed(text, key),
            Some(Dialog::Help) => {}
            None => self.command(key.code),
        }
        None
    }

    fn typed(&mut self, mut text: String, key: KeyEvent) -> Option<Ask> {
        match key.code {
            KeyCode::Esc => return None,
            KeyCode::Enter if text.trim().is_empty() => return None,
            KeyCode::Enter => return Some(Ask::Broadcast { text }),
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) && text.len() < WORD => text.push(c),
            _ => {}
        }
        self.dialog = Some(Dialog::Broadcast { text });
        None
    }

    fn command(&mut self, key: KeyCode) {
        self.message = None;
        match key {
            KeyCode::Char('q') | KeyCode::Esc => self.quit = true,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.dialog = Some(Dialog::Help),
            KeyCode::Tab => {
                self.focus = match self.focus {
                    Focus::Sessions => Focus::Quotas,
                    Focus::Quotas => Focus::Sessions,
                };
            }
            KeyCode::Char('s') if self.focus == Focus::Quotas => self.quotas.sort = self.quotas.sort.next(),
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.arrange();
            }
            KeyCode::Char('b') => self.dialog = Some(Dialog::Broadcast { text: String::new() }),
            KeyCode::Char('x') | KeyCode::Delete => {
                if let Some(session) = self.at().and_then(|at| self.sessions.get(at)) {
                    self.dialog = Some(Dialog::Kick { id: session.id, user: session.user.clone() });
                }
            }
            KeyCode::Down | KeyCode::Char('j') => self.go(|at, last| (at + 1).min(last)),
            KeyCode::Up | KeyCode::Char('k') => self.go(|at, _| at.saturating_sub(1)),
            KeyCode::PageDown => self.go(|at, last| (at + PAGE).min(last)),
            KeyCode::PageUp => self.go(|at, _| at.saturating_sub(PAGE)),
            KeyCode::Home | KeyCode::Char('g') => self.go(|_, _| 0),
            KeyCode::End | KeyCode::Char('G') => self.go(|_, last| last),
            KeyCode::Right | KeyCode::Char('l') => self.skip(|skipped, last| (skipped + 1).min(last)),
            KeyCode::Left => self.skip(|skipped, _| skipped.saturating_sub(1)),
            _ => {}
        }
    }

    /// Moves in the list that the keys act on; `to` gets the present and the last position.
    fn go(&mut self, to: impl FnOnce(usize, usize) -> usize) {
        if self.focus == Focus::Quotas {
            let count = self.status.as_ref().map_or(0, |status| status.users.len());
            return self.quotas.scroll(count, to);
        }
        let last = self.sessions.len().saturating_sub(1);
        let at = to(self.at().unwrap_or(0), last);
        self.selected = self.sessions.get(at).map(|session| session.id);
        self.skipped = 0;
    }

    /// Scrolls the transfers of the selected session.
    fn skip(&mut self, to: impl FnOnce(usize, usize) -> usize) {
        let transfers = self.at().and_then(|at| self.sessions.get(at)).map_or(0, |session| session.transfers.len());
        self.skipped = to(self.skipped, transfers.saturating_sub(1));
    }
}

fn said(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Kicked { sessions } => {
            let numbers: Vec<_> = sessions.iter().map(u64::to_string).collect();
            Some(format!("ended session {}", numbers.join(", ")))
        }
        Answer::Broadcast { sessions } => Some(format!("told {sessions} session(s)")),
        Answer::Failed { message } => Some(message.clone()),
        _ => None,
    }
}
