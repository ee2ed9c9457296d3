//! `Uploads` and `Discard`: what was begun and not committed.

use std::{collections::VecDeque, sync::Arc};

use ferry_shared::{
    entry::Mtime,
    feature::{Feature, Features},
    limits::{MESSAGE_MAX, PAGE_MAX},
    message::{Reply, reply::UnfinishedUpload},
    path::RemotePath,
};

use super::{Running, Task};
use crate::{context::Context, files::Error, outbox::Outbox, storage::PartInfo, user_state::UserState};

/// Bytes of JSON the uploads of one message may take; the rest is for what stands around them.
const MOST_BYTES: usize = MESSAGE_MAX - (4 << 10);

/// A client that knows of no pages gets what one message has room for.
pub(super) fn list(user: &Arc<UserState>, context: &Context, features: Features) -> Running {
    let age = i64::try_from(context.config.get().limits.part_age().as_secs()).unwrap_or(i64::MAX);
    let mut parts = user.home.parts();
    parts.sort_by(|a, b| a.meta.path.cmp(&b.meta.path));
    let (user, paged) = (Arc::clone(user), features.has(Feature::UploadsPages));
    let begun = Mtime::from(context.figures.started);
    Running::Task(Box::new(Listing { user, age, begun, parts: parts.into(), paged }))
}

#[derive(Debug)]
struct Listing {
    user: Arc<UserState>,
    /// How long a part is kept, in seconds.
    age: i64,
    /// When the server was started: downtime does not count.
    begun: Mtime,
    parts: VecDeque<PartInfo>,
    paged: bool,
}

impl Task for Listing {
    fn step(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        let most = if self.paged { PAGE_MAX } else { usize::MAX };
        let (mut uploads, mut bytes) = (Vec::new(), 0);
        while let Some(part) = self.parts.pop_front_if(|_| uploads.len() < most) {
            let upload = self.upload(&part);
            bytes += serde_json::to_string(&upload).map_or(MOST_BYTES, |json| json.len() + 1);
            if bytes > MOST_BYTES && !uploads.is_empty() {
                self.parts.push_front(part);
                break;
            }
            uploads.push(upload);
        }
        let more = self.paged && !self.parts.is_empty();
        out.reply(&Reply::Uploads { uploads, more });
        out.finish();
        Ok(more)
    }
}

impl Listing {
    fn upload(&self, part: &PartInfo) -> UnfinishedUpload {
        let since = part.touched.max(self.begun);
        UnfinishedUpload {
            reserved: self.user.held_for(&part.meta.path).bytes,
            size: part.meta.size,
            received: part.length,
            started: part.started,
            expires: Mtime(since.0.saturating_add(self.age), since.1),
            active: part.active,
            path: part.meta.path.clone(),
        }
    }
}

pub(super) fn discard(user: &UserState, path: &RemotePath) -> Result<Reply, Error> {
    match user.discard(path)? {
        true => Ok(Reply::Done),
        false => Err(Error::NoUpload(path.clone())),
    }
}
