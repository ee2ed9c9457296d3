//! Nobody can leave their home, whatever they name and whatever is in it.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
};

use ferry_e2e::{
    compare,
    peer::{self, Peer},
    server::Server,
    skipped,
};
use ferry_shared::{
    message::{Reply, Request},
    refusal::Code,
};

/// Invalid paths. Quotes and backslashes are JSON's.
const BAD_PATHS: [&str; 18] = [
    r#""..""#,
    r#""../ben""#,
    r#""a/../../ben/home""#,
    r#""a/..""#,
    r#"".""#,
    r#""./a""#,
    r#""a/./b""#,
    r#""/etc/passwd""#,
    r#""/""#,
    r#""a//b""#,
    r#""a/""#,
    r#""//""#,
    r#""a\u0000b""#,
    r#""\u0000""#,
    r#"{"bytes":"Li4="}"#,
    r#"{"bytes":"Li4vYmVu"}"#,
    r#"{"bytes":"L2V0Yy9wYXNzd2Q="}"#,
    r#"{"bytes":"YQBi"}"#,
];

fn requests(path: &str) -> Vec<String> {
    let commit = "{\"commit\":{\"size\":0,\"root\":\"".to_owned() + &"0".repeat(64) + "\"}}";
    vec![
        format!(r#"{{"list":{{"path":{path}}}}}"#),
        format!(r#"{{"walk":{{"path":{path}}}}}"#),
        format!(r#"{{"find":{{"path":{path},"pattern":"x","limit":5}}}}"#),
        format!(r#"{{"stat":{{"path":{path}}}}}"#),
        format!(r#"{{"make_dir":{{"path":{path},"parents":true}}}}"#),
        format!(r#"{{"rename":{{"from":{path},"to":"x","replace":true}}}}"#),
        format!(r#"{{"rename":{{"from":"file","to":{path},"replace":true}}}}"#),
        format!(r#"{{"copy":{{"from":"file","to":{path},"replace":true}}}}"#),
        format!(r#"{{"remove":{{"path":{path},"recursive":true}}}}"#),
        format!(r#"{{"set_attributes":{{"path":{path},"mode":511}}}}"#),
        format!(r#"{{"hash":{{"path":{path},"algorithm":"blake3"}}}}"#),
        format!(r#"{{"discard":{{"path":{path}}}}}"#),
        format!(r#"{{"put":{{"path":{path},"size":9999999,"if_exists":"replace","parents":true}}}}"#),
        // A small put is followed by its commit, which is skipped with it.
        format!(r#"{{"put":{{"path":{path},"size":0,"if_exists":"replace","parents":true}}}}"#) + "\n" + &commit,
    ]
}

/// A server with one file in a home, and files outside that must stay unchanged.
fn guarded_server() -> Server {
    let server = Server::with_anna();
    fs::write(server.home("anna").join("file"), "mine").unwrap();
    let outside = server.outside().join("outside");
    fs::create_dir_all(outside.join("deep")).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    fs::write(outside.join("deep/secret"), "deep secret").unwrap();
    fs::write(server.home("ben").join("secret"), "ben's").unwrap();
    server
}

fn assert_untouched(server: &Server) {
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let outside = server.outside().join("outside");
    assert_eq!(read(&outside.join("secret")), "secret");
    assert_eq!(read(&outside.join("deep/secret")), "deep secret");
    assert_eq!(read(&server.home("ben").join("secret")), "ben's");
    assert_eq!(compare::count_below(&outside), 3);
    assert_eq!(compare::count_below(&server.home("ben")), 1);
}

#[tokio::test]
async fn paths_that_are_none_are_refused_and_the_connection_goes_on() {
    let mut server = guarded_server();
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let long =
        [format!("\"{}\"", "n".repeat(256)), format!("\"{}a\"", "a/".repeat(128)), format!("\"{}\"", "a".repeat(5000))];
    for path in BAD_PATHS.iter().map(ToString::to_string).chain(long) {
        for request in requests(&path) {
            for line in request.lines() {
                peer.send_json(line).await.unwrap();
            }
            let reply = peer.reply().await.unwrap_or_else(|error| panic!("{request}: {error}"));
            let refused = matches!(&reply, Reply::Refused(refusal) if refusal.code == Code::BadPath);
            assert!(refused, "{request}: {reply:?}");
        }
        assert!(matches!(peer.ask(&Request::Ping).await.unwrap(), Reply::Pong), "out of step after {path}");
    }
    assert_untouched(&server);
    server.assert_serves("anna");
}

#[tokio::test]
async fn links_that_lead_out_lead_nowhere() {
    let mut server = guarded_server();
    let home = server.home("anna");
    let outside = server.outside().join("outside");
    symlink(&outside, home.join("absolute")).unwrap();
    symlink("../../../../outside", home.join("relative")).unwrap();
    symlink("../../ben/home", home.join("ben")).unwrap();
    symlink(outside.join("secret"), home.join("secret")).unwrap();
    symlink(outside.join("not-there-yet"), home.join("dangling")).unwrap();
    symlink("loop", home.join("loop")).unwrap();
    symlink("/", home.join("root")).unwrap();
    symlink("/proc/self/root", home.join("magic")).unwrap();
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let ways_out = [
        "absolute/secret",
        "absolute/deep/secret",
        "relative/secret",
        "ben/secret",
        "secret",
        "dangling",
        "loop",
        "loop/x",
        "root/etc/passwd",
        "magic/etc/passwd",
        "absolute/new",
    ];
    for way in ways_out {
        let path = peer::path(way);
        for request in [
            Request::Hash { path: path.clone(), algorithm: ferry_shared::message::request::Algorithm::Blake3 },
            Request::Copy { from: path.clone(), to: peer::path("loot"), replace: true },
            Request::List { path: path.clone() },
        ] {
            let reply = peer.ask(&request).await.unwrap();
            assert!(matches!(reply, Reply::Refused(_)), "{request:?}: {reply:?}");
        }
        peer.send(&Request::Get { path: path.clone(), blocks: None }).await.unwrap();
        peer.send_have(0, &[]).await.unwrap();
        let reply = peer.reply().await.unwrap();
        assert!(matches!(reply, Reply::Refused(_)), "get {way}: {reply:?}");
        // The symlink itself may be replaced, but never its target.
        let _ = peer.upload(&peer::put(way, Some(5)), b"owned").await.unwrap();
        assert_untouched(&server);
        let _ = peer.ask(&Request::SetAttributes { path, mtime: None, mode: Some(0o777) }).await.unwrap();
        assert_untouched(&server);
    }
    for request in [
        Request::MakeDir { path: peer::path("absolute/made"), parents: true },
        Request::Rename { from: peer::path("file"), to: peer::path("relative/moved"), replace: true },
        Request::Rename { from: peer::path("ben/secret"), to: peer::path("stolen"), replace: true },
        Request::Remove { path: peer::path("absolute/secret"), recursive: false, version: None },
        Request::Remove { path: peer::path("absolute/deep"), recursive: true, version: None },
        Request::Remove { path: peer::path("ben/secret"), recursive: true, version: None },
    ] {
        let reply = peer.ask(&request).await.unwrap();
        assert!(matches!(reply, Reply::Refused(_)), "{request:?}: {reply:?}");
        assert_untouched(&server);
    }
    assert!(!home.join("loot").exists() && !home.join("stolen").exists());
    server.assert_serves("anna");
}

#[test]
fn whole_trees_with_links_in_them_are_taken_without_what_is_behind() {
    let server = guarded_server();
    let home = server.home("anna");
    fs::create_dir(home.join("tree")).unwrap();
    fs::write(home.join("tree/inside"), "inside").unwrap();
    symlink(server.outside().join("outside"), home.join("tree/out")).unwrap();
    symlink("..", home.join("tree/up")).unwrap();
    let client = server.client("anna");
    let back = client.scratch("back");
    let outcome = client.get("tree", &back.join(""));
    assert!(matches!(outcome.status.code(), Some(0 | 6)), "{outcome}");
    assert_eq!(fs::read_to_string(back.join("tree/inside")).unwrap(), "inside");
    let _ = client.run(&[&"cp", &client.at("tree"), &client.at("copy")]);
    for copy in [back.join("tree"), home.join("copy")] {
        assert!(!copy.join("out/secret").exists() || fs::symlink_metadata(copy.join("out")).unwrap().is_symlink());
        assert!(!fs::symlink_metadata(copy.join("out")).is_ok_and(|meta| meta.is_dir()), "what is behind was copied");
    }
    client.run(&[&"rm", &"-r", &client.at("tree")]).ok();
    assert!(!home.join("tree").exists());
    assert_untouched(&server);
}

#[tokio::test]
async fn fifos_sockets_and_devices_are_listed_and_never_opened() {
    let mut server = guarded_server();
    let home = server.home("anna");
    assert!(Command::new("mkfifo").arg(home.join("fifo")).status().unwrap().success());
    let _socket = UnixListener::bind(home.join("socket")).unwrap();
    let mut others = vec!["fifo", "socket"];
    // Only root can create devices.
    if Command::new("mknod").arg(home.join("zero")).args(["c", "1", "5"]).output().is_ok_and(|o| o.status.success()) {
        others.push("zero");
    } else {
        skipped("only root can make devices");
    }
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    for name in others {
        let path = peer::path(name);
        let reply = peer.ask(&Request::Stat { path: path.clone() }).await.unwrap();
        let listed = matches!(&reply, Reply::Entry { entry, .. } if entry.kind == ferry_shared::entry::Kind::Other);
        assert!(listed, "{name}: {reply:?}");
        for request in [
            Request::Hash { path: path.clone(), algorithm: ferry_shared::message::request::Algorithm::Sha256 },
            Request::Copy { from: path.clone(), to: peer::path("copy"), replace: true },
        ] {
            let reply = peer.ask(&request).await.unwrap();
            assert!(matches!(reply, Reply::Refused(_)), "{request:?}: {reply:?}");
        }
        peer.send(&Request::Get { path, blocks: None }).await.unwrap();
        peer.send_have(0, &[]).await.unwrap();
        let reply = peer.reply().await.unwrap();
        assert!(matches!(reply, Reply::Refused(_)), "get {name}: {reply:?}");
    }
    let client = server.client("anna");
    let back = client.scratch("back");
    let outcome = client.get("", &back.join(""));
    assert!(matches!(outcome.status.code(), Some(0 | 6)), "{outcome}");
    server.assert_serves("anna");
}

#[test]
fn a_download_never_writes_through_a_link_that_lies_at_its_target() {
    let server = Server::with_anna();
    let client = server.client("anna");
    fs::create_dir(server.home("anna").join("tree")).unwrap();
    for name in ["file", "tree/file"] {
        fs::write(server.home("anna").join(name), "from the server").unwrap();
    }
    let secret = client.scratch("elsewhere").join("secret");
    fs::write(&secret, "secret").unwrap();
    let here = client.scratch("here");
    symlink(&secret, here.join("file")).unwrap();
    let _ = client.run(&[&"get", &client.at("file"), &here.join("file"), &"--on-conflict=replace"]);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    symlink(client.scratch("elsewhere"), here.join("tree")).unwrap();
    let _ = client.run(&[&"get", &client.at("tree"), &here.join(""), &"--on-conflict=replace"]);
    assert!(!client.scratch("elsewhere").join("file").exists(), "a folder link was followed");
    // Nor through a symlink at the path of the part.
    symlink(&secret, here.join(".part.ferry-part")).unwrap();
    fs::write(server.home("anna").join("part"), "from the server").unwrap();
    let _ = client.get("part", &here.join("part"));
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
}
