//! Reports of transfers: each item, each failure, and the sum at the end.

use std::{collections::HashSet, time::Instant};

use ferry_client::{
    ClientError,
    transfer::{Failure as ItemFailure, Grown, ItemPath, JobId, LinkEvent, Outcome, Skip, Summary},
};
use ferry_shared::{message::Notice, name::Escaped, path::RemotePath};

use super::{Way, json_object};
use crate::{
    cli::batch::Tally,
    context::Context,
    exit::{self, Exit, Looking},
    failure::Failure,
    human,
    interrupt::Signal,
};

/// Gathers what happened.
pub(super) struct Report {
    way: Way,
    dry_run: bool,
    started: Instant,
    open: HashSet<JobId>,
    tally: Tally,
    sum: Summary,
    /// Files and bytes a dry run would transfer.
    would: (u64, u64),
    /// Whether what it would transfer has a size nobody knows before.
    would_stream: bool,
    told_of_server: Option<String>,
}

impl Report {
    pub(super) fn new(way: Way, dry_run: bool) -> Self {
        Self {
            way,
            dry_run,
            started: Instant::now(),
            open: HashSet::new(),
            tally: Tally::default(),
            sum: Summary::default(),
            would: (0, 0),
            would_stream: false,
            told_of_server: None,
        }
    }

    /// A job was begun.
    pub(super) fn begin(&mut self, job: JobId) {
        self.open.insert(job);
    }

    /// Whether every job is through.
    pub(super) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// An item is through.
    pub(super) fn item(&mut self, path: &ItemPath, outcome: &Outcome, context: &mut Context) -> Result<(), Failure> {
        match outcome {
            Outcome::Verified { .. } | Outcome::Equal { .. } | Outcome::Unchanged { .. } => self.tally.done(1),
            Outcome::Would { size, .. } => {
                self.tally.done(1);
                self.would.0 += 1;
                self.would.1 = self.would.1.saturating_add(*size);
                self.would_stream |= self.is_endless(path);
            }
            Outcome::Skipped(why) if is_asked_for(*why) => self.tally.done(1),
            Outcome::Skipped(_) => self.tally.fail(Exit::Partial),
            Outcome::Folder => {}
            Outcome::Failed(failure) => self.failed(path.remote(), !path.is_named(), failure, context),
        }
        if context.output.json {
            let exit = |error: &ClientError| exit::of_client(error, self.looking(error));
            return json_object::item(path, outcome, exit, |item| context.output.object(item));
        }
        if let Outcome::Would { size, replaces } = outcome {
            return self.would(path, *size, *replaces, context);
        }
        if let Some(text) = self.text(path, outcome) {
            match outcome {
                Outcome::Skipped(Skip::LinkAsAsked) => context.output.detail(&text),
                Outcome::Skipped(Skip::Exists | Skip::Filtered | Skip::Cancelled)
                | Outcome::Verified { grown: Some(_), .. } => context.output.say(&text),
                // Nobody asked for it: it is told even with `-q`.
                Outcome::Skipped(_) => context.output.warn(&format!("ferry: {text}")),
                _ => context.output.detail(&text),
            }
        }
        Ok(())
    }

    fn text(&self, path: &ItemPath, outcome: &Outcome) -> Option<String> {
        // Where both are kept, only the receiving side's name is the new one.
        let local = path.local().filter(|_| self.way == Way::Get);
        let relative = path.relative();
        let path = Escaped(local.as_ref().map_or(relative.as_bytes(), |path| path.as_os_str().as_encoded_bytes()));
        let skipped = |why| Some(format!("{path} skipped: {why}"));
        match outcome {
            Outcome::Verified { root, size, grown: None, .. } => {
                Some(format!("{path} verified, {}, {root}", human::size(*size)))
            }
            Outcome::Verified { size, grown: Some(Grown { at, proven }), .. } => {
                let (size, at) = (human::size(*size), human::second(*at));
                let proven = if *proven { "" } else { ", not proven" };
                Some(format!("{path} grew meanwhile; its first {size} are stored as it was at {at}{proven}"))
            }
            Outcome::Equal { .. } => Some(format!("{path} is equal already")),
            Outcome::Unchanged { .. } => Some(format!("{path} has the same size and date")),
            Outcome::Skipped(Skip::Exists) => skipped("something is there already"),
            Outcome::Skipped(Skip::Symlink) => skipped("a symlink (--links says what to do with those)"),
            Outcome::Skipped(Skip::LinkAsAsked) => skipped("a symlink"),
            Outcome::Skipped(Skip::LinkLoop) => skipped("a symlink that leads back to a folder it is in"),
            Outcome::Skipped(Skip::LinkToFolder) => {
                skipped("a symlink to a folder of the server; get that by its name")
            }
            Outcome::Skipped(Skip::Filtered) => skipped("--include or --exclude leaves it out"),
            Outcome::Skipped(Skip::Special) => skipped("neither file nor folder"),
            Outcome::Skipped(Skip::UnusableName) => skipped("the other side cannot have such a name"),
            Outcome::Skipped(Skip::Unfinished) => skipped("the unfinished part of a download"),
            Outcome::Skipped(Skip::Cancelled) => skipped("stopped"),
            Outcome::Skipped(Skip::NotNewer) | Outcome::Would { .. } | Outcome::Folder | Outcome::Failed(_) => None,
        }
    }

    /// Whether an item's bytes come from a stream, whose end nobody knows before.
    fn is_endless(&self, path: &ItemPath) -> bool {
        self.way == Way::Put && path.local().is_none()
    }

    fn would(&self, path: &ItemPath, size: u64, replaces: bool, context: &mut Context) -> Result<(), Failure> {
        let mut line = match self.way {
            Way::Get => b"would get ".to_vec(),
            Way::Put => b"would put ".to_vec(),
        };
        context.output.name(&mut line, path.relative().as_bytes());
        let replaces = if replaces { ", replaces another" } else { "" };
        let size = if self.is_endless(path) { "size unknown".to_owned() } else { human::size(size).to_string() };
        line.extend_from_slice(format!(" ({size}{replaces})\n").as_bytes());
        context.output.bytes(&line)
    }

    fn failed(&mut self, path: &RemotePath, in_folder: bool, item: &ItemFailure, context: &Context) {
        let failure = Failure::remote(path, self.looking(&item.error), item.error.clone());
        // An unreadable file inside a folder is missing afterwards; that is no matter of the login.
        let is_unreadable = matches!(item.error, ClientError::Local { .. }) && self.way == Way::Put && in_folder;
        self.tally.fail(if is_unreadable { Exit::Partial.into() } else { failure.cause() });
        self.tell(&failure, context);
    }

    fn tell(&mut self, failure: &Failure, context: &Context) {
        // An error of the connection ends every job with the same message.
        if let Failure::Server(error) = failure
            && self.told_of_server.replace(error.to_string()).is_some_and(|told| told == error.to_string())
        {
            return;
        }
        context.output.error(failure);
    }

    /// The kind of entry that is missing: the source is expected to be a file, the target's
    /// surroundings as a folder.
    fn looking(&self, error: &ClientError) -> Looking {
        match (self.way, error) {
            (Way::Put, ClientError::Local { .. }) => Looking::File,
            (Way::Get, ClientError::Local { .. }) | (Way::Put, _) => Looking::Folder,
            (Way::Get, _) => Looking::File,
        }
    }

    /// A job is through.
    pub(super) fn job(&mut self, job: JobId, summary: &Summary, context: &mut Context) -> Result<(), Failure> {
        self.open.remove(&job);
        let sum = &mut self.sum;
        sum.files += summary.files;
        sum.equal += summary.equal;
        sum.unproven += summary.unproven;
        sum.unchanged += summary.unchanged;
        sum.folders += summary.folders;
        sum.bytes = sum.bytes.saturating_add(summary.bytes);
        sum.transferred = sum.transferred.saturating_add(summary.transferred);
        sum.reused = sum.reused.saturating_add(summary.reused);
        sum.skipped += summary.skipped;
        sum.failed += summary.failed;
        if summary.cancelled {
            // Only what there is no room for ends a job of ours.
            context.output.warn("ferry: there is no more room: the rest was not tried; --fill tries what fits");
        }
        if let Some(error) = &summary.error {
            sum.failed += 1;
            let exit = exit::of_client(error, self.looking(error));
            self.tally.fail(exit);
            self.tell(&Failure::from(error.clone()), context);
            if error.is_no_room() {
                context.output.warn("       --fill carries what fits");
            }
            if context.output.json {
                context.output.object(&json_object::job_error(error, exit))?;
            }
        }
        Ok(())
    }

    /// Everything is through, or was stopped.
    pub(super) fn finish(self, stopped: Option<Signal>, context: &mut Context) -> Result<Exit, Failure> {
        let exit = match stopped {
            Some(signal) => signal.exit(),
            None if !self.open.is_empty() => Exit::Other,
            None => self.tally.exit(),
        };
        if context.output.json {
            context.output.object(&json_object::summary(&self.sum, self.started.elapsed(), exit))?;
        }
        match stopped {
            Some(_) => context.output.say(match self.way {
                Way::Get => "stopped; what has arrived is kept, the same command goes on from there",
                Way::Put => {
                    "stopped; what has arrived is kept, the same command goes on from there \
                     (`ferry uploads` shows and discards unfinished uploads)"
                }
            }),
            None if self.has_news() => context.output.say(&self.summary_line()),
            None => {}
        }
        Ok(exit)
    }

    /// Whether the sum says more than the failures that were told.
    fn has_news(&self) -> bool {
        let sum = &self.sum;
        sum.files + sum.unchanged + sum.skipped + self.would.0 > 0 || (sum.folders > 0 && sum.failed == 0)
    }

    fn summary_line(&self) -> String {
        let sum = &self.sum;
        let way = match self.way {
            Way::Get => "received",
            Way::Put => "sent",
        };
        let mut line = if self.dry_run {
            let (files, bytes) = self.would;
            let mut what = human::count(files, "file", "files");
            if sum.folders > 0 {
                what += &format!(", {}", human::count(sum.folders, "folder", "folders"));
            }
            if !self.would_stream {
                what += &format!(", {}", human::size(bytes));
            }
            format!("{what} would be {way}; nothing was changed")
        } else if sum.files == 0 && sum.unchanged > 0 {
            "nothing was compared".to_owned()
        } else {
            let files = human::count(sum.files, "file", "files");
            let word = if sum.unproven > 0 { "stored" } else { "verified" };
            format!("{files}, {} {word}", human::size(sum.bytes))
        };
        if sum.transferred > 0 {
            let elapsed = self.started.elapsed();
            let rate = human::rate(sum.transferred, elapsed).map(|rate| format!(" ({rate})")).unwrap_or_default();
            line += &format!("; {} {way} in {}{rate}", human::size(sum.transferred), human::elapsed(elapsed));
        }
        if sum.reused > 0 {
            line += &format!("; {} were there already", human::size(sum.reused));
        }
        for (number, word) in [
            (sum.equal, "equal already"),
            (sum.unproven, "not proven"),
            (sum.unchanged, "of the same size and date"),
            (sum.skipped, "skipped"),
            (sum.failed, "failed"),
        ] {
            if number > 0 {
                line += &format!("; {number} {word}");
            }
        }
        line
    }
}

/// Whether the command line, or the person asked, wants such an item to be left out.
fn is_asked_for(why: Skip) -> bool {
    match why {
        Skip::Exists | Skip::NotNewer | Skip::LinkAsAsked | Skip::Filtered => true,
        Skip::Symlink
        | Skip::LinkLoop
        | Skip::LinkToFolder
        | Skip::Special
        | Skip::UnusableName
        | Skip::Unfinished
        | Skip::Cancelled => false,
    }
}

/// Tells what became of the connection.
pub(in crate::cli) fn link(event: &LinkEvent, context: &Context) {
    match event {
        LinkEvent::Lost { error, retry_in, attempt } => {
            context.output.say(&human::trying_again(error, *retry_in, *attempt));
        }
        LinkEvent::Restored => context.output.say("connected again"),
    }
}

/// Tells what the server has to say.
pub(super) fn notice(notice: &Notice, context: &Context) {
    match notice {
        Notice::UsageChanged(usage) => {
            if let Some(limit) = usage.limit.filter(|_| usage.is_nearly_full()) {
                let (held, limit) = (human::size(usage.held()), human::size(limit));
                context.output.say(&format!("{held} of {limit} are taken on this server"));
            }
        }
        Notice::AccountChanged { access } => context.output.say(human::access_changed(*access)),
        Notice::Broadcast { text } => context.output.say(&format!("the server says: {}", Escaped(text.as_bytes()))),
        Notice::Closing { reason, seconds } => {
            context.output.say(&format!("the server closes in {seconds} s: {}", Escaped(reason.as_bytes())));
        }
    }
}
