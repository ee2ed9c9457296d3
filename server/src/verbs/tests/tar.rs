//! `tar-list`, with archives of GNU's tar and with hostile ones.

use super::*;

fn tar(place: &Place, words: &[&str]) {
    let made = Command::new("tar").args(words).current_dir(place.home()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn scene() -> Place {
    let place = Place::new();
    place.put("src/a", "x");
    place.put("src/big", vec![7; 3_000_000]);
    place.put(format!("src/{0}/{0}/{0}", "long".repeat(40)), "x");
    place.put("src/with blank\tand\\n", "x");
    place.put("src/new\nline", "");
    place.put(name(b"src/\xff\x01"), "x");
    std::os::unix::fs::symlink("a", place.home().join("src/link")).unwrap();
    fs::hard_link(place.home().join("src/big"), place.home().join("src/hard")).unwrap();
    let sparse = fs::File::create(place.home().join("src/sparse")).unwrap();
    sparse.set_len(20 << 20).unwrap();
    for at in 0..40 {
        std::os::unix::fs::FileExt::write_at(&sparse, b"data", at * 500_000).unwrap();
    }
    place
}

#[test]
fn entries_are_listed_as_tar_lists_them_in_every_format() {
    let place = scene();
    for format in ["gnu", "oldgnu", "pax", "ustar", "v7"] {
        // The old formats cannot have long names.
        let without: &[&str] = if matches!(format, "ustar" | "v7") { &["--exclude=long*"] } else { &[] };
        for how in [&[][..], &["-S"]] {
            let format = format!("--format={format}");
            if !how.is_empty() && !matches!(&*format, "--format=gnu" | "--format=oldgnu" | "--format=pax") {
                continue;
            }
            tar(&place, &[&["-c", "-f", "x.tar", &format], how, without, &["src"]].concat());
            let theirs = place.program(&["tar", "-t", "-f", "x.tar"]);
            let ours = place.run(&["tar-list", "x.tar"]);
            assert_eq!(ours.message(), "");
            assert_eq!(String::from_utf8_lossy(&ours.out), String::from_utf8_lossy(&theirs.out), "{format} {how:?}");
            assert_eq!(ours.status, 0);
        }
    }
}

#[test]
fn what_is_no_tar_archive_is_refused_with_the_reason() {
    let place = Place::new();
    place.put("a", "x");
    tar(&place, &["-czf", "x.tar.gz", "a"]);
    place.put("text", lines(100));
    place.put("short", "x");
    for (name, reason) in [
        ("x.tar.gz", "compressed"),
        ("text", "not a tar archive"),
        ("short", "not a tar archive"),
        ("missing", "not there"),
    ] {
        let ran = place.run(&["tar-list", name]);
        assert_eq!((ran.status, ran.out.len()), (1, 0), "{name}");
        assert!(ran.message().contains(reason), "{}", ran.message());
    }
    place.put("empty", "");
    assert_eq!(place.line("tar-list empty").text(), "");
}

/// A header with these fields.
fn header(name: &[u8], flag: u8, size: &[u8]) -> Vec<u8> {
    let mut record = vec![0; 512];
    record[..name.len()].copy_from_slice(name);
    record[124..124 + size.len()].copy_from_slice(size);
    record[156] = flag;
    record[257..265].copy_from_slice(b"ustar\x0000");
    record[148..156].fill(b' ');
    let sum: u32 = record.iter().map(|byte| u32::from(*byte)).sum();
    record[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    record
}

#[test]
fn hostile_archives_end_with_a_message() {
    let place = Place::new();
    let good = header(b"good", b'0', b"00000000000");
    let binary = |rest: [u8; 8]| [&[0x80, 0, 0, 0][..], &rest].concat();
    for (what, archive) in [
        ("a size over the end", header(b"x", b'0', b"77777777777")),
        ("the largest size", header(b"x", b'0', &binary([0xff; 8]))),
        ("a size that overflows", header(b"x", b'0', &binary([0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))),
        ("a negative size", [good.clone(), header(b"x", b'0', &[0xff; 12])].concat()),
        ("no number", [good.clone(), header(b"x", b'0', b"9")].concat()),
        ("a cut header", [good.clone(), vec![1; 100]].concat()),
        ("no header", [good.clone(), vec![1; 512]].concat()),
        ("a long extension", [header(b"x", b'x', b"00000400001"), vec![0; 1 << 20]].concat()),
        ("a cut extension", header(b"x", b'L', b"00000001000")),
        ("a sparse map without end", {
            let mut record = header(b"x", b'S', b"00000000000");
            record[482] = 1;
            record[148..156].fill(b' ');
            let sum: u32 = record.iter().map(|byte| u32::from(*byte)).sum();
            record[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            [record, vec![1; 5 << 20]].concat()
        }),
    ] {
        place.put("x.tar", archive);
        let ran = place.line("tar-list x.tar");
        assert_eq!(ran.status, 1, "{what}: {:?}", String::from_utf8_lossy(&ran.out));
        assert!(ran.message().starts_with("tar-list: x.tar: "), "{what}: {}", ran.message());
    }
    for records in
        [&b"999999999 path=x\n"[..], b"0 path=x\n", b"-1 path=x\n", b"17 path", b"7 path\n", b"\xff", b"9 size=x\n"]
    {
        let size = format!("{:011o}", records.len());
        let mut extension = records.to_vec();
        extension.resize(512, 0);
        place.put("x.tar", [header(b"x", b'x', size.as_bytes()), extension, good.clone()].concat());
        assert_eq!(place.line("tar-list x.tar").text(), "good\n", "{}", String::from_utf8_lossy(records));
    }
}

#[test]
fn a_name_from_an_archive_cannot_forge_lines() {
    let place = Place::new();
    place.put("x.tar", header(b"a\nb\x1b[2J\\\xff", b'0', b"00000000000"));
    assert_eq!(place.line("tar-list x.tar").text(), "a\\nb\\033[2J\\\\\\377\n");
}

#[test]
fn an_archive_on_disk_is_not_read_where_its_files_are() {
    let place = Place::new();
    // 8 GiB of nothing between two headers.
    let file = fs::File::create(place.home().join("x.tar")).unwrap();
    let size = 8_u64 << 30;
    std::io::Write::write_all(
        &mut &file,
        &header(b"first", b'0', &[&[0x80, 0, 0, 0][..], &size.to_be_bytes()].concat()),
    )
    .unwrap();
    std::os::unix::fs::FileExt::write_at(&file, &header(b"second", b'0', b"00000000000"), 512 + size).unwrap();
    assert_eq!(place.line("tar-list x.tar").text(), "first\nsecond\n");
}
