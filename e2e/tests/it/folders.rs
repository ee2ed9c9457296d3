//! Transferred or copied folders keep their dates, and new folders get the permission bits of their source.

use std::{
    fs::{self, Metadata},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use ferry_e2e::{
    MIB, material,
    peer::{Peer, path},
    server::Server,
};
use ferry_shared::message::{Reply, Request};

/// The folders of a tree, inner ones first.
const FOLDERS: [(&str, u32); 6] =
    [("open/deep/er", 0o711), ("open/deep", 0o700), ("open", 0o775), ("empty", 0o755), ("many", 0o750), ("", 0o751)];

fn make_tree(root: &Path) {
    for (folder, _) in FOLDERS {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for file in ["one", "open/two", "open/deep/er/three"] {
        material::random_file(&root.join(file), 10, 1);
    }
    material::random_file(&root.join("open/deep/large"), 2 * MIB + 5, 2);
    (0..300).for_each(|number| fs::write(root.join(format!("many/{number}")), "x").unwrap());
    for (folder, mode) in FOLDERS {
        material::set_mode(&root.join(folder), mode);
    }
    set_dates(root);
}

fn set_dates(root: &Path) {
    for (number, (folder, _)) in FOLDERS.iter().enumerate() {
        material::set_mtime(&root.join(folder), 1_000_000_000 + number as u64 * 1000, 123_456_789);
    }
}

fn of_folders<T>(root: &Path, of: impl Fn(Metadata) -> T) -> Vec<(&'static str, T)> {
    FOLDERS.iter().map(|(folder, _)| (*folder, of(fs::metadata(root.join(folder)).unwrap()))).collect()
}

fn dates(root: &Path) -> Vec<(&'static str, (i64, i64))> {
    of_folders(root, |metadata| (metadata.mtime(), metadata.mtime_nsec()))
}

fn modes(root: &Path) -> Vec<(&'static str, u32)> {
    of_folders(root, |metadata| metadata.permissions().mode() & 0o777)
}

#[test]
fn a_transferred_folder_keeps_its_date_both_ways_also_where_it_was_there() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let here = client.scratch("here");
    let (source, there, back) = (here.join("tree"), server.home("anna").join("tree"), here.join("back"));
    make_tree(&source);
    client.put(&source, "tree").ok();
    assert_eq!(dates(&there), dates(&source), "up");
    client.get("tree", &back).ok();
    assert_eq!(dates(&back), dates(&source), "down");
    // Names are added and removed on either side, and folders get other dates.
    fs::write(source.join("open/new"), "new").unwrap();
    fs::remove_file(source.join("many/7")).unwrap();
    fs::write(there.join("empty/of others"), "x").unwrap();
    fs::write(back.join("open/deep/of others"), "x").unwrap();
    set_dates(&source);
    client.put(&source, "tree").ok();
    assert_eq!(dates(&there), dates(&source), "up, merged");
    client.get("tree", &back).ok();
    assert_eq!(dates(&back), dates(&source), "down, merged");
    // Also if only the date differs.
    material::set_mtime(&source.join("open"), 5, 0);
    client.put(&source, "tree").ok();
    client.get("tree", &back).ok();
    assert_eq!((dates(&there), dates(&back)), (dates(&source), dates(&source)));
}

#[tokio::test]
async fn a_folder_copied_on_the_server_keeps_its_date_and_permissions_and_one_that_is_there_its_own() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let there = server.home("anna");
    make_tree(&there.join("tree"));
    // More folders than fit on a page, each with an entry.
    for number in 0..2_100 {
        let folder = there.join(format!("wide/{number}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("file"), "x").unwrap();
        material::set_mtime(&folder, 900_000_000 + number, 0);
    }
    client.run(&[&"cp", &client.at("tree"), &client.at("copy")]).ok();
    assert_eq!(dates(&there.join("copy")), dates(&there.join("tree")));
    assert_eq!(modes(&there.join("copy")), modes(&there.join("tree")));
    client.run(&[&"cp", &client.at("wide"), &client.at("broad")]).ok();
    for number in 0..2_100 {
        let date = fs::metadata(there.join(format!("broad/{number}"))).unwrap().mtime();
        assert_eq!(date, 900_000_000 + number, "{number}");
    }
    // Copy over existing folders: nothing is added to `empty`, which existed, while `open` is new.
    let merged = there.join("merged");
    fs::create_dir_all(merged.join("empty")).unwrap();
    material::set_mode(&merged.join("empty"), 0o711);
    material::set_mtime(&merged.join("empty"), 7, 0);
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let copy = Request::Copy { from: path("tree"), to: path("merged"), replace: true };
    peer.send(&copy).await.unwrap();
    assert_eq!(peer.reply().await.unwrap(), Reply::Done);
    let found = |name: &str| {
        let metadata = fs::metadata(merged.join(name)).unwrap();
        (metadata.mtime(), metadata.permissions().mode() & 0o777)
    };
    assert_eq!(found("empty"), (7, 0o711));
    assert_eq!(found("open"), (1_000_002_000, 0o775));
    assert_ne!(found("").0, 1_000_005_000);
}
