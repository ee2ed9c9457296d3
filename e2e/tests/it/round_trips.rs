//! How often commands wait for the server, counted in round trips.

use std::{
    ffi::{OsStr, OsString},
    fs,
};

use ferry_e2e::{
    client::{Client, Outcome},
    round_trips::Relay,
    server::Server,
};

/// Runs `ferry` with `words` over a counting relay.
fn counted(server: &Server, client: &Client, words: impl Fn(&Client) -> Vec<OsString>) -> (Outcome, u32) {
    let relay = Relay::to(server);
    // The relay is another address, whose key is then known.
    let client = client.at_address(relay.address());
    let words = words(&client);
    let words: Vec<&dyn AsRef<OsStr>> = words.iter().map(|word| word as _).collect();
    relay.carry(client.start(&words))
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
