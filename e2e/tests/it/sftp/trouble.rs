//! Transfers over SFTP that are interrupted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ferry_e2e::{MIB, client::Running, compare, material, wait};
use rustix::process::Signal;

use super::{Door, Far, leftovers};

const SIZE: u64 = 40 * MIB;

/// The unfinished file on the server.
fn part(folder: &Path) -> Option<(PathBuf, u64)> {
    let path = leftovers(folder).pop()?;
    let length = fs::metadata(&path).ok()?.len();
    Some((path, length))
}

/// Starts a slow upload, and waits until the server has some of it.
fn begin(far: &Far, local: &Path) -> Running {
    let running = far.start(&[&"put", &local, &far.url("large"), &"--bwlimit=12M"]);
    wait::until("some of the file to arrive", || part(&far.folder).is_some_and(|(_, length)| length >= 20 * MIB));
    running
}

#[test]
fn an_upload_resumes_after_the_client_was_killed() {
    let Some(far) = Far::new() else { return };
    let local = far.client.scratch("local").join("large");
    material::random_file(&local, SIZE, 1);
    drop(begin(&far, &local).kill());
    assert!(!far.folder.join("large").exists(), "half a file has the file's name");
    let again = far.run(&[&"put", &local, &far.url("large"), &"--json"]).ok();
    let sent = again.json().into_iter().find_map(|line| line.get("transferred")?.as_u64());
    assert!(sent.is_some_and(|sent| sent < SIZE - 8 * MIB), "{again}");
    compare::same_file(&local, &far.folder.join("large"));
    assert_eq!(leftovers(&far.folder), Vec::<PathBuf>::new());
}

#[test]
fn a_resumed_upload_is_said_to_be_unproven() {
    let Some(far) = Far::new() else { return };
    let local = far.client.scratch("local").join("large");
    material::random_file(&local, SIZE, 2);
    drop(begin(&far, &local).kill());
    far.run(&[&"put", &local, &far.url("large")]).ok().says("resumed by offset, not proven");
    compare::same_file(&local, &far.folder.join("large"));
}

#[test]
fn a_source_that_changed_meanwhile_is_never_mixed_with_the_old_one() {
    let Some(far) = Far::new() else { return };
    let local = far.client.scratch("local").join("large");
    material::random_file(&local, SIZE, 3);
    drop(begin(&far, &local).kill());
    // The date and the size stay the same.
    let date = fs::metadata(&local).unwrap().modified().unwrap();
    material::flip_byte(&local, 3 * MIB + 5);
    fs::File::options().append(true).open(&local).unwrap().set_modified(date).unwrap();
    far.run(&[&"put", &local, &far.url("large")]).ok();
    compare::same_file(&local, &far.folder.join("large"));
}

#[test]
fn a_part_that_became_shorter_is_not_used() {
    let Some(far) = Far::new() else { return };
    let local = far.client.scratch("local").join("large");
    material::random_file(&local, SIZE, 4);
    drop(begin(&far, &local).kill());
    let (path, _) = part(&far.folder).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_len(MIB).unwrap();
    far.run(&[&"put", &local, &far.url("large")]).ok();
    compare::same_file(&local, &far.folder.join("large"));
}

#[test]
fn transfers_go_on_when_the_server_comes_back() {
    let Some(far) = Far::new() else { return };
    let local = far.client.scratch("local").join("large");
    material::random_file(&local, SIZE, 5);
    let running = begin(&far, &local);
    far.sshd.kill();
    far.sshd.start_again();
    drop(running.wait().ok());
    compare::same_file(&local, &far.folder.join("large"));
    let back = far.client.scratch("back").join("large");
    let running = far.start(&[&"get", &far.url("large"), &back, &"--bwlimit=12M"]);
    wait::until("some of the file to arrive", || far.client.scratch("back").read_dir().unwrap().next().is_some());
    far.sshd.kill();
    far.sshd.start_again();
    drop(running.wait().ok());
    compare::same_file(&local, &back);
}

#[test]
fn an_upload_to_the_door_of_ferryd_goes_on_when_it_comes_back() {
    let mut door = Door::new();
    let local = door.client.scratch("local").join("large");
    material::random_file(&local, SIZE, 6);
    let mut command = door.client.command(&[&"put", &local, &door.url("large"), &"--bwlimit=12M"]);
    command.env("HOME", door.client.scratch("person")).env_remove("SSH_AUTH_SOCK");
    let running = Running::spawn(command, Vec::new());
    wait::until("some of the file to arrive", || {
        let parts = door.server.staged_parts("anna");
        parts.first().is_some_and(|part| fs::metadata(part).is_ok_and(|part| part.len() >= 10 * MIB))
    });
    door.server.kill();
    door.server.start_again();
    drop(running.wait().ok());
    compare::same_file(&local, &door.server.home("anna").join("large"));
}

#[test]
fn a_cancelled_upload_leaves_nothing_under_its_name() {
    let Some(far) = Far::new() else { return };
    let local = far.client.scratch("local").join("large");
    material::random_file(&local, SIZE, 7);
    let running = begin(&far, &local);
    running.signal(Signal::INT);
    drop(running.wait().code(130));
    assert!(!far.folder.join("large").exists());
    far.run(&[&"put", &local, &far.url("large")]).ok().says("resumed");
    compare::same_file(&local, &far.folder.join("large"));
}
