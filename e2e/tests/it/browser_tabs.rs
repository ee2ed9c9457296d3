//! Tabs in the real browser: two servers in two tabs, with transfers on both.

use std::fs;

use ferry_e2e::{
    MIB, PASSWORD,
    client::Client,
    compare, material,
    proxy::{Direction, Proxy, Then},
    screen::{Screen, Setup},
    server::Server,
};

const SIZE: u64 = 24 * MIB;
const CUT: u64 = 8 * MIB;

/// A browser with a tab for each of two servers, and an upload to each that is held half-way.
fn two_uploads() -> ([Server; 2], [Proxy; 2], Client, Screen) {
    let servers = [Server::with_anna(), Server::with_anna()];
    let proxies = [0, 1].map(|at: usize| Proxy::new(servers[at].address()));
    let client = servers[0].client("anna").at_address(proxies[0].address());
    for name in ["first.bin", "second.bin"] {
        material::random_file(&client.scratch("here").join(name), SIZE, 3);
    }
    for (at, server) in servers.iter().enumerate() {
        fs::write(server.home("anna").join(format!("of-server-{at}")), "x").unwrap();
        proxies[at].after(Direction::Up, CUT, Then::Hold);
    }
    let mut screen = Screen::logged_in(&client);
    screen.wait("of-server-0");
    screen.keys("f5");
    screen.wait("it fits");
    screen.keys("enter");
    proxies[0].wait_tripped(Direction::Up);
    screen.keys("t");
    screen.wait("[2 ");
    screen.keys("tab");
    screen.connect_at(&servers[1], proxies[1].address());
    screen.wait("of-server-1");
    screen.keys("tab j f5");
    screen.wait("it fits");
    screen.keys("enter");
    proxies[1].wait_tripped(Direction::Up);
    (servers, proxies, client, screen)
}

fn assert_arrived(servers: &[Server; 2], client: &Client) {
    let here = client.scratch("here");
    for (server, name) in servers.iter().zip(["first.bin", "second.bin"]) {
        compare::same_file(&here.join(name), &server.home("anna").join(name));
    }
}

#[test]
fn two_servers_in_two_tabs_keep_their_transfers_and_their_folders() {
    let (servers, proxies, client, mut screen) = two_uploads();
    screen.keys("[");
    screen.wait("of-server-0");
    assert!(!screen.text().contains("of-server-1"), "{}", screen.text());
    // The strip shows the transfers of both tabs.
    let text = screen.text();
    assert!(text.contains("first.bin") && text.contains("second.bin"), "{text}");
    proxies.iter().for_each(Proxy::release);
    screen.wait("2 done");
    assert_arrived(&servers, &client);
    screen.keys("]");
    screen.wait("of-server-1");
    screen.wait("second.bin");
    screen.keys("ctrl-w");
    screen.wait("of-server-0");
    screen.keys("q");
    assert_eq!(screen.wait_end(), 0);
}

#[test]
fn transfers_of_two_tabs_go_on_after_kill_9_once_both_servers_are_connected() {
    let (servers, proxies, client, screen) = two_uploads();
    screen.kill();
    proxies.iter().for_each(Proxy::release);
    let mut screen = Setup::new(&client).word(client.address_word()).start();
    screen.wait("password");
    screen.type_text(PASSWORD);
    screen.keys("enter");
    screen.wait("Go on from the last time?");
    screen.keys("enter");
    screen.wait("1 done");
    screen.keys("t tab f9");
    // The other server is not saved, but it was connected to lately.
    screen.wait(&format!("anna@{}  recent", proxies[1].address()));
    screen.keys("enter");
    screen.wait("password");
    screen.type_text(PASSWORD);
    screen.keys("enter");
    screen.wait("Go on from the last time?");
    screen.keys("enter");
    screen.wait("2 done");
    assert_arrived(&servers, &client);
    for proxy in &proxies {
        let sent = proxy.counted(Direction::Up);
        assert!(sent < SIZE + CUT, "{sent} bytes went up");
    }
}
