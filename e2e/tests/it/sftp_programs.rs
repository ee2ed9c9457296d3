//! Ways of single programs for SFTP: whole trees, comparison by digests, writes in any order.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::{ffi::OsStrExt as _, fs::FileExt as _},
    path::Path,
    process::Command,
};

use ferry_e2e::{
    MIB, compare, material,
    noise::Noise,
    proxy::{Direction, Proxy},
    sftp::{Kind, SftpClient, figures_agree, server_with},
};

/// SFTP carries dates in whole seconds.
fn date_in_whole_seconds(folder: &Path) {
    let touch = ["touch", "-d", "2024-05-06 07:08:09 UTC", "{}", "+"];
    assert!(Command::new("find").arg(folder).arg("-exec").args(touch).status().unwrap().success());
}

/// A small tree with folders, an empty file and names that need quoting.
fn tree(folder: &Path) {
    material::many_files(folder, 300, 20_000, 1);
    fs::create_dir_all(folder.join("ein Ordner/ünï")).unwrap();
    fs::write(folder.join("ein Ordner/ünï/it's \"it\""), "x").unwrap();
    fs::write(folder.join("ein Ordner/empty"), "").unwrap();
    date_in_whole_seconds(folder);
}

#[tokio::test]
async fn lftp_mirrors_a_tree_both_ways() {
    if !Kind::Lftp.is_there() {
        return;
    }
    let (server, keys) = server_with(&[]);
    let client = SftpClient::new(Kind::Lftp, &server, keys.path());
    let (there, back) = (client.local().join("tree"), client.local().join("back"));
    tree(&there);
    drop(client.lftp(format!("mirror -R -P 4 {} tree", there.display()).as_bytes()).wait().ok());
    compare::same_but_for_dates_of_folders(&there, &server.home("anna").join("tree"));
    fs::write(there.join("000/file-2"), "changed").unwrap();
    material::set_mtime(&there.join("000/file-2"), 1_800_000_000, 0);
    fs::remove_file(there.join("000/file-3")).unwrap();
    drop(client.lftp(format!("mirror -R -c -e {} tree", there.display()).as_bytes()).wait().ok());
    compare::same_but_for_dates_of_folders(&there, &server.home("anna").join("tree"));
    drop(client.lftp(format!("mirror -P 4 tree {}", back.display()).as_bytes()).wait().ok());
    compare::same_but_for_dates_of_folders(&there, &back);
    figures_agree(&server, client).await;
}

#[tokio::test]
async fn rclone_copies_syncs_and_checks_a_tree_by_digests_made_on_the_server() {
    if !Kind::Rclone.is_there() {
        return;
    }
    let (server, keys) = server_with(&[]);
    let proxy = Proxy::new(server.sftp().0);
    let client = SftpClient::at(Kind::Rclone, proxy.address(), keys.path());
    let there = client.local().join("tree");
    tree(&there);
    let remote = format!("{}tree", client.rclone_root());
    let rclone = |words: &[&str]| client.rclone(&words.iter().map(OsString::from).collect::<Vec<_>>()).wait();
    let local = there.to_str().unwrap();
    let check = || rclone(&["check", local, &remote]);
    drop(rclone(&["copy", local, &remote, "--transfers", "8"]).ok());
    proxy.reset_counters();
    let outcome = check().ok().says("0 differences found").says("302 matching files");
    assert!(!outcome.stderr.contains("hashes could not be checked"), "{outcome}");
    let (down, size) = (proxy.counted(Direction::Down), compare::bytes_below(&there));
    assert!(down < size / 4, "{down} of {size} bytes were downloaded to compare them");
    // The same size and date, another content.
    let file = there.join("000/file-1");
    let date = fs::metadata(&file).unwrap().modified().unwrap();
    material::flip_byte(&file, 0);
    fs::File::open(&file).unwrap().set_modified(date).unwrap();
    assert!(!check().says("1 differences found").status.success());
    fs::remove_file(there.join("ein Ordner/empty")).unwrap();
    fs::write(&file, "changed").unwrap();
    material::set_mtime(&file, 1_800_000_000, 0);
    drop(rclone(&["sync", local, &remote]).ok());
    drop(check().ok().says("0 differences found"));
    compare::same_but_for_dates_of_folders(&there, &server.home("anna").join("tree"));
    figures_agree(&server, client).await;
}

#[tokio::test]
async fn scp_copies_trees_and_its_old_protocol_is_refused_with_the_reason() {
    if !Kind::OpenSsh.is_there() {
        return;
    }
    let (server, keys) = server_with(&[]);
    let client = SftpClient::new(Kind::OpenSsh, &server, keys.path());
    let (there, back) = (client.local().join("tree"), client.local().join("back"));
    tree(&there);
    fs::create_dir(&back).unwrap();
    drop(client.scp(&[&"-rp", &there, &"ferryd:/"]).ok());
    compare::same_but_for_dates_of_folders(&there, &server.home("anna").join("tree"));
    drop(client.scp(&[&"-rp", &"ferryd:/tree", &back]).ok());
    compare::same_but_for_dates_of_folders(&there, &back.join("tree"));
    let file = there.join("000/file-1");
    drop(client.scp(&[&"-O", &file, &"ferryd:/old"]).says("no such command"));
    assert!(!server.home("anna").join("old").exists());
    figures_agree(&server, client).await;
}

#[tokio::test]
async fn blocks_that_arrive_in_any_order_make_the_same_file() {
    if !Kind::Paramiko.is_there() {
        return;
    }
    let (server, keys) = server_with(&[]);
    let client = SftpClient::new(Kind::Paramiko, &server, keys.path());
    let source = client.local().join("source");
    material::random_file(&source, 5 * MIB + 3, 1);
    let words = ["backwards".as_ref(), source.as_os_str(), OsStr::from_bytes(b"n\xffame")];
    drop(client.paramiko(&words).wait().ok());
    compare::same_file(&source, &server.home("anna").join(OsStr::from_bytes(b"n\xffame")));
    figures_agree(&server, client).await;
}

#[tokio::test]
async fn a_file_on_a_mounted_folder_is_written_and_changed_in_any_order() {
    if !Kind::Sshfs.is_there() {
        return;
    }
    let (server, keys) = server_with(&[]);
    let client = SftpClient::new(Kind::Sshfs, &server, keys.path());
    let local = client.local().join("file");
    let mounted = client.mounted().join("file");
    let files = [&local, &mounted].map(|path| fs::File::create(path).unwrap());
    let mut noise = Noise::new(5);
    for _ in 0..200 {
        let (offset, length) = (noise.below(5 * MIB), 1 + noise.below(100_000));
        let bytes = noise.bytes(usize::try_from(length).unwrap());
        files.iter().for_each(|file| file.write_all_at(&bytes, offset).unwrap());
    }
    files.iter().for_each(|file| file.set_len(4 * MIB + 3).unwrap());
    drop(files);
    compare::same_file(&local, &mounted);
    // Now the file is there, and a piece of it changes.
    for file in [&local, &mounted] {
        material::flip_byte(file, 3 * MIB + 1);
    }
    compare::same_file(&local, &mounted);
    compare::same_file(&local, &server.home("anna").join("file"));
    figures_agree(&server, client).await;
}
