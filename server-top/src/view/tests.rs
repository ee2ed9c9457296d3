//! Screens of `ferryd top`, and the effects of its keys and news.

use std::time::Duration;

use ferry_server::control::message::{Answer, Ask, User};
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    style::Modifier,
};

use super::*;
use crate::{asker::News, state::Sort};

fn session(id: u64, user: &str, received: u64, sent: u64, transfers: Vec<Transfer>) -> Session {
    Session {
        id,
        user: user.into(),
        peer: format!("192.0.2.{id}:50000"),
        door: "ferry".into(),
        since: "2026-01-01T00:00:30Z".parse().unwrap(),
        connections: 1 + transfers.len(),
        received,
        sent,
        transfers,
    }
}

fn transfer(direction: Direction, path: &str, size: Option<u64>, done: u64) -> Transfer {
    Transfer { direction, path: path.into(), size, done, seconds: 5 }
}

const MIB: u64 = 1 << 20;

/// The status of the server after `ticks` seconds: anna uploads 10 MiB each second, berta downloads 2, carl idles.
fn news(ticks: u64) -> News {
    let status = include_str!("../../../server/src/metrics/text/status.json");
    let mut status: Status = serde_json::from_str(status).unwrap();
    status.received = ticks * 10 * MIB;
    status.sent = ticks * 2 * MIB;
    status.uptime_seconds = 90 + ticks;
    let up =
        transfer(Direction::Up, "/backups/a very long folder name/disk image.qcow2", Some(100 * MIB), ticks * 10 * MIB);
    let down = transfer(Direction::Down, "/film.mkv", Some(8 * MIB), ticks * 2 * MIB);
    let stream = transfer(Direction::Up, "/stream", None, 7 * MIB);
    News::Fresh(
        Box::new(status),
        vec![
            session(1, "carl", 100, 50_000, vec![]),
            session(2, "berta", 500, ticks * 2 * MIB, vec![down, stream]),
            session(3, "anna", ticks * 10 * MIB, 900, vec![up]),
        ],
    )
}

fn running() -> Top {
    let mut top = Top::default();
    top.hear(news(1), Duration::from_secs(1));
    top.hear(news(2), Duration::from_secs(2));
    press(&mut top, "g");
    top
}

fn press(top: &mut Top, keys: &str) -> Option<Ask> {
    let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
    keys.chars().fold(None, |_, c| {
        top.key(key(match c {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            '\t' => KeyCode::Tab,
            c => KeyCode::Char(c),
        }))
    })
}

/// The screen as text; reversed rows start with a mark.
fn picture(top: &Top, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(top, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| {
        let text: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        let mark = if buffer[(2.min(width - 1), y)].modifier.contains(Modifier::REVERSED) { '>' } else { '|' };
        format!("{mark}{}", text.trim_end())
    };
    (0..height).map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn sessions_transfers_rates_and_quotas_are_seen() {
    insta::assert_snapshot!(picture(&running(), 100, 18));
}

#[test]
fn a_small_screen_keeps_the_selected_session_in_sight() {
    let mut top = running();
    press(&mut top, "G");
    let small = picture(&top, 60, 11);
    assert!(small.lines().any(|line| line.starts_with('>') && line.contains("carl")), "{small}");
    insta::assert_snapshot!(small);
    for (width, height) in [(1, 1), (3, 2), (20, 5), (300, 60)] {
        press(&mut top, "b");
        // It must not panic, however little room there is.
        picture(&top, width, height);
        press(&mut top, "\u{1b}");
    }
}

#[test]
fn a_kick_is_asked_about_and_only_yes_does_it() {
    let mut top = running();
    assert_eq!(press(&mut top, "x"), None);
    insta::assert_snapshot!(picture(&top, 80, 16));
    assert_eq!(press(&mut top, "z\n"), None, "another key is no answer");
    assert_eq!(press(&mut top, "n"), None);
    assert!(top.dialog.is_none());
    assert_eq!(press(&mut top, "xy"), Some(Ask::Kick { who: "3".into() }));
    top.hear(News::Done(Ok(Answer::Kicked { sessions: vec![3] })), Duration::from_secs(3));
    assert!(picture(&top, 80, 16).contains("ended session 3"));
}

#[test]
fn the_question_is_about_the_session_it_was_put_for() {
    let mut top = running();
    press(&mut top, "x");
    // Meanwhile the order on the screen changes.
    press(&mut top, "z");
    top.sort = Sort::Age;
    top.hear(news(3), Duration::from_secs(3));
    assert_eq!(press(&mut top, "y"), Some(Ask::Kick { who: "3".into() }));
}

#[test]
fn a_broadcast_is_typed_and_sent() {
    let mut top = running();
    assert_eq!(press(&mut top, "bquiet now?\u{8}!\n"), Some(Ask::Broadcast { text: "quiet now!".into() }));
    assert_eq!(press(&mut top, "b  \n"), None, "nothing is nothing to say");
    assert_eq!(press(&mut top, "bq\u{1b}"), None);
    assert!(!top.quit && top.dialog.is_none(), "q is a letter there");
    press(&mut top, "q");
    assert!(top.quit);
}

#[test]
fn sorting_keeps_the_selection_and_goes_round() {
    let mut top = running();
    let order = |top: &Top| top.sessions.iter().map(|session| session.id).collect::<Vec<_>>();
    assert_eq!(order(&top), [3, 2, 1], "by rate");
    press(&mut top, "j");
    assert_eq!(top.selected, Some(2));
    press(&mut top, "ss");
    assert_eq!((top.sort, order(&top)), (Sort::User, vec![3, 2, 1]));
    press(&mut top, "s");
    assert_eq!((top.sort, order(&top), top.selected), (Sort::Age, vec![1, 2, 3], Some(2)));
    press(&mut top, "s");
    assert_eq!(top.sort, Sort::Rate);
}

#[test]
fn quotas_are_sorted_and_scrolled_where_they_do_not_fit() {
    let mut top = running();
    let Some(status) = &mut top.status else { panic!("no status") };
    status.users = (0..20)
        .map(|number| User {
            name: format!("user{number:02}"),
            used: (19 - number) * MIB,
            reserved: 0,
            quota: Some(100 * MIB),
            files: 1,
            max_files: None,
        })
        .collect();
    let list = |top: &Top| {
        let picture = picture(top, 90, 24);
        let shown = picture.lines().filter_map(|line| line.get(1..7).filter(|name| name.starts_with("user")));
        (shown.map(str::to_owned).collect::<Vec<_>>(), picture)
    };
    let (shown, picture) = list(&top);
    assert!(shown[0] == "user00" && shown.len() == 6 && picture.contains("QUOTAS 1 to 6 of 20, by share"), "{picture}");
    press(&mut top, "\t");
    press(&mut top, "jj");
    let (shown, picture) = list(&top);
    assert!(shown[0] == "user02" && picture.contains("QUOTAS 3 to 8 of 20"), "{picture}");
    assert_eq!(top.selected, Some(3), "the sessions stay as they are");
    press(&mut top, "G");
    assert_eq!(list(&top).0[5], "user19");
    press(&mut top, "jgss");
    let (shown, picture) = list(&top);
    assert!(shown[0] == "user00" && picture.contains("by user") && picture.contains("s sort (by user)"), "{picture}");
    press(&mut top, "\t");
    press(&mut top, "j");
    assert_eq!(top.selected, Some(2));
}

#[test]
fn the_transfers_of_a_session_that_do_not_fit_are_scrolled() {
    let mut top = running();
    top.sessions[0].transfers =
        (0..30).map(|number| transfer(Direction::Up, &format!("/file{number:02}"), Some(MIB), 0)).collect();
    assert!(picture(&top, 80, 16).contains("/file00") && !picture(&top, 80, 16).contains("/file20"));
    let right = KeyEvent::new(KeyCode::Right, KeyModifiers::NONE);
    (0..20).for_each(|_| drop(top.key(right)));
    assert!(picture(&top, 80, 16).contains("/file20") && !picture(&top, 80, 16).contains("/file00"));
    (0..20).for_each(|_| drop(top.key(right)));
    assert!(picture(&top, 80, 16).contains("/file29"));
    top.key(KeyEvent::new(KeyCode::Left, KeyModifiers::NONE));
    assert!(picture(&top, 80, 16).contains("/file28"));
}

#[test]
fn a_page_of_sessions_is_passed_at_once() {
    let mut top = running();
    top.sessions = (1..=25).map(|id| session(id, "anna", 0, 0, vec![])).collect();
    top.selected = Some(1);
    let mut paged = |code| {
        top.key(KeyEvent::new(code, KeyModifiers::NONE));
        top.selected
    };
    assert_eq!([KeyCode::PageDown, KeyCode::PageDown].map(&mut paged), [Some(11), Some(21)]);
    assert_eq!([KeyCode::PageDown, KeyCode::PageUp].map(paged), [Some(25), Some(15)]);
}

#[test]
fn a_lost_server_is_reported_and_its_last_numbers_stay() {
    let mut top = running();
    top.hear(News::Lost("no server answers at /x".into()), Duration::from_secs(3));
    let gone = picture(&top, 80, 16);
    assert!(
        gone.contains("not reached") && gone.contains("no server answers at /x") && gone.contains("anna"),
        "{gone}"
    );
    // The counters of a new server start at zero: the difference is not a rate.
    let News::Fresh(mut status, sessions) = news(1) else { panic!("news") };
    status.pid += 1;
    top.hear(News::Fresh(status, sessions), Duration::from_secs(4));
    assert!(top.lost.is_none() && top.total.sum() == 0.0);
}

#[test]
fn help_names_every_key() {
    let mut top = running();
    press(&mut top, "?");
    insta::assert_snapshot!(picture(&top, 80, 18));
    press(&mut top, " ");
    assert!(top.dialog.is_none());
}

#[test]
fn long_and_wide_names_fill_their_cells_exactly() {
    let cells = |text: &str| text.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>();
    for text in ["", "short", "exactly ten", "a much longer name than fits", "日本語のとても長いファイル名"]
    {
        for width in [1, 2, 10, 11, 40] {
            assert_eq!(cells(&fitted(text, width)), width, "{text} in {width}");
        }
    }
    assert_eq!(fitted("/a/b/c.txt", 6), "…c.txt".to_owned());
}
