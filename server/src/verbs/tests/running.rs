//! Rules that hold for every command: names, limits, its end.

use super::*;
use crate::{
    files::Step,
    verbs::{Command, Said, Terms},
};

#[test]
fn an_unknown_command_has_the_status_that_a_shell_gives() {
    let place = Place::new();
    for words in [&["rm", "x"][..], &["rclone", "md5sum"], &["sh", "-c", "id"], &["/bin/md5sum"]] {
        let ran = place.run(words);
        assert_eq!((ran.status, &ran.out[..]), (127, &b""[..]), "{words:?}");
        assert!(ran.message().contains("`help` lists them"), "{}", ran.message());
    }
    assert_eq!(place.run(&[] as &[&str]).status, 2);
    assert_eq!(place.run(&[""]).status, 2);
}

#[test]
fn help_lists_the_commands_and_each_explains_itself() {
    let place = Place::new();
    let help = place.line("help").text();
    for verb in "cp df du find hash head tail wc mv tar-list md5sum sha1sum sha256sum b3sum".split(' ') {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} in {help}");
        let own = place.run(&[verb, "--help"]).text();
        assert!(own.contains("Usage:") && !own.contains('\x1b'), "{own}");
    }
}

#[test]
fn wrong_arguments_have_the_status_of_the_program_and_say_what_is_right() {
    let place = Place::new();
    for (line, status) in [
        ("head", 1),
        ("head -z x", 1),
        ("tail -n x y", 1),
        ("wc", 1),
        ("cp", 1),
        ("cp x", 1),
        ("mv x", 1),
        ("du -d x", 1),
        ("df -Z", 1),
        ("find . -exec rm", 1),
        ("find . -name", 1),
        ("find . -name [", 1),
        ("md5sum --wrong", 1),
        ("md5sum -", 1),
        ("b3sum --wrong", 2),
        ("hash", 2),
        ("tar-list", 2),
    ] {
        let ran = place.line(line);
        assert_eq!((ran.status, &ran.out[..]), (status, &b""[..]), "{line}: {}", ran.message());
        assert!(!ran.err.is_empty(), "{line}");
    }
    assert!(place.line("find . -exec rm").message().contains("Usage: find"));
    assert!(place.line("head -z x").message().contains("Usage: head"));
}

#[test]
fn messages_contain_no_control_characters() {
    let place = Place::new();
    for words in [&["head", "\x1b[2Jx"][..], &["\x1b[2J"], &["find", ".", "-\x1b"]] {
        let message = place.run(words).message();
        assert!(!message.contains('\x1b') && message.contains("u{1b}"), "{message}");
    }
}

#[test]
fn a_path_that_leads_out_of_the_home_is_refused_and_the_others_are_done() {
    let place = Place::new();
    place.put("a", "1\n");
    std::os::unix::fs::symlink("/etc", place.home().join("out")).unwrap();
    for outside in ["..", "../x", "/../etc/passwd", "a/../../x", "out/passwd"] {
        let ran = place.run(&["head", outside, "a"]);
        assert_eq!((ran.status, &ran.out[..]), (1, &b"==> a <==\n1\n"[..]), "{outside}");
    }
}

#[test]
fn output_over_the_limit_ends_the_command_and_says_so() {
    let place = Place::new();
    place.put("big", vec![b'x'; 300_000]);
    let words = [b"head".to_vec(), b"-c300K".to_vec(), b"big".to_vec()];
    let mut command = Command::new(&place.files, &words, Terms { output: 100_000, empty_input: false });
    let (mut out, mut err) = (0, Vec::new());
    let status = loop {
        match command.advance() {
            Step::Busy => {}
            Step::Item(Said::Out(bytes)) => out += bytes.len(),
            Step::Item(Said::Err(bytes)) => err.extend(bytes),
            Step::Last(Said::Exited(status)) => break status,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((status, out), (125, 100_000));
    let message = String::from_utf8(err).unwrap();
    assert!(message.contains("longer than 100KB; ask for less of it"), "{message}");
}

#[test]
fn output_that_fits_the_limit_exactly_is_whole() {
    let place = Place::new();
    place.put("big", vec![b'x'; 100_000]);
    let words = [b"head".to_vec(), b"big".to_vec()];
    let mut command = Command::new(&place.files, &words, Terms { output: 100_000, empty_input: false });
    let last = loop {
        if let Step::Last(said) = command.advance() {
            break said;
        }
    };
    assert_eq!(last, Said::Exited(0));
}

#[test]
fn a_command_keeps_little_of_its_output_while_nobody_takes_it() {
    let place = Place::new();
    place.put("big", vec![b'x'; 8 << 20]);
    let words = [b"head".to_vec(), b"-c8M".to_vec(), b"big".to_vec()];
    let mut command = Command::new(&place.files, &words, Terms { output: 1 << 30, empty_input: false });
    let mut most = 0;
    loop {
        match command.advance() {
            Step::Last(_) => break,
            _ => most = most.max(command.console.waiting()),
        }
    }
    assert!(most > 0 && most <= 96 << 10, "{most} bytes");
}

#[test]
fn a_closed_output_ends_the_command() {
    #[derive(Default)]
    struct Full(usize);
    impl Output for Full {
        fn out(&mut self, _: &[u8]) -> Result<(), Closed> {
            self.0 += 1;
            Err(Closed)
        }
        fn err(&mut self, _: &[u8]) -> Result<(), Closed> {
            Err(Closed)
        }
    }
    let place = Place::new();
    place.put("big", vec![b'\n'; 1 << 20]);
    let mut full = Full::default();
    let status = run(&place.files, &[b"head".to_vec(), b"-c1M".to_vec(), b"big".to_vec()], &mut full);
    assert_eq!((status, full.0), (125, 1));
}

#[test]
fn a_silent_command_ends_when_its_files_are_stopped() {
    let place = Place::new();
    fs::File::create(place.home().join("huge")).unwrap().set_len(400 << 30).unwrap();
    place.stop.cancel();
    assert_eq!(place.line("wc huge").status, 125);
}

#[test]
fn only_a_door_with_an_input_gives_digests_of_nothing() {
    let place = Place::new();
    assert_eq!(place.line("md5sum").text(), "d41d8cd98f00b204e9800998ecf8427e  -\n");
    assert_eq!(place.line("sha1sum").text(), "da39a3ee5e6b4b0d3255bfef95601890afd80709  -\n");
    let mut command = Command::new(&place.files, &[b"md5sum".to_vec()], Terms { output: 1000, empty_input: false });
    let mut said = Vec::new();
    loop {
        match command.advance() {
            Step::Busy => {}
            Step::Item(item) => said.push(item),
            Step::Last(item) => {
                assert_eq!(item, Said::Exited(1));
                break;
            }
        }
    }
    assert!(matches!(&said[..], [Said::Err(_)]), "{said:?}");
}
