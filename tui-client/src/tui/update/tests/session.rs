//! The messages when a session ends or cannot be reached, and the way back.

use std::time::Duration;

use ferry_client::{
    ClientError,
    transfer::{self, LinkEvent},
};
use ferry_shared::refusal::{Code, Refusal};

use super::{links, transfers};
use crate::{
    fault::Kind,
    tui::{
        effect::{ConnectionEffect, Effect, TransferEffect},
        event::Event,
        fixture::{Fixture, account, done, fails, key, remote_items, server},
        state::{problem::Problem, transfers::Phase},
    },
};

fn closed() -> Problem {
    Problem::from(&ClientError::from(Refusal::new(Code::AccountClosed, "this account is disabled")))
}

fn end(fixture: &mut Fixture, problem: Problem) {
    fixture.event(Event::Ended(server().target, problem));
}

fn reaches(effects: &[Effect]) -> bool {
    links(effects).iter().any(|effect| matches!(effect, ConnectionEffect::Reach(..)))
}

#[test]
fn a_session_that_ended_keeps_its_pane_and_ctrl_r_logs_in_again_from_the_box_and_from_either_pane() {
    for keys in ["ctrl-r", "esc ctrl-r", "esc tab ctrl-r"] {
        let mut fixture = Fixture::connected();
        end(&mut fixture, closed());
        let box_text = fixture.text();
        assert!(box_text.contains("log in again") && box_text.contains("this account is disabled"), "{box_text}");
        let _ = fixture.take();
        fixture.keys(keys);
        assert!(reaches(&fixture.take()), "{keys}");
        assert_eq!(fixture.state.attempt.as_ref().unwrap().server.target, server().target);
    }
    let mut fixture = Fixture::connected();
    end(&mut fixture, closed());
    let text = fixture.keys("esc").text();
    assert!(text.contains("ended: this account is disabled") && text.contains("Ctrl-R logs in again"), "{text}");
    assert!(text.contains("alice@files.example.org"), "{text}");
    // A login that is given up changes nothing of that.
    fixture.keys("ctrl-r esc");
    let text = fixture.text();
    assert!(text.contains("ended: this account is disabled") && text.contains("alice@files.example.org"), "{text}");
    // Once it is back, nothing of it is left.
    fixture.keys("ctrl-r");
    fixture.greet();
    fixture.type_text("pw").keys("enter");
    fixture.log_in();
    fixture.answer_lists(remote_items());
    assert!(fixture.state.ended.is_empty() && fixture.text().contains("thesis.tex"));
}

#[test]
fn transfers_of_a_session_that_ended_stay_listed_and_name_the_server_they_wait_for() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    let key = fixture.copy(1);
    end(&mut fixture, closed());
    fixture.keys("esc");
    assert_eq!(fixture.state.transfers.get(key).unwrap().phase(Duration::ZERO), Phase::Held);
    assert!(fixture.text().contains("waiting for alice@files"), "{}", fixture.text());
    fixture.keys("ctrl-r");
    fixture.greet();
    fixture.type_text("pw").keys("enter");
    let _ = fixture.take();
    fixture.log_in();
    let effects = fixture.take();
    assert!(matches!(transfers(&effects)[..], [TransferEffect::Begin(begun, _)] if *begun == key), "{effects:?}");
    assert_eq!(fixture.state.transfers.all().len(), 1, "it is not listed twice");
}

#[test]
fn a_held_transfer_that_is_cancelled_does_not_come_back() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    fixture.copy(1);
    end(&mut fixture, closed());
    fixture.keys("esc w x");
    assert!(fixture.state.transfers.all().is_empty() && fixture.state.left.is_empty());
}

#[test]
fn a_changed_key_on_reconnect_is_the_same_hard_stop_as_on_the_first_connect() {
    let mut fixture = Fixture::connected();
    let error = ClientError::ChangedKey {
        host: "files.example.org:7021".into(),
        expected: key(),
        found: "SHA256:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek".parse().unwrap(),
        known_servers: "/home/al/known_servers".into(),
    };
    end(&mut fixture, Problem::from(&error));
    let text = fixture.text();
    assert!(text.contains("Stopped: the server's key is not the known one"), "{text}");
    let column = |word: &str| {
        text.lines().position(|line| line.contains(word)).map(|at| (at, text.lines().nth(at).unwrap().find("SHA256:")))
    };
    let (known, now) = (column("known  SHA256").unwrap(), column("now    SHA256").unwrap());
    assert_eq!((known.0 + 1, known.1), now, "the fingerprints are not one below the other");
    let buffer = fixture.buffer();
    let (row, col) = (u16::try_from(now.0).unwrap(), 60);
    assert_eq!(buffer[(col, row)].fg, ratatui::style::Color::LightRed, "it is not red");
}

fn stall(fixture: &mut Fixture, seconds: u64) {
    let site = server().target.url();
    let retry_in = Duration::from_secs(seconds);
    let lost = LinkEvent::Lost { site, error: ClientError::closed(), retry_in, attempt: 1 };
    fixture.event(Event::Transfer(transfer::Event::Link(lost)));
}

#[test]
fn an_outage_has_one_state_and_one_countdown_for_panes_and_transfers() {
    let mut fixture = Fixture::busy();
    stall(&mut fixture, 20);
    let problem = Problem::new("the server closed the connection").of(Kind::Offline);
    fixture.event(Event::Lost { server: server().target, problem, retry_in: Duration::from_secs(9) });
    let text = fixture.text();
    assert_eq!(text.matches("again in 9 s").count(), 2, "{text}");
    assert!(!text.contains("again in 20 s"), "{text}");
    let _ = fixture.take();
    // Whichever connection succeeds first, the other one is tried at once.
    fixture.event(Event::Transfer(transfer::Event::Link(LinkEvent::Restored { site: server().target.url() })));
    assert_eq!(links(&fixture.take()), [&ConnectionEffect::Retry(server().target)]);
    stall(&mut fixture, 20);
    fixture.event(Event::Restored(server().target, account()));
    assert!(transfers(&fixture.take()).contains(&&TransferEffect::TryAtOnce(server().target)));
    assert!(!fixture.text().contains("again in"), "{}", fixture.text());
    // The engine alone may lose the server, too; Ctrl-R tries both at once.
    stall(&mut fixture, 7);
    let text = fixture.text();
    assert_eq!(text.matches("again in 7 s").count(), 2, "{text}");
    let _ = fixture.take();
    fixture.keys("ctrl-r");
    let effects = fixture.take();
    assert!(links(&effects).contains(&&ConnectionEffect::Retry(server().target)));
    assert!(transfers(&effects).contains(&&TransferEffect::TryAtOnce(server().target)));
}

#[test]
fn a_transfer_that_failed_for_the_end_of_the_session_goes_on_after_the_next_login() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    let key = fixture.copy(1);
    // The engine may notice it before the connection for browsing does.
    let error = ClientError::from(Refusal::new(Code::AccountClosed, "this account is disabled"));
    fixture.event(Event::Transfer(fails(7, 1, "holiday.raw", error)));
    fixture.event(Event::Transfer(done(1, 1)));
    assert_eq!(fixture.state.transfers.get(key).unwrap().phase(Duration::ZERO), Phase::Failed);
    end(&mut fixture, closed());
    assert_eq!(fixture.state.transfers.get(key).unwrap().phase(Duration::ZERO), Phase::Held);
    // Either may be told of it by a refused login instead.
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    let key = fixture.copy(1);
    let error = ClientError::from(Refusal::new(Code::AccountClosed, "this account is disabled"));
    fixture.event(Event::Transfer(fails(7, 1, "holiday.raw", error)));
    fixture.event(Event::Transfer(done(1, 1)));
    end(&mut fixture, Problem::from(&ClientError::from(Refusal::new(Code::LoginFailed, "wrong password"))));
    assert_eq!(fixture.state.transfers.get(key).unwrap().phase(Duration::ZERO), Phase::Held);
    // One that failed for another reason stays failed.
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    let key = fixture.copy(1);
    let error = ClientError::from(Refusal::new(Code::NotAllowed, "this name is not allowed"));
    fixture.event(Event::Transfer(fails(7, 1, "holiday.raw", error)));
    fixture.event(Event::Transfer(done(1, 1)));
    end(&mut fixture, closed());
    assert_eq!(fixture.state.transfers.get(key).unwrap().phase(Duration::ZERO), Phase::Failed);
}
