//! Clients that people use do their usual work through the SFTP door.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
};

use ferry_e2e::{
    MIB, compare, long, material,
    sftp::{Kind, Op, SftpClient, figures_agree, server_with},
};

/// Names in a folder that is listed.
const MANY: usize = 10_000;

/// Names that need care.
fn names() -> Vec<OsString> {
    let (long, bytes) = ("n".repeat(255), OsStr::from_bytes(b"latin1-\xe9\xff"));
    let texts = [" two  spaces ", "it's \"quoted\" `$(id)`", "-rf", "*?[glob]", "back\\slash", "grüße 🦀", &long];
    texts.into_iter().map(OsString::from).chain([bytes.to_owned()]).collect()
}

#[tokio::test]
async fn every_client_puts_gets_renames_and_removes_files_whatever_their_names() {
    for kind in Kind::all() {
        let (server, keys) = server_with(&[]);
        let home = server.home("anna");
        let client = SftpClient::new(kind, &server, keys.path());
        let (source, back) = (client.local().join("source"), client.local().join("back"));
        for (number, name) in names().iter().enumerate() {
            // A name that begins with a dash is no option then.
            let mut path = OsString::from("/");
            path.push(name);
            fs::write(&source, format!("file {number}\n")).unwrap();
            drop(client.run(Op::Put(&source, &path)).ok());
            client.has_stored(&source, &home.join(name));
            drop(client.run(Op::Get(&path, &back)).ok());
            compare::same_file(&source, &back);
            fs::remove_file(&back).unwrap();
            drop(client.run(Op::Rename(&path, OsStr::new("renamed"))).ok());
            drop(client.run(Op::Rename(OsStr::new("renamed"), &path)).ok());
            if number % 2 == 0 {
                drop(client.run(Op::Remove(&path)).ok());
            }
            assert_eq!(home.join(name).exists(), number % 2 != 0, "{name:?}");
        }
        figures_agree(&server, client).await;
    }
}

#[tokio::test]
async fn every_client_carries_files_of_every_size_and_makes_and_removes_folders() {
    for kind in Kind::all() {
        let (server, keys) = server_with(&[]);
        let home = server.home("anna");
        let client = SftpClient::new(kind, &server, keys.path());
        let (source, back) = (client.local().join("source"), client.local().join("back"));
        let (name, folder, inside) = (OsStr::new("with a space"), OsStr::new("folder"), OsStr::new("folder/renamed"));
        for (number, size) in [0, 1, 32_768, MIB, 3 * MIB + 17, 0].into_iter().enumerate() {
            material::random_file(&source, size, number as u64);
            drop(client.run(Op::Put(&source, name)).ok());
            client.has_stored(&source, &home.join(name));
            drop(client.run(Op::Get(name, &back)).ok());
            compare::same_file(&source, &back);
            fs::remove_file(&back).unwrap();
        }
        drop(client.run(Op::MakeDir(folder)).ok());
        drop(client.run(Op::Rename(name, inside)).ok());
        assert!(home.join(inside).exists() && !home.join(name).exists());
        assert!(!client.run(Op::RemoveDir(folder)).status.success(), "it is not empty");
        drop(client.run(Op::Remove(inside)).ok());
        drop(client.run(Op::RemoveDir(folder)).ok());
        assert!(!home.join(folder).exists());
        assert!(!client.run(Op::Get(OsStr::new("missing"), &back)).status.success());
        figures_agree(&server, client).await;
    }
}

#[tokio::test]
async fn every_client_lists_ten_thousand_names() {
    let (server, keys) = server_with(&[]);
    let home = server.home("anna");
    fs::create_dir(home.join("many")).unwrap();
    let names: BTreeSet<String> = (0..MANY).map(|number| format!("file {number}")).collect();
    names.iter().for_each(|name| fs::write(home.join("many").join(name), "").unwrap());
    assert!(server.ferryd(&["quota", "rescan", "anna"], "").0.success());
    for kind in Kind::all() {
        let client = SftpClient::new(kind, &server, keys.path());
        let said = client.run(Op::List(OsStr::new("many"))).ok().text();
        let lines = said.lines().map(|line| line.rsplit('/').next().unwrap_or(line));
        let listed: BTreeSet<String> = lines.filter(|name| name.starts_with("file ")).map(str::to_owned).collect();
        assert_eq!(listed.len(), MANY);
        assert!(listed == names);
        figures_agree(&server, client).await;
    }
}

/// A large file with holes goes up and comes back.
async fn carries(kind: Kind, size: u64) {
    let (server, keys) = server_with(&[]);
    let client = SftpClient::new(kind, &server, keys.path());
    let (source, back) = (client.local().join("source"), client.local().join("back"));
    let name = OsStr::new("large");
    material::sparse_file(&source, size, &[0, size / 2, size - MIB]);
    drop(client.run(Op::Put(&source, name)).ok());
    client.has_stored(&source, &server.home("anna").join(name));
    drop(client.run(Op::Get(name, &back)).ok());
    compare::same_file(&source, &back);
    figures_agree(&server, client).await;
}

#[tokio::test]
async fn every_client_carries_a_large_file_with_holes() {
    for kind in Kind::all() {
        carries(kind, 64 * MIB).await;
    }
}

#[tokio::test]
async fn a_file_beyond_four_gib_arrives_through_sftp() {
    if long() && Kind::OpenSsh.is_there() {
        carries(Kind::OpenSsh, 5 << 30).await;
    }
}
