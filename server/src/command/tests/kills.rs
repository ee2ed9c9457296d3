//! Compares the ledger with the disk: random work on two connections, random stops and kills.
//!
//! After every step, usage equals what an outsider counts, usage and reservations together are within the limit,
//! and no unfinished upload takes more space than its reservation and the file that it replaces. After a kill, the
//! staged bytes of open streams remain, and an upload that continues without needing more room is never refused.

use ferry_shared::{
    limits::BLOCK_LEN,
    message::{
        Reply, Request,
        request::{Basis, Put},
    },
};
use proptest::prelude::*;

use super::harness::{Peer, World, block, commit, data, path, put, small};

const QUOTA: u64 = 6 << 20;
const NAMES: [&str; 5] = ["a", "b", "d/a", "d/b", "d/e/f"];

#[derive(Debug, Clone)]
enum Step {
    Small {
        peer: bool,
        name: usize,
        size: usize,
    },
    /// A large upload: this many of its blocks, then its commit or not.
    Large {
        peer: bool,
        name: usize,
        blocks: usize,
        sent: usize,
        commits: bool,
        basis: Basis,
    },
    Stream {
        peer: bool,
        name: usize,
        blocks: usize,
        commits: bool,
    },
    Remove {
        peer: bool,
        name: usize,
    },
    RemoveTree {
        peer: bool,
    },
    Rename {
        peer: bool,
        from: usize,
        to: usize,
    },
    Copy {
        peer: bool,
        from: usize,
        to: usize,
    },
    MakeDir {
        peer: bool,
    },
    Discard {
        peer: bool,
        name: usize,
    },
    Reconnect {
        peer: bool,
    },
    Kill,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    let (peer, name) = (any::<bool>(), 0..NAMES.len());
    let basis = prop_oneof![Just(Basis::None), Just(Basis::Staged), Just(Basis::Current)];
    prop_oneof![
        4 => (peer, name.clone(), 0..200_000usize).prop_map(|(peer, name, size)| Step::Small { peer, name, size }),
        4 => (peer, name.clone(), 2..4usize, 0..4usize, any::<bool>(), basis).prop_map(
            |(peer, name, blocks, sent, commits, basis)| Step::Large { peer, name, blocks, sent, commits, basis }
        ),
        1 => (peer, name.clone(), 0..3usize, any::<bool>())
            .prop_map(|(peer, name, blocks, commits)| Step::Stream { peer, name, blocks, commits }),
        2 => (peer, name.clone()).prop_map(|(peer, name)| Step::Remove { peer, name }),
        1 => peer.prop_map(|peer| Step::RemoveTree { peer }),
        2 => (peer, name.clone(), name.clone()).prop_map(|(peer, from, to)| Step::Rename { peer, from, to }),
        2 => (peer, name.clone(), name.clone()).prop_map(|(peer, from, to)| Step::Copy { peer, from, to }),
        1 => peer.prop_map(|peer| Step::MakeDir { peer }),
        1 => (peer, name).prop_map(|(peer, name)| Step::Discard { peer, name }),
        1 => peer.prop_map(|peer| Step::Reconnect { peer }),
        1 => Just(Step::Kill),
        1 => Just(Step::Stop),
    ]
}

struct Run {
    world: World,
    peers: [Peer; 2],
}

impl Run {
    fn new(world: World) -> Self {
        let peers = [world.connect(), world.connect()];
        Self { world, peers }
    }

    fn peer(&mut self, which: bool) -> &mut Peer {
        &mut self.peers[usize::from(which)]
    }

    /// Does one step. Refusals are fine; the invariants are checked afterwards.
    fn step(mut self, step: &Step) -> Self {
        match *step {
            Step::Kill => return Self::new(self.world.kill_with(self.peers)),
            Step::Stop => {
                drop(self.peers);
                return Self::new(self.world.stop());
            }
            Step::Reconnect { peer } => *self.peer(peer) = self.world.connect(),
            Step::Small { peer, name, size } => {
                let mut frames = small(NAMES[name], &data(size, 3));
                // Half of them make their folders, so that folders count too.
                if size % 2 == 0 {
                    let declared = Put { parents: true, ..put(NAMES[name], size as u64, Basis::None) };
                    frames = Vec::new();
                    ferry_shared::frame::put_message(&mut frames, &Request::Put(declared)).unwrap();
                    if size > 0 {
                        frames.extend(block(&data(size, 3), 0));
                    }
                    frames.extend(commit(&data(size, 3)));
                }
                self.peer(peer).send(&frames);
                drop(self.peer(peer).answer());
            }
            Step::Large { peer, name, blocks, sent, commits, basis } => {
                let bytes = data(blocks * BLOCK_LEN - 7, 5);
                let declared = Put { parents: true, ..put(NAMES[name], bytes.len() as u64, basis) };
                self.upload(peer, declared, &bytes, sent.min(blocks), commits);
            }
            Step::Stream { peer, name, blocks, commits } => {
                let bytes = data(blocks * BLOCK_LEN, 9);
                let declared = Put { parents: true, size: None, ..put(NAMES[name], 0, Basis::None) };
                self.upload(peer, declared, &bytes, blocks, commits);
            }
            Step::Remove { peer, name } => {
                self.ask(peer, &Request::Remove { path: path(NAMES[name]), recursive: false, version: None })
            }
            Step::RemoveTree { peer } => {
                self.ask(peer, &Request::Remove { path: path("d"), recursive: true, version: None })
            }
            Step::Rename { peer, from, to } => {
                let (from, to) = (path(NAMES[from]), path(NAMES[to]));
                self.ask(peer, &Request::Rename { from, to, replace: true });
            }
            Step::Copy { peer, from, to } => {
                let (from, to) = (path(NAMES[from]), path(NAMES[to]));
                self.ask(peer, &Request::Copy { from, to, replace: true });
            }
            Step::MakeDir { peer } => self.ask(peer, &Request::MakeDir { path: path("d/e"), parents: true }),
            Step::Discard { peer, name } => self.ask(peer, &Request::Discard { path: path(NAMES[name]) }),
        }
        self
    }

    fn ask(&mut self, peer: bool, request: &Request) {
        // This gives up an upload that was left open.
        drop(self.peer(peer).ask(request));
    }

    /// Whether an upload only continues an earlier one, whose reservation covers it.
    fn goes_on(&self, declared: &Put) -> bool {
        let account = self.world.context.users.current(&"alice".parse().unwrap()).unwrap();
        let user = self.world.context.open_user(&account).unwrap();
        let part = user.home.part_info(&declared.path);
        declared.basis != Basis::None && part.is_some_and(|part| part.meta.size == declared.size)
    }

    fn upload(&mut self, peer: bool, declared: Put, bytes: &[u8], sent: usize, commits: bool) {
        let goes_on = self.goes_on(&declared);
        let peer = self.peer(peer);
        // The last answer is for this request: an open upload is given up, and may have been refused before.
        peer.request(&Request::Put(declared));
        let mut answer = None;
        while !peer.has_no_reply() {
            answer = Some(peer.reply()).filter(|reply| !matches!(reply, Reply::Notice(_))).or(answer);
        }
        if !matches!(answer, Some(Reply::Ready { .. })) {
            assert!(!goes_on || answer.is_none(), "a resume that needs no more room: {answer:?}");
            return;
        }
        for index in 0..sent {
            peer.send(&block(bytes, index));
        }
        if commits {
            peer.send(&commit(bytes));
        }
        while !peer.has_no_reply() {
            drop(peer.reply());
        }
    }

    fn check(&self, step: &Step) {
        let (bytes, files) = self.world.on_disk();
        let account = self.world.context.users.current(&"alice".parse().unwrap()).unwrap();
        let user = self.world.context.open_user(&account).unwrap();
        let figures = user.ledger.snapshot();
        assert_eq!((figures.used.bytes, figures.used.files), (bytes, files), "after {step:?}");
        assert!(figures.used.bytes + figures.reserved.bytes <= QUOTA, "after {step:?}: {figures:?}");
        let mut held = 0;
        for part in user.home.parts() {
            let own = user.reserved_for(&part.meta.path).bytes;
            let target = self.world.home().join(std::str::from_utf8(part.meta.path.as_bytes()).unwrap());
            let replaced = std::fs::metadata(target).map_or(0, |meta| if meta.is_file() { meta.len() } else { 0 });
            assert!(part.length <= own + replaced, "after {step:?}: {part:?} holds {own} beside {replaced}");
            held += own;
        }
        assert!(held <= figures.reserved.bytes, "after {step:?}: {held} held, {figures:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("FERRY_KILLS").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24),
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_ledger_follows_the_disk_through_random_work_and_kills(steps in prop::collection::vec(step(), 1..40)) {
        let mut run = Run::new(World::new(QUOTA));
        for step in &steps {
            run = run.step(step);
            run.check(step);
        }
    }
}
