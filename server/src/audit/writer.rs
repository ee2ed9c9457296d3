//! The thread that writes the audit log in batches, and what it does if the disk cannot be written.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    runtime::{self, Runtime},
    sync::mpsc,
    time::timeout,
};

use super::{
    LineCounts, Message,
    chain::End,
    event::{Event, Who},
    file::AuditFile,
    fold::Folding,
    share,
};

/// Lines written at once.
const BATCH: usize = 256;
/// The maximum age of a line before it is flushed to the disk.
const FLUSH: Duration = Duration::from_secs(1);
/// How often to check, while nothing is recorded, that the file is still in place.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// An event with its time and author.
type Told = (SystemTime, Who, Event);

pub(super) struct Writer {
    file: AuditFile,
    messages: mpsc::Receiver<Message>,
    counts: Arc<LineCounts>,
    /// Lines lost since the last one that was written.
    gap: u64,
    folding: Folding,
    /// When the oldest line arrived that is not flushed to the disk.
    unflushed: Option<Instant>,
}

/// The next task of the thread.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are messages")]
enum Next {
    Message(Message),
    Time,
    Gone,
}

impl Writer {
    /// A writer that summarises the changes of a user once they fill `most` bytes of the log in a day.
    pub(super) fn new(file: AuditFile, messages: mpsc::Receiver<Message>, counts: Arc<LineCounts>, most: u64) -> Self {
        let folding = Folding::new(most, Instant::now());
        Self { file, messages, counts, gap: 0, folding, unflushed: None }
    }

    /// Writes until all senders are gone, or the thread is told to stop.
    pub(super) fn run(mut self) {
        let clock = runtime::Builder::new_current_thread().enable_time().build();
        let clock = clock.inspect_err(|error| tracing::warn!(%error, "the audit log flushes each line")).ok();
        let mut batch = Vec::with_capacity(BATCH);
        let mut open = true;
        while open {
            match self.next(clock.as_ref()) {
                Next::Message(message) => open = self.take(message, &mut batch),
                Next::Gone => open = false,
                Next::Time => {}
            }
            while open && batch.len() < BATCH {
                let Ok(message) = self.messages.try_recv() else { break };
                open = self.take(message, &mut batch);
            }
            let mut lines = self.fold(&mut batch, Instant::now());
            if !open {
                lines.extend(now(self.folding.take()));
            }
            self.write(lines);
            if self.unflushed.is_some_and(|since| !open || clock.is_none() || since.elapsed() >= FLUSH) {
                self.flush();
            }
        }
    }

    /// Adds a line to the batch, or carries out another message; false if the message asks to stop.
    fn take(&mut self, message: Message, batch: &mut Vec<Told>) -> bool {
        match message {
            Message::Line(time, who, event) => batch.push((time, who, event)),
            Message::Keep(keep) => {
                self.file.keep(keep);
                self.folding.share(share(keep));
            }
            Message::Stop => return false,
        }
        true
    }

    /// Waits for the next message, but at most until lines must be flushed, a summary is due or the file must be
    /// checked. Without a clock it waits only for messages.
    fn next(&mut self, clock: Option<&Runtime>) -> Next {
        let received = match clock {
            Some(clock) => {
                let flush = self.unflushed.map_or(CHECK_INTERVAL, |since| FLUSH.saturating_sub(since.elapsed()));
                let due =
                    self.folding.due().map_or(CHECK_INTERVAL, |due| due.saturating_duration_since(Instant::now()));
                // The timer must be created inside the runtime.
                clock.block_on(async { timeout(flush.min(due), self.messages.recv()).await })
            }
            None => Ok(self.messages.blocking_recv()),
        };
        match received {
            Ok(Some(message)) => Next::Message(message),
            Ok(None) => Next::Gone,
            Err(_) => Next::Time,
        }
    }

    fn flush(&mut self) {
        self.unflushed = None;
        match self.file.flush() {
            Ok(()) => self.counts.unflushed.store(0, Ordering::Release),
            Err(error) => tracing::error!(%error, "the audit log cannot be flushed"),
        }
    }

    /// The events of a batch to record now, preceded by summaries that are due.
    fn fold(&mut self, batch: &mut Vec<Told>, at: Instant) -> Vec<Told> {
        let mut lines: Vec<_> = now(self.folding.turn(at)).collect();
        for (time, who, event) in batch.drain(..) {
            if matches!(event, Event::Stopped) {
                lines.extend(now(self.folding.take()));
            }
            if self.folding.admits(at, time, &who, &event) {
                lines.push((time, who, event));
            }
        }
        lines
    }

    fn write(&mut self, lines: Vec<Told>) {
        let count = lines.len() as u64;
        match self.append(lines) {
            Ok(()) if self.gap > 0 && count > 0 => {
                tracing::warn!(lost = self.gap, "the audit log goes on");
                self.gap = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.gap == 0 {
                    tracing::error!(%error, "the audit log cannot be written; the server goes on without it");
                }
                self.gap += count;
                self.counts.lost.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    fn append(&mut self, mut lines: Vec<Told>) -> io::Result<()> {
        let gap = (self.gap > 0 && !lines.is_empty()).then_some(Event::Gap { lost: self.gap });
        let moved = self.file.check_in_place()?;
        // A line truncated by a crash comes before everything written now.
        let recovered = self.file.torn.then_some(Event::Recovered);
        lines.splice(..0, recovered.into_iter().chain(moved).chain(gap).map(about));
        if lines.is_empty() {
            return Ok(());
        }
        let before = self.file.end.clone();
        let appended = self.append_after(&before, lines);
        match appended {
            Ok(()) => self.file.torn = false,
            Err(_) => self.file.end = before,
        }
        appended
    }

    fn append_after(&mut self, before: &End, mut lines: Vec<Told>) -> io::Result<()> {
        let mut bytes = self.encode(&lines)?;
        if let Some(retired) = self.file.make_room(bytes.len()) {
            lines.insert(0, about(retired));
            self.file.end = before.clone();
            bytes = self.encode(&lines)?;
        }
        self.unflushed.get_or_insert_with(Instant::now);
        self.counts.unflushed.fetch_add(lines.len() as u64, Ordering::Release);
        self.file.append(&bytes)
    }

    fn encode(&mut self, lines: &[Told]) -> io::Result<Vec<u8>> {
        let (mut bytes, at) = (Vec::new(), Instant::now());
        for (time, who, event) in lines {
            let before = bytes.len();
            self.file.end.append(&mut bytes, *time, who, event)?;
            self.folding.wrote(at, who, (bytes.len() - before) as u64);
        }
        Ok(bytes)
    }
}

/// An event of the present time without an author.
fn about(event: Event) -> Told {
    (SystemTime::now(), Who::default(), event)
}

fn now(lines: Vec<(Who, Event)>) -> impl Iterator<Item = Told> {
    let time = SystemTime::now();
    lines.into_iter().map(move |(who, event)| (time, who, event))
}

#[cfg(test)]
impl Writer {
    pub(super) fn write_now(&mut self, mut batch: Vec<Told>) {
        self.write_at(&mut batch, Instant::now());
    }

    pub(super) fn write_at(&mut self, batch: &mut Vec<Told>, at: Instant) {
        let lines = self.fold(batch, at);
        self.write(lines);
    }

    pub(super) fn before(&self) -> &str {
        &self.file.end.hash
    }

    pub(super) fn replace_file(&mut self, file: AuditFile) {
        self.file = file;
    }
}
