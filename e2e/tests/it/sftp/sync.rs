//! `ferry sync` with SSH servers: the same result as with other sites, also after an interruption.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::Path,
};

use ferry_e2e::{
    client::{Client, Outcome, Running},
    material,
    proxy::{Direction, Proxy, Then},
    server::Server,
};

use super::{Door, Far, leftovers, same};
use crate::sync::{old, source};

/// The flags that let [`old`] become like [`source`].
const DELETE: [&str; 3] = ["--delete", "--max-delete", "99"];

/// The two ends of a sync, and the flags of their logins.
pub(super) struct Ends {
    from: OsString,
    to: OsString,
    login: Vec<OsString>,
}

impl Ends {
    /// The same with another text in both addresses.
    pub(super) fn with(self, old: &str, new: &str) -> Self {
        let other = |end: OsString| OsString::from(end.to_string_lossy().replace(old, new));
        Self { from: other(self.from), to: other(self.to), login: self.login }
    }

    /// The same through a proxy to the SSH server.
    fn through(self, far: &Far, proxy: &Proxy) -> Self {
        self.with(&far.sshd.address().to_string(), &proxy.address().to_string())
    }
}

impl Far {
    /// From a folder on this computer to one of the server.
    pub(super) fn up(&self, from: &Path, to: &str) -> Ends {
        Ends { from: from.into(), to: self.url(to).into(), login: vec!["--identity".into(), self.sshd.key().into()] }
    }

    /// From a folder of the server to one on this computer.
    pub(super) fn down(&self, from: &str, to: &Path) -> Ends {
        Ends { from: self.url(from).into(), to: to.into(), ..self.up(to, from) }
    }

    /// From a folder of the server to one of a ferry server.
    fn to_ferry(&self, from: &str, to: &Client, path: &str) -> Ends {
        let key = ["--from-identity".into(), self.sshd.key().into()];
        let login = key.into_iter().chain(["--to-password-file".into(), to.password_file().into()]);
        Ends { from: self.url(from).into(), to: to.at(path), login: login.collect() }
    }

    /// From a folder of a ferry server to one of the server.
    fn out_of_ferry(&self, from: &Client, path: &str, to: &str) -> Ends {
        let key = ["--to-identity".into(), self.sshd.key().into()];
        let login = key.into_iter().chain(["--from-password-file".into(), from.password_file().into()]);
        Ends { from: from.at(path), to: self.url(to).into(), login: login.collect() }
    }

    fn start_sync(&self, ends: &Ends, more: &[&str]) -> Running {
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"sync", &ends.from, &ends.to, &"--accept-new"];
        words.extend(more.iter().map(|word| word as &dyn AsRef<OsStr>));
        let mut command = self.bare(&words);
        command.args(&ends.login);
        Running::spawn(command, Vec::new())
    }

    pub(super) fn sync(&self, ends: &Ends, more: &[&str]) -> Outcome {
        self.start_sync(ends, more).wait()
    }
}

#[test]
fn a_folder_becomes_like_another_with_ssh_servers_and_a_second_run_finds_nothing_to_do() {
    let Some(far) = Far::new() else { return };
    let server = Server::with_anna();
    let (ferry, home) = (server.client("anna"), server.home("anna"));
    let source = source(&far.client);
    material::hostile_tree(&source.join("names"));
    let back = far.client.scratch("place").join("back");
    let steps = [
        (far.up(&source, "copy"), far.folder.join("copy")),
        (far.to_ferry("copy", &ferry, "copy"), home.join("copy")),
        (far.out_of_ferry(&ferry, "copy", "again"), far.folder.join("again")),
        (far.down("again", &back), back.clone()),
    ];
    for (ends, target) in &steps {
        old(target);
        far.sync(ends, &DELETE).ok().says("deleted");
        same(&source, target);
    }
    for (ends, _) in &steps {
        let again = far.sync(ends, &["--delete"]).ok().says("nothing to do");
        assert!(!again.stderr.contains("copied"), "{again}");
    }
    // The dates of the source have fractions of seconds, those of SFTP have none.
    let ends = far.out_of_ferry(&ferry, "other", "copy");
    far.client.run(&[&"cp", &source, &home.join("other")]).ok();
    far.sync(&ends, &["--delete"]).ok().says("nothing to do");
    // A difference of one second is one.
    material::set_mtime(&source.join("large"), 1_500_000_000, 0);
    let planned = far.sync(&steps[0].0, &["--delete", "-n"]).ok();
    assert!(planned.text().contains("would copy large (3.0 MiB, date differs)"), "{planned}");
    assert_eq!(leftovers(&far.folder.join("copy")), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_folder_becomes_like_another_through_the_door_of_ferryd() {
    let door = Door::new();
    let source = source(&door.client);
    let (target, back) = (door.server.home("anna").join("copy"), door.client.scratch("place").join("back"));
    old(&target);
    let delete = |from: &OsStr, to: &OsStr| door.run(&[&"sync", &from, &to, &DELETE[0], &DELETE[1], &DELETE[2]]).ok();
    let url = OsString::from(door.url("copy"));
    delete(source.as_os_str(), &url).says("deleted");
    same(&source, &target);
    delete(&url, back.as_os_str());
    same(&source, &back);
    delete(source.as_os_str(), &url).says("nothing to do");
    delete(&url, back.as_os_str()).says("nothing to do");
}

#[test]
fn a_sync_with_an_ssh_server_killed_at_any_step_and_given_again_ends_in_the_same_state() {
    const STEPS: u64 = 8;
    let Some(far) = Far::new() else { return };
    let source = source(&far.client);
    let proxy = Proxy::new(far.sshd.address());
    for direction in [Direction::Up, Direction::Down] {
        let run = |name: &str| {
            let (there, here) = (far.folder.join(name), far.client.scratch("place").join(name));
            let (target, ends) = match direction {
                Direction::Up => (there, far.up(&source, name)),
                Direction::Down => (here.clone(), far.down("whole-Up", &here)),
            };
            old(&target);
            (target, ends.through(&far, &proxy))
        };
        let (target, ends) = run(&format!("whole-{direction:?}"));
        proxy.reset_counters();
        far.sync(&ends, &DELETE).ok();
        same(&source, &target);
        let all = proxy.counted(direction);
        for step in 0..STEPS {
            let (target, ends) = run(&format!("{direction:?}{step}"));
            proxy.after(direction, all * step / STEPS + 1, Then::Hold);
            let running = far.start_sync(&ends, &DELETE);
            proxy.wait_tripped(direction);
            drop(running.kill());
            proxy.cut();
            proxy.release();
            far.sync(&ends, &DELETE).ok();
            same(&source, &target);
        }
    }
}

#[test]
fn an_ssh_server_killed_during_a_sync_loses_nothing_and_the_sync_goes_on() {
    let Some(far) = Far::new() else { return };
    let source = source(&far.client);
    let proxy = Proxy::new(far.sshd.address());
    let target = far.folder.join("copy");
    old(&target);
    let ends = far.up(&source, "copy").through(&far, &proxy);
    proxy.after(Direction::Up, 2 << 20, Then::Hold);
    let running = far.start_sync(&ends, &DELETE);
    proxy.wait_tripped(Direction::Up);
    far.sshd.kill();
    assert!(target.join("old/deep/y").exists(), "something was removed before everything was copied");
    far.sshd.start_again();
    proxy.release();
    if !running.wait().status.success() {
        far.sync(&ends, &DELETE).ok();
    }
    same(&source, &target);
    assert_eq!(fs::read_dir(&target).unwrap().count(), fs::read_dir(&source).unwrap().count());
}
