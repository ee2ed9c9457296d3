//! The preview of an archive: the names and sizes of its first entries. Nothing is extracted.

mod tarball;
mod zip;

use ferry_shared::{entry::Kind, name::Escaped};

pub(super) use self::{
    tarball::{TAR_MAX, content as tar},
    zip::{content as zip, wanted},
};
use crate::{
    human,
    tui::state::preview::{Body, Content, List, Row},
};

/// Entries that are listed of an archive.
const ENTRIES: usize = 1000;

/// An entry of an archive; a name that ends with a slash is a folder's.
fn row(name: &[u8], kind: Kind, size: u64) -> Row {
    let (name, kind) = name.strip_suffix(b"/").map_or((name, kind), |name| (name, Kind::Folder));
    Row { name: Escaped(name).to_string(), kind, size: (kind == Kind::File).then_some(size) }
}

/// The preview of an archive of this format with these first entries, and with so many in all if that is known.
fn listing(format: &str, rows: Vec<Row>, all: Option<u64>, rest: Option<String>) -> Content {
    let facts = match all {
        Some(all) => format!("{format}, {}", human::count(all, "entry", "entries")),
        None => format!("{format}, {} or more", human::count(rows.len() as u64, "entry", "entries")),
    };
    Content { facts, body: Body::List(List { rows, rest }) }
}
