//! `ferry uploads`: lists and discards unfinished uploads.

use std::ffi::OsString;

use clap::Args;
use ferry_client::ClientError;
use ferry_shared::{
    message::reply::UnfinishedUpload,
    path::RemotePath,
    refusal::{Code, Refusal},
};
use serde::Serialize;

use super::batch::Tally;
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    human::{self, Times},
    json::PathObject,
    output::Output,
};

/// `ferry uploads`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry uploads work:\n  ferry uploads work: --discard isos/debian.iso\n\n\
    An unfinished upload reserves its part of the quota until it is finished, discarded or expires.")]
pub(crate) struct UploadsArgs {
    /// The server
    #[arg(value_name = "REMOTE")]
    remote: OsString,
    /// Discard the unfinished upload of this path; can be repeated
    #[arg(long, value_name = "PATH")]
    discard: Vec<OsString>,
}

/// An unfinished upload in `--json` output.
#[derive(Serialize)]
struct UploadObject<'a> {
    #[serde(serialize_with = "crate::json::path")]
    path: &'a RemotePath,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    received: u64,
    reserved: u64,
    started: (i64, u32),
    expires: (i64, u32),
    active: bool,
}

impl<'a> From<&'a UnfinishedUpload> for UploadObject<'a> {
    fn from(upload: &'a UnfinishedUpload) -> Self {
        let UnfinishedUpload { path, size, received, reserved, started, expires, active, .. } = upload;
        Self {
            path,
            size: *size,
            received: *received,
            reserved: *reserved,
            started: (started.0, started.1),
            expires: (expires.0, expires.1),
            active: *active,
        }
    }
}

pub(super) async fn run(args: UploadsArgs, context: &mut Context) -> Result<Exit, Failure> {
    let address = crate::address::Address::server(&args.remote)?;
    let place = context.resolve(&address)?;
    let discard = args
        .discard
        .iter()
        .map(|path| {
            let path = crate::os_bytes::bytes_of(path).into_owned();
            Ok(context.resolve(&crate::address::Address { server: address.server.clone(), path })?.path)
        })
        .collect::<Result<Vec<RemotePath>, Failure>>()?;
    let remote = context.remote(&place).await?;
    if discard.is_empty() {
        for upload in remote.uploads().await? {
            show(&upload, &context.output)?;
        }
        return Ok(Exit::Done);
    }
    let mut tally = Tally::default();
    let dry_run = context.global.dry_run;
    let there = if dry_run { remote.uploads().await? } else { Vec::new() };
    for path in discard {
        let result = match dry_run {
            true if there.iter().any(|upload| upload.path == path) => {
                context.output.say(&format!("would discard {}", path.display()));
                Ok("would")
            }
            true => {
                let text = format!("no unfinished upload of {}", path.display());
                Err(ClientError::from(Refusal::new(Code::NotFound, text)))
            }
            false => remote.discard(path.clone()).await.map(|()| "discarded"),
        };
        let result = result
            .map_err(|error| Failure::remote(&path, Looking::File, error))
            .and_then(|outcome| context.output.result(&PathObject { path: &path, outcome }));
        tally.count(context, result)?;
    }
    Ok(tally.exit())
}

fn show(upload: &UnfinishedUpload, output: &Output) -> Result<(), Failure> {
    if output.json {
        return output.object(&UploadObject::from(upload));
    }
    let mut times = Times::local();
    let of = upload.size.map(|size| format!(" of {}", human::size(size))).unwrap_or_default();
    let expires = String::from_utf8_lossy(times.text(upload.expires)).into_owned();
    let state = if upload.active { "running".to_owned() } else { format!("expires {expires}") };
    let mut line = b"/".to_vec();
    output.name(&mut line, upload.path.as_bytes());
    line.extend_from_slice(format!("  {}{of}, {state}\n", human::size(upload.received)).as_bytes());
    output.bytes(&line)
}
