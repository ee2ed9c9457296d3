//! Creates the files that tests transfer: large, small, sparse, with odd names, dated and executable.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, Permissions},
    io::{BufWriter, Write as _},
    os::unix::{
        ffi::OsStringExt as _,
        fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
    },
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use crate::noise::Noise;

/// Writes a file of `size` random bytes.
pub fn random_file(path: &Path, size: u64, seed: u64) {
    let mut noise = Noise::new(seed);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("the file can be made"));
    let mut left = size;
    let mut buffer = vec![0; 1 << 20];
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        noise.fill(&mut buffer[..count]);
        out.write_all(&buffer[..count]).expect("the file can be written");
        left -= count as u64;
    }
    out.flush().expect("the file can be written");
}

/// Creates a file of `size` bytes that consists of holes, except 4 KiB of noise at each of `islands`.
pub fn sparse_file(path: &Path, size: u64, islands: &[u64]) {
    let file = File::create(path).expect("the file can be made");
    file.set_len(size).expect("the file can be sized");
    for island in islands {
        file.write_all_at(&Noise::new(*island).bytes(4096), *island).expect("the file can be written");
    }
}

/// Bytes that a file occupies on the disk.
#[must_use]
pub fn allocated(path: &Path) -> u64 {
    fs::metadata(path).expect("the file is there").blocks() * 512
}

/// Names that break careless programs; each is legal on Linux.
#[must_use]
pub fn hostile_names() -> Vec<OsString> {
    let mut names: Vec<OsString> = [
        " leading and trailing ",
        "-rf",
        "--help",
        "new\nline",
        "tab\there",
        "\u{1b}[2Jescape",
        "quote'\"`$(id)",
        "back\\slash",
        "C:colon",
        "*?[glob]",
        "~",
        "...",
        "..hidden",
        "🦀⛴️",
        "gnp.\u{202e}evil",
        "e\u{301} decomposed",
        "é composed",
        "CON",
        "%2e%2e%2f",
        "#comment",
    ]
    .iter()
    .map(OsString::from)
    .collect();
    names.push(OsString::from("n".repeat(255)));
    names.push(OsString::from_vec(b"latin1-\xe9\xff".to_vec()));
    names
}

/// Creates a small file for each hostile name, and another one inside a folder of that name.
pub fn hostile_tree(root: &Path) {
    for (number, name) in hostile_names().into_iter().enumerate() {
        let text = format!("file {number}\n");
        fs::create_dir_all(root.join("files")).expect("the folder can be made");
        fs::write(root.join("files").join(&name), &text).expect("the file can be written");
        let folder = root.join("folders").join(&name);
        fs::create_dir_all(&folder).expect("the folder can be made");
        fs::write(folder.join(&name), &text).expect("the file can be written");
    }
}

/// Creates `count` files of up to `most` random bytes, a hundred per folder.
pub fn many_files(root: &Path, count: u64, most: u64, seed: u64) {
    let mut noise = Noise::new(seed);
    for number in 0..count {
        let folder = root.join(format!("{:03}", number / 100));
        if number.is_multiple_of(100) {
            fs::create_dir_all(&folder).expect("the folder can be made");
        }
        let length = usize::try_from(noise.below(most + 1)).expect("small");
        fs::write(folder.join(format!("file-{number}")), noise.bytes(length)).expect("the file can be written");
    }
}

/// Sets the date of a file: seconds and nanoseconds since 1970.
pub fn set_mtime(path: &Path, seconds: u64, nanos: u32) {
    let time = UNIX_EPOCH + Duration::new(seconds, nanos);
    File::open(path).and_then(|file| file.set_modified(time)).expect("the file can be dated");
}

/// Sets a file's permission bits.
pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("the mode can be set");
}

/// Inverts the bits of the byte at `offset`.
pub fn flip_byte(path: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("the file opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("the byte is there");
    byte[0] = !byte[0];
    file.write_all_at(&byte, offset).expect("the byte can be written");
}
