//! Labels of states and rules for people.

use ferry_client::{
    ClientError,
    sync::Cause,
    transfer::{ConflictRule, ItemState, Scope, Skip},
};
use ferry_shared::name::Escaped;

use crate::args::Links;

use super::{State, place::Place, problem::Problem, transfers::Phase};

/// Text of a server, escaped so that it cannot forge the screen.
pub(crate) fn escaped(text: &str) -> String {
    Escaped(text.as_bytes()).to_string()
}

/// A place with the name of its site; on this computer the path alone.
pub(crate) fn place(state: &State, place: &Place) -> String {
    let path = place.display(&state.home);
    if place.is_local() { path } else { format!("{} {path}", state.site_name(&place.site)) }
}

/// The description of a rule.
pub(crate) fn rule(rule: ConflictRule) -> &'static str {
    match rule {
        ConflictRule::Ask => "ask, and go on with the rest",
        ConflictRule::Skip => "keep what is there",
        ConflictRule::Replace => "replace it",
        ConflictRule::Newer => "replace it if the new one is newer",
        ConflictRule::Different => "replace it if its content differs",
        ConflictRule::Changed => "replace it if size or date differs",
        ConflictRule::KeepBoth => "keep both",
        ConflictRule::Fail => "leave it, and say so",
    }
}

/// Why a file was skipped, where nobody was asked or has answered about it.
pub(crate) fn skip(skip: Skip) -> Option<&'static str> {
    Some(match skip {
        Skip::Symlink | Skip::LinkAsAsked => "a symbolic link",
        Skip::LinkLoop => "a symbolic link to a folder around it",
        Skip::LinkToFolder => "a symbolic link to a folder, on the server",
        Skip::Special => "a FIFO, socket or device",
        Skip::UnusableName => "a name that the target cannot have",
        Skip::Unfinished => "the part of an unfinished download",
        Skip::Exists | Skip::NotNewer | Skip::Filtered | Skip::Cancelled => return None,
    })
}

/// The label of a file's state.
pub(crate) fn item(state: ItemState) -> &'static str {
    match state {
        ItemState::Waiting => "waiting",
        ItemState::Checking => "checking what is there",
        ItemState::Sending => "sending",
        ItemState::Receiving => "receiving",
        ItemState::Flushing => "flushing to disk",
        ItemState::Verifying => "verifying",
        ItemState::Paused => "paused",
        ItemState::Asking => "needs an answer",
        ItemState::Failed => "failed",
    }
}

/// The label of a transfer's phase.
pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Held => "waiting",
        Phase::Counting => "counting",
        Phase::Deleting => "deleting",
        Phase::Waiting => "waiting",
        Phase::Working(state) => item(state),
        Phase::Paused => "paused",
        Phase::Asking => "needs an answer",
        Phase::Failed => "failed",
        Phase::Cancelled => "cancelled",
        Phase::LeftOut => "skipped",
        Phase::Verified => "verified",
    }
}

/// Why a path cannot be made equal by a sync.
pub(crate) fn cause(cause: &Cause) -> String {
    let of = |error: &ClientError| Problem::from(error).text;
    match cause {
        Cause::Source(error) => format!("cannot be read at the source, deletion is off below it: {}", of(error)),
        Cause::Target(error) => format!("cannot be read at the target, deletion is off below it: {}", of(error)),
        Cause::SourceCut => "listing not complete at the source, deletion is off below it".to_owned(),
        Cause::TargetCut => "listing not complete at the target, deletion is off below it".to_owned(),
        Cause::Name => "the target cannot have this name, deletion is off beside it".to_owned(),
        Cause::OddName(shown) => format!("the name {shown} in it is not usable, deletion is off beside it"),
        Cause::Symlink => "skipped: a symbolic link".to_owned(),
        Cause::LinkLoop => "skipped: a symbolic link to a folder around it".to_owned(),
        Cause::LinkToFolder => "skipped: a symbolic link to a folder, on the server".to_owned(),
        Cause::Special => "skipped: a FIFO, socket or device".to_owned(),
        Cause::InTheWay => "something of another kind is there, and stays".to_owned(),
        Cause::Changed => "was changed just now, and stays".to_owned(),
        Cause::NoBackup => "stays: it cannot be backed up".to_owned(),
    }
}

/// The rule for symbolic links.
pub(crate) fn links(links: Links) -> &'static str {
    match links {
        Links::Skip => "skip them",
        Links::Follow => "copy what they lead to",
        Links::Keep => "make the same links",
    }
}

/// The label of an answer's scope.
pub(crate) fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::This => "this one",
        Scope::Folder => "all in this folder",
        Scope::Kind => "all of this kind",
        Scope::All => "all of this transfer",
    }
}
