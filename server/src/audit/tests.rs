//! Tests of the audit log: the chain across restarts, files and truncated lines, and how tampering is detected.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use super::{
    event::shown,
    file::{AuditFile, NAME},
    verify::Broken,
    *,
};
use crate::{door::Door, size::ByteCount};

fn config(max_size: u64, keep: u32) -> config::Audit {
    config::Audit { max_size: ByteCount(max_size), keep, keep_days: 0, folder: None }
}

fn keep(max_size: u64, files: u32) -> Keep {
    Keep { max_size, files, age: Duration::ZERO }
}

fn finish(audit: &Audit, thread: AuditThread) {
    audit.queue.as_ref().unwrap().blocking_send(Message::Stop).unwrap();
    thread.0.join().unwrap();
}

/// Writes `count` lines, as one run of a server.
fn run(folder: &Path, config: &config::Audit, count: u64) {
    let (audit, thread) = Audit::open(folder, config).unwrap();
    for number in 0..count {
        let who = Who { session: Some(number), ..Who::default() };
        audit.record(who, Event::MakeDir { path: format!("/folder {number}") });
    }
    finish(&audit, thread);
}

fn log(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

fn checked(folder: &Path) -> Result<verify::Verified, Broken> {
    verify::whole(folder, None)
}

fn broken_line(folder: &Path) -> u64 {
    match checked(folder) {
        Err(Broken::Line { line, .. }) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_emptied_log_fails_differently_from_a_noted_line_that_was_retired() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &config(3000, 3), 1);
    let first = checked(folder.path()).unwrap().last;
    for _ in 0..6 {
        run(folder.path(), &config(3000, 3), 20);
    }
    let files = verify::files(folder.path()).unwrap();
    let noted = |noted: &str| verify::whole(folder.path(), Some(noted));
    assert!(matches!(noted(&first), Err(Broken::NotKept)));
    let oldest = fs::read_to_string(&files[0]).unwrap();
    let before = oldest.split("\"before\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(noted(before).is_ok(), "the line just before those that are kept is vouched for by the first of them");
    for file in &files {
        fs::write(file, "").unwrap();
    }
    assert!(matches!(checked(folder.path()), Err(Broken::Empty)));
    assert!(matches!(noted(&first), Err(Broken::Empty)));
}

#[test]
fn the_chain_goes_on_over_restarts_and_files_and_only_some_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..6 {
        run(folder.path(), &config(3000, 3), 20);
    }
    let files = verify::files(folder.path()).unwrap();
    assert_eq!(files.len(), 4, "{files:?}");
    let verified = checked(folder.path()).unwrap();
    assert!(!verified.from_the_start && verified.retired.is_some() && verified.lines < 120, "{verified:?}");
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().permissions().mode() & 0o777 == 0o600));
    run(folder.path(), &config(1 << 20, 3), 1);
    assert_eq!(checked(folder.path()).unwrap().lines, verified.lines + 1);
}

#[test]
fn every_kind_of_tampering_is_found_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &config(1 << 20, 3), 10);
    let whole = fs::read_to_string(log(folder.path())).unwrap();
    let noted = checked(folder.path()).unwrap().last;
    let lines: Vec<&str> = whole.lines().collect();
    let with = |lines: &[&str]| fs::write(log(folder.path()), lines.join("\n") + "\n").unwrap();
    let changed = lines[3].replace("/folder 3", "/folder 8");
    with(&[&lines[..3], &[changed.as_str()], &lines[4..]].concat());
    assert_eq!(broken_line(folder.path()), 5, "the line after the changed one does not follow");
    with(&[&lines[..3], &lines[4..]].concat());
    assert_eq!(broken_line(folder.path()), 4, "one is missing");
    with(&[&lines[..5], &[lines[2]], &lines[5..]].concat());
    assert_eq!(broken_line(folder.path()), 6, "one is slipped in");
    with(&[&lines[..3], &["garbage"], &lines[3..]].concat());
    assert_eq!(broken_line(folder.path()), 5, "garbage is slipped in");
    // No line follows the last ones: only a hash noted elsewhere can show that they are missing.
    with(&lines[..8]);
    assert!(checked(folder.path()).unwrap().from_the_start);
    assert!(matches!(verify::whole(folder.path(), Some(&noted)), Err(Broken::NotNoted)));
    fs::write(log(folder.path()), &whole).unwrap();
    assert!(verify::whole(folder.path(), Some(&noted)).is_ok());
}

#[test]
fn a_line_truncated_by_a_crash_is_terminated_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &config(1 << 20, 3), 5);
    let whole = fs::read(log(folder.path())).unwrap();
    fs::write(log(folder.path()), &whole[..whole.len() - 30]).unwrap();
    assert!(checked(folder.path()).unwrap().torn);
    run(folder.path(), &config(1 << 20, 3), 2);
    let verified = checked(folder.path()).unwrap();
    assert_eq!((verified.lines, verified.torn), (8, false));
    assert!(fs::read_to_string(log(folder.path())).unwrap().lines().nth(5).unwrap().contains(r#""event":"recovered""#));
}

#[test]
fn the_ways_a_log_can_end_are_distinguished() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &config(1 << 20, 3), 3);
    let whole = fs::read_to_string(log(folder.path())).unwrap();
    let garbled = |text: &str| {
        let last = text.trim_end().rsplit('\n').next().unwrap().replace("\"event\"", "\"evxnt\"");
        let kept = text.trim_end().rsplit_once('\n').map_or("", |(kept, _)| kept);
        format!("{kept}\n{last}\n").trim_start().to_owned()
    };
    let ends = |text: &str| {
        fs::write(log(folder.path()), text).unwrap();
        checked(folder.path())
    };
    let torn = |text: &str, lines: u64| {
        let verified = ends(text).unwrap();
        assert_eq!((verified.torn, verified.lines), (true, lines), "{text}");
    };
    let broken = |text: &str, expected: u64, why: &str| match ends(text) {
        Err(Broken::Line { line, what, .. }) => {
            assert!(line == expected && what.contains(why), "{line} {what}: {text}");
        }
        other => panic!("{other:?}: {text}"),
    };
    assert!(!ends(&whole).unwrap().torn);
    torn(whole.trim_end(), 3);
    torn(&whole[..whole.len() - 30], 3);
    torn(&(whole.clone() + "{"), 4);
    // A crash truncates a line before its end; a line that has its end was altered by somebody.
    broken(&garbled(&whole), 3, "is no line");
    broken(&(whole.clone() + "{\n"), 4, "is no line");
    broken("{\n", 1, "is no line");
    broken(&(whole.clone() + "{\n{\n"), 5, "is no line");
    broken(&(garbled(&whole) + whole.lines().next().unwrap() + "\n"), 4, "does not follow");
    let after = |cut: &str, event: &str| {
        let before = super::chain::hash(cut.lines().last().unwrap().as_bytes());
        format!("{cut}{{\"event\":\"{event}\",\"before\":\"{before}\"}}\n")
    };
    broken(&after(&garbled(&whole), "login"), 4, "follows on a garbled line");
    assert!(!ends(&after(&garbled(&whole), "recovered")).unwrap().torn);
    // A crash truncates a single line, and never the first one of a log.
    broken(&after(&(garbled(&whole) + "{\n"), "recovered"), 4, "is no line");
    broken(&after("{\n", "recovered"), 1, "is no line");
    // Only the very last line of all may be incomplete.
    fs::write(folder.path().join("audit.jsonl.1"), whole.trim_end()).unwrap();
    let last = super::chain::hash(whole.lines().last().unwrap().as_bytes());
    broken(&format!("{{\"event\":\"login\",\"before\":\"{last}\"}}\n"), 1, "without an end");
}

#[test]
fn a_crash_between_two_files_does_not_break_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &config(1 << 20, 3), 5);
    fs::rename(log(folder.path()), folder.path().join("audit.jsonl.1")).unwrap();
    run(folder.path(), &config(1 << 20, 3), 5);
    let verified = checked(folder.path()).unwrap();
    assert_eq!((verified.files, verified.lines, verified.from_the_start), (2, 10, true));
}

#[test]
fn an_obstacle_to_a_new_file_costs_no_line_and_no_old_file() {
    // The new file cannot be opened; the oldest one cannot be moved.
    for in_the_way in ["audit.jsonl.new", "audit.jsonl.3"] {
        let folder = tempfile::tempdir().unwrap();
        // One line per file.
        (0..3).for_each(|_| run(folder.path(), &config(1, 3), 1));
        let in_the_way = folder.path().join(in_the_way);
        fs::create_dir(&in_the_way).unwrap();
        fs::write(in_the_way.join("file"), "").unwrap();
        run(folder.path(), &config(1, 3), 4);
        fs::remove_dir_all(&in_the_way).unwrap();
        let verified = checked(folder.path()).unwrap();
        assert_eq!((verified.files, verified.lines, verified.from_the_start), (3, 7, true));
        run(folder.path(), &config(1, 3), 1);
        let verified = checked(folder.path()).unwrap();
        assert_eq!((verified.files, verified.lines, verified.from_the_start), (4, 8, true));
    }
}

/// Set in a separate process, in which no file can be opened for a while.
const TRIAL: &str = "FERRY_AUDIT_TRIAL";

#[test]
fn while_no_file_can_be_opened_no_line_is_lost() {
    if let Some(folder) = env::var_os(TRIAL) {
        return write_without_descriptors(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let name = "audit::tests::while_no_file_can_be_opened_no_line_is_lost";
    let status = Command::new("sh")
        .args(["-c", "ulimit -n 32; exec \"$@\"", "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1"])
        .env(TRIAL, folder.path())
        .status();
    assert!(status.unwrap().success());
    let verified = checked(folder.path()).unwrap();
    assert_eq!((verified.files, verified.lines, verified.from_the_start), (2, 21, true));
    assert!(!fs::read_to_string(log(folder.path())).unwrap().contains("gap"));
}

fn write_without_descriptors(folder: &Path) {
    let (_queue, messages) = mpsc::channel(QUEUE);
    // A few lines start another file; with more than a few files, one would be moved too far.
    let file = AuditFile::open(log(folder), keep(1000, 2)).unwrap();
    let mut writer = Writer::new(file, messages, Arc::default(), u64::MAX);
    let mut write = |count| {
        (0..count).for_each(|_| {
            writer.write_now(vec![(SystemTime::now(), Who::default(), Event::Login { method: "password", key: None })])
        })
    };
    write(5);
    let mut taken = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        taken.push(file);
    }
    write(15);
    drop(taken);
    write(1);
}

#[test]
fn a_name_cannot_forge_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, thread) = Audit::open(folder.path(), &config(1 << 20, 3)).unwrap();
    let peer = "192.0.2.1:5".parse().unwrap();
    let refusal = Refusal::new(Code::LoginFailed, "no\n{}\u{1b}[2J");
    audit
        .record(Who::stranger(Door::Ferry, peer, Some("eve\n{\"event\":\"login\"}\u{202e}")), Event::refused(&refusal));
    finish(&audit, thread);
    let text = fs::read_to_string(log(folder.path())).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text:?}");
}

#[test]
fn a_flood_of_refusals_is_summarised_in_few_lines_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, thread) = Audit::open(folder.path(), &config(1 << 20, 3)).unwrap();
    let refusal = Refusal::new(Code::NotAllowed, "no");
    for _ in 0..500 {
        audit.record(Who::default(), Event::refused(&refusal));
    }
    finish(&audit, thread);
    assert!(checked(folder.path()).unwrap().lines < 100);
    assert_eq!(told(folder.path(), "refused").len() as u64 + count(&told(folder.path(), "folded")), 500);
}

fn told(folder: &Path, event: &str) -> Vec<serde_json::Value> {
    let files = verify::files(folder).unwrap();
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

fn count(folded: &[serde_json::Value]) -> u64 {
    folded.iter().map(|line| line["count"].as_u64().unwrap()).sum()
}

fn user(name: &str) -> Who {
    Who { session: Some(1), user: Some(name.to_owned()), ..Who::default() }
}

#[test]
fn one_user_cannot_push_the_lines_about_others_out_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(500_000, 1);
    let (audit, thread) = Audit::open(folder.path(), &config).unwrap();
    audit.record(user("anna"), Event::Login { method: "password", key: None });
    // Three times the size that is kept.
    let name = shown(&ferry_shared::path::RemotePath::from_wire(&[b'x'; 250]).unwrap());
    for _ in 0..2500 {
        audit.record(user("eve"), Event::MakeDir { path: name.clone() });
        audit.record(user("eve"), Event::Remove { path: name.clone(), recursive: true });
    }
    audit.record(user("bert"), Event::MakeDir { path: "/of bert".to_owned() });
    finish(&audit, thread);
    assert!(checked(folder.path()).unwrap().from_the_start);
    assert_eq!(
        (told(folder.path(), "login").len(), told(folder.path(), "make_dir").last().unwrap()["user"].as_str()),
        (1, Some("bert"))
    );
    let folded = told(folder.path(), "folded");
    let one_by_one = told(folder.path(), "remove").len() + told(folder.path(), "make_dir").len() - 1;
    assert_eq!(count(&folded) + one_by_one as u64, 5000, "{folded:?}");
    assert_eq!((folded.len(), &folded[0]["user"], &folded[0]["folder"]), (1, &"eve".into(), &"/".into()));
}

#[test]
fn long_paths_are_shortened_and_still_differ() {
    let of = |byte: u8| {
        let mut path = vec![1; 150];
        path.push(byte);
        path.extend([1; 90]);
        let path = [&path[..]; 12].join(&b"/"[..]);
        shown(&ferry_shared::path::RemotePath::from_wire(&path).unwrap())
    };
    assert!(of(b'a').len() < 700, "{}", of(b'a'));
    assert_ne!(of(b'a'), of(b'b'));
    assert_eq!(shown(&ferry_shared::path::RemotePath::from_wire(b"a/b").unwrap()), "/a/b");
}

#[test]
fn young_files_stay_beyond_the_number_that_is_kept_but_not_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let config = config::Audit { keep_days: 30, ..config(1, 3) };
    // One line per file: several lines of one run may come in one or more batches, and each batch has a file.
    (0..6).for_each(|_| run(folder.path(), &config, 1));
    let verified = checked(folder.path()).unwrap();
    assert!(verified.from_the_start && verified.files == 6, "{verified:?}");
    (0..5).for_each(|_| run(folder.path(), &config, 1));
    let verified = checked(folder.path()).unwrap();
    assert!(verified.retired.is_some() && verified.files == 7, "{verified:?}");
}

#[test]
fn a_missing_file_and_a_start_that_was_not_retired_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    (0..5).for_each(|_| run(folder.path(), &config(1, 9), 1));
    let file = |number: u32| folder.path().join(format!("audit.jsonl.{number}"));
    let away = folder.path().join("away");
    fs::rename(file(2), &away).unwrap();
    assert!(matches!(checked(folder.path()), Err(Broken::Missing(path)) if path == file(2)));
    let part = verify::verify(&[file(4), file(3), away.clone(), file(1), log(folder.path())], None).unwrap();
    assert_eq!(part.lines, 5);
    fs::rename(&away, file(2)).unwrap();
    fs::rename(file(4), &away).unwrap();
    assert!(
        matches!(checked(folder.path()), Err(Broken::Start { number: Some(2), .. })),
        "{:?}",
        checked(folder.path())
    );
    assert!(verify::verify(&verify::files(folder.path()).unwrap(), None).is_ok());
    fs::rename(&away, file(4)).unwrap();
    fs::rename(log(folder.path()), &away).unwrap();
    assert!(matches!(checked(folder.path()), Err(Broken::Missing(path)) if path == log(folder.path())));
    fs::rename(&away, log(folder.path())).unwrap();
    // A number is free, and nothing is missing: a crash can leave this state.
    fs::rename(file(4), file(7)).unwrap();
    assert!(checked(folder.path()).unwrap().from_the_start);
}

#[test]
fn retired_files_are_recorded_with_their_last_line_and_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    (0..4).for_each(|_| run(folder.path(), &config(1, 1), 1));
    let retired = told(folder.path(), "retired").pop().unwrap();
    let verified = checked(folder.path()).unwrap();
    assert_eq!((verified.retired, retired["hash"].as_str().unwrap().len()), (retired["through"].as_u64(), 64));
    let oldest = fs::read_to_string(&verify::files(folder.path()).unwrap()[0]).unwrap();
    let first: serde_json::Value = serde_json::from_str(oldest.lines().next().unwrap()).unwrap();
    assert_eq!(first["before"], retired["hash"]);
    assert_eq!(first["number"].as_u64().unwrap(), retired["through"].as_u64().unwrap() + 1);
}

#[test]
fn a_log_that_is_moved_replaced_or_cut_goes_on_where_it_can_be_found() {
    for found in ["gone", "replaced", "cut"] {
        let folder = tempfile::tempdir().unwrap();
        let (_queue, messages) = mpsc::channel(QUEUE);
        let file = AuditFile::open(log(folder.path()), keep(1 << 20, 3)).unwrap();
        let mut writer = Writer::new(file, messages, Arc::default(), u64::MAX);
        let mut write = || writer.write_now(vec![(SystemTime::now(), user("anna"), Event::Password)]);
        write();
        write();
        let away = folder.path().join("away");
        match found {
            "cut" => fs::write(log(folder.path()), "").unwrap(),
            _ => fs::rename(log(folder.path()), &away).unwrap(),
        }
        if found == "replaced" {
            fs::write(log(folder.path()), "").unwrap();
        }
        write();
        let moved = told(folder.path(), "moved_away").remove(0);
        assert_eq!((&moved["found"], moved["through"].as_u64()), (&found.into(), Some(2)));
        assert_eq!(told(folder.path(), "password").len(), 1);
        assert!(matches!(checked(folder.path()), Err(Broken::Start { .. })));
        if found != "cut" {
            assert_eq!(verify::verify(&[away, log(folder.path())], None).unwrap().lines, 4);
        }
    }
}

#[test]
fn a_log_of_lines_without_numbers_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let first = format!(r#"{{"time":"","event":"started","version":"0","before":"{}"}}"#, chain::FIRST);
    fs::write(log(folder.path()), format!("{first}\n")).unwrap();
    run(folder.path(), &config(1 << 20, 3), 2);
    assert_eq!(checked(folder.path()).unwrap().lines, 3);
}

#[test]
fn lines_lost_on_a_full_disk_are_counted_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (queue, messages) = mpsc::channel(QUEUE);
    let counts: Arc<LineCounts> = Arc::default();
    // Every write to this device fails with "no space left".
    let file = AuditFile::open(PathBuf::from("/dev/full"), keep(1 << 20, 3)).unwrap();
    let mut writer = Writer::new(file, messages, Arc::clone(&counts), u64::MAX);
    let event = || (SystemTime::now(), Who::default(), Event::Login { method: "password", key: None });
    let before = writer.before().to_owned();
    writer.write_now(vec![event(), event()]);
    assert_eq!((counts.lost.load(Ordering::Relaxed), writer.before()), (2, before.as_str()));
    writer.replace_file(AuditFile::open(log(folder.path()), keep(1 << 20, 3)).unwrap());
    writer.write_now(vec![event()]);
    drop(queue);
    let text = fs::read_to_string(log(folder.path())).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.lines().next().unwrap().contains(r#""event":"gap","lost":2"#), "{text}");
    assert!(checked(folder.path()).is_ok());
}

#[test]
fn the_last_line_before_a_quiet_time_is_flushed_too() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, thread) = Audit::open(folder.path(), &config(1 << 20, 3)).unwrap();
    audit.record(Who::default(), Event::Login { method: "password", key: None });
    let until = |is: &dyn Fn() -> bool, what: &str| {
        let end = Instant::now() + Duration::from_secs(20);
        while !is() {
            assert!(Instant::now() < end, "the line is never {what}");
            thread::yield_now();
        }
    };
    // A line counts as unflushed before it is written.
    until(&|| fs::metadata(log(folder.path())).unwrap().len() > 0, "written");
    until(&|| audit.unflushed() == 0, "flushed");
    finish(&audit, thread);
}

#[test]
fn a_log_that_cannot_be_opened_at_first_goes_on_where_it_ended_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &config(1 << 20, 3), 2);
    let mut text = fs::read_to_string(log(folder.path())).unwrap();
    text.push_str("{\"cut");
    fs::write(log(folder.path()), &text).unwrap();
    let away = folder.path().join("away");
    fs::rename(log(folder.path()), &away).unwrap();
    // Anything that prevents the file from being opened.
    fs::create_dir(log(folder.path())).unwrap();
    let (_queue, messages) = mpsc::channel(QUEUE);
    let file = AuditFile::waiting(log(folder.path()), keep(1 << 20, 3));
    let mut writer = Writer::new(file, messages, Arc::default(), u64::MAX);
    let event = || (SystemTime::now(), Who::default(), Event::Password);
    writer.write_now(vec![event()]);
    fs::remove_dir(log(folder.path())).unwrap();
    fs::rename(&away, log(folder.path())).unwrap();
    writer.write_now(vec![event()]);
    let text = fs::read_to_string(log(folder.path())).unwrap();
    let last: Vec<_> = text.lines().skip(3).collect();
    assert!(
        matches!(last[..], [recovered, gap, password] if recovered.contains("recovered")
        && gap.contains(r#""lost":1"#) && password.contains("password")),
        "{text}"
    );
    assert_eq!(checked(folder.path()).unwrap().lines, 6, "two, one that was cut, and three");
}
