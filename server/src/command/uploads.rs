//! `Uploads` and `Discard`: what was begun and not committed.

use ferry_shared::{
    entry::Mtime,
    message::{Reply, reply::UnfinishedUpload},
    path::RemotePath,
    refusal::{Code, Refusal},
};

use crate::{context::Context, refusal, user_state::UserState};

/// Bytes of JSON the list may take, well below what a message may have; the rest is left out.
const MOST_BYTES: usize = 512 << 10;
/// What one takes besides its path, and what one byte of a path takes at worst.
const UPLOAD_BYTES: usize = 256;
const ESCAPED_BYTES: usize = 6;

pub(super) fn list(user: &UserState, context: &Context) -> Reply {
    let age = i64::try_from(context.config.get().limits.part_age().as_secs()).unwrap_or(i64::MAX);
    let mut parts = user.home.parts();
    parts.sort_by(|a, b| a.meta.path.cmp(&b.meta.path));
    let mut bytes = 0;
    parts.retain(|part| {
        bytes += UPLOAD_BYTES + part.meta.path.as_bytes().len() * ESCAPED_BYTES;
        bytes <= MOST_BYTES
    });
    // Downtime does not count.
    let begun = Mtime::from(context.figures.started);
    let expires = |touched: Mtime| {
        let since = touched.max(begun);
        Mtime(since.0.saturating_add(age), since.1)
    };
    let uploads = parts.into_iter().map(|part| UnfinishedUpload {
        reserved: user.held_for(&part.meta.path).bytes,
        size: part.meta.size,
        received: part.length,
        started: part.started,
        expires: expires(part.touched),
        active: part.active,
        path: part.meta.path,
    });
    Reply::Uploads { uploads: uploads.collect() }
}

pub(super) fn discard(user: &UserState, path: &RemotePath) -> Result<Reply, Refusal> {
    match user.discard(path).map_err(|error| refusal::of_storage(&error))? {
        true => Ok(Reply::Done),
        false => Err(Refusal::new(Code::NotFound, format!("no unfinished upload of {}", path.display()))),
    }
}
