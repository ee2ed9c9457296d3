//! The history of transfers.

use crate::tui::{
    effect::Effect,
    event::{Answer, Event},
    fixture::{Fixture, done, fails},
    state::{
        dialog::Dialog,
        past::{Outcome, Past},
    },
};
use ferry_client::ClientError;
use ferry_shared::refusal::{Code, Refusal};

fn noted(fixture: &mut Fixture) -> Vec<Past> {
    let effects = fixture.take();
    let noted = effects.into_iter().filter_map(|effect| match effect {
        Effect::NotePast(past) => Some(past),
        _ => None,
    });
    noted.collect()
}

#[test]
fn a_transfer_that_ended_is_noted_with_both_ends_and_its_cause() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    fixture.copy(1);
    assert!(noted(&mut fixture).is_empty(), "it has not ended");
    let error = ClientError::from(Refusal::new(Code::NotAllowed, "this name is not allowed"));
    fixture.event(Event::Transfer(fails(7, 1, "holiday.raw", error)));
    fixture.event(Event::Transfer(done(1, 1)));
    let [past] = &noted(&mut fixture)[..] else { panic!("not one") };
    assert_eq!((past.verb.as_str(), past.what.as_str(), past.outcome), ("copy", "holiday.raw", Outcome::Failed));
    assert_eq!((past.from.as_str(), past.to.as_str()), ("~/data", "alice@files.example.org /photos"));
    assert_eq!((past.at, past.cause.as_deref()), (fixture.state.clock(), Some("this name is not allowed")));
}

#[test]
fn without_a_history_nothing_is_noted() {
    let mut fixture = Fixture::connected();
    fixture.state.keeps_history = false;
    fixture.keys("j j j");
    fixture.copy(1);
    fixture.event(Event::Transfer(done(1, 0)));
    assert!(noted(&mut fixture).is_empty());
}

#[test]
fn the_history_is_read_shown_and_forgotten_after_a_question() {
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    fixture.copy(1);
    fixture.event(Event::Transfer(done(1, 0)));
    let past = noted(&mut fixture).remove(0);
    assert_eq!(past.outcome, Outcome::Done);
    let hostile =
        Past { what: "b\u{1b}[2J".to_owned(), outcome: Outcome::Failed, cause: Some("why".to_owned()), ..past.clone() };
    fixture.keys("W");
    let effects = fixture.take();
    let [Effect::ReadHistory(ticket)] = effects[..] else { panic!("{effects:?}") };
    fixture.event(Event::Answer(ticket, Answer::History(vec![hostile, past], 2)));
    let text = fixture.text();
    assert!(text.contains("copy holiday.raw → alice@files.example.org /photos"), "{text}");
    assert!(text.contains(r"copy b\u{1b}[2J") && text.contains("2 lines of the history could not be read"), "{text}");
    let text = fixture.keys("enter").text();
    assert!(text.contains("from   ~/data") && text.contains("why    why"), "{text}");
    fixture.keys("esc d n");
    assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::History(_))));
    fixture.keys("d y");
    assert_eq!(fixture.take(), [Effect::ClearHistory]);
    assert!(fixture.state.dialogs.is_empty());
}
