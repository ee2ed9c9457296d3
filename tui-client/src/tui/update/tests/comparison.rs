//! Two trees are compared, and one is synced like the other.

use std::collections::BTreeSet;

use ferry_client::{
    ClientError, Obstacle,
    sync::{Plan, Why},
    transfer::{Event as Engine, JobId, Summary},
};
use ferry_shared::path::RemotePath;

use crate::tui::{
    action::Where,
    effect::{Effect, SyncEffect},
    event::{Answer, Event},
    fixture::{Fixture, done, plan, server},
    state::{
        dialog::{Dialog, Steps},
        problem::Problem,
        side::Side,
        transfers::{Deleted, Key, Phase},
        trees::{Planned, Trees},
    },
};

fn syncs(fixture: &mut Fixture) -> Vec<SyncEffect> {
    let effects = fixture.take().into_iter();
    effects.filter_map(|effect| if let Effect::Sync(_, effect) = effect { Some(effect) } else { None }).collect()
}

fn paths<'a>(all: impl IntoIterator<Item = &'a RemotePath>) -> Vec<String> {
    all.into_iter().map(|path| path.display().to_string()).collect()
}

/// Connected, and both trees are compared: files `new`, `both`, `old/z` and a link that is skipped.
fn compared() -> Fixture {
    let mut fixture = Fixture::connected();
    fixture.keys("=");
    fixture.compared(plan());
    fixture
}

/// The sync that was started, and its plan.
fn started(fixture: &mut Fixture) -> (Key, Planned) {
    let mut syncs = syncs(fixture);
    match syncs.pop() {
        Some(SyncEffect::Copy(key, plan)) => (key, plan),
        other => panic!("{other:?}"),
    }
}

fn toast(fixture: &Fixture) -> String {
    fixture.state.toast.as_ref().map(|toast| toast.text.clone()).unwrap_or_default()
}

fn phase(fixture: &Fixture, key: Key) -> Phase {
    fixture.state.transfers.get(key).unwrap().phase(fixture.state.now)
}

#[test]
fn mirroring_a_tree_takes_three_keys() {
    let mut fixture = Fixture::connected();
    let typed = ["=", "d", "y"];
    fixture.keys(typed[0]);
    let trees = Trees {
        from: fixture.state.panes[Side::Left].place.clone(),
        to: fixture.state.panes[Side::Right].place.clone(),
        links: None,
    };
    assert_eq!(syncs(&mut fixture), [SyncEffect::Compare(trees, false)]);
    fixture.compared(plan());
    fixture.keys(typed[1]);
    assert_eq!(syncs(&mut fixture), [SyncEffect::Again(false, true)], "the versions are looked at");
    fixture.compared(plan());
    fixture.keys(typed[2]);
    let (_, plan) = started(&mut fixture);
    assert_eq!(paths(plan.copies.keys()), ["/both", "/dir", "/dir/in", "/new"]);
    assert_eq!(paths(plan.deletions.iter().map(|deletion| &deletion.path)), ["/old/z", "/old"]);
    assert!(fixture.state.dialogs.is_empty() && typed.len() <= 3);
}

#[test]
fn without_a_word_nothing_is_deleted() {
    for key in ["enter", "y"] {
        let mut fixture = compared();
        assert!(fixture.text().contains("only there") && !fixture.text().contains("- delete"), "{}", fixture.text());
        fixture.keys(key);
        let (_, plan) = started(&mut fixture);
        assert!(plan.deletions.is_empty() && plan.copies.len() == 4);
    }
}

#[test]
fn deleting_takes_y_and_not_enter() {
    let mut fixture = compared();
    fixture.keys("d");
    fixture.compared(plan());
    assert!(fixture.text().contains("- delete"), "{}", fixture.text());
    let _ = syncs(&mut fixture);
    fixture.keys("enter");
    assert_eq!(syncs(&mut fixture), []);
    assert!(
        toast(&fixture).contains("2 entries are deleted at the target by this: y starts it"),
        "{}",
        toast(&fixture)
    );
    // Switched off again, it deletes nothing.
    fixture.keys("d enter");
    assert!(started(&mut fixture).1.deletions.is_empty());
}

#[test]
fn a_sync_is_not_started_before_the_comparison_is_there() {
    let mut fixture = Fixture::connected();
    fixture.keys("=");
    let _ = syncs(&mut fixture);
    fixture.keys("y enter");
    assert_eq!(syncs(&mut fixture), []);
    assert_eq!(fixture.state.place(), Where::Comparison);
    // While what would be deleted is looked at, neither.
    fixture.compared(plan());
    fixture.keys("d");
    let _ = syncs(&mut fixture);
    fixture.keys("y");
    assert_eq!(syncs(&mut fixture), []);
}

#[test]
fn surprisingly_many_deletions_are_asked_about_and_enter_is_no_answer() {
    for (at_source, at_target, told) in [(0, 100, "There is no file at the source"), (4, 3, "more than half")] {
        let doubtful = || Plan { at_source, at_target, ..plan() };
        let mut fixture = Fixture::connected();
        fixture.keys("=");
        fixture.compared(doubtful());
        fixture.keys("d");
        fixture.compared(doubtful());
        let _ = syncs(&mut fixture);
        fixture.keys("y");
        assert_eq!((syncs(&mut fixture), fixture.state.place()), (vec![], Where::Danger));
        assert!(fixture.text().contains(told), "{}", fixture.text());
        fixture.keys("enter");
        assert_eq!((syncs(&mut fixture), fixture.state.place()), (vec![], Where::Danger));
        fixture.keys("esc y y");
        assert_eq!(started(&mut fixture).1.deletions.len(), 2);
    }
}

#[test]
fn what_is_left_out_is_neither_copied_nor_deleted() {
    let mut fixture = compared();
    fixture.keys("d");
    fixture.compared(plan());
    // The lines are both, dir, dir/in, link, new, old, old/z.
    fixture.keys("g g j space G space");
    assert!(fixture.text().contains("left out"), "{}", fixture.text());
    let _ = syncs(&mut fixture);
    fixture.keys("y");
    let (_, plan) = started(&mut fixture);
    assert_eq!(paths(plan.copies.keys()), ["/both", "/new"]);
    assert!(plan.deletions.is_empty(), "its folder stays with it");
    let mut fixture = compared();
    fixture.keys("g g space g g space enter");
    assert_eq!(paths(started(&mut fixture).1.copies.keys()), ["/both", "/dir", "/dir/in", "/new"], "taken in again");
}

#[test]
fn one_kind_of_difference_is_shown_after_the_other() {
    let mut fixture = compared();
    let shown = |fixture: &Fixture| match fixture.state.dialogs.last() {
        Some(Dialog::Comparison(comparison)) => {
            paths(comparison.shown.iter().map(|at| &comparison.lines[*at].path).collect::<Vec<_>>())
        }
        _ => panic!(),
    };
    let groups = [
        vec!["/dir", "/dir/in", "/new"],
        vec!["/both"],
        vec!["/old", "/old/z"],
        vec!["/link"],
        vec!["/both", "/dir", "/dir/in", "/link", "/new", "/old", "/old/z"],
    ];
    for group in groups {
        fixture.keys("f");
        assert_eq!(shown(&fixture), group);
    }
}

#[test]
fn contents_are_compared_on_request_and_the_result_stays_where_that_fails() {
    let mut fixture = compared();
    let _ = syncs(&mut fixture);
    fixture.keys("c");
    assert_eq!(syncs(&mut fixture), [SyncEffect::Again(true, false)]);
    fixture.comparing(Steps { listed: (8, 9), answered: (3, 8) });
    assert!(fixture.text().contains("comparing contents: 3 of 8"), "{}", fixture.text());
    fixture.compared(Plan { copies: Default::default(), deletions: Vec::new(), problems: Vec::new(), ..plan() });
    assert!(fixture.text().contains("nothing differs: both trees are the same by content"), "{}", fixture.text());
    let mut fixture = compared();
    fixture.keys("c");
    let ticket = fixture.comparison();
    let problem = Problem::from(&ClientError::obstructed(Obstacle::Unsupported, "no digests here"));
    fixture.event(Event::Answer(ticket, Answer::Failed(problem)));
    assert!(toast(&fixture).contains("no digests here") && fixture.text().contains("same size and date"));
    fixture.keys("enter");
    assert_eq!(started(&mut fixture).1.copies.len(), 4);
}

#[test]
fn turned_round_the_trees_are_compared_anew_and_deletion_is_off() {
    let mut fixture = compared();
    fixture.keys("d");
    fixture.compared(plan());
    let _ = fixture.take();
    fixture.keys("t");
    let effects = fixture.take();
    let [Effect::Drop(_), Effect::Sync(_, SyncEffect::Compare(trees, false))] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(!trees.from.is_local() && trees.to.is_local());
    fixture.compared(plan());
    assert!(!fixture.text().contains("- delete"), "{}", fixture.text());
}

#[test]
fn closing_a_comparison_stops_it_and_late_answers_do_nothing() {
    let mut fixture = Fixture::connected();
    fixture.keys("=");
    let ticket = fixture.comparison();
    fixture.keys("esc");
    assert!(fixture.take().contains(&Effect::Drop(ticket)));
    fixture.event(Event::Answer(ticket, Answer::Compared(Planned(plan().into()))));
    assert!(fixture.state.dialogs.is_empty());
}

#[test]
fn what_differs_below_a_folder_marks_it_in_the_panes() {
    let mut fixture = Fixture::connected();
    fixture.keys("=");
    fixture.compared(crate::tui::fixture::plan_of_panes());
    fixture.keys("m");
    let marked = |side: Side| -> BTreeSet<String> {
        fixture.state.panes[side].listing.marked_items().map(|item| item.entry.name.display().to_string()).collect()
    };
    assert_eq!(marked(Side::Left), ["2024".to_owned(), "notes.txt".to_owned()].into());
    assert_eq!(marked(Side::Right), ["notes.txt".to_owned(), "thesis.tex".to_owned()].into());
    assert!(fixture.state.dialogs.is_empty());
}

/// A mirror that was started, and its job.
fn mirroring() -> (Fixture, Key) {
    let mut fixture = compared();
    fixture.keys("d");
    fixture.compared(plan());
    let _ = fixture.take();
    fixture.keys("y");
    let (key, _) = started(&mut fixture);
    fixture.event(Event::Started(key, JobId(7)));
    (fixture, key)
}

#[test]
fn nothing_is_deleted_unless_everything_was_copied() {
    let whole = Summary { files: 3, bytes: 9, ..Summary::default() };
    let not_whole = [
        Summary { failed: 1, ..whole.clone() },
        Summary { skipped: 1, ..whole.clone() },
        Summary { cancelled: true, ..whole.clone() },
        Summary { error: Some(ClientError::Cancelled), ..whole.clone() },
    ];
    for summary in not_whole {
        let (mut fixture, key) = mirroring();
        fixture.event(Event::Transfer(Engine::JobDone { job: JobId(7), summary: summary.clone() }));
        assert_eq!(syncs(&mut fixture), [], "{summary:?}");
        assert!(toast(&fixture).contains("nothing deleted (2 entries)"), "{}", toast(&fixture));
        assert!(fixture.state.transfers.get(key).unwrap().is_over());
        fixture.keys("w");
        assert!(fixture.text().contains("nothing deleted") || summary.failed > 0 || summary.cancelled);
    }
    let (mut fixture, key) = mirroring();
    fixture.event(Event::Transfer(Engine::JobDone { job: JobId(7), summary: whole }));
    assert!(matches!(&syncs(&mut fixture)[..], [SyncEffect::Delete(..)]));
    assert_eq!(phase(&fixture, key), Phase::Deleting);
    fixture.event(Event::Deleting(key, (1, 2)));
    assert!(fixture.text().contains("deleting  1 of 2"), "{}", fixture.text());
    let _ = fixture.take();
    fixture.event(Event::Deleted(key, Deleted { deleted: 2, kept: Vec::new(), stopped: None }));
    assert!(toast(&fixture).contains("3 files, 9 B, verified, 2 deleted, 1 path cannot be made equal"));
    assert_eq!(phase(&fixture, key), Phase::Verified);
    assert!(fixture.take().iter().any(|effect| matches!(effect, Effect::Drop(_))), "its task ends");
}

#[test]
fn files_that_failed_are_tried_again_and_then_it_deletes() {
    let (mut fixture, _) = mirroring();
    fixture.event(Event::Transfer(done(7, 1)));
    assert!(!fixture.take().iter().any(|effect| matches!(effect, Effect::Drop(_))), "its task is still needed");
    fixture.keys("w r");
    fixture.event(Event::Transfer(done(7, 0)));
    assert!(matches!(&syncs(&mut fixture)[..], [SyncEffect::Delete(..)]));
}

#[test]
fn an_entry_that_was_not_deleted_is_told_with_its_reason() {
    let (mut fixture, key) = mirroring();
    fixture.event(Event::Transfer(done(7, 0)));
    let path = RemotePath::from_typed(b"old/z").unwrap();
    let kept = vec![(path, Problem::new("it was changed meanwhile"))];
    fixture.event(Event::Deleted(key, Deleted { deleted: 1, kept, stopped: None }));
    assert_eq!(phase(&fixture, key), Phase::Failed);
    assert!(toast(&fixture).contains("1 of 2 deleted"), "{}", toast(&fixture));
    fixture.keys("w enter");
    let text = fixture.text();
    assert!(text.contains("old/z: it was changed meanwhile") && text.contains("link: skipped"), "{text}");
    fixture.keys("esc r");
    assert!(toast(&fixture).contains("compare both folders again"), "{}", toast(&fixture));
}

#[test]
fn what_a_deletion_made_way_for_is_copied_last() {
    let plan = || {
        let mut plan = plan();
        let copy = plan.copies.remove(&RemotePath::from_typed(b"new").unwrap()).unwrap();
        plan.blocked
            .insert(RemotePath::from_typed(b"old").unwrap(), ferry_client::sync::Copy { why: Why::Kind, ..copy });
        plan
    };
    let mut fixture = Fixture::connected();
    fixture.keys("=");
    fixture.compared(plan());
    fixture.keys("d");
    fixture.compared(plan());
    let _ = fixture.take();
    fixture.keys("y");
    let (key, _) = started(&mut fixture);
    fixture.event(Event::Started(key, JobId(7)));
    fixture.event(Event::Transfer(done(7, 0)));
    let _ = fixture.take();
    fixture.event(Event::Deleted(key, Deleted { deleted: 2, kept: Vec::new(), stopped: None }));
    assert!(matches!(&syncs(&mut fixture)[..], [SyncEffect::Rest(..)]));
    fixture.event(Event::Started(key, JobId(8)));
    fixture.event(Event::Transfer(done(8, 0)));
    assert!(toast(&fixture).contains("2 files, "), "both stages count: {}", toast(&fixture));
}

#[test]
fn a_sync_whose_server_is_left_ends_and_says_how_to_go_on() {
    let (mut fixture, key) = mirroring();
    let why = Problem::new("the account is disabled");
    fixture.event(Event::Ended(server().target, why));
    assert_eq!(phase(&fixture, key), Phase::Cancelled);
    assert!(fixture.state.left.is_empty(), "{:?}", fixture.state.left);
    fixture.keys("esc w r");
    assert!(toast(&fixture).contains("compare both folders again"), "{}", toast(&fixture));
}

#[test]
fn a_sync_that_is_cancelled_while_it_deletes_stops_and_says_what_may_be_gone() {
    let (mut fixture, key) = mirroring();
    fixture.event(Event::Transfer(done(7, 0)));
    let _ = fixture.take();
    fixture.keys("w x");
    assert_eq!(phase(&fixture, key), Phase::Cancelled);
    assert!(toast(&fixture).contains("some entries may have been deleted"), "{}", toast(&fixture));
    assert!(fixture.take().iter().any(|effect| matches!(effect, Effect::Drop(_))));
    fixture.event(Event::Deleted(key, Deleted { deleted: 2, kept: Vec::new(), stopped: None }));
    assert_eq!(phase(&fixture, key), Phase::Cancelled);
}

#[test]
fn an_account_that_may_only_read_compares_and_does_not_sync() {
    let mut fixture = compared();
    let _ = fixture.take();
    let word = ferry_shared::message::Notice::AccountChanged { access: ferry_shared::message::reply::Access::ReadOnly };
    fixture.event(Event::Notice(server().target, word));
    fixture.keys("enter");
    assert_eq!(syncs(&mut fixture), []);
    assert!(toast(&fixture).contains("may only read"), "{}", toast(&fixture));
}
