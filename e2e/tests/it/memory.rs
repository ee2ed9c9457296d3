//! The limits of the server's memory: at rest, for each transfer, for each idle connection.

use ferry_e2e::{
    MIB, PASSWORD,
    client::{Client, Running, Words},
    material, needs,
    noise::Noise,
    peer::{self, Peer},
    proxy::{Direction, Proxy, Then},
    server::{Server, Setup},
    ssh::{HOST, Ssh, make_key},
};
use ferry_shared::{
    message::{Reply, Request},
    secret::Secret,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// KiB of the program's own file that are in memory if it is built for release.
const PROGRAM: u64 = 10 << 10;

/// KiB of the program that are copied at its start because they contain addresses, above those of a release.
const RELOCATED: u64 = 2 << 10;

/// KiB of memory that a server takes when it is built for release. Without optimisation, its file is many times as large.
fn resident(server: &Server) -> u64 {
    let memory = server.memory();
    if cfg!(debug_assertions) { memory.anonymous - RELOCATED + PROGRAM } else { memory.now }
}

#[test]
fn a_server_at_rest_takes_at_most_32_mib() {
    let mut server = Server::with_anna();
    let now = resident(&server);
    assert!(now <= 32 << 10, "{now} KiB at the start");
    server.assert_serves("anna");
    let now = resident(&server);
    assert!(now <= 32 << 10, "{now} KiB at rest");
}

/// Uploads and downloads that are held in the middle of their work.
#[tokio::test]
async fn a_running_transfer_takes_at_most_6_mib_more() {
    const TRANSFERS: u64 = 8;
    let server = Server::with_anna();
    let (mut first, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    first.ask(&Request::Ping).await.unwrap();
    material::random_file(&server.home("anna").join("large"), 64 * MIB, 1);
    let before = server.memory().now;
    server.forget_peak();
    let block = Noise::new(1).bytes(1 << 20);
    let mut peers = Vec::new();
    for number in 0..TRANSFERS {
        let mut peer = Peer::attached(server.address(), &login.ticket).await.unwrap();
        if number % 2 == 0 {
            peer.send(&Request::Put(peer::put(&format!("file-{number}"), Some(64 * MIB)))).await.unwrap();
            assert!(matches!(peer.reply().await.unwrap(), Reply::Ready { .. }));
            for index in 0..20 {
                peer.send_block(index, &block).await.unwrap();
            }
        } else {
            peer.send(&Request::Get { path: peer::path("large"), blocks: None }).await.unwrap();
            peer.send_have(0, &[]).await.unwrap();
            for _ in 0..20 {
                peer.next().await.unwrap().expect("blocks");
            }
        }
        peers.push(peer);
    }
    let peak = server.memory().peak.saturating_sub(before);
    assert!(peak <= TRANSFERS * (6 << 10), "{TRANSFERS} transfers took {peak} KiB more");
}

/// Runs `words` and returns the peak growth of the server's memory in KiB after it has checked the password: that
/// takes 19 MiB for a moment and is not part of the transfer.
fn peak_of(server: &Server, proxy: &Proxy, direction: Direction, client: &Client, words: Words) -> u64 {
    let before = server.memory().now;
    proxy.after(direction, 100_000, Then::Hold);
    let running = client.start(words);
    proxy.wait_tripped(direction);
    server.forget_peak();
    proxy.release();
    running.wait().ok();
    server.memory().peak.saturating_sub(before)
}

#[test]
fn real_clients_at_full_speed_keep_the_server_small() {
    let mut server = Server::with_anna();
    server.assert_serves("anna");
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let tree = client.scratch("tree");
    for number in 0..4 {
        material::random_file(&tree.join(format!("large-{number}")), 48 * MIB, number);
    }
    let (at, back) = (client.at("tree"), client.scratch("back"));
    let put = peak_of(&server, &proxy, Direction::Up, &client, &[&"put", &tree, &client.at("/"), &"-j", &"4"]);
    let get = peak_of(&server, &proxy, Direction::Down, &client, &[&"get", &at, &back.join(""), &"-j", &"4"]);
    // Four transfers and a connection for browsing.
    for (what, peak) in [("uploads", put), ("downloads", get)] {
        assert!(peak <= 5 * (6 << 10), "four {what} took {peak} KiB more");
    }
}

#[test]
fn transfers_of_sftp_clients_at_full_speed_take_at_most_12_mib_each() {
    if !needs::program("sftp", "openssh-client") {
        return;
    }
    const TRANSFERS: u64 = 4;
    let folder = tempfile::tempdir().unwrap();
    // Checking a password would take 19 MiB for a moment.
    let key = make_key(folder.path(), "ed25519", "");
    let (public, identity) = (format!("{}.pub", key.display()), format!("-oIdentityFile={}", key.display()));
    let file = folder.path().join("file");
    material::random_file(&file, 96 * MIB, 1);
    for direction in [Direction::Up, Direction::Down] {
        let server = Setup::new().user("anna", &["--key", &public]).sftp().start();
        let ssh = Ssh::new(server.sftp().0, "anna");
        let start = |number: u64| {
            let batch = folder.path().join(format!("batch-{number}"));
            let (file, back) = (file.display(), folder.path().join(format!("back-{number}")));
            let line = match direction {
                Direction::Up => format!("put {file} file-{number}\n"),
                Direction::Down => format!("get file {}\n", back.display()),
            };
            std::fs::write(&batch, line).unwrap();
            Running::spawn(ssh.command("sftp", &[&identity, &"-b", &batch, &HOST]), Vec::new())
        };
        std::fs::copy(&file, server.home("anna").join("file")).unwrap();
        // The first one makes everything that is made once.
        start(0).wait().ok();
        let before = server.memory().now;
        server.forget_peak();
        let running: Vec<_> = (0..TRANSFERS).map(start).collect();
        running.into_iter().for_each(|running| drop(running.wait().ok()));
        let peak = server.memory().peak.saturating_sub(before);
        println!("{direction:?}: {} KiB for each transfer", peak / TRANSFERS);
        assert!(peak <= TRANSFERS * (12 << 10), "{TRANSFERS} transfers {direction:?} took {peak} KiB more");
    }
}

#[tokio::test]
async fn an_idle_connection_takes_at_most_100_kib() {
    const CONNECTIONS: u64 = 1000;
    let wanted = 4 * CONNECTIONS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|now| now < wanted) {
        let raised = Rlimit { current: limit.maximum.map(|most| most.min(wanted)).or(Some(wanted)), ..limit };
        setrlimit(Resource::Nofile, raised).unwrap();
        assert!(
            getrlimit(Resource::Nofile).current.is_none_or(|now| now >= 3 * CONNECTIONS),
            "too few open files allowed"
        );
    }
    let config = "[limits]\nconnections = 2000\nconnections_per_user = 1100\n[login]\nallow = [\"127.0.0.0/8\"]";
    let server = Setup::new().user("anna", &[]).config(config).start();
    let (mut first, login) = Peer::logged_in(server.address(), "anna").await.unwrap();
    first.ask(&Request::Ping).await.unwrap();
    let before = server.memory().now;
    let mut peers = Vec::new();
    for _ in 0..CONNECTIONS {
        peers.push(Peer::attached(server.address(), &login.ticket).await.unwrap());
    }
    let each = server.memory().now.saturating_sub(before) / CONNECTIONS;
    assert!(each <= 100, "an idle connection takes {each} KiB");
    // They are idle, not dead; and after one request they do not take more memory.
    for peer in &mut peers {
        assert!(matches!(peer.ask(&Request::Usage).await.unwrap(), Reply::Usage(_)));
    }
    let each = server.memory().now.saturating_sub(before) / CONNECTIONS;
    assert!(each <= 100, "an idle connection that worked takes {each} KiB");
}

/// A client that stops reading in the middle of a download causes little memory use.
#[test]
fn a_client_that_does_not_read_holds_little() {
    let mut server = Server::with_anna();
    server.assert_serves("anna");
    material::random_file(&server.home("anna").join("large"), 256 * MIB, 1);
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let before = server.memory().now;
    let target = client.scratch("here").join("large");
    proxy.after(Direction::Down, 100_000, Then::Hold);
    let running = client.start(&[&"get", &client.at("large"), &target]);
    proxy.wait_tripped(Direction::Down);
    server.forget_peak();
    proxy.after(Direction::Down, 8 * MIB, Then::Hold);
    proxy.wait_tripped(Direction::Down);
    let peak = server.memory().peak.saturating_sub(before);
    drop(running.kill());
    assert!(peak <= 2 * (6 << 10), "a held download took {peak} KiB");
}

#[tokio::test]
async fn accounts_that_were_made_leave_no_memory_behind() {
    const ACCOUNTS: u64 = 100;
    let config = "[login]\nallow = [\"127.0.0.0/8\"]\n[registration]\nmode = \"open\"\nquota = \"1MiB\"";
    let mut server = Setup::new().user("anna", &[]).config(config).start();
    server.assert_serves("anna");
    let before = server.memory().now;
    for number in 0..ACCOUNTS {
        let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
        let (user, password) = (format!("user-{number}"), Secret::new(PASSWORD.to_owned()));
        let reply = peer.ask(&Request::Register { user, password, invite: None }).await.unwrap();
        assert!(matches!(reply, Reply::LoggedIn(_)), "{reply:?}");
    }
    // The memory of one hash is kept for the next.
    let more = server.memory().now.saturating_sub(before);
    assert!(more <= (48 << 10), "{ACCOUNTS} accounts left {more} KiB behind");
}
