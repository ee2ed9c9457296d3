//! `Uploads`: the unfinished uploads, in pages.

use std::collections::VecDeque;

use ferry_shared::{
    entry::Mtime,
    feature::{Feature, Features},
    limits::{MESSAGE_MAX, PAGE_MAX},
    message::{Reply, reply::UnfinishedUpload},
};

use super::{Running, Task};
use crate::{
    context::Context,
    files::{Error, Files, Unfinished},
    outbox::Outbox,
};

/// JSON bytes that the uploads in one message may take; the rest is for the surrounding fields.
const MOST_BYTES: usize = MESSAGE_MAX - (4 << 10);

/// Clients without the paging feature get as many uploads as fit in one message.
pub(super) fn list(files: &Files, context: &Context, features: Features) -> Running {
    let age = i64::try_from(context.config.get().limits.part_age().as_secs()).unwrap_or(i64::MAX);
    let begun = Mtime::from(context.counters.started);
    let upload = |upload: Unfinished| {
        let since = upload.touched.max(begun);
        UnfinishedUpload {
            reserved: upload.reserved,
            size: upload.size,
            received: upload.received,
            started: upload.started,
            // The time the server was down does not count.
            expires: Mtime(since.0.saturating_add(age), since.1),
            active: upload.active,
            path: upload.path,
        }
    };
    let uploads = files.unfinished().into_iter().map(upload).collect();
    Running::Task(Box::new(Listing { uploads, paged: features.has(Feature::UploadsPages) }))
}

#[derive(Debug)]
struct Listing {
    uploads: VecDeque<UnfinishedUpload>,
    paged: bool,
}

impl Task for Listing {
    fn step(&mut self, out: &mut Outbox) -> Result<bool, Error> {
        let most = if self.paged { PAGE_MAX } else { usize::MAX };
        let (mut uploads, mut bytes) = (Vec::new(), 0);
        while let Some(upload) = self.uploads.pop_front_if(|_| uploads.len() < most) {
            bytes += serde_json::to_string(&upload).map_or(MOST_BYTES, |json| json.len() + 1);
            if bytes > MOST_BYTES && !uploads.is_empty() {
                self.uploads.push_front(upload);
                break;
            }
            uploads.push(upload);
        }
        let more = self.paged && !self.uploads.is_empty();
        out.reply(&Reply::Uploads { uploads, more });
        out.finish();
        Ok(more)
    }
}
