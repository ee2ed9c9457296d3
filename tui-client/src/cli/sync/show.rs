//! The output of a sync, apart from that of its transfers.

use ferry_client::{
    ClientError,
    sync::{Cause, Copy, Deletion, Problem, Why},
};
use ferry_shared::{entry::Kind, path::RemotePath};
use serde::Serialize;

use crate::{
    context::Context,
    exit::{self, Looking},
    failure::Failure,
    human,
    json::failure::ErrorObject,
};

/// A path in `--json` output.
#[derive(Serialize)]
struct Object<'a> {
    #[serde(serialize_with = "crate::json::path")]
    path: &'a RemotePath,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
}

impl<'a> Object<'a> {
    fn new(path: &'a RemotePath, outcome: &'static str) -> Self {
        Self { path, outcome, why: None, size: None, replaces: None, error: None }
    }
}

/// Shows an entry that a sync would copy.
pub(super) fn would_copy(path: &RemotePath, copy: &Copy, context: &Context) -> Result<(), Failure> {
    let is_folder = copy.entry.kind == Kind::Folder;
    if context.output.json {
        let outcome = if is_folder { "would_make" } else { "would" };
        let size = (!is_folder).then_some(copy.entry.size);
        let replaces = (!is_folder).then_some(copy.why != Why::New);
        return context.output.object(&Object {
            why: Some(word(copy.why)),
            size,
            replaces,
            ..Object::new(path, outcome)
        });
    }
    let verb = match copy.why {
        Why::Date if is_folder => "would date ",
        _ if is_folder => "would make ",
        _ => "would copy ",
    };
    let mut line = verb.as_bytes().to_vec();
    context.output.name(&mut line, path.as_bytes());
    let why = match copy.why {
        Why::New => "new",
        Why::Size => "size differs",
        Why::Date => "date differs",
        Why::Content => "content differs",
        Why::Kind => "replaces another kind",
    };
    let size = if is_folder { String::new() } else { format!("{}, ", human::size(copy.entry.size)) };
    line.extend_from_slice(format!(" ({size}{why})\n").as_bytes());
    context.output.bytes(&line)
}

fn word(why: Why) -> &'static str {
    match why {
        Why::New => "new",
        Why::Size => "size",
        Why::Date => "date",
        Why::Content => "content",
        Why::Kind => "kind",
    }
}

/// Shows an entry that a sync would remove.
pub(super) fn would_delete(deletion: &Deletion, context: &Context) -> Result<(), Failure> {
    if context.output.json {
        return context.output.object(&Object::new(&deletion.path, "would_delete"));
    }
    let mut line = b"would delete ".to_vec();
    context.output.name(&mut line, deletion.path.as_bytes());
    line.extend_from_slice(if deletion.entry.kind == Kind::Folder { b"/\n" } else { b"\n" });
    context.output.bytes(&line)
}

/// Shows an entry that was removed.
pub(super) fn deleted(deletion: &Deletion, context: &Context) -> Result<(), Failure> {
    if context.output.json {
        return context.output.object(&Object::new(&deletion.path, "deleted"));
    }
    context.output.detail(&format!("{} deleted", deletion.path.display()));
    Ok(())
}

/// Reports an entry that could not be removed.
pub(super) fn failed(path: &RemotePath, error: &ClientError, context: &Context) -> Result<(), Failure> {
    if context.output.json {
        let error = Some(ErrorObject::of_client(error, exit::of_client(error, Looking::File), error.is_transient()));
        context.output.object(&Object { error, ..Object::new(path, "failed") })?;
    }
    context.output.warn(&format!("ferry: {} was not removed: {error}", path.display()));
    Ok(())
}

/// Reports a path that cannot be made equal.
pub(super) fn problem(problem: &Problem, context: &Context) -> Result<(), Failure> {
    let (path, cause) = (&problem.path, &problem.cause);
    let (why, text) = match cause {
        Cause::Source(error) => ("source", format!("cannot be read at the source; nothing is removed there: {error}")),
        Cause::Target(error) => ("target", format!("cannot be read at the target; nothing is removed there: {error}")),
        Cause::SourceCut => ("source", "the source's listing is not complete; nothing is removed there".to_owned()),
        Cause::TargetCut => ("target", "the target's listing is not complete; nothing is removed there".to_owned()),
        Cause::Name => ("unusable_name", "the target cannot have this name; nothing is removed beside it".to_owned()),
        Cause::OddName(shown) => {
            ("unusable_name", format!("the name {shown} in it is not usable; nothing is removed beside it"))
        }
        Cause::Symlink => ("symlink", "skipped: a symlink (see --links)".to_owned()),
        Cause::LinkLoop => ("symlink_loop", "skipped: a symlink to a folder that contains it".to_owned()),
        Cause::LinkToFolder => ("symlink_to_folder", "skipped: a symlink to a folder on the server".to_owned()),
        Cause::Special => ("special", "skipped: neither a file nor a folder".to_owned()),
        Cause::InTheWay => ("in_the_way", "something of another kind is there, and stays".to_owned()),
        Cause::Changed => ("changed", "was changed just now, and is not removed".to_owned()),
        Cause::NoBackup => ("no_backup", "not removed: --backup-dir can keep files only".to_owned()),
    };
    if context.output.json {
        let error = match cause {
            Cause::Source(error) | Cause::Target(error) => Some(error),
            _ => None,
        };
        let error = error
            .map(|error| ErrorObject::of_client(error, exit::of_client(error, Looking::File), error.is_transient()));
        context.output.object(&Object { why: Some(why), error, ..Object::new(path, "left_out") })?;
    }
    context.output.warn(&format!("ferry: {}: {text}", path.display()));
    Ok(())
}
