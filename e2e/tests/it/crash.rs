//! The server is stopped, or its disk fails, at each step of an act: the result is old or new, never in between.

mod act;

use std::{collections::BTreeMap, fs, path::Path};

use ferry_e2e::{
    failpoints::{Failpoints, Fault},
    peer::Peer,
    server::{Server, Setup},
    wait,
};
use ferry_shared::{
    message::{Reply, Request},
    refusal::Code,
};

use act::Act;

/// Everything in a home: files with their contents, and folders.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

fn tree(home: &Path) -> Tree {
    fn walk(folder: &Path, under: &str, tree: &mut Tree) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = format!("{under}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{path}/"), tree);
                tree.insert(path, None);
            } else {
                tree.insert(path, Some(fs::read(entry.path()).unwrap()));
            }
        }
    }
    let mut found = Tree::new();
    walk(home, "", &mut found);
    found
}

fn files(tree: &Tree) -> Tree {
    tree.iter()
        .filter(|(_, content)| content.is_some())
        .map(|(path, content)| (path.clone(), content.clone()))
        .collect()
}

struct World {
    server: Server,
    points: Failpoints,
    peer: Peer,
    act: Act,
    /// The home before and after the act.
    old: Tree,
    new: Tree,
    /// The steps of the act.
    steps: Vec<String>,
}

impl World {
    /// Runs the act once without a fault to learn its steps; `None` if the server follows no plans.
    async fn new(act: Act) -> Option<Self> {
        let mut server = Failpoints::setup(Setup::new().user("anna", &[])).start();
        let points = Failpoints::of(&mut server)?;
        let (peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
        let mut world = Self { server, points, peer, act, old: Tree::new(), new: Tree::new(), steps: Vec::new() };
        world.act.prepare(&mut world.peer).await.unwrap();
        world.old = world.tree();
        world.points.count();
        let replies = world.act.run(&mut world.peer).await;
        world.steps = world.points.end();
        assert!(!replies.is_empty() && !replies.iter().any(is_refused), "{act:?}: {replies:?}");
        world.new = world.tree();
        world.figures("at first").await;
        Some(world)
    }

    fn tree(&self) -> Tree {
        tree(&self.server.home("anna"))
    }

    async fn begin(&mut self) {
        act::clear(&mut self.peer, &self.server.home("anna")).await.unwrap();
        self.act.prepare(&mut self.peer).await.unwrap();
        assert_eq!(self.tree(), self.old, "the home is not prepared");
    }

    async fn restart(&mut self) {
        self.server.kill();
        self.server.start_again();
        self.peer = Peer::logged_in(self.server.address(), "anna").await.unwrap().0;
    }

    /// Checks that everything in the home is either old or new, and that acknowledged changes are new.
    fn whole(&self, replies: &[Reply], what: &str) {
        let now = self.tree();
        for path in now.keys().chain(self.old.keys()).chain(self.new.keys()) {
            let (there, old, new) = (now.get(path), self.old.get(path), self.new.get(path));
            assert!(there == old || there == new, "{what}: {path} is neither old nor new");
        }
        for (number, _) in replies.iter().enumerate().filter(|(_, reply)| !is_refused(reply)) {
            match self.act.target(number) {
                Some(path) => assert!(now.get(path) == self.new.get(path), "{what}: {path} was acknowledged"),
                None => assert!(now == self.new, "{what}: acknowledged and not done"),
            }
        }
    }

    /// Checks that the usage matches the disk, and that staging holds exactly the listed parts.
    async fn figures(&mut self, what: &str) {
        let Reply::Usage(usage) = self.peer.ask(&Request::Usage).await.unwrap() else { panic!("{what}: no usage") };
        let now = self.tree();
        let bytes: u64 = now.values().flatten().map(|content| content.len() as u64).sum();
        assert_eq!((usage.used, usage.files), (bytes, now.len() as u64), "{what}: used is not what is there");
        let Reply::Uploads { uploads, .. } = self.peer.ask(&Request::Uploads).await.unwrap() else {
            panic!("{what}: no uploads")
        };
        let reserved: u64 = uploads.iter().map(|upload| upload.reserved).sum();
        assert_eq!(usage.reserved, reserved, "{what}: something holds space that is not listed");
        let mut staged: Vec<_> = fs::read_dir(self.server.staging("anna")).unwrap().flatten().collect();
        staged.sort_by_key(fs::DirEntry::file_name);
        assert_eq!(staged.len(), 2 * uploads.len(), "{what}: {staged:?} for {uploads:?}");
    }

    /// Checks that repeating the act succeeds.
    async fn again(&mut self, what: &str) {
        let replies = self.act.run(&mut self.peer).await;
        // An entry that was removed before the fault is not found.
        let gone = matches!(self.act, Act::RemoveTree | Act::RenameOver | Act::Discard)
            && matches!(&replies[..], [Reply::Refused(refusal)] if refusal.code == Code::NotFound);
        assert!(gone || !replies.is_empty() && !replies.iter().any(is_refused), "{what}, again: {replies:?}");
        assert!(self.tree() == self.new, "{what}, again: not done");
        self.figures(&format!("{what}, again")).await;
    }
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(_))
}

/// Checks that data is on the disk before it gets its name, and the name before the last answer.
fn assert_order(act: Act, steps: &[String]) {
    let (mut unflushed, mut dirty, mut unnamed) = (0_u32, false, false);
    for step in steps {
        match step.as_str() {
            "create" => unflushed += 1,
            "write" | "length" | "mode" | "times" => dirty = true,
            "flush file" => (unflushed, dirty) = (unflushed.saturating_sub(1), false),
            "flush folder" => unnamed = false,
            "flush filesystem" => (unflushed, dirty, unnamed) = (0, false, false),
            "rename" => {
                assert!(unflushed == 0 && !dirty, "{act:?}: named before it is durable: {steps:?}");
                unnamed = true;
            }
            _ => {}
        }
    }
    assert!(!unnamed && steps.iter().any(|step| step == "rename"), "{act:?}: the name is not durable: {steps:?}");
}

/// Stops the process before each step in turn, until the act takes no further step.
async fn dies_at_every_step(act: Act) {
    let Some(mut world) = World::new(act).await else { return };
    if world.steps.iter().any(|step| act.shows(step) && step == "rename") {
        assert_order(act, &world.steps);
    }
    let last_flush = world.steps.iter().rposition(|step| step.starts_with("flush")).unwrap_or(0);
    let mut number = 0;
    loop {
        number += 1;
        world.begin().await;
        world.points.arm(Fault::Crash, number);
        let replies = world.act.run(&mut world.peer).await;
        let steps = world.points.end();
        if steps.len() < number {
            break;
        }
        let what = format!("{act:?} stopped before step {number} ({})", steps[number - 1]);
        wait::until("the server to die", || !world.server.is_running());
        // A group may arrive in two parts, and the first may be answered by then.
        let early = act != Act::Group && number <= last_flush + 1;
        assert!(!early || replies.is_empty(), "{what}: answered before all was durable: {replies:?}");
        world.whole(&replies, &what);
        world.restart().await;
        world.whole(&replies, &what);
        world.figures(&what).await;
        world.again(&what).await;
    }
    assert!(number > 1, "{act:?} takes no step");
}

/// Lets each step fail in turn: the act is refused clearly, the old bytes are there, and the server continues.
async fn outlives_a_fault_at_every_step(act: Act, fault: Fault) {
    let Some(mut world) = World::new(act).await else { return };
    let code = if fault == Fault::Full { Code::DiskFull } else { Code::DiskFailing };
    let mut number = 0;
    loop {
        number += 1;
        world.begin().await;
        world.points.arm(fault, number);
        let replies = world.act.run(&mut world.peer).await;
        let steps = world.points.end();
        let Some(step) = steps.get(number - 1).cloned() else { break };
        let shown = steps.iter().position(|step| act.shows(step)).unwrap_or(steps.len());
        let what = format!("{act:?} with {fault} at step {number} ({step})");
        assert!(!replies.is_empty(), "{what}: no answer");
        for reply in &replies {
            if let Reply::Refused(refusal) = reply {
                assert_eq!(refusal.code, code, "{what}: {refusal:?}");
            }
        }
        world.whole(&replies, &what);
        if number <= shown + 1 && replies.iter().all(is_refused) {
            assert!(files(&world.tree()) == files(&world.old), "{what}: refused, and the old bytes are gone");
        }
        if step == "unlink" {
            // A file that could not be removed is removed at the next start.
            world.restart().await;
        }
        world.figures(&what).await;
        world.again(&what).await;
    }
    assert!(number > 1, "{act:?} takes no step");
}

macro_rules! acts {
    ($($name:ident: $act:ident,)*) => { $(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn stopped_at_any_step_is_old_or_new() {
                dies_at_every_step(Act::$act).await;
            }

            #[tokio::test]
            async fn a_broken_disk_is_refused_and_outlived() {
                outlives_a_fault_at_every_step(Act::$act, Fault::Broken).await;
            }

            #[tokio::test]
            async fn a_full_disk_is_refused_and_outlived() {
                outlives_a_fault_at_every_step(Act::$act, Fault::Full).await;
            }
        }
    )* };
}

acts! {
    a_small_upload: Small,
    a_small_upload_over_a_file_and_a_part: SmallReplace,
    a_group_of_small_uploads: Group,
    a_large_upload: Large,
    a_large_upload_over_a_file: LargeReplace,
    a_resumed_upload: Resume,
    a_rename_over_a_file: RenameOver,
    a_copy_over_a_file: Copy,
    a_recursive_remove: RemoveTree,
    new_folders: MakeDir,
    a_discarded_part: Discard,
}
