//! 200 connections with random work, with kills of clients and server, and checks of the result.

mod model;
mod worker;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ferry_e2e::{
    compare,
    noise::Noise,
    server::{Server, Setup},
    wait,
};
use serde_json::Value;
use tokio::{task::block_in_place, time::sleep};

use worker::{Account, Worker};

const USERS: [&str; 4] = ["anna", "bert", "carl", "dora"];
const CONNECTIONS: u64 = 200;
/// KiB by which the memory after two equal spans of work may differ: the amount the allocator keeps varies by half
/// as much. In a long run a leak is visible nevertheless.
const SLACK: u64 = 96 << 10;
const CONFIG: &str = r#"
[limits]
connections = 400
connections_per_user = 120
[login]
allow = ["127.0.0.0/8"]
unfinished = 400
unfinished_per_address = 400
login_seconds = 60
handshake_seconds = 60
"#;

/// The total duration; `FERRY_SOAK` sets it in seconds.
fn span() -> Duration {
    let seconds = std::env::var("FERRY_SOAK").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

fn asked(server: &Server, words: &[&str]) -> Value {
    let (status, said) = server.ferryd(&[words, &["--json"]].concat(), "");
    assert!(status.success(), "{words:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{words:?}: {error}: {said}"))
}

/// The resources of a server at rest.
#[derive(Debug, Clone, Copy)]
struct Weight {
    descriptors: u64,
    tasks: u64,
    memory: u64,
}

impl Weight {
    /// The minimum of several measurements: the query itself takes a connection, which ends soon after.
    fn least_at_rest(server: &Server) -> Self {
        let looks: Vec<_> = (0..10).map(|_| Self::at_rest(server)).collect();
        let least = |figure: fn(&Self) -> u64| looks.iter().map(figure).min().expect("ten looks");
        Self { descriptors: least(|look| look.descriptors), tasks: least(|look| look.tasks), ..looks[9] }
    }

    /// Waits until nobody is connected any more.
    fn at_rest(server: &Server) -> Self {
        let status = wait::some("all connections to end", || {
            let status = asked(server, &["status"]);
            (status["connections"] == 0 && status["unfinished"] == 0).then_some(status)
        });
        assert_eq!((&status["transfers"], &status["panics"]), (&Value::from(0), &Value::from(0)));
        let descriptors = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count() as u64;
        Self { descriptors, tasks: status["tasks"].as_u64().unwrap(), memory: server.memory().now }
    }
}

/// Runs all workers for `span`, with this many `kills` of the server.
async fn work(server: &mut Server, workers: Vec<Worker>, span: Duration, kills: u32, noise: &mut Noise) -> Vec<Worker> {
    let stop = Arc::new(AtomicBool::new(false));
    let running: Vec<_> = workers.into_iter().map(|worker| tokio::spawn(worker.run(Arc::clone(&stop)))).collect();
    let end = Instant::now() + span;
    for kill in 0..kills {
        let turn = end.saturating_duration_since(Instant::now()) / (kills - kill + 1);
        sleep(turn.mul_f64(0.5 + noise.below(100) as f64 / 100.0)).await;
        block_in_place(|| {
            server.kill();
            server.start_again();
        });
    }
    sleep(end.saturating_duration_since(Instant::now())).await;
    stop.store(true, Ordering::Relaxed);
    let mut workers = Vec::new();
    for running in running {
        workers.push(running.await.expect("a worker found something"));
    }
    workers
}

/// Checks that everything acknowledged is there and whole, that nothing else is, and that the usage matches the
/// disk.
fn check(server: &Server, workers: &[Worker], what: &str) -> usize {
    for user in USERS {
        let (home, explained) = (server.home(user), asked(server, &["quota", "explain", user]));
        let there = serde_json::json!({ "bytes": compare::bytes_below(&home), "files": compare::count_below(&home) });
        assert_eq!(explained["used"], there, "{what}: {explained}");
        let parts = explained["parts"].as_array().unwrap();
        let held: u64 = parts.iter().filter_map(|part| part["reserved"].as_u64()).sum();
        assert_eq!(explained["reserved"]["bytes"], held, "{what}: {explained}");
        let staged = fs::read_dir(server.staging(user)).unwrap().count();
        assert_eq!(staged, 2 * parts.len(), "{what}: staging of {user} holds more than its parts");
    }
    workers
        .iter()
        .map(|worker| {
            let home = server.home(worker.user());
            worker.model.check_nothing_else(&home, &worker.folder, what);
            worker.model.check(&home, what)
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_connections_at_random_work_lose_and_leak_nothing() {
    let (mut noise, seed) = Noise::any();
    let setup = USERS.iter().fold(Setup::new().config(CONFIG), |setup, user| setup.user(user, &["--quota", "60MiB"]));
    let mut server = setup.start();
    let accounts = USERS.map(|user| Account::new(user, server.address()));
    let workers = (0..CONNECTIONS).zip(accounts.iter().cycle());
    let mut workers: Vec<_> = workers.map(|(number, account)| Worker::new(account.clone(), number, seed)).collect();
    let span = span();
    let kills = u32::try_from(span.as_secs() / 5).unwrap_or(u32::MAX).max(1) / 2 + 1;
    workers = work(&mut server, workers, span / 2, kills, &mut noise).await;
    block_in_place(|| Weight::at_rest(&server));
    let compared = check(&server, &workers, &format!("seed {seed}, after kills"));

    workers = work(&mut server, workers, span / 4, 0, &mut noise).await;
    let before = block_in_place(|| Weight::least_at_rest(&server));
    workers = work(&mut server, workers, span / 4, 0, &mut noise).await;
    let after = block_in_place(|| Weight::at_rest(&server));
    let compared = compared.min(check(&server, &workers, &format!("seed {seed}, at the end")));
    // Tasks that end may take a moment longer than their connection; a leak never ends.
    block_in_place(|| {
        wait::until(&format!("no more descriptors and tasks than {before:?}, not {after:?} (seed {seed})"), || {
            let now = Weight::at_rest(&server);
            now.descriptors <= before.descriptors && now.tasks <= before.tasks
        });
    });
    assert!(after.memory <= before.memory + SLACK, "seed {seed}: {before:?}, then {after:?}");

    server.kill();
    server.start_again();
    check(&server, &workers, &format!("seed {seed}, after the last kill"));
    let (done, refused) = workers.iter().fold((0, 0), |(d, r), worker| (d + worker.done, r + worker.refused));
    assert!(compared > 100 && done > CONNECTIONS, "seed {seed}: {compared} files, {done} done, {refused} refused");
    eprintln!("seed {seed}: {done} done, {refused} refused, {compared} files compared, {before:?}, then {after:?}");
}
