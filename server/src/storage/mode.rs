//! The permission bits of a file, including those that the disk cannot hold as they are.
//!
//! A server that is not root can read its own files only if their owner may, so on the disk the owner always may.
//! Bits that deny it are kept in an extended attribute, beside the bits that the disk has in their place. The
//! attribute is valid only while the disk still has those bits: after a `chmod` by hand, the bits on the disk
//! apply.

use rustix::{
    fd::AsFd,
    fs::{Mode, OFlags, openat},
    io::{Errno, Result},
};

use super::{disk, durable};

/// The extended attribute that holds the bits: `WANTED DISK`, both octal.
const ATTRIBUTE: &str = "user.ferry.mode";

const OWNER: u32 = 0o700;
const OWNER_READS: u32 = 0o400;

/// The owner's bits of a file while the server works on it. These are also required for anybody but root to change
/// an attribute.
pub(super) const OWN_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Whether the disk can hold these bits and no attribute can apply to them. Only a file whose owner may read and
/// nothing else can have a valid attribute: such bits are rare, and other files are not checked for it.
pub(super) fn is_plain(bits: u32) -> bool {
    bits & OWNER_READS != 0 && bits & OWNER != OWNER_READS
}

/// Gives an open file its permission bits. The file must not have an attribute for other bits, unless the new bits
/// are not [plain](is_plain).
pub(super) fn set(file: impl AsFd, wanted: u32) -> Result<()> {
    let file = file.as_fd();
    set_with(file, wanted, |value| disk::set_attribute(file, ATTRIBUTE, value))
}

/// Changes the permission bits of an open file.
pub(super) fn change(file: impl AsFd, wanted: u32) -> Result<()> {
    disk::set_mode(&file, OWN_MODE)?;
    forget(&file)?;
    set(file, wanted)
}

fn set_with(file: impl AsFd, wanted: u32, keep: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
    if is_plain(wanted) {
        return disk::set_mode(file, Mode::from_bits_truncate(wanted));
    }
    disk::set_mode(&file, OWN_MODE)?;
    if wanted & OWNER_READS != 0 {
        forget(&file)?;
        return disk::set_mode(file, Mode::from_bits_truncate(wanted));
    }
    let stand_in = wanted & !OWNER | OWNER_READS;
    let disk = match keep(format!("{wanted:o} {stand_in:o}").as_bytes()) {
        Ok(()) => stand_in,
        // The filesystem has no attributes, or no room for one: being able to read the file back is more important
        // than a bit that denies its owner access.
        Err(_) => wanted | OWNER_READS,
    };
    disk::set_mode(file, Mode::from_bits_truncate(disk))
}

/// Removes the attribute of a file whose owner may write.
fn forget(file: impl AsFd) -> Result<()> {
    match disk::remove_attribute(file, ATTRIBUTE) {
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        removed => removed,
    }
}

/// The bits to show for an open file that has `bits` on the disk.
pub(super) fn shown(file: impl AsFd, bits: u32) -> u32 {
    if bits & OWNER != OWNER_READS {
        return bits;
    }
    let mut value = [0; 16];
    // Without an attribute, or where attributes are not supported, the bits on the disk are all there is.
    let kept = rustix::fs::fgetxattr(file, ATTRIBUTE, &mut value).ok().and_then(|length| parse(value.get(..length)?));
    kept.filter(|(_, stand_in)| *stand_in == bits).map_or(bits, |(wanted, _)| wanted)
}

/// The bits to show for the regular file `name` in `folder` that has `bits` on the disk.
pub(super) fn shown_at(folder: impl AsFd, name: &[u8], bits: u32) -> u32 {
    if bits & OWNER != OWNER_READS {
        return bits;
    }
    let flags = durable::OWN | OFlags::RDONLY | OFlags::NONBLOCK;
    openat(folder, name, flags, Mode::empty()).map_or(bits, |file| shown(file, bits))
}

/// The requested bits, and the bits that the disk got for them.
fn parse(value: &[u8]) -> Option<(u32, u32)> {
    let (wanted, stand_in) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let bits = |text| u32::from_str_radix(text, 8).ok().filter(|bits| bits & !0o777 == 0);
    Some((bits(wanted)?, bits(stand_in)?))
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn on_disk(file: &File) -> u32 {
        file.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn without_attributes_the_owners_right_to_read_is_visible() {
        for wanted in [0o000, 0o200, 0o111, 0o077, 0o377] {
            let file = tempfile::tempfile().unwrap();
            set_with(&file, wanted, |_| Err(Errno::OPNOTSUPP)).unwrap();
            assert_eq!((on_disk(&file), shown(&file, on_disk(&file))), (wanted | 0o400, wanted | 0o400), "{wanted:o}");
        }
    }

    #[test]
    fn a_malformed_mode_attribute_is_not_believed() {
        assert_eq!(parse(b"7 407"), Some((0o7, 0o407)));
        for odd in [&b""[..], b"7", b"7407", b" ", b"8 400", b"1000 400", b"7 407 ", b"-1 400", b"\xff 400"] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn every_mode_comes_back_as_it_was_given_whatever_it_was_before() {
        let file = tempfile::tempfile().unwrap();
        for wanted in (0..=0o777).rev().chain(0..=0o777) {
            change(&file, wanted).unwrap();
            let bits = on_disk(&file);
            assert_eq!(shown(&file, bits), wanted, "{wanted:o}");
            assert!(bits & 0o400 != 0 && bits & 0o077 == wanted & 0o077, "{wanted:o} is {bits:o} on the disk");
            // As for a staged file.
            set(&file, wanted).unwrap();
            assert_eq!(shown(&file, on_disk(&file)), wanted, "{wanted:o} again");
        }
    }

    #[test]
    fn bits_that_were_changed_by_hand_hold() {
        let file = tempfile::tempfile().unwrap();
        change(&file, 0o020).unwrap();
        for bits in [0o400, 0o440, 0o600, 0o644] {
            file.set_permissions(std::fs::Permissions::from_mode(bits)).unwrap();
            assert_eq!(shown(&file, bits), bits, "{bits:o}");
        }
    }
}
