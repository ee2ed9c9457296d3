//! `ferryd drain`: makes the running server stop, and keeps systemd from starting another one for the next client.

use std::{io, path::Path, process::Command};

use serde_json::json;

use super::{AdminError, operate};
use crate::{
    config::Loaded,
    control::{
        client::AskError,
        message::{Answer, Ask},
    },
    output,
};

/// The service whose sockets are stopped, if it is the one to stop.
const SERVICE: &str = "ferryd.service";

/// Drains the server: stops its systemd sockets if this is root, and waits until transfers and the server have ended.
pub(super) fn run(
    message: Option<String>,
    json: bool,
    loaded: Result<Loaded, AdminError>,
    data: &Path,
) -> Result<(), AdminError> {
    let mut line = operate::open(json, loaded, data)?;
    let Answer::Status(status) = line.ask(&Ask::Status)? else { return Err(AskError::Strange.into()) };
    let is_root = rustix::process::geteuid().is_root();
    let stopped = if is_root { stop_sockets(status.pid)? } else { Vec::new() };
    if !stopped.is_empty() && !json {
        let units = stopped.join(" ");
        output::note(format_args!(
            "{units} stopped, so that no client starts the server again; to take clients later: systemctl start {units}"
        ));
    }
    let answer = line.ask(&Ask::Drain { message })?;
    let Answer::Draining { transfers, seconds } = answer else { return Err(AskError::Strange.into()) };
    let object = json!({ "transfers": transfers, "seconds": seconds, "sockets": stopped });
    output::result(json, || operate::as_text(&answer), &object)?;
    Ok(line.wait_end()?)
}

/// Stops the sockets that would start the server with this process ID again; does nothing if systemd does not run
/// it. Only the sockets are stopped: stopping everything that depends on them would end the server without its
/// message.
fn stop_sockets(pid: u32) -> Result<Vec<String>, AdminError> {
    let Ok(shown) = systemctl(&["show", SERVICE, "--property=MainPID", "--property=TriggeredBy"]) else {
        return Ok(Vec::new());
    };
    let value = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    if value("MainPID") != Some(&*pid.to_string()) {
        return Ok(Vec::new());
    }
    let units = value("TriggeredBy").unwrap_or_default().split_whitespace();
    let units: Vec<String> =
        units.filter(|unit| systemctl(&["is-active", "--quiet", unit]).is_ok()).map(str::to_owned).collect();
    if units.is_empty() {
        return Ok(units);
    }
    let words = ["stop", "--job-mode=ignore-dependencies"].into_iter().chain(units.iter().map(String::as_str));
    match systemctl(&words.collect::<Vec<_>>()) {
        Ok(_) => Ok(units),
        Err(error) => Err(AdminError::Sockets { units: units.join(" "), message: error.to_string() }),
    }
}

/// The output of systemctl, if it succeeds.
fn systemctl(words: &[&str]) -> io::Result<String> {
    let ran = Command::new("systemctl").args(words).output()?;
    match ran.status.success() {
        true => Ok(String::from_utf8_lossy(&ran.stdout).into_owned()),
        false => Err(io::Error::other(String::from_utf8_lossy(&ran.stderr).trim().to_owned())),
    }
}
