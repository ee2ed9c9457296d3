//! The verbs of `ferryd` that work on files, as an operator runs them.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use ferry_server::{config::Tls, identity::Identity};
use tempfile::TempDir;

/// A folder for the data and configuration of one server.
pub(crate) struct Place {
    folder: TempDir,
}

/// The result of a command.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn well(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `ferryd` with an empty environment.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ferryd"));
        command.args(line.split(' ')).env_clear().current_dir(self.path());
        command.env("STATE_DIRECTORY", self.path().join("data")).env("CONFIGURATION_DIRECTORY", self.path());
        command
    }

    fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    pub(crate) fn run_with(&self, line: &str, input: &str) -> Ran {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A verb that does not read its input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Creates the server's key, as a first start does.
    fn make_key(&self) {
        Identity::load_or_create(&self.path().join("data"), &Tls::default()).unwrap();
    }

    fn store(&self) -> String {
        fs::read_to_string(self.path().join("data/users.json")).unwrap()
    }
}

#[test]
fn a_user_is_added_changed_shown_and_removed() {
    let place = Place::new();
    place.run_with("user add alice --quota 10GiB --max-files 5 --password-stdin", "secret\n").well();
    assert!(place.store().contains("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", place.store());
    assert!(!place.store().contains("secret"));
    place.run("user set alice --quota none --access read-only --expires 2030-01-01 --bandwidth 1MiB:none").well();
    let shown: serde_json::Value = serde_json::from_str(&place.run("user show alice --json").well()).unwrap();
    assert_eq!(shown["quota"], serde_json::Value::Null);
    assert_eq!(shown["max_files"], 5);
    assert_eq!(shown["access"], "read-only");
    assert_eq!(shown["expires"], "2030-01-01T00:00:00Z");
    assert_eq!(shown["bandwidth_up"], 1 << 20);
    assert_eq!(shown["password"], true);
    let list = place.run("user list").well();
    assert!(list.contains("alice  open   read-only  none   5          2030-01-01T00:00:00Z"), "{list}");
    place.run("user set alice --disable").well();
    assert!(place.run("user list").well().contains("disabled"));
    place.run("user remove alice").well();
    assert_eq!(place.run("user list --json").well().trim(), "[]");
}

#[test]
fn files_stay_when_a_user_is_removed_unless_they_are_purged() {
    let place = Place::new();
    let home = place.path().join("data/users/alice/home");
    place.run_with("user add alice --password-stdin", "secret").well();
    fs::create_dir_all(home.join("folder")).unwrap();
    fs::write(home.join("folder/file"), "text").unwrap();
    place.run("user remove alice").well();
    assert!(home.join("folder/file").exists());
    let restored = place.run_with("user add alice --password-stdin", "secret").well();
    assert!(restored.contains("users/alice is there from before"), "{restored}");
    let another = place.run_with("user add bob --password-stdin", "secret").well();
    assert!(!another.contains("from before"), "{another}");
    place.run("user remove alice --purge").well();
    assert!(!place.path().join("data/users/alice").exists());
    assert_eq!(place.run("user remove alice --purge").code, 1);
}

#[test]
fn a_password_is_never_taken_from_nowhere() {
    let place = Place::new();
    let ran = place.run("user add alice");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("--password-stdin"), "{}", ran.err);
    assert_eq!(place.run_with("user add alice --password-stdin", "\n").code, 1);
    assert_eq!(place.run("user list --json").well().trim(), "[]");
}

#[test]
fn a_new_password_replaces_the_old_hash() {
    let place = Place::new();
    place.run_with("user add alice --password-stdin", "one").well();
    let before = place.store();
    place.run_with("user passwd alice --password-stdin", "two\n").well();
    assert_ne!(place.store(), before);
    let short = place.run_with("user passwd alice --password-stdin", "seven c\n");
    assert!(short.code == 0 && short.err.contains("note: this password is short"), "{}", short.err);
    assert_eq!(place.run_with("user passwd alice --password-stdin", "eight ch\n").err, "");
    assert_eq!(place.run_with("user passwd bob --password-stdin", "two\n").code, 1);
}

#[test]
fn users_are_not_added_twice_nor_changed_when_unknown() {
    let place = Place::new();
    place.run_with("user add alice --password-stdin", "one").well();
    let before = place.store();
    for line in ["user add alice --password-stdin", "user set bob --enable", "user remove bob", "user show bob"] {
        let ran = place.run_with(line, "two");
        assert_eq!(ran.code, 1, "{line}");
        assert!(ran.err.starts_with("ferryd: ") && ran.err.contains("user '"), "{}", ran.err);
    }
    assert_eq!(place.store(), before);
}

#[test]
fn a_key_file_makes_a_user_without_a_password() {
    let place = Place::new();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@laptop";
    fs::write(place.path().join("id.pub"), format!("# mine\n{key}\n")).unwrap();
    fs::write(place.path().join("id"), "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    assert_eq!(place.run("user add alice --key id").code, 1);
    assert_eq!(place.run("user add alice --key nowhere").code, 1);
    place.run("user add alice --key id.pub").well();
    assert!(place.store().contains(key), "{}", place.store());
    assert!(place.run("user show alice").well().contains("password        none"));
}

#[test]
fn check_prints_every_fault_with_its_place() {
    let place = Place::new();
    assert!(place.run("check").well().contains("no faults"));
    place.run_with("user add alice --password-stdin", "secret").well();
    place.make_key();
    assert!(place.run("check").well().contains("no faults; 1 user\n"));
    let store = place.store().replacen("\"quota\": null", "\"quota\": \"lots\"", 1);
    fs::write(place.path().join("data/users.json"), store).unwrap();
    fs::write(place.path().join("ferryd.toml"), "[limits]\nidle_secnods = 3\n[log]\nformat = \"xml\"\n").unwrap();
    let ran = place.run("check");
    assert_eq!(ran.code, 1);
    for expected in
        ["ferryd.toml:2:1: unknown key 'idle_secnods'", "ferryd.toml:4:1: log.format", "users.json:7:21: user 'alice'"]
    {
        assert!(ran.out.contains(expected), "{expected} in {}", ran.out);
    }
    assert!(ran.err.contains("3 faults found"), "{}", ran.err);
}

#[test]
fn an_invalid_log_level_is_a_fault_that_names_the_valid_ones() {
    let place = Place::new();
    fs::write(place.path().join("ferryd.toml"), "[log]\nlevel = \"warning\"\n").unwrap();
    for line in ["check", "serve --listen 127.0.0.1:0"] {
        let ran = place.run(line);
        let said = format!("{}{}", ran.out, ran.err);
        assert!(
            ran.code == 1 && said.contains("ferryd.toml:2:1: log.level: 'warning' is not a level"),
            "{line}: {said}"
        );
        assert!(said.contains("error, warn, info, debug or trace"), "{line}: {said}");
    }
    fs::remove_file(place.path().join("ferryd.toml")).unwrap();
    let served = place.command("serve --listen 127.0.0.1:0").env("RUST_LOG", "warning").output().unwrap();
    let said = String::from_utf8(served.stderr).unwrap();
    assert!(said.starts_with("ferryd: RUST_LOG: 'warning' is not a level"), "{said}");
}

#[test]
fn a_missing_user_store_is_a_fault_and_not_recreated() {
    let place = Place::new();
    fs::create_dir_all(place.path().join("data/users/anna/home")).unwrap();
    let ran = place.run("check");
    assert!(ran.code == 1 && ran.out.contains("users.json is missing; restore it"), "{}", ran.out);
    let ran = place.run_with("user add bert --password-stdin", "secret");
    assert!(ran.code == 1 && ran.err.contains("users.json is missing; restore it"), "{}", ran.err);
    assert!(!place.path().join("data/users.json").exists());
}

#[test]
fn a_fault_says_what_was_given_what_is_right_and_which_key_names_the_file() {
    let place = Place::new();
    let faults = |toml: &str| {
        fs::write(place.path().join("ferryd.toml"), toml).unwrap();
        let ran = place.run("check");
        assert_eq!(ran.code, 1, "{}", ran.out);
        ran.out
    };
    let right = "for example: [\"[::]:7021\"])";
    for given in ["[\"here\"]", "\"0.0.0.0:7021\""] {
        let out = faults(&format!("[server]\nlisten = {given}\n"));
        assert!(out.contains(&format!("(given: {given}; {right}")), "{out}");
    }
    let tls = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    assert!(faults(tls).contains("tls.certificate: cert.pem: No such file"));
    fs::write(place.path().join("cert.pem"), "garbage").unwrap();
    assert!(faults(tls).contains("cert.pem: there is no certificate in it"));
    fs::write(place.path().join("rsa.pub"), "ssh-rsa AAAAB3NzaC1yc2E= me").unwrap();
    let ran = place.run("user add anna --key rsa.pub");
    assert!(ran.err.contains("ssh-keygen -t ed25519"), "{}", ran.err);
}

#[test]
fn check_notices_secrets_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::new();
    place.run_with("user add alice --password-stdin", "secret").well();
    place.make_key();
    fs::write(place.path().join("data/audit.jsonl"), "").unwrap();
    fs::write(place.path().join("seal"), "correct horse battery staple").unwrap();
    fs::write(place.path().join("ferryd.toml"), "[login]\nseal = \"seal\"\n").unwrap();
    for file in ["data/users.json", "data/identity/key.pem", "data/audit.jsonl", "seal"] {
        fs::set_permissions(place.path().join(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let ran = place.run("check");
    assert_eq!((ran.code, ran.out.lines().count()), (1, 6), "{}", ran.out);
}

#[test]
fn an_audit_log_elsewhere_is_checked_and_verified_there() {
    use std::os::unix::fs::PermissionsExt as _;

    let place = Place::new();
    place.run_with("user add alice --password-stdin", "secret").well();
    fs::write(place.path().join("ferryd.toml"), "[audit]\nfolder = \"log\"\n").unwrap();
    assert!(place.run("check").well().contains("note: audit.folder: log is not there yet"));
    assert!(place.run("audit verify").err.contains("there is no audit log in log"));
    fs::create_dir(place.path().join("log")).unwrap();
    fs::write(place.path().join("data/audit.jsonl"), "").unwrap();
    assert!(place.run("check").well().contains("is not gone on with: move its files to log"));
    fs::rename(place.path().join("data/audit.jsonl"), place.path().join("log/audit.jsonl")).unwrap();
    fs::set_permissions(place.path().join("log/audit.jsonl"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(place.run("check").out.contains("log/audit.jsonl: others may read it"));
    fs::remove_dir_all(place.path().join("log")).unwrap();
    fs::write(place.path().join("log"), "").unwrap();
    assert!(place.run("check").out.contains("audit.folder: log is not a folder"));
}

#[test]
fn a_missing_data_folder_is_reported() {
    let place = Place::new();
    let data = place.path().join("data");
    let note = format!("note: {} is not there yet", data.display());
    let said = place.run("check").well();
    let first = format!("configuration none, all is default\ndata {}\n", data.display());
    assert!(said.starts_with(&first) && said.contains(&note), "{said}");
    for line in ["user list", "quota rescan"] {
        let ran = place.run(line);
        assert!(ran.err.contains(&note), "{line}: {}{}", ran.out, ran.err);
    }
    fs::create_dir(&data).unwrap();
    fs::write(place.path().join("ferryd.toml"), "").unwrap();
    let said = place.run("check").well();
    assert!(said.starts_with("configuration /") && !said.contains("is not there"), "{said}");
    assert_eq!(place.run("user list").err, "");
}

#[test]
fn check_tells_what_to_do_first() {
    let said = Place::new().run("check").well();
    assert!(said.contains("note: no users yet; add the first with: ferryd user add NAME\n"), "{said}");
}

#[test]
fn check_finds_keys_that_cannot_be_used_and_hashes_that_are_weak() {
    let place = Place::new();
    place.run_with("user add alice --password-stdin", "secret").well();
    place.make_key();
    let weak = place.store().replacen("m=19456,t=2", "m=19456,t=1", 1);
    fs::write(place.path().join("data/users.json"), weak).unwrap();
    let key = place.path().join("data/identity/key.pem");
    fs::write(&key, "no key\n").unwrap();
    let ran = place.run("check");
    for expected in ["users.json: user 'alice': the password's hash is weaker", "data/identity/key.pem is damaged"] {
        assert!(ran.out.contains(expected), "{expected} in {}", ran.out);
    }
    assert!(ran.err.contains("2 faults found"), "{}", ran.err);
    fs::remove_file(&key).unwrap();
    assert!(place.run("check").out.contains("data/identity/key.pem is missing: restore it"));
}

#[test]
fn check_finds_a_home_that_is_missing_or_a_symlink_or_open_to_others() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let place = Place::new();
    let users = place.path().join("data/users");
    for name in ["anna", "berta", "carl", "dora", "emil", "frida"] {
        place.run_with(&format!("user add {name} --password-stdin"), "secret").well();
        fs::create_dir_all(users.join(name).join("home")).unwrap();
        fs::set_permissions(users.join(name), fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::remove_dir(users.join("berta/home")).unwrap();
    fs::rename(users.join("carl/home"), users.join("carl/real")).unwrap();
    symlink("real", users.join("carl/home")).unwrap();
    fs::rename(users.join("dora"), place.path().join("dora")).unwrap();
    symlink(place.path().join("dora"), users.join("dora")).unwrap();
    fs::set_permissions(users.join("emil"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir_all(users.join("frida")).unwrap();
    let ran = place.run("check");
    let lines: Vec<_> = ran.out.lines().skip(2).collect();
    let expected = [
        "the home of user berta is missing",
        "home of user carl is not a folder (a symlink?)",
        "dora of user dora is not a folder (a symlink?)",
        "others may look into the folder of user emil (mode 755)",
        "note: user 'frida' has no files yet",
    ];
    assert_eq!(lines.len(), expected.len(), "{}", ran.out);
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{expected} in {line}");
    }
    assert_eq!(ran.code, 1);
}

#[test]
fn check_finds_invites_without_a_quota_and_files_that_belong_to_nobody() {
    let place = Place::new();
    place.run_with("user add alice --password-stdin", "secret").well();
    fs::create_dir_all(place.path().join("data/users/bob/home")).unwrap();
    let id = |line: &str| {
        let made: serde_json::Value = serde_json::from_str(&place.run(line).well()).unwrap();
        made["id"].as_str().unwrap().to_owned()
    };
    let (without, with) = (id("invite create --uses 1 --json"), id("invite create --uses 1 --quota 1GiB --json"));
    let ran = place.run("check");
    assert!(ran.code == 1 && ran.out.contains(&format!("invites without a quota: {without}; set")), "{}", ran.out);
    assert!(!ran.out.contains(&with), "{}", ran.out);
    assert!(
        ran.out.contains("note: there are files of 'bob', who is not a user: 'ferryd user add bob'"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("files of 'alice'"), "{}", ran.out);
    fs::write(place.path().join("ferryd.toml"), "[registration]\nmode = 'invite'\nquota = '2GiB'\n").unwrap();
    assert!(place.run("check").well().contains(&format!("note: invites without a quota: {without}; accounts get")));
    // If the store cannot be read, no files are reported as belonging to nobody.
    fs::write(place.path().join("data/users.json"), "").unwrap();
    let ran = place.run("check");
    assert!(ran.out.contains("the file is empty; restore it") && !ran.out.contains("who is no user"), "{}", ran.out);
}

#[test]
fn a_broken_store_is_not_written_over() {
    let place = Place::new();
    fs::create_dir(place.path().join("data")).unwrap();
    fs::write(place.path().join("data/users.json"), "{").unwrap();
    let ran = place.run_with("user add alice --password-stdin", "secret");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("users.json:1:1: "), "{}", ran.err);
    assert_eq!(place.store(), "{");
}

#[test]
fn the_fingerprint_stays_the_same() {
    let place = Place::new();
    place.make_key();
    let first = place.run("identity").well();
    assert!(first.starts_with("SHA256:"), "{first}");
    assert_eq!(place.run("identity").well(), first);
}

#[test]
fn without_an_earlier_server_there_is_no_fingerprint_and_none_is_made() {
    let place = Place::new();
    let ran = place.run("identity");
    assert!(ran.code == 1 && ran.err.contains("/data yet: the first 'ferryd serve' makes it"), "{}", ran.err);
    assert!(!place.path().join("data").exists());
}

#[test]
fn config_show_names_where_each_value_is_from() {
    let place = Place::new();
    fs::write(place.path().join("ferryd.toml"), "[limits]\nidle_seconds = 5\n").unwrap();
    let mut command = place.command("config show");
    let output = command.env("FERRYD_LOGIN_FRAMES", "9").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("ferryd.toml:2:1\n"), "{shown}");
    assert!(shown.contains("frames = 9  # FERRYD_LOGIN_FRAMES\n"), "{shown}");
    assert!(shown.contains("proofs = 3  # default\n"), "{shown}");
    assert!(place.run("config default").well().starts_with("# ferryd.toml: "));
    assert_eq!(place.run("--config missing.toml config show").code, 1);
}

#[test]
fn man_pages_and_completions_are_made_for_every_verb() {
    let place = Place::new();
    place.run("man pages").well();
    for page in ["ferryd.1", "ferryd-serve.1", "ferryd-user-add.1", "ferryd-config-show.1", "ferryd.toml.5"] {
        assert!(place.path().join("pages").join(page).is_file(), "{page}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&format!("completion {shell}")).well();
        assert!(script.contains("password-stdin"), "{shell}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    let place = Place::new();
    for line in ["", "fly", "user", "user add ../alice", "user set alice", "serve --listen here"] {
        assert_eq!(place.run(line).code, 2, "{line}");
    }
    assert_eq!(place.run("--help").code, 0);
    assert_eq!(place.run("--version").code, 0);
}

#[test]
fn an_end_is_answered_with_its_moment_and_one_that_is_over_is_refused() {
    let place = Place::new();
    place.run_with("user add anna --password-stdin --expires 2999-12-31", "secret").well();
    let said = place.run("user set anna --expires 2998-12-31").well();
    assert!(said.contains("the account ends 2998-12-31T00:00:00Z (UTC)"), "{said}");
    let said = place.run("user set anna --expires 2998-12-31 --json").well();
    assert!(said.contains(r#""expires":"2998-12-31T00:00:00Z""#), "{said}");
    let before = place.store();
    let ran = place.run("user set anna --expires 2020-01-01");
    assert!(ran.code == 2 && ran.err.contains("2020-01-01T00:00:00Z (UTC) is over already"), "{}", ran.err);
    assert!(ran.err.contains("--disable"), "{}", ran.err);
    let ran = place.run("invite create --expires 2998-12-31");
    assert!(ran.code == 0 && ran.err.contains("until 2998-12-31T00:00:00Z (UTC)"), "{}", ran.err);
    assert_eq!(place.run("invite create --expires 2020-01-01").code, 2);
    assert!(place.store().contains(&before[..before.len() / 2]));
}

#[test]
fn a_user_is_added_with_all_that_can_be_set() {
    let place = Place::new();
    let line = "user add anna --password-stdin --quota 1GiB --max-files 7 --access read-only --disable \
                --max-sessions 2 --bandwidth 1MiB:none --expires 2999-01-01 --json";
    place.run_with(line, "secret").well();
    let shown = place.run("user show anna --json").well();
    for field in [
        r#""quota":1073741824"#,
        r#""max_files":7"#,
        r#""access":"read-only""#,
        r#""enabled":false"#,
        r#""max_sessions":2"#,
        r#""bandwidth_up":1048576"#,
        r#""bandwidth_down":null"#,
        r#""expires":"2999-01-01T00:00:00Z""#,
    ] {
        assert!(shown.contains(field), "{field} in {shown}");
    }
}

#[test]
fn a_user_with_keys_only_gets_a_password_only_where_that_is_said() {
    let place = Place::new();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me";
    fs::write(place.path().join("id.pub"), format!("\u{feff}{key}\r\n")).unwrap();
    place.run("user add anna --key id.pub").well();
    let before = place.store();
    let ran = place.run_with("user passwd anna --password-stdin", "a new secret\n");
    assert!(ran.code == 1 && ran.err.contains("keys only") && ran.err.contains("--yes"), "{}", ran.err);
    assert_eq!(place.store(), before);
    place.run_with("user passwd anna --yes --password-stdin", "a new secret\n").well();
    assert!(place.run("user show anna").well().contains("password        set"));
    // The second time there is no question.
    place.run_with("user passwd anna --password-stdin", "another secret\n").well();
}
