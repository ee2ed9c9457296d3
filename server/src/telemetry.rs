//! The log: on standard error, as text or JSON, in lines that nobody can forge.
//!
//! Under systemd, standard error leads to the journal. A line then starts with its priority instead of the time, so
//! that `journalctl -p warning` works and its normal listing shows all fields, which it would not for structured
//! fields.

use std::{
    env,
    io::{self, Write},
    panic,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use ferry_shared::name::Escaped;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{EnvFilter, fmt, fmt::MakeWriter, reload, util::SubscriberInitExt as _};

use crate::config::{
    Log, LogFormat,
    log_level::{self, LogLevelError},
};

/// How long a line waits for room in a pipe or terminal that nobody reads.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes that are accepted in one write if there is any room, as in a pipe.
const PIECE: usize = 4096;

/// Lines that could not be written.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Replaces the filter.
type Refilter = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// The function for replacing the filter, once logging has started.
static REFILTER: OnceLock<Refilter> = OnceLock::new();

/// The number of log lines that standard error did not accept.
#[must_use]
pub(crate) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// The reason why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not valid.
    #[error("{0}: {1}")]
    Level(&'static str, LogLevelError),
    /// Something else in this process has installed a logger.
    #[error("the log was set up twice")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
    /// The level could not be changed.
    #[error("log.level stays as it was: {0}")]
    Stays(#[from] reload::Error),
}

/// Starts logging. `RUST_LOG`, if set, takes precedence over the configured level.
///
/// # Errors
/// [`TelemetryError`].
pub(crate) fn start(log: &Log) -> Result<(), TelemetryError> {
    let wanted = from_environment();
    let (from, level) = wanted.as_ref().map_or(("log.level", &log.level), |wanted| (EnvFilter::DEFAULT_ENV, wanted));
    let filter = log_level::filter(level).map_err(|error| TelemetryError::Level(from, error))?;
    let journal = is_journal(env::var("JOURNAL_STREAM").ok().as_deref(), &io::stderr());
    // An error of the logger must not end in a panic, which would be logged again.
    let builder = fmt().with_env_filter(filter).with_ansi(false).log_internal_errors(false);
    match (log.format, journal) {
        (LogFormat::Text, false) => {
            let builder = builder.with_writer(Lines { priority: false, escape: true }).with_filter_reloading();
            keep(builder.reload_handle());
            builder.finish().try_init()?;
        }
        (LogFormat::Text, true) => {
            let builder = builder.without_time().with_writer(Lines { priority: true, escape: true });
            let builder = builder.with_filter_reloading();
            keep(builder.reload_handle());
            builder.finish().try_init()?;
        }
        // JSON strings contain no raw control characters.
        (LogFormat::Json, priority) => {
            let builder = builder.json().flatten_event(true).with_writer(Lines { priority, escape: false });
            let builder = builder.with_filter_reloading();
            keep(builder.reload_handle());
            builder.finish().try_init()?;
        }
    }
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no words");
        tracing::error!("panicked at {place}: {what}");
    }));
    Ok(())
}

fn keep<S: Subscriber + 'static>(handle: reload::Handle<EnvFilter, S>) {
    // There is only one log, and a second start fails.
    let _ = REFILTER.set(Box::new(move |filter| handle.reload(filter)));
}

/// The level in the environment, which takes precedence over the configuration.
fn from_environment() -> Option<String> {
    env::var(EnvFilter::DEFAULT_ENV).ok().filter(|directives| !directives.is_empty())
}

/// Changes the level; returns a message if the environment still sets another one.
///
/// # Errors
/// [`TelemetryError`]; the former level then stays.
pub(crate) fn change(log: &Log) -> Result<Option<String>, TelemetryError> {
    if let Some(level) = from_environment() {
        return Ok(Some(format!("log.level has no effect: {} says {level}", EnvFilter::DEFAULT_ENV)));
    }
    let filter = log_level::filter(&log.level).map_err(|error| TelemetryError::Level("log.level", error))?;
    REFILTER.get().map_or(Ok(()), |refilter| refilter(filter))?;
    Ok(None)
}

/// Whether standard error is connected to the journal: systemd passes the device and inode of the journal's stream.
fn is_journal(said: Option<&str>, stderr: &impl AsFd) -> bool {
    let Some((device, inode)) = said.and_then(|said| said.split_once(':')) else { return false };
    rustix::fs::fstat(stderr).is_ok_and(|stat| device == stat.st_dev.to_string() && inode == stat.st_ino.to_string())
}

/// The destination of lines, and how they are transformed.
#[derive(Debug, Clone, Copy)]
struct Lines {
    priority: bool,
    escape: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = OneLine<Patient>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine { to: Patient, priority: "", escape: self.escape }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        let priority = if self.priority { priority(*about.level()) } else { "" };
        OneLine { to: Patient, priority, escape: self.escape }
    }
}

/// The journal's prefix for a level, as in `sd-daemon(3)`.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

/// Standard error with a limited wait while a pipe or a terminal is full.
struct Patient;

/// Whether the last line was not written completely.
static IS_STUCK: AtomicBool = AtomicBool::new(false);

impl Write for Patient {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        let was_stuck = IS_STUCK.swap(true, Ordering::Relaxed);
        let patience = if was_stuck { Duration::ZERO } else { PATIENCE };
        // End the part of a truncated line that was written.
        let end: &[u8] = if was_stuck { b"\n" } else { b"" };
        for piece in [end, line].into_iter().flat_map(|part| part.chunks(PIECE)) {
            if !has_room(&stderr, patience)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stderr.write_all(piece)?;
        }
        IS_STUCK.store(false, Ordering::Relaxed);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the next write will not block, or will fail.
fn has_room(to: &impl AsFd, patience: Duration) -> io::Result<bool> {
    let patience = Timespec::try_from(patience).unwrap_or_default();
    match poll(&mut [PollFd::new(to, PollFlags::OUT)], Some(&patience)) {
        // This cannot be determined; try the write.
        Err(rustix::io::Errno::INTR) => Ok(true),
        ready => Ok(ready? > 0),
    }
}

/// Writes each event as a single line: control characters and characters that reorder text, which the name of a
/// file or client may contain, are escaped. A line that cannot be written is counted.
struct OneLine<W> {
    to: W,
    priority: &'static str,
    escape: bool,
}

impl<W: Write> Write for OneLine<W> {
    /// Takes a whole event, as `tracing_subscriber` writes it.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = event.strip_suffix(b"\n").unwrap_or(event);
        let mut out = self.priority.as_bytes().to_vec();
        if self.escape {
            write!(out, "{}", Escaped(line))?;
        } else {
            out.extend(line);
        }
        out.push(b'\n');
        if self.to.write_all(&out).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_is_counted_and_not_an_error() {
        let before = lost();
        let log = fmt().with_writer(|| OneLine { to: Full, priority: "", escape: true }).finish();
        tracing::subscriber::with_default(log, log_hostile);
        assert!(lost() > before);
    }

    #[test]
    fn a_pipe_that_nobody_reads_has_no_room_once_it_is_full() {
        let (reader, mut writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        assert!(has_room(&writer, Duration::ZERO).unwrap());
        while writer.write(&[b'x'; PIECE]).is_ok() {}
        assert!(!has_room(&writer, Duration::ZERO).unwrap());
        drop(reader);
        assert!(has_room(&writer, Duration::ZERO).unwrap(), "the write tells that nobody is there");
    }

    const HOSTILE: &str = "a\nERROR forged \u{1b}[2J\u{202e}x";

    fn log_hostile() {
        tracing::error_span!("connection", user = %HOSTILE).in_scope(|| {
            tracing::info!(name = %HOSTILE, "opened");
        });
    }

    #[test]
    fn an_event_with_a_hostile_name_stays_one_harmless_line() {
        let kept = Kept::default();
        let to = kept.clone();
        let writer = move || OneLine { to: to.clone(), priority: "<6>", escape: true };
        tracing::subscriber::with_default(fmt().with_ansi(false).with_writer(writer).finish(), log_hostile);
        let text = kept.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().contains(['\u{1b}', '\u{202e}']), "{text:?}");
        assert!(text.starts_with("<6>") && text.contains("forged"), "{text}");
    }

    #[test]
    fn a_json_event_with_a_hostile_name_is_one_object() {
        let kept = Kept::default();
        let to = kept.clone();
        let writer = move || OneLine { to: to.clone(), priority: "", escape: false };
        let log = fmt().json().flatten_event(true).with_writer(writer).finish();
        tracing::subscriber::with_default(log, log_hostile);
        let text = kept.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&event["name"], &event["span"]["user"]), (&HOSTILE.into(), &HOSTILE.into()));
    }

    #[test]
    fn the_journal_is_known_by_its_inode_and_not_by_the_variable_alone() {
        let file = tempfile::tempfile().unwrap();
        let stat = rustix::fs::fstat(&file).unwrap();
        let said = format!("{}:{}", stat.st_dev, stat.st_ino);
        assert!(is_journal(Some(&said), &file));
        for other in [None, Some(""), Some("1:2"), Some("x")] {
            assert!(!is_journal(other, &file), "{other:?}");
        }
    }
}
