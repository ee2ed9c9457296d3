//! The listing of a folder, in the disk's order and in packets of moderate size.

use std::{
    collections::VecDeque,
    time::{SystemTime, UNIX_EPOCH},
};

use ferry_shared::{
    entry::Entry,
    name::Name,
    path::RemotePath,
    sftp::{Attributes, NameReply, TooLong, long_name},
};

use super::{attributes, status::Failure};
use crate::files::{Error, Files, Page, Step, Work};

/// Bytes of names in one reply; old clients accept no more than 34,000.
const REPLY: usize = 32_000;

/// A folder that is being listed.
#[derive(Debug)]
pub(super) struct Listing {
    path: RemotePath,
    work: Option<Box<dyn Work<Item = Page>>>,
    entries: VecDeque<Entry>,
    /// Entries that are not those of files on the disk: the folder itself and its parent, and unfinished uploads.
    others: VecDeque<(Vec<u8>, Attributes)>,
    user: String,
}

impl Listing {
    pub(super) fn open(files: &Files, path: RemotePath, user: String) -> Result<Self, Error> {
        let work = files.list(&path)?;
        let above = path.parent().unwrap_or_default();
        let mut others = VecDeque::new();
        for (name, folder) in [(&b"."[..], &path), (b"..", &above)] {
            let (entry, _) = files.stat_through(folder)?;
            others.push_back((name.to_vec(), attributes::of_entry(&entry)));
        }
        Ok(Self { path, work: Some(work), entries: VecDeque::new(), others, user })
    }

    /// The folder.
    pub(super) fn path(&self) -> &RemotePath {
        &self.path
    }

    /// Writes the next reply. At the end of the disk's entries, `more` tells further ones.
    pub(super) fn next(
        &mut self,
        id: u32,
        out: &mut Vec<u8>,
        more: impl Fn(&RemotePath) -> Vec<(Name, Attributes)>,
    ) -> Result<Result<(), TooLong>, Failure> {
        if self.entries.is_empty() && self.others.is_empty() {
            self.fill(more)?;
        }
        if self.entries.is_empty() && self.others.is_empty() {
            return Err(Failure::End);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut reply = NameReply::begin(out, id, REPLY);
        let mut push = |out: &mut Vec<u8>, name: &[u8], attributes: &Attributes| {
            let long = long_name(name, attributes, &self.user, &self.user, now);
            reply.push(out, name, &long, attributes)
        };
        while let Some((name, attributes)) = self.others.pop_front() {
            if !push(out, &name, &attributes) {
                self.others.push_front((name, attributes));
                break;
            }
        }
        while let Some(entry) = self.entries.pop_front() {
            if !push(out, entry.name.as_bytes(), &attributes::of_entry(&entry)) {
                self.entries.push_front(entry);
                break;
            }
        }
        Ok(reply.end(out))
    }

    fn fill(&mut self, more: impl Fn(&RemotePath) -> Vec<(Name, Attributes)>) -> Result<(), Error> {
        while let Some(work) = &mut self.work {
            match work.step()? {
                Step::Busy => {}
                Step::Item(page) if page.entries.is_empty() => {}
                Step::Item(page) => {
                    self.entries = page.entries.into();
                    return Ok(());
                }
                Step::Last(page) => {
                    self.entries = page.entries.into();
                    self.work = None;
                    let named = more(&self.path).into_iter();
                    self.others = named.map(|(name, attributes)| (name.as_bytes().to_vec(), attributes)).collect();
                }
            }
        }
        Ok(())
    }
}
