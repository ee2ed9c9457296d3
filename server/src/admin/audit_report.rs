//! What `audit verify` says of a log that holds.

use crate::audit::verify::Verified;

/// One fact a line; the last hash last, to be noted elsewhere.
pub(super) fn text(verified: &Verified) -> String {
    let Verified { files, lines, last, from_the_start, torn } = verified;
    let mut text = format!("{lines} lines in {files} files follow one on the other\n");
    if !from_the_start {
        text.push_str(
            "the lines before the first are not there: older than audit.keep keeps, or removed by somebody\n",
        );
    }
    if *torn {
        text.push_str("the last line has no end: it is being written, or a crash has cut it\n");
    }
    text.push_str(&format!("last {last}\n"));
    text
}
