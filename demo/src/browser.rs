//! The browser on the demo's server: this program itself, run as `ferry` with its own home.

use std::{fs, process::Stdio};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use crate::{
    say,
    scene::{PASSWORD, Scene},
};

/// The argument that makes this program run as `ferry`.
pub(crate) const WORD: &str = "browse";

/// Opens the browser and waits until the user leaves it.
///
/// # Errors
/// If it cannot be started, or fails.
pub(crate) async fn open(scene: &Scene) -> anyhow::Result<()> {
    let local = scene.local("");
    let password = scene.outside("password");
    fs::write(&password, PASSWORD)?;
    say("Left is a folder of this computer with sample files, right the server; F5 copies, ? shows the keys, q quits.");
    say("All of it is in a temporary folder that goes with the demo.");
    let ended = Command::new(std::env::current_exe().context("the demo knows its own file")?)
        .arg(WORD)
        .arg(scene.address())
        .arg("--server-key")
        .arg(scene.fingerprint())
        .arg("--password-file")
        .arg(&password)
        .env("FERRY_HOME", scene.outside("ferry"))
        .current_dir(local)
        .stdin(Stdio::inherit())
        .kill_on_drop(true)
        .status()
        .await?;
    ensure!(ended.success(), "the browser ended with {ended}");
    Ok(())
}
