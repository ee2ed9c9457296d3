//! How often commands wait for the server, counted in round trips, and that names asked about together give the results
//! of one after the other.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::Path,
};

use ferry_e2e::{
    client::{Client, Outcome},
    material,
    round_trips::Relay,
    server::{Server, Setup},
};

/// As many names as a person may write, or a shell expand.
const NAMES: usize = 100;

fn names(client: &Client, folder: &str) -> Vec<OsString> {
    (0..NAMES).map(|number| client.at(format!("{folder}/f{number:02}"))).collect()
}

/// Runs `ferry` with `words` over a counting relay.
fn counted(server: &Server, client: &Client, words: impl Fn(&Client) -> Vec<OsString>) -> (Outcome, u32) {
    let relay = Relay::to(server);
    // The relay is another address, whose key is then known.
    let client = client.at_address(relay.address());
    let words = words(&client);
    let words: Vec<&dyn AsRef<OsStr>> = words.iter().map(|word| word as _).collect();
    relay.carry(client.start(&words))
}

fn hundred_files(server: &Server, folder: &str) {
    let folder = server.home("anna").join(folder);
    fs::create_dir_all(&folder).unwrap();
    (0..NAMES).for_each(|number| fs::write(folder.join(format!("f{number:02}")), format!("{number}\n")).unwrap());
}

fn in_folder(server: &Server, folder: &str) -> usize {
    fs::read_dir(server.home("anna").join(folder)).map_or(0, Iterator::count)
}

#[test]
fn a_hundred_names_take_eight_round_trips_at_most() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let numbers: String = (0..NAMES).map(|number| format!("{number}\n")).collect();
    let local = client.scratch("got");
    let mut wrong = Vec::new();
    let mut run = |verb: &str, folder: &str, flags: &[&str], target: Option<&dyn Fn(&Client) -> OsString>| {
        let (outcome, trips) = counted(&server, &client, |client| {
            let flags = flags.iter().map(OsString::from);
            let target = target.map(|target| target(client));
            std::iter::once(OsString::from(verb)).chain(flags).chain(names(client, folder)).chain(target).collect()
        });
        if trips > 8 {
            wrong.push(format!("{verb} {flags:?}: {trips} round trips"));
        }
        outcome.ok()
    };
    hundred_files(&server, "a");
    let paths: Vec<String> = (0..NAMES).map(|number| format!("a/f{number:02}")).collect();
    let told = |outcome: &Outcome| -> Vec<String> {
        outcome.json().iter().map(|object| object["path"].as_str().unwrap_or_default().to_owned()).collect()
    };
    for verb in ["stat", "hash", "touch"] {
        assert_eq!(told(&run(verb, "a", &["--json"], None)), paths, "{verb}");
    }
    assert_eq!(run("cat", "a", &[], None).text(), numbers);
    run("mkdir", "d", &["-p"], None);
    assert_eq!(in_folder(&server, "d"), NAMES);
    assert_eq!(run("du", "d", &["-d0"], None).text().lines().count(), 3 * NAMES - 1);
    run("cp", "a", &[], Some(&|client| client.at("/copied/")));
    assert_eq!(in_folder(&server, "copied"), NAMES);
    fs::create_dir(server.home("anna").join("there")).unwrap();
    run("cp", "a", &[], Some(&|client| client.at("/there")));
    assert_eq!(in_folder(&server, "there"), NAMES);
    run("mv", "a", &[], Some(&|client| client.at("/moved/")));
    assert_eq!((in_folder(&server, "a"), in_folder(&server, "moved")), (0, NAMES));
    run("mv", "moved", &["--on-conflict", "keep-both"], Some(&|client| client.at("/kept/")));
    assert_eq!((in_folder(&server, "moved"), in_folder(&server, "kept")), (0, NAMES));
    run("get", "copied", &[], Some(&|_| local.clone().into()));
    assert_eq!(fs::read_dir(&local).unwrap().count(), NAMES);
    run("rm", "copied", &[], None);
    assert_eq!(in_folder(&server, "copied"), 0);
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_check_of_a_tree_takes_no_more_round_trips_than_an_upload_that_finds_it_there() {
    let server = Server::with_anna();
    let client = server.client("anna");
    let tree = client.scratch("tree");
    material::many_files(&tree, 300, 900, 1);
    client.put(&tree, "").ok();
    let trips = |words: fn(&Path, &Client) -> Vec<OsString>| {
        let (outcome, trips) = counted(&server, &client, |client| words(&tree, client));
        let _ = outcome.ok();
        trips
    };
    let put = trips(|tree, client| vec!["put".into(), tree.into(), client.at(""), "--on-conflict=changed".into()]);
    let check = trips(|tree, client| vec!["check".into(), tree.into(), client.at("tree")]);
    assert!(check <= put, "{check} round trips, and {put} for an upload");
}

#[test]
fn the_first_answer_takes_four_round_trips() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::write(server.home("anna").join("x"), "x\n").unwrap();
    let local = client.scratch("here").join("y");
    let mut wrong = Vec::new();
    for (verb, path, shown) in [("ls", "/", "x\n"), ("cat", "/x", "x\n"), ("touch", "/x", ""), ("get", "/x", "")] {
        let (outcome, trips) = counted(&server, &client, |client| {
            let target = (verb == "get").then(|| local.clone().into());
            [verb.into(), client.at(path)].into_iter().chain(target).collect()
        });
        assert_eq!(outcome.ok().text(), shown, "{verb}");
        // One each for TCP, TLS, the login and the request.
        if trips != 4 {
            wrong.push(format!("{verb}: {trips} round trips"));
        }
    }
    assert_eq!(fs::read(local).unwrap(), b"x\n");
    assert_eq!(wrong, [""; 0]);
}

/// Runs `verb` and returns its exit code, and what it tells of each path, failures too.
fn told(client: &Client, verb: &str, paths: &[OsString], flags: &[&str]) -> (i32, Vec<String>) {
    let words = [&verb as &dyn AsRef<OsStr>, &"--json"].into_iter();
    let words: Vec<_> = words
        .chain(flags.iter().map(|flag| flag as _))
        .chain(paths.iter().map(|path| path as &dyn AsRef<OsStr>))
        .collect();
    let outcome = client.run(&words);
    let of = |object: &serde_json::Value| {
        let object = if object["error"].is_object() { &object["error"] } else { object };
        let what = ["outcome", "code", "digest", "kind"].iter().find_map(|field| object[*field].as_str());
        format!("{} {}", object["path"].as_str().unwrap_or("?"), what.unwrap_or("?"))
    };
    (outcome.status.code().unwrap_or(-1), outcome.json().iter().map(of).collect())
}

#[test]
fn names_asked_about_together_take_effect_and_fail_in_their_order() {
    let server = Setup::new().user("anna", &[]).sftp().start();
    let client = server.client("anna");
    for (door, folder) in [(client.at("/f"), "f"), (format!("sftp://anna@{}/s", server.sftp().0).into(), "s")] {
        let run = |verb: &str, flags: &[&str], names: &str| {
            let path = |name: &str| {
                let mut path = door.clone();
                path.push(name);
                path
            };
            let (code, told) = told(&client, verb, &names.split(' ').map(path).collect::<Vec<_>>(), flags);
            format!("{code} {}", told.join(", ")).replace(&format!("{folder}/"), "")
        };
        let in_home = |name: &str| server.home("anna").join(folder).join(name);
        assert_eq!(
            run("mkdir", &[], " /d /d/e /no/x /d"),
            format!("6 {folder} made, d made, d/e made, no/x not_found, d exists")
        );
        ["a.log", "b.tmp", "c.tmp"].iter().for_each(|name| fs::write(in_home("d").join(name), name).unwrap());
        assert_eq!(run("stat", &[], "/d/a.log /no /d"), "6 d/a.log file, no not_found, d folder");
        assert_eq!(run("mv", &[], "/d/a.log /d/no /d/e /d/new/"), "6 d/a.log moved, d/no not_found, d/e moved");
        assert_eq!(run("touch", &[], "/d/t /no/t /d/t"), "6 d/t touched, no/t not_found, d/t touched");
        assert_eq!(
            run("rm", &["--include", "*.tmp"], "/d/b.tmp /d/t /d/b.tmp /d/c.tmp"),
            "6 d/b.tmp removed, d/t skipped, d/b.tmp not_found, d/c.tmp removed"
        );
        assert_eq!(
            run("rm", &[], "/d/new /d/new/e /d/new/a.log /d/new"),
            "6 d/new not_empty, d/new/e removed, d/new/a.log removed, d/new removed"
        );
    }
}
