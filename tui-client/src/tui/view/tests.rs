//! Screens with their styles at three sizes. Review each snapshot before accepting it.

mod preview;

use std::{collections::BTreeMap, fmt::Write as _};

use ferry_client::{ClientError, sync::Plan};
use ferry_shared::{
    message::reply::Registration,
    path::RemotePath,
    refusal::{Code, Refusal},
};
use ratatui::{
    buffer::Buffer,
    style::{Modifier, Style},
};

use crate::tui::{
    effect::Effect,
    event::{Answer, Event},
    fixture::{Fixture, begin, done, entry, greeting, key, plan, server},
    state::{
        appearance::{self, Appearance, Depth},
        dialog::{FoundItem, Steps, TrustView},
        listing::Amount,
        problem::Problem,
        task::Left,
        transfers::{Deleted, Key},
    },
    update::Begin,
};

/// A style in a word.
fn word(style: Style) -> String {
    let mut word = String::new();
    let names = [
        (Modifier::BOLD, "bold"),
        (Modifier::DIM, "dim"),
        (Modifier::ITALIC, "italic"),
        (Modifier::UNDERLINED, "underline"),
        (Modifier::REVERSED, "reverse"),
    ];
    let colour = |colour: Option<ratatui::style::Color>| match colour {
        None | Some(ratatui::style::Color::Reset) => "default".to_owned(),
        Some(colour) => colour.to_string(),
    };
    let _ = write!(word, "{} on {}", colour(style.fg), colour(style.bg));
    for (_, name) in names.iter().filter(|(modifier, _)| style.add_modifier.contains(*modifier)) {
        let _ = write!(word, " {name}");
    }
    word
}

/// The text of a screen, below it a letter for each cell's style, below that a legend of the letters.
fn picture(text: &str, buffer: &Buffer) -> String {
    let mut letters: BTreeMap<String, char> = BTreeMap::new();
    letters.insert("default on default".to_owned(), '.');
    let mut grid = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        for x in 0..buffer.area.width {
            let next = char::from(b'a' + u8::try_from(letters.len() - 1).unwrap());
            line.push(*letters.entry(word(buffer[(x, y)].style())).or_insert(next));
        }
        let _ = writeln!(grid, "{}", line.trim_end_matches('.'));
    }
    let mut legend: Vec<(char, String)> = letters.into_iter().map(|(word, letter)| (letter, word)).collect();
    legend.sort();
    let legend: String = legend.into_iter().skip(1).map(|(letter, word)| format!("{letter} = {word}\n")).collect();
    format!("{text}\n{}\n\n{legend}", grid.trim_end())
}

/// Keeps a screen at three sizes.
fn keep(name: &str, fixture: &mut Fixture) {
    for (width, height) in [(80, 24), (120, 40), (60, 20)] {
        fixture.size(width, height);
        let shown = picture(&fixture.text(), &fixture.buffer());
        insta::assert_snapshot!(format!("{name}-{width}x{height}"), shown);
    }
}

fn count(fixture: &mut Fixture, bytes: u64, more: bool) {
    let ticket = fixture.ticket();
    let amount = Amount { files: 1234, folders: 56, bytes };
    fixture.event(Event::Answer(ticket, Answer::Counted { amount, unreadable: 0, left_out: 0, more }));
}

#[test]
fn browsing() {
    keep("browsing", &mut Fixture::connected());
}

#[test]
fn marks() {
    let mut fixture = Fixture::connected();
    keep("marks", fixture.keys("j j space space"));
    keep("range", fixture.keys("j v j"));
}

#[test]
fn the_other_pane() {
    keep("remote", Fixture::connected().keys("tab j j"));
}

#[test]
fn finding_and_filtering() {
    keep("find", Fixture::connected().keys("/").type_text("photo"));
    keep("find-nothing", Fixture::connected().keys("/").type_text("xyz"));
    keep("filter", Fixture::connected().keys("f").type_text("jpg"));
}

#[test]
fn which_key() {
    keep("which-key", Fixture::connected().keys("g"));
}

#[test]
fn copying() {
    let mut fixture = Fixture::connected();
    fixture.keys("j space j j space f5");
    count(&mut fixture, 3 << 30, true);
    keep("copy-counting", &mut fixture);
    count(&mut fixture, 4 << 30, false);
    keep("copy-fits", &mut fixture);
    let mut fixture = Fixture::connected();
    fixture.keys("j f6");
    count(&mut fixture, 40 << 30, false);
    keep("move-does-not-fit", &mut fixture);
    keep("start-anyway", fixture.keys("enter"));
}

#[test]
fn copying_on_the_server() {
    let mut fixture = Fixture::connected();
    fixture.keys("g o");
    fixture.answer_lists(vec![entry("albums/", 0, 18), entry("other/", 0, 2), entry("a.txt", 5, 1)]);
    fixture.keys("tab g r");
    fixture.answer_lists(vec![entry("photos/", 0, 18), entry("b.txt", 5, 1)]);
    keep("copy-there", fixture.keys("j j f5"));
}

#[test]
fn deleting() {
    let mut fixture = Fixture::connected();
    fixture.keys("ctrl-a f8");
    count(&mut fixture, 7 << 30, false);
    keep("delete", &mut fixture);
}

#[test]
fn comparing() {
    let mut fixture = Fixture::connected();
    fixture.keys("=");
    fixture.comparing(Steps { listed: (1200, 345), answered: (0, 0) });
    keep("comparison-listing", &mut fixture);
    fixture.compared(plan());
    keep("comparison", fixture.keys("j j j"));
    fixture.keys("k space d");
    fixture.comparing(Steps { listed: (1200, 345), answered: (1, 2) });
    keep("comparison-looking", &mut fixture);
    fixture.compared(Plan { at_target: 3, ..plan() });
    keep("comparison-deletions", fixture.keys("G"));
    keep("comparison-doubt", fixture.keys("y"));
    let mut fixture = Fixture::connected();
    fixture.keys("=");
    fixture.compared(Plan { unchanged: 77, ..Plan::default() });
    keep("comparison-same", &mut fixture);
    let mut fixture = Fixture::connected();
    fixture.keys("=");
    fixture.compared(plan());
    fixture.keys("d");
    fixture.compared(plan());
    fixture.keys("y");
    let key = fixture.state.transfers.all()[0].key;
    fixture.event(Event::Started(key, ferry_client::transfer::JobId(1)));
    fixture.event(Event::Transfer(done(1, 0)));
    fixture.event(Event::Deleting(key, (1, 2)));
    keep("sync-deleting", &mut fixture);
    fixture.event(Event::Deleted(key, Deleted { deleted: 2, kept: Vec::new(), stopped: None }));
    keep("sync-done", &mut fixture);
    keep("sync-details", fixture.keys("w enter"));
}

#[test]
fn lines_to_fill_in() {
    keep("rename", Fixture::connected().keys("j j j f2"));
    keep("new-folder", Fixture::connected().keys("f7").type_text("trip"));
    keep("go-to", Fixture::connected().keys("tab g /"));
    keep("mark-matching", Fixture::connected().keys("+"));
    let mut fixture = Fixture::connected();
    keep("bad-name", fixture.keys("f7").type_text("a/b").keys("enter"));
    keep("speed", Fixture::busy().keys("w s"));
}

#[test]
fn transfers_running_failed_and_asking() {
    let mut fixture = Fixture::busy();
    keep("strip", &mut fixture);
    keep("transfers", fixture.keys("w"));
    keep("transfer-details", fixture.keys("enter"));
    keep("failed-details", fixture.keys("esc j j enter"));
    keep("conflict", fixture.keys("esc A"));
    keep("conflict-for-all", fixture.keys("tab tab tab"));
}

#[test]
fn transfers_paused() {
    let mut fixture = Fixture::busy();
    keep("paused", fixture.keys("P w"));
}

#[test]
fn no_transfers() {
    keep("transfers-none", Fixture::connected().keys("w"));
}

#[test]
fn transfers_that_cannot_reach_the_server() {
    let mut fixture = Fixture::busy();
    let error = ClientError::closed();
    let retry_in = std::time::Duration::from_secs(7);
    let lost = ferry_client::transfer::LinkEvent::Lost {
        site: "ferry://alice@files.example.org:7021".into(),
        error,
        retry_in,
        attempt: 2,
    };
    fixture.event(Event::Transfer(ferry_client::transfer::Event::Link(lost)));
    keep("transfers-stalled", &mut fixture);
}

#[test]
fn offline() {
    let mut fixture = Fixture::connected();
    let problem = Problem::new("the server closed it").of(crate::fault::Kind::Offline);
    fixture.event(Event::Lost { server: server().target, problem, retry_in: std::time::Duration::from_secs(9) });
    keep("lost", &mut fixture);
    keep("lost-remote", fixture.keys("tab"));
    let mut fixture = Fixture::fresh();
    fixture.answer_lists(vec![entry("a", 1, 1)]);
    keep("not-connected", fixture.keys("esc tab"));
}

#[test]
fn connecting() {
    keep("connect", &mut Fixture::fresh());
    keep("connect-fault", Fixture::fresh().type_text("host").keys("enter"));
    let mut sites = Fixture::fresh().with_sites();
    keep("sites", sites.keys("esc f9"));
    keep("site-edit", sites.keys("e"));
    keep("site-remove", sites.keys("esc d"));
    let mut fixture = Fixture::of(begin(Some(server())));
    keep("reaching", &mut fixture);
    fixture.event(Event::Trust(TrustView { host: "files.example.org:7021".into(), key: key() }));
    keep("trust", &mut fixture);
    fixture.keys("y");
    fixture.greet();
    keep("password", fixture.type_text("secret"));
    fixture.keys("enter");
    fixture.wait(500);
    keep("password-checking", &mut fixture);
    let ticket = fixture.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
    let problem = Problem::from(&ClientError::from(Refusal::new(Code::LoginFailed, "wrong user or password")));
    fixture.event(Event::Answer(ticket, Answer::Failed(problem)));
    keep("password-wrong", &mut fixture);
}

#[test]
fn making_an_account() {
    let mut fixture = Fixture::of(begin(Some(server())));
    let ticket = fixture.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
    let open = crate::tui::state::connection::Greeting { registration: Registration::Invite, ..greeting() };
    fixture.event(Event::Answer(ticket, Answer::Greeted(open)));
    keep("password-or-account", &mut fixture);
    keep("register", fixture.keys("ctrl-n"));
}

#[test]
fn a_changed_key_stops() {
    let mut fixture = Fixture::of(begin(Some(server())));
    let ticket = fixture.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
    let error = ClientError::ChangedKey {
        host: "files.example.org:7021".into(),
        expected: key(),
        found: "SHA256:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek".parse().unwrap(),
        known_servers: "/home/al/.local/state/ferry/known_servers".into(),
    };
    fixture.event(Event::Answer(ticket, Answer::Failed(Problem::from(&error))));
    keep("changed-key", &mut fixture);
}

#[test]
fn quitting_and_going_on() {
    keep("quit", Fixture::busy().keys("q"));
    let mut fixture = Fixture::fresh();
    let order = crate::tui::state::transfers::Transfer::sample().order;
    let left = |key| Left { agreed: false, key: Key(key), order: order.clone() };
    fixture.event(Event::Left(vec![left(1), left(2)]));
    keep("resume", &mut fixture);
}

#[test]
fn choosing_a_command_and_the_help() {
    keep("palette", Fixture::connected().keys(":"));
    keep("palette-typed", Fixture::connected().keys(":").type_text("sort time"));
    keep("help", Fixture::connected().keys("?"));
    keep("help-typed", Fixture::connected().keys("?").type_text("divider"));
}

#[test]
fn explanations_are_whole_on_every_size() {
    let more = appearance::Appearance::default().signs.more;
    for (width, height) in [(60, 20), (80, 24), (120, 40)] {
        let mut fixture = Fixture::connected();
        fixture.size(width, height);
        fixture.keys(":").type_text("step-together");
        let words =
            |fixture: &Fixture| fixture.text().split_whitespace().collect::<Vec<_>>().join(" ").replace(" │", "");
        let text = words(&fixture).replace("│ ", "");
        assert!(text.contains("one follows into folders of the same name"), "{text}");
        let mut fixture = Fixture::connected();
        fixture.size(width, height);
        fixture.keys("?").type_text("step");
        let text = words(&fixture).replace("│ ", "");
        assert!(!fixture.text().contains(more) && text.contains("of the same name"), "{text}");
        // The last line can be scrolled to.
        fixture.keys("ctrl-u").type_text("");
        for _ in 0..40 {
            fixture.keys("pagedown");
        }
        let last = *Fixture::connected()
            .keys("?")
            .state
            .dialogs
            .last()
            .map(|dialog| match dialog {
                crate::tui::state::dialog::Dialog::Help(help) => help.lines.last().unwrap(),
                _ => panic!(),
            })
            .unwrap();
        let crate::tui::state::dialog::HelpLine::Command(_, row) = last else { panic!() };
        assert!(fixture.text().contains(row.help.split(' ').next_back().unwrap()), "{}", fixture.text());
    }
}

#[test]
fn bookmarks_and_what_a_search_found() {
    let mut fixture = Fixture::connected();
    fixture.keys("g a tab g a");
    keep("bookmarks", fixture.keys("g b"));
    let mut fixture = Fixture::connected();
    fixture.keys("tab F").type_text("raw").keys("enter");
    let ticket = fixture.ticket();
    let item = |under: &str, name: &str| FoundItem {
        under: RemotePath::from_typed(under.as_bytes()).unwrap(),
        item: entry(name, 24 << 20, 4),
    };
    let items = vec![item("", "holiday.raw"), item("albums/2023", "rawhide.jpg"), item("albums", "raw/")];
    fixture.event(Event::Answer(ticket, Answer::Found { items, more: false }));
    keep("found", fixture.keys("j"));
}

#[test]
fn details_and_a_file() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j i");
    keep("details-computing", &mut fixture);
    let ticket = fixture.ticket();
    fixture.event(Event::Answer(
        ticket,
        Answer::Digest("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262".into()),
    ));
    keep("details", &mut fixture);
    let mut fixture = Fixture::connected();
    fixture.keys("tab j j j j f3");
    keep("view-reading", &mut fixture);
    let ticket = fixture.ticket();
    let text = "# A file\n\nWith a line that is quite long, so long that it has to be broken somewhere on a screen of eighty columns.\n\tand tabs\n\u{1b}[2J and things that are hostile\n";
    let size = text.len() as u64;
    fixture.event(Event::Answer(ticket, Answer::Block { index: 0, bytes: text.into(), size }));
    keep("view-text", &mut fixture);
    keep("view-find", fixture.keys("/").type_text("that"));
    keep("view-hex", fixture.keys("enter x"));
}

#[test]
fn messages() {
    let faults = vec!["keys.toml, line 3: there is no command `copyy` in [browse]".to_owned()];
    keep("faults", &mut Fixture::of(Begin { faults, ..begin(None) }));
    let mut fixture = Fixture::connected();
    keep("toast", fixture.keys("."));
    keep("warning", fixture.keys("n"));
    let mut fixture = Fixture::connected();
    fixture.keys("tab g u");
    let ticket = fixture.effects.iter().find_map(|effect| match effect {
        Effect::Uploads(ticket, _) => Some(*ticket),
        _ => None,
    });
    fixture.event(Event::Answer(ticket.unwrap(), Answer::Uploads(Vec::new())));
    keep("account", &mut fixture);
}

#[test]
fn the_way_out_of_a_box_is_shown_where_there_is_little_room() {
    for keys in ["f5", "f8", "w", ":", "f2", "g b", "i", "q", "A", "f9"] {
        let mut fixture = Fixture::busy();
        fixture.size(60, 20);
        fixture.keys(keys);
        assert!(fixture.text().lines().any(|line| line.contains("Esc ")), "{keys}: {}", fixture.text());
    }
}

#[test]
fn a_word_that_is_longer_than_a_line_takes_more_of_them() {
    let mut fixture = Fixture::connected();
    fixture.size(60, 20);
    fixture.state.warn(format!("{} the end of it", "a long cause of some trouble ".repeat(4)));
    assert!(fixture.text().contains("the end of it"), "{}", fixture.text());
}

#[test]
fn a_folder_that_cannot_be_read_shows_the_way_out() {
    let mut fixture = Fixture::connected();
    fixture.keys("j enter");
    let ticket = fixture.ticket();
    fixture.event(Event::Answer(ticket, Answer::Failed(Problem::new("permission denied"))));
    let text = fixture.text();
    assert!(text.contains("../") && text.contains("permission denied"), "{text}");
}

#[test]
fn tabs() {
    keep("tabs", Fixture::connected().keys("t"));
}

#[test]
fn too_small() {
    let mut fixture = Fixture::connected();
    fixture.size(40, 10);
    insta::assert_snapshot!("too-small-40x10", picture(&fixture.text(), &fixture.buffer()));
    fixture.size(1, 1);
    let _ = fixture.buffer();
}

#[test]
fn other_looks() {
    let mut fixture = Fixture::busy();
    fixture.size(80, 24);
    fixture.state.appearance = Appearance::new(appearance::ASCII, Depth::None);
    fixture.state.keymap.set_plain(true);
    insta::assert_snapshot!("ascii-no-colour-80x24", picture(&fixture.text(), &fixture.buffer()));
    assert!(fixture.text().contains(r"r\u{e9}sum\u{e9}") && fixture.text().is_ascii(), "{}", fixture.text());
    assert!(fixture.keys("w").text().is_ascii(), "{}", fixture.text());
    fixture.keys("w");
    let looks = [("light", Depth::Sixteen), ("plain", Depth::Sixteen), ("light", Depth::All), ("dark", Depth::All)];
    for (theme, depth) in looks {
        fixture.state.appearance = Appearance::new(appearance::ASCII, depth);
        assert!(fixture.state.appearance.choose(theme));
        let name = format!("theme-{theme}-{depth:?}-80x24").to_lowercase();
        insta::assert_snapshot!(name, picture(&fixture.text(), &fixture.buffer()));
    }
}

#[test]
fn no_size_is_too_odd_to_draw() {
    for keys in ["", "f5", "f8", "w", "?", ":", "g", "f7", "/", "f9", "q", "i", "A", "=", "t"] {
        let mut fixture = Fixture::busy();
        if !keys.is_empty() {
            fixture.keys(keys);
        }
        if keys == "=" {
            fixture.compared(plan());
        }
        for (width, height) in [(0, 0), (3, 3), (50, 12), (51, 13), (99, 12), (100, 12), (500, 12), (50, 200)] {
            fixture.size(width, height);
            let _ = fixture.buffer();
        }
    }
}

#[test]
fn a_name_cannot_forge_the_screen() {
    let mut fixture = Fixture::of(begin(None));
    fixture.keys("esc");
    let hostile = ["a\u{1b}[31mred", "b\u{202e}fdp.exe", "c\nd", "日本語のとても長い名前".repeat(6).as_str()]
        .map(|name| entry(name, 1, 1));
    fixture.answer_lists(hostile.to_vec());
    fixture.size(80, 24);
    let text = fixture.text();
    assert!(
        text.contains(r"a\u{1b}[31mred") && text.contains(r"b\u{202e}fdp.exe") && text.contains(r"c\u{a}d"),
        "{text}"
    );
    fixture.keys("f2");
    assert!(fixture.text().contains(r"new name  a\u{1b}[31mred"), "{}", fixture.text());
    for line in text.lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
}
