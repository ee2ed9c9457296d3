//! Work that is requested in a few bytes and takes long: it does not block others, and ends in an orderly way.

use std::{fs, path::Path, sync::Arc};

use ferry_e2e::{
    compare,
    peer::{Peer, path},
    server::Setup,
    wait,
};
use ferry_shared::message::{Reply, Request, request::Algorithm};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::Value;
use tokio::{sync::Semaphore, task::JoinSet};

/// The number of users, and of connections of each, that request more work than can be done.
const GREEDY: usize = 16;
const CONNECTIONS: usize = 32;

#[tokio::test]
async fn connections_of_many_users_at_long_work_keep_nobody_out() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let name = |user: usize| format!("user{user}");
    let mut setup = Setup::new().user("anna", &[]).config("[login]\nallow = [\"127.0.0.0/8\"]");
    for user in 0..GREEDY {
        setup = setup.user(&name(user), &[]);
    }
    let server = setup.start();
    let few_at_a_time = Arc::new(Semaphore::new(8));
    let mut greedy = JoinSet::new();
    for user in 0..GREEDY {
        fs::File::create(server.home(&name(user)).join("huge")).unwrap().set_len(60 << 30).unwrap();
        let (address, few_at_a_time) = (server.address(), Arc::clone(&few_at_a_time));
        greedy.spawn(async move {
            let _one = few_at_a_time.acquire().await.unwrap();
            let (first, login) = Peer::logged_in(address, &name(user)).await.unwrap();
            let mut peers = vec![first];
            for _ in 1..CONNECTIONS {
                peers.push(Peer::attached(address, &login.ticket).await.unwrap());
            }
            peers
        });
    }
    let mut peers: Vec<Peer> = greedy.join_all().await.into_iter().flatten().collect();
    for peer in &mut peers {
        let huge = Request::Hash { path: path("huge"), algorithm: Algorithm::Blake3 };
        peer.send(&huge).await.unwrap();
    }
    let (mut modest, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    fs::write(server.home("anna").join("small"), "text").unwrap();
    let seen = modest.ask(&Request::Stat { path: path("small") }).await.unwrap();
    assert!(matches!(&seen, Reply::Entry { .. }), "{seen:?}");
    // Work of the same kind gets its turn too.
    let hashed = modest.ask(&Request::Hash { path: path("small"), algorithm: Algorithm::Blake3 }).await.unwrap();
    assert!(matches!(&hashed, Reply::Hashed { .. }), "{hashed:?}");
    // The server notices a lost client in the middle of the work.
    drop(peers);
    wait::until("the others to be gone", || {
        let (status, said) = server.ferryd(&["sessions", "--json"], "");
        assert!(status.success(), "{said}");
        serde_json::from_str::<Value>(&said).unwrap().as_array().unwrap().len() == 1
    });
}

fn entries_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| 1 + if entry.file_type().unwrap().is_dir() { entries_below(&entry.path()) } else { 0 }).sum()
}

#[tokio::test]
async fn a_removal_cut_by_a_stop_leaves_figures_that_are_right() {
    let setup = Setup::new().user("anna", &[]).config("[limits]\ndrain_seconds = 0\n[quota]\nrescan_hours = 0");
    let mut server = setup.start();
    server.kill();
    let tree = server.home("anna").join("tree");
    for folder in 0..50 {
        let folder = tree.join(format!("{folder}"));
        fs::create_dir_all(&folder).unwrap();
        (0..200).for_each(|file| fs::write(folder.join(format!("{file}")), "text").unwrap());
    }
    // Entries made by hand count once no ledger is left.
    let _ = fs::remove_file(server.data().join("users/anna/ledger.json"));
    server.start_again();
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    peer.send(&Request::Remove { path: path("tree"), recursive: true, version: None }).await.unwrap();
    wait::until("a part to be removed", || fs::read_dir(&tree).map_or(0, Iterator::count) < 48);
    server.signal(Signal::TERM);
    assert!(server.wait_end().success());
    let counted = |log: &str| log.matches("home counted").count();
    let counts = counted(&server.log());
    server.start_again();
    let (status, said) = server.ferryd(&["quota", "explain", "anna", "--json"], "");
    assert!(status.success(), "{said}");
    let explained: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(counted(&server.log()), counts, "the ledger was there and believed");
    let home = server.home("anna");
    assert_eq!(explained["used"]["bytes"], compare::bytes_below(&home), "{said}");
    assert_eq!(explained["used"]["files"], entries_below(&home), "{said}");
}
