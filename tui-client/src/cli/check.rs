//! `ferry check`: compares a local and a remote tree by size and digest, and changes nothing.

mod compare;
mod local;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::Args;
use ferry_client::{server::Remote, transfer::LinkRule};
use ferry_shared::{entry::Kind, message::request::Algorithm, path::RemotePath, refusal::Code};
use serde::Serialize;
use tokio::sync::Semaphore;

use self::{
    compare::{Difference, Tree},
    local::{Found, Why},
};
use super::{batch::Tally, in_order, listing};
use crate::{
    args::Links,
    context::{self, Context},
    exit::{Exit, Looking},
    failure::Failure,
    human,
    output::Output,
};

/// The number of files whose digests are asked for at once.
const AHEAD: usize = 256;
/// The number of files of this computer that are read at once.
const READERS: usize = 4;

/// `ferry check`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry check photos work:photos\n\n\
    Compares what is in LOCAL with what is in REMOTE, names, sizes and digests. What --include and\n\
    --exclude leave out is left out on both sides. Symlinks and special files inside are named and\n\
    not compared: exit code 6, unless --links says what to do with links.\n\
    Exit code 0: no difference, 12: differences, 4: nothing matched.")]
pub(crate) struct CheckArgs {
    /// The local file or folder
    local: OsString,
    /// The remote file or folder to compare with
    #[arg(value_name = "REMOTE")]
    remote: OsString,
}

/// A difference in `--json` output.
#[derive(Serialize)]
struct DifferenceObject<'a> {
    #[serde(serialize_with = "crate::json::path")]
    path: &'a RemotePath,
    #[serde(flatten)]
    difference: &'a Difference,
}

/// The counts so far.
#[derive(Debug, Default, Serialize)]
struct Count {
    files: u64,
    bytes: u64,
    differences: u64,
    left_out: u64,
}

pub(super) async fn run(args: CheckArgs, context: &mut Context) -> Result<Exit, Failure> {
    context::local(&args.local)?;
    let filter = context.global.filters.filter()?;
    let place = context.place(&args.remote)?;
    let links = Links::rule(context.global.links.or(place.links));
    if links == LinkRule::Keep {
        return Err(Failure::Usage(
            "check cannot compare links as links; use --links skip or --links follow".to_owned(),
        ));
    }
    let remote = context.remote(&place).await?;
    let top = PathBuf::from(&args.local);
    let walk = tokio::task::spawn_blocking({
        let top = top.clone();
        move || local::walk(&top, links == LinkRule::Follow)
    });
    let mut there = walk_remote(&remote, &place.path).await?;
    let mut here = walk.await.map_err(|stopped| Failure::Start(stopped.into()))??;
    let meant = |path: &RemotePath, kind| match (path.is_home(), top.file_name()) {
        (true, Some(name)) => filter.means_named(Path::new(name), kind == Kind::Folder),
        (true, None) => true,
        (false, _) => filter.means(&local::below(Path::new(""), path), kind == Kind::Folder),
    };
    let mut left_out = here.left_out;
    left_out.append(&mut there.left_out);
    left_out.retain(|path, _| meant(path, Kind::File));
    // Different kinds under the same name.
    let compared = |path: &RemotePath| !left_out.keys().any(|above| path.starts_with(above));
    for tree in [&mut here.tree, &mut there.tree] {
        tree.retain(|path, (kind, _)| meant(path, *kind) && compared(path));
    }

    let chosen = !filter.is_open();
    let mut check = Check { context, tally: Tally::default(), count: Count::default(), chosen };
    check.unreadable(here.unreadable, there.unreadable)?;
    check.left_out(&left_out, links);
    let same = check.names_and_sizes(&here.tree, &there.tree)?;
    check.contents(&same, &top, &remote, &place.path).await?;
    check.finish()
}

/// The remote tree, paths relative to `top`.
async fn walk_remote(remote: &Remote, top: &RemotePath) -> Result<Found, Failure> {
    let about = |error| listing::about_folder(top, error);
    // A file is not walked, but asking costs no round trip of its own.
    let (entry, walked) = tokio::join!(remote.stat(top.clone()), remote.walk(top.clone()));
    let (entry, _) = entry.map_err(|error| Failure::remote(top, Looking::File, error))?;
    let mut found = Found::of(entry.kind, entry.size);
    if entry.kind != Kind::Folder {
        return Ok(found);
    }
    let mut pages = walked.map_err(about)?;
    while let Some(page) = pages.next().await {
        let page = page.map_err(about)?;
        for entry in page.entries {
            match entry.kind {
                Kind::File | Kind::Folder => {
                    found.tree.insert(page.under.join(&entry.name)?, (entry.kind, entry.size));
                }
                Kind::Symlink => found.leave_out(page.under.join(&entry.name)?, Why::Symlink),
                Kind::Other => found.leave_out(page.under.join(&entry.name)?, Why::Special),
            }
        }
        for path in page.unreadable {
            let refusal = ferry_shared::refusal::Refusal::new(Code::NotAllowed, "the server cannot read this folder");
            let about = top.join_path(&path)?;
            found.unreadable.push(Failure::remote(&about, Looking::Folder, ferry_client::ClientError::from(refusal)));
        }
    }
    Ok(found)
}

struct Check<'a> {
    context: &'a mut Context,
    tally: Tally,
    count: Count,
    /// Whether a filter chose what to compare.
    chosen: bool,
}

impl Check<'_> {
    /// Unreadable paths do not count as equal.
    fn unreadable(&mut self, here: Vec<Failure>, there: Vec<Failure>) -> Result<(), Failure> {
        here.into_iter().chain(there).try_for_each(|failure| self.tally.count(self.context, Err(failure)))
    }

    /// Reports paths that were not compared: a failure, unless requested.
    fn left_out(&mut self, left_out: &BTreeMap<RemotePath, Why>, links: LinkRule) {
        for (path, why) in left_out {
            let what = match why {
                Why::Symlink => "a symlink",
                Why::Loop => "a symlink to a folder that contains it",
                Why::Special => "neither a file nor a folder",
            };
            let text = format!("{} not compared: {what}", path.display());
            self.count.left_out += 1;
            if *why == Why::Symlink && links == LinkRule::Skip {
                self.context.output.detail(&text);
            } else {
                self.context.output.warn(&format!("ferry: {text}"));
                self.tally.fail(Exit::Partial);
            }
        }
    }

    /// Reports the differences that need no reading; returns the files that may be equal.
    fn names_and_sizes(&mut self, here: &Tree, there: &Tree) -> Result<Vec<RemotePath>, Failure> {
        let compared = compare::compare(here, there);
        for (path, difference) in &compared.differences {
            self.differs(path, difference)?;
        }
        for path in &compared.same_size {
            let size = here.get(path).map_or(0, |(_, size)| *size);
            self.count.files += 1;
            self.count.bytes = self.count.bytes.saturating_add(size);
        }
        Ok(compared.same_size)
    }

    async fn contents(
        &mut self,
        paths: &[RemotePath],
        top: &Path,
        remote: &Remote,
        remote_top: &RemotePath,
    ) -> Result<(), Failure> {
        let slots = Semaphore::new(READERS);
        in_order::each(
            paths,
            AHEAD,
            |path| digests(path, top, remote, remote_top, &slots),
            async |path, found| {
                match found {
                    (Ok(here), Ok(there)) if here == there => self.tally.done(1),
                    (Ok(here), Ok(there)) => self.differs(path, &Difference::Content { here, there })?,
                    (Err(failure), _) | (_, Err(failure)) => self.tally.count(self.context, Err(failure))?,
                }
                Ok(())
            },
        )
        .await
    }

    fn differs(&mut self, path: &RemotePath, difference: &Difference) -> Result<(), Failure> {
        self.count.differences += 1;
        let output = &self.context.output;
        if output.json {
            return output.object(&DifferenceObject { path, difference });
        }
        show(path, difference, output)
    }

    fn finish(self) -> Result<Exit, Failure> {
        let output = &self.context.output;
        if output.json {
            output.object(&serde_json::json!({ "summary": self.count }))?;
        }
        let Count { files, bytes, differences, left_out } = self.count;
        if self.chosen && files == 0 && differences == 0 {
            output.warn("ferry: nothing was compared: no file matches --include and --exclude");
            return Ok(Exit::NoFile);
        }
        let files = human::count(files, "file", "files");
        let found = human::count(differences, "difference", "differences");
        let left_out = if left_out > 0 { format!("; {left_out} not compared") } else { String::new() };
        output.say(&format!("{files} compared, {}; {found}{left_out}", human::size(bytes)));
        Ok(if differences > 0 { Exit::Differences } else { self.tally.exit() })
    }
}

/// Both digests of a file.
async fn digests(
    path: &RemotePath,
    top: &Path,
    remote: &Remote,
    remote_top: &RemotePath,
    slots: &Semaphore,
) -> (Result<String, Failure>, Result<String, Failure>) {
    let file = local::below(top, path);
    let here = async {
        let _slot = slots.acquire().await;
        let digest = move || local::digest(&file).map_err(|error| Failure::local(file, Looking::File, error));
        tokio::task::spawn_blocking(digest).await.map_err(|stopped| Failure::Start(stopped.into()))?
    };
    let there = async {
        let full = remote_top.join_path(path)?;
        let digest = remote.hash(full.clone(), Algorithm::Blake3).await;
        digest.map_err(|error| Failure::remote(&full, Looking::File, error))
    };
    tokio::join!(here, there)
}

fn show(path: &RemotePath, difference: &Difference, output: &Output) -> Result<(), Failure> {
    let text = match difference {
        Difference::OnlyLocal => "only local   ".to_owned(),
        Difference::OnlyRemote => "only remote  ".to_owned(),
        Difference::Kind => "kind differs ".to_owned(),
        Difference::Size { .. } => "size differs ".to_owned(),
        Difference::Content { .. } => "differs      ".to_owned(),
    };
    let mut line = text.into_bytes();
    output.name(&mut line, if path.is_home() { b"." } else { path.as_bytes() });
    if let Difference::Size { here, there } = difference {
        line.extend_from_slice(format!(" (local {here}, remote {there})").as_bytes());
    }
    line.push(b'\n');
    output.bytes(&line)
}
