//! The claims of the ledger, tested by example, against a naive model, and from many threads.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use proptest::prelude::*;

use super::*;

fn ledger(bytes: u64) -> Ledger {
    Ledger::new(Tally::default(), Limits { bytes: Some(bytes), files: None })
}

fn b(bytes: u64) -> Tally {
    Tally::new(bytes, 1)
}

#[test]
fn refuses_what_does_not_fit_and_says_why() {
    let ledger = ledger(100);
    ledger.lock_changes().charge(Tally::default(), b(30)).unwrap();
    let held = ledger.reserve(b(50)).unwrap();
    let refused = ledger.reserve(b(21)).unwrap_err();
    assert_eq!(refused, OverQuota { what: What::Bytes, needed: 21, available: 20, held: 50 });
    drop(ledger.reserve(b(20)).unwrap());
    drop(held);
    drop(ledger.reserve(b(70)).unwrap());
}

#[test]
fn files_are_limited_by_themselves() {
    let ledger = Ledger::new(Tally::new(0, 9), Limits { bytes: None, files: Some(10) });
    let held = ledger.reserve(Tally::new(u64::MAX, 1)).unwrap();
    let refused = ledger.reserve(Tally::new(0, 1)).unwrap_err();
    assert_eq!(refused, OverQuota { what: What::Files, needed: 1, available: 0, held: 1 });
    drop(held);
}

#[test]
fn a_dropped_reservation_is_refunded_whole() {
    let ledger = ledger(100);
    let mut reservation = ledger.reserve(b(10)).unwrap();
    reservation.grow(b(60)).unwrap();
    assert!(reservation.grow(b(31)).is_err());
    assert_eq!((reservation.amount(), ledger.snapshot().reserved), (Tally::new(70, 2), Tally::new(70, 2)));
    reservation.shrink_to(b(40));
    reservation.shrink_to(Tally::new(u64::MAX, u64::MAX));
    assert_eq!((reservation.amount(), ledger.snapshot().reserved), (b(40), b(40)));
    drop(reservation);
    assert_eq!(ledger.snapshot().reserved, Tally::default());
}

#[test]
fn settling_uses_the_growth_and_gives_back_the_rest() {
    let ledger = ledger(100);
    ledger.lock_changes().charge(Tally::default(), b(30)).unwrap();
    let mut reservation = ledger.reserve(b(50)).unwrap();
    ledger.lock_changes().settle(&mut reservation, b(30), b(60)).unwrap();
    let snapshot = ledger.snapshot();
    assert_eq!((snapshot.used, snapshot.reserved, reservation.amount()), (b(60), Tally::default(), Tally::default()));
}

#[test]
fn growth_beyond_the_reservation_must_fit_or_nothing_changes() {
    let ledger = ledger(100);
    let _other = ledger.reserve(b(40)).unwrap();
    let mut reservation = ledger.reserve(b(50)).unwrap();
    let before = ledger.snapshot();
    let refused = ledger.lock_changes().settle(&mut reservation, Tally::default(), b(61)).unwrap_err();
    assert_eq!(refused, OverQuota { what: What::Bytes, needed: 11, available: 10, held: 90 });
    assert_eq!((ledger.snapshot(), reservation.amount()), (before, b(50)));
    ledger.lock_changes().settle(&mut reservation, Tally::default(), b(60)).unwrap();
    assert_eq!(ledger.snapshot().used, b(60));
}

#[test]
fn a_settled_change_that_failed_is_undone() {
    let ledger = ledger(100);
    ledger.lock_changes().charge(Tally::default(), b(20)).unwrap();
    let mut reservation = ledger.reserve(b(50)).unwrap();
    let (before, held) = (ledger.snapshot(), reservation.amount());
    let changes = ledger.lock_changes();
    changes.settle(&mut reservation, b(20), b(70)).unwrap();
    changes.unsettle(&mut reservation, held, b(20), b(70));
    drop(changes);
    assert_eq!((ledger.snapshot(), reservation.amount()), (before, held));
}

#[test]
fn a_lowered_limit_forbids_growth_and_nothing_else() {
    let ledger = Ledger::new(Tally::new(80, 8), Limits::default());
    let mut admitted = ledger.reserve(b(10)).unwrap();
    ledger.set_limits(Limits { bytes: Some(50), files: Some(5) });
    assert!(ledger.reserve(Tally::new(1, 0)).is_err());
    assert!(ledger.reserve(Tally::new(0, 1)).is_err());
    drop(ledger.reserve(Tally::default()).unwrap());
    let changes = ledger.lock_changes();
    changes.charge(b(30), b(30)).unwrap();
    changes.charge(b(30), b(10)).unwrap();
    // An upload that was admitted before may still be finished.
    changes.settle(&mut admitted, Tally::default(), b(10)).unwrap();
    assert_eq!(ledger.snapshot().used, Tally::new(70, 9));
}

#[test]
fn reservations_from_before_a_restart_are_never_refused() {
    let ledger = ledger(10);
    let restored = ledger.restore_reservation(b(50));
    assert_eq!(ledger.snapshot().reserved, b(50));
    assert_eq!(ledger.reserve(b(1)).unwrap_err().available, 0);
    drop(restored);
    drop(ledger.reserve(b(10)).unwrap());
}

#[test]
fn taking_off_more_than_is_there_is_noticed() {
    let ledger = Ledger::new(b(10), Limits::default());
    ledger.lock_changes().release_used(b(10));
    assert!(!ledger.snapshot().suspect);
    ledger.lock_changes().release_used(b(1));
    assert!(ledger.snapshot().suspect);
    let drift = crate::quota::recount(&ledger.lock_changes(), [Ok::<_, ()>(b(7))]).unwrap();
    assert_eq!((drift.is_any(), ledger.snapshot().suspect), (true, false));
}

#[test]
fn sums_past_the_largest_number_fit_no_limit() {
    let ledger = ledger(u64::MAX - 1);
    let _held = ledger.reserve(b(u64::MAX - 1)).unwrap();
    assert!(ledger.reserve(b(u64::MAX)).is_err());
    let nothing = Ledger::new(Tally::default(), Limits::default());
    let (one, two) = (nothing.reserve(b(u64::MAX)).unwrap(), nothing.reserve(b(u64::MAX)));
    assert!(two.is_err(), "the account can hold no more, limit or not");
    drop(one);
    assert_eq!(nothing.snapshot().reserved, Tally::default());
}

#[derive(Debug, Clone)]
enum Step {
    Reserve(u64, u64),
    Grow(usize, u64),
    Shrink(usize, u64),
    Drop(usize),
    /// Settles a reservation for a file: its index, the old size if it replaces a file, the new size.
    Settle(usize, Option<usize>, u64),
    Fail(usize, u64),
    Remove(usize),
    Limit(Option<u64>, Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    let (index, bytes) = (0..6_usize, 0..120_u64);
    prop_oneof![
        (bytes.clone(), 0..3_u64).prop_map(|(bytes, files)| Step::Reserve(bytes, files)),
        (index.clone(), bytes.clone()).prop_map(|(i, bytes)| Step::Grow(i, bytes)),
        (index.clone(), bytes.clone()).prop_map(|(i, bytes)| Step::Shrink(i, bytes)),
        index.clone().prop_map(Step::Drop),
        (index.clone(), proptest::option::of(index.clone()), bytes.clone())
            .prop_map(|(i, old, new)| Step::Settle(i, old, new)),
        (index.clone(), bytes.clone()).prop_map(|(i, bytes)| Step::Fail(i, bytes)),
        index.prop_map(Step::Remove),
        (proptest::option::of(0..400_u64), proptest::option::of(0..8_u64))
            .prop_map(|(bytes, files)| Step::Limit(bytes, files)),
    ]
}

/// The expected numbers: the files and reservations themselves, summed each time.
#[derive(Default)]
struct Model {
    files: Vec<u64>,
    held: Vec<Reservation>,
    limits: Limits,
}

impl Model {
    fn used(&self) -> Tally {
        Tally::new(self.files.iter().sum(), self.files.len() as u64)
    }

    fn reserved(&self) -> Tally {
        self.held.iter().fold(Tally::default(), |sum, one| sum.plus(one.amount()))
    }

    /// Whether this much more fits; a change that does not grow is always admitted.
    fn fits(&self, more: Tally) -> bool {
        let all = self.used().plus(self.reserved()).plus(more);
        (more.bytes == 0 || self.limits.bytes.is_none_or(|limit| all.bytes <= limit))
            && (more.files == 0 || self.limits.files.is_none_or(|limit| all.files <= limit))
    }

    fn run(&mut self, ledger: &Ledger, step: Step) {
        match step {
            Step::Reserve(bytes, files) => {
                let (amount, fits) = (Tally::new(bytes, files), self.fits(Tally::new(bytes, files)));
                let reserved = ledger.reserve(amount);
                assert_eq!(reserved.is_ok(), fits);
                self.held.extend(reserved);
            }
            Step::Grow(i, bytes) if i < self.held.len() => {
                let fits = self.fits(Tally::new(bytes, 0));
                assert_eq!(self.held[i].grow(Tally::new(bytes, 0)).is_ok(), fits);
            }
            Step::Shrink(i, bytes) if i < self.held.len() => self.held[i].shrink_to(Tally::new(bytes, 1)),
            Step::Drop(i) if i < self.held.len() => drop(self.held.swap_remove(i)),
            Step::Settle(i, old, new) if i < self.held.len() => self.settle(ledger, i, old, new),
            Step::Fail(i, bytes) if i < self.held.len() => {
                let (changes, held) = (ledger.lock_changes(), self.held[i].amount());
                if changes.settle(&mut self.held[i], Tally::default(), Tally::new(bytes, 1)).is_ok() {
                    changes.unsettle(&mut self.held[i], held, Tally::default(), Tally::new(bytes, 1));
                }
                assert_eq!(self.held[i].amount(), held);
            }
            Step::Remove(i) if i < self.files.len() => {
                ledger.lock_changes().release_used(Tally::new(self.files.swap_remove(i), 1));
            }
            Step::Limit(bytes, files) => {
                self.limits = Limits { bytes, files };
                ledger.set_limits(self.limits);
            }
            _ => {}
        }
    }

    fn settle(&mut self, ledger: &Ledger, i: usize, old: Option<usize>, new: u64) {
        let old = old.filter(|old| *old < self.files.len());
        let weight = old.map_or(Tally::default(), |old| Tally::new(self.files[old], 1));
        let beyond = Tally::new(new, 1).growth_from(weight).growth_from(self.held[i].amount());
        let fits = self.fits(beyond);
        let settled = ledger.lock_changes().settle(&mut self.held[i], weight, Tally::new(new, 1));
        assert_eq!(settled.is_ok(), fits);
        if settled.is_ok() {
            drop(self.held.swap_remove(i));
            match old {
                Some(old) => self.files[old] = new,
                None => self.files.push(new),
            }
        }
    }

    fn check(&self, ledger: &Ledger) {
        let snapshot = ledger.snapshot();
        assert_eq!((snapshot.used, snapshot.reserved), (self.used(), self.reserved()));
        assert!(!snapshot.suspect);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_ledger_agrees_with_a_naive_model(steps in proptest::collection::vec(step(), 1..60)) {
        let (ledger, mut model) = (Ledger::new(Tally::default(), Limits::default()), Model::default());
        for step in steps {
            let before = ledger.snapshot();
            model.run(&ledger, step);
            model.check(&ledger);
            let (after, limits) = (ledger.snapshot(), ledger.snapshot().limits);
            let sum = |s: &Snapshot| s.used.plus(s.reserved);
            if sum(&after).bytes > sum(&before).bytes {
                prop_assert!(limits.bytes.is_none_or(|limit| sum(&after).bytes <= limit));
            }
            if sum(&after).files > sum(&before).files {
                prop_assert!(limits.files.is_none_or(|limit| sum(&after).files <= limit));
            }
        }
        model.held.clear();
        model.check(&ledger);
        prop_assert_eq!(ledger.snapshot().reserved, Tally::default());
    }
}

#[test]
fn sixteen_threads_never_get_more_than_there_is() {
    const LIMIT: u64 = 1000;
    let ledger = Ledger::new(Tally::default(), Limits { bytes: Some(LIMIT), files: Some(50) });
    let stored = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..16_u64 {
            let (ledger, stored) = (ledger.clone(), &stored);
            scope.spawn(move || {
                for round in 0..2000_u64 {
                    let size = (thread * 7919 + round * 104_729) % 90;
                    let Ok(mut reservation) = ledger.reserve(b(size)) else { continue };
                    let seen = ledger.snapshot();
                    assert!(seen.used.bytes + seen.reserved.bytes <= LIMIT, "{seen:?}");
                    assert!(seen.used.files + seen.reserved.files <= 50, "{seen:?}");
                    if round % 3 == 0 {
                        continue;
                    }
                    let changes = ledger.lock_changes();
                    changes.settle(&mut reservation, Tally::default(), b(size)).unwrap();
                    stored.fetch_add(size, Ordering::Relaxed);
                    if round % 7 != 0 || thread > 3 {
                        changes.release_used(b(size));
                        stored.fetch_sub(size, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let snapshot = ledger.snapshot();
    assert_eq!((snapshot.used.bytes, snapshot.reserved), (stored.into_inner(), Tally::default()));
    assert!(!snapshot.suspect);
}
