//! Reports of transfers: each item, each failure, and a summary at the end.

use std::{collections::HashSet, time::Instant};

use ferry_client::{
    ClientError,
    transfer::{Failure as ItemFailure, Grown, ItemPath, JobId, LinkEvent, Outcome, Proof, Skip, Summary},
};
use ferry_shared::{message::Notice, name::Escaped};

use super::{Way, json_object};
use crate::{
    cli::batch::Tally,
    context::Context,
    exit::{self, Exit, Looking},
    failure::Failure,
    human,
    interrupt::Signal,
};

/// Collects the results.
pub(in crate::cli) struct Report {
    way: Way,
    dry_run: bool,
    started: Instant,
    open: HashSet<JobId>,
    tally: Tally,
    sum: Summary,
    /// Files and bytes a dry run would transfer.
    would: (u64, u64),
    /// Whether the size of these is unknown.
    would_stream: bool,
    told_of_server: Option<String>,
    /// Entries that a sync removed, or would remove.
    deleted: u64,
    /// Paths that a sync leaves as they are, or could not remove.
    problems: u64,
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
            deleted: 0,
            problems: 0,
        }
    }

    /// Whether all transfers so far succeeded.
    pub(in crate::cli) fn is_whole(&self) -> bool {
        self.sum.failed == 0 && self.sum.skipped == 0 && !self.sum.cancelled
    }

    /// Counts files that a sync found to be the same at both ends.
    pub(in crate::cli) fn unchanged(&mut self, files: u64) {
        self.sum.unchanged += files;
        self.tally.done(files);
    }

    /// Counts a file that a sync would copy.
    pub(in crate::cli) fn would_copy(&mut self, size: u64) {
        self.tally.done(1);
        self.would.0 += 1;
        self.would.1 = self.would.1.saturating_add(size);
    }

    /// Counts a folder that a sync would create or change.
    pub(in crate::cli) fn would_make(&mut self) {
        self.sum.folders += 1;
    }

    /// Counts an entry that a sync removed or would remove.
    pub(in crate::cli) fn deleted(&mut self) {
        self.tally.done(1);
        self.deleted += 1;
    }

    /// The exit code, if nothing was done.
    pub(in crate::cli) fn idle(&self) -> Option<Exit> {
        let sum = &self.sum;
        let done = sum.files + sum.links + sum.folders + sum.skipped + sum.failed + self.deleted;
        (done == 0).then(|| self.tally.exit())
    }

    /// Counts a path that could not be made equal, which was reported.
    pub(in crate::cli) fn problem(&mut self, cause: impl Into<exit::Cause>) {
        self.problems += 1;
        self.tally.fail(cause);
    }

    /// Records the start of a job.
    pub(super) fn begin(&mut self, job: JobId) {
        self.open.insert(job);
    }

    /// Whether every job has ended.
    pub(super) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// Records the end of an item.
    pub(super) fn item(&mut self, path: &ItemPath, outcome: &Outcome, context: &mut Context) -> Result<(), Failure> {
        match outcome {
            Outcome::Verified { .. } | Outcome::Equal { .. } | Outcome::Unchanged { .. } | Outcome::Link => {
                self.tally.done(1);
            }
            Outcome::Would { size, .. } => {
                self.tally.done(1);
                self.would.0 += 1;
                self.would.1 = self.would.1.saturating_add(*size);
                self.would_stream |= self.is_endless(path);
            }
            Outcome::Skipped(why) if is_asked_for(*why) => self.tally.done(1),
            Outcome::Skipped(_) => self.tally.fail(Exit::Partial),
            Outcome::Folder => {}
            Outcome::Failed(failure) => self.failed(path, failure, context),
        }
        if context.output.json {
            let exit = |error: &ClientError| exit::of_client(error, self.looking(error));
            return json_object::item(path, outcome, exit, |item| context.output.object(item));
        }
        if let Outcome::Would { size, replaces } = outcome {
            return self.would(path, *size, *replaces, context);
        }
        let is_detail = matches!(
            outcome,
            Outcome::Verified { grown: None, .. } | Outcome::Equal { .. } | Outcome::Unchanged { .. } | Outcome::Link
        );
        if is_detail && !context.output.shows_details() {
            return Ok(());
        }
        if let Some(text) = self.text(path, outcome) {
            match outcome {
                Outcome::Skipped(Skip::LinkAsAsked) => context.output.detail(&text),
                Outcome::Skipped(Skip::Exists | Skip::Filtered | Skip::Cancelled)
                | Outcome::Verified { grown: Some(_), .. } => context.output.say(&text),
                // The user did not request it: report it even with `-q`.
                Outcome::Skipped(_) => context.output.warn(&format!("ferry: {text}")),
                _ => context.output.detail(&text),
            }
        }
        Ok(())
    }

    fn text(&self, path: &ItemPath, outcome: &Outcome) -> Option<String> {
        // If both are kept, only the name on the receiving side is new.
        let path = match (self.way, path.to()) {
            (Way::Get | Way::Copy | Way::Sync, Some(to)) => to.to_string(),
            _ => Escaped(path.relative().as_bytes()).to_string(),
        };
        let skipped = |why| Some(format!("{path} skipped: {why}"));
        match outcome {
            Outcome::Verified { root, size, grown: None, proof, .. } => {
                Some(format!("{path} {}, {}, {root}", proof_word(*proof), human::size(*size)))
            }
            Outcome::Verified { size, grown: Some(Grown { at, proven }), .. } => {
                let (size, at) = (human::size(*size), human::second(*at));
                let proven = if *proven { "" } else { ", not proven" };
                Some(format!("{path} grew during the transfer; its first {size} are stored as of {at}{proven}"))
            }
            Outcome::Equal { remembered: false, .. } => Some(format!("{path} is already equal")),
            Outcome::Equal { remembered: true, .. } => Some(format!("{path} is unchanged since it was verified")),
            Outcome::Unchanged { .. } => Some(format!("{path} has the same size and date")),
            Outcome::Link => Some(format!("{path} is the same symlink")),
            Outcome::Skipped(Skip::Exists) => skipped("the target already exists"),
            Outcome::Skipped(Skip::Symlink) => skipped("a symlink (see --links)"),
            Outcome::Skipped(Skip::LinkAsAsked) => skipped("a symlink"),
            Outcome::Skipped(Skip::LinkLoop) => skipped("a symlink to a folder that contains it"),
            Outcome::Skipped(Skip::LinkToFolder) => {
                skipped("a symlink to a folder on the server; name the folder to download it")
            }
            Outcome::Skipped(Skip::Filtered) => skipped("excluded by --include or --exclude"),
            Outcome::Skipped(Skip::Special) => skipped("neither a file nor a folder"),
            Outcome::Skipped(Skip::UnusableName) => skipped("the name is not possible on the other side"),
            Outcome::Skipped(Skip::Unfinished) => skipped("the unfinished part of a download"),
            Outcome::Skipped(Skip::Cancelled) => skipped("stopped"),
            Outcome::Skipped(Skip::NotNewer) | Outcome::Would { .. } | Outcome::Folder | Outcome::Failed(_) => None,
        }
    }

    /// Whether an item is a stream of unknown length.
    fn is_endless(&self, path: &ItemPath) -> bool {
        path.from().is_none()
    }

    fn would(&self, path: &ItemPath, size: u64, replaces: bool, context: &mut Context) -> Result<(), Failure> {
        let mut line = match self.way {
            Way::Get => b"would get ".to_vec(),
            Way::Put => b"would put ".to_vec(),
            Way::Copy | Way::Sync => b"would copy ".to_vec(),
        };
        context.output.name(&mut line, path.relative().as_bytes());
        let replaces = if replaces { ", replaces another" } else { "" };
        let size = if self.is_endless(path) { "size unknown".to_owned() } else { human::size(size).to_string() };
        line.extend_from_slice(format!(" ({size}{replaces})\n").as_bytes());
        context.output.bytes(&line)
    }

    fn failed(&mut self, path: &ItemPath, item: &ItemFailure, context: &Context) {
        let failure = Failure::remote(&path.remote(), self.looking(&item.error), item.error.clone());
        // An unreadable file inside a folder is missing at the target; this is not a login problem.
        let is_unreadable = matches!(item.error, ClientError::Local { .. }) && self.way == Way::Put && !path.is_named();
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

    /// The kind of the missing entry: a file for the source, a folder for the target's parent.
    fn looking(&self, error: &ClientError) -> Looking {
        match (self.way, error) {
            (Way::Put, ClientError::Local { .. }) => Looking::File,
            (Way::Get, ClientError::Local { .. }) | (Way::Put, _) => Looking::Folder,
            (Way::Get | Way::Copy | Way::Sync, _) => Looking::File,
        }
    }

    /// Records the end of a job.
    pub(super) fn job(&mut self, job: JobId, summary: &Summary, context: &mut Context) -> Result<(), Failure> {
        self.open.remove(&job);
        let sum = &mut self.sum;
        sum.files += summary.files;
        sum.equal += summary.equal;
        sum.unproven += summary.unproven;
        sum.unchanged += summary.unchanged;
        sum.folders += summary.folders;
        sum.links += summary.links;
        sum.bytes = sum.bytes.saturating_add(summary.bytes);
        sum.transferred = sum.transferred.saturating_add(summary.transferred);
        sum.reused = sum.reused.saturating_add(summary.reused);
        sum.skipped += summary.skipped;
        sum.failed += summary.failed;
        sum.proof = sum.proof.into_iter().chain(summary.proof).min();
        sum.cancelled |= summary.cancelled;
        if summary.cancelled {
            // Only a lack of space ends one of these jobs.
            context
                .output
                .warn("ferry: there is no space left: the rest was not tried; --fill transfers the files that fit");
        }
        match &summary.error {
            // Failures of pieces have already been reported.
            Some(error) if summary.failed_pieces == 0 => self.piece_failed(error, context),
            _ => Ok(()),
        }
    }

    /// A piece, or the whole job, cannot be transferred.
    pub(super) fn piece_failed(&mut self, error: &ClientError, context: &mut Context) -> Result<(), Failure> {
        self.sum.failed += 1;
        let exit = exit::of_client(error, self.looking(error));
        self.tally.fail(exit);
        self.tell(&Failure::from(error.clone()), context);
        if error.is_no_room() {
            context.output.warn("       --fill transfers the files that fit");
        }
        if context.output.json {
            context.output.object(&json_object::job_error(error, exit))?;
        }
        Ok(())
    }

    /// Reports the end of all jobs.
    pub(super) fn finish(mut self, stopped: Option<Signal>, context: &mut Context) -> Result<Exit, Failure> {
        self.sum.failed += self.problems;
        let exit = match stopped {
            Some(signal) => signal.exit(),
            None if !self.open.is_empty() => Exit::Other,
            None => self.tally.exit(),
        };
        let deleted = (self.way == Way::Sync).then_some(self.deleted);
        if context.output.json {
            context.output.object(&json_object::summary(&self.sum, deleted, self.started.elapsed(), exit))?;
        }
        match stopped {
            Some(_) => context.output.say(match self.way {
                Way::Get | Way::Copy | Way::Sync => "stopped; the received data is kept, and the same command resumes",
                Way::Put => {
                    "stopped; the received data is kept, and the same command resumes \
                     (`ferry uploads` shows and discards unfinished uploads)"
                }
            }),
            None if self.has_news() => context.output.say(&self.summary_line()),
            None => {}
        }
        Ok(exit)
    }

    /// Whether the summary adds information to the reported failures.
    fn has_news(&self) -> bool {
        let sum = &self.sum;
        let files = sum.files + sum.links + sum.unchanged + sum.skipped + self.would.0 + self.deleted;
        files > 0 || self.way == Way::Sync && sum.failed == 0 || (sum.folders > 0 && sum.failed == 0)
    }

    fn summary_line(&self) -> String {
        let sum = &self.sum;
        let way = match self.way {
            Way::Get => "received",
            Way::Put => "sent",
            Way::Copy | Way::Sync => "copied",
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
            let deleted = if self.deleted > 0 { format!(", {} deleted", self.deleted) } else { String::new() };
            format!("{what} would be {way}{deleted}; nothing was changed")
        } else if self.way == Way::Sync && sum.files == 0 {
            let idle = sum.folders + sum.links + self.deleted == 0;
            if idle { "nothing to do" } else { "no file was copied" }.to_owned()
        } else if sum.files == 0 && sum.unchanged > 0 {
            "nothing was compared".to_owned()
        } else {
            let files = human::count(sum.files, "file", "files");
            let word = match sum.proof {
                _ if sum.unproven > 0 => "stored",
                Some(Proof::ReadBack) => "verified by reading back",
                Some(Proof::Size) => "stored; the sizes are equal, but this site provides no digest",
                Some(Proof::None) => "stored, not verified",
                Some(Proof::Digest) | None => "verified",
            };
            format!("{files}, {} {word}", human::size(sum.bytes))
        };
        if sum.transferred > 0 {
            let elapsed = self.started.elapsed();
            let rate = human::rate(sum.transferred, elapsed).map(|rate| format!(" ({rate})")).unwrap_or_default();
            line += &format!("; {} {way} in {}{rate}", human::size(sum.transferred), human::elapsed(elapsed));
        }
        if sum.reused > 0 {
            let what = match sum.proof {
                Some(Proof::Size | Proof::None) => "resumed by offset, not proven",
                _ => "already existed",
            };
            line += &format!("; {} {what}", human::size(sum.reused));
        }
        if self.deleted > 0 && !self.dry_run {
            line += &format!("; {} deleted", self.deleted);
        }
        if sum.links > 0 {
            line += &format!("; {} kept", human::count(sum.links, "symlink", "symlinks"));
        }
        for (number, word) in [
            (sum.equal, "already equal"),
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

/// Whether the command line or the user chose to skip such an item.
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

/// How the arrival of a file was verified.
fn proof_word(proof: Proof) -> &'static str {
    match proof {
        Proof::Digest => "verified",
        Proof::ReadBack => "verified by reading back",
        Proof::Size => "stored (the sizes are equal, but this site provides no digest)",
        Proof::None => "stored, not verified",
    }
}

/// Reports a change of the connection.
pub(in crate::cli) fn link(event: &LinkEvent, context: &Context) {
    match event {
        LinkEvent::Lost { error, retry_in, attempt, .. } => {
            context.output.say(&human::trying_again(error, *retry_in, *attempt));
        }
        LinkEvent::Restored { .. } => context.output.say("connected again"),
    }
}

/// Reports a notice of the server.
pub(super) fn notice(notice: &Notice, context: &Context) {
    match notice {
        Notice::UsageChanged(usage) => {
            if let Some(limit) = usage.limit.filter(|_| usage.is_nearly_full()) {
                let (held, limit) = (human::size(usage.held()), human::size(limit));
                context.output.say(&format!("{held} of {limit} are used on this server"));
            }
        }
        Notice::AccountChanged { access } => context.output.say(human::access_changed(*access)),
        Notice::Broadcast { text } => context.output.say(&format!("the server says: {}", Escaped(text.as_bytes()))),
        Notice::Closing { reason, seconds } => {
            context.output.say(&format!("the server closes in {seconds} s: {}", Escaped(reason.as_bytes())));
        }
    }
}
