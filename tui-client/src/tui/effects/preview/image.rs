//! The preview of an image: decoded within bounds, and scaled down to the cells that show it.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use ::image::{
    DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits, RgbaImage, imageops::thumbnail,
    metadata::Orientation,
};
use ferry_shared::name::Escaped;
use tokio_util::sync::CancellationToken;

use super::{
    blocks::Blocks,
    graphics::{self, CellSize},
    kind::IMAGE_MAX,
};
use crate::{
    human,
    tui::state::{
        appearance::Images,
        preview::{Body, Content, Picture, Wanted},
    },
};

/// Pixels of an image that is decoded; a larger one is refused by its header.
const PIXELS: u64 = 40_000_000;
/// Bytes of memory that decoding may take beside the image itself.
const MEMORY: u64 = 256 << 20;
/// Opacity from which on a pixel is shown.
const OPAQUE: u8 = 128;

/// The preview of an image in so many columns and lines, or the reason why there is none.
pub(super) fn content(format: ImageFormat, blocks: &Blocks, asked: &Wanted, stop: &CancellationToken) -> Content {
    let name = match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Gif => "GIF",
        ImageFormat::WebP => "WebP",
        ImageFormat::Bmp => "BMP",
        _ => "PNG",
    };
    if blocks.size() > IMAGE_MAX {
        let most = human::size(IMAGE_MAX);
        return Content::words(name, format!("an image of more than {most}, which a preview does not read"));
    }
    let bytes = blocks.start(usize::try_from(IMAGE_MAX).unwrap_or(usize::MAX));
    let source = Stoppable { bytes: Cursor::new(&bytes), stop };
    decoded(name, ImageReader::with_format(source, format), asked).unwrap_or_else(|error| {
        let reason = Escaped(error.to_string().as_bytes()).to_string();
        Content::words(name, format!("the image cannot be shown: {reason}"))
    })
}

fn decoded(name: &str, mut reader: ImageReader<Stoppable<'_>>, asked: &Wanted) -> Result<Content, ImageError> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    let facts = format!("{name}, {width} × {height}");
    if u64::from(width) * u64::from(height) > PIXELS {
        let most = PIXELS / 1_000_000;
        return Ok(Content::words(&facts, format!("an image of more than {most} megapixels, which is not decoded")));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder)?;
    let mut picture = in_cells(&image, orientation, asked.room);
    if let Some(cell) = CellSize::of_terminal().filter(|_| asked.images != Images::Blocks) {
        let large = scaled(&image, orientation, cell.room(asked.room));
        picture.graphics = graphics::cells(large, cell, asked.images).map(Box::new);
    }
    Ok(Content { facts, body: Body::Picture(picture) })
}

/// The image in two pixels a cell.
fn in_cells(image: &DynamicImage, orientation: Orientation, room: (u16, u16)) -> Picture {
    let small = scaled(image, orientation, (u32::from(room.0.max(1)), 2 * u32::from(room.1.max(1))));
    let pixels = small.pixels().map(|pixel| {
        let [r, g, b, a] = pixel.0;
        (a >= OPAQUE).then_some([r, g, b])
    });
    Picture {
        room,
        pixels: pixels.collect(),
        width: u16::try_from(small.width()).unwrap_or(u16::MAX),
        height: u16::try_from(small.height()).unwrap_or(u16::MAX),
        graphics: None,
    }
}

/// The image upright, as large as `most` allows but never larger than it is.
fn scaled(image: &DynamicImage, orientation: Orientation, most: (u32, u32)) -> RgbaImage {
    let turned = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let most = if turned { (most.1, most.0) } else { most };
    let (width, height) = fitting((image.width(), image.height()), most);
    let small = if (width, height) == (image.width(), image.height()) {
        image.to_rgba8()
    } else {
        thumbnail(image, width, height)
    };
    let mut small = DynamicImage::ImageRgba8(small);
    small.apply_orientation(orientation);
    small.into_rgba8()
}

/// The largest size in `most` with the proportions of `size`, at least one pixel each way and at most `size`.
fn fitting(size: (u32, u32), most: (u32, u32)) -> (u32, u32) {
    let (width, height) = (u64::from(size.0.max(1)), u64::from(size.1.max(1)));
    let (most_width, most_height) = (u64::from(most.0).min(width), u64::from(most.1).min(height));
    let by_width = (most_width, (height * most_width / width).max(1));
    let (width, height) =
        if by_width.1 <= most_height { by_width } else { ((width * most_height / height).max(1), most_height) };
    (u32::try_from(width).unwrap_or(1), u32::try_from(height).unwrap_or(1))
}

/// Bytes that fail to be read once the image is not wanted any more, which ends the decoder.
struct Stoppable<'b> {
    bytes: Cursor<&'b [u8]>,
    stop: &'b CancellationToken,
}

impl Stoppable<'_> {
    fn check(&self) -> io::Result<()> {
        if self.stop.is_cancelled() { Err(io::Error::other("not wanted any more")) } else { Ok(()) }
    }
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.bytes.read(buffer)
    }
}

impl BufRead for Stoppable<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        self.bytes.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Seek for Stoppable<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use ::image::Rgba;
    use ferry_shared::entry::{Kind, Mtime};

    use super::*;
    use crate::tui::state::{
        place::Place,
        preview::{Palette, Subject},
    };

    fn asked(room: (u16, u16)) -> Wanted {
        let subject = Subject {
            place: Place::local("/image"),
            kind: Kind::File,
            leads: false,
            size: 1,
            mtime: Mtime(0, 0),
            reachable: true,
            palette: Palette::None,
            order: None,
        };
        Wanted { subject, room, images: Images::Blocks }
    }

    fn blocks(bytes: &[u8], size: u64) -> Blocks {
        let mut blocks = Blocks::default();
        blocks.insert(0, bytes.to_vec(), size);
        blocks
    }

    fn encoded(image: RgbaImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = DynamicImage::ImageRgba8(image);
        // JPEG has no transparency.
        let image = if format == ImageFormat::Jpeg { DynamicImage::ImageRgb8(image.into_rgb8()) } else { image };
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn of(format: ImageFormat, bytes: &[u8], room: (u16, u16)) -> Content {
        content(format, &blocks(bytes, bytes.len() as u64), &asked(room), &CancellationToken::new())
    }

    fn picture(content: &Content) -> &Picture {
        match &content.body {
            Body::Picture(picture) => picture,
            other => panic!("{other:?}"),
        }
    }

    fn words(content: &Content) -> &str {
        match &content.body {
            Body::Words(words) => &words[0],
            other => panic!("{other:?}"),
        }
    }

    /// Red above, transparent below.
    fn half(width: u32, height: u32) -> RgbaImage {
        RgbaImage::from_fn(width, height, |_, y| Rgba([255, 0, 0, if y * 2 < height { 255 } else { 0 }]))
    }

    #[test]
    fn images_of_every_format_are_scaled_into_their_cells() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp] {
            let content = of(format, &encoded(half(400, 200), format), (40, 30));
            let picture = picture(&content);
            assert_eq!((picture.width, picture.height, picture.pixels.len()), (40, 20, 800), "{format:?}");
            let [r, g, b] = picture.at(20, 2).unwrap();
            assert!(r > 240 && g < 20 && b < 20, "{format:?}");
            assert!(content.facts.ends_with("400 × 200"), "{}", content.facts);
        }
        let content = of(ImageFormat::Png, &encoded(half(400, 200), ImageFormat::Png), (40, 30));
        assert_eq!(picture(&content).at(20, 18), None, "transparent");
    }

    #[test]
    fn a_small_image_is_not_enlarged_and_a_thin_one_is_seen() {
        let content = of(ImageFormat::Png, &encoded(half(3, 2), ImageFormat::Png), (40, 30));
        assert_eq!((picture(&content).width, picture(&content).height), (3, 2));
        let content = of(ImageFormat::Png, &encoded(half(4000, 1), ImageFormat::Png), (40, 30));
        assert_eq!((picture(&content).width, picture(&content).height), (40, 1));
    }

    #[test]
    fn a_huge_image_is_refused_by_its_header() {
        // 30,000 × 30,000 pixels would be 3.6 GB; the file has none of them.
        let mut bytes = encoded(half(2, 2), ImageFormat::Bmp);
        bytes[18..22].copy_from_slice(&30_000u32.to_le_bytes());
        bytes[22..26].copy_from_slice(&30_000u32.to_le_bytes());
        assert!(words(&of(ImageFormat::Bmp, &bytes, (40, 30))).contains("40 megapixels"));
        let mut bytes = encoded(half(2, 2), ImageFormat::Gif);
        bytes[6..10].copy_from_slice(&[0xff; 4]);
        assert!(words(&of(ImageFormat::Gif, &bytes, (40, 30))).contains("40 megapixels"));
    }

    #[test]
    fn a_large_or_damaged_file_is_said_to_be_one() {
        let bytes = encoded(half(20, 20), ImageFormat::Png);
        let large =
            content(ImageFormat::Png, &blocks(&bytes, IMAGE_MAX + 1), &asked((9, 9)), &CancellationToken::new());
        assert!(words(&large).contains("more than 8.0 MiB"), "{large:?}");
        let cut = of(ImageFormat::Png, &bytes[..40], (9, 9));
        assert!(words(&cut).starts_with("the image cannot be shown"), "{cut:?}");
    }

    #[test]
    fn decoding_ends_once_the_image_is_not_wanted() {
        let bytes = encoded(half(20, 20), ImageFormat::Png);
        let stop = CancellationToken::new();
        stop.cancel();
        let content = content(ImageFormat::Png, &blocks(&bytes, bytes.len() as u64), &asked((9, 9)), &stop);
        assert!(words(&content).contains("not wanted"), "{content:?}");
    }

    #[test]
    fn sizes_keep_their_proportions() {
        assert_eq!(fitting((400, 200), (40, 60)), (40, 20));
        assert_eq!(fitting((200, 400), (40, 60)), (30, 60));
        assert_eq!(fitting((1, 100_000), (40, 60)), (1, 60));
        assert_eq!(fitting((0, 0), (40, 60)), (1, 1));
    }
}
