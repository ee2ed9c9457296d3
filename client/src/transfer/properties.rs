//! Properties of a job between any two sites, whatever they can do and whatever fails: random trees, options and
//! faults, with each ability switched off in turn at either end; and restarts from the journal at every step.

mod case;
mod check;
mod kept_links;
mod place;
mod restart;
mod run;

use ferry_shared::digest::Digest;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use tokio::runtime::{Builder, Runtime};

use self::{
    case::{Case, Setting},
    place::Place,
};
use crate::site::{Abilities, Dates, Folders, Names, Replace, Resume};

/// Cases for each ability that is switched off.
const CASES: u32 = 256;

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed());
    TestRunner::new_with_rng(config, rng)
}

/// The seed: the same in each run of a test, or the number in `FERRY_PROPERTIES_SEED`, or with `FERRY_LONG` a random
/// number, which is printed, so that a failure can be repeated.
fn seed() -> [u8; 32] {
    let number = match std::env::var("FERRY_PROPERTIES_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) if std::env::var_os("FERRY_LONG").is_some() => fastrand::u64(..),
        Err(_) => return Digest::of(std::thread::current().name().unwrap().as_bytes()).0,
    };
    println!("FERRY_PROPERTIES_SEED={number}");
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

/// A runtime whose clock jumps to the next timer when all tasks are idle, so that retries take no time.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Tries random jobs between two sites.
fn hold(from: Abilities, to: Abilities) {
    hold_between(&|| Place::memory("source", from), &|| Place::memory("target", to), CASES);
}

fn hold_between(from: &dyn Fn() -> Place, to: &dyn Fn() -> Place, cases: u32) {
    let runtime = runtime();
    let ran = runner(cases).run(&case::cases(), |case: Case| {
        let setting = Setting::new(&case, from(), to());
        let report = runtime.block_on(run::run(&case, &setting));
        check::all(&case, &setting, &report);
        Ok(())
    });
    pass(ran);
}

/// Panics with the smallest case that fails.
fn pass<T: std::fmt::Debug>(ran: Result<(), TestError<T>>) {
    match ran {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}\n{case:?}"),
        Err(aborted) => panic!("{aborted}"),
    }
}

/// Makes tests for an ability that is switched off.
macro_rules! without {
    ($($ability:ident => $($field:ident: $value:expr),*;)*) => {$(
        mod $ability {
            use super::*;
            const LESS: Abilities = Abilities { $($field: $value,)* ..Abilities::ALL };

            #[test]
            fn all_promises_hold_without_it_at_the_source() {
                hold(LESS, Abilities::ALL);
            }

            #[test]
            fn all_promises_hold_without_it_at_the_target() {
                hold(Abilities::ALL, LESS);
            }
        }
    )*};
}

without! {
    digest => digest: false;
    atomic_replacing => replace: Replace::ByRename;
    replacing_at_all => replace: Replace::InPlace;
    only_if_unchanged => only_if_unchanged: false;
    resume_from_blocks => resume: Resume::Offset;
    resume_from_offset => resume: Resume::Parts;
    resume => resume: Resume::None;
    rename => rename: false;
    real_folders => folders: Folders::Implied;
    work_of_its_own => server_copy: false, search: false, quota: false, unfinished: false, register: false, password: false;
    mode_bits => mode_bits: false;
    links => links: false;
    exact_dates => mtime: Dates::Seconds;
    dates => mtime: Dates::None;
    names_of_any_bytes => names: Names::Utf8;
    many_connections => connections: 1;
    a_late_size => size_first: true;
    being_far => near: true;
}

#[test]
fn all_promises_hold_with_every_ability() {
    hold(Abilities::ALL, Abilities::ALL);
}

#[test]
fn all_promises_hold_between_a_site_like_sftp_and_one_like_a_bucket() {
    use crate::conformance::scene::{IN_PLACE, LIKE_A_BUCKET, LIKE_SFTP};
    for (from, to) in
        [(LIKE_SFTP, LIKE_A_BUCKET), (LIKE_A_BUCKET, LIKE_SFTP), (LIKE_SFTP, LIKE_SFTP), (IN_PLACE, IN_PLACE)]
    {
        hold(from, to);
    }
}

#[test]
fn all_promises_hold_from_memory_to_this_computer() {
    hold_between(&|| Place::memory("source", Abilities::ALL), &Place::local, CASES / 4);
}

#[test]
fn all_promises_hold_from_this_computer_to_memory() {
    hold_between(&Place::local, &|| Place::memory("target", Abilities::ALL), CASES / 4);
}
