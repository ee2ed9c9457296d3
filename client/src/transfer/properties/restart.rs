//! An order in a real journal is killed at each operation of the sites and restarted from the journal: the result must
//! equal that of an uninterrupted run.

use std::path::Path;

use ferry_shared::path::RemotePath;
use proptest::prelude::*;
use tokio::runtime::Builder;

use super::{
    case::{self, Case, Setting, Side, path},
    place::{Content, Picture, Place, Thing},
    run, runner,
};
use crate::{
    Target,
    conformance::scene::{LIKE_A_BUCKET, LIKE_SFTP},
    memory::Memory,
    obstacle::Obstacle,
    site::Abilities,
    site_key::SiteKey,
    transfer::{
        ConflictRule, Event, JobOptions,
        journal::{self, Journal, Order},
    },
};

/// The key of the order.
const KEY: u64 = 7;
/// The most operations at which each kill is tried; of more operations, a random sample is.
const ALL_TRIED: u64 = 24;

/// The result of a run.
#[derive(Debug, PartialEq, Eq)]
enum Ran {
    /// The program was killed.
    Killed,
    /// The job ended.
    Done,
}

/// A case whose result does not depend on the progress before it was killed.
fn cases(abilities: (Abilities, Abilities)) -> impl Strategy<Value = Case> {
    let compares = abilities.0.digest && abilities.1.digest;
    case::cases().prop_map(move |case| {
        let conflict = match case.options.conflict {
            // An answer is not kept in the journal.
            ConflictRule::Ask => ConflictRule::Replace,
            // Without digests, a file that was transferred before the kill looks like any other existing one.
            _ if !compares => ConflictRule::Replace,
            // An equal target counts as transferred after a restart, and its source is removed, though the rule would
            // have kept both.
            ConflictRule::Skip | ConflictRule::Newer if case.options.remove_source => ConflictRule::Replace,
            rule => rule,
        };
        let options = JobOptions { conflict, parents: true, verify: case.options.verify || !compares, ..case.options };
        Case { whole: false, faults: Vec::new(), options, ..case }
    })
}

fn place(side: &str, path: RemotePath) -> journal::Place {
    let site = SiteKey::Server(Target::ferry("al", side, 1));
    journal::Place { site, path: path.into() }
}

/// The order of a case.
fn order(case: &Case, setting: &Setting) -> Order {
    let name = |path: &RemotePath| path.name().unwrap();
    let folder = |from: &RemotePath| setting.source.get(from).is_some_and(|thing| thing.content.is_none());
    let piece = |(from, to): &(RemotePath, RemotePath)| journal::Piece {
        path: name(from).into(),
        becomes: name(to).into(),
        folder: folder(from),
    };
    Order {
        from: place("source", path(b"s")),
        to: place("target", path(b"t")),
        what: setting.pieces.iter().map(piece).collect(),
        moves: case.options.remove_source,
        rule: case.options.conflict,
        follow: None,
    }
}

/// Runs the rest of the order in its own engine and runtime, until the job ends or the site `killed` crashes.
fn run(case: &Case, setting: &mut Setting, folder: &Path, again: bool, killed: Option<&Memory>) -> Ran {
    let (mut journal, found) = Journal::open(folder).unwrap();
    assert_eq!(found.unreadable, 0);
    let Some(order) = found.orders.get(&KEY) else { return Ran::Done };
    let SiteKey::Server(_) = &order.from.site else { panic!("{order:?}") };
    let below = |top: &journal::Place, path: &RemotePath| top.path.join_path(path).unwrap().remote().unwrap().clone();
    setting.pieces =
        order.what.iter().map(|piece| (below(&order.from, &piece.path), below(&order.to, &piece.becomes))).collect();
    let options = JobOptions { again, remove_source: order.moves, conflict: order.rule, ..case.options.clone() };
    let paths: Vec<RemotePath> = order.what.iter().map(|piece| piece.path.clone()).collect();
    let moves = order.moves;
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let ran = runtime.block_on(async {
        let (engine, mut events) = run::start(setting, options, case.transfers);
        let crashed = async {
            match killed {
                Some(memory) => memory.crashed().await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(crashed);
        loop {
            let event = tokio::select! {
                biased;
                () = &mut crashed => {
                    drop(engine);
                    return Ran::Killed;
                }
                event = tokio::time::timeout(run::HANGS, events.recv()) => event.expect("the engine hangs").unwrap(),
            };
            let settled = match event {
                Event::PieceDone { piece, .. } => Some(piece),
                // The piece was moved before the kill, but this was not recorded in the journal.
                Event::PieceFailed { piece, error, .. } if again && moves && error.obstacle() == Obstacle::NotFound => {
                    Some(piece)
                }
                Event::JobDone { .. } => {
                    engine.shutdown().await;
                    return Ran::Done;
                }
                _ => None,
            };
            if let Some(piece) = settled {
                journal.settle_pieces(&[(KEY, paths[piece].clone())]).unwrap();
            }
        }
    });
    // As if the program were killed: work in progress stops.
    runtime.shutdown_background();
    ran
}

/// The things at one end: path, content, and permission bits where they are compared.
type End = Vec<(RemotePath, Option<Content>, Option<u32>)>;

/// The state of both ends, reduced to the properties that must be equal. `killed`: the run was killed before its end.
fn end(case: &Case, setting: &Setting, killed: bool) -> [End; 2] {
    let dated = case.options.keep_attributes;
    let reduced = |picture: Picture| {
        let things = picture.into_iter();
        // A folder that was created without its bits before the kill counts as an existing one after it.
        let mode = |thing: &Thing| thing.content.as_ref().filter(|_| dated).map(|_| thing.mode);
        things.map(|(path, thing)| (path, thing.content.clone(), mode(&thing))).collect()
    };
    for place in [&setting.from, &setting.to] {
        let memory = place.faulty().unwrap();
        assert!(memory.half_written().is_empty());
        // A file that failed because something else has its name keeps its part. So does one that turned out to be there
        // when its job was killed before the part was discarded; the site discards it in time.
        let picture = place.picture();
        let in_the_way = |target: &RemotePath| {
            let source = setting.source.iter().find(|(source, _)| case::at_target(source) == *target);
            picture
                .get(target)
                .is_some_and(|there| killed || source.is_none_or(|(_, source)| source.content != there.content))
        };
        let unfinished = memory.tree(|tree| tree.unfinished());
        let left: Vec<_> = unfinished.iter().filter(|target| !in_the_way(target)).collect();
        assert!(left.is_empty(), "{left:?} is left unfinished");
    }
    [reduced(setting.from.picture()), reduced(setting.to.picture())]
}

fn restarts(abilities: (Abilities, Abilities), cases_tried: u32) {
    // Each line is flushed, which would take most of the time on a disk.
    let in_memory = Path::new("/dev/shm");
    let parent = if in_memory.is_dir() { in_memory.to_owned() } else { std::env::temp_dir() };
    let folder = tempfile::tempdir_in(parent).unwrap();
    let new = |case: &Case| {
        let [from, to] = [("source", abilities.0), ("target", abilities.1)].map(|(name, all)| Place::memory(name, all));
        Setting::new(case, from, to)
    };
    let strategy = (cases(abilities), proptest::collection::vec(any::<proptest::sample::Index>(), 6), 0..20_u64);
    let ran = runner(cases_tried).run(&strategy, |(case, some, second)| {
        let mut undisturbed = new(&case);
        let note = |setting: &Setting| {
            let (mut journal, _) = Journal::open(folder.path()).unwrap();
            journal.settle(KEY).unwrap();
            journal.add(KEY, &order(&case, setting)).unwrap();
        };
        note(&undisturbed);
        assert_eq!(run(&case, &mut undisturbed, folder.path(), false, None), Ran::Done);
        let expected = end(&case, &undisturbed, false);
        for side in [Side::Source, Side::Target] {
            let count = undisturbed.place(side).faulty().unwrap().operations();
            let all: Vec<u64> = match count <= ALL_TRIED {
                true => (0..count).collect(),
                false => some.iter().map(|index| index.index(usize::try_from(count).unwrap()) as u64).collect(),
            };
            for at in all {
                let mut setting = new(&case);
                note(&setting);
                let memory = setting.place(side).faulty().unwrap().clone();
                memory.crash_after(at);
                let mut ran = run(&case, &mut setting, folder.path(), false, Some(&memory));
                memory.heal();
                // Killed once more, soon after the restart, and then no more.
                if ran == Ran::Killed {
                    memory.crash_after(second);
                    ran = run(&case, &mut setting, folder.path(), true, Some(&memory));
                    memory.heal();
                }
                if ran == Ran::Killed {
                    ran = run(&case, &mut setting, folder.path(), true, None);
                }
                assert_eq!(ran, Ran::Done);
                let now = end(&case, &setting, true);
                assert!(now == expected, "killed at {at} of {side:?}: {now:?}, uninterrupted: {expected:?}");
            }
        }
        Ok(())
    });
    super::pass(ran);
}

#[test]
fn a_job_that_restarts_from_the_journal_ends_like_an_uninterrupted_one() {
    restarts((Abilities::ALL, Abilities::ALL), 10);
}

#[test]
fn a_job_to_a_site_without_digests_restarts_from_the_journal() {
    restarts((Abilities::ALL, LIKE_SFTP), 4);
}

#[test]
fn a_job_from_a_site_without_versions_to_one_without_folders_restarts_from_the_journal() {
    let without_versions = Abilities { only_if_unchanged: false, ..Abilities::ALL };
    restarts((without_versions, LIKE_A_BUCKET), 4);
}
