//! The log: to standard error, as text or JSON, in lines nobody can forge.

use std::io::{self, Write};

use ferry_shared::name::Escaped;
use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt as _};

use crate::config::{Log, LogFormat};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is none.
    #[error("log.level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// Something else in this process logs already.
    #[error("the log was set up twice")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging. `RUST_LOG`, where it is set, wins over the configured level.
///
/// # Errors
/// [`TelemetryError`].
pub fn start(log: &Log) -> Result<(), TelemetryError> {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|directives| !directives.is_empty());
    let filter = EnvFilter::try_new(wanted.as_ref().unwrap_or(&log.level))?;
    let builder = fmt().with_env_filter(filter).with_ansi(false);
    match log.format {
        LogFormat::Text => builder.with_writer(|| OneLine(io::stderr())).finish().try_init()?,
        // JSON strings cannot hold a control character.
        LogFormat::Json => builder.json().flatten_event(true).with_writer(io::stderr).finish().try_init()?,
    }
    Ok(())
}

/// Writes each event as one line: control characters and marks that reorder text, which a
/// file name or client name may hold, come out as escapes.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    /// Takes a whole event, which is how `tracing_subscriber` writes it.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = event.strip_suffix(b"\n").unwrap_or(event);
        self.0.write_all(format!("{}\n", Escaped(line)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_with_a_hostile_name_stays_one_harmless_line() {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = fmt().with_ansi(false).with_writer(move || OneLine(writer.clone())).finish();
        tracing::subscriber::with_default(log, || {
            tracing::info!(name = %"a\nERROR forged \u{1b}[2J\u{202e}x", "opened");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().contains(['\u{1b}', '\u{202e}']), "{text:?}");
        assert!(text.contains("forged"), "{text}");
    }
}
