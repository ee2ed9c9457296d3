//! The messages about files that failed, were skipped, or are under way.

use ferry_client::{
    ClientError,
    transfer::{self, ItemId, ItemState, JobId, Outcome, Selected, Skip, Summary},
};
use ferry_shared::refusal::{Code, Refusal, Unit};

use super::transfers;
use crate::{
    args::Links,
    tui::{
        effect::{CountFor, Effect, TransferEffect},
        event::{Answer, Event},
        fixture::{Fixture, active, done, facts, fails, item_path, job},
        state::{dialog::Dialog, transfers::Phase},
    },
};

fn over_quota(needed: u64) -> ClientError {
    let refusal = Refusal::new(Code::OverQuota, "over quota");
    Refusal { unit: Some(Unit::Bytes), needed: Some(needed), available: Some(5), ..refusal }.into()
}

/// A copy of which many files failed for one cause and one for another.
fn failed() -> Fixture {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    fixture.copy(1);
    for n in [7, 3, 44, 12] {
        fixture.event(Event::Transfer(fails(n, 1, &format!("file {n:02}"), over_quota(n << 20))));
    }
    let denied = ClientError::from(Refusal::new(Code::NotAllowed, "this name is not allowed"));
    fixture.event(Event::Transfer(fails(99, 1, "other", denied)));
    fixture.event(Event::Transfer(done(1, 5)));
    let _ = fixture.take();
    fixture
}

#[test]
fn failures_of_one_cause_are_one_line_with_their_number_their_bytes_and_the_key_that_helps() {
    for (width, height) in [(80, 24), (120, 40), (60, 20)] {
        let mut fixture = failed();
        fixture.size(width, height);
        let text = fixture.keys("w").text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("over quota")).collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert!(lines[0].contains("4 files, 4.0 MiB"), "{text}");
        assert!(
            lines[0].trim_end().ends_with("Enter: all about it") || lines[0].trim_end().ends_with("r retries"),
            "{text}"
        );
        assert_eq!(text.matches("this name").count(), 1, "{text}");
    }
}

#[test]
fn enter_on_a_cause_lists_its_files_by_name_and_the_list_can_be_saved() {
    let mut fixture = failed();
    let text = fixture.keys("w j enter").text();
    let at = |name: &str| text.find(name).unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(at("file 03") < at("file 07") && at("file 07") < at("file 12") && at("file 12") < at("file 44"), "{text}");
    let _ = fixture.take();
    fixture.keys("s");
    let effects = fixture.take();
    let Some(Effect::Write(ticket, place, saved)) = effects.iter().find(|effect| matches!(effect, Effect::Write(..)))
    else {
        panic!("{effects:?}")
    };
    assert!(place.path.to_string().starts_with("/home/al/data/ferry-failed-2026"), "{place:?}");
    assert!(saved.contains("file 44\n") && saved.contains("over quota"), "{saved}");
    fixture.event(Event::Answer(*ticket, Answer::Done));
    assert!(fixture.text().contains("saved as ~/data/ferry-failed"), "{}", fixture.text());
}

#[test]
fn retrying_a_cause_retries_all_of_its_files_and_no_others() {
    let mut fixture = failed();
    fixture.keys("w j r");
    let effects = fixture.take();
    let retried: Vec<_> = transfers(&effects);
    let wanted: Vec<TransferEffect> =
        [3, 7, 12, 44].map(|n| TransferEffect::Retry(Selected::Item(ItemId(n)))).into_iter().collect();
    assert_eq!(retried, wanted.iter().collect::<Vec<_>>());
    assert_eq!(fixture.state.transfers.all()[0].failures.len(), 1);
}

#[test]
fn clearing_takes_what_is_verified_and_asks_before_it_takes_what_failed() {
    let mut fixture = failed();
    fixture.keys("j j");
    fixture.copy(2);
    fixture.event(Event::Transfer(done(2, 0)));
    let _ = fixture.take();
    fixture.keys("D");
    assert_eq!(fixture.state.transfers.all().len(), 1);
    assert!(fixture.text().contains("stays; D again asks"), "{}", fixture.text());
    fixture.keys("D");
    assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::Question(_))));
    fixture.keys("n");
    assert_eq!(fixture.state.transfers.all().len(), 1, "no means no");
    fixture.keys("D y");
    assert!(fixture.state.transfers.all().is_empty());
}

#[test]
fn a_cancelled_transfer_is_not_cleared_without_a_yes() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    fixture.copy(1);
    let summary = Summary { cancelled: true, ..Summary::default() };
    fixture.event(Event::Transfer(transfer::Event::JobDone { job: JobId(1), summary }));
    fixture.keys("D");
    assert_eq!(fixture.state.transfers.all().len(), 1);
}

fn skipped(fixture: &mut Fixture, id: u64, name: &str, skip: Skip) {
    let (path, facts) = (item_path("photos/2024", name), facts(1));
    let outcome = Outcome::Skipped(skip);
    fixture.event(Event::Transfer(transfer::Event::ItemDone { job: JobId(1), item: ItemId(id), path, facts, outcome }));
}

#[test]
fn skipped_links_and_special_files_are_told_by_name_and_reason_and_not_in_green() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    let key = fixture.copy(1);
    skipped(&mut fixture, 5, "pipe", Skip::Special);
    skipped(&mut fixture, 6, "a-link", Skip::Symlink);
    let summary = Summary { files: 3, skipped: 2, bytes: 10, ..Summary::default() };
    fixture.event(Event::Transfer(transfer::Event::JobDone { job: JobId(1), summary }));
    fixture.state.toast = None;
    let text = fixture.text();
    let line = text
        .lines()
        .position(|line| line.contains("3 verified, 2 skipped") || line.contains("verified, 2 skipped"))
        .unwrap();
    let column = text.lines().nth(line).unwrap().chars().position(|c| c == '✓').unwrap();
    let style = fixture.buffer()[(u16::try_from(column).unwrap(), u16::try_from(line).unwrap())].style();
    assert_eq!(style.fg, fixture.state.appearance.theme.warn.fg);
    assert_eq!(fixture.state.transfers.get(key).unwrap().phase(fixture.state.now), Phase::Verified);
    let text = fixture.keys("w enter").text();
    assert!(text.contains("a-link: a symbolic link") && text.contains("pipe: a FIFO, socket or device"), "{text}");
}

#[test]
fn a_file_of_one_block_is_sending_while_it_is_under_way() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    fixture.copy(1);
    let under_way = |under_way| vec![transfer::JobProgress { under_way, ..job(1, (0, 1), (0, 900 << 10), 0) }];
    fixture.progress(under_way(1), Vec::new(), 0);
    assert!(fixture.text().contains("sending") && !fixture.text().contains("waiting"), "{}", fixture.text());
    fixture.progress(under_way(0), Vec::new(), 0);
    assert!(fixture.text().contains("waiting"), "{}", fixture.text());
}

#[test]
fn a_file_of_one_block_shows_its_bytes_and_gives_those_of_a_lost_block_back() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    fixture.copy(1);
    let at = |fixture: &mut Fixture, percent: u64| {
        let jobs = vec![transfer::JobProgress { under_way: 1, ..job(1, (0, 1), (percent << 10, 100 << 10), 0) }];
        let files = active(1, 1, "a", percent << 10, 100 << 10, ItemState::Sending);
        let files = Some(files).filter(|_| percent > 0);
        fixture.progress(jobs, files.into_iter().collect(), percent << 10);
    };
    at(&mut fixture, 40);
    assert!(fixture.text().contains("40 %") && !fixture.text().contains("waiting"), "{}", fixture.text());
    // The connection breaks: the figure stays until it is known what there is.
    at(&mut fixture, 0);
    assert!(fixture.text().contains("40 %"), "{}", fixture.text());
    at(&mut fixture, 10);
    assert!(fixture.text().contains("10 %"), "{}", fixture.text());
}

#[test]
fn each_transfer_names_both_of_its_ends() {
    for (width, height) in [(80, 24), (120, 40), (60, 20)] {
        let mut fixture = Fixture::busy();
        fixture.size(width, height);
        for keys in ["", "w"] {
            if !keys.is_empty() {
                fixture.keys(keys);
            }
            let text = fixture.text();
            let line = text.lines().find(|line| line.contains("iso") && line.contains('%')).unwrap();
            assert!(line.contains('→') && (line.contains("alice") || width < 80 && keys.is_empty()), "{text}");
        }
    }
}

#[test]
fn the_list_opens_at_the_first_transfer_that_is_not_over_and_its_bar_can_be_seen_there() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    fixture.copy(1);
    fixture.event(Event::Transfer(done(1, 0)));
    fixture.keys("j");
    fixture.copy(2);
    fixture.progress(vec![job(2, (0, 1), (50, 100), 0)], Vec::new(), 50);
    let text = fixture.keys("w").text();
    let row = text.lines().position(|line| line.starts_with('❯')).unwrap();
    let line: Vec<char> = text.lines().nth(row).unwrap().chars().collect();
    assert!(line.iter().collect::<String>().contains("iso.img"), "{text}");
    let buffer = fixture.buffer();
    let style = |sign: char| {
        let column = line.iter().position(|c| *c == sign).unwrap();
        buffer[(u16::try_from(column).unwrap(), u16::try_from(row).unwrap())].style()
    };
    assert_eq!(style('█').fg, fixture.state.appearance.theme.bar.fg);
    assert_ne!(style('█').fg, style('█').bg);
}

#[test]
fn no_rate_is_told_while_no_bytes_move() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    fixture.copy(1);
    for sent in 0..8u64 {
        fixture.wait(250);
        fixture.progress(vec![job(1, (0, 1), (sent << 20, 24 << 20), 0)], Vec::new(), sent << 20);
    }
    assert!(fixture.text().contains("MiB/s"), "{}", fixture.text());
    for _ in 0..9 {
        fixture.wait(250);
        fixture.progress(vec![job(1, (0, 1), (7 << 20, 24 << 20), 0)], Vec::new(), 7 << 20);
    }
    assert!(!fixture.text().contains("MiB/s"), "{}", fixture.text());
}

#[test]
fn one_rule_for_links_is_chosen_in_the_box_and_counted_again() {
    let mut fixture = Fixture::connected();
    fixture.keys("j space g g j j j j j space f5");
    let purpose = |fixture: &Fixture| {
        fixture.effects.iter().rev().find_map(|effect| match effect {
            Effect::Count(_, _, _, purpose) => Some(*purpose),
            _ => None,
        })
    };
    assert!(fixture.text().contains("symbolic links: skip them"), "{}", fixture.text());
    assert_eq!(purpose(&fixture), Some(CountFor::Copy(Links::Skip)));
    fixture.keys("l");
    assert!(fixture.text().contains("symbolic links: copy what they lead to"), "{}", fixture.text());
    assert_eq!(purpose(&fixture), Some(CountFor::Copy(Links::Follow)));
    let added = |fixture: &mut Fixture| {
        fixture.keys("y y");
        fixture.take().into_iter().find_map(|effect| match effect {
            Effect::Transfer(TransferEffect::Add(_, order)) => Some((order.what.len(), order.links)),
            _ => None,
        })
    };
    assert_eq!(added(&mut fixture), Some((2, Some(Links::Follow))));
    // Where links are skipped, a marked one is skipped like one inside a folder.
    let mut fixture = Fixture::connected();
    fixture.keys("j space g g j j j j j space f5");
    assert_eq!(added(&mut fixture), Some((1, Some(Links::Skip))));
    // Only a link: the box says that its target is copied.
    let mut fixture = Fixture::connected();
    fixture.keys("j j j j j f5");
    assert!(fixture.text().contains("copy what they lead to"), "{}", fixture.text());
}
