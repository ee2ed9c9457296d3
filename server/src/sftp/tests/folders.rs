//! Folders, names and links.

use std::{fs, os::unix::fs::symlink};

use ferry_shared::{
    limits::BLOCK_LEN,
    sftp::{Attributes, Extended, Reply, Request, StatVfs, Status},
};

use super::peer::{CREATE, Peer, WRITE, bytes, figures, on_disk};
use crate::command::tests::harness::World;

const MIB: u64 = BLOCK_LEN as u64;

fn code<T>(answer: super::peer::Answer<T>) -> Option<Status> {
    answer.err().map(|(status, _)| status)
}

fn make(peer: &mut Peer, path: &str) -> super::peer::Answer {
    peer.ask(Request::MakeDir { path: bytes(path), attributes: Attributes::default() })
}

#[test]
fn folders_are_made_listed_renamed_and_removed() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    make(&mut peer, "/a").unwrap();
    assert_eq!(code(make(&mut peer, "a")), Some(Status::Failure));
    assert_eq!(code(make(&mut peer, "no/b")), Some(Status::NoSuchFile));
    peer.put("a/f", b"f").unwrap();
    peer.rename("a", "b").unwrap();
    assert_eq!(peer.list("b").unwrap(), ["f"]);
    let remove = |path: &str| Request::RemoveDir { path: bytes(path) };
    assert_eq!(code(peer.ask(remove("b"))), Some(Status::Failure), "it is not empty");
    assert_eq!(code(peer.ask(remove("b/f"))), Some(Status::Failure), "it is a file");
    assert_eq!(code(peer.remove("b")), Some(Status::Failure), "it is a folder");
    peer.remove("b/f").unwrap();
    peer.ask(remove("b")).unwrap();
    assert_eq!((peer.list("/").unwrap().len(), figures(&world)), (0, (0, 0)));
}

#[test]
fn a_large_folder_is_listed_whole_in_many_replies() {
    let world = World::new(40 * MIB);
    let home = world.home_made();
    (0..3000).for_each(|number| fs::write(home.join(format!("file {number}")), "x").unwrap());
    let mut peer = Peer::new(&world);
    assert_eq!(peer.list("").unwrap().len(), 3000);
    let Reply::Handle(handle) = peer.ask(Request::OpenDir { path: bytes(".") }).unwrap() else { panic!() };
    let Reply::Name(first) = peer.ask(Request::ReadDir { handle }).unwrap() else { panic!() };
    assert_eq!(first[0].name, ".");
    let lines: Vec<_> = first.iter().map(|entry| String::from_utf8_lossy(&entry.long_name).into_owned()).collect();
    assert!(lines[2..].iter().all(|line| line.starts_with("-rw") || line.starts_with("drwx")), "{lines:?}");
}

#[test]
fn a_file_that_is_being_written_is_seen_by_its_own_channel_only() {
    let world = World::new(40 * MIB);
    let (mut peer, mut other) = (Peer::new(&world), Peer::new(&world));
    let handle = peer.open("new", WRITE | CREATE).unwrap();
    assert_eq!((peer.list("").unwrap(), other.list("").unwrap().len()), (vec!["new".to_owned()], 0));
    assert_eq!(code(other.stat("new")), Some(Status::NoSuchFile));
    peer.remove("new").unwrap();
    assert!(peer.write(&handle, 0, b"x").is_err());
    assert_eq!(peer.list("").unwrap().len(), 0);
}

#[test]
fn links_lead_nowhere_outside_and_new_ones_are_not_made() {
    let world = World::new(40 * MIB);
    let home = world.home_made();
    fs::create_dir(home.join("d")).unwrap();
    fs::write(home.join("d/f"), "text").unwrap();
    for (link, target) in [("in", "d/f"), ("up", "../../secret"), ("out", "/etc/passwd"), ("broken", "no")] {
        symlink(target, home.join(link)).unwrap();
    }
    let mut peer = Peer::new(&world);
    let read = |peer: &mut Peer, path: &str| peer.ask(Request::ReadLink { path: bytes(path) });
    assert_eq!(read(&mut peer, "in").unwrap(), Reply::path(bytes("d/f")));
    assert_eq!(read(&mut peer, "broken").unwrap(), Reply::path(bytes("no")));
    for path in ["up", "out", "d", "d/f"] {
        assert_eq!(code(read(&mut peer, path)), Some(Status::Failure), "{path}");
    }
    assert_eq!(peer.stat("in").unwrap().size, Some(4));
    assert_eq!(peer.get("in").unwrap(), b"text");
    let Reply::Attributes(link) = peer.ask(Request::LStat { path: bytes("in") }).unwrap() else { panic!() };
    assert_eq!(link.permissions.unwrap() & 0o170_000, 0o120_000);
    assert!(peer.stat("out").is_err() && peer.get("out").is_err() && peer.get("up").is_err());
    let make = Request::Symlink { target: bytes("d"), link: bytes("x") };
    assert_eq!(code(peer.ask(make)), Some(Status::OpUnsupported));
    let make = Extended::HardLink { from: bytes("d/f"), to: bytes("x") };
    assert_eq!(code(peer.ask(Request::Extended(make))), Some(Status::OpUnsupported));
}

#[test]
fn canonical_paths_are_made_without_the_disk() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    for (path, real) in [("", "/"), (".", "/"), ("../..", "/"), ("no/./such/../file", "/no/file")] {
        assert_eq!(peer.ask(Request::RealPath { path: bytes(path) }).unwrap(), Reply::path(bytes(real)));
    }
}

#[test]
fn paths_that_climb_out_of_the_home_end_in_it() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    for path in ["../../x", "/../x", "a/../../x", "..//./x"] {
        peer.put(path, path.as_bytes()).unwrap();
        assert_eq!(on_disk(&world, "x").as_deref(), Some(path.as_bytes()));
        assert_eq!(peer.get(path).unwrap(), path.as_bytes());
        peer.rename(path, "y").unwrap();
        peer.remove("../y").unwrap();
    }
    assert_eq!(code(peer.put("../../etc/x", b"")), Some(Status::NoSuchFile));
    assert_eq!((peer.list("..").unwrap().len(), figures(&world)), (0, (0, 0)));
}

#[test]
fn the_figures_of_the_volume_are_those_of_the_quota() {
    let world = World::new(40 * MIB);
    let mut peer = Peer::new(&world);
    peer.put("f", &vec![1; 10 * BLOCK_LEN]).unwrap();
    let Reply::Extended(body) = peer.ask(Request::Extended(Extended::StatVfs { path: bytes("/") })).unwrap() else {
        panic!()
    };
    let told = StatVfs::decode(body).unwrap();
    let bytes = |blocks: u64| blocks * told.fragment_size;
    assert_eq!((bytes(told.blocks), bytes(told.blocks_available)), (40 * MIB, 30 * MIB));
}
