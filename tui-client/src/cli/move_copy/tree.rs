//! Moves or copies a folder on the server file by file, because of a filter or an existing target folder.

use ferry_client::{ClientError, transfer::LinkRule};
use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
    refusal::{Code, Refusal},
};

use super::{MoveCopy, Way, conflict::Ended};
use crate::{
    cli::listing::{self, Listed},
    exit::{Exit, Looking},
    failure::Failure,
};

impl MoveCopy<'_> {
    /// Moves or copies the files of the folder `from` that the filter selects to the folder `to`. A new folder `to`
    /// gets the date and the permission bits of `top`.
    pub(super) async fn tree(
        &mut self,
        from: &RemotePath,
        top: Option<&Entry>,
        to: &RemotePath,
    ) -> Result<(), Failure> {
        if to.starts_with(from) {
            let refusal = Refusal::new(Code::BadPath, format!("{} is inside {}", to.display(), from.display()));
            return self.count(Err(Failure::remote(from, Looking::File, refusal.into())));
        }
        let listed = match self.walk(from).await {
            Ok(listed) => listed,
            Err(failure) => return self.count(Err(failure)),
        };
        if !listing::tell_unreadable(&self.context.output, from, &listed.unreadable) {
            self.tally.fail(Exit::Partial);
        }
        let mut fresh = Vec::new();
        for (under, entries) in &listed.folders {
            let (source, target) = (from.join_path(under)?, to.join_path(under)?);
            let receives = entries.iter().any(|entry| entry.kind != Kind::Folder);
            if !self.dry_run && (receives || !self.filter.includes()) {
                match self.make(&target).await {
                    Ok(made) => fresh.extend(made.then(|| (under.clone(), target.clone()))),
                    Err(error) => {
                        self.count(Err(Failure::remote(&target, Looking::Folder, error)))?;
                        continue;
                    }
                }
            }
            for entry in entries.iter().filter(|entry| entry.kind != Kind::Folder) {
                let (from, to) = (source.join(&entry.name)?, target.join(&entry.name)?);
                if self.way == Way::Copy && !self.copies(entry) {
                    self.left_out(&from, entry)?;
                    continue;
                }
                let ended = match self.dry_run {
                    true => Ok(Ended::Done(to)),
                    false => self.one(self.rule, &from, entry, &to).await,
                };
                self.ended(&from, ended)?;
            }
        }
        self.attributes(&listed, top, fresh).await?;
        if self.way == Way::Move && !self.dry_run { self.remove_emptied(from, &listed).await } else { Ok(()) }
    }

    /// Reports the entries that the server left out when it copied a whole folder, and copies the targets of links.
    pub(super) async fn links_of(&mut self, from: &RemotePath, to: &RemotePath) -> Result<(), Failure> {
        let listed = match self.walk(from).await {
            Ok(listed) => listed,
            Err(failure) => return self.count(Err(failure)),
        };
        for (under, entries) in &listed.folders {
            for entry in entries.iter().filter(|entry| matches!(entry.kind, Kind::Symlink | Kind::Other)) {
                let path = from.join_path(under)?.join(&entry.name)?;
                if !self.copies(entry) {
                    self.left_out(&path, entry)?;
                    continue;
                }
                let target = to.join_path(under)?.join(&entry.name)?;
                let ended = match self.dry_run {
                    true => Ok(Ended::Done(target)),
                    false => self.one(self.rule, &path, entry, &target).await,
                };
                self.ended(&path, ended)?;
            }
        }
        Ok(())
    }

    async fn walk(&self, from: &RemotePath) -> Result<Listed, Failure> {
        let pages = self.remote.walk(from.clone()).await.map_err(|error| listing::about_folder(from, error))?;
        listing::collect(pages, from, &self.filter).await
    }

    /// Whether the entry can be copied: the server follows a link to a file in the home.
    fn copies(&self, entry: &Entry) -> bool {
        entry.kind == Kind::File || (entry.kind == Kind::Symlink && self.links == LinkRule::Follow)
    }

    /// Creates a folder and its missing parents; returns whether it is new.
    async fn make(&self, path: &RemotePath) -> Result<bool, ClientError> {
        match self.remote.make_dir(path.clone(), false).await {
            Ok(()) => Ok(true),
            Err(ClientError::Refused(refusal)) if matches!(refusal.code, Code::Exists | Code::NotFound) => {
                self.remote.make_dir(path.clone(), true).await.map(|()| false)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives the new folders the date and the permission bits of their sources.
    async fn attributes(
        &mut self,
        listed: &Listed,
        top: Option<&Entry>,
        fresh: Vec<(RemotePath, RemotePath)>,
    ) -> Result<(), Failure> {
        for (under, target) in fresh.into_iter().rev() {
            let parent = under.parent().and_then(|parent| listed.folders.iter().find(|(folder, _)| *folder == parent));
            let name = under.name();
            let entry = match parent {
                Some((_, entries)) => entries.iter().find(|entry| Some(&entry.name) == name.as_ref()),
                None => top,
            };
            let Some(entry) = entry else { continue };
            let set = self.remote.set_attributes(target.clone(), Some(entry.mtime), Some(entry.mode)).await;
            if let Err(error) = set {
                self.count(Err(Failure::remote(&target, Looking::Folder, error)))?;
            }
        }
        Ok(())
    }

    /// Removes empty folders. A folder in which a conflict kept a file stays.
    async fn remove_emptied(&mut self, from: &RemotePath, listed: &Listed) -> Result<(), Failure> {
        for folder in listed.emptied(&self.filter) {
            let path = from.join_path(&folder)?;
            match self.remote.remove(path.clone(), false).await {
                Ok(_) => {}
                Err(ClientError::Refused(refusal)) if refusal.code == Code::NotEmpty => {}
                Err(error) => self.count(Err(Failure::remote(&path, Looking::Folder, error)))?,
            }
        }
        Ok(())
    }
}
