//! Symbolic links that are kept as links. Pure.

use super::conflict::ConflictRule;
use crate::{error::ClientError, obstacle::Obstacle, site::Abilities};

/// The longest text of a link, as on Linux.
const MOST_TEXT: usize = 4095;

/// Checks that links can be kept as links between two sites; `moves` if the sources are to be removed.
///
/// # Errors
/// [`Obstacle::Unsupported`].
pub fn may_keep_links(from: &Abilities, to: &Abilities, moves: bool) -> Result<(), ClientError> {
    let why = match () {
        () if moves => "a move cannot keep links as links (--links keep); copy the folder instead",
        () if !from.links => "the site that is copied from cannot read links as links (--links keep)",
        () if !to.links => "the site that is copied to cannot make links (--links keep)",
        () => return Ok(()),
    };
    Err(ClientError::obstructed(Obstacle::Unsupported, why))
}

/// Checks the text of a link at `depth` below the chosen target, which counts its own name. The link from another
/// computer must not lead out of the target: its `..` may only come first, where they pass real folders and no other
/// link, and not lead above the target.
///
/// # Errors
/// [`Obstacle::BadPath`].
pub(super) fn check_text(text: &[u8], depth: usize, trusted: bool) -> Result<(), ClientError> {
    let refused = |why| Err(ClientError::obstructed(Obstacle::BadPath, format!("this link is not made: {why}")));
    if text.is_empty() || text.len() > MOST_TEXT || text.contains(&0) {
        return refused("its text is not valid");
    }
    if trusted {
        return Ok(());
    }
    if text.starts_with(b"/") {
        return refused("it leads to an absolute path");
    }
    let (mut up, mut down) = (0, false);
    for name in text.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".") {
        match name {
            b".." if down => return refused("it leads up again after a name"),
            b".." => up += 1,
            _ => down = true,
        }
    }
    if up >= depth.max(1) { refused("it leads out of the folder") } else { Ok(()) }
}

/// Whether a rule for existing targets replaces a link by another. Links are never asked about nor renamed.
pub(super) fn replaces_links(rule: ConflictRule) -> bool {
    matches!(rule, ConflictRule::Replace | ConflictRule::Different | ConflictRule::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_out_of_its_folder_is_refused_unless_its_source_is_here() {
        let made = |text: &str, depth| check_text(text.as_bytes(), depth, false).is_ok();
        for (text, depth) in [("x", 1), ("a/b", 1), ("./x", 1), ("../x", 2), ("../../x/y", 3), ("..", 2), ("a//b/.", 1)]
        {
            assert!(made(text, depth), "{text} at {depth}");
        }
        for (text, depth) in [
            ("/etc/passwd", 5),
            ("..", 1),
            ("../x", 1),
            ("../../x", 2),
            ("./../x", 1),
            ("a/../x", 3),
            ("../a/..", 3),
            ("a/../../../x", 1),
        ] {
            assert!(!made(text, depth), "{text} at {depth}");
            assert!(check_text(text.as_bytes(), depth, true).is_ok(), "{text}");
        }
        for text in [&b""[..], b"a\0b", &[b'x'; 5000]] {
            assert!(check_text(text, 3, true).is_err());
        }
    }
}
