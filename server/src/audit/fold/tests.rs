//! Tests of what is recorded one by one and what is summarised.

use super::*;
use crate::{audit::event::Event, door::Door};

const MOST: u64 = 10_000;

struct Trial {
    folding: Folding,
    now: Instant,
}

impl Trial {
    fn new() -> Self {
        let now = Instant::now();
        Self { folding: Folding::new(MOST, now), now }
    }

    /// Returns how many of these events are recorded by themselves, each with this many bytes.
    fn told(&mut self, events: impl IntoIterator<Item = (Who, Event)>, bytes: u64) -> usize {
        let told = |(who, event): &(Who, Event)| {
            let told = self.folding.admits(self.now, SystemTime::now(), who, event);
            if told {
                self.folding.wrote(self.now, who, bytes);
            }
            told
        };
        events.into_iter().filter(told).count()
    }

    fn after(&mut self, time: Duration) -> Vec<(Who, Folded)> {
        self.now += time;
        let folded = |(who, event)| match event {
            Event::Folded(folded) => (who, folded),
            other => panic!("{other:?}"),
        };
        self.folding.turn(self.now).into_iter().map(folded).collect()
    }
}

fn user(name: &str) -> Who {
    Who { session: Some(1), user: Some(name.to_owned()), ..Who::default() }
}

fn stranger(address: &str) -> Who {
    Who::stranger(Door::Ferry, address.parse().unwrap(), Some("anna"))
}

fn upload(path: impl Into<String>, size: u64) -> Event {
    Event::Upload { path: path.into(), size, digest: None }
}

fn refused() -> Event {
    Event::Refused { code: "login_failed", message: String::new(), reason: None }
}

#[test]
fn changes_are_recorded_one_by_one_until_a_user_has_filled_the_share_of_a_day() {
    let mut trial = Trial::new();
    let many = |name: &'static str| (0..200).map(move |number| (user(name), upload(format!("/a/{number}"), 5)));
    assert_eq!(trial.told(many("eve"), 100), 101, "the one that passes the limit is told too");
    assert_eq!(trial.told([(user("anna"), upload("/x", 1))], 100), 1, "nobody else is held to it");
    let told = trial.after(MINUTE);
    assert_eq!(told.len(), 1, "{told:?}");
    let Folded { folder, count, bytes, first, last, of, .. } = &told[0].1;
    assert_eq!((folder.as_deref(), *count, *bytes), (Some("/a"), 99, 99 * 5));
    assert_eq!((first.as_deref(), last.as_deref(), of["upload"]), (Some("101"), Some("199"), 99));
    assert_eq!(told[0].0.user.as_deref(), Some("eve"));
    // Some hours later the limit still applies; after a day it does not.
    assert!(trial.after(Duration::from_secs(20 * HOUR)).is_empty());
    assert_eq!(trial.told([(user("eve"), upload("/a/x", 1))], 100), 0);
    assert_eq!(trial.after(Duration::from_secs(5 * HOUR)).len(), 1);
    assert_eq!(trial.told([(user("eve"), upload("/a/x", 1))], 100), 1);
}

#[test]
fn refusals_and_downloads_are_recorded_one_by_one_while_few_in_a_minute() {
    let mut trial = Trial::new();
    let download = |number| Event::Download { path: format!("/d/{number}"), size: 7, digest: None };
    let many = || (0..200).map(|number| (user("eve"), download(number)));
    assert_eq!(trial.told(many(), 1), FEW as usize);
    assert_eq!(trial.told([(user("eve"), upload("/d/up", 1))], 1), 1, "a change is told all the same");
    let told = trial.after(MINUTE);
    assert_eq!((told.len(), told[0].1.count, told[0].1.bytes), (1, 200 - u64::from(FEW), 7 * (200 - u64::from(FEW))));
    assert_eq!(trial.told(many(), 1), FEW as usize, "another minute");
}

#[test]
fn many_folders_and_many_addresses_get_few_lines() {
    let mut trial = Trial::new();
    assert_eq!(trial.told([(user("eve"), upload("/x/y", 1))], MOST + 1), 1);
    trial.told((0..1000).map(|number| (user("eve"), upload(format!("/{number}/file"), 1))), 1);
    let told = trial.after(MINUTE);
    assert_eq!((told.len(), told.iter().map(|line| line.1.count).sum::<u64>()), (FOLDERS + 1, 1000));
    let elsewhere = told.iter().find(|line| line.1.folder.is_none()).unwrap();
    assert_eq!(elsewhere.1.last.as_deref(), Some("/999/file"));
    let guesses = (0..5000).map(|number: u32| {
        let address = std::net::Ipv6Addr::from_bits(u128::from(number / 5) << 64 | u128::from(number));
        (stranger(&format!("[{address}]:1")), refused())
    });
    let one_by_one = trial.told(guesses, 1);
    assert!(one_by_one <= FEW_OF_STRANGERS as usize, "{one_by_one}");
    let told = trial.after(MINUTE);
    assert!(told.len() <= ADDRESSES + 1, "{}", told.len());
    assert_eq!(told.iter().map(|line| line.1.count).sum::<u64>() + one_by_one as u64, 5000);
    assert!(told.iter().all(|line| line.1.of.keys().eq(["refused login_failed"])), "{told:?}");
    assert!(trial.folding.told.len() < 3, "nothing is kept of addresses");
}

#[test]
fn a_stranger_who_claims_a_name_does_not_use_up_its_share() {
    let mut trial = Trial::new();
    trial.told((0..500).map(|_| (stranger("192.0.2.1:5"), refused())), 1000);
    assert_eq!(trial.told([(user("anna"), refused()), (user("anna"), upload("/a", 1))], 1), 2);
}

#[test]
fn actions_of_the_operator_are_never_summarised() {
    let mut trial = Trial::new();
    assert_eq!(trial.told((0..500).map(|_| (Who::operator(0), Event::Reload)), 10_000), 500);
    assert!(trial.folding.due().is_none());
}
