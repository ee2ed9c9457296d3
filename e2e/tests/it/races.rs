//! Concurrent clients with the same target: one wins completely, and no limit is ever exceeded.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use ferry_e2e::{
    MIB, compare, long, material,
    noise::Noise,
    peer::{self, Peer},
    server::{Server, Setup},
};
use ferry_shared::{
    frame::Frame,
    message::{
        Reply, Request,
        request::{Basis, Put},
    },
    refusal::{Code, Refusal},
};

#[test]
fn two_clients_that_put_the_same_path_leave_one_file_whole() {
    let mut server = Server::with_anna();
    let clients = [server.client("anna"), server.client("anna")];
    let sources: Vec<_> = clients.iter().map(|client| client.scratch("here").join("file")).collect();
    for (seed, source) in (40..).zip(&sources) {
        material::random_file(source, 8 * MIB, seed);
    }
    let target = server.home("anna").join("file");
    for round in 0..if long() { 40 } else { 6 } {
        let running: Vec<_> = clients
            .iter()
            .zip(&sources)
            .map(|(client, source)| client.start(&[&"put", source, &client.at("file"), &"--on-conflict=replace"]))
            .collect();
        let outcomes: Vec<_> = running.into_iter().map(ferry_e2e::client::Running::wait).collect();
        let won: Vec<bool> = outcomes.iter().map(|outcome| outcome.status.success()).collect();
        assert!(won.contains(&true), "round {round}: nobody won: {} {}", outcomes[0], outcomes[1]);
        let is: Vec<bool> = sources.iter().map(|source| compare::equal(source, &target)).collect();
        assert!(is.contains(&true), "round {round}: the file is neither of the two");
        // If only one was told of success, its file is the one there.
        if won != [true, true] {
            assert_eq!(won, is, "round {round}: {} {}", outcomes[0], outcomes[1]);
        }
    }
    server.assert_serves("anna");
}

/// Starts an upload from the existing file and receives its digests; returns the refusal if there is one.
async fn begin_from_current(peer: &mut Peer, target: &str, size: u64) -> Result<(), Refusal> {
    let put = Put { basis: Basis::Current, ..peer::put(target, Some(size)) };
    let mut left = match peer.ask(&Request::Put(put)).await.unwrap() {
        Reply::Ready { have_blocks, .. } => have_blocks,
        Reply::Refused(refused) => return Err(refused),
        other => panic!("{other:?}"),
    };
    while left > 0 {
        match peer.next().await.unwrap().expect("digests, or a refusal") {
            Frame::Have { digests, .. } => left -= digests.len() as u64,
            Frame::Message(json) => match serde_json::from_slice(&json).unwrap() {
                Reply::Refused(refused) => return Err(refused),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_user_who_wastes_the_servers_writes_waits() {
    const SIZE: u64 = 700 << 20;
    let server = Server::with_anna();
    fs::File::create(server.home("anna").join("large")).unwrap().set_len(SIZE).unwrap();
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    begin_from_current(&mut peer, "large", SIZE).await.unwrap();
    let discard = Request::Discard { path: peer::path("large") };
    assert!(matches!(peer.ask(&discard).await.unwrap(), Reply::Done));
    let refused = begin_from_current(&mut peer, "large", SIZE).await.unwrap_err();
    assert_eq!(refused.code, Code::Busy);
    assert!(refused.retry_after > Some(30), "{refused:?}");
    // An upload costs the server no more than the sender.
    let content = Noise::new(47).bytes(3 << 20);
    peer.upload(&peer::put("other", Some(3 << 20)), &content).await.unwrap();
    // And nobody else has to wait.
    server.add_user("bob", &[]);
    let (mut bob, _) = Peer::logged_in(server.address(), "bob").await.unwrap();
    bob.upload(&peer::put("file", Some(3 << 20)), &content).await.unwrap();
    begin_from_current(&mut bob, "file", 3 << 20).await.unwrap();
}

/// Uploads of one path that supersede each other, with different sizes, while the part is discarded occasionally.
#[tokio::test(flavor = "multi_thread")]
async fn racing_uploads_are_told_that_they_were_superseded_and_never_of_a_fault() {
    let server = Server::with_anna();
    let (mut first, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let content = Noise::new(48).bytes(4 << 20);
    first.upload(&peer::put("file", Some(4 << 20)), &content).await.unwrap();
    let mut racing = tokio::task::JoinSet::new();
    for number in 0..4_u64 {
        let mut peer = Peer::attached(server.address(), &login.ticket).await.unwrap();
        racing.spawn(async move {
            let mut refusals = Vec::new();
            // Few enough to waste too little for a wait.
            for round in 0..30 {
                let size = (1 << 20) + (number + round) % 3 * (1 << 20) + 1 + number;
                let began = begin_from_current(&mut peer, "file", size).await;
                let refused = match began {
                    Ok(()) if round % 3 == number % 3 => {
                        match peer.ask(&Request::Discard { path: peer::path("file") }).await.unwrap() {
                            Reply::Refused(refused) => Some(refused),
                            _ => None,
                        }
                    }
                    Ok(()) => {
                        peer.give_up().await.unwrap();
                        None
                    }
                    Err(refused) => Some(refused),
                };
                refusals.extend(refused.map(|refused| refused.code));
            }
            refusals
        });
    }
    while let Some(refusals) = racing.join_next().await {
        let strange =
            refusals.unwrap().into_iter().find(|code| !matches!(code, Code::Superseded | Code::NotFound | Code::Busy));
        assert_eq!(strange, None, "{}", server.log());
    }
}

#[tokio::test]
async fn a_new_upload_of_a_path_wins_over_a_half_dead_one() {
    let server = Server::with_anna();
    let content = Noise::new(45).bytes(3 << 20);
    let put = peer::put("file", Some(content.len() as u64));
    let (mut old, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    old.send(&Request::Put(put.clone())).await.unwrap();
    assert!(matches!(old.reply().await.unwrap(), Reply::Ready { .. }));
    let (mut new, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let stored = new.upload(&put, &content).await.unwrap();
    assert!(matches!(stored, Reply::Stored { .. }), "{stored:?}");
    old.send_block(0, &vec![1; 1 << 20]).await.unwrap();
    let reply = old.reply().await.unwrap();
    assert!(matches!(&reply, Reply::Refused(refusal) if refusal.code == Code::Superseded), "{reply:?}");
    assert_eq!(fs::read(server.home("anna").join("file")).unwrap(), content);
}

/// Watches a folder with `find` until stopped; returns the largest size seen.
fn watch(folder: std::path::PathBuf, stop: Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let mut most = 0;
        while !stop.load(Ordering::Acquire) {
            most = most.max(compare::bytes_below(&folder));
        }
        most.max(compare::bytes_below(&folder))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_connections_at_once_never_pass_the_quota() {
    const QUOTA: u64 = 20 * MIB;
    let server = Setup::new().user("anna", &["--quota", "20MiB"]).start();
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = watch(server.home("anna"), Arc::clone(&stop));
    let (mut first, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16_u64 {
        let mut peer = Peer::attached(server.address(), &login.ticket).await.unwrap();
        tasks.spawn(async move {
            let content = Noise::new(number).bytes(3 << 20);
            // Every fourth one does not declare its size.
            let size = (!number.is_multiple_of(4)).then_some(content.len() as u64);
            peer.upload(&peer::put(&format!("file-{number}"), size), &content).await
        });
    }
    let (mut stored, mut refused) = (0, 0);
    while let Some(done) = tasks.join_next().await {
        match done.unwrap().unwrap() {
            Reply::Stored { usage, .. } => {
                stored += 1;
                assert!(usage.used + usage.reserved <= QUOTA, "admitted past the quota: {usage:?}");
            }
            Reply::Refused(refusal) if refusal.code == Code::OverQuota => {
                refused += 1;
                assert!(refusal.needed.is_some() && refusal.available.is_some(), "no figures: {refusal:?}");
            }
            other => panic!("neither stored nor over quota: {other:?}"),
        }
    }
    stop.store(true, Ordering::Release);
    let most = watcher.join().unwrap();
    assert!(most <= QUOTA, "{most} bytes lay in a home of {QUOTA}");
    assert!((1..=6).contains(&stored) && stored + refused == 16, "{stored} stored, {refused} refused");

    let held = compare::bytes_below(&server.home("anna"));
    assert_eq!(held, stored * 3 * MIB);
    let Reply::Usage(usage) = first.ask(&Request::Usage).await.unwrap() else { panic!("no usage") };
    assert_eq!((usage.used, usage.reserved), (held, 0));
    // Refused uploads reserve nothing: the rest can be filled to the last byte.
    let rest = usize::try_from(QUOTA - held).unwrap();
    let last = first.upload(&peer::put("rest", Some(rest as u64)), &Noise::new(1).bytes(rest)).await.unwrap();
    assert!(matches!(last, Reply::Stored { .. }), "{last:?}");
    let more = first.upload(&peer::put("more", Some(1)), b"x").await.unwrap();
    assert!(matches!(more, Reply::Refused(_)), "{more:?}");
}

#[test]
fn sixteen_commands_at_once_never_pass_the_quota_and_quota_equals_du() {
    let server = Setup::new().user("anna", &["--quota", "10MiB"]).start();
    let client = server.client("anna");
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = watch(server.home("anna"), Arc::clone(&stop));
    let running: Vec<_> = (0..4)
        .map(|number| {
            let tree = client.scratch("trees").join(format!("tree-{number}"));
            material::many_files(&tree, 40, 200_000, number);
            client.start(&[&"put", &tree, &client.at("/"), &"-j", &"4"])
        })
        .collect();
    let outcomes: Vec<_> = running.into_iter().map(ferry_e2e::client::Running::wait).collect();
    stop.store(true, Ordering::Release);
    assert!(watcher.join().unwrap() <= 10 * MIB);
    for outcome in &outcomes {
        assert!(matches!(outcome.status.code(), Some(0 | 6 | 8)), "{outcome}");
    }
    assert!(outcomes.iter().any(|outcome| !outcome.status.success()), "16 MiB went into 10");
    let shown = client.run(&[&"quota", &client.at(""), &"--json"]).ok().json();
    assert_eq!(shown[0]["used"].as_u64(), Some(compare::bytes_below(&server.home("anna"))), "{shown:?}");
    assert_eq!(shown[0]["limit"].as_u64(), Some(10 * MIB), "{shown:?}");
    assert_eq!(shown[0]["files"].as_u64(), Some(compare::count_below(&server.home("anna"))), "{shown:?}");
}
