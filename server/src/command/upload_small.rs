//! Uploads of one block: checked when their `Commit` comes, answered in groups.
//!
//! A group shares its disk flushes. It ends when the connection has nothing more to hand in,
//! when it is large enough, or when any other request comes, and its answers go out in order.

use std::time::Instant;

use ferry_shared::{
    blocks,
    digest::Digest,
    frame::Payload,
    message::{
        Reply,
        request::{IfExists, Put},
    },
    refusal::Refusal,
};

use crate::{
    audit::event::{Event, shown},
    config::Limits,
    context::Context,
    files::{
        Error, Placed,
        publish::{self, Payment, Ready},
    },
    live::Wire,
    outbox::Outbox,
    quota::Tally,
    storage::{CommitGroup, FileMeta, Overwrite, Staged, StorageError},
    user_state::UserState,
};

use super::usage;

/// A declared upload whose frames are still to come.
#[derive(Debug)]
pub(super) struct Arriving {
    put: Put,
    bytes: Option<Payload>,
}

impl Arriving {
    pub(super) fn new(put: Put) -> Self {
        Self { put, bytes: None }
    }

    /// Takes the one block.
    pub(super) fn block(&mut self, index: u64, bytes: Payload) -> Result<(), &'static str> {
        if index != 0 || self.bytes.is_some() || self.put.size == Some(0) {
            return Err("a block past the end of the upload");
        }
        self.bytes = Some(bytes);
        Ok(())
    }
}

/// What to do when the target exists, in storage's words.
pub(super) fn overwrite(if_exists: &IfExists) -> Overwrite {
    match if_exists {
        IfExists::Refuse => Overwrite::Never,
        IfExists::Replace => Overwrite::Always,
        IfExists::ReplaceVersion(version) => Overwrite::IfVersion(version.clone()),
    }
}

/// One answer of a group, in its place.
#[derive(Debug)]
enum Member {
    Ready(Box<Ready>, Digest),
    Refused(Refusal),
}

/// Small uploads that arrived whole.
#[derive(Debug)]
pub(super) struct Group {
    members: Vec<Member>,
    commits: Option<CommitGroup>,
    bytes: u64,
    most: usize,
    most_bytes: u64,
}

impl Group {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            members: Vec::new(),
            commits: None,
            bytes: 0,
            most: limits.group_commit_files.max(1) as usize,
            most_bytes: limits.group_commit_bytes.0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.members.len() >= self.most || self.bytes >= self.most_bytes
    }

    /// Adds an upload that was refused, so that its answer keeps its place.
    pub(super) fn add_refused(&mut self, refused: Refusal) {
        self.members.push(Member::Refused(refused));
    }

    /// Checks an upload and writes it to staging.
    pub(super) fn add(&mut self, arriving: Arriving, size: u64, root: Digest, user: &UserState) {
        let member = self.stage(arriving, size, root, user);
        self.members.push(member.unwrap_or_else(|error| Member::Refused(error.into())));
    }

    fn stage(&mut self, arriving: Arriving, size: u64, root: Digest, user: &UserState) -> Result<Member, Error> {
        let Arriving { put, bytes } = arriving;
        let bytes = whole(&put, size, bytes.as_deref())?;
        if Digest::of(bytes) != root {
            return Err(Error::Mismatch { reason: "the bytes that arrived have another digest", kept: false });
        }
        let commits = self.commits.get_or_insert_with(|| user.home.commit_group());
        let prospect = commits.prospect(&put.path)?;
        if prospect.kind().is_some() && put.if_exists == IfExists::Refuse {
            return Err(StorageError::Exists(put.path).into());
        }
        let growth = Tally::from(prospect.new_file(size)).growth_from(prospect.old().into());
        let reservation = user.ledger.reserve(growth)?;
        let meta = FileMeta { mtime: put.mtime, mode: put.mode };
        let draft = user.home.draft(bytes, &meta)?;
        self.bytes = self.bytes.saturating_add(size);
        let Put { path, if_exists, parents, .. } = put;
        let ready = Ready {
            staged: Staged::Draft(draft),
            target: path,
            size,
            overwrite: overwrite(&if_exists),
            parents,
            payment: Payment::Upload(reservation),
        };
        Ok(Member::Ready(Box::new(ready), root))
    }

    /// Makes all of them durable and answers them, in order.
    pub(super) fn flush(&mut self, context: &Context, wire: &Wire, out: &mut Outbox) {
        if self.members.is_empty() {
            return;
        }
        let user = &*wire.session.user;
        self.bytes = 0;
        let (mut ready, mut answers) = (Vec::new(), Vec::new());
        for member in std::mem::take(&mut self.members) {
            answers.push(match member {
                Member::Ready(file, root) => {
                    let path = shown(&file.target);
                    ready.push(*file);
                    Ok((path, root))
                }
                Member::Refused(refused) => Err(refused),
            });
        }
        let mut placed = match self.commits.take() {
            Some(mut commits) => {
                let start = Instant::now();
                let placed = publish::publish(user, &mut commits, ready);
                context.figures.flushed(start);
                placed.map(Vec::into_iter).map_err(Refusal::from)
            }
            None => Ok(Vec::new().into_iter()),
        };
        let free = usage::free(user);
        usage::warn(&wire.session, free, out);
        for answer in answers {
            let stored = answer.and_then(|(path, root)| {
                let placed = placed.as_mut().map_err(|refused| refused.clone())?;
                Ok((path, root, placed.next().unwrap_or(Err(Error::NotStored))?))
            });
            match stored {
                Ok((path, root, Placed { size, version, .. })) => {
                    context.figures.uploads.one();
                    context.audit.record(wire.who(), Event::Upload { path, size, digest: Some(root) });
                    out.reply(&Reply::Stored { root, size, version, usage: usage::with_free(user, free) });
                }
                Err(refused) => {
                    context.count_refusal(&refused, wire);
                    out.reply(&Reply::Refused(refused));
                }
            }
        }
    }
}

/// The bytes of an upload, if they are what was declared.
fn whole<'a>(put: &Put, size: u64, bytes: Option<&'a [u8]>) -> Result<&'a [u8], Error> {
    let cut = || Error::Mismatch { reason: "the size is not the declared one", kept: false };
    let length = usize::try_from(size).map_err(|_| cut())?;
    let bytes = match bytes {
        Some([]) => blocks::zeros(length),
        Some(bytes) => bytes,
        None => &[],
    };
    if put.size == Some(size) && bytes.len() == length { Ok(bytes) } else { Err(cut()) }
}
