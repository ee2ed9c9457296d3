//! Records a session for the documents: `cargo run -p ferry-e2e --example recording`. Connects to a saved site, copies
//! two files, loses the connection half-way, and goes on until they are verified.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a script: what fails is its message")]

use std::{fs, time::Duration};

use ferry_e2e::{
    MIB, PASSWORD, binaries, material,
    proxy::{Direction, Proxy, Then},
    recording::Recording,
    screen::Setup,
    server,
};

fn main() {
    let server = server::Setup::new().user("anna", &["--quota", "10GiB"]).start();
    let proxy = Proxy::new(server.address());
    let client = server.client("anna").at_address(proxy.address());
    let (here, there) = (client.scratch("user/photos"), server.home("anna"));
    fs::create_dir_all(here.join("letters")).unwrap();
    fs::create_dir_all(there.join("albums")).unwrap();
    let files = [("harbour.raw", 42), ("lake.raw", 28), ("map.pdf", 3), ("notes.md", 0)];
    for (at, (name, size)) in (0u64..).zip(files) {
        material::random_file(&here.join(name), size * MIB + 700, at);
        material::set_mtime(&here.join(name), 1_793_000_000 + at * 86_400, 0);
    }
    client.run(&[&"site", &"add", &"nas", &format!("anna@{}", proxy.address())]).ok();

    let mut recording = Recording::default();
    let setup = Setup::new(&client).folder(&here).size(100, 24).environment("COLORTERM", "truecolor");
    let mut screen = setup.word("--bwlimit=14MiB").start();
    let second = |count: f64| Duration::from_secs_f64(count);
    screen.wait("Connect to");
    recording.hold(&screen, second(1.2));
    screen.keys("enter");
    screen.wait("Is this the right server?");
    recording.hold(&screen, second(1.6));
    screen.keys("y");
    screen.wait("password");
    recording.hold(&screen, second(0.6));
    recording.types(&mut screen, PASSWORD);
    screen.keys("enter");
    screen.wait("albums/");
    recording.hold(&screen, second(1.2));
    for (key, shown) in [("j", "2/5"), ("space", "1 of 5"), ("space", "2 of 5")] {
        screen.keys(key);
        screen.wait(shown);
        recording.hold(&screen, second(0.5));
    }
    screen.keys("f5");
    screen.wait("it fits");
    recording.hold(&screen, second(1.6));
    proxy.after(Direction::Up, 38 * MIB, Then::Hold);
    screen.keys("enter");
    while !proxy.tripped(Direction::Up) {
        std::thread::sleep(second(0.12));
        recording.hold(&screen, second(0.12));
    }
    proxy.unplug();
    recording.watch(&screen, "lost");
    recording.hold(&screen, second(2.2));
    proxy.release();
    recording.watch(&screen, "✓ verified");
    recording.hold(&screen, second(3.0));

    let svg = recording.svg("ferry connects, copies, loses the connection, resumes and verifies");
    assert!(svg.len() < 1 << 20, "{} bytes", svg.len());
    let file = binaries::repository().join("assets/pictures/session.svg");
    fs::write(&file, svg).unwrap();
    println!("{}", file.display());
}
