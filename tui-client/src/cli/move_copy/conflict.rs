//! Moves or copies one file on the server, and applies the rule for existing targets.

use ferry_client::{
    ClientError,
    server::Remote,
    transfer::{ConflictRule, Decision, FileFacts, keep_both_name},
};
use ferry_shared::{
    entry::{Entry, Kind},
    message::request::Algorithm,
    name::Name,
    path::RemotePath,
    refusal::{Code, Refusal},
};

use super::{MoveCopy, Way};
use crate::{
    cli::{dry_run, transfer},
    exit::Looking,
    failure::Failure,
};

/// The maximum number of alternative names that are tried.
const MOST_BESIDE: u32 = 1000;

/// The outcome for a source.
pub(super) enum Ended {
    /// Moved or copied.
    Done(RemotePath),
    /// The target already had the same content.
    Equal(RemotePath),
    /// Skipped: the target has the same size and date.
    Unchanged(RemotePath),
    /// Skipped: the target exists.
    Exists(RemotePath),
    /// Skipped: the target is not older.
    NotNewer(RemotePath),
}

impl MoveCopy<'_> {
    /// Moves or copies a file, or a folder as a whole.
    pub(super) async fn one(
        &mut self,
        rule: ConflictRule,
        from: &RemotePath,
        entry: &Entry,
        to: &RemotePath,
    ) -> Result<Ended, Failure> {
        let about = |error| Failure::remote(from, Looking::File, error);
        let done = || Ended::Done(to.clone());
        match rule {
            ConflictRule::Replace => self.call(from, to, true).await.map(|()| done()).map_err(about),
            ConflictRule::Fail => self.call(from, to, false).await.map(|()| done()).map_err(about),
            _ => match self.call(from, to, false).await {
                Ok(()) => Ok(done()),
                Err(ClientError::Refused(refusal)) if refusal.code == Code::Exists => match rule {
                    ConflictRule::Skip => Ok(Ended::Exists(to.clone())),
                    ConflictRule::KeepBoth => self.beside(from, to).await,
                    _ => self.meet(rule, from, entry, to).await,
                },
                Err(error) => Err(about(error)),
            },
        }
    }

    /// Applies the rule to the existing target `to`.
    async fn meet(
        &mut self,
        rule: ConflictRule,
        from: &RemotePath,
        entry: &Entry,
        to: &RemotePath,
    ) -> Result<Ended, Failure> {
        let about = |error| Failure::remote(to, Looking::File, error);
        let (there, _) = self.remote.stat(to.clone()).await.map_err(about)?;
        if there.kind == Kind::Folder {
            return Err(about(Refusal::new(Code::IsDirectory, "a folder of that name already exists").into()));
        }
        match rule {
            ConflictRule::Newer if entry.mtime <= there.mtime => return Ok(Ended::NotNewer(to.clone())),
            ConflictRule::Different if self.way == Way::Copy && self.is_equal(from, entry, to, &there).await? => {
                return Ok(Ended::Equal(to.clone()));
            }
            // A dry run asks no questions.
            ConflictRule::Ask if !self.dry_run => {
                let facts = |entry: &Entry| FileFacts { size: entry.size, mtime: entry.mtime };
                let answer = transfer::ask_about(to, facts(entry), facts(&there)).await.map_err(Failure::from)?;
                if answer.for_all {
                    self.rule = answer.decision.into();
                }
                match answer.decision {
                    Decision::Skip => return Ok(Ended::Exists(to.clone())),
                    Decision::KeepBoth => return self.beside(from, to).await,
                    Decision::Newer if entry.mtime <= there.mtime => return Ok(Ended::NotNewer(to.clone())),
                    Decision::Newer | Decision::Replace => {}
                }
            }
            ConflictRule::Changed if self.way == Way::Copy && looks_the_same(entry, &there) => {
                return Ok(Ended::Unchanged(to.clone()));
            }
            ConflictRule::Newer
            | ConflictRule::Different
            | ConflictRule::Changed
            | ConflictRule::Ask
            | ConflictRule::Replace => {}
            // These were handled before.
            ConflictRule::Fail | ConflictRule::Skip | ConflictRule::KeepBoth => return Ok(Ended::Exists(to.clone())),
        }
        let done = self.call(from, to, true).await;
        done.map(|()| Ended::Done(to.clone())).map_err(|error| Failure::remote(from, Looking::File, error))
    }

    /// Whether two files of the server have the same content; the server reads both.
    async fn is_equal(
        &self,
        from: &RemotePath,
        entry: &Entry,
        to: &RemotePath,
        there: &Entry,
    ) -> Result<bool, Failure> {
        if entry.kind != Kind::File || there.kind != Kind::File || entry.size != there.size {
            return Ok(false);
        }
        let hash = |path: &RemotePath| {
            let (remote, path) = (self.remote.clone(), path.clone());
            async move {
                let digest = remote.hash(path.clone(), Algorithm::Blake3).await;
                digest.map_err(|error| Failure::remote(&path, Looking::File, error))
            }
        };
        Ok(hash(from).await? == hash(to).await?)
    }

    /// Uses the first free alternative name for `to`.
    async fn beside(&self, from: &RemotePath, to: &RemotePath) -> Result<Ended, Failure> {
        let about = |error| Failure::remote(from, Looking::File, error);
        let base: Option<(RemotePath, Name)> = to.parent().zip(to.name());
        for number in 2..=MOST_BESIDE {
            let name = base.as_ref().and_then(|(folder, name)| Some((folder, keep_both_name(name, number)?)));
            let Some((folder, name)) = name else { break };
            let path = folder.join(&name)?;
            match self.call(from, &path, false).await {
                Ok(()) => return Ok(Ended::Done(path)),
                Err(ClientError::Refused(refusal)) if refusal.code == Code::Exists => {}
                Err(error) => return Err(about(error)),
            }
        }
        Err(about(Refusal::new(Code::Exists, "all alternative names are taken").into()))
    }

    /// Sends the request to the server, or, in a dry run, checks whether it would succeed.
    async fn call(&self, from: &RemotePath, to: &RemotePath, replace: bool) -> Result<(), ClientError> {
        if self.dry_run {
            return dry_run::move_copy(&self.remote, from, to, self.way == Way::Copy, replace).await;
        }
        self.way.call(&self.remote, from, to, replace).await
    }
}

impl Way {
    /// Sends the request.
    pub(super) async fn call(
        self,
        remote: &Remote,
        from: &RemotePath,
        to: &RemotePath,
        replace: bool,
    ) -> Result<(), ClientError> {
        let (from, to) = (from.clone(), to.clone());
        match self {
            Self::Move => remote.rename(from, to, replace).await,
            Self::Copy => remote.copy(from, to, replace).await.map(drop),
        }
    }
}

/// Whether two files have the same size and date.
fn looks_the_same(one: &Entry, other: &Entry) -> bool {
    one.kind == Kind::File && other.kind == Kind::File && (one.size, one.mtime) == (other.size, other.mtime)
}
