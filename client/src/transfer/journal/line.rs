//! A line of the journal, and how orders are written in it.

use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ferry_shared::path::RemotePath;
use serde::{Deserialize, Serialize};

use super::{Order, Piece, Place};
use crate::{
    connect::{Protocol, Target},
    site::SitePath,
    site_key::SiteKey,
    transfer::conflict::ConflictRule,
};

/// The version of the format. It is raised when older programs would misread new lines.
///
/// 1: one server for the whole order, in `user`, `host` and `port`. 2: a site for each end. 3: SFTP servers.
/// 4: pieces further below their folder.
pub(super) const VERSION: u64 = 4;

/// A line. Missing fields get the safe default: ask, and keep the source.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// The version of the lines that follow; always the first line.
    Version(u64),
    /// An order.
    Add(Box<Add>),
    /// An order is done or no longer wanted.
    Settled { key: u64 },
    /// A piece of an order is done.
    Through {
        key: u64,
        #[serde(rename = "name")]
        path: RemotePath,
    },
}

/// An order, in its written form.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Add {
    pub(super) key: u64,
    /// Version 1 only: the server of each end that is not local.
    #[serde(flatten, default, skip_serializing)]
    server: Option<Account>,
    from: End,
    to: End,
    what: Vec<What>,
    #[serde(default)]
    moves: bool,
    #[serde(default)]
    rule: Rule,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    follow: Option<bool>,
}

/// An account on a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    user: String,
    host: String,
    port: u16,
}

/// A folder, in its written form. Local paths are written as text if they are valid UTF-8, otherwise as Base64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Local(String),
    LocalBytes(String),
    /// Version 1 only: on the order's server.
    Remote(RemotePath),
    Ferry {
        #[serde(flatten)]
        account: Account,
        path: RemotePath,
    },
    Sftp {
        #[serde(flatten)]
        account: Account,
        path: RemotePath,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct What {
    #[serde(rename = "name")]
    path: RemotePath,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    becomes: Option<RemotePath>,
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
            path: piece.path.clone(),
            becomes: Some(piece.becomes.clone()).filter(|becomes| *becomes != piece.path),
            folder: piece.folder,
        };
        Self::Add(Box::new(Add {
            key,
            server: None,
            from: (&order.from).into(),
            to: (&order.to).into(),
            what: order.what.iter().map(piece).collect(),
            moves: order.moves,
            rule: order.rule.into(),
            follow: order.follow,
        }))
    }
}

impl TryFrom<Box<Add>> for Order {
    type Error = NoServer;

    fn try_from(add: Box<Add>) -> Result<Self, NoServer> {
        let Add { server, from, to, what, moves, rule, follow, .. } = *add;
        let piece = |What { path, becomes, folder }| Piece {
            becomes: becomes.unwrap_or_else(|| RemotePath::clone(&path)),
            path,
            folder,
        };
        Ok(Self {
            from: from.place(server.as_ref())?,
            to: to.place(server.as_ref())?,
            // A piece without a name would be the whole folder.
            what: what.into_iter().map(piece).filter(|piece| !piece.path.is_home()).collect(),
            moves,
            rule: rule.into(),
            follow,
        })
    }
}

/// An order of the first version that names no server.
#[derive(Debug)]
pub(super) struct NoServer;

impl From<&Place> for End {
    fn from(place: &Place) -> Self {
        match (&place.site, &place.path) {
            (SiteKey::Server(Target { protocol, user, host, port }), SitePath::Remote(path)) => {
                let account = Account { user: user.clone(), host: host.clone(), port: *port };
                let path = path.clone();
                match protocol {
                    Protocol::Ferry => Self::Ferry { account, path },
                    Protocol::Sftp => Self::Sftp { account, path },
                }
            }
            (SiteKey::Local, SitePath::Remote(path)) => Self::Remote(path.clone()),
            (_, SitePath::Local(path)) => match path.to_str() {
                Some(text) => Self::Local(text.to_owned()),
                None => Self::LocalBytes(BASE64_STANDARD.encode(path.as_os_str().as_encoded_bytes())),
            },
        }
    }
}

impl End {
    fn place(self, server: Option<&Account>) -> Result<Place, NoServer> {
        let ferry = |Account { user, host, port }: Account| SiteKey::Server(Target::ferry(user, host, port));
        let sftp = |Account { user, host, port }: Account| SiteKey::Server(Target::sftp(user, host, port));
        let local = |path: PathBuf| Place { site: SiteKey::Local, path: path.into() };
        Ok(match self {
            Self::Local(text) => local(text.into()),
            Self::LocalBytes(text) => local(path_of(BASE64_STANDARD.decode(text).unwrap_or_default())),
            Self::Remote(path) => Place { site: server.cloned().map(ferry).ok_or(NoServer)?, path: path.into() },
            Self::Ferry { account, path } => Place { site: ferry(account), path: path.into() },
            Self::Sftp { account, path } => Place { site: sftp(account), path: path.into() },
        })
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
        let place = Place { site: SiteKey::Local, path: path_of(b"/a/\xff\xfe".to_vec()).into() };
        let json = serde_json::to_string(&End::from(&place)).unwrap();
        assert_eq!(serde_json::from_str::<End>(&json).unwrap().place(None).unwrap(), place);
    }

    #[test]
    fn lines_written_today_can_be_read_tomorrow() {
        let line = concat!(
            r#"{"add":{"key":7,"from":{"local":"/x"},"to":{"ferry":{"user":"al","host":"h","port":1,"path":"y"}},"#,
            r#""what":[{"name":"n","folder":false}],"moves":false,"rule":"keep_both","follow":true}}"#
        );
        let Line::Add(add) = serde_json::from_str(line).unwrap() else { panic!() };
        let key = add.key;
        let order = Order::try_from(add).unwrap();
        assert_eq!((key, order.rule, order.what[0].becomes.as_bytes()), (7, ConflictRule::KeepBoth, &b"n"[..]));
        assert_eq!(serde_json::to_string(&Line::add(7, &order)).unwrap(), line);
    }

    #[test]
    fn a_line_that_lacks_a_field_asks_and_keeps_the_source() {
        let line =
            r#"{"add":{"key":7,"user":"al","host":"h","port":1,"from":{"local":"/x"},"to":{"remote":"y"},"what":[]}}"#;
        let Line::Add(add) = serde_json::from_str(line).unwrap() else { panic!() };
        let order = Order::try_from(add).unwrap();
        assert_eq!((order.rule, order.moves, order.follow), (ConflictRule::Ask, false, None));
    }

    #[test]
    fn an_order_of_the_first_version_without_its_server_is_refused() {
        let line = r#"{"add":{"key":7,"from":{"local":"/x"},"to":{"remote":"y"},"what":[]}}"#;
        let Line::Add(add) = serde_json::from_str(line).unwrap() else { panic!() };
        assert!(Order::try_from(add).is_err());
    }
}
