//! Calls about the server's files, in tasks. Long ones have a connection of their own.

use std::time::{Duration, Instant};

use ferry_client::{
    ClientError, SitePath,
    server::{Connector, Remote},
};
use ferry_shared::{
    entry::Kind,
    message::request::{Algorithm, BlockRange},
    path::RemotePath,
    refusal::Code,
};

use tokio::task::{JoinError, JoinSet};

use super::reply::Reply;
use crate::tui::{
    effect::CountFor,
    event::Answer,
    state::{
        dialog::FoundItem, item::Item, listing::Amount, permissions::Change, place::Place, problem::Problem,
        sought::Sought,
    },
    update::FOUND_MOST,
};

/// The interval between reports of a count.
const TOLD: Duration = Duration::from_millis(100);
/// Requests to set permissions that are under way at a time.
const SET_AT_ONCE: usize = 32;

/// The connection to call, and the channel for the answer.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    /// The connection for browsing.
    pub(super) remote: Remote,
    /// The connector for further connections.
    pub(super) connector: Connector,
    /// The channel for the answer.
    pub(super) reply: Reply,
}

type Done = Result<(), ClientError>;

impl Ask {
    /// A separate connection for a long call. Cancelling closes it, which stops the server's work.
    async fn aside(&self) -> Result<Remote, ClientError> {
        Remote::connect(&self.connector).await
    }
}

pub(super) async fn list(ask: Ask, path: RemotePath) -> Done {
    let mut pages = ask.remote.list(path).await?;
    while let Some(page) = pages.next().await {
        let page = page?;
        let items = page.entries.into_iter().map(Item::new).collect();
        ask.reply.send(Answer::Page { items, more: page.more }).await;
    }
    Ok(())
}

pub(super) async fn count(ask: Ask, folder: RemotePath, paths: Vec<RemotePath>, purpose: CountFor) -> Done {
    let remote = ask.aside().await?;
    let (mut amount, mut unreadable, mut left_out, mut told) = (Amount::default(), 0, 0, Instant::now());
    let taken = |kind| purpose == CountFor::Delete || matches!(kind, Kind::File | Kind::Folder);
    for below in paths {
        let Ok(path) = folder.join_path(&below) else { continue };
        let (entry, _) = remote.stat(path.clone()).await?;
        let folder = entry.kind == Kind::Folder;
        amount.count(&Item::new(entry));
        if !folder {
            continue;
        }
        let mut pages = remote.walk(path).await?;
        while let Some(page) = pages.next().await {
            let page = page?;
            unreadable += page.unreadable.len() as u64;
            for entry in page.entries {
                match taken(entry.kind) {
                    true => amount.count(&Item::new(entry)),
                    false => left_out += 1,
                }
            }
            if told.elapsed() > TOLD {
                told = Instant::now();
                ask.reply.send(Answer::Counted { amount, unreadable, left_out, more: true }).await;
            }
        }
    }
    ask.reply.send(Answer::Counted { amount, unreadable, left_out, more: false }).await;
    Ok(())
}

pub(super) async fn read(ask: Ask, path: RemotePath, index: u64) -> Done {
    let mut blocks = ask.remote.read_blocks(path, Some(BlockRange { first: index, count: 1 })).await?;
    let size = blocks.size;
    let mut bytes = Vec::new();
    while let Some(block) = blocks.next().await {
        bytes.extend_from_slice(&block?);
    }
    ask.reply.send(Answer::Block { index, bytes, size }).await;
    Ok(())
}

pub(super) async fn digest(ask: Ask, path: RemotePath) -> Done {
    let digest = ask.aside().await?.hash(path, Algorithm::Blake3).await?;
    ask.reply.send(Answer::Digest(digest)).await;
    Ok(())
}

pub(super) async fn version(ask: Ask, path: RemotePath) -> Done {
    let version = match ask.remote.stat(path).await {
        Ok((entry, version)) => version.map(|version| (version, entry.mode)),
        Err(ClientError::Refused(refusal)) if refusal.code == Code::NotFound => None,
        Err(error) => return Err(error),
    };
    ask.reply.send(Answer::Version(version)).await;
    Ok(())
}

pub(super) async fn search(ask: Ask, folder: RemotePath, sought: Sought) -> Done {
    let remote = ask.aside().await?;
    // The server knows only names; what else is sought is looked at here.
    let most = if sought.is_of_names() { FOUND_MOST as u64 } else { u64::MAX };
    let (mut pages, mut left) = (remote.find(folder, sought.name.clone(), most).await?, FOUND_MOST);
    while let Some(page) = pages.next().await {
        let page = page?;
        let under = page.under;
        let entries = page.entries.into_iter().filter(|entry| sought.fits(entry)).take(left);
        let items: Vec<_> = entries.map(|entry| FoundItem { under: under.clone(), item: Item::new(entry) }).collect();
        left -= items.len();
        let more = page.more && left > 0;
        ask.reply.send(Answer::Found { items, more }).await;
        if !more {
            break;
        }
    }
    Ok(())
}

/// Sets permissions, of many entries at a time.
pub(super) async fn set_modes(
    ask: Ask,
    folder: RemotePath,
    paths: Vec<RemotePath>,
    (change, below): (Change, bool),
) -> Done {
    let remote = ask.aside().await?;
    let mut setting = Setting { remote: remote.clone(), tasks: JoinSet::new(), set: 0, failed: 0, why: None };
    for path in paths {
        let Ok(path) = folder.join_path(&path) else { continue };
        let (entry, _) = remote.stat(path.clone()).await?;
        let is_folder = entry.kind == Kind::Folder;
        if entry.kind != Kind::Symlink {
            setting.begin(path.clone(), change.apply(entry.mode, is_folder, false)).await;
        }
        if !is_folder || !below {
            continue;
        }
        let mut pages = remote.walk(path.clone()).await?;
        while let Some(page) = pages.next().await {
            let page = page?;
            setting.failed += page.unreadable.len() as u64;
            let Ok(under) = path.join_path(&page.under) else { continue };
            for entry in page.entries.iter().filter(|entry| entry.kind != Kind::Symlink) {
                let Ok(path) = under.join(&entry.name) else { continue };
                setting.begin(path, change.apply(entry.mode, entry.kind == Kind::Folder, true)).await;
            }
        }
    }
    while let Some(done) = setting.tasks.join_next().await {
        setting.take(done);
    }
    let Setting { set, failed, why, .. } = setting;
    ask.reply.send(Answer::ModesSet { set, failed, why }).await;
    Ok(())
}

/// Permissions that are being set.
struct Setting {
    remote: Remote,
    tasks: JoinSet<Done>,
    set: u64,
    failed: u64,
    /// The first failure.
    why: Option<Problem>,
}

impl Setting {
    async fn begin(&mut self, path: RemotePath, mode: u32) {
        if self.tasks.len() >= SET_AT_ONCE
            && let Some(done) = self.tasks.join_next().await
        {
            self.take(done);
        }
        let remote = self.remote.clone();
        self.tasks.spawn(async move { remote.set_attributes(path, None, Some(mode)).await });
    }

    fn take(&mut self, done: Result<Done, JoinError>) {
        match done.unwrap_or(Err(ClientError::Cancelled)) {
            Ok(()) => self.set += 1,
            Err(error) => {
                self.failed += 1;
                self.why.get_or_insert_with(|| Problem::from(&error));
            }
        }
    }
}

pub(super) async fn make_folder(ask: Ask, path: RemotePath) -> Done {
    match ask.remote.make_dir(path.clone(), false).await {
        Err(ClientError::Refused(refusal)) if refusal.code == Code::NotFound => ask.remote.make_dir(path, true).await?,
        made => made?,
    }
    ask.reply.send(Answer::Done).await;
    Ok(())
}

pub(super) async fn make_link(ask: Ask, path: RemotePath, text: Vec<u8>) -> Done {
    ask.remote.make_link(path, text).await?;
    ask.reply.send(Answer::Done).await;
    Ok(())
}

/// Makes the folder of a target, where it is missing. Returns whether it was made, so that the call is to be made again.
///
/// # Errors
/// The call's, for any other reason, and the server's.
async fn lacks_folder<T>(remote: &Remote, done: Result<T, ClientError>, to: &RemotePath) -> Result<bool, ClientError> {
    match (done, to.parent().filter(|parent| !parent.is_home())) {
        (Err(ClientError::Refused(refusal)), Some(parent)) if refusal.code == Code::NotFound => {
            remote.make_dir(parent, true).await?;
            Ok(true)
        }
        (done, _) => done.map(|_| false),
    }
}

pub(super) async fn rename(ask: Ask, steps: Vec<(Place, Place)>) -> Done {
    for step in steps {
        if let (SitePath::Remote(from), SitePath::Remote(to)) = (step.0.path, step.1.path) {
            let renamed = ask.remote.rename(from.clone(), to.clone(), false).await;
            if lacks_folder(&ask.remote, renamed, &to).await? {
                ask.remote.rename(from, to, false).await?;
            }
        }
    }
    ask.reply.send(Answer::Done).await;
    Ok(())
}

pub(super) async fn copy(ask: Ask, steps: Vec<(Place, Place)>) -> Done {
    let remote = ask.aside().await?;
    for (from, to) in steps {
        if let (SitePath::Remote(from), SitePath::Remote(to)) = (from.path, to.path) {
            let copied = remote.copy(from.clone(), to.clone(), false).await;
            if lacks_folder(&remote, copied, &to).await? {
                remote.copy(from, to, false).await?;
            }
        }
    }
    ask.reply.send(Answer::Done).await;
    Ok(())
}

pub(super) async fn remove(ask: Ask, folder: RemotePath, what: Vec<(RemotePath, bool)>) -> Done {
    let remote = ask.aside().await?;
    let mut amount = Amount::default();
    for (below, recursive) in what {
        let Ok(path) = folder.join_path(&below) else { continue };
        let removed = remote.remove(path, recursive).await?;
        amount.files = amount.files.saturating_add(removed.files);
        amount.folders = amount.folders.saturating_add(removed.dirs);
        amount.bytes = amount.bytes.saturating_add(removed.bytes);
        ask.reply.send(Answer::Gone(below)).await;
    }
    ask.reply.send(Answer::Removed(amount)).await;
    Ok(())
}

pub(super) async fn uploads(ask: Ask) -> Done {
    let uploads = ask.remote.uploads().await?;
    ask.reply.send(Answer::Uploads(uploads)).await;
    Ok(())
}
