//! Transfers: planned, run, asked about, paused, retried, quit and gone on with.

use ferry_client::{
    ClientError,
    transfer::{Decision, ItemId, JobId, Scope, Selected},
};
use ferry_shared::refusal::{Code, Refusal};

use super::{links, transfers};
use crate::tui::{
    action::Where,
    effect::{ConnectionEffect, Effect, TransferEffect},
    event::{Answer, Event},
    fixture::{Fixture, asks, done, fails, job, second, server},
    state::{
        Quitting,
        dialog::Dialog,
        listing::Amount,
        place::Place,
        task::Left,
        transfers::{Key, Phase, Piece, Transfer},
    },
};

fn counted(fixture: &mut Fixture, bytes: u64, more: bool) {
    let ticket = fixture.ticket();
    let amount = Amount { files: 3, folders: 1, bytes };
    fixture.event(Event::Answer(ticket, Answer::Counted { amount, unreadable: 0, left_out: 0, more }));
}

fn engine(fixture: &mut Fixture, event: ferry_client::transfer::Event) {
    fixture.event(Event::Transfer(event));
}

fn phase(fixture: &Fixture, key: Key) -> Phase {
    fixture.state.transfers.get(key).unwrap().phase(fixture.state.now)
}

#[test]
fn marked_entries_are_copied_to_the_other_pane() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j space space f5 y");
    let added = fixture.take();
    let [Effect::Transfer(TransferEffect::Add(_, order))] = &added[..] else { panic!("{added:?}") };
    assert_eq!(order.what.iter().map(Piece::shown).collect::<Vec<_>>(), ["holiday.raw", "iso.img"]);
    assert!(!order.to.is_local() && !order.moves);
    assert_eq!(fixture.state.pane().marked().entries(), 0, "the marks are used up");
}

#[test]
fn a_copy_that_does_not_fit_is_said_before_it_starts() {
    let mut fixture = Fixture::connected();
    fixture.keys("j f5");
    counted(&mut fixture, 100 << 30, false);
    assert!(fixture.text().contains("DOES NOT FIT"));
    fixture.keys("enter");
    assert_eq!((fixture.state.place(), transfers(&fixture.effects).len()), (Where::Confirm, 0));
    fixture.keys("n");
    assert!(matches!(fixture.state.dialogs[..], [Dialog::Copy(_)]));
    fixture.keys("enter y");
    assert_eq!((fixture.state.dialogs.len(), transfers(&fixture.effects).len()), (0, 1));
}

#[test]
fn a_copy_that_is_still_counted_starts_when_it_is_known_to_fit() {
    let mut fixture = Fixture::connected();
    fixture.keys("j f5 enter");
    assert!(transfers(&fixture.effects).is_empty());
    counted(&mut fixture, 1 << 20, true);
    assert!(transfers(&fixture.effects).is_empty());
    counted(&mut fixture, 2 << 20, false);
    assert_eq!(transfers(&fixture.effects).len(), 1);
    let mut fixture = Fixture::connected();
    fixture.keys("j f5 enter enter");
    assert_eq!(transfers(&fixture.effects).len(), 1, "twice does not wait");
}

#[test]
fn another_target_and_another_rule_are_taken() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j f5 t ctrl-u").type_text("/other/place").keys("enter r y");
    let added = fixture.take();
    let [Effect::Transfer(TransferEffect::Add(_, order))] = &added[..] else { panic!("{added:?}") };
    assert_eq!(order.to.display(&fixture.state.home), "/other/place");
    assert_eq!(order.rule, ferry_client::transfer::ConflictRule::Different);
}

#[test]
fn another_rule_is_for_this_copy_only() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j f5 r r r");
    let ticket = fixture.state.rule;
    fixture.keys("esc f5 y");
    let added = fixture.take();
    let [Effect::Transfer(TransferEffect::Add(_, order))] = &added[..] else { panic!("{added:?}") };
    assert_eq!((order.rule, ticket), (ferry_client::transfer::ConflictRule::Ask, order.rule));
}

#[test]
fn a_verified_transfer_is_settled_and_its_folder_read_again() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    let key = fixture.copy(1);
    engine(&mut fixture, done(1, 0));
    assert_eq!(phase(&fixture, key), Phase::Verified);
    assert!(fixture.effects.contains(&Effect::Transfer(TransferEffect::Settle(key))));
    assert!(links(&fixture.effects).contains(&&ConnectionEffect::Usage(server().target)));
    fixture.wait(2000);
    assert!(fixture.effects.iter().any(|effect| matches!(effect, Effect::List(_, place) if !place.is_local())));
    assert!(fixture.text().contains("verified"));
}

#[test]
fn a_failed_transfer_stays_in_the_journal_and_can_be_retried() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    let key = fixture.copy(1);
    engine(&mut fixture, fails(7, 1, "x", Refusal::new(Code::OverQuota, "full").into()));
    engine(&mut fixture, done(1, 1));
    assert_eq!(phase(&fixture, key), Phase::Failed);
    assert!(!fixture.effects.contains(&Effect::Transfer(TransferEffect::Settle(key))));
    let _ = fixture.take();
    fixture.keys("w r");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Retry(Selected::Job(JobId(1)))]);
    assert_ne!(phase(&fixture, key), Phase::Failed);
    engine(&mut fixture, done(1, 0));
    assert_eq!(phase(&fixture, key), Phase::Verified);
}

#[test]
fn one_failed_file_can_be_retried_alone() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    fixture.copy(1);
    engine(&mut fixture, fails(7, 1, "x", ClientError::closed()));
    engine(&mut fixture, done(1, 1));
    let _ = fixture.take();
    fixture.keys("w j r");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Retry(Selected::Item(ItemId(7)))]);
}

#[test]
fn a_job_that_could_not_even_begin_is_ordered_anew() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    let key = fixture.copy(1);
    let summary = ferry_client::transfer::Summary { error: Some(ClientError::closed()), ..Default::default() };
    engine(&mut fixture, ferry_client::transfer::Event::JobDone { job: JobId(1), summary });
    assert_eq!(phase(&fixture, key), Phase::Failed);
    let _ = fixture.take();
    fixture.keys("w r");
    assert!(matches!(transfers(&fixture.take())[..], [TransferEffect::Begin(..)]));
}

#[test]
fn pausing_and_cancelling_are_for_the_line_of_the_cursor() {
    let mut fixture = Fixture::busy();
    fixture.keys("w space");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Pause(Selected::Job(JobId(1)))]);
    assert_eq!(phase(&fixture, Key(1)), Phase::Paused);
    fixture.keys("space");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Resume(Selected::Job(JobId(1)))]);
    fixture.keys("j x");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Cancel(Selected::Job(JobId(2)), true)]);
}

#[test]
fn throwing_away_what_has_arrived_is_asked_first() {
    let mut fixture = Fixture::busy();
    let _ = fixture.keys("w j X").take();
    assert_eq!(fixture.state.place(), Where::Confirm);
    assert!(fixture.text().contains("1018 MiB of 2024/ have arrived"), "{}", fixture.text());
    fixture.keys("n");
    assert!(transfers(&fixture.take()).is_empty());
    fixture.keys("X y");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Cancel(Selected::Job(JobId(2)), false)]);
    // Of the one that waits nothing has arrived.
    fixture.keys("j j X");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Cancel(Selected::Job(JobId(3)), false)]);
}

#[test]
fn all_are_paused_and_go_on_together() {
    let mut fixture = Fixture::busy();
    fixture.keys("P");
    assert!(transfers(&fixture.take()).iter().all(|effect| matches!(effect, TransferEffect::Pause(_))));
    assert!(!fixture.state.transfers.is_busy(fixture.state.now));
    fixture.keys("P");
    let resumed = fixture.take();
    assert_eq!(transfers(&resumed).iter().filter(|effect| matches!(effect, TransferEffect::Resume(_))).count(), 4);
}

#[test]
fn the_order_of_the_queue_can_be_changed() {
    let mut fixture = Fixture::busy();
    fixture.keys("w J");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Reorder(JobId(1), true)]);
    assert_eq!(fixture.state.transfers.all()[1].key, Key(1));
    fixture.keys("K");
    assert_eq!(fixture.state.transfers.all()[0].key, Key(1));
}

#[test]
fn how_many_and_how_fast_is_told_to_the_engine() {
    let mut fixture = Fixture::busy();
    fixture.keys("w + +");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::AtOnce(5), &TransferEffect::AtOnce(6)]);
    fixture.keys("s").type_text("10MiB").keys("tab").type_text("fast").keys("enter");
    assert!(fixture.text().contains("`fast` is not a size") && transfers(&fixture.take()).is_empty());
    fixture.keys("ctrl-u enter");
    let effects = fixture.take();
    assert!(
        matches!(transfers(&effects)[..], [TransferEffect::Bandwidth(limit)] if limit.up == Some(10 << 20) && limit.down.is_none())
    );
}

#[test]
fn questions_never_hold_up_the_rest_and_are_answered_when_it_suits() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    fixture.copy(1);
    engine(&mut fixture, asks(5, 1, "photos/a", "x.jpg"));
    engine(&mut fixture, asks(6, 1, "photos/a", "y.txt"));
    engine(&mut fixture, asks(7, 1, "photos/b", "z.jpg"));
    assert!(fixture.state.dialogs.is_empty(), "nothing pops up over what one does");
    let _ = fixture.take();
    fixture.keys("A b");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Answer(ItemId(5), Decision::KeepBoth, Scope::This)]);
    fixture.keys("s");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Answer(ItemId(6), Decision::Skip, Scope::This)]);
    fixture.keys("esc");
    assert_eq!((fixture.state.dialogs.len(), fixture.state.transfers.asks.len()), (0, 1));
}

#[test]
fn an_answer_for_many_is_the_engines_and_what_it_covers_is_withdrawn() {
    let mut fixture = Fixture::connected();
    fixture.keys("j space j space space");
    fixture.copy(1);
    engine(&mut fixture, asks(5, 1, "photos/a", "x.jpg"));
    engine(&mut fixture, asks(6, 1, "photos/b", "y.JPG"));
    engine(&mut fixture, asks(7, 1, "photos/b", "z.txt"));
    let _ = fixture.take();
    fixture.keys("A tab tab r");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Answer(ItemId(5), Decision::Replace, Scope::Kind)]);
    let state = ferry_client::transfer::ItemState::Waiting;
    engine(&mut fixture, ferry_client::transfer::Event::ItemState { item: ItemId(6), state });
    assert_eq!(fixture.state.transfers.asks.iter().map(|ask| ask.item).collect::<Vec<_>>(), [ItemId(7)]);
    assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::Conflict(view)) if view.item == ItemId(7)));
}

#[test]
fn a_piece_that_is_through_is_noted_and_not_ordered_again() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j space space");
    let key = fixture.copy(1);
    engine(&mut fixture, ferry_client::transfer::Event::PieceDone { job: JobId(1), piece: 0 });
    let path = ferry_shared::path::RemotePath::from_wire(b"holiday.raw").unwrap();
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Through(key, path)]);
    let error = ClientError::closed();
    engine(&mut fixture, ferry_client::transfer::Event::PieceFailed { job: JobId(1), piece: 1, error: error.clone() });
    let summary = ferry_client::transfer::Summary { error: Some(error), failed_pieces: 1, ..Default::default() };
    engine(&mut fixture, ferry_client::transfer::Event::JobDone { job: JobId(1), summary });
    fixture.keys("w enter");
    assert!(fixture.text().contains("iso.img: "), "{}", fixture.text());
    let _ = fixture.take();
    fixture.keys("esc r");
    let again = fixture.take();
    let [TransferEffect::Begin(_, order)] = &transfers(&again)[..] else { panic!("{again:?}") };
    assert_eq!(order.what.iter().map(Piece::shown).collect::<Vec<_>>(), ["iso.img"]);
}

#[test]
fn a_question_that_is_gone_closes_its_dialog() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    fixture.copy(1);
    engine(&mut fixture, asks(5, 1, "photos", "x"));
    fixture.keys("A");
    engine(&mut fixture, fails(5, 1, "x", ClientError::Cancelled));
    assert!(fixture.state.dialogs.is_empty() && fixture.state.transfers.asks.is_empty());
}

#[test]
fn quitting_asks_only_when_something_runs() {
    let mut fixture = Fixture::connected();
    fixture.keys("q");
    assert_eq!(fixture.take(), [Effect::Quit]);
    let mut fixture = Fixture::busy();
    fixture.keys("q");
    assert_eq!((fixture.state.place(), fixture.take().len()), (Where::Quit, 0));
    fixture.keys("esc");
    assert_eq!(fixture.state.quitting, Quitting::No);
    fixture.keys("q enter");
    assert_eq!(fixture.take(), [Effect::Quit], "the journal keeps what is not through");
}

#[test]
fn quitting_can_wait_for_the_last_transfer() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    fixture.copy(1);
    fixture.keys("q w");
    assert!(fixture.take().is_empty());
    engine(&mut fixture, done(1, 0));
    assert!(fixture.take().contains(&Effect::Quit));
}

#[test]
fn quitting_can_cancel_all() {
    let mut fixture = Fixture::busy();
    fixture.keys("q c");
    let effects = fixture.take();
    assert_eq!(transfers(&effects).iter().filter(|effect| matches!(effect, TransferEffect::Settle(_))).count(), 4);
    assert!(effects.contains(&Effect::Quit));
}

#[test]
fn a_signal_quits_without_a_question() {
    let mut fixture = Fixture::busy();
    fixture.event(Event::Stop);
    assert!(fixture.take().contains(&Effect::Quit));
}

#[test]
fn transfers_left_are_offered_and_resume_after_the_login() {
    let mut fixture = Fixture::fresh();
    fixture.answer_lists(crate::tui::fixture::local_items());
    let order = Transfer::sample().order;
    fixture.event(Event::Left(vec![Left { agreed: false, key: Key(41), order: order.clone() }]));
    assert_eq!(fixture.state.place(), Where::Resume);
    fixture.keys("enter");
    fixture.greet();
    fixture.type_text("pw").keys("enter");
    let _ = fixture.take();
    fixture.log_in();
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Begin(Key(41), order)]);
    fixture.event(Event::Started(Key(41), JobId(1)));
    assert!(!fixture.state.transfers.get(Key(41)).unwrap().held);
    fixture.answer_lists(crate::tui::fixture::remote_items());
    fixture.keys("j j");
    let next = fixture.copy(9);
    assert!(next > Key(41), "names in the journal are not given twice");
}

#[test]
fn transfers_left_can_wait_or_be_forgotten() {
    let left = || vec![Left { agreed: false, key: Key(1), order: Transfer::sample().order }];
    let mut fixture = Fixture::fresh();
    fixture.event(Event::Left(left()));
    fixture.keys("esc");
    assert_eq!((fixture.state.left.len(), transfers(&fixture.take()).len()), (1, 0));
    let mut fixture = Fixture::fresh();
    fixture.event(Event::Left(left()));
    fixture.keys("d");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Settle(Key(1))]);
}

#[test]
fn transfers_left_of_the_named_server_are_offered_after_its_login() {
    let mut fixture = Fixture::of(crate::tui::fixture::begin(Some(server())));
    fixture.event(Event::Left(vec![Left { agreed: false, key: Key(1), order: Transfer::sample().order }]));
    assert_eq!(fixture.state.place(), Where::Wait);
    fixture.greet();
    fixture.type_text("pw").keys("enter");
    fixture.log_in();
    assert_eq!(fixture.state.place(), Where::Resume);
}

#[test]
fn figures_are_honest_while_the_source_is_still_counted() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    let key = fixture.copy(1);
    let mut counting = job(1, (1, 10), (1 << 20, 10 << 20), 0);
    counting.counting = true;
    fixture.progress(vec![counting], Vec::new(), 0);
    assert!(fixture.text().contains("of ≥10 MiB"), "{}", fixture.text());
    assert_eq!(fixture.state.transfers.get(key).unwrap().tally.permille(), 100);
}

#[test]
fn only_what_moves_by_itself_wakes_the_screen() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    fixture.copy(1);
    assert!(fixture.state.next_redraw().is_some());
    let mut asking = job(1, (0, 1), (0, 10), 0);
    asking.asking = 1;
    fixture.progress(vec![asking], Vec::new(), 0);
    engine(&mut fixture, asks(5, 1, "photos", "x"));
    fixture.wait(60_000);
    let _ = fixture.take();
    fixture.state.panes[crate::tui::state::side::Side::Left].loading = None;
    fixture.state.panes[crate::tui::state::side::Side::Right].loading = None;
    assert_eq!(fixture.state.next_redraw(), None, "it waits for the user");
}

#[test]
fn clearing_takes_what_is_over_off_the_list() {
    let mut fixture = Fixture::busy();
    fixture.keys("D");
    assert_eq!(fixture.state.transfers.all().len(), 4);
}

#[test]
fn a_copy_between_two_folders_of_this_computer_is_a_transfer() {
    let mut fixture = Fixture::connected();
    fixture.keys("tab g o tab j f5");
    counted(&mut fixture, 1 << 20, false);
    let _ = fixture.take();
    fixture.keys("y");
    let added = fixture.take();
    let [TransferEffect::Add(_, order)] = &transfers(&added)[..] else { panic!("{added:?}") };
    assert_eq!((&order.from, &order.to), (&Place::local("/home/al/data"), &Place::local("/home/al")));
    assert!(order.servers().is_empty(), "it needs no server");
}

#[test]
fn a_folder_of_this_computer_is_not_copied_into_itself() {
    let mut fixture = Fixture::connected();
    fixture.keys("tab g o");
    fixture.answer_lists(vec![crate::tui::fixture::entry("data/", 0, 1)]);
    fixture.keys("tab");
    let place = Place::local("/home/al/data/2024");
    fixture.state.panes[crate::tui::state::side::Side::Right].place = place;
    fixture.keys("j f5");
    let refused = fixture.state.toast.as_ref().map(|toast| toast.text.as_str());
    assert_eq!(refused, Some("/home/al/data/2024/2024 is inside /home/al/data/2024"));
}

#[test]
fn a_copy_between_two_servers_is_a_transfer_that_needs_both() {
    let mut fixture = Fixture::connected();
    fixture.connect_second();
    fixture.keys("j j j f5 y");
    let added = fixture.take();
    let [TransferEffect::Add(_, order)] = &transfers(&added)[..] else { panic!("{added:?}") };
    assert_eq!(order.servers(), [second(), server().target]);
}

#[test]
fn an_order_between_two_servers_is_held_until_both_are_connected() {
    let mut fixture = Fixture::fresh();
    fixture.answer_lists(crate::tui::fixture::local_items());
    let home = ferry_shared::path::RemotePath::home;
    let (from, to) = (Place::remote(server().target, home()), Place::remote(second(), home()));
    let order = crate::tui::state::transfers::Order { from, to, ..Transfer::sample().order };
    fixture.event(Event::Left(vec![Left { agreed: false, key: Key(41), order: order.clone() }]));
    assert!(fixture.text().contains("alice@files.example.org and bob@second.example.org"), "{}", fixture.text());
    fixture.keys("enter");
    fixture.greet();
    fixture.type_text("pw").keys("enter");
    let _ = fixture.take();
    fixture.log_in();
    // One of the two is not enough; the other is connected to next, in the other pane.
    assert!(transfers(&fixture.effects).is_empty(), "{:?}", fixture.effects);
    fixture.greet();
    fixture.type_text("pw").keys("enter");
    fixture.log_in();
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Begin(Key(41), order)]);
    assert_eq!(fixture.state.connections.len(), 2);
}

#[test]
fn an_order_on_this_computer_goes_on_without_any_server() {
    let mut fixture = Fixture::fresh();
    let order = crate::tui::state::transfers::Order { to: Place::local("/mnt"), ..Transfer::sample().order };
    fixture.event(Event::Left(vec![Left { agreed: false, key: Key(41), order: order.clone() }]));
    fixture.keys("enter");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Begin(Key(41), order)]);
}
