//! What `mv` and `cp` share: sources, a destination, and the rule for what is there already.

use std::ffi::OsString;

use ferry_client::{ClientError, Remote};
use ferry_shared::{path::RemotePath, refusal::Code};
use serde::Serialize;

use super::{each::Tally, into, rehearsal};
use crate::{
    args::Conflict,
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The source goes.
    Move,
    /// The source stays.
    Copy,
}

/// What became of one source, as `--json` shows it.
#[derive(Serialize)]
struct ShiftedObject<'a> {
    path: &'a RemotePath,
    to: &'a RemotePath,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

/// What became of one source.
enum Ended {
    Done,
    Skipped,
}

pub(super) async fn run(way: Way, arguments: &[OsString], context: &mut Context) -> Result<Exit, Failure> {
    let rule = rule(context.global.on_conflict)?;
    super::sources_and_target(arguments)?;
    let mut places = context.places(arguments)?;
    let Some(to) = places.pop() else { return Ok(Exit::Usage) };
    let remote = context.remote(&to).await?;
    let into = match into::told(&to, places.len()) {
        Some(into) => {
            into::check(&remote, &to.path).await?;
            into
        }
        None => into::is_folder(&remote, &to.path).await?,
    };
    let mut tally = Tally::default();
    for from in places {
        let target = into::target(&to.path, into, from.path.name().as_ref())?;
        let dry_run = context.global.dry_run;
        let object = |outcome, why| ShiftedObject { path: &from.path, to: &target, outcome, why };
        let result = match shift(way, rule, &remote, &from.path, &target, dry_run).await {
            Ok(Ended::Done) if dry_run => {
                context.output.say(&format!("would {} {} to {}", way.verb(), from.path.display(), target.display()));
                context.output.result(&object("would", None))
            }
            Ok(Ended::Done) => {
                context.output.detail(&format!("{} is now {}", from.path.display(), target.display()));
                context.output.result(&object(way.done(), None))
            }
            Ok(Ended::Skipped) => {
                context.output.say(&format!("{} is there already, skipped", target.display()));
                context.output.result(&object("skipped", Some("exists")))?;
                tally.fail(Exit::Partial);
                continue;
            }
            Err(error) => Err(Failure::remote(&from.path, Looking::File, error)),
        };
        tally.count(context, result)?;
    }
    Ok(tally.exit())
}

impl Way {
    fn verb(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Copy => "copy",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Move => "moved",
            Self::Copy => "copied",
        }
    }
}

/// What to do where something is there; the server decides, so only what it can do is offered.
fn rule(conflict: Option<Conflict>) -> Result<Conflict, Failure> {
    match conflict {
        None => Ok(Conflict::Fail),
        Some(rule @ (Conflict::Fail | Conflict::Replace | Conflict::Skip)) => Ok(rule),
        Some(_) => Err(Failure::Usage("on the server --on-conflict is one of fail, skip and replace".to_owned())),
    }
}

async fn shift(
    way: Way,
    rule: Conflict,
    remote: &Remote,
    from: &RemotePath,
    to: &RemotePath,
    dry_run: bool,
) -> Result<Ended, ClientError> {
    let replace = rule == Conflict::Replace;
    let (from, to) = (from.clone(), to.clone());
    let result = match way {
        _ if dry_run => rehearsal::shift(remote, &from, &to, way == Way::Copy, replace).await,
        Way::Move => remote.rename(from, to, replace).await,
        Way::Copy => remote.copy(from, to, replace).await.map(drop),
    };
    match result {
        Ok(()) => Ok(Ended::Done),
        Err(ClientError::Refused(refusal)) if rule == Conflict::Skip && refusal.code == Code::Exists => {
            Ok(Ended::Skipped)
        }
        Err(error) => Err(error),
    }
}
