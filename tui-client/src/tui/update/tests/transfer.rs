//! Transfers: planned, run, asked about, paused, retried, quit and gone on with.

use ferry_client::{
    ClientError,
    transfer::{Decision, ItemId, JobId, Scope, Selected},
};
use ferry_shared::refusal::{Code, Refusal};

use super::{links, transfers};
use crate::tui::{
    action::Where,
    effect::{Effect, LinkEffect, TransferEffect},
    event::{Answer, Event},
    scene::{Scene, asks, done, fails, job, server},
    state::{
        Quitting,
        dialog::Dialog,
        listing::Amount,
        place::Place,
        task::Left,
        transfers::{Key, Phase, Transfer},
    },
};

fn counted(scene: &mut Scene, bytes: u64, more: bool) {
    let ticket = scene.ticket();
    let amount = Amount { files: 3, folders: 1, bytes };
    scene.event(Event::Answer(ticket, Answer::Counted { amount, unreadable: 0, left_out: 0, more }));
}

fn engine(scene: &mut Scene, event: ferry_client::transfer::Event) {
    scene.event(Event::Transfer(event));
}

fn phase(scene: &Scene, key: Key) -> Phase {
    scene.state.transfers.get(key).unwrap().phase(scene.state.now)
}

#[test]
fn what_is_marked_goes_to_the_other_pane() {
    let mut scene = Scene::connected();
    scene.keys("j j j space space f5 y");
    let added = scene.take();
    let [Effect::Transfer(TransferEffect::Add(_, order))] = &added[..] else { panic!("{added:?}") };
    assert_eq!(
        order.what.iter().map(|piece| piece.name.display().to_string()).collect::<Vec<_>>(),
        ["holiday.raw", "iso.img"]
    );
    assert!(order.to.is_remote() && !order.moves);
    assert_eq!(scene.state.pane().marked().entries(), 0, "the marks are used up");
}

#[test]
fn a_copy_that_does_not_fit_is_said_before_it_starts() {
    let mut scene = Scene::connected();
    scene.keys("j f5");
    counted(&mut scene, 100 << 30, false);
    assert!(scene.text().contains("DOES NOT FIT"));
    scene.keys("enter");
    assert_eq!((scene.state.place(), transfers(&scene.effects).len()), (Where::Confirm, 0));
    scene.keys("n");
    assert!(matches!(scene.state.dialogs[..], [Dialog::Copy(_)]));
    scene.keys("enter y");
    assert_eq!((scene.state.dialogs.len(), transfers(&scene.effects).len()), (0, 1));
}

#[test]
fn a_copy_that_is_still_counted_starts_when_it_is_known_to_fit() {
    let mut scene = Scene::connected();
    scene.keys("j f5 enter");
    assert!(transfers(&scene.effects).is_empty());
    counted(&mut scene, 1 << 20, true);
    assert!(transfers(&scene.effects).is_empty());
    counted(&mut scene, 2 << 20, false);
    assert_eq!(transfers(&scene.effects).len(), 1);
    let mut scene = Scene::connected();
    scene.keys("j f5 enter enter");
    assert_eq!(transfers(&scene.effects).len(), 1, "twice does not wait");
}

#[test]
fn another_target_and_another_rule_are_taken() {
    let mut scene = Scene::connected();
    scene.keys("j j j f5 t ctrl-u").type_text("/other/place").keys("enter r y");
    let added = scene.take();
    let [Effect::Transfer(TransferEffect::Add(_, order))] = &added[..] else { panic!("{added:?}") };
    assert_eq!(order.to.display(&scene.state.home), "/other/place");
    assert_eq!(order.rule, ferry_client::transfer::ConflictRule::Different);
}

#[test]
fn another_rule_is_for_this_copy_only() {
    let mut scene = Scene::connected();
    scene.keys("j j j f5 r r r");
    let ticket = scene.state.rule;
    scene.keys("esc f5 y");
    let added = scene.take();
    let [Effect::Transfer(TransferEffect::Add(_, order))] = &added[..] else { panic!("{added:?}") };
    assert_eq!((order.rule, ticket), (ferry_client::transfer::ConflictRule::Ask, order.rule));
}

#[test]
fn a_verified_transfer_is_settled_and_its_folder_read_again() {
    let mut scene = Scene::connected();
    scene.keys("j j j");
    let key = scene.copy(1);
    engine(&mut scene, done(1, 0));
    assert_eq!(phase(&scene, key), Phase::Verified);
    assert!(scene.effects.contains(&Effect::Transfer(TransferEffect::Settle(key))));
    assert!(links(&scene.effects).contains(&&LinkEffect::Usage));
    scene.wait(2000);
    assert!(scene.effects.iter().any(|effect| matches!(effect, Effect::List(_, Place::Remote(_)))));
    assert!(scene.text().contains("verified"));
}

#[test]
fn a_failed_transfer_stays_in_the_journal_and_can_be_retried() {
    let mut scene = Scene::connected();
    scene.keys("j");
    let key = scene.copy(1);
    engine(&mut scene, fails(7, 1, "x", Refusal::new(Code::OverQuota, "full").into()));
    engine(&mut scene, done(1, 1));
    assert_eq!(phase(&scene, key), Phase::Failed);
    assert!(!scene.effects.contains(&Effect::Transfer(TransferEffect::Settle(key))));
    let _ = scene.take();
    scene.keys("w r");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Retry(Selected::Job(JobId(1)))]);
    assert_ne!(phase(&scene, key), Phase::Failed);
    engine(&mut scene, done(1, 0));
    assert_eq!(phase(&scene, key), Phase::Verified);
}

#[test]
fn one_failed_file_can_be_retried_alone() {
    let mut scene = Scene::connected();
    scene.keys("j");
    scene.copy(1);
    engine(&mut scene, fails(7, 1, "x", ClientError::closed()));
    engine(&mut scene, done(1, 1));
    let _ = scene.take();
    scene.keys("w j r");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Retry(Selected::Item(ItemId(7)))]);
}

#[test]
fn a_job_that_could_not_even_begin_is_ordered_anew() {
    let mut scene = Scene::connected();
    scene.keys("j");
    let key = scene.copy(1);
    let summary = ferry_client::transfer::Summary { error: Some(ClientError::closed()), ..Default::default() };
    engine(&mut scene, ferry_client::transfer::Event::JobDone { job: JobId(1), summary });
    assert_eq!(phase(&scene, key), Phase::Failed);
    let _ = scene.take();
    scene.keys("w r");
    assert!(matches!(transfers(&scene.take())[..], [TransferEffect::Begin(..)]));
}

#[test]
fn pausing_and_cancelling_are_for_the_line_of_the_cursor() {
    let mut scene = Scene::busy();
    scene.keys("w space");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Pause(Selected::Job(JobId(1)))]);
    assert_eq!(phase(&scene, Key(1)), Phase::Paused);
    scene.keys("space");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Resume(Selected::Job(JobId(1)))]);
    scene.keys("j x");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Cancel(Selected::Job(JobId(2)), true)]);
}

#[test]
fn throwing_away_what_has_arrived_is_asked_first() {
    let mut scene = Scene::busy();
    let _ = scene.keys("w j X").take();
    assert_eq!(scene.state.place(), Where::Confirm);
    assert!(scene.text().contains("1018 MiB of 2024/ have arrived"), "{}", scene.text());
    scene.keys("n");
    assert!(transfers(&scene.take()).is_empty());
    scene.keys("X y");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Cancel(Selected::Job(JobId(2)), false)]);
    // Of the one that waits nothing has arrived.
    scene.keys("j j X");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Cancel(Selected::Job(JobId(3)), false)]);
}

#[test]
fn all_are_paused_and_go_on_together() {
    let mut scene = Scene::busy();
    scene.keys("P");
    assert!(transfers(&scene.take()).iter().all(|effect| matches!(effect, TransferEffect::Pause(_))));
    assert!(!scene.state.transfers.is_busy(scene.state.now));
    scene.keys("P");
    let resumed = scene.take();
    assert_eq!(transfers(&resumed).iter().filter(|effect| matches!(effect, TransferEffect::Resume(_))).count(), 4);
}

#[test]
fn the_order_of_the_queue_can_be_changed() {
    let mut scene = Scene::busy();
    scene.keys("w J");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Shift(JobId(1), true)]);
    assert_eq!(scene.state.transfers.all()[1].key, Key(1));
    scene.keys("K");
    assert_eq!(scene.state.transfers.all()[0].key, Key(1));
}

#[test]
fn how_many_and_how_fast_is_told_to_the_engine() {
    let mut scene = Scene::busy();
    scene.keys("w + +");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::AtOnce(5), &TransferEffect::AtOnce(6)]);
    scene.keys("s").type_text("10MiB").keys("tab").type_text("fast").keys("enter");
    assert!(scene.text().contains("`fast` is no size") && transfers(&scene.take()).is_empty());
    scene.keys("ctrl-u enter");
    let effects = scene.take();
    assert!(
        matches!(transfers(&effects)[..], [TransferEffect::Bandwidth(limit)] if limit.up == Some(10 << 20) && limit.down.is_none())
    );
}

#[test]
fn questions_never_hold_up_the_rest_and_are_answered_when_it_suits() {
    let mut scene = Scene::connected();
    scene.keys("j");
    scene.copy(1);
    engine(&mut scene, asks(5, 1, "photos/a", "x.jpg"));
    engine(&mut scene, asks(6, 1, "photos/a", "y.txt"));
    engine(&mut scene, asks(7, 1, "photos/b", "z.jpg"));
    assert!(scene.state.dialogs.is_empty(), "nothing pops up over what one does");
    let _ = scene.take();
    scene.keys("A b");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Answer(ItemId(5), Decision::KeepBoth, Scope::This)]);
    scene.keys("s");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Answer(ItemId(6), Decision::Skip, Scope::This)]);
    scene.keys("esc");
    assert_eq!((scene.state.dialogs.len(), scene.state.transfers.asks.len()), (0, 1));
}

#[test]
fn an_answer_for_many_answers_what_asks_and_what_will() {
    let mut scene = Scene::connected();
    scene.keys("j space j space space");
    scene.copy(1);
    engine(&mut scene, asks(5, 1, "photos/a", "x.jpg"));
    engine(&mut scene, asks(6, 2, "photos/b", "y.JPG"));
    engine(&mut scene, asks(7, 2, "photos/b", "z.txt"));
    let _ = scene.take();
    scene.keys("A tab tab r");
    let effects = scene.take();
    let expected = [
        TransferEffect::Answer(ItemId(5), Decision::Replace, Scope::Kind),
        TransferEffect::Answer(ItemId(6), Decision::Replace, Scope::This),
    ];
    assert_eq!(transfers(&effects), expected.iter().collect::<Vec<_>>());
    engine(&mut scene, asks(8, 3, "photos/c", "later.jpg"));
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Answer(ItemId(8), Decision::Replace, Scope::This)]);
    assert_eq!(scene.state.transfers.asks.len(), 1);
}

#[test]
fn a_question_that_is_gone_closes_its_dialog() {
    let mut scene = Scene::connected();
    scene.keys("j");
    scene.copy(1);
    engine(&mut scene, asks(5, 1, "photos", "x"));
    scene.keys("A");
    engine(&mut scene, fails(5, 1, "x", ClientError::Cancelled));
    assert!(scene.state.dialogs.is_empty() && scene.state.transfers.asks.is_empty());
}

#[test]
fn quitting_asks_only_when_something_runs() {
    let mut scene = Scene::connected();
    scene.keys("q");
    assert_eq!(scene.take(), [Effect::Quit]);
    let mut scene = Scene::busy();
    scene.keys("q");
    assert_eq!((scene.state.place(), scene.take().len()), (Where::Quit, 0));
    scene.keys("esc");
    assert_eq!(scene.state.quitting, Quitting::No);
    scene.keys("q enter");
    assert_eq!(scene.take(), [Effect::Quit], "the journal keeps what is not through");
}

#[test]
fn quitting_can_wait_for_the_last_transfer() {
    let mut scene = Scene::connected();
    scene.keys("j");
    scene.copy(1);
    scene.keys("q w");
    assert!(scene.take().is_empty());
    engine(&mut scene, done(1, 0));
    assert!(scene.take().contains(&Effect::Quit));
}

#[test]
fn quitting_can_cancel_all() {
    let mut scene = Scene::busy();
    scene.keys("q c");
    let effects = scene.take();
    assert_eq!(transfers(&effects).iter().filter(|effect| matches!(effect, TransferEffect::Settle(_))).count(), 4);
    assert!(effects.contains(&Effect::Quit));
}

#[test]
fn a_signal_quits_without_a_question() {
    let mut scene = Scene::busy();
    scene.event(Event::Stop);
    assert!(scene.take().contains(&Effect::Quit));
}

#[test]
fn what_was_left_is_offered_and_goes_on_after_the_login() {
    let mut scene = Scene::fresh();
    scene.answer_lists(crate::tui::scene::local_items());
    let order = Transfer::sample().order;
    scene.event(Event::Left(vec![Left { server: server().target, key: Key(41), order: order.clone() }]));
    assert_eq!(scene.state.place(), Where::Resume);
    scene.keys("enter");
    scene.greet();
    scene.type_text("pw").keys("enter");
    let _ = scene.take();
    scene.log_in();
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Begin(Key(41), order)]);
    scene.event(Event::Started(Key(41), vec![JobId(1), JobId(2), JobId(3)]));
    assert!(!scene.state.transfers.get(Key(41)).unwrap().held);
    scene.answer_lists(crate::tui::scene::remote_items());
    scene.keys("j j");
    let next = scene.copy(9);
    assert!(next > Key(41), "names in the journal are not given twice");
}

#[test]
fn what_was_left_can_wait_or_be_forgotten() {
    let left = || vec![Left { server: server().target, key: Key(1), order: Transfer::sample().order }];
    let mut scene = Scene::fresh();
    scene.event(Event::Left(left()));
    scene.keys("esc");
    assert_eq!((scene.state.left.len(), transfers(&scene.take()).len()), (1, 0));
    let mut scene = Scene::fresh();
    scene.event(Event::Left(left()));
    scene.keys("d");
    assert_eq!(transfers(&scene.take()), [&TransferEffect::Settle(Key(1))]);
}

#[test]
fn what_was_left_of_the_named_server_is_offered_after_its_login() {
    let mut scene = Scene::of(crate::tui::scene::begin(Some(server())));
    scene.event(Event::Left(vec![Left { server: server().target, key: Key(1), order: Transfer::sample().order }]));
    assert_eq!(scene.state.place(), Where::Wait);
    scene.greet();
    scene.type_text("pw").keys("enter");
    scene.log_in();
    assert_eq!(scene.state.place(), Where::Resume);
}

#[test]
fn figures_are_honest_while_the_source_is_still_counted() {
    let mut scene = Scene::connected();
    scene.keys("j");
    let key = scene.copy(1);
    let mut counting = job(1, (1, 10), (1 << 20, 10 << 20), 0);
    counting.counting = true;
    scene.progress(vec![counting], Vec::new(), 0);
    assert!(scene.text().contains("of ≥10 MiB"), "{}", scene.text());
    assert_eq!(scene.state.transfers.get(key).unwrap().tally.permille(), 100);
}

#[test]
fn only_what_moves_by_itself_wakes_the_screen() {
    let mut scene = Scene::connected();
    scene.keys("j");
    scene.copy(1);
    assert!(scene.state.next_redraw().is_some());
    let mut asking = job(1, (0, 1), (0, 10), 0);
    asking.asking = 1;
    scene.progress(vec![asking], Vec::new(), 0);
    engine(&mut scene, asks(5, 1, "photos", "x"));
    scene.wait(60_000);
    let _ = scene.take();
    scene.state.panes[crate::tui::state::side::Side::Left].loading = None;
    scene.state.panes[crate::tui::state::side::Side::Right].loading = None;
    assert_eq!(scene.state.next_redraw(), None, "it waits for the user");
}

#[test]
fn clearing_takes_what_is_over_off_the_list() {
    let mut scene = Scene::busy();
    scene.keys("D");
    assert_eq!(scene.state.transfers.all().len(), 4);
}
