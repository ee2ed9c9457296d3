//! The thread that writes the audit log, in batches, and what it does when the disk does not take them.

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
    Figures, Message, chain,
    event::{Event, Who},
    file::AuditFile,
};

/// Lines written at once.
const BATCH: usize = 256;
/// Refusals told one by one in a second; more would let a stranger push the rest out.
const REFUSALS: u32 = 20;
/// How old lines may get before they are on the disk for good.
const FLUSH: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    file: AuditFile,
    messages: mpsc::Receiver<Message>,
    figures: Arc<Figures>,
    /// Lines lost since the last one that was written.
    gap: u64,
    refusals: Refusals,
    /// When the oldest line came that is not on the disk for good.
    unflushed: Option<Instant>,
}

/// What the thread goes on with.
enum Next {
    Message(Message),
    TimeToFlush,
    Gone,
}

/// How many refusals came in this second.
struct Refusals {
    second: Instant,
    told: u32,
    left_out: u64,
}

impl Writer {
    pub(super) fn new(file: AuditFile, messages: mpsc::Receiver<Message>, figures: Arc<Figures>) -> Self {
        let refusals = Refusals { second: Instant::now(), told: 0, left_out: 0 };
        Self { file, messages, figures, gap: 0, refusals, unflushed: None }
    }

    /// Writes until everybody who records is gone, or told to stop.
    pub(super) fn run(mut self) {
        let clock = runtime::Builder::new_current_thread().enable_time().build();
        let clock = clock.inspect_err(|error| tracing::warn!(%error, "the audit log flushes each line")).ok();
        let mut batch = Vec::with_capacity(BATCH);
        if std::mem::take(&mut self.file.torn) {
            batch.push((SystemTime::now(), Who::default(), Event::Recovered));
        }
        let mut open = true;
        while open {
            match self.next(clock.as_ref()) {
                Next::Message(Message::Line(time, who, event)) => batch.push((time, who, event)),
                Next::Message(Message::Stop) | Next::Gone => open = false,
                Next::TimeToFlush => {}
            }
            while open && batch.len() < BATCH {
                match self.messages.try_recv() {
                    Ok(Message::Line(time, who, event)) => batch.push((time, who, event)),
                    Ok(Message::Stop) => open = false,
                    Err(_) => break,
                }
            }
            self.write(&mut batch);
            if self.unflushed.is_some_and(|since| !open || clock.is_none() || since.elapsed() >= FLUSH) {
                self.flush();
            }
        }
    }

    /// Waits for a message, but not while lines get too old.
    fn next(&mut self, clock: Option<&Runtime>) -> Next {
        let received = match (self.unflushed, clock) {
            (Some(since), Some(clock)) => {
                let left = FLUSH.saturating_sub(since.elapsed());
                // The timer is made where the clock is.
                clock.block_on(async { timeout(left, self.messages.recv()).await })
            }
            _ => Ok(self.messages.blocking_recv()),
        };
        match received {
            Ok(Some(message)) => Next::Message(message),
            Ok(None) => Next::Gone,
            Err(_) => Next::TimeToFlush,
        }
    }

    fn flush(&mut self) {
        self.unflushed = None;
        match self.file.flush() {
            Ok(()) => self.figures.unflushed.store(0, Ordering::Release),
            Err(error) => tracing::error!(%error, "the audit log cannot be flushed"),
        }
    }

    fn write(&mut self, batch: &mut Vec<(SystemTime, Who, Event)>) {
        let count = batch.len() as u64;
        let before = self.file.before.clone();
        let gap = (self.gap > 0).then(|| (SystemTime::now(), Who::default(), Event::Gap { lost: self.gap }));
        match self.append(gap.into_iter().chain(batch.drain(..))) {
            Ok(()) if self.gap > 0 => {
                tracing::warn!(lost = self.gap, "the audit log goes on");
                self.gap = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.gap == 0 {
                    tracing::error!(%error, "the audit log cannot be written; the server goes on without it");
                }
                self.file.before = before;
                self.gap += count;
                self.figures.lost.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    fn append(&mut self, events: impl Iterator<Item = (SystemTime, Who, Event)>) -> io::Result<()> {
        let (mut lines, mut count) = (Vec::new(), 0);
        for (time, who, event) in events {
            if matches!(event, Event::Refused { .. }) {
                match self.refusals.admit() {
                    Admit::No => continue,
                    Admit::Yes { left_out: 0 } => {}
                    Admit::Yes { left_out } => {
                        self.line(&mut lines, time, &Who::default(), &Event::RefusalsLeftOut { count: left_out })?;
                        count += 1;
                    }
                }
            }
            self.line(&mut lines, time, &who, &event)?;
            count += 1;
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.unflushed.get_or_insert_with(Instant::now);
        self.figures.unflushed.fetch_add(count, Ordering::Release);
        self.file.append(&lines)
    }

    fn line(&mut self, lines: &mut Vec<u8>, time: SystemTime, who: &Who, event: &Event) -> io::Result<()> {
        let line = chain::line(time, who, event, &self.file.before)?;
        self.file.before = chain::hash(&line);
        lines.extend(line);
        lines.push(b'\n');
        Ok(())
    }
}

enum Admit {
    Yes { left_out: u64 },
    No,
}

impl Refusals {
    fn admit(&mut self) -> Admit {
        if self.second.elapsed() >= Duration::from_secs(1) {
            (self.second, self.told) = (Instant::now(), 0);
        }
        if self.told >= REFUSALS {
            self.left_out += 1;
            return Admit::No;
        }
        self.told += 1;
        Admit::Yes { left_out: std::mem::take(&mut self.left_out) }
    }
}

#[cfg(test)]
impl Writer {
    pub(super) fn write_now(&mut self, mut batch: Vec<(SystemTime, Who, Event)>) {
        self.write(&mut batch);
    }

    pub(super) fn before(&self) -> &str {
        &self.file.before
    }

    pub(super) fn replace_file(&mut self, file: AuditFile) {
        self.file = file;
    }
}
