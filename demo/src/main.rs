//! `cargo run --release -p ferry-demo`: a server, a user and sample files. On a terminal it opens the browser on
//! them; elsewhere it plays a scripted scenario step by step.
//!
//! Everything is real: the server listens on a port of this computer, the client logs in, and the connection that
//! breaks is a TCP connection. The demo fails if any step does not behave as it claims. `--steps` plays the steps
//! on a terminal too.

mod browser;
mod cable;
mod samples;
mod scene;
mod steps;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let word = words.nth(1);
    if word.as_deref() == Some(browser::WORD.as_ref()) {
        return ferry::run(std::iter::once("ferry".into()).chain(words));
    }
    let steps = word.is_some_and(|word| word == "--steps");
    let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    match play(!steps && on_terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("\nNOT AS CLAIMED: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn play(browse: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let scene = scene::Scene::open(browse).await?;
        let played = if browse { browser::open(&scene).await } else { steps::all(&scene).await };
        scene.close().await;
        played
    })
}

/// The only function of the demo that prints.
#[expect(clippy::print_stdout, reason = "printing is what a demo does")]
fn say(line: &str) {
    println!("{line}");
}
