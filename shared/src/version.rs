//! The versions of the protocol, and how two peers agree on one.

/// The highest protocol version this build speaks.
///
/// 1. The first: blocks of 1 MiB with mergeable BLAKE3 digests, JSON messages.
pub const CURRENT: u32 = 1;

/// The lowest protocol version this build still speaks.
pub const OLDEST: u32 = 1;

/// The version that both peers will speak, given the highest one of the peer.
///
/// `None` if there is none: the peer is older than [`OLDEST`].
#[must_use]
pub fn agree(theirs: u32) -> Option<u32> {
    let both = theirs.min(CURRENT);
    (both >= OLDEST).then_some(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_speak_the_lower_of_their_highest_versions() {
        assert_eq!(agree(1), Some(1));
        assert_eq!(agree(7), Some(CURRENT));
        assert_eq!(agree(0), None);
    }
}
