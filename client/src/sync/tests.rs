//! Syncs over sites in memory: killed at each step and given again, and with changes by others meanwhile.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ferry_shared::entry::Mtime;
use tokio::runtime::Builder;

use super::*;
use crate::{
    conformance::scene::{IN_PLACE, LIKE_A_BUCKET, LIKE_SFTP},
    error::ClientError,
    memory::{Memory, What, remote},
    reconnect::Patience,
    site::{Abilities, Dates, Folders, Names, Site as _},
    transfer::{ConflictRule, Engine, Event, Job, JobOptions, Piece, Settings, Work},
};

/// A wait of this length, on a clock that jumps, means that something hangs.
const HANGS: Duration = Duration::from_secs(7200);

/// The result of a run.
#[derive(Debug, Default)]
struct Ran {
    problems: Vec<(String, String)>,
    deleted: Vec<String>,
    failed: u64,
    planned: usize,
}

fn ends(from: &Memory, to: &Memory) -> Ends {
    Ends {
        from: Arc::new(from.clone()),
        source: remote("s").into(),
        to: Arc::new(to.clone()),
        target: remote("t").into(),
    }
}

/// Runs a job and returns the number of failures.
async fn run_job(engine: &Engine, events: &mut tokio::sync::mpsc::Receiver<Event>, job: Job) -> u64 {
    engine.add(job);
    loop {
        match tokio::time::timeout(HANGS, events.recv()).await.expect("the engine hangs") {
            Some(Event::JobDone { summary, .. }) => return summary.failed + summary.failed_pieces,
            Some(_) => {}
            None => return 1,
        }
    }
}

/// Syncs as the command line does; `planned` runs between plan and work.
async fn sync_with(from: &Memory, to: &Memory, options: Options, mut select: Select, planned: impl FnOnce()) -> Ran {
    let (engine, mut events) = Engine::start(Settings { transfers: 2, ..Settings::default() });
    let patience = Patience::of(Duration::from_secs(60));
    let mut sync = Sync::new(ends(from, to), options, engine.surroundings(), patience).unwrap();
    let mut ran = Ran::default();
    let plan = match sync.plan(&mut select).await {
        Ok(plan) => plan,
        Err(error) => {
            ran.problems.push((String::new(), error.to_string()));
            return ran;
        }
    };
    ran.planned = plan.copies.len() + plan.blocked.len() + plan.deletions.len();
    ran.problems.extend(
        plan.problems.iter().map(|problem| (problem.path.display().to_string(), format!("{:?}", problem.cause))),
    );
    planned();
    let job = |copies| sync.job(copies, JobOptions::default());
    if !plan.copies.is_empty() {
        ran.failed += run_job(&engine, &mut events, job(&plan.copies)).await;
    }
    if ran.failed == 0 && !plan.deletions.is_empty() {
        let (deleted, problems) = (&mut ran.deleted, &mut ran.problems);
        let done = |deletion: &Deletion, result: Result<(), ClientError>| match result {
            Ok(()) => deleted.push(deletion.path.display().to_string()),
            Err(error) => problems.push((deletion.path.display().to_string(), error.to_string())),
        };
        if sync.delete(&plan.deletions, done).await.is_err() {
            ran.failed += 1;
        }
        if !plan.blocked.is_empty() {
            let job = sync.blocked_job(&plan.blocked, JobOptions::default());
            ran.failed += run_job(&engine, &mut events, job).await;
        }
    }
    engine.shutdown().await;
    ran
}

async fn sync(from: &Memory, to: &Memory, options: Options) -> Ran {
    sync_with(from, to, options, Select::default(), || {}).await
}

fn on_a_jumping_clock<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

const MIRROR: Options =
    Options { delete: true, checksum: false, links: crate::transfer::LinkRule::LeaveOut, backup: false };

/// Two trees that differ in every way.
fn two_trees(from: Abilities, to: Abilities) -> (Memory, Memory) {
    let (source, target) = (Memory::named("source", from), Memory::named("target", to));
    source.tree(|tree| {
        tree.write("s/same", "same");
        tree.write("s/new", "new");
        tree.write("s/d/longer", "longer than before");
        tree.write("s/d/deep/x", vec![7; 40_000]);
        tree.write("s/folder-now-file", "file");
        tree.write("s/file-now-folder/in", "in");
        tree.write("s/link-now-file", "file");
        for (path, date) in [("s/same", 10), ("s/new", 11), ("s/d/longer", 12)] {
            tree.set(path, Mtime(date, 0), 0o644);
        }
    });
    target.tree(|tree| {
        tree.write("elsewhere/precious", "precious");
        tree.write("t/same", "same");
        tree.set("t/same", Mtime(10, 0), 0o644);
        tree.write("t/d/longer", "longer");
        tree.write("t/old/deep/y", "y");
        tree.write("t/old/z", "z");
        tree.write("t/folder-now-file/in", "in");
        tree.write("t/file-now-folder", "file");
        if to.links {
            tree.link("t/link-now-file", "elsewhere/precious");
            tree.link("t/dangling", "elsewhere");
        }
    });
    (source, target)
}

/// The files below a folder.
fn files(site: &Memory, top: &str) -> BTreeMap<String, Vec<u8>> {
    let below = |(path, content): (String, Vec<u8>)| Some((path.strip_prefix(top)?.to_owned(), content));
    site.files().into_iter().filter_map(below).collect()
}

fn folders(site: &Memory, top: &str) -> Vec<String> {
    site.folders().into_iter().filter_map(|path| Some(path.strip_prefix(top)?.to_owned())).collect()
}

fn assert_mirrored(from: &Memory, to: &Memory) {
    assert_eq!(files(from, "s/"), files(to, "t/"));
    if [from, to].iter().all(|site| site.abilities().folders == Folders::Real) {
        assert_eq!(folders(from, "s/"), folders(to, "t/"));
    }
    assert_eq!(to.tree(|tree| tree.read("elsewhere/precious")), Some(b"precious".to_vec()));
    assert!(to.half_written().is_empty());
}

/// Kinds of sites; together they lack every ability that matters here.
const KINDS: [Abilities; 6] = [
    Abilities::ALL,
    LIKE_SFTP,
    LIKE_A_BUCKET,
    IN_PLACE,
    Abilities { only_if_unchanged: false, mtime: Dates::Seconds, near: true, ..Abilities::ALL },
    Abilities { names: Names::Utf8, folders: Folders::Implied, connections: 1, ..Abilities::ALL },
];

#[test]
fn the_target_becomes_like_the_source_and_a_second_run_finds_nothing_to_do() {
    for from in KINDS {
        for to in KINDS {
            on_a_jumping_clock(async {
                let (source, target) = two_trees(from, to);
                let ran = sync(&source, &target, MIRROR).await;
                assert_eq!((ran.failed, &ran.problems[..]), (0, &[][..]), "{from:?} {to:?}");
                assert_mirrored(&source, &target);
                let again = sync(&source, &target, MIRROR).await;
                // Without dates, contents are compared again.
                assert!(again.planned == 0 || to.mtime == Dates::None, "{from:?} {to:?} {again:?}");
                assert_mirrored(&source, &target);
            });
        }
    }
}

#[test]
fn killed_at_any_step_and_given_again_a_sync_ends_in_the_same_state() {
    for (from, to) in [(KINDS[0], KINDS[0]), (KINDS[0], LIKE_SFTP), (LIKE_SFTP, KINDS[4]), (KINDS[0], IN_PLACE)] {
        for at_source in [true, false] {
            let (source, target) = two_trees(from, to);
            on_a_jumping_clock(sync(&source, &target, MIRROR));
            let steps = if at_source { source.operations() } else { target.operations() };
            assert!(steps > 10);
            for step in 0..steps {
                let (source, target) = two_trees(from, to);
                let killed = if at_source { &source } else { &target };
                killed.crash_after(step);
                on_a_jumping_clock(async {
                    tokio::select! {
                        _ = sync(&source, &target, MIRROR) => {}
                        () = killed.crashed() => {}
                    }
                });
                // Everything that the source has and the target had is still there, or in its place.
                let had = target.tree(|tree| tree.read("elsewhere/precious"));
                assert_eq!(had, Some(b"precious".to_vec()));
                killed.heal();
                let ran = on_a_jumping_clock(sync(&source, &target, MIRROR));
                assert_eq!((ran.failed, &ran.problems[..]), (0, &[][..]), "step {step} of {steps}: {from:?} {to:?}");
                assert_mirrored(&source, &target);
            }
        }
    }
}

#[test]
fn a_connection_that_breaks_at_any_step_is_survived() {
    for at_source in [true, false] {
        for step in 0..60 {
            let (source, target) = two_trees(Abilities::ALL, Abilities::ALL);
            if at_source {
                source.break_after(step)
            } else {
                target.break_after(step)
            }
            let ran = on_a_jumping_clock(sync(&source, &target, MIRROR));
            assert_eq!((ran.failed, &ran.problems[..]), (0, &[][..]), "{step}");
            assert_mirrored(&source, &target);
        }
    }
}

#[test]
fn nothing_is_removed_before_everything_was_copied() {
    // The site cannot be reached any more after so many steps; whatever is gone by then, all copies were made.
    let (source, target) = two_trees(Abilities::ALL, Abilities::ALL);
    on_a_jumping_clock(sync(&source, &target, MIRROR));
    for step in 0..target.operations() {
        let (source, target) = two_trees(Abilities::ALL, Abilities::ALL);
        target.cut_after(step);
        on_a_jumping_clock(sync(&source, &target, MIRROR));
        let (now, wanted) = (files(&target, "t/"), files(&source, "s/"));
        let removed = !now.contains_key("old/z") || !now.contains_key("old/deep/y");
        let missing = wanted.iter().filter(|(path, content)| {
            let blocked = ["folder-now-file", "file-now-folder/in", "link-now-file"].contains(&path.as_str());
            !blocked && now.get(*path) != Some(content)
        });
        assert!(!removed || missing.count() == 0, "step {step}: {:?}", now.keys());
    }
}

#[test]
fn a_file_that_changed_since_the_plan_is_not_removed() {
    for to in [Abilities::ALL, KINDS[4], LIKE_SFTP] {
        let (source, target) = two_trees(Abilities::ALL, to);
        let ran = on_a_jumping_clock(sync_with(&source, &target, MIRROR, Select::default(), || {
            target.tree(|tree| tree.write("t/old/z", "somebody's work"));
        }));
        assert_eq!(target.tree(|tree| tree.read("t/old/z")), Some(b"somebody's work".to_vec()), "{to:?}");
        let about: Vec<&str> = ran.problems.iter().map(|(path, _)| path.as_str()).collect();
        assert!(about.contains(&"/old/z") && ran.deleted.contains(&"/old/deep/y".to_owned()), "{ran:?}");
    }
}

#[test]
fn a_file_created_since_the_plan_keeps_its_folder() {
    let (source, target) = two_trees(Abilities::ALL, Abilities::ALL);
    let ran = on_a_jumping_clock(sync_with(&source, &target, MIRROR, Select::default(), || {
        target.tree(|tree| tree.write("t/old/fresh", "fresh"));
    }));
    assert_eq!(target.tree(|tree| tree.read("t/old/fresh")), Some(b"fresh".to_vec()));
    assert!(ran.problems.iter().any(|(path, _)| path == "/old"), "{ran:?}");
}

#[test]
fn a_source_that_fails_keeps_everything_at_the_target() {
    let (source, target) = two_trees(Abilities::ALL, Abilities::ALL);
    let ran = on_a_jumping_clock(sync_with(&source, &target, MIRROR, Select::default(), || {
        source.tree(|tree| tree.remove_all("s/new"));
    }));
    assert!(ran.failed > 0 && ran.deleted.is_empty(), "{ran:?}");
    assert_eq!(target.tree(|tree| tree.read("t/old/z")), Some(b"z".to_vec()));
}

#[test]
fn contents_are_compared_on_request() {
    let (source, target) = (Memory::named("source", Abilities::ALL), Memory::named("target", Abilities::ALL));
    source.tree(|tree| tree.write("s/x", "abc"));
    target.tree(|tree| tree.write("t/x", "xyz"));
    for (site, path) in [(&source, "s/x"), (&target, "t/x")] {
        site.tree(|tree| tree.set(path, Mtime(5, 0), 0o644));
    }
    on_a_jumping_clock(sync(&source, &target, MIRROR));
    assert_eq!(target.tree(|tree| tree.read("t/x")), Some(b"xyz".to_vec()));
    on_a_jumping_clock(sync(&source, &target, Options { checksum: true, ..MIRROR }));
    assert_eq!(target.tree(|tree| tree.read("t/x")), Some(b"abc".to_vec()));
    let without = Memory::named("target", LIKE_SFTP);
    let (engine, _events) = on_a_jumping_clock(async { Engine::start(Settings::default()) });
    let options = Options { checksum: true, ..MIRROR };
    Sync::new(ends(&source, &without), options, engine.surroundings(), Patience::NONE).unwrap_err();
}

#[test]
fn a_tree_is_never_synced_into_itself() {
    let site = Memory::named("site", Abilities::ALL);
    let (engine, _events) = on_a_jumping_clock(async { Engine::start(Settings::default()) });
    for (source, target) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        let site = || Arc::new(site.clone());
        let ends = Ends { from: site(), source: remote(source).into(), to: site(), target: remote(target).into() };
        Sync::new(ends, MIRROR, engine.surroundings(), Patience::NONE).unwrap_err();
    }
}

#[test]
fn ignore_files_at_the_source_count_at_both_ends() {
    let (source, target) = two_trees(Abilities::ALL, Abilities::ALL);
    source.tree(|tree| {
        tree.write("s/.ferryignore", "*.o\n");
        tree.write("s/d/.ferryignore", "!keep.o\n");
        tree.write("s/x.o", "1");
        tree.write("s/d/keep.o", "2");
    });
    target.tree(|tree| tree.write("t/d/old.o", "3"));
    let ran = on_a_jumping_clock(sync(&source, &target, MIRROR));
    assert_eq!(ran.failed, 0);
    let now = files(&target, "t/");
    assert!(now.contains_key("d/keep.o") && now.contains_key("d/old.o") && !now.contains_key("x.o"), "{now:?}");
}

/// The texts of the links below a folder.
fn links(site: &Memory, top: &str) -> BTreeMap<String, String> {
    let text = |what: &What| match what {
        What::Link(text) => Some(String::from_utf8(text.clone()).unwrap()),
        _ => None,
    };
    site.tree(|tree| {
        let below = tree.nodes().iter().filter_map(|(path, node)| {
            let path = String::from_utf8(path.as_bytes().to_vec()).unwrap();
            Some((path.strip_prefix(top)?.to_owned(), text(&node.what)?))
        });
        below.collect()
    })
}

/// Two trees that differ in every way, also in their links.
fn two_trees_with_links() -> (Memory, Memory) {
    let (source, target) = two_trees(Abilities::ALL, Abilities::ALL);
    let link = |site: &Memory, path: &str, text: &str| {
        site.tree(|tree| tree.place(&remote(path), What::Link(text.into()), Mtime(20, 0), 0o777));
    };
    for (path, text) in [("s/l/new", "../same"), ("s/l/same", "x"), ("s/l/other", "new"), ("s/file-now-link", "same")] {
        link(&source, path, text);
    }
    link(&source, "s/folder-now-link", "d");
    for (path, text) in [("t/l/same", "x"), ("t/l/other", "old"), ("t/l/gone", "x")] {
        link(&target, path, text);
    }
    target.tree(|tree| {
        tree.write("t/file-now-link", "file");
        tree.write("t/folder-now-link/in", "in");
    });
    (source, target)
}

const KEEPING: Options = Options { links: crate::transfer::LinkRule::Keep, ..MIRROR };

#[test]
fn links_are_kept_as_links_and_compared_by_their_texts() {
    let (source, target) = two_trees_with_links();
    let before = target.tree(|tree| tree.node("t/l/same").unwrap().version);
    let ran = on_a_jumping_clock(sync(&source, &target, KEEPING));
    assert_eq!((ran.failed, &ran.problems[..]), (0, &[][..]));
    assert_mirrored(&source, &target);
    assert_eq!((links(&source, "s/"), links(&source, "s/").len()), (links(&target, "t/"), 5));
    assert_eq!(target.tree(|tree| tree.node("t/l/same").unwrap().version), before, "an equal link was made again");
    assert_eq!(on_a_jumping_clock(sync(&source, &target, KEEPING)).planned, 0);
    let (source, target) = two_trees_with_links();
    on_a_jumping_clock(async {
        let (engine, _events) = Engine::start(Settings::default());
        let options = Options { backup: true, ..KEEPING };
        let mut sync = Sync::new(ends(&source, &target), options, engine.surroundings(), Patience::NONE).unwrap();
        let plan = sync.plan(&mut Select::default()).await.unwrap();
        // A link cannot be backed up, so it is not replaced.
        assert!(!plan.copies.contains_key(&remote("l/other")) && plan.copies.contains_key(&remote("l/new")));
        let without = Memory::named("without", Abilities { links: false, ..Abilities::ALL });
        for ends in [ends(&source, &without), ends(&without, &target)] {
            Sync::new(ends, KEEPING, engine.surroundings(), Patience::NONE).unwrap_err();
        }
    });
}

#[test]
fn killed_at_any_step_a_sync_that_keeps_links_ends_in_the_same_state() {
    for at_source in [true, false] {
        let (source, target) = two_trees_with_links();
        on_a_jumping_clock(sync(&source, &target, KEEPING));
        for step in 0..if at_source { source.operations() } else { target.operations() } {
            let (source, target) = two_trees_with_links();
            let killed = if at_source { &source } else { &target };
            killed.crash_after(step);
            on_a_jumping_clock(async {
                tokio::select! {
                    _ = sync(&source, &target, KEEPING) => {}
                    () = killed.crashed() => {}
                }
            });
            killed.heal();
            let ran = on_a_jumping_clock(sync(&source, &target, KEEPING));
            assert_eq!((ran.failed, &ran.problems[..]), (0, &[][..]), "step {step}");
            assert_mirrored(&source, &target);
            assert_eq!(links(&source, "s/"), links(&target, "t/"), "step {step}");
        }
    }
}

#[test]
fn what_is_taken_away_is_backed_up_first() {
    on_a_jumping_clock(async {
        let (source, target) = two_trees(Abilities::ALL, Abilities { links: false, ..Abilities::ALL });
        let (engine, mut events) = Engine::start(Settings::default());
        let options = Options { backup: true, ..MIRROR };
        let mut sync = Sync::new(ends(&source, &target), options, engine.surroundings(), Patience::NONE).unwrap();
        let backup = remote("kept/today").into();
        sync.check_backup(&backup).unwrap();
        sync.check_backup(&remote("t/kept").into()).unwrap_err();
        let plan = sync.plan(&mut Select::default()).await.unwrap();
        assert!(plan.takes_away());
        let job = sync.backup_job(&plan, &backup, JobOptions::default());
        assert_eq!(run_job(&engine, &mut events, job).await, 0);
        let kept: Vec<String> = files(&target, "kept/today/").into_keys().collect();
        assert_eq!(kept, ["d/longer", "file-now-folder", "folder-now-file/in", "old/deep/y", "old/z"]);
        let job = sync.job(&plan.copies, JobOptions::default());
        assert_eq!(run_job(&engine, &mut events, job).await, 0);
        assert_eq!(files(&target, "kept/today/")["d/longer"], b"longer");
        engine.shutdown().await;
    });
}

#[test]
fn beside_other_transfers_of_the_same_site_only_what_is_planned_is_copied() {
    on_a_jumping_clock(async {
        let (source, target) = two_trees(Abilities::ALL, Abilities::ALL);
        source.tree(|tree| tree.write("other/file", "other"));
        let (engine, mut events) = Engine::start(Settings::default());
        // A transfer that waits for an answer keeps its sessions with both sites.
        target.tree(|tree| tree.write("other/file", "another"));
        let (from, to): (Arc<dyn crate::Site>, Arc<dyn crate::Site>) =
            (Arc::new(source.clone()), Arc::new(target.clone()));
        let pieces = vec![Piece { from: remote("other/file").into(), to: remote("other/file").into() }];
        let options = JobOptions { conflict: ConflictRule::Ask, ..JobOptions::default() };
        engine.add(Job { work: Work::Copy { from, to, pieces }, options });
        while !matches!(events.recv().await, Some(Event::Asks { .. })) {}
        let patience = Patience::of(Duration::from_secs(60));
        let mut sync = Sync::new(ends(&source, &target), MIRROR, engine.surroundings(), patience).unwrap();
        let plan = sync.plan(&mut Select::default()).await.unwrap();
        let plan = plan.without(&[remote("new")].into());
        assert_eq!(run_job(&engine, &mut events, sync.job(&plan.copies, JobOptions::default())).await, 0);
        let copied = files(&target, "t/");
        assert!(copied.contains_key("d/deep/x") && !copied.contains_key("new"), "{:?}", copied.keys());
        engine.shutdown().await;
    });
}

#[test]
fn contents_that_were_compared_once_are_not_read_again() {
    on_a_jumping_clock(async {
        let (source, target) = two_trees(Abilities::ALL, Abilities::ALL);
        let (engine, _events) = Engine::start(Settings::default());
        let patience = Patience::of(Duration::from_secs(60));
        let mut sync = Sync::new(ends(&source, &target), MIRROR, engine.surroundings(), patience).unwrap();
        let mut select = Select::default();
        sync.list(&mut select).await.unwrap();
        let by_date = sync.compare(&select).await.unwrap();
        sync.set_checksum(true).unwrap();
        assert_eq!(sync.compare(&select).await.unwrap().unchanged, 1);
        assert_eq!(sync.counters().answered(), (2, 2), "one file at both ends");
        assert_eq!(sync.compare(&select).await.unwrap().unchanged, 1);
        assert_eq!(sync.counters().answered(), (0, 0));
        sync.set_checksum(false).unwrap();
        let again = sync.compare(&select).await.unwrap();
        assert_eq!(again.copies, by_date.copies);
        assert_eq!(sync.counters().listed(), (10, 12));
        engine.shutdown().await;
    });
}
