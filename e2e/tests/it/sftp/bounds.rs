//! Servers with narrow limits, trees without an end, and secrets that stay where they are.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use ferry_e2e::{MIB, PASSWORD, client::Running, compare, material, wait};

use super::{Door, Far, leftovers, same, tree};

#[test]
fn transfers_get_along_with_the_channels_and_connections_that_a_server_allows() {
    let Some(far) = Far::with("MaxSessions 1") else { return };
    far.sshd.allow_at_once(2);
    let (source, back) = (far.client.scratch("source"), far.client.scratch("back"));
    tree(&source);
    far.run(&[&"put", &source, &far.url("copy")]).ok();
    same(&source, &far.folder.join("copy"));
    far.run(&[&"get", &far.url("copy"), &back]).ok();
    same(&source, &back);
    // The server has no channel left for its digest.
    far.run(&[&"put", &source.join("large"), &far.url("proven"), &"--verify"]).ok().says("verified");
    assert_eq!(leftovers(&far.folder), Vec::<PathBuf>::new());
}

#[test]
fn a_server_may_insist_on_any_cipher_of_openssh() {
    for cipher in ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"] {
        let Some(far) = Far::with(&format!("Ciphers {cipher}")) else { return };
        far.run(&[&"ls", &far.url("")]).ok();
    }
}

#[test]
fn links_in_circles_and_devices_without_an_end_are_not_entered() {
    let Some(far) = Far::new() else { return };
    let circles = far.folder.join("circles");
    fs::create_dir_all(circles.join("inner")).unwrap();
    fs::write(circles.join("inner/file"), "content").unwrap();
    for (to, name) in [(".", "same"), ("..", "inner/up"), ("b", "a"), ("a", "b"), ("/dev/zero", "zeros")] {
        symlink(to, circles.join(name)).unwrap();
    }
    for links in ["skip", "follow"] {
        let back = far.client.scratch("back").join(links);
        let outcome = far.run(&[&"get", &far.url("circles"), &back, &format!("--links={links}")]);
        assert!(outcome.status.code().is_some_and(|code| code < 128), "{outcome}");
        assert_eq!(fs::read_to_string(back.join("inner/file")).unwrap(), "content");
        assert_eq!(compare::bytes_below(&back), 7, "{outcome}");
        far.run(&[&"ls", &"-R", &far.url("circles")]).ok();
    }
    let zeros = format!("sftp://{}@{}/dev/zero", ferry_e2e::sshd::Sshd::user(), far.sshd.address());
    assert!(!far.run(&[&"cat", &zeros]).status.success());
    far.run(&[&"rm", &"-r", &far.url("circles")]).ok();
    assert!(!circles.exists() && Path::new("/dev/zero").exists());
}

#[test]
fn links_are_kept_as_links_in_both_directions_but_none_is_made_that_leads_out() {
    let Some(far) = Far::new() else { return };
    let here = far.client.scratch("here");
    let texts = |root: &Path| ["file", "folder/up", "folder/nowhere"].map(|link| fs::read_link(root.join(link)).ok());
    let kept = ["folder/content", "../file", "gone"].map(|text| Some(PathBuf::from(text)));
    fs::create_dir_all(here.join("tree/folder")).unwrap();
    fs::write(here.join("tree/folder/content"), "content").unwrap();
    for (text, link) in [("folder/content", "file"), ("../file", "folder/up"), ("gone", "folder/nowhere")] {
        symlink(text, here.join("tree").join(link)).unwrap();
    }
    far.run(&[&"put", &here.join("tree"), &far.url("tree"), &"--links=keep"]).ok();
    assert_eq!(texts(&far.folder.join("tree")), kept);
    for (text, link) in [("/etc/passwd", "absolute"), ("../outside", "out"), ("folder/../../outside", "winding")] {
        symlink(text, far.folder.join("tree").join(link)).unwrap();
    }
    let back = here.join("back");
    let outcome = far.run(&[&"get", &far.url("tree"), &back, &"--links=keep"]);
    assert!(!outcome.status.success(), "{outcome}");
    let outcome = outcome.says("absolute path").says("out of the folder").says("up again after a name");
    assert_eq!(texts(&back), kept, "{outcome}");
    for link in ["absolute", "out", "winding"] {
        assert!(fs::symlink_metadata(back.join(link)).is_err(), "{link} was made");
    }
    assert_eq!(fs::read_to_string(back.join("folder/content")).unwrap(), "content");
}

/// The files below a folder whose content has the password.
fn with_password(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if has_password(&fs::read(&path).unwrap_or_default()) {
                found.push(path);
            }
        }
    }
    found
}

fn has_password(bytes: &[u8]) -> bool {
    bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes())
}

/// Command lines and environments of the processes that were started for this client.
fn processes_of(door: &Door) -> Vec<Vec<u8>> {
    let home = door.client.home();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap() {
        let process = process.unwrap().path();
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let is_ours = environment.split(|byte| *byte == 0).any(|line| {
            line.strip_prefix(b"FERRY_HOME=").is_some_and(|value| value == home.as_os_str().as_encoded_bytes())
        });
        if is_ours {
            found.push([environment, fs::read(process.join("cmdline")).unwrap_or_default()].concat());
        }
    }
    found
}

#[test]
fn a_password_is_in_no_file_log_or_process_list() {
    let door = Door::new();
    let local = door.client.scratch("local").join("large");
    material::random_file(&local, 40 * MIB, 1);
    let mut command = door.client.command(&[&"put", &local, &door.url("large"), &"--bwlimit=12M", &"-v"]);
    command.env("HOME", door.client.scratch("person")).env_remove("SSH_AUTH_SOCK");
    let running = Running::spawn(command, Vec::new());
    wait::until("a note about some of the file", || {
        let parts = door.server.staged_parts("anna");
        parts.first().is_some_and(|part| fs::metadata(part).is_ok_and(|part| part.len() >= 20 * MIB))
    });
    let processes = processes_of(&door);
    assert!(!processes.is_empty(), "the transfer is running");
    assert!(!processes.iter().any(|process| has_password(process)));
    let outcome = running.kill();
    assert!(!has_password(outcome.stderr.as_bytes()) && !has_password(&outcome.stdout));
    assert!(has_password(&fs::read(door.client.password_file()).unwrap()));
    for folder in [door.client.home(), door.client.scratch("person")] {
        assert_eq!(with_password(&folder), Vec::<PathBuf>::new());
    }
    assert!(!has_password(door.server.log().as_bytes()));
}
