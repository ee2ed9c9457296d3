//! An image in the terminal's own graphics: cells that hold its escape sequences, made where it was decoded.

use std::sync::atomic::{AtomicU32, Ordering};

use ::image::{DynamicImage, RgbaImage, imageops};
use ratatui::{
    buffer::Buffer,
    layout::{Rect, Size},
    widgets::Widget as _,
};
use ratatui_image::{
    Image,
    protocol::{Protocol, iterm2::Iterm2, kitty::Kitty, sixel::Sixel},
};

use crate::tui::state::appearance::Images;

/// Pixels of an image that are sent to the terminal: its escape sequences are compared at each drawing.
const PIXELS: u64 = 1_000_000;

/// The size of a cell in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CellSize {
    /// Pixels across.
    pub(super) width: u32,
    /// Pixels down.
    pub(super) height: u32,
}

impl CellSize {
    /// That of the terminal; `None` if it does not tell.
    pub(super) fn of_terminal() -> Option<Self> {
        let size = crossterm::terminal::window_size().ok()?;
        let part = |pixels: u16, cells: u16| u32::from(pixels).checked_div(u32::from(cells)).filter(|size| *size > 1);
        Some(Self { width: part(size.width, size.columns)?, height: part(size.height, size.rows)? })
    }

    /// The pixels in so many columns and lines, as many as are sent at most.
    pub(super) fn room(self, (columns, lines): (u16, u16)) -> (u32, u32) {
        let (mut width, mut height) = (u32::from(columns) * self.width, u32::from(lines) * self.height);
        while u64::from(width) * u64::from(height) > PIXELS {
            (width, height) = (width / 2, height / 2);
        }
        (width.max(1), height.max(1))
    }
}

/// The cells that show an image, which has its final size; `None` for half blocks, and where it cannot be encoded.
pub(super) fn cells(image: RgbaImage, cell: CellSize, images: Images) -> Option<Buffer> {
    let count = |pixels: u32, cell: u32| u16::try_from(pixels.div_ceil(cell.max(1))).ok();
    let size = Size { width: count(image.width(), cell.width)?, height: count(image.height(), cell.height)? };
    // Terminals stretch an image over its cells: fill the last ones up.
    let (width, height) = (u32::from(size.width) * cell.width, u32::from(size.height) * cell.height);
    let mut whole = RgbaImage::new(width, height);
    imageops::replace(&mut whole, &image, 0, 0);
    let whole = DynamicImage::ImageRgba8(whole);
    let protocol = match images {
        Images::Blocks => return None,
        Images::Kitty => Protocol::Kitty(Kitty::new(whole, size, next_id(), false, false).ok()?),
        Images::Sixel => Protocol::Sixel(Sixel::new(whole, size, false).ok()?),
        Images::Iterm => Protocol::ITerm2(Iterm2::new(whole, size, false).ok()?),
    };
    let area = Rect { x: 0, y: 0, width: size.width, height: size.height };
    let mut cells = Buffer::empty(area);
    Image::new(&protocol).render(area, &mut cells);
    Some(cells)
}

/// A number for an image, by which the terminal knows it. Other programs number theirs from 1.
fn next_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let salt = std::process::id() & 0x7fff;
    (salt << 16 | NEXT.fetch_add(1, Ordering::Relaxed) & 0xffff).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: CellSize = CellSize { width: 8, height: 16 };

    fn first(images: Images) -> (String, Rect) {
        let image = RgbaImage::from_pixel(20, 20, ::image::Rgba([255, 0, 0, 255]));
        let cells = cells(image, CELL, images).unwrap();
        (cells[(0, 0)].symbol().to_owned(), cells.area)
    }

    #[test]
    fn every_protocol_writes_its_sequence_into_the_first_cell() {
        for (images, begin) in [(Images::Kitty, "\x1b_G"), (Images::Sixel, "\x1bP"), (Images::Iterm, "\x1b]1337;File=")]
        {
            let (symbol, area) = first(images);
            assert!(symbol.contains(begin), "{images:?}: {symbol:.60}");
            assert_eq!((area.width, area.height), (3, 2), "{images:?}");
        }
        assert_eq!(cells(RgbaImage::new(1, 1), CELL, Images::Blocks), None);
    }

    #[test]
    fn what_is_sent_is_bounded() {
        assert_eq!(CELL.room((40, 20)), (320, 320));
        let (width, height) = CELL.room((u16::MAX, u16::MAX));
        assert!(u64::from(width) * u64::from(height) <= PIXELS);
    }
}
