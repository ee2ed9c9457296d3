//! What an upload's folder meets on the server; the folder is made where it is missing.

use std::collections::HashMap;

use ferry_shared::{
    message::{Reply, Request},
    path::RemotePath,
    refusal::{Code, Refusal},
};

use super::{link, outlive, remote::ask};
use crate::{
    error::ClientError,
    reconnect::Backoff,
    transfer::{
        conflict::FileFacts,
        core::{Core, Shared},
        link::{Incoming, Link, out_of_step},
        local::folder::Found,
        task::Task,
    },
};

/// What is on the server, by its path's bytes.
pub(super) type Existing = HashMap<Box<[u8]>, Found>;

/// More than so many entries are not remembered: each upload then finds out for itself.
const MOST_REMEMBERED: usize = 1_000_000;

/// What an upload's folder meets on the server.
pub(super) struct Prepared {
    /// Whether the folder was there before.
    pub(super) there: bool,
    /// What is in it, unless that is too much to remember.
    pub(super) existing: Option<Existing>,
}

/// Makes an upload's folder, unless it is there.
pub(super) async fn prepare(core: &Shared, task: &Task, to: &RemotePath) -> Result<Prepared, ClientError> {
    let mut backoff = Backoff::new(core.patience);
    loop {
        match prepare_over(core, link(core).await?, task, to).await {
            Err(error) => outlive(&mut backoff, error).await?,
            prepared => return prepared,
        }
    }
}

async fn prepare_over(core: &Shared, mut link: Link, task: &Task, to: &RemotePath) -> Result<Prepared, ClientError> {
    let nothing = || Prepared { there: false, existing: None };
    if !task.options.dry_run && !to.is_home() {
        let mut made = ask(core, &mut link, &Request::MakeDir { path: to.clone(), parents: false }).await?;
        let missing = matches!(&made, Reply::Refused(refusal) if refusal.code == Code::NotFound);
        if missing && task.options.parents {
            made = ask(core, &mut link, &Request::MakeDir { path: to.clone(), parents: true }).await?;
        }
        match made {
            Reply::Done => {
                core.links.put(link);
                return Ok(nothing());
            }
            Reply::Refused(refusal) if refusal.code == Code::Exists => {}
            Reply::Refused(refusal) => {
                core.links.put(link);
                return Err(refusal.into());
            }
            other => return Err(out_of_step(&Incoming::Reply(other))),
        }
    }
    let existing = walk_existing(core, &mut link, to).await?;
    core.links.put(link);
    match existing {
        Ok(existing) => Ok(Prepared { there: true, existing }),
        Err(refusal) if task.options.dry_run && refusal.code == Code::NotFound => Ok(nothing()),
        Err(refusal) => Err(refusal.into()),
    }
}

async fn walk_existing(
    core: &Core,
    link: &mut Link,
    to: &RemotePath,
) -> Result<Result<Option<Existing>, Refusal>, ClientError> {
    let mut existing = Existing::new();
    core.request(link, &Request::Walk { path: to.clone() }).await?;
    loop {
        let page = match core.answer(link).await? {
            Incoming::Reply(Reply::Entries(page)) => page,
            Incoming::Reply(Reply::Refused(refusal)) => return Ok(Err(refusal)),
            other => return Err(out_of_step(&other)),
        };
        for entry in page.entries {
            let path = to.join_path(&page.under).and_then(|folder| folder.join(&entry.name));
            if let Ok(path) = path
                && existing.len() <= MOST_REMEMBERED
            {
                let facts = FileFacts { size: entry.size, mtime: entry.mtime };
                existing.insert(path.as_bytes().into(), Found { kind: entry.kind, facts, identity: None });
            }
        }
        if !page.more {
            return Ok(Ok((existing.len() <= MOST_REMEMBERED).then_some(existing)));
        }
    }
}
