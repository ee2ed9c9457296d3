//! Both doors under attack: wherever people knock, they share limits and penalties, and a flood at one door leaves the
//! other usable.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use anyhow::Result;
use bytes::Bytes;
use ferry_e2e::{
    MIB, PASSWORD, compare, material, needs,
    noise::Noise,
    peer::{self, Peer},
    server::{Server, Setup},
    ssh::{HOST, Ssh},
    ssh_peer::SshPeer,
    wait,
};
use ferry_shared::{
    message::{Reply, Request},
    refusal::Code,
    sftp,
};
use tokio::{io::AsyncWriteExt as _, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Another machine, as the server sees it.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Fails unless a person gets in at both doors, sends a file at each, and gets it at the other.
fn assert_both_serve(server: &Server, user: &str) {
    let client = server.client(user);
    let ssh = Ssh::new(server.sftp().0, user);
    let folder = client.scratch("work");
    let [one, two] = ["one", "two"].map(|name| folder.join(name));
    material::random_file(&one, 4 * MIB, 1);
    material::random_file(&two, 4 * MIB, 2);
    client.put(&one, "one").ok();
    let remote = |name: &str| format!("{HOST}:{name}");
    ssh.run("scp", &[&two, &remote("two")]).ok();
    let [back_one, back_two] = ["back-one", "back-two"].map(|name| folder.join(name));
    ssh.run("scp", &[&remote("one"), &back_one]).ok();
    client.get("two", &back_two).ok();
    compare::same_file(&one, &back_one);
    compare::same_file(&two, &back_two);
}

/// A connection of ferry's own protocol on which guesses are made until it ends. Counts those that had to wait.
async fn guess_at_ferry(server: SocketAddr, guess: impl Fn() -> String, waits: &AtomicU64) -> Result<()> {
    let mut peer = Peer::connect_from(ELSEWHERE, server).await?;
    peer.ask(&peer::hello()).await?;
    loop {
        match peer.ask(&peer::login("anna", &guess())).await? {
            Reply::Refused(refusal) if refusal.code == Code::LoginFailed => {}
            Reply::Refused(refusal) if refusal.code == Code::TooManyAttempts => drop(waits.fetch_add(1, Relaxed)),
            other => panic!("a guess was answered with {other:?}"),
        }
    }
}

/// The same at the door of SFTP.
async fn guess_at_sftp(server: SocketAddr, guess: impl Fn() -> String, waits: &AtomicU64) -> Result<()> {
    let mut peer = SshPeer::connect_from(ELSEWHERE, server).await?;
    while let Ok(is_let_in) = peer.try_password("anna", &guess()).await {
        assert!(!is_let_in, "a guess was right");
    }
    if peer.last_words().await?.contains("try again in") {
        waits.fetch_add(1, Relaxed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_passwords_at_both_doors_shares_one_penalty_and_keeps_nobody_else_out() {
    if !needs::program("scp", "openssh-client") {
        return;
    }
    let server = Setup::new().user("anna", &[]).sftp().start();
    let doors = [server.address(), server.sftp().0];
    let waits: [Arc<AtomicU64>; 2] = Default::default();
    let (stop, number) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
    let mut flood = JoinSet::new();
    for guesser in 0..8 {
        let (stop, number, door) = (stop.clone(), Arc::clone(&number), guesser % 2);
        let waits = Arc::clone(&waits[door]);
        flood.spawn(async move {
            // A guess that is repeated counts once.
            let guess = || format!("guess {}", number.fetch_add(1, Relaxed));
            while !stop.is_cancelled() {
                // A connection that loses its place in the flood ends without an answer.
                let _ = match door {
                    0 => guess_at_ferry(doors[0], guess, &waits).await,
                    _ => guess_at_sftp(doors[1], guess, &waits).await,
                };
            }
        });
    }
    for more in 1..=3 {
        wait::until("the flood to go on at both doors", || waits.iter().all(|waits| waits.load(Relaxed) > 5 * more));
        assert_both_serve(&server, "anna");
    }
    stop.cancel();
    while let Some(ended) = flood.join_next().await {
        ended.unwrap();
    }
    let (_, said) = server.ferryd(&["penalties", "--json"], "");
    let penalties: Vec<serde_json::Value> = serde_json::from_str(&said).unwrap();
    let [penalty] = &penalties[..] else { panic!("not one penalty: {said}") };
    assert_eq!((penalty["address"].as_str(), penalty["user"].as_str()), (Some("127.0.0.2"), Some("anna")), "{said}");
    // All guesses that were looked at, wherever they were made, count together.
    let status: serde_json::Value = serde_json::from_str(&server.ferryd(&["status", "--json"], "").1).unwrap();
    let wrong = &status["refusals"]["login_failed"];
    assert_eq!(&penalty["failures"], wrong, "{said}");
    assert!(wrong.as_u64().is_some_and(|wrong| wrong < 20), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_left_half_open_at_one_door_keep_nobody_out_of_either() {
    if !needs::program("scp", "openssh-client") {
        return;
    }
    let server = Setup::new().user("anna", &[]).sftp().start();
    // The beginning of a TLS record, and of an identification of SSH.
    for (door, first) in [(server.address(), &[22, 3, 1, 2, 0, 1][..]), (server.sftp().0, b"SSH-2.0-hal")] {
        let mut half_open = Vec::new();
        for _ in 0..300 {
            let mut tcp = peer::tcp_from(ELSEWHERE, door).await.unwrap();
            // The server may have dropped it already.
            let _ = tcp.write_all(first).await;
            half_open.push(tcp);
        }
        assert_both_serve(&server, "anna");
    }
}

/// A user with little room who sends as much as the server takes, whatever it answers.
const GREEDY: &str = "mallory";

/// One connection that uploads again and again without an end.
async fn pour_at_ferry(server: SocketAddr, name: &str, block: &[u8], poured: &AtomicU64) -> Result<()> {
    let (mut peer, _) = Peer::logged_in(server, GREEDY).await?;
    loop {
        peer.send(&Request::Put(peer::put(name, Some(8 * MIB)))).await?;
        for index in 0..8 {
            peer.send_block(index, block).await?;
            poured.fetch_add(block.len() as u64, Relaxed);
        }
        // The next request gives this upload up.
        while !matches!(peer.ask(&Request::Ping).await?, Reply::Pong) {}
    }
}

/// The same at the door of SFTP, with answers that nobody reads until there are many.
async fn pour_at_sftp(server: SocketAddr, name: &str, block: &[u8], poured: &AtomicU64) -> Result<()> {
    let mut peer = SshPeer::connect(server).await?;
    peer.try_password(GREEDY, PASSWORD).await?;
    let mut channel = peer.sftp().await?;
    let handle = channel.create(name).await?;
    let data = Bytes::copy_from_slice(&block[..256 << 10]);
    loop {
        for piece in 0..32 {
            let (handle, data) = (handle.clone(), data.clone());
            channel.send(&sftp::Request::Write { handle, offset: piece * data.len() as u64, data }).await?;
            poured.fetch_add(256 << 10, Relaxed);
        }
        for _ in 0..32 {
            channel.reply().await?;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bytes_at_one_door_leaves_both_usable() {
    if !needs::program("scp", "openssh-client") {
        return;
    }
    let config = "[login]\nallow = [\"127.0.0.0/8\"]";
    let server = Setup::new().user("anna", &[]).user(GREEDY, &["--quota", "64MiB"]).config(config).sftp().start();
    let doors = [server.address(), server.sftp().0];
    let block = Arc::new(Noise::new(1).bytes(1 << 20));
    for door in [0, 1] {
        let (stop, poured) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let mut flood = JoinSet::new();
        for number in 0..6 {
            let (stop, poured, block) = (stop.clone(), Arc::clone(&poured), Arc::clone(&block));
            flood.spawn(async move {
                let name = format!("flood-{number}");
                let pouring = async {
                    match door {
                        0 => pour_at_ferry(doors[0], &name, &block, &poured).await,
                        _ => pour_at_sftp(doors[1], &name, &block, &poured).await,
                    }
                };
                tokio::select! {
                    ended = pouring => panic!("the flood ended: {ended:?}"),
                    () = stop.cancelled() => {}
                }
            });
        }
        for more in 1..=2 {
            wait::until("the flood to go on", || poured.load(Relaxed) > 32 * MIB * more);
            assert_both_serve(&server, "anna");
        }
        stop.cancel();
        while let Some(ended) = flood.join_next().await {
            ended.unwrap();
        }
    }
}

#[tokio::test]
async fn connections_of_one_user_count_together_at_both_doors() {
    let config = "[limits]\nconnections_per_user = 2\n[login]\nallow = [\"127.0.0.0/8\"]";
    let server = Setup::new().user("anna", &[]).user("ben", &[]).config(config).sftp().start();
    let (sftp, ferry) = (server.sftp().0, server.address());
    let (first, login) = Peer::logged_in(ferry, "anna").await.unwrap();
    let mut second = SshPeer::connect(sftp).await.unwrap();
    assert!(second.try_password("anna", PASSWORD).await.unwrap());
    let full = "at most 2 connections a user; close one";
    let mut third = SshPeer::connect(sftp).await.unwrap();
    assert!(!third.try_password("anna", PASSWORD).await.unwrap());
    let refused = third.last_words().await.unwrap();
    assert!(refused.contains(full), "{refused}");
    let refused = Peer::attached(ferry, &login.ticket).await.unwrap_err().to_string();
    assert!(refused.contains(full), "{refused}");
    let mut other = SshPeer::connect(sftp).await.unwrap();
    assert!(other.try_password("ben", PASSWORD).await.unwrap(), "another user has room of his own");
    drop(second);
    // The server notices the end of a connection only after a while.
    let end = std::time::Instant::now() + wait::PATIENCE;
    while let Err(error) = Peer::attached(ferry, &login.ticket).await {
        assert!(std::time::Instant::now() < end, "{error}");
    }
    drop(first);
}

#[test]
fn operators_see_the_host_key_and_whether_it_is_damaged() {
    let server = Setup::new().user("anna", &[]).sftp().start();
    let (_, said) = server.ferryd(&["status"], "");
    let line = said.lines().find(|line| line.starts_with("sftp")).unwrap_or_default();
    assert!(line.contains(server.sftp().1) && line.contains("0 sessions"), "{said}");
    let keys = Path::new("identity").join("ssh_host_ed25519_key");
    fs::write(server.data().join(&keys), "no key").unwrap();
    let (status, said) = server.ferryd(&["check"], "");
    assert!(!status.success() && said.contains("ssh_host_ed25519_key is damaged"), "{said}");
}
