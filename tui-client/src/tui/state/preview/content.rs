//! The content of a preview: plain data, small, with everything from files escaped.

use ferry_shared::entry::Kind;
use ratatui_core::buffer::{Buffer, Cell};

/// The content of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// The kind of content, for the title: `Rust`, `PNG, 1920 × 1080`.
    pub(crate) facts: String,
    /// The rest of the preview.
    pub(crate) body: Body,
}

/// The lines, rows or pixels of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// Sentences about what it is, or why it is not shown.
    Words(Vec<String>),
    /// The first lines of a text.
    Text(Vec<Vec<Span>>),
    /// The first bytes of a file that is no text.
    Hex(Vec<u8>),
    /// The entries of a folder or an archive.
    List(List),
    /// An image.
    Picture(Picture),
}

/// A piece of a line in one style. It has no control characters and no tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// The text.
    pub(crate) text: String,
    /// Its colour.
    pub(crate) ink: Ink,
    /// It stands out.
    pub(crate) bold: bool,
    /// It stands back.
    pub(crate) dim: bool,
}

/// The colour of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// That of plain text.
    Plain,
    /// One of the terminal's own sixteen, 0 to 15.
    Own(u8),
    /// An exact colour: red, green, blue.
    Exact(u8, u8, u8),
}

/// The first entries of a folder or an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    /// The entries.
    pub(crate) rows: Vec<Row>,
    /// The line below them, if not all of them are listed.
    pub(crate) rest: Option<String>,
}

/// An entry of a folder or an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its name in a folder, or its path in an archive, escaped.
    pub(crate) name: String,
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its size in bytes; only files have one.
    pub(crate) size: Option<u64>,
}

/// An image in few pixels: one column and two rows of them for each cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    /// The columns and lines of the screen that it was made for.
    pub(crate) room: (u16, u16),
    /// Columns of pixels.
    pub(crate) width: u16,
    /// Rows of pixels.
    pub(crate) height: u16,
    /// Red, green and blue of each pixel, row by row; `None` where the image is transparent.
    pub(crate) pixels: Vec<Option<[u8; 3]>>,
    /// The same image in the terminal's own graphics, where it has them.
    pub(crate) graphics: Option<Box<Buffer>>,
}

impl Content {
    /// A preview that says something in words.
    pub(crate) fn words(facts: &str, words: impl Into<String>) -> Self {
        Self { facts: facts.to_owned(), body: Body::Words(vec![words.into()]) }
    }

    /// Whether it can be shown in so many columns and lines as it is.
    pub(crate) fn fits(&self, room: (u16, u16)) -> bool {
        match &self.body {
            Body::Picture(picture) => picture.room == room,
            Body::Words(_) | Body::Text(_) | Body::Hex(_) | Body::List(_) => true,
        }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn cost(&self) -> usize {
        let body = match &self.body {
            Body::Words(lines) => lines.iter().map(String::len).sum(),
            Body::Text(lines) => {
                lines.iter().flatten().map(|span| size_of::<Span>() + span.text.len()).sum::<usize>()
                    + lines.len() * size_of::<Vec<Span>>()
            }
            Body::Hex(bytes) => bytes.len(),
            Body::List(list) => list.rows.iter().map(|row| size_of::<Row>() + row.name.len()).sum(),
            Body::Picture(picture) => {
                let cells = picture.graphics.iter().flat_map(|cells| &cells.content);
                let graphics: usize = cells.map(|cell| size_of::<Cell>() + cell.symbol().len()).sum();
                picture.pixels.len() * size_of::<Option<[u8; 3]>>() + graphics
            }
        };
        size_of::<Self>() + self.facts.len() + body
    }
}

impl Picture {
    /// The pixel at a column and row; `None` outside of the image and where it is transparent.
    pub(crate) fn at(&self, column: u16, row: u16) -> Option<[u8; 3]> {
        if column >= self.width || row >= self.height {
            return None;
        }
        let at = usize::from(row) * usize::from(self.width) + usize::from(column);
        self.pixels.get(at).copied().flatten()
    }
}
