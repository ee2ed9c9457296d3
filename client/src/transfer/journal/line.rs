//! A line of the journal, and how orders are written in it.

use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ferry_shared::{name::Name, path::RemotePath};
use serde::{Deserialize, Serialize};

use super::{Order, Piece, Side};
use crate::{connect::Target, transfer::conflict::ConflictRule};

/// The version of the lines below: higher when a program of today would misread them.
pub(super) const VERSION: u64 = 1;

/// A line. A field that is missing means that it is not known, and that ferry looks again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// What wrote the lines that follow; always the first one.
    Version(u64),
    /// An order.
    Add(Box<Add>),
    /// An order is through.
    Settled { key: u64 },
    /// A piece of an order is through.
    Through { key: u64, name: Name },
}

/// An order as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Add {
    pub(super) key: u64,
    user: String,
    host: String,
    port: u16,
    from: End,
    to: End,
    what: Vec<What>,
    #[serde(default)]
    moves: bool,
    #[serde(default)]
    rule: Rule,
}

/// A folder as it is written. Local paths are text where they can be, else their bytes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Local(String),
    LocalBytes(String),
    Remote(RemotePath),
}

#[derive(Debug, Serialize, Deserialize)]
struct What {
    name: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    becomes: Option<Name>,
    folder: bool,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    #[default]
    Ask,
    Skip,
    Replace,
    Newer,
    Different,
    Changed,
    KeepBoth,
    Fail,
}

impl Line {
    pub(super) fn add(key: u64, order: &Order) -> Self {
        let piece = |piece: &Piece| What {
            name: piece.name.clone(),
            becomes: Some(piece.becomes.clone()).filter(|becomes| *becomes != piece.name),
            folder: piece.folder,
        };
        let Target { user, host, port } = order.server.clone();
        Self::Add(Box::new(Add {
            key,
            user,
            host,
            port,
            from: (&order.from).into(),
            to: (&order.to).into(),
            what: order.what.iter().map(piece).collect(),
            moves: order.moves,
            rule: order.rule.into(),
        }))
    }
}

impl From<Box<Add>> for Order {
    fn from(add: Box<Add>) -> Self {
        let Add { user, host, port, from, to, what, moves, rule, .. } = *add;
        let piece = |What { name, becomes, folder }| Piece {
            becomes: becomes.unwrap_or_else(|| Name::clone(&name)),
            name,
            folder,
        };
        Self {
            server: Target { user, host, port },
            from: from.into(),
            to: to.into(),
            what: what.into_iter().map(piece).collect(),
            moves,
            rule: rule.into(),
        }
    }
}

impl From<&Side> for End {
    fn from(side: &Side) -> Self {
        match side {
            Side::Remote(path) => Self::Remote(path.clone()),
            Side::Local(path) => match path.to_str() {
                Some(text) => Self::Local(text.to_owned()),
                None => Self::LocalBytes(BASE64_STANDARD.encode(path.as_os_str().as_encoded_bytes())),
            },
        }
    }
}

impl From<End> for Side {
    fn from(end: End) -> Self {
        match end {
            End::Remote(path) => Self::Remote(path),
            End::Local(text) => Self::Local(text.into()),
            End::LocalBytes(text) => Self::Local(path_of(BASE64_STANDARD.decode(text).unwrap_or_default())),
        }
    }
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    let text: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(bytes);
    text.into()
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

impl From<ConflictRule> for Rule {
    fn from(rule: ConflictRule) -> Self {
        match rule {
            ConflictRule::Ask => Self::Ask,
            ConflictRule::Skip => Self::Skip,
            ConflictRule::Replace => Self::Replace,
            ConflictRule::Newer => Self::Newer,
            ConflictRule::Different => Self::Different,
            ConflictRule::Changed => Self::Changed,
            ConflictRule::KeepBoth => Self::KeepBoth,
            ConflictRule::Fail => Self::Fail,
        }
    }
}

impl From<Rule> for ConflictRule {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Ask => Self::Ask,
            Rule::Skip => Self::Skip,
            Rule::Replace => Self::Replace,
            Rule::Newer => Self::Newer,
            Rule::Different => Self::Different,
            Rule::Changed => Self::Changed,
            Rule::KeepBoth => Self::KeepBoth,
            Rule::Fail => Self::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn paths_that_are_no_text_come_back_whole() {
        let side = Side::Local(path_of(b"/a/\xff\xfe".to_vec()));
        let json = serde_json::to_string(&End::from(&side)).unwrap();
        assert_eq!(Side::from(serde_json::from_str::<End>(&json).unwrap()), side);
    }

    #[test]
    fn lines_written_today_can_be_read_tomorrow() {
        let line = r#"{"add":{"key":7,"user":"al","host":"h","port":1,"from":{"local":"/x"},"to":{"remote":"y"},"what":[{"name":"n","folder":false}],"moves":false,"rule":"keep_both"}}"#;
        let Line::Add(add) = serde_json::from_str(line).unwrap() else { panic!() };
        let key = add.key;
        let order = Order::from(add);
        assert_eq!((key, order.rule, order.what[0].becomes.as_bytes()), (7, ConflictRule::KeepBoth, &b"n"[..]));
        assert_eq!(serde_json::to_string(&Line::add(7, &order)).unwrap(), line);
    }

    #[test]
    fn a_line_that_lacks_a_field_asks_and_keeps_the_source() {
        let line =
            r#"{"add":{"key":7,"user":"al","host":"h","port":1,"from":{"local":"/x"},"to":{"remote":"y"},"what":[]}}"#;
        let Line::Add(add) = serde_json::from_str(line).unwrap() else { panic!() };
        let order = Order::from(add);
        assert_eq!((order.rule, order.moves), (ConflictRule::Ask, false));
    }
}
