//! Several names and patterns on the server, and what `mv` and `cp` do if the target exists.

use std::{ffi::OsString, fs, path::Path};

use ferry_e2e::{
    client::{Client, Outcome},
    material,
    server::Server,
};

fn run(client: &Client, line: &str) -> Outcome {
    let word = |word: &str| match word.strip_prefix('@') {
        Some(path) => client.at(path),
        None => OsString::from(word),
    };
    let words: Vec<OsString> = line.split(' ').map(word).collect();
    client.run(&words.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>).collect::<Vec<_>>())
}

fn write(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    names.iter().for_each(|name| fs::write(folder.join(name), name).unwrap());
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_quoted_pattern_stands_for_what_it_matches() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    let here = client.scratch("here");
    write(&home.join("d"), &["a.jpg", "b.jpg", "c.txt", ".hidden.jpg", "[x].jpg", "x.jpg"]);
    write(&home.join("e"), &["a.jpg", "z"]);
    client.run(&[&"get", &client.at("d/?.jpg"), &here.join("got/")]).ok();
    assert_eq!(names(&here.join("got")), ["a.jpg", "b.jpg", "x.jpg"]);
    client.run(&[&"get", &client.at("d/[x].jpg"), &here.join("got/")]).ok();
    assert!(here.join("got/[x].jpg").exists(), "what is there under the very name is meant");
    run(&client, "cp @?/a.jpg @f/").code(2).says("both");
    run(&client, "cp @d/*.jpg @f/").ok();
    assert_eq!(names(&home.join("f")), ["[x].jpg", "a.jpg", "b.jpg", "x.jpg"]);
    run(&client, "mv @f/[ab].jpg @g/").ok();
    assert_eq!(
        (names(&home.join("f")), names(&home.join("g"))),
        (vec!["[x].jpg".into(), "x.jpg".into()], vec!["a.jpg".into(), "b.jpg".into()])
    );
    run(&client, "rm @d/[x].jpg").ok();
    assert!(!home.join("d/[x].jpg").exists() && home.join("d/x.jpg").exists(), "the very name comes first");
    run(&client, "rm @d/*.jpg").ok();
    assert_eq!(names(&home.join("d")), [".hidden.jpg", "c.txt"]);
    for line in ["rm @d/*.png", "rm @d/c.txt @d/*.png", "get @d/*.png .", "mv @d/*.png @x/", "cp @nowhere/*.png @x/"] {
        run(&client, line).code(4).says("nothing matches");
    }
    assert!(home.join("d/c.txt").exists() && !home.join("x").exists(), "nothing is done where one matches nothing");
}

#[test]
fn listings_take_several_folders() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    write(&home.join("d"), &["one", "both"]);
    write(&home.join("e"), &["two", "both"]);
    for verb in ["ls", "ls -l", "ls -R", "tree", "find", "ls --json", "find --json", "tree --json"] {
        let text = run(&client, &format!("{verb} @d @e")).ok().text();
        assert!(text.contains("one") && text.contains("two"), "{verb}: {text}");
        let text = run(&client, &format!("{verb} @missing @e")).code(6).text();
        assert!(text.contains("two"), "the others are listed: {verb}: {text}");
    }
    assert_eq!(run(&client, "ls @d @e").ok().text(), "d:\nboth\none\n\ne:\nboth\ntwo\n");
    assert_eq!(run(&client, "find @d @e both").ok().text(), "d/both\ne/both\n");
    assert_eq!(run(&client, "find @d @e both --limit 1").ok().text(), "d/both\n");
    assert_eq!(run(&client, "du -d 0 --json @d @e").ok().json().len(), 2);
}

#[test]
fn mv_and_cp_know_every_rule_for_what_is_there() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    for verb in ["cp", "mv"] {
        let reset = |newer: bool| {
            fs::write(home.join("from"), "fresh").unwrap();
            fs::write(home.join("to"), "stale").unwrap();
            material::set_mtime(&home.join("from"), if newer { 2000 } else { 1000 }, 0);
            material::set_mtime(&home.join("to"), 1500, 0);
        };
        let to = || fs::read_to_string(home.join("to")).unwrap();
        let run = |rule: &str| run(&client, &format!("{verb} @from @to --on-conflict={rule}"));
        reset(true);
        assert_ne!(run("fail").status.code(), Some(0));
        assert_eq!(to(), "stale");
        run("skip").ok();
        assert_eq!(to(), "stale");
        run("keep-both").ok();
        assert_eq!((to(), fs::read_to_string(home.join("to (2)")).unwrap()), ("stale".into(), "fresh".into()));
        fs::remove_file(home.join("to (2)")).unwrap();
        reset(false);
        run("newer").ok().says("not older");
        assert!(to() == "stale" && home.join("from").exists());
        reset(true);
        run("newer").ok();
        assert_eq!(to(), "fresh");
        reset(true);
        fs::write(home.join("to"), "fresh").unwrap();
        let before = fs::metadata(home.join("to")).unwrap();
        run("different").ok();
        if verb == "cp" {
            use std::os::unix::fs::MetadataExt as _;
            assert_eq!(fs::metadata(home.join("to")).unwrap().ino(), before.ino(), "equal content is left as it is");
        } else {
            assert!(!home.join("from").exists());
        }
        reset(true);
        run("different").ok();
        assert_eq!(to(), "fresh");
        reset(true);
        run("replace").ok();
        assert_eq!((to().as_str(), home.join("from").exists()), ("fresh", verb == "cp"));
    }
}

#[test]
fn mv_and_cp_make_a_folder_named_with_a_slash_and_join_folders_by_the_rule() {
    let server = Server::with_anna();
    let (client, home) = (server.client("anna"), server.home("anna"));
    for verb in ["cp", "mv"] {
        let (from, new) = (format!("{verb}-from"), format!("{verb}-new"));
        write(&home.join(&from), &["a", "b"]);
        run(&client, &format!("{verb} -n @{from} @{new}/deep/")).ok().says("would");
        assert!(!home.join(&new).exists());
        run(&client, &format!("{verb} @missing @{new}/deep/")).code(4);
        assert!(!home.join(&new).exists(), "nothing came into it");
        run(&client, &format!("{verb} @{from} @{new}/deep/")).ok();
        assert_eq!(names(&home.join(&new).join("deep").join(&from)), ["a", "b"]);
        // If it exists already, file by file.
        write(&home.join(&from), &["a", "c"]);
        fs::write(home.join(&from).join("a"), "other").unwrap();
        run(&client, &format!("{verb} @{from} @{new}/deep/ --on-conflict=keep-both")).ok();
        let deep = home.join(&new).join("deep").join(&from);
        assert!(names(&deep).starts_with(&["a".to_owned(), "a (2)".to_owned(), "b".to_owned()]), "{:?}", names(&deep));
        assert!(deep.join("c").exists() && fs::read_to_string(deep.join("a")).unwrap() == "a");
        assert_eq!(home.join(&from).exists(), verb == "cp", "a folder that was moved whole is gone");
    }
}
