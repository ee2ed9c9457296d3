//! Sites from the files of other programs.

use std::fs;

use assert_cmd::assert::Assert;

use super::program::{Ferry, stderr, stdout};

const SSH: &str = "Host box\n  HostName box.example.org\n  User al\n  Port 2222\nHost *\n  Compression yes\n";
const FILEZILLA: &str = "\
<FileZilla3><Servers>
<Server><Host>fz.example.org</Host><Port>22</Port><Protocol>1</Protocol><User>bo</User>
<Pass encoding=\"base64\">aHVudGVyMg==</Pass><Name>Fz box</Name></Server>
<Server><Host>ftp.example.org</Host><Protocol>0</Protocol><Pass>hunter2</Pass><Name>old</Name></Server>
<Server><Host>h</Host><Protocol>1</Protocol><Pass>hunter2</Pass><Name>../up</Name></Server>
</Servers></FileZilla3>";
const RCLONE: &str = "\
[rc]\ntype = sftp\nhost = rc.example.org\nuser = cy\npass = hunter2\n\
[bucket]\ntype = s3\nsecret_access_key = hunter2\n";

/// A `ferry` whose home folder has the files of all three programs.
fn with_files() -> Ferry {
    let ferry = Ferry::new();
    for (file, text) in
        [(".ssh/config", SSH), (".config/filezilla/sitemanager.xml", FILEZILLA), (".config/rclone/rclone.conf", RCLONE)]
    {
        let file = ferry.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    ferry
}

fn import(ferry: &Ferry, flags: &str) -> Assert {
    let mut command = ferry.command(&format!("site import {flags}"));
    command.env("HOME", ferry.path()).env_remove("XDG_CONFIG_HOME").env_remove("RCLONE_CONFIG").assert()
}

fn saved(ferry: &Ferry) -> String {
    fs::read_to_string(ferry.path().join("sites.toml")).unwrap_or_default()
}

#[test]
fn servers_of_other_programs_become_sites_and_their_passwords_stay_where_they_are() {
    let ferry = with_files();
    let assert = import(&ferry, "").code(6);
    let said = stderr(&assert);
    let list = stdout(&ferry.run("site list").success());
    assert_eq!(list, "Fz-box  sftp://bo@fz.example.org:22/\nbox     sftp://box/\nrc      sftp://cy@rc.example.org/\n");
    for part in ["old: skipped: ferry cannot open servers of FTP", "../up: skipped", "bucket: skipped", "type s3"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let all = [said, stdout(&assert), stdout(&import(&ferry, "--json").code(6)), saved(&ferry)].concat();
    assert!(!all.contains("hunter2") && !all.contains("aHVudGVyMg"), "{all}");
}

#[test]
fn another_configuration_of_ssh_is_imported_with_its_settings() {
    let ferry = with_files();
    fs::write(ferry.path().join("other"), SSH).unwrap();
    import(&ferry, "openssh other").success();
    assert_eq!(stdout(&ferry.run("site list").success()), "box  sftp://al@box.example.org:2222/\n");
}

#[test]
fn a_site_that_is_already_saved_is_kept_unless_it_is_to_be_replaced() {
    let ferry = with_files();
    let key = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    ferry.run(&format!("site add rc sftp://me@rc.example.org --server-key {key}")).success();
    ferry.run(&format!("site add box me@mine.example.org --server-key {key}")).success();
    let before = saved(&ferry);
    for program in ["rclone", "openssh"] {
        assert!(stderr(&import(&ferry, program).success()).contains("kept"));
        import(&ferry, &format!("{program} --replace -n")).success();
    }
    assert_eq!(saved(&ferry), before);

    import(&ferry, "rclone --replace").success();
    import(&ferry, "openssh --replace").success();
    let list = stdout(&ferry.run("site list --json").success());
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines[0], r#"{"name":"box","kind":"sftp","address":"box","user":""}"#);
    // The key of the same server still holds.
    assert!(lines[1].contains(r#""user":"cy""#) && lines[1].contains(key), "{list}");
}

#[test]
fn a_missing_or_endless_file_is_refused_and_nothing_is_saved() {
    let ferry = with_files();
    import(&ferry, "rclone missing").code(4);
    fs::write(ferry.path().join("long"), "#\n".repeat(1 << 20)).unwrap();
    for program in ["openssh", "filezilla", "rclone"] {
        let said = stderr(&import(&ferry, &format!("{program} long")).code(1));
        assert!(said.contains("1 MiB"), "{said}");
    }
    assert_eq!(saved(&ferry), "");
    let empty = Ferry::new();
    assert!(stderr(&import(&empty, "").code(2)).contains("was found"));
}
