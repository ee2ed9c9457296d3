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
    files::Error,
    live::Wire,
    outbox::Outbox,
    quota::{Changes, Reservation, Tally},
    storage::{CommitGroup, Draft, FileMeta, Overwrite, Published, Staged, StorageError},
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
    Store(Box<Storing>),
    Refused(Refusal),
}

#[derive(Debug)]
struct Storing {
    put: Put,
    root: Digest,
    staged: Option<Staged>,
    reservation: Reservation,
    published: Option<Published>,
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
        self.members.push(member.map_or_else(|error| Member::Refused(error.into()), Member::Store));
    }

    fn stage(&mut self, arriving: Arriving, size: u64, root: Digest, user: &UserState) -> Result<Box<Storing>, Error> {
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
        let draft: Draft = user.home.draft(bytes, &meta)?;
        self.bytes = self.bytes.saturating_add(size);
        Ok(Box::new(Storing { put, root, staged: Some(Staged::Draft(draft)), reservation, published: None }))
    }

    /// Makes all of them durable and answers them, in order.
    pub(super) fn flush(&mut self, context: &Context, wire: &Wire, out: &mut Outbox) {
        if self.members.is_empty() {
            return;
        }
        let user = &*wire.session.user;
        let mut members = std::mem::take(&mut self.members);
        self.bytes = 0;
        if let Some(mut commits) = self.commits.take() {
            let start = Instant::now();
            let committed = commit(&mut members, &mut commits, user);
            context.figures.flushed(start);
            if let Err(error) = committed {
                let refused = Refusal::from(error);
                members.iter_mut().filter(|member| matches!(member, Member::Store(_))).for_each(|member| {
                    *member = Member::Refused(refused.clone());
                });
            }
        }
        let free = usage::free(user);
        usage::warn(&wire.session, free, out);
        for member in members {
            match member {
                Member::Refused(refused) => {
                    context.count_refusal(&refused, wire);
                    out.reply(&Reply::Refused(refused));
                }
                Member::Store(storing) => {
                    let path = shown(&storing.put.path);
                    let reply = storing.answer(user, free);
                    if let Reply::Stored { root, size, .. } = &reply {
                        context.figures.uploads.one();
                        context.audit.record(wire.who(), Event::Upload { path, size: *size, digest: Some(*root) });
                    }
                    out.reply(&reply);
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

/// Data durable, names changed under the user's lock, names durable.
fn commit(members: &mut [Member], commits: &mut CommitGroup, user: &UserState) -> Result<(), Error> {
    let staged = members.iter_mut().filter_map(|member| match member {
        Member::Store(storing) => storing.staged.as_mut(),
        Member::Refused(_) => None,
    });
    commits.flush_data(staged)?;
    let changes = user.ledger.lock_changes();
    for member in members.iter_mut() {
        if let Member::Store(storing) = member
            && let Err(error) = storing.publish(commits, &changes, user)
        {
            *member = Member::Refused(error.into());
        }
    }
    drop(changes);
    Ok(commits.flush_names()?)
}

impl Storing {
    fn publish(&mut self, commits: &mut CommitGroup, changes: &Changes<'_>, user: &UserState) -> Result<(), Error> {
        let Some(staged) = self.staged.take() else { return Ok(()) };
        let prepared = commits.prepare(&self.put.path, &overwrite(&self.put.if_exists), self.put.parents)?;
        let old = Tally::from(prepared.prospect.old());
        let new = Tally::from(prepared.prospect.new_file(self.put.size.unwrap_or(0)));
        let before = self.reservation.amount();
        changes.settle(&mut self.reservation, old, new)?;
        match commits.publish(staged, prepared) {
            Ok(published) => {
                self.published = Some(published);
                // A part left by an earlier, larger upload of the same path is of no more use.
                if let Err(error) = user.discard(&self.put.path) {
                    tracing::warn!(%error, "cannot discard a part that was overtaken");
                    user.hold_again(changes, &self.put.path);
                }
                Ok(())
            }
            Err(failed) => {
                // Only the folders made on the way stay.
                changes.unsettle(&mut self.reservation, before, old, new);
                changes.add_used(Tally::new(0, failed.folders));
                Err(failed.error.into())
            }
        }
    }

    fn answer(self: Box<Self>, user: &UserState, volume_free: u64) -> Reply {
        let Some(published) = self.published else {
            return Reply::Refused(Error::NotStored.into());
        };
        Reply::Stored {
            root: self.root,
            size: published.size,
            version: published.version,
            usage: usage::with_free(user, volume_free),
        }
    }
}
