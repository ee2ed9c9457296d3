//! Verbs that only look: their output is that of the programs whose names they have.

use super::*;

fn with_names() -> Place {
    let place = Place::new();
    for (name_of, content) in [
        (&b"plain"[..], &b"one two\nthree\n"[..]),
        (b"with blank", b"no newline at the end"),
        (b"back\\slash", b"\n\n"),
        (b"new\nline", b"x"),
        ("\u{fc}ml\u{e4}ut".as_bytes(), b"\xff\xfe bytes\n"),
        (b"\xff\xfe", b""),
    ] {
        place.put(name(name_of), content);
    }
    place.put("big", lines(200_000));
    place
}

const NAMES: [&[u8]; 6] =
    [b"plain", b"with blank", b"back\\slash", b"new\nline", "\u{fc}ml\u{e4}ut".as_bytes(), b"\xff\xfe"];

#[test]
fn sums_are_printed_as_their_programs_print_them() {
    let place = with_names();
    for program in ["md5sum", "sha1sum", "sha256sum"] {
        let words: Vec<&[u8]> = [program.as_bytes()].into_iter().chain(NAMES).chain([&b"big"[..]]).collect();
        place.assert_as_program(&words);
        place.assert_as_program(&[program, "-b", "plain"]);
        place.assert_as_program(&[program, "--", "plain", "missing", "big"]);
    }
    if has_program("b3sum") {
        place.assert_line_as_program("b3sum plain big");
    }
    assert_eq!(place.line("hash big").out, place.line("b3sum big").out);
    for program in ["md5", "sha1", "sha256"] {
        assert_eq!(place.line(&format!("hash --{program} big")).out, place.line(&format!("{program}sum big")).out);
    }
}

#[test]
fn a_sum_of_an_absolute_path_is_what_rclone_reads() {
    let place = Place::new();
    place.put("a/b c", "x");
    let words = super::super::split(br"md5sum /a/b\ c").unwrap();
    assert_eq!(place.run(&words).text(), "9dd4e461268c8034f5c8564e155c67a6  /a/b c\n");
    assert_eq!(place.line("md5sum /a").status, 1);
}

#[test]
fn head_and_tail_show_what_the_programs_show() {
    let place = with_names();
    place.put("empty", "");
    for program in ["head", "tail"] {
        for how in [
            "",
            "-n 0",
            "-n 1",
            "-n3",
            "-n 25",
            "-5",
            "-n 123456",
            "-n 999999999",
            "-c 0",
            "-c 1",
            "-c 5",
            "-c 10K",
            "-c 3M",
            "-c 1048576",
            "-c 1048577",
            "-c 999999999",
            "-q",
            "-v",
        ] {
            place.assert_line_as_program(&format!("{program} {how} big"));
            // GNU's tail takes the old form for one file only, and opens none if there is nothing to show.
            let is_odd = program == "tail" && matches!(how, "-5" | "-n 0" | "-c 0");
            if !is_odd {
                place.assert_line_as_program(&format!("{program} {how} plain empty missing big"));
            }
        }
        place.assert_as_program(&[program, "with blank", "back\\slash"]);
        place.assert_as_program(&[program.as_bytes(), b"-n1", b"\xff\xfe", b"new\nline"]);
    }
    for how in ["-n -1", "-n -5", "-n -199999", "-n -999999", "-c -1", "-c -2M", "-c -99M"] {
        place.assert_line_as_program(&format!("head {how} big"));
    }
    for how in
        ["-n +0", "-n +1", "-n +2", "-n +150000", "-n +200001", "-n +999999", "-c +1", "-c +2", "-c +1048577", "-n -3"]
    {
        place.assert_line_as_program(&format!("tail {how} big"));
    }
}

#[test]
fn wc_counts_and_aligns_as_the_program() {
    let place = with_names();
    place.put("empty", "");
    for how in ["", "-l", "-w", "-c", "-lw", "-lc", "-c -l"] {
        place.assert_line_as_program(&format!("wc {how} big"));
        place.assert_line_as_program(&format!("wc {how} empty"));
        place.assert_line_as_program(&format!("wc {how} plain empty big missing"));
        place.assert_line_as_program(&format!("wc {how} missing plain"));
    }
    place.put("edge", [&vec![b'a'; (1 << 20) - 1][..], b"b c\td\x0be\x0cf\rg"].concat());
    place.assert_line_as_program("wc edge");
    place.assert_as_program(&["wc", "with blank", "back\\slash"]);
}

#[test]
fn du_adds_up_what_the_program_adds_up() {
    let place = Place::new();
    for (name, size) in [("a", 1), ("d/b", 1025), ("d/e/c", 5000), ("d/e/f/g", 3 << 20), ("d/z", 10), ("h/i", 0)] {
        place.put(name, vec![b'x'; size]);
    }
    // Folders count nothing here and something for the program, so only files are compared.
    for how in ["-b d/b", "-k d/b d/e/f/g", "-h d/e/f/g d/b d/e/c", "-ac a d/z", "-s a d/b"] {
        place.assert_line_as_program(&format!("du --apparent-size {how}"));
    }
    let sorted = |line: &str| {
        let mut lines: Vec<_> = place.line(line).text().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let g = 3 << 20;
    let mut all = vec![
        format!("{g}\t./d/e/f"),
        format!("{}\t./d/e", g + 5000),
        format!("{}\t./d", g + 6035),
        "0\t./h".to_owned(),
        format!("{}\t.", g + 6036),
    ];
    all.sort();
    assert_eq!(sorted("du -b"), all);
    let mut all =
        vec![format!("{g}\td/e/f/g"), format!("{g}\td/e/f"), "5000\td/e/c".to_owned(), format!("{}\td/e", g + 5000)];
    all.sort();
    assert_eq!(sorted("du -ab d/e"), all);
    assert_eq!(place.line("du -s /d d/ d").text(), "3078\t/d\n3078\td/\n3078\td\n");
    assert_eq!(place.line("du -h -d1 d").text(), "3.1M\td/e\n3.1M\td\n");
    assert_eq!(place.line("du -cs d h").text(), "3078\td\n0\th\n3078\ttotal\n");
    assert_eq!(place.line("du missing d/z").status, 1);
}

#[test]
fn find_finds_what_the_program_finds() {
    let place = with_names();
    for name in ["d/a.txt", "d/B.TXT", "d/e/c.txt", "d/e/f/.hidden", "d/{x}", "d/[y]"] {
        place.put(name, "x");
    }
    fs::create_dir(place.home().join("empty")).unwrap();
    std::os::unix::fs::symlink("d", place.home().join("link")).unwrap();
    let sorted = |ran: &Ran, end: u8| {
        let mut lines: Vec<_> = ran.out.split(|byte| *byte == end).map(<[u8]>::to_vec).collect();
        lines.sort();
        lines
    };
    for how in [
        "",
        ".",
        "d",
        "d/",
        "d/a.txt",
        "d d/e",
        "link",
        ". -name *.txt",
        ". -iname *.txt",
        ". -name a.txt",
        ". -name ?.txt -type f",
        ". -name [a-c].txt",
        ". -name [!a].txt",
        r". -name \[y\]",
        ". -name {x}",
        ". -name d",
        ". -type d",
        ". -type f",
        ". -type l",
        ". -type f,l",
        ". -maxdepth 0",
        ". -maxdepth 1",
        ". -maxdepth 2 -type f",
        ". -mindepth 1 -maxdepth 1",
        ". -mindepth 3",
        "missing d -type d",
    ] {
        let words: Vec<_> = ["find"].into_iter().chain(how.split_whitespace()).collect();
        let (ours, theirs) = (place.run(&words), place.program(&words));
        assert_eq!((sorted(&ours, b'\n'), ours.status), (sorted(&theirs, b'\n'), theirs.status), "{how}");
    }
    let words = ["find", ".", "-print0"];
    assert_eq!(sorted(&place.run(&words), 0), sorted(&place.program(&words), 0));
    assert_eq!(place.line("find / -name a.txt").text(), "/d/a.txt\n");
}

#[test]
fn df_tells_the_quota_in_the_columns_that_rclone_reads() {
    let place = Place::new();
    place.put("used", vec![0; 1 << 20]);
    place.line("cp used copy").text();
    for line in ["df -k /", "df", "df -P .", "df -k /used /copy"] {
        let text = place.line(line).text();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!((lines[1].len(), lines[1][0], lines[1][1], lines[1][5]), (6, "ferry", "65536", "/"), "{text}");
        let (used, free): (u64, u64) = (lines[1][2].parse().unwrap(), lines[1][3].parse().unwrap());
        assert!(used >= 1024 && used + free == 65536, "{text}");
    }
    assert!(place.line("df -h").text().contains(" 64M "));
    assert_eq!(place.line("df -i").text().lines().nth(1).unwrap().split_whitespace().next(), Some("ferry"));
    let missing = place.line("df missing");
    assert_eq!((missing.status, missing.out.is_empty()), (1, true));
}
