//! Measures how long a server with 100,000 users takes to start, and to disable one of them: `cargo run --release
//! -p ferry-e2e --example many_users`. `FERRY_E2E_BIN` names a folder of programs that are already built.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a script: what fails is its message")]

use std::{fs, time::Instant};

use ferry_e2e::server::Setup;
use serde_json::Value;

const USERS: usize = 100_000;
const ROUNDS: usize = 3;

fn main() {
    let mut server = Setup::new().user("anna", &["--quota", "1GiB"]).start();
    server.kill();
    let store = server.data().join("users.json");
    let mut all: Value = serde_json::from_str(&fs::read_to_string(&store).unwrap()).unwrap();
    let anna = all["users"]["anna"].clone();
    for number in 0..USERS {
        all["users"][format!("user{number}")] = anna.clone();
    }
    fs::write(&store, all.to_string()).unwrap();
    for round in 0..ROUNDS {
        let begun = Instant::now();
        server.start_again();
        println!("start until listening: {:.2} s", begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let (status, said) = server.ferryd(&["user", "set", &format!("user{round}"), "--disable"], "");
        assert!(status.success(), "{said}");
        println!("one user disabled:     {:.2} s", begun.elapsed().as_secs_f64());
        server.kill();
    }
}
