//! The `--json` output of transfers: an object per item, and a summary.

use std::time::Duration;

use ferry_client::{
    ClientError,
    transfer::{ItemPath, Outcome, Proof, Skip, Summary},
};
use ferry_shared::{entry::Mtime, path::RemotePath};
use serde::Serialize;

use crate::{
    exit::Exit,
    json::{Bytes, failure::ErrorObject},
    os_bytes::bytes_of,
};

/// An item.
#[derive(Serialize)]
pub(super) struct ItemObject<'a> {
    #[serde(serialize_with = "crate::json::path")]
    path: &'a RemotePath,
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<Bytes<'a>>,
    /// The target's path, if both ends are sites of the same kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(flatten)]
    outcome: OutcomeObject,
}

/// Its outcome.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum OutcomeObject {
    Verified {
        size: u64,
        transferred: u64,
        reused: u64,
        digest: String,
        /// The source grew, and this is its beginning as it was at this time.
        #[serde(skip_serializing_if = "Option::is_none")]
        as_of: Option<(i64, u32)>,
    },
    /// Arrived at a site without digests, which was not read back.
    Stored {
        size: u64,
        transferred: u64,
        reused: u64,
        /// The proof: that the sizes are equal, or nothing.
        proof: &'static str,
    },
    /// The same as verified, without proof that the data is from one time.
    Unproven {
        size: u64,
        transferred: u64,
        reused: u64,
        digest: String,
        as_of: (i64, u32),
    },
    Equal {
        size: u64,
        /// By remembered digests.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        remembered: bool,
    },
    /// The same size and date; not compared.
    Unchanged {
        size: u64,
    },
    Folder,
    /// A symbolic link.
    Link,
    Skipped {
        why: &'static str,
    },
    Would {
        size: u64,
        replaces: bool,
    },
    Failed {
        error: ErrorObject,
    },
}

/// The failure of a whole job.
#[derive(Serialize)]
pub(super) struct JobError {
    error: ErrorObject,
}

/// The last line.
#[derive(Serialize)]
pub(super) struct SummaryObject {
    summary: Sum,
}

#[derive(Serialize)]
struct Sum {
    files: u64,
    equal: u64,
    unproven: u64,
    unchanged: u64,
    folders: u64,
    links: u64,
    bytes: u64,
    transferred: u64,
    reused: u64,
    skipped: u64,
    failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    seconds: f64,
    exit: u8,
}

/// Passes the object of an item to `show`; `exit` returns the exit code of an error.
pub(super) fn item<T>(
    path: &ItemPath,
    outcome: &Outcome,
    exit: impl Fn(&ClientError) -> Exit,
    show: impl FnOnce(&ItemObject<'_>) -> T,
) -> T {
    let (from, to, remote) = (path.from(), path.to(), path.remote());
    let local = [&from, &to].into_iter().flatten().find_map(|path| path.local());
    let local = local.map(|path| bytes_of(path.as_os_str()));
    let alike = from.as_ref().zip(to.as_ref()).is_some_and(|(from, to)| from.local().is_some() == to.local().is_some());
    let to = to.as_ref().filter(|_| alike).map(ToString::to_string);
    let outcome = match outcome {
        Outcome::Verified { size, transferred, reused, proof: proof @ (Proof::Size | Proof::None), .. } => {
            let (size, transferred, reused) = (*size, *transferred, *reused);
            OutcomeObject::Stored {
                size,
                transferred,
                reused,
                proof: if *proof == Proof::Size { "size" } else { "none" },
            }
        }
        Outcome::Verified { root, size, transferred, reused, grown, .. } => {
            let (size, transferred, reused, digest) = (*size, *transferred, *reused, root.to_string());
            let as_of = grown.map(|grown| Mtime::from(grown.at)).map(|Mtime(seconds, nanos)| (seconds, nanos));
            match (as_of, grown) {
                (Some(as_of), Some(grown)) if !grown.proven => {
                    OutcomeObject::Unproven { size, transferred, reused, digest, as_of }
                }
                _ => OutcomeObject::Verified { size, transferred, reused, digest, as_of },
            }
        }
        Outcome::Equal { size, remembered } => OutcomeObject::Equal { size: *size, remembered: *remembered },
        Outcome::Unchanged { size } => OutcomeObject::Unchanged { size: *size },
        Outcome::Folder => OutcomeObject::Folder,
        Outcome::Link => OutcomeObject::Link,
        Outcome::Skipped(skip) => OutcomeObject::Skipped { why: why(*skip) },
        Outcome::Would { size, replaces } => OutcomeObject::Would { size: *size, replaces: *replaces },
        Outcome::Failed(failure) => {
            let error = &failure.error;
            OutcomeObject::Failed { error: ErrorObject::of_client(error, exit(error), failure.retryable) }
        }
    };
    show(&ItemObject { path: &remote, local: local.as_deref().map(Bytes), to, outcome })
}

/// The failure of a whole job.
pub(super) fn job_error(error: &ClientError, exit: Exit) -> JobError {
    JobError { error: ErrorObject::of_client(error, exit, error.is_transient()) }
}

/// The sum of all jobs, with the number of deleted entries for a sync.
pub(super) fn summary(sum: &Summary, deleted: Option<u64>, elapsed: Duration, exit: Exit) -> SummaryObject {
    let Summary {
        files, equal, unproven, unchanged, folders, links, bytes, transferred, reused, skipped, failed, ..
    } = *sum;
    let (seconds, exit) = (elapsed.as_secs_f64(), exit as u8);
    let sum = Sum {
        files,
        equal,
        unproven,
        unchanged,
        folders,
        links,
        bytes,
        transferred,
        reused,
        skipped,
        failed,
        deleted,
        seconds,
        exit,
    };
    SummaryObject { summary: sum }
}

fn why(skip: Skip) -> &'static str {
    match skip {
        Skip::Exists => "exists",
        Skip::NotNewer => "not_newer",
        Skip::Symlink => "symlink",
        Skip::LinkAsAsked => "symlink_as_asked",
        Skip::LinkLoop => "symlink_loop",
        Skip::LinkToFolder => "symlink_to_folder",
        Skip::Filtered => "filtered",
        Skip::Special => "special",
        Skip::UnusableName => "unusable_name",
        Skip::Unfinished => "unfinished",
        Skip::Cancelled => "cancelled",
    }
}
