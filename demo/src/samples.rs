//! Sample files: a small tree like a person's, and one large file.

use std::{fs, io, path::Path};

/// Bytes of the large sample.
pub(crate) const LARGE: usize = 48 << 20;

/// Writes the sample tree below `folder`.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    for (name, text) in [
        ("letters/hello.txt", "Hello from ferry.\n"),
        ("letters/grüße.txt", "Names are bytes; all of them are fine.\n"),
        ("letters/old/1999.txt", "An old one.\n"),
        ("notes/a name with spaces.md", "# Spaces\n"),
        ("notes/empty", ""),
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    fs::create_dir_all(folder.join("an empty folder"))?;
    for number in 0..200 {
        let folder = folder.join("photos");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{number:03}.raw")), noise(4000 + number * 37, number))?;
    }
    Ok(())
}

/// Bytes without repetition, the same for the same seed.
pub(crate) fn noise(length: usize, seed: usize) -> Vec<u8> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Whether two trees have the same names and contents.
pub(crate) fn same(left: &Path, right: &Path) -> io::Result<bool> {
    if !left.is_dir() {
        return Ok(right.is_file() && fs::read(left)? == fs::read(right)?);
    }
    let names = |folder: &Path| -> io::Result<Vec<_>> {
        let mut names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    };
    if !right.is_dir() || names(left)? != names(right)? {
        return Ok(false);
    }
    for name in names(left)? {
        if !same(&left.join(&name), &right.join(&name))? {
            return Ok(false);
        }
    }
    Ok(true)
}
