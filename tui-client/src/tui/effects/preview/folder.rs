//! The preview of a folder: its first entries, in the order of the pane.

use ferry_client::ClientError;
use ferry_shared::{entry::Kind, path::RemotePath};

use super::super::remote::Ask;
use crate::{
    human,
    tui::state::{
        item::Item,
        preview::{Body, Content, List, Row, Subject},
    },
};

/// Entries that are read of a folder; the others are not listed.
pub(super) const ENTRIES: usize = 1000;

/// The first entries of a folder on a server. The rest of the listing is not waited for.
pub(super) async fn remote(ask: &Ask, path: RemotePath, subject: &Subject) -> Result<Content, ClientError> {
    let mut pages = ask.remote.list(path).await?;
    let (mut items, mut more) = (Vec::new(), false);
    while let Some(page) = pages.next().await {
        let page = page?;
        more = page.more;
        items.extend(page.entries.into_iter().map(Item::new));
        if items.len() >= ENTRIES {
            break;
        }
    }
    Ok(content(items, more, subject))
}

/// The preview of a folder with these entries, and others if so.
pub(super) fn content(mut items: Vec<Item>, more: bool, subject: &Subject) -> Content {
    let (sort, hidden) = subject.order.unwrap_or_default();
    let count = items.len() as u64;
    items.retain(|item| hidden || !item.is_hidden());
    items.sort_by(|a, b| sort.compare(a, b));
    let left_out = count - items.len() as u64;
    let rest = match (more, left_out) {
        (true, _) => Some(format!("and more than these {}", human::count(count, "entry", "entries"))),
        (false, 0) => None,
        (false, hidden) => Some(format!("{hidden} hidden")),
    };
    let at_least = if more { "more than " } else { "" };
    let facts = format!("{at_least}{}", human::count(count, "entry", "entries"));
    Content { facts, body: Body::List(List { rows: items.iter().map(row).collect(), rest }) }
}

fn row(item: &Item) -> Row {
    let entry = &item.entry;
    let size = (entry.kind == Kind::File).then_some(entry.size);
    Row { name: entry.name.display().to_string(), kind: entry.kind, size }
}
