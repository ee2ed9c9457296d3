//! Links that are kept as links: whatever the source names them and they lead to, nothing outside of the target changes,
//! and none of them leads out.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use ferry_shared::{entry::Mtime, path::RemotePath};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{case::path, pass, place::Place, run::HANGS, runner, runtime};
use crate::{
    conformance::scene::LIKE_SFTP,
    memory::{Memory, What},
    obstacle::Obstacle,
    site::{Abilities, Site, SitePath},
    transfer::{
        ConflictRule, Engine, Event, Failure, Job, JobOptions, LinkRule, Outcome, Piece, Settings, Summary, Work,
    },
};

const NAMES: [&str; 3] = ["a", "b", "c"];
const TEXTS: [&str; 16] = [
    "a",
    "b/a",
    "./c",
    "../a",
    "../../b",
    "..",
    "../..",
    "../../..",
    "/out",
    "/",
    "../out/x",
    "../../out",
    "a/../../out",
    "../b/../..",
    "c/..",
    "b/out",
];

/// The entries of a source, by path.
type Tree = Vec<(Vec<usize>, Thing)>;

#[derive(Debug, Clone)]
enum Thing {
    Folder,
    File(u8),
    Link(&'static str),
}

fn trees() -> impl Strategy<Value = Vec<Tree>> {
    let thing = prop_oneof![
        1 => Just(Thing::Folder),
        2 => any::<u8>().prop_map(Thing::File),
        4 => select(&TEXTS[..]).prop_map(Thing::Link),
    ];
    vec(vec((vec(0..NAMES.len(), 1..=3), thing), 1..9), 2)
}

/// A site with the tree in the folder `s`; entries that clash with earlier ones are left out.
fn source(tree: &Tree) -> Memory {
    let site = Memory::named("source", Abilities::ALL);
    site.tree(|nodes| {
        nodes.make_folder("s");
        for (names, thing) in tree {
            let names: Vec<&str> = names.iter().map(|name| NAMES[*name]).collect();
            let at = path(format!("s/{}", names.join("/")).as_bytes());
            let is_folder =
                |path: &RemotePath| nodes.nodes().get(path).is_none_or(|node| matches!(node.what, What::Folder));
            let fits = std::iter::successors(at.parent(), RemotePath::parent).all(|above| is_folder(&above));
            if !fits || nodes.nodes().contains_key(&at) {
                continue;
            }
            let what = match thing {
                Thing::Folder => What::Folder,
                Thing::File(byte) => What::File(Arc::new(vec![*byte; 3])),
                Thing::Link(text) => What::Link(text.as_bytes().to_vec()),
            };
            nodes.place(&at, what, Mtime(1_000, 0), 0o755);
        }
    });
    site
}

/// Copies the folder `s` and keeps links; returns the items in the order of their ends.
async fn copy(
    from: &Memory,
    to: Arc<dyn Site>,
    target: SitePath,
    options: JobOptions,
) -> (Vec<(RemotePath, Outcome)>, Summary) {
    let (engine, mut events) = Engine::start(Settings { transfers: 2, ..Settings::default() });
    let pieces = vec![Piece { from: path(b"s").into(), to: target }];
    let options = JobOptions { links: LinkRule::Keep, ..options };
    engine.add(Job { work: Work::Copy { from: Arc::new(from.clone()), to, pieces }, options });
    let mut ended = Vec::new();
    let summary = loop {
        match tokio::time::timeout(HANGS, events.recv()).await.expect("the engine hangs") {
            Some(Event::ItemDone { path, outcome, .. }) => {
                let from = path.from().and_then(|path| path.remote().cloned()).unwrap_or_default();
                ended.push((from, outcome));
            }
            Some(Event::JobDone { summary, .. }) => break summary,
            Some(_) => {}
            None => panic!("the engine ended"),
        }
    };
    engine.shutdown().await;
    (ended, summary)
}

/// Everything outside of the target, by path.
fn outside(place: &Place) -> BTreeMap<String, Vec<u8>> {
    match place {
        Place::Memory(memory) => memory.tree(|tree| {
            let nodes = tree.nodes().iter().filter(|(at, _)| !at.starts_with(&path(b"t")));
            nodes.map(|(at, node)| (at.display().to_string(), format!("{:?}", node.what).into_bytes())).collect()
        }),
        Place::Local(top) => {
            let mut found = BTreeMap::new();
            for entry in fs::read_dir(top.path()).unwrap().chain(fs::read_dir(top.path().join("out")).unwrap()) {
                let at = entry.unwrap().path();
                found.insert(at.display().to_string(), fs::read(&at).unwrap_or_default());
            }
            found
        }
    }
}

/// The text of a link at the target; also checks that no link there leads out.
fn texts(place: &Place) -> BTreeMap<RemotePath, Vec<u8>> {
    let mut texts = BTreeMap::new();
    match place {
        Place::Memory(memory) => memory.tree(|tree| {
            for (at, node) in tree.nodes() {
                if let What::Link(text) = &node.what {
                    let leads = tree.follow(at);
                    assert!(leads.as_ref().map_or(true, |to| to.starts_with(&path(b"t"))), "{at:?} leads to {leads:?}");
                    texts.insert(at.clone(), text.clone());
                }
            }
        }),
        Place::Local(top) => walk(top.path(), &top.path().join("t"), &mut texts),
    }
    texts
}

fn walk(top: &Path, folder: &Path, texts: &mut BTreeMap<RemotePath, Vec<u8>>) {
    use std::os::unix::ffi::OsStrExt as _;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let at = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            let inside = top.join("t").canonicalize().unwrap();
            assert!(at.canonicalize().map_or(true, |to| to.starts_with(&inside)), "{at:?} leads out");
            let text = fs::read_link(&at).unwrap();
            texts.insert(
                path(at.strip_prefix(top).unwrap().as_os_str().as_bytes()),
                text.as_os_str().as_bytes().to_vec(),
            );
        } else if kind.is_dir() {
            walk(top, &at, texts);
        }
    }
}

fn hold(to: &dyn Fn() -> Place, cases: u32) {
    let runtime = runtime();
    pass(runner(cases).run(&trees(), |trees| {
        let place = to();
        match &place {
            Place::Memory(memory) => memory.tree(|tree| tree.write("out/x", "precious")),
            Place::Local(top) => {
                fs::create_dir(top.path().join("out")).unwrap();
                fs::create_dir(top.path().join("t")).unwrap();
                fs::write(top.path().join("out/x"), "precious").unwrap();
            }
        }
        let before = outside(&place);
        for tree in &trees {
            let from = source(tree);
            let options = JobOptions { conflict: ConflictRule::Replace, ..JobOptions::default() };
            let (ended, summary) = runtime.block_on(copy(&from, place.site(), place.path(&path(b"t")), options));
            assert_eq!(outside(&place), before);
            let texts = texts(&place);
            let made = ended.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Link));
            assert_eq!(made.clone().count() as u64, summary.links);
            for (at, _) in made {
                let below = at.as_bytes().strip_prefix(b"s").unwrap();
                let there = texts.get(&path(&[b"t", below].concat()));
                let here = from.tree(|tree| tree.nodes()[at].what.clone());
                assert!(matches!(here, What::Link(text) if Some(&text) == there), "{at:?}: {there:?}");
            }
            let first = ended.iter().position(|(_, outcome)| matches!(outcome, Outcome::Link));
            let last = ended.iter().rposition(|(_, outcome)| matches!(outcome, Outcome::Verified { .. }));
            assert!(first.is_none_or(|first| last.is_none_or(|last| last < first)), "a link was made early: {ended:?}");
        }
        Ok(())
    }));
}

#[test]
fn kept_links_never_lead_out_and_nothing_outside_of_the_target_changes() {
    for abilities in [Abilities::ALL, LIKE_SFTP, Abilities { near: true, ..Abilities::ALL }] {
        hold(&|| Place::memory("target", abilities), 128);
    }
    hold(&Place::local, 64);
}

#[test]
fn links_are_not_kept_where_a_site_has_none_or_by_a_move() {
    let without = Abilities { links: false, ..Abilities::ALL };
    for (from, to, moves) in
        [(without, Abilities::ALL, false), (Abilities::ALL, without, false), (Abilities::ALL, Abilities::ALL, true)]
    {
        let (source, target) = (Memory::named("source", from), Memory::named("target", to));
        source.tree(|tree| tree.write("s/x", "1"));
        let options = JobOptions { remove_source: moves, ..JobOptions::default() };
        let copied = copy(&source, Arc::new(target.clone()), path(b"t").into(), options);
        let (_, summary) = runtime().block_on(copied);
        assert_eq!(summary.error.unwrap().obstacle(), Obstacle::Unsupported);
        assert!(target.files().is_empty() && target.folders().is_empty() && source.files().len() == 1);
    }
}

#[test]
fn a_link_replaces_another_only_under_a_rule_that_says_so() {
    for (rule, replaced) in [
        (ConflictRule::Fail, false),
        (ConflictRule::Skip, false),
        (ConflictRule::Newer, false),
        (ConflictRule::KeepBoth, false),
        (ConflictRule::Replace, true),
        (ConflictRule::Different, true),
        (ConflictRule::Changed, true),
    ] {
        let (source, target) = (Memory::named("source", Abilities::ALL), Memory::named("target", Abilities::ALL));
        for (site, top, text) in [(&source, "s", "new"), (&target, "t", "old")] {
            let link = |name| path(format!("{top}/{name}").as_bytes());
            site.tree(|tree| {
                tree.place(&link("differs"), What::Link(text.into()), Mtime(1_000, 0), 0o777);
                tree.place(&link("same"), What::Link(b"same".to_vec()), Mtime(1_000, 0), 0o777);
            });
        }
        source.tree(|tree| tree.place(&path(b"s/file"), What::Link(b"x".to_vec()), Mtime(1_000, 0), 0o777));
        target.tree(|tree| tree.write("t/file", "precious"));
        let options = JobOptions { conflict: rule, ..JobOptions::default() };
        let (outcomes, _) = runtime().block_on(copy(&source, Arc::new(target.clone()), path(b"t").into(), options));
        let of =
            |name: &str| &outcomes.iter().find(|(at, _)| *at == path(&[b"s/", name.as_bytes()].concat())).unwrap().1;
        assert!(matches!(of("same"), Outcome::Link), "{rule:?} {outcomes:?}");
        assert_eq!(matches!(of("differs"), Outcome::Link), replaced, "{rule:?} {outcomes:?}");
        let kept = |outcome: &Outcome| match outcome {
            Outcome::Skipped(_) => rule == ConflictRule::Skip,
            Outcome::Failed(Failure { error, .. }) => error.obstacle() == Obstacle::Exists,
            _ => false,
        };
        assert!(kept(of("file")) && (replaced || kept(of("differs"))), "{rule:?} {outcomes:?}");
        let text = target.tree(|tree| tree.node("t/differs").unwrap().what.clone());
        assert!(matches!(text, What::Link(text) if text == if replaced { b"new" } else { b"old" }));
        assert_eq!(target.tree(|tree| tree.read("t/file")), Some(b"precious".to_vec()));
    }
}
