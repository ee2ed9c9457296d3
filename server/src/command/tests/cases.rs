//! The rules for files, which are the same in every protocol: each case runs against the files layer and through
//! every door.

mod direct;
mod door;
mod ferry;
mod sftp;

use std::{fs, io::Write as _};

use ferry_shared::limits::BLOCK_LEN;

use self::door::{Door, New, Why};
use super::harness::{World, data, root_of};

const MIB: u64 = BLOCK_LEN as u64;

/// Logs a user in through a protocol.
type Connect = fn(&World) -> Box<dyn Door>;

/// The protocols, by name.
const ALL: [(&str, Connect); 3] = [("files", direct::connect), ("ferry", ferry::connect), ("sftp", sftp::connect)];

/// Runs `case` in a fresh world for each protocol, with a quota in MiB.
fn each(quota: u64, case: impl Fn(&mut World, &dyn Fn(&World) -> Box<dyn Door>)) {
    for (name, connect) in ALL {
        // This line tells which protocol a failed assertion belongs to.
        eprintln!("through {name}:");
        case(&mut World::new(quota * MIB), &connect);
    }
}

fn read(door: &mut dyn Door, path: &str) -> ferry_shared::digest::Digest {
    door.open(path).unwrap();
    door.read().unwrap()
}

/// The number of the user's unfinished uploads.
fn staged(world: &World) -> usize {
    let folder = world.home().with_file_name("staging");
    fs::read_dir(folder).unwrap().filter(|file| file.as_ref().unwrap().path().extension().unwrap() == "part").count()
}

#[test]
fn an_upload_over_the_quota_is_refused_before_any_data() {
    each(4, |world, connect| {
        let mut door = connect(world);
        door.store("old", &data(3 * BLOCK_LEN, 1)).unwrap();
        let begun = door.begin(New::of("new", 2 * BLOCK_LEN));
        match door.declares() {
            true => assert_eq!(begun, Err(Why::OverQuota)),
            false => assert_eq!(door.rest(&data(2 * BLOCK_LEN, 1), 0), Err(Why::OverQuota)),
        }
        // Only the growth counts.
        door.store("old", &data(4 * BLOCK_LEN, 2)).unwrap();
        assert_eq!((door.usage(), staged(world)), (Ok((4 * MIB, 0)), 0));
    });
}

#[test]
fn a_file_of_unknown_size_that_grows_over_the_quota_leaves_nothing_and_the_old_one() {
    each(5, |world, connect| {
        let mut door = connect(world);
        let (old, new) = (data(2 * BLOCK_LEN, 1), data(6 * BLOCK_LEN, 2));
        door.store("f", &old).unwrap();
        door.begin(New { size: None, ..New::of("f", 0) }).unwrap();
        let refused = (0..6).find_map(|index| door.block(&new, index).err());
        assert_eq!(refused, Some(Why::OverQuota));
        assert_eq!((door.usage(), staged(world)), (Ok((2 * MIB, 0)), 0));
        assert_eq!(read(&mut *door, "f"), root_of(&old));
    });
}

#[test]
fn an_account_that_becomes_read_only_in_the_middle_keeps_what_arrived_and_changes_nothing_more() {
    each(20, |world, connect| {
        let mut door = connect(world);
        let bytes = data(3 * BLOCK_LEN, 1);
        door.store("f", b"old").unwrap();
        door.make_dir("folder").unwrap();
        door.begin(New::of("g", bytes.len())).unwrap();
        door.block(&bytes, 0).unwrap();
        world.make_read_only();
        assert_eq!(door.block(&bytes, 1), Err(Why::ReadOnly));
        drop(door);
        let mut door = connect(world);
        let refused = [
            door.begin(New::of("g", bytes.len())).map(drop),
            door.make_dir("h"),
            door.rename("f", "h", true),
            door.copy("f", "h"),
            door.remove("folder"),
            door.touch("f"),
            door.touch("h"),
            door.set_mode("f", 0o600),
            door.discard("g"),
        ];
        assert_eq!(refused, [Err(Why::ReadOnly); 9]);
        assert_eq!(door.list("").unwrap(), ["f", "folder"]);
        assert_eq!((read(&mut *door, "f"), staged(world)), (root_of(b"old"), 1));
    });
}

#[test]
fn an_account_that_is_closed_in_the_middle_stores_nothing_more() {
    each(20, |world, connect| {
        let mut door = connect(world);
        let bytes = data(2 * BLOCK_LEN, 1);
        door.store("f", b"old").unwrap();
        door.begin(New::of("f", bytes.len())).unwrap();
        door.block(&bytes, 0).unwrap();
        world.remove_user();
        assert_eq!(door.block(&bytes, 1), Err(Why::Closed));
        drop(door);
        assert_eq!((fs::read(world.home().join("f")).unwrap(), staged(world)), (b"old".to_vec(), 1));
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_finds_what_arrived_and_sends_only_the_rest() {
    each(20, |world, connect| {
        let bytes = data(4 * BLOCK_LEN - 7, 1);
        let mut door = connect(world);
        door.begin(New::of("f", bytes.len())).unwrap();
        (0..2).for_each(|index| door.block(&bytes, index).unwrap());
        drop(door);
        let mut door = connect(world);
        let (room, held) = if door.declares() { (bytes.len() as u64, 2) } else { (2 * MIB, 1) };
        assert_eq!(door.usage(), Ok((0, room)), "its room is held");
        assert_eq!(door.list("").unwrap(), [""; 0], "nothing has its name before it is whole");
        assert_eq!(door.begin(New { resume: true, ..New::of("f", bytes.len()) }), Ok(held));
        door.rest(&bytes, usize::try_from(held).unwrap()).unwrap();
        assert_eq!(read(&mut *door, "f"), root_of(&bytes));
        assert_eq!((door.usage(), staged(world)), (Ok((bytes.len() as u64, 0)), 0));
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_file_of_unknown_size_leaves_nothing() {
    each(20, |world, connect| {
        let mut door = connect(world);
        if !door.declares() {
            // Files without a declared size are the rule there, and are kept.
            return;
        }
        door.begin(New { size: None, ..New::of("f", 0) }).unwrap();
        door.block(&data(BLOCK_LEN, 1), 0).unwrap();
        drop(door);
        assert_eq!((connect(world).usage(), staged(world)), (Ok((0, 0)), 0));
    });
}

#[test]
fn a_server_that_is_killed_in_the_middle_goes_on_with_what_it_wrote() {
    for (name, connect) in ALL {
        eprintln!("through {name}:");
        let world = World::new(20 * MIB);
        let (old, new) = (data(2 * BLOCK_LEN, 1), data(3 * BLOCK_LEN, 2));
        let mut door = connect(&world);
        door.store("f", &old).unwrap();
        door.begin(New::of("f", new.len())).unwrap();
        door.block(&new, 0).unwrap();
        let world = world.kill_with([door]);
        let mut door = connect(&world);
        assert_eq!(read(&mut *door, "f"), root_of(&old));
        // Where there are no digests, only what was flushed counts, and nothing where a file has the name.
        let held = if door.declares() { 1 } else { 0 };
        assert_eq!(door.begin(New { resume: true, ..New::of("f", new.len()) }), Ok(held));
        door.rest(&new, usize::try_from(held).unwrap()).unwrap();
        assert_eq!(read(&mut *door, "f"), root_of(&new));
        assert_eq!(door.usage(), Ok((3 * MIB, 0)));
    }
}

#[test]
fn a_part_damaged_in_staging_is_never_stored() {
    each(20, |world, connect| {
        let bytes = data(3 * BLOCK_LEN, 1);
        let mut door = connect(world);
        if !door.declares() {
            // Nobody could tell without a digest.
            return;
        }
        door.begin(New::of("f", bytes.len())).unwrap();
        door.block(&bytes, 0).unwrap();
        drop(door);
        let staging = fs::read_dir(world.home().with_file_name("staging")).unwrap().map(|file| file.unwrap().path());
        let part = staging.filter(|file| file.extension().unwrap() == "part").last().unwrap();
        fs::OpenOptions::new().write(true).open(part).unwrap().write_all(b"damaged").unwrap();
        let mut door = connect(world);
        assert_eq!(door.begin(New { resume: true, ..New::of("f", bytes.len()) }), Ok(1));
        assert_eq!(door.rest(&bytes, 1), Err(Why::Mismatch));
        assert_eq!(door.list("").unwrap(), [""; 0]);
        // The server sends the digests of its blocks, so only the damaged block is sent again.
        assert_eq!(door.begin(New { resume: true, ..New::of("f", bytes.len()) }), Ok(3));
        door.block(&bytes, 0).unwrap();
        door.commit(&bytes).unwrap();
        assert_eq!(read(&mut *door, "f"), root_of(&bytes));
    });
}

#[test]
fn a_write_that_is_aborted_leaves_nothing_and_the_old_file() {
    each(20, |world, connect| {
        let (old, new) = (data(BLOCK_LEN, 1), data(3 * BLOCK_LEN, 2));
        let mut door = connect(world);
        if !door.declares() {
            // An upload that replaces a file cannot be aborted there.
            return;
        }
        door.store("f", &old).unwrap();
        door.begin(New::of("f", new.len())).unwrap();
        door.block(&new, 0).unwrap();
        assert_eq!(connect(world).usage(), Ok((MIB, 2 * MIB)));
        door.abort("f").unwrap();
        assert_eq!((door.usage(), staged(world)), (Ok((MIB, 0)), 0));
        assert_eq!(door.begin(New { resume: true, ..New::of("f", new.len()) }), Ok(0), "nothing to go on with");
        door.rest(&new, 0).unwrap();
        assert_eq!(read(&mut *door, "f"), root_of(&new));
    });
}

#[test]
fn a_newer_upload_of_a_path_takes_over() {
    each(20, |world, connect| {
        let bytes = data(3 * BLOCK_LEN, 1);
        let (mut first, mut second) = (connect(world), connect(world));
        first.begin(New::of("f", bytes.len())).unwrap();
        first.block(&bytes, 0).unwrap();
        // Where there are no digests, nobody sees what another connection writes.
        let held = if second.declares() { 1 } else { 0 };
        assert_eq!(second.begin(New { resume: true, ..New::of("f", bytes.len()) }), Ok(held));
        let held = usize::try_from(held).unwrap();
        second.block(&bytes, held).unwrap();
        assert_eq!(first.block(&bytes, 1), Err(Why::Superseded));
        second.rest(&bytes, held + 1).unwrap();
        assert_eq!(read(&mut *first, "f"), root_of(&bytes));
    });
}

#[test]
fn a_name_that_is_taken_is_replaced_only_where_that_was_asked_for() {
    each(20, |world, connect| {
        let mut door = connect(world);
        door.store("a", b"a").unwrap();
        door.store("b", b"other").unwrap();
        assert_eq!(door.rename("a", "b", false), Err(Why::Exists));
        let kept = New { replace: false, ..New::of("b", 3) };
        assert_eq!(door.begin(kept).and_then(|_| door.rest(b"new", 0)), Err(Why::Exists));
        assert_eq!(door.copy("a", "b"), Err(Why::Exists));
        assert_eq!((read(&mut *door, "b"), door.usage()), (root_of(b"other"), Ok((6, 0))));
        door.rename("a", "b", true).unwrap();
        assert_eq!((read(&mut *door, "b"), door.usage()), (root_of(b"a"), Ok((1, 0))));
        assert_eq!(door.list("").unwrap(), ["b"]);
    });
}

#[test]
fn a_file_that_changes_while_it_is_read_is_reported_and_never_counts_as_whole() {
    each(20, |world, connect| {
        let (old, new) = (data(3 * BLOCK_LEN, 1), data(3 * BLOCK_LEN, 2));
        let (mut reader, mut writer) = (connect(world), connect(world));
        writer.store("f", &old).unwrap();
        reader.open("f").unwrap();
        writer.store("f", &new).unwrap();
        assert_eq!(reader.read(), Err(Why::Changed));
        assert_eq!(read(&mut *reader, "f"), root_of(&new));
        // Overwrite it in place, as only the operator can.
        reader.open("f").unwrap();
        let path = world.home().join("f");
        fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap();
        assert_eq!(reader.read(), Err(Why::Changed));
    });
}

#[test]
fn hostile_names_lead_nowhere() {
    each(20, |world, connect| {
        let mut door = connect(world);
        door.store("f", b"f").unwrap();
        std::os::unix::fs::symlink("/", world.home().join("out")).unwrap();
        let long = "n".repeat(300);
        for path in ["..", "../x", "/etc/passwd", "a/../../x", "a//b", "./a", "nul\0", "out/etc/passwd", &long] {
            let written = door.begin(New::of(path, 1)).and_then(|_| door.rest(b"x", 0));
            assert_eq!(written, Err(Why::BadPath), "{path:?}");
            assert!(matches!(door.open(path), Err(Why::BadPath | Why::NotFound)), "{path:?}");
            assert!(door.remove(path).is_err() && door.rename("f", path, true).is_err(), "{path:?}");
        }
        assert_eq!(door.list("").unwrap(), ["f", "out"]);
        assert_eq!(read(&mut *door, "f"), root_of(b"f"));
    });
}

#[test]
fn a_touch_makes_an_empty_file_or_sets_the_date_and_touches_no_byte() {
    each(20, |world, connect| {
        let mut door = connect(world);
        door.touch("new").unwrap();
        door.store("f", b"f").unwrap();
        let file = fs::File::open(world.home().join("f")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        door.touch("f").unwrap();
        assert!(file.metadata().unwrap().modified().unwrap() > std::time::UNIX_EPOCH);
        assert_eq!((read(&mut *door, "f"), read(&mut *door, "new")), (root_of(b"f"), root_of(b"")));
        assert_eq!((door.touch("no/f"), door.usage()), (Err(Why::NotFound), Ok((1, 0))));
        if !door.declares() {
            // An empty file is a file like others, and takes over.
            return;
        }
        // An upload in progress to the same name is not lost.
        let bytes = data(2 * BLOCK_LEN, 1);
        door.begin(New::of("g", bytes.len())).unwrap();
        door.block(&bytes, 0).unwrap();
        let mut other = connect(world);
        other.touch("g").unwrap();
        door.rest(&bytes, 1).unwrap();
        assert_eq!(read(&mut *door, "g"), root_of(&bytes));
    });
}
