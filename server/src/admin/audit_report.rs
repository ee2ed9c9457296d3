//! The report of `audit verify` about a valid log.

use crate::audit::verify::Verified;

/// One fact per line; the last hash comes last, to be noted elsewhere.
pub(super) fn text(verified: &Verified) -> String {
    let Verified { files, lines, last, from_the_start, retired, torn } = verified;
    let mut text = format!("{lines} lines in {files} files follow one on the other\n");
    match retired {
        Some(through) => text.push_str(&format!("those before, through line {through}, were retired\n")),
        None if !from_the_start => text.push_str("those before are in none of the files named\n"),
        None => {}
    }
    if *torn {
        text.push_str("the last line has no end: it is being written, or a crash has cut it\n");
    }
    text.push_str(&format!("last {last}\n"));
    text
}
