//! The limits for a peer that has not logged in: little time, few places, few attempts.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ferry_e2e::{
    PASSWORD,
    peer::{self, Peer},
    server::Setup,
};
use ferry_shared::{
    message::{Reply, Request, request::Proof},
    refusal::{Code, Refusal},
    secret::Secret,
};
use tokio::{io::AsyncWriteExt as _, task::JoinSet};
use tokio_util::sync::CancellationToken;

fn refusal(reply: Reply) -> Refusal {
    match reply {
        Reply::Refused(refusal) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn unknown_disabled_and_wrong_get_the_same_answer() {
    let config = "[login]\nallow = [\"127.0.0.0/8\"]";
    let server = Setup::new().user("anna", &[]).user("ben", &[]).config(config).start();
    let (status, said) = server.ferryd(&["user", "set", "ben", "--disable"], "");
    assert!(status.success(), "{said}");
    ferry_e2e::wait::until("ben to be disabled", || {
        server.client("ben").run(&[&"ls", &server.client("ben").at("")]).status.code() == Some(7)
    });
    let mut answers = Vec::new();
    for (user, password) in
        [("anna", "wrong"), ("nobody", PASSWORD), ("ben", PASSWORD), ("../anna", PASSWORD), ("", "")]
    {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        let refused = refusal(peer.ask(&peer::login(user, password)).await.unwrap());
        assert_eq!(refused.code, Code::LoginFailed, "{user:?}");
        answers.push(refused);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    let log = server.log();
    assert!(!log.contains(PASSWORD), "the log has a password in it");
}

#[tokio::test]
async fn a_flood_of_logins_makes_its_user_wait_and_says_how_long() {
    let server = Setup::new().user("anna", &[]).start();
    let mut waits = Vec::new();
    for attempt in 0..20 {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        let refused = refusal(peer.ask(&peer::login("anna", &format!("guess {attempt}"))).await.unwrap());
        match refused.code {
            Code::LoginFailed => {}
            Code::TooManyAttempts => waits.push(refused.retry_after.expect("says how long")),
            other => panic!("{other:?}"),
        }
    }
    assert!(waits.len() >= 15, "{} of 20 guesses had to wait", waits.len());
    // The right password has to wait as well; otherwise guessing would cost nothing.
    let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
    assert_eq!(refusal(peer.ask(&peer::login("anna", PASSWORD)).await.unwrap()).code, Code::TooManyAttempts);
    let outcome = server.client("anna").run(&[&"ls", &server.client("anna").at(""), &"--retries=0"]);
    assert!(matches!(outcome.status.code(), Some(5 | 7)), "{outcome}");
}

#[tokio::test]
async fn a_connection_has_three_proofs_and_eight_frames() {
    let server = Setup::new().user("anna", &[]).config("[login]\nallow = [\"127.0.0.0/8\"]").start();
    let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(refusal(peer.ask(&peer::login("anna", "wrong")).await.unwrap()).code, Code::LoginFailed);
    }
    let _ = peer.send(&peer::login("anna", PASSWORD)).await;
    let words = peer.last_words().await.unwrap();
    assert!(!words.contains("logged_in"), "a fourth proof was looked at: {words}");

    let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
    for _ in 0..20 {
        let _ = peer.send(&Request::Ping).await;
    }
    let words = peer.last_words().await.unwrap();
    assert!(words.matches("pong").count() < 8, "{words}");
}

#[tokio::test]
async fn before_login_nothing_is_done() {
    let server = Setup::new().user("anna", &[]).config("[login]\nallow = [\"127.0.0.0/8\"]").start();
    std::fs::write(server.home("anna").join("file"), "x").unwrap();
    for request in [
        Request::List { path: peer::path("") },
        Request::Remove { path: peer::path("file"), recursive: false, version: None },
        Request::Get { path: peer::path("file"), blocks: None },
        Request::Put(peer::put("new", Some(0))),
        Request::Usage,
    ] {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        let reply = peer.ask(&request).await.unwrap();
        assert!(matches!(reply, Reply::Refused(_)), "{request:?}: {reply:?}");
        // Nor before `Hello`.
        let mut peer = Peer::connect(server.address()).await.unwrap();
        let reply = peer.ask(&request).await.unwrap();
        assert!(matches!(reply, Reply::Refused(_)), "{request:?}: {reply:?}");
    }
    assert!(server.home("anna").join("file").exists() && !server.home("anna").join("new").exists());
}

#[tokio::test]
async fn a_ticket_is_worth_nothing_when_it_is_wrong_or_its_session_is_over() {
    let server = Setup::new().user("anna", &[]).config("[login]\nallow = [\"127.0.0.0/8\"]").start();
    let (first, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let second = Peer::attached(server.address(), &login.ticket).await.unwrap();
    let wrong = Secret::new(login.ticket.expose().chars().rev().collect());
    for ticket in [wrong, Secret::new(String::new()), Secret::new("A".repeat(3000))] {
        assert!(Peer::attached(server.address(), &ticket).await.is_err());
    }
    drop((first, second));
    // The server notices the end of a connection only after a while.
    for _ in 0.. {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        let reply = peer.ask(&Request::Attach { ticket: login.ticket.clone() }).await.unwrap();
        if matches!(&reply, Reply::Refused(refused) if refused.code == Code::LoginFailed) {
            break;
        }
    }
}

#[tokio::test]
async fn a_key_proof_for_a_user_without_keys_is_refused() {
    let server = Setup::new().user("anna", &[]).config("[login]\nallow = [\"127.0.0.0/8\"]").start();
    let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
    let proof = Proof::Key { public_key: "ssh-ed25519 AAAA".to_owned(), signature: "AAAA".to_owned() };
    let reply = peer.ask(&Request::Login { user: "anna".to_owned(), proof }).await.unwrap();
    assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
}

#[tokio::test]
async fn a_connection_that_makes_no_progress_is_dropped() {
    let config = "[login]\nhandshake_seconds = 1\nlogin_seconds = 1\nallow = [\"127.0.0.0/8\"]";
    let mut server = Setup::new().user("anna", &[]).config(config).start();
    // No TLS at all.
    let mut mute = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let mut nothing = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut mute, &mut nothing).await;
    // TLS, then silence; `Hello`, then silence; and half a frame, then silence.
    let silent = Peer::connect(server.address()).await.unwrap();
    let (greeted, _) = Peer::welcomed(server.address()).await.unwrap();
    let mut halfway = Peer::connect(server.address()).await.unwrap();
    halfway.send_bytes(&[1, 0, 1]).await.unwrap();
    for mut peer in [silent, greeted, halfway] {
        peer.last_words().await.expect("the server closes");
    }
    server.assert_serves("anna");
}

#[tokio::test]
async fn a_byte_at_a_time_does_not_buy_more_time() {
    let config = "[login]\nlogin_seconds = 2\nallow = [\"127.0.0.0/8\"]";
    let server = Setup::new().user("anna", &[]).config(config).start();
    let mut peer = Peer::connect(server.address()).await.unwrap();
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
    // At this pace a frame of 4096 bytes would take seven minutes.
    peer.send_bytes(&[1, 0, 16, 0]).await.unwrap();
    for sent in 0.. {
        ticks.tick().await;
        if peer.send_bytes(b" ").await.is_err() {
            break;
        }
        assert!(sent < 600, "the server listens to a slow peer for ever");
    }
}

#[tokio::test]
async fn unfinished_connections_have_few_places_and_do_not_keep_users_out() {
    let mut server = Setup::new().user("anna", &[]).start();
    let mut peers = Vec::new();
    for _ in 0..40 {
        peers.push(Peer::connect(server.address()).await.unwrap());
    }
    // The oldest one made room, and is told why; the newest did not.
    let word = peers[0].last_words().await.unwrap();
    assert!(word.contains("\"busy\"") && word.contains("too many connections"), "{word}");
    server.assert_serves("anna");
    let status: serde_json::Value = serde_json::from_str(&server.ferryd(&["status", "--json"], "").1).unwrap();
    assert!(status["turned_away"]["address"].as_u64().unwrap() >= 40 - 16, "{status}");
    assert!(matches!(peers[39].ask(&peer::hello()).await.unwrap(), Reply::Welcome(_)));
    drop(peers);

    // If one address may have many, any of them is dropped.
    let config = "[login]\nunfinished = 8\nunfinished_per_address = 1000\nallow = [\"127.0.0.0/8\"]";
    let mut server = Setup::new().user("anna", &[]).config(config).start();
    let mut peers = Vec::new();
    for _ in 0..20 {
        peers.push(Peer::connect(server.address()).await.unwrap());
    }
    server.assert_serves("anna");
}

#[tokio::test]
async fn connections_of_one_address_that_lie_idle_do_not_keep_out_who_logs_in_beside_them() {
    let server = Setup::new().user("anna", &[]).start();
    let mut idle = Vec::new();
    for _ in 0..20 {
        for _ in 0..16 {
            idle.push(peer::tcp_from(ELSEWHERE, server.address()).await.unwrap());
        }
        let mut peer = Peer::connect_from(ELSEWHERE, server.address()).await.unwrap();
        assert!(matches!(peer.ask(&peer::hello()).await.unwrap(), Reply::Welcome(_)));
        assert!(matches!(peer.ask(&peer::login("anna", PASSWORD)).await.unwrap(), Reply::LoggedIn(_)));
    }
}

#[tokio::test]
async fn guesses_at_one_user_and_a_repeated_old_password_hold_up_nobody_else_at_the_address() {
    let server = Setup::new().user("anna", &[]).user("bob", &[]).start();
    for attempt in 0..60 {
        // One user with a new password each time, and one with always the same.
        for (user, password) in [("bob", format!("guess {attempt}")), ("stale", "old".to_owned())] {
            let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
            refusal(peer.ask(&peer::login(user, &password)).await.unwrap());
        }
    }
    assert!(Peer::logged_in(server.address(), "anna").await.is_ok(), "anna waits for what others do");
}

#[tokio::test]
async fn an_address_with_many_different_failures_waits_but_no_ticket_does_and_the_operator_lifts_it() {
    let server = Setup::new().user("anna", &[]).start();
    let (_first, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    // Continue until the wait is long enough for the following steps.
    for number in 0.. {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        let refused = refusal(peer.ask(&peer::login(&format!("user-{number}"), "guess")).await.unwrap());
        if refused.retry_after >= Some(7) {
            break;
        }
        assert!(number >= 20 || refused.code == Code::LoginFailed, "{number}: {refused:?}");
    }
    let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
    assert_eq!(refusal(peer.ask(&peer::login("anna", PASSWORD)).await.unwrap()).code, Code::TooManyAttempts);
    Peer::attached(server.address(), &login.ticket).await.expect("a ticket never waits");
    let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
    // An invalid key gets the same answer as a password.
    let proof = Proof::Key { public_key: A_KEY.to_owned(), signature: "AAAA".to_owned() };
    let refused = refusal(peer.ask(&Request::Login { user: "anna".to_owned(), proof }).await.unwrap());
    assert_eq!(refused.code, Code::TooManyAttempts);

    let (status, said) = server.ferryd(&["penalties"], "");
    assert!(status.success() && said.contains("127.0.0.1") && said.contains("everybody"), "{said}");
    let (_, json) = server.ferryd(&["penalties", "--json"], "");
    let listed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(listed.as_array().unwrap().iter().any(|one| one["user"].is_null() && one["seconds"].as_u64() > Some(0)));
    let (status, said) = server.ferryd(&["penalties", "lift", "192.0.2.1"], "");
    assert!(!status.success() && said.contains("nothing failed from 192.0.2.1"), "{said}");
    let (status, said) = server.ferryd(&["penalties", "lift", "127.0.0.1"], "");
    assert!(status.success(), "{said}");
    assert!(Peer::logged_in(server.address(), "anna").await.is_ok());
    assert_eq!(server.ferryd(&["penalties"], "").1, "nobody has to wait\n");
}

/// A public key that belongs to nobody.
const A_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so_and_summed_up_in_the_log() {
    let server = Setup::new().user("anna", &[]).config("[limits]\nconnections = 2").start();
    let held = [Peer::connect(server.address()).await.unwrap(), Peer::connect(server.address()).await.unwrap()];
    let mut told = Peer::connect(server.address()).await.unwrap();
    let word = told.last_words().await.unwrap();
    assert!(word.contains("\"busy\"") && word.contains("all connections"), "{word}");
    for _ in 0..200 {
        drop(tokio::net::TcpStream::connect(server.address()).await.unwrap());
    }
    ferry_e2e::wait::until("all to be counted", || {
        let status: serde_json::Value = serde_json::from_str(&server.ferryd(&["status", "--json"], "").1).unwrap();
        status["turned_away"]["connections"] == 201
    });
    assert_eq!(server.log().matches("all connections are taken").count(), 1, "{}", server.log());
    drop(held);
}

/// Another machine, as the server sees it.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_guesses_from_elsewhere_does_not_keep_the_honest_user_out() {
    let mut server = Setup::new().user("anna", &[]).start();
    let address = server.address();
    let (stop, guesses) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let mut flood = JoinSet::new();
    for _ in 0..16 {
        let (stop, guesses) = (stop.clone(), Arc::clone(&guesses));
        flood.spawn(async move {
            while !stop.is_cancelled() {
                let Ok(mut peer) = Peer::connect_from(ELSEWHERE, address).await else { continue };
                let Ok(Reply::Welcome(_)) = peer.ask(&peer::hello()).await else { continue };
                for _ in 0..4 {
                    match peer.ask(&peer::login("anna", "guess")).await {
                        Ok(Reply::Refused(_)) => drop(guesses.fetch_add(1, Ordering::Relaxed)),
                        Ok(other) => panic!("a guess was answered with {other:?}"),
                        Err(_) => break,
                    }
                }
            }
        });
    }
    for more in 1..=5 {
        ferry_e2e::wait::until("the flood to go on", || guesses.load(Ordering::Relaxed) > 20 * more);
        server.assert_serves("anna");
    }
    stop.cancel();
    while let Some(ended) = flood.join_next().await {
        ended.unwrap();
    }
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn handshakes_left_half_open_from_elsewhere_do_not_keep_the_honest_user_out() {
    let mut server = Setup::new().user("anna", &[]).start();
    let mut half_open = Vec::new();
    for _ in 0..300 {
        let mut tcp = peer::tcp_from(ELSEWHERE, server.address()).await.unwrap();
        // The header of a TLS record of 512 bytes, and its first bytes: an incomplete client hello.
        let _ = tcp.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).await;
        half_open.push(tcp);
    }
    server.assert_serves("anna");
    drop(half_open);
}
