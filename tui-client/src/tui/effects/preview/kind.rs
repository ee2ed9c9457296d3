//! The kind of a file by its first bytes, and the blocks that a preview of this kind needs.

use std::io::Read as _;

use ::image::ImageFormat;
use ferry_shared::limits::BLOCK_SIZE;

use super::{archive, blocks::Blocks};
use crate::tui::state::{order::extension, preview::Subject};

/// Bytes of an image that are read; a larger one is not shown.
pub(super) const IMAGE_MAX: u64 = 8 * BLOCK_SIZE;
/// Bytes that decide whether a file is a text.
const PROBE: usize = 8 << 10;
/// The header of a tar archive, and the place of its magic.
const TAR_HEADER: usize = 512;
const TAR_MAGIC: usize = 257;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// It has no bytes.
    Empty,
    /// A text in UTF-8, or mostly.
    Text,
    /// An image of a format that can be decoded.
    Image(ImageFormat),
    /// A zip archive, whatever its name: also documents and packages that are one.
    Zip,
    /// A tar archive.
    Tar,
    /// A tar archive that gzip compressed.
    TarGz,
    /// Anything else.
    Other,
}

/// The kind of a file with this name that begins with these bytes.
pub(super) fn of(name: &[u8], head: &[u8]) -> FileKind {
    if head.is_empty() {
        return FileKind::Empty;
    }
    if let Some(format) = image_format(name, head) {
        return FileKind::Image(format);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return FileKind::Zip;
    }
    if is_tar(head) {
        return FileKind::Tar;
    }
    if head.starts_with(b"\x1f\x8b") {
        return if is_tar(&inflated(head)) { FileKind::TarGz } else { FileKind::Other };
    }
    if is_text(head) { FileKind::Text } else { FileKind::Other }
}

/// The next block that the preview of a file needs; `None` if all of them were read.
pub(super) fn wanted(subject: &Subject, blocks: &Blocks) -> Option<u64> {
    if !blocks.is_begun() {
        return Some(0);
    }
    let name = subject.place.name();
    match of(name.as_ref().map_or(&[], |name| name.as_bytes()), blocks.head()) {
        FileKind::Image(_) if blocks.size() <= IMAGE_MAX => blocks.missing_before(IMAGE_MAX),
        FileKind::Tar | FileKind::TarGz => blocks.missing_before(archive::TAR_MAX),
        FileKind::Zip => archive::wanted(blocks),
        FileKind::Image(_) | FileKind::Empty | FileKind::Text | FileKind::Other => None,
    }
}

fn image_format(name: &[u8], head: &[u8]) -> Option<ImageFormat> {
    let format = ::image::guess_format(head).ok()?;
    match format {
        ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Gif | ImageFormat::WebP => Some(format),
        // Two letters say little: a text may begin with them.
        ImageFormat::Bmp if extension(name).eq_ignore_ascii_case(b"bmp") => Some(format),
        _ => None,
    }
}

fn is_tar(head: &[u8]) -> bool {
    head.get(TAR_MAGIC..TAR_MAGIC + 5).is_some_and(|magic| magic == b"ustar")
}

/// The first bytes of what was compressed; fewer where it is damaged.
fn inflated(head: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // The bytes before an error count.
    let _ = flate2::read::GzDecoder::new(head).take(TAR_HEADER as u64).read_to_end(&mut bytes);
    bytes
}

/// Whether the first bytes are text: no zero among them, and at most one in ten that is neither UTF-8 nor usual in a
/// text.
fn is_text(head: &[u8]) -> bool {
    let probe = &head[..head.len().min(PROBE)];
    let odd_control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}' | '\u{1b}');
    let odd: usize = probe
        .utf8_chunks()
        .map(|chunk| chunk.invalid().len() + chunk.valid().chars().filter(|c| odd_control(*c)).count())
        .sum();
    // The last character may be cut.
    !probe.contains(&0) && odd.saturating_sub(3) * 10 <= probe.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_decides_and_not_the_name() {
        assert_eq!(of(b"a.png", b"just a text"), FileKind::Text);
        assert_eq!(of(b"a.txt", b"\x89PNG\r\n\x1a\n\0\0"), FileKind::Image(ImageFormat::Png));
        assert_eq!(of(b"report.docx", b"PK\x03\x04rest"), FileKind::Zip);
        assert_eq!(of(b"a", b"BMW is a car"), FileKind::Text);
        assert_eq!(of(b"a", b""), FileKind::Empty);
        assert_eq!(of(b"a", b"\x7fELF\x02\x01\0\0"), FileKind::Other);
        assert_eq!(of(b"a.gz", b"\x1f\x8bnot really"), FileKind::Other);
    }

    #[test]
    fn a_text_may_be_in_another_language_or_slightly_damaged() {
        assert!(is_text("日本語のテキスト\n".repeat(2000).as_bytes()));
        assert!(is_text(b"caf\xe9 au lait, and enough of other words"));
        assert!(!is_text(&[0xff; 64]) && !is_text(b"with a \0 zero") && !is_text(&[1; 64]));
    }
}
