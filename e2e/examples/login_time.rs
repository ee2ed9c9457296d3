//! Measures whether the time of a refused login reveals who has an account: `cargo run --release -p ferry-e2e
//! --example login_time`.
//!
//! Each kind of refusal is measured in turn, many times, and compared with a wrong password: the share of pairs in
//! which it took longer (the U statistic of Mann and Whitney). A share of one half reveals nothing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a script: what fails is its message")]

use std::time::{Duration, Instant};

use ferry_e2e::{
    PASSWORD,
    peer::{self, Peer},
    server::Setup,
};
use ferry_shared::message::Reply;

/// Logins of each kind.
const ROUNDS: usize = 300;

#[tokio::main]
async fn main() {
    let config = "[login]\nallow = [\"127.0.0.0/8\"]";
    let server = Setup::new().user("anna", &[]).user("ben", &[]).config(config).start();
    assert!(server.ferryd(&["user", "set", "ben", "--disable"], "").0.success());
    assert!(server.ferryd(&["reload"], "").0.success());
    let kinds = [
        ("a wrong password", "anna", "wrong"),
        ("an unknown user", "nobody", PASSWORD),
        ("a disabled user", "ben", PASSWORD),
        ("no possible name", "../anna", PASSWORD),
        ("a wrong password, again", "anna", "wrong"),
    ];
    let mut times = vec![Vec::new(); kinds.len()];
    for round in 0..ROUNDS {
        for turn in 0..kinds.len() {
            // Vary the order, because the previous measurement may have an influence.
            let index = (round + turn * (1 + round % 4)) % kinds.len();
            let (_, user, password) = kinds[index];
            let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
            let begun = Instant::now();
            let reply = peer.ask(&peer::login(user, password)).await.unwrap();
            times[index].push(begun.elapsed());
            assert!(matches!(reply, Reply::Refused(_)), "{user} was let in");
        }
    }
    for ((what, ..), times_of) in kinds.iter().zip(&times) {
        let share = longer(times_of, &times[0]);
        println!(
            "{what:24} median {:6.2} ms, longer than a wrong password in {:4.1} %",
            median(times_of),
            share * 100.0
        );
    }
    println!("within noise: {:.1} to {:.1} %", (0.5 - noise()) * 100.0, (0.5 + noise()) * 100.0);
}

fn median(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2].as_secs_f64() * 1000.0
}

/// The share of pairs in which the left one took longer.
fn longer(left: &[Duration], right: &[Duration]) -> f64 {
    let pairs = left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
    let score: f64 = pairs.map(|(left, right)| if left > right { 1.0 } else { f64::from(left == right) / 2.0 }).sum();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand pairs")]
    let count = (left.len() * right.len()) as f64;
    score / count
}

/// Three standard deviations of that share if there is no difference.
fn noise() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred rounds")]
    let rounds = ROUNDS as f64;
    3.0 * ((2.0 * rounds + 1.0) / (12.0 * rounds * rounds)).sqrt()
}
