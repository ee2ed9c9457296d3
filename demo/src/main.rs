//! `cargo run --release -p ferry-demo`: a server, a user, sample files, and the main job, step by step.
//!
//! Everything is real: the server listens on a port of this computer, the client logs in,
//! the connection that breaks is a TCP connection. It ends with a failure if any step is
//! not as it says.

mod cable;
mod samples;
mod scene;
mod steps;

use std::process::ExitCode;

fn main() -> ExitCode {
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("\nNOT AS CLAIMED: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn play() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let scene = scene::Scene::open().await?;
        steps::all(&scene).await?;
        scene.close().await;
        Ok(())
    })
}

/// The demo's only way to the terminal.
#[expect(clippy::print_stdout, reason = "printing is what a demo does")]
fn say(line: &str) {
    println!("{line}");
}
