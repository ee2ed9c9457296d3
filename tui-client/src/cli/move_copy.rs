//! The common part of `mv` and `cp`: sources, a destination, the selection in a folder, and its links.

mod conflict;
mod sources;
mod tree;

use std::{collections::HashSet, ffi::OsString};

use ferry_client::{
    ClientError, Ferry,
    server::Remote,
    transfer::{ConflictRule, Filter, LinkRule},
};
use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
};
use serde::Serialize;

use self::conflict::Ended;
use super::{batch::Tally, destination, dry_run, sources as given, transfer};
use crate::{
    args::Links,
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    json::SkippedObject,
    sites::Place,
};

/// The direction of the command: a move or a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A move, which removes the source.
    Move,
    /// A copy, which keeps the source.
    Copy,
}

/// The outcome for one source in `--json` output.
#[derive(Serialize)]
struct MoveCopyObject<'a> {
    #[serde(serialize_with = "crate::json::path")]
    path: &'a RemotePath,
    #[serde(serialize_with = "crate::json::path")]
    to: &'a RemotePath,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
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

/// The state of one command that moves or copies.
struct MoveCopy<'a> {
    way: Way,
    rule: ConflictRule,
    filter: Filter,
    links: LinkRule,
    dry_run: bool,
    remote: Remote,
    context: &'a Context,
    tally: Tally,
}

pub(super) async fn run(way: Way, arguments: &[OsString], context: &mut Context) -> Result<Exit, Failure> {
    super::sources_and_target(arguments)?;
    let (rule, filter) = (transfer::rule(context)?, context.global.filters.filter()?);
    let mut places = context.places(arguments)?;
    let Some(to) = places.pop() else { return Ok(Exit::Usage) };
    if way == Way::Move {
        given::require_names(&places, "move")?;
    }
    let links = Links::rule(context.global.links.or(to.links));
    transfer::check_links(links, &Ferry::ABILITIES, &Ferry::ABILITIES, way == Way::Move)?;
    let remote = context.remote(&to).await?;
    let places = given::expand(&remote, places).await?;
    let dry_run = context.global.dry_run;
    let mut move_copy = MoveCopy { way, rule, filter, links, dry_run, remote, context, tally: Tally::default() };
    let into = move_copy.goes_into(&to, places.len()).await?;
    let mut targets = Vec::with_capacity(places.len());
    let mut taken = HashSet::new();
    for from in places {
        let target = destination::target(&to.path, into, from.name().as_ref())?;
        if !taken.insert(target.clone()) {
            return Err(Failure::Usage(format!("two of the REMOTEs would both become {}", target.display())));
        }
        targets.push((from, target));
    }
    move_copy.sources(&targets, &to).await?;
    Ok(move_copy.tally.exit())
}

impl MoveCopy<'_> {
    /// Whether the sources go into `to`. As with `put`, a folder written with a trailing `/` is created if it does
    /// not exist, once something is stored in it.
    async fn goes_into(&self, to: &Place, sources: usize) -> Result<bool, Failure> {
        match destination::told(to, sources) {
            Some(into) if to.into => Ok(into),
            Some(into) => {
                self.context.output.advise(format!("end it with / to create the folder: {}/", to.path.display()));
                destination::check(&self.remote, &to.path).await?;
                Ok(into)
            }
            None => destination::is_folder(&self.remote, &to.path).await,
        }
    }

    /// Moves or copies one REMOTE, which was found to be `entry`.
    async fn source(
        &mut self,
        from: &RemotePath,
        entry: Result<Entry, ClientError>,
        to: &Place,
        target: RemotePath,
    ) -> Result<(), Failure> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return self.count(Err(Failure::remote(from, Looking::File, error))),
        };
        if !given::is_meant(&self.filter, from, entry.kind) {
            self.context.output.say(&format!("{} left out", from.display()));
            return self.context.output.result(&SkippedObject::filtered(from));
        }
        if let Err(failure) = self.make_folder(to).await {
            return self.count(Err(failure));
        }
        let is_folder = entry.kind == Kind::Folder;
        if is_folder && (!self.filter.is_open() || self.merges(&target).await?) {
            return self.tree(from, Some(&entry), &target).await;
        }
        // A named link is followed; the server copies only files in this way.
        let linked = entry.kind == Kind::Symlink && self.way == Way::Copy;
        if linked && destination::is_folder(&self.remote, from).await? {
            return self.tree(from, None, &target).await;
        }
        let rule = match self.rule {
            // Folders have no content to compare, so only the rule itself decides about an existing folder.
            ConflictRule::Newer | ConflictRule::Different if is_folder => ConflictRule::Fail,
            rule => rule,
        };
        // In a dry run a folder to be created does not exist.
        let made = self.dry_run && to.into && !destination::is_folder(&self.remote, &to.path).await?;
        let copied = target.clone();
        let ended = if made { Ok(Ended::Done(target)) } else { self.one(rule, from, &entry, &target).await };
        let done = matches!(ended, Ok(Ended::Done(_)));
        self.ended(from, ended)?;
        if done && is_folder && self.way == Way::Copy { self.links_of(from, &copied).await } else { Ok(()) }
    }

    /// Creates the folder that the sources go into, if the command line names it as one.
    async fn make_folder(&self, to: &Place) -> Result<(), Failure> {
        if !to.into || to.path.is_home() {
            return Ok(());
        }
        let made = match self.dry_run {
            true => dry_run::make_dir(&self.remote, &to.path, true).await,
            false => self.remote.make_dir(to.path.clone(), true).await,
        };
        made.map_err(|error| Failure::remote(&to.path, Looking::Folder, error))
    }

    /// Whether a folder is merged with an existing folder at `target`, file by file.
    async fn merges(&self, target: &RemotePath) -> Result<bool, Failure> {
        let by_server = match self.rule {
            ConflictRule::Fail | ConflictRule::Skip => true,
            ConflictRule::Replace => self.way == Way::Copy,
            _ => false,
        };
        Ok(!by_server && destination::is_folder(&self.remote, target).await?)
    }

    /// Reports and counts the outcome of a file or of a whole folder.
    fn ended(&mut self, from: &RemotePath, ended: Result<Ended, Failure>) -> Result<(), Failure> {
        let output = &self.context.output;
        let result = ended.and_then(|ended| {
            let (to, outcome, why) = match &ended {
                Ended::Done(to) if self.dry_run => (to, "would", None),
                Ended::Done(to) => (to, self.way.done(), None),
                Ended::Exists(to) => (to, "skipped", Some("exists")),
                Ended::NotNewer(to) => (to, "skipped", Some("not_newer")),
                Ended::Unchanged(to) => (to, "unchanged", None),
                Ended::Equal(to) => (to, "equal", None),
            };
            let (shown, target) = (from.display(), to.display());
            match &ended {
                Ended::Done(_) if self.dry_run => {
                    output.say(&format!("would {} {shown} to {target}", self.way.verb()));
                }
                Ended::Done(_) => output.detail(&format!("{shown} is now {target}")),
                Ended::Exists(_) if self.dry_run => output.say(&format!("{target} already exists, would be skipped")),
                Ended::Exists(_) => output.say(&format!("{target} already exists, skipped")),
                Ended::NotNewer(_) => output.say(&format!("{target} is not older, skipped")),
                Ended::Unchanged(_) => output.detail(&format!("{target} has the same size and date, skipped")),
                Ended::Equal(_) => output.detail(&format!("{target} is already equal")),
            }
            output.result(&MoveCopyObject { path: from, to, outcome, why })
        });
        match result {
            // The command was stopped.
            Err(failure) if failure.exit() == Exit::Interrupted => Err(failure),
            result => self.count(result),
        }
    }

    fn count(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        self.tally.count(self.context, result)
    }

    /// Skips a symlink in a copied folder, or an entry that is neither a file nor a folder. Counts as a failure, except
    /// for a symlink under a rule for links, which is mentioned only with `-v`.
    fn left_out(&mut self, path: &RemotePath, entry: &Entry) -> Result<(), Failure> {
        let what = if entry.kind == Kind::Symlink { "a symlink" } else { "neither a file nor a folder" };
        let text = format!("{} skipped: {what}", path.display());
        if entry.kind == Kind::Symlink && self.links != LinkRule::LeaveOut {
            self.context.output.detail(&text);
        } else {
            self.context.output.warn(&format!("ferry: {text}"));
            self.tally.fail(Exit::Partial);
        }
        let why = if entry.kind == Kind::Symlink { "symlink" } else { "special" };
        self.context.output.result(&SkippedObject::of(path, why))
    }
}
