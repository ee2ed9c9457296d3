//! `--include` and `--exclude`: what they select from a folder, and from named paths.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use ferry_e2e::{
    client::{Client, Outcome},
    server::Server,
};

/// Creates files, each with its path as its contents, and their parent folders.
fn files(root: &Path, paths: &[&str]) {
    for path in paths {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, path).unwrap();
    }
}

/// All files and folders below `root`.
fn below(root: &Path) -> BTreeSet<String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            found.insert(path.strip_prefix(root).unwrap().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                walk(&path, root, found);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(root, root, &mut found);
    found
}

fn set(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

/// A server with a tree in anna's home, anna's client and her home.
fn scene() -> (Server, Client, PathBuf) {
    let server = Server::with_anna();
    let home = server.home("anna");
    files(&home, &["t/a.tmp", "t/keep.txt", "t/sub/b.tmp", "t/sub/c.txt", "t/only/d.tmp", "t/cache/e.txt"]);
    let client = server.client("anna");
    (server, client, home)
}

fn run(client: &Client, line: &str) -> Outcome {
    let words: Vec<std::ffi::OsString> = line
        .split(' ')
        .map(|word| match word.strip_prefix('@') {
            Some(path) => client.at(path),
            None => word.into(),
        })
        .collect();
    client.run(&words.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>).collect::<Vec<_>>())
}

#[test]
fn rm_removes_what_filters_choose_and_nothing_else() {
    let (_server, client, home) = scene();
    let before = below(&home);
    run(&client, "rm -r -n --include *.tmp @t").ok().says("would remove /t/only/d.tmp");
    assert_eq!(below(&home), before, "a dry run changes nothing");
    run(&client, "rm -r --include *.tmp @t").ok();
    let left = set(&["t", "t/keep.txt", "t/sub", "t/sub/c.txt", "t/only", "t/cache", "t/cache/e.txt"]);
    assert_eq!(below(&home), left, "with --include only files go");
    files(&home, &["t/only/d.tmp"]);
    run(&client, "rm -r --exclude keep.txt --exclude cache @t").ok();
    assert_eq!(below(&home), set(&["t", "t/keep.txt", "t/cache", "t/cache/e.txt"]));
    run(&client, "rm -r --exclude t @t").ok();
    run(&client, "rm --exclude *.txt @t/keep.txt").ok().says("left out");
    assert!(home.join("t/keep.txt").exists());
    run(&client, "rm -r --exclude nothing @t").ok();
    assert!(!home.join("t").exists(), "a folder of which nothing is left goes");
}

#[test]
fn nothing_is_removed_where_one_name_is_refused() {
    let (_server, client, home) = scene();
    let before = below(&home);
    for line in
        ["rm -r @t/sub/..", "rm -r @t/.", "rm -r @t/sub @t/only/../", "rm -r @*/.", "rm -r @t/*/..", "mv @t/sub/.. @u"]
    {
        run(&client, line).code(2).says("write the name of the file or folder");
        assert_eq!(below(&home), before, "{line}");
    }
}

#[test]
fn folders_come_only_with_what_an_include_brings() {
    let (_server, client, home) = scene();
    let here = client.scratch("here");
    files(&here, &["up/a/p.jpg", "up/d/e/n.txt", "up/x.o"]);
    fs::create_dir_all(here.join("up/a/b/c")).unwrap();
    client.run(&[&"put", &here.join("up"), &client.at("up"), &"--include=*.jpg"]).ok();
    assert_eq!(below(&home.join("up")), set(&["a", "a/p.jpg"]));
    client.run(&[&"put", &here.join("up"), &client.at("none"), &"--include=*.png"]).ok();
    assert!(!home.join("none").exists(), "nothing came into it");
    let dry = [&"get" as &dyn AsRef<std::ffi::OsStr>, &client.at("t"), &here.join("down"), &"--include=b.tmp", &"-n"];
    client.run(&dry).ok().says("1 file, 2 folders");
    assert!(!here.join("down").exists());
    client.run(&[&"get", &client.at("t"), &here.join("down"), &"--include=b.tmp"]).ok();
    assert_eq!(below(&here.join("down")), set(&["sub", "sub/b.tmp"]));
    client.run(&[&"get", &client.at("t"), &here.join("none"), &"--include=*.png"]).ok();
    assert!(!here.join("none").exists(), "nothing came into it");
    run(&client, "cp --include b.tmp @t @copy").ok();
    assert_eq!(below(&home.join("copy")), set(&["sub", "sub/b.tmp"]));
    // Without a filter, empty folders are kept.
    client.run(&[&"put", &here.join("up"), &client.at("all")]).ok();
    assert!(home.join("all/a/b/c").is_dir());
}

#[test]
fn filters_hold_for_what_is_named_and_for_every_verb_that_takes_them() {
    let (_server, client, home) = scene();
    let here = client.scratch("here");
    files(&here, &["a.tmp", "b.txt", "t/a.tmp", "t/keep.txt"]);
    let at = |path: &str| client.at(path);
    client.run(&[&"put", &here.join("a.tmp"), &here.join("b.txt"), &at("up/"), &"--exclude=*.tmp"]).ok();
    assert_eq!(below(&home.join("up")), set(&["b.txt"]));
    client.run(&[&"get", &at("t/a.tmp"), &at("t/keep.txt"), &here.join("down/"), &"--exclude=*.tmp"]).ok();
    assert_eq!(below(&here.join("down")), set(&["keep.txt"]));
    run(&client, "cp --exclude *.tmp @t/a.tmp @t/keep.txt @copied/").ok();
    assert_eq!(below(&home.join("copied")), set(&["keep.txt"]));
    run(&client, "cp --exclude *.tmp --exclude cache @t @chosen").ok();
    assert_eq!(below(&home.join("chosen")), set(&["keep.txt", "sub", "sub/c.txt", "only"]));
    for (verb, more) in [("ls -R", ""), ("tree", ""), ("find", " *"), ("find", "")] {
        let text = run(&client, &format!("{verb} --exclude *.tmp --exclude cache @t{more}")).ok().text();
        assert!(text.contains("keep.txt") && text.contains("c.txt"), "{verb}: {text}");
        assert!(!text.contains("tmp") && !text.contains("e.txt") && !text.contains("cache"), "{verb}: {text}");
        let text = run(&client, &format!("{verb} --include b.tmp @t{more}")).ok().text();
        assert!(text.contains("b.tmp") && !text.contains("a.tmp") && !text.contains("cache"), "{verb}: {text}");
    }
    assert_eq!(run(&client, "ls --exclude *.tmp @t/a.tmp").ok().text(), "");
    let held = |flags: &str| run(&client, &format!("du --bytes -d 0 {flags} @t")).ok().text();
    assert_eq!(held("--include *.txt").trim_start(), format!("{}  .\n", "t/keep.txtt/sub/c.txtt/cache/e.txt".len()));
    assert_eq!(held("--exclude *.tmp --exclude cache --exclude sub").trim_start(), "10  .\n");
    run(&client, "mv --include *.tmp @t @moved").ok();
    assert_eq!(below(&home.join("moved")), set(&["a.tmp", "only", "only/d.tmp", "sub", "sub/b.tmp"]));
    assert!(home.join("t/keep.txt").exists() && !home.join("t/a.tmp").exists());
}

#[test]
fn a_check_that_matched_nothing_says_so() {
    let (_server, client, home) = scene();
    let here = client.scratch("here");
    client.run(&[&"get", &client.at("t"), &here.join("t")]).ok();
    let check = |flag: &str| client.run(&[&"check", &here.join("t"), &client.at("t"), &flag]);
    check("--include=*.txt").ok();
    check("--include=*.png").code(4).says("nothing was compared");
    client
        .run(&[&"check", &home.join("t/a.tmp"), &client.at("t/a.tmp"), &"--exclude=*.tmp", &"-q"])
        .code(4)
        .says("nothing was compared");
}
