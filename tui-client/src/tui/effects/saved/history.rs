//! The history of transfers: a line of JSON for each, in a file that only its owner reads.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
};

use super::replace;
use crate::tui::state::past::Past;

/// The file in the folder of the client's state.
pub(super) const FILE: &str = "history.jsonl";
/// Transfers that are kept.
const KEPT: usize = 1000;
/// The size in bytes from which on the oldest lines are dropped.
const LARGE: u64 = 1 << 20;
/// Bytes of a line that are read at most.
const LINE: u64 = 64 << 10;

/// Adds a transfer. A line is one write, so that those of several programs do not mix.
///
/// # Errors
/// The system's.
pub(super) fn add(file: &Path, past: &Past) -> io::Result<()> {
    let mut line = serde_json::to_vec(past)?;
    line.push(b'\n');
    let mut opened = open(OpenOptions::new().append(true).create(true), file)?;
    opened.write_all(&line)?;
    if opened.metadata()?.len() > LARGE { shorten(file) } else { Ok(()) }
}

/// Opens the file, which nobody else may read.
fn open(options: &mut OpenOptions, file: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    options.open(file)
}

/// Drops the oldest lines. A line that another program adds in this moment may be lost.
fn shorten(file: &Path) -> io::Result<()> {
    let (kept, _) = read(file)?;
    let mut text = String::new();
    for past in kept.iter().rev() {
        text += &serde_json::to_string(past)?;
        text.push('\n');
    }
    replace(file, &text)
}

/// Reads the transfers, the last one first, and counts the lines that cannot be read.
///
/// # Errors
/// The system's.
pub(super) fn read(file: &Path) -> io::Result<(Vec<Past>, u64)> {
    let mut reader = match File::open(file) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let (mut all, mut damaged, mut line) = (std::collections::VecDeque::new(), 0, Vec::new());
    loop {
        line.clear();
        let mut limited = io::Read::take(&mut reader, LINE);
        if limited.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(past) => all.push_front(past),
            Err(_) => damaged += 1,
        }
        all.truncate(KEPT);
    }
    Ok((all.into(), damaged))
}

/// Removes the file.
///
/// # Errors
/// The system's.
pub(super) fn clear(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::state::past::Outcome;

    fn past(number: i64) -> Past {
        Past {
            at: number,
            verb: "copy".to_owned(),
            what: "iso.img\n\u{1b}".to_owned(),
            from: "here".to_owned(),
            to: "there".to_owned(),
            files: 1,
            bytes: 2,
            outcome: Outcome::Done,
            told: "verified".to_owned(),
            cause: None,
        }
    }

    #[test]
    fn the_last_transfer_comes_first_and_damaged_lines_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/history.jsonl");
        assert_eq!(read(&file).unwrap(), (Vec::new(), 0));
        for number in 0..3 {
            add(&file, &past(number)).unwrap();
        }
        OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"at\":\n").unwrap();
        add(&file, &past(3)).unwrap();
        let (all, damaged) = read(&file).unwrap();
        assert_eq!((all, damaged), ([3, 2, 1, 0].map(past).to_vec(), 1));
        clear(&file).unwrap();
        clear(&file).unwrap();
        assert_eq!(read(&file).unwrap(), (Vec::new(), 0));
    }

    #[test]
    fn the_file_stays_small_and_keeps_the_last_transfers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        let long = |number| Past { what: "x".repeat(700), ..past(number) };
        let count = 2000;
        for number in 0..count {
            add(&file, &long(number)).unwrap();
        }
        assert!(fs::metadata(&file).unwrap().len() < LARGE + 4096);
        let (all, _) = read(&file).unwrap();
        assert_eq!((all.len(), all[0].at, all[KEPT - 1].at), (KEPT, count - 1, count - KEPT as i64));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_history() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        add(&file, &past(1)).unwrap();
        shorten(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
