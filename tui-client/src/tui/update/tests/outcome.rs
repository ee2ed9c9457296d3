//! The reported outcome of a transfer: at its end, across a break and across a pause.

use ferry_client::{
    ClientError,
    transfer::{ItemId, JobId, Selected, Summary},
};

use super::transfers;
use crate::tui::{
    effect::{Effect, TransferEffect},
    event::Event,
    fixture::{Fixture, active, job},
    state::transfers::{Key, Phase},
};

fn engine(fixture: &mut Fixture, event: ferry_client::transfer::Event) {
    fixture.event(Event::Transfer(event));
}

fn phase(fixture: &Fixture, key: Key) -> Phase {
    fixture.state.transfers.get(key).unwrap().phase(fixture.state.now)
}

/// The engine's word that a job is through, with these figures.
fn ended(fixture: &mut Fixture, of: u64, summary: Summary) {
    engine(fixture, ferry_client::transfer::Event::JobDone { job: JobId(of), summary });
}

#[test]
fn files_left_out_are_not_reported_as_verified() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    let key = fixture.copy(1);
    fixture.progress(vec![job(1, (1, 1), (9, 9), 0)], Vec::new(), 9);
    ended(&mut fixture, 1, Summary { skipped: 1, ..Summary::default() });
    assert_eq!(phase(&fixture, key), Phase::LeftOut);
    let text = fixture.text();
    assert!(text.contains("nothing was copied, 1 skipped") && !text.contains("verified"), "{text}");
    fixture.keys("w enter");
    assert!(fixture.text().contains("files     0 of 1") && fixture.text().contains("bytes     0 B of 9 B"));
    assert!(fixture.effects.contains(&Effect::Transfer(TransferEffect::Settle(key))));
}

#[test]
fn files_not_compared_are_reported_with_the_same_size_and_date() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    let key = fixture.copy(1);
    fixture.progress(vec![job(1, (2, 2), (9, 9), 0)], Vec::new(), 9);
    ended(&mut fixture, 1, Summary { unchanged: 2, ..Summary::default() });
    assert_eq!(phase(&fixture, key), Phase::LeftOut);
    let text = fixture.text();
    assert!(text.contains("2 of the same size and date skipped") && !text.contains("verified"), "{text}");
}

#[test]
fn verified_files_and_files_left_out_are_both_reported() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    fixture.copy(1);
    fixture.progress(vec![job(1, (3, 3), (900, 900), 0)], Vec::new(), 900);
    ended(&mut fixture, 1, Summary { files: 2, bytes: 600, skipped: 1, ..Summary::default() });
    assert!(fixture.text().contains("2 files, 600 B, verified, 1 skipped"), "{}", fixture.text());
}

#[test]
fn a_cancelled_transfer_shows_how_far_it_was_and_can_be_taken_up_again() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    let key = fixture.copy(1);
    fixture.progress(vec![job(1, (0, 6), (60 << 20, 240 << 20), 0)], Vec::new(), 60 << 20);
    fixture.keys("w x");
    ended(&mut fixture, 1, Summary { cancelled: true, skipped: 6, ..Summary::default() });
    fixture.keys("esc");
    let text = fixture.text();
    assert!(text.contains("1 cancelled") && !text.contains("done") && text.contains("cancelled at 25 %"), "{text}");
    let tally = fixture.state.transfers.get(key).unwrap().tally;
    assert_eq!((tally.files_done, tally.bytes_done), (0, 60 << 20));
    let _ = fixture.take();
    fixture.keys("w r");
    let effects = fixture.take();
    assert!(matches!(transfers(&effects)[..], [TransferEffect::Add(again, _)] if *again == key), "{effects:?}");
    fixture.event(Event::Started(key, JobId(2)));
    assert_ne!(phase(&fixture, key), Phase::Cancelled);
}

#[test]
fn a_failed_transfer_shows_no_more_than_is_verified() {
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    let key = fixture.copy(1);
    fixture.progress(vec![job(1, (1, 1), (100, 100), 0)], Vec::new(), 3);
    ended(&mut fixture, 1, Summary { failed: 1, ..Summary::default() });
    let tally = fixture.state.transfers.get(key).unwrap().tally;
    assert_eq!((tally.files_done, tally.bytes_done, tally.permille()), (0, 0, 0));
    assert!(fixture.text().contains("1 failed, 0 verified"), "{}", fixture.text());
}

fn lost() -> ferry_client::transfer::Event {
    let retry_in = std::time::Duration::from_secs(3);
    let lost = ferry_client::transfer::LinkEvent::Lost {
        site: "ferry://alice@files.example.org:7021".into(),
        error: ClientError::closed(),
        retry_in,
        attempt: 1,
    };
    ferry_client::transfer::Event::Link(lost)
}

#[test]
fn that_the_server_cannot_be_reached_is_not_said_for_longer_than_it_is_true() {
    for back in [true, false] {
        let mut fixture = Fixture::busy();
        engine(&mut fixture, lost());
        assert!(fixture.text().contains("again in 3 s"));
        fixture.event(match back {
            true => Event::Restored(crate::tui::fixture::server().target, crate::tui::fixture::account()),
            // It was given up.
            false => Event::Transfer(ferry_client::transfer::Event::Idle),
        });
        assert!(!fixture.text().contains("again in"), "{}", fixture.text());
    }
}

#[test]
fn transfers_stopped_without_a_server_show_no_rate() {
    let mut fixture = Fixture::busy();
    assert!(fixture.text().contains("MiB/s"));
    engine(&mut fixture, lost());
    fixture.progress(vec![job(1, (0, 1), (0, 4 << 30), 0)], Vec::new(), 0);
    let text = fixture.text();
    assert!(text.contains("waiting for alice@files") && !text.contains("/s"), "{text}");
}

#[test]
fn a_paused_file_stays_on_the_list_until_it_goes_on() {
    use ferry_client::transfer::{Event as Told, ItemState};
    let mut fixture = Fixture::connected();
    fixture.keys("j");
    let key = fixture.copy(1);
    let file = |id, name, done| active(id, 1, name, done, 100, ItemState::Sending);
    fixture.progress(vec![job(1, (0, 3), (70, 300), 0)], vec![file(1, "a", 40), file(2, "b", 30)], 70);
    fixture.keys("w j space");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Pause(Selected::Item(ItemId(1)))]);
    engine(&mut fixture, Told::ItemState { item: ItemId(1), state: ItemState::Paused });
    fixture.progress(vec![job(1, (0, 3), (35, 300), 0)], vec![file(2, "b", 35)], 75);
    let text = fixture.text();
    assert!(text.contains("40 %  paused"), "{text}");
    assert_eq!(fixture.state.transfers.get(key).unwrap().tally.bytes_done, 75);
    fixture.keys("space");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Resume(Selected::Item(ItemId(1)))], "the same file");
    // It goes on, and its line goes to those at work; once it is through the cursor is on its transfer.
    engine(&mut fixture, Told::ItemState { item: ItemId(1), state: ItemState::Sending });
    fixture.progress(vec![job(1, (1, 3), (135, 300), 0)], vec![file(2, "b", 35)], 90);
    fixture.keys("space");
    assert_eq!(transfers(&fixture.take()), [&TransferEffect::Pause(Selected::Job(JobId(1)))]);
}
