//! Behind a load balancer: it names its clients, nobody else may, and each client has a share of its own.

use ferry_e2e::{
    PASSWORD,
    peer::{self, Peer},
    server::{Server, Setup},
};
use ferry_shared::{message::Reply, refusal::Code};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

fn behind_a_balancer() -> Server {
    Setup::new().user("anna", &[]).user("bob", &[]).config("[login]\nbalancers = [\"127.0.0.1\"]").start()
}

/// The header that a balancer sends for a client at 192.0.2.`number`, with ignored bytes after the addresses.
fn header(number: u8) -> Vec<u8> {
    let addresses = [192, 0, 2, number, 10, 0, 0, 1, 0x12, 0x34, 0x1b, 0x6d];
    let more = [4, 0, 1, 0];
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10"[..], &addresses[..], &more].concat()
}

async fn through(server: &Server, header: &[u8]) -> anyhow::Result<Peer> {
    let mut tcp = TcpStream::connect(server.address()).await?;
    tcp.write_all(header).await?;
    let mut peer = Peer::over(tcp).await?;
    assert!(matches!(peer.ask(&peer::hello()).await?, Reply::Welcome(_)));
    Ok(peer)
}

#[tokio::test]
async fn a_client_behind_a_balancer_is_seen_with_its_own_address() {
    let server = behind_a_balancer();
    let mut peer = through(&server, &header(7)).await.unwrap();
    assert!(matches!(peer.ask(&peer::login("anna", PASSWORD)).await.unwrap(), Reply::LoggedIn(_)));
    let (_, said) = server.ferryd(&["sessions"], "");
    assert!(said.contains("192.0.2.7:4660"), "{said}");
    // A connection of the balancer's own, as it makes to check whether the port is open.
    through(&server, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await.unwrap();
}

#[tokio::test]
async fn each_client_behind_a_balancer_waits_and_makes_room_by_itself() {
    let server = behind_a_balancer();
    let mut others = Vec::new();
    for number in 1..=40 {
        others.push(through(&server, &header(number)).await.unwrap());
    }
    for guess in 0.. {
        let mut guesser = through(&server, &header(8)).await.unwrap();
        match guesser.ask(&peer::login("bob", &guess.to_string())).await.unwrap() {
            Reply::Refused(refused) if refused.code == Code::TooManyAttempts => break,
            Reply::Refused(refused) => assert_eq!(refused.code, Code::LoginFailed),
            other => panic!("{other:?}"),
        }
    }
    let reply = others[30].ask(&peer::login("bob", PASSWORD)).await.unwrap();
    assert!(matches!(reply, Reply::LoggedIn(_)), "another client waits: {reply:?}");
}

#[tokio::test]
async fn a_header_is_required_of_a_balancer_and_an_error_from_anybody_else() {
    let server = behind_a_balancer();
    assert!(Peer::connect(server.address()).await.is_err(), "a balancer that does not say for whom");
    assert!(through(&server, b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n").await.is_err(), "version 1");
    assert!(through(&server, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff").await.is_err(), "too long");
    let other = Setup::new().user("anna", &[]).start();
    assert!(through(&other, &header(7)).await.is_err(), "somebody who is no balancer");
    for (server, count) in [(&server, 3), (&other, 1)] {
        let status: Value = serde_json::from_str(&server.ferryd(&["status", "--json"], "").1).unwrap();
        assert_eq!(status["turned_away"]["proxy"], count, "{status}");
    }
}
