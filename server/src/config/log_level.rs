//! The log filter: a level, or levels for parts of the program.

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// The text is not a valid filter.
#[derive(Debug, thiserror::Error)]
pub enum LogLevelError {
    /// A word that is not a level. Interpreted as a part of the program, it would silence all others.
    #[error("'{0}' is not a level: write off, error, warn, info, debug or trace, or PART=LEVEL")]
    NoLevel(String),
    /// Another fault.
    #[error(transparent)]
    Directive(#[from] tracing_subscriber::filter::ParseError),
}

/// The library for SSH reports peers that break its rules, as often as they like; `russh=LEVEL` shows these messages.
const QUIET: &str = "russh=off";

/// Parses a filter: a level and `PART=LEVEL` items, separated by commas.
///
/// # Errors
/// [`LogLevelError`].
pub(crate) fn filter(text: &str) -> Result<EnvFilter, LogLevelError> {
    for directive in text.split(',') {
        let is_level = !directive.is_empty() && directive.parse::<LevelFilter>().is_ok();
        if !is_level && !directive.contains('=') {
            return Err(LogLevelError::NoLevel(directive.to_owned()));
        }
    }
    Ok(EnvFilter::try_new(format!("{QUIET},{text}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_level_is_refused_with_the_valid_ones() {
        for text in ["warning", "", "info,notice", "Warning", "verbose"] {
            let error = filter(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("error, warn, info"), "{text}: {error}");
        }
        assert!(filter("ferry_server=warning").is_err());
    }

    #[test]
    fn the_library_for_ssh_is_silent_until_it_is_named() {
        let shown = |text| filter(text).unwrap().to_string();
        assert!(shown("debug").contains("russh=off"), "{}", shown("debug"));
        assert!(!shown("info,russh=debug").contains("russh=off"), "{}", shown("info,russh=debug"));
    }

    #[test]
    fn levels_for_all_and_for_parts_are_taken() {
        for text in [
            "warn",
            "INFO",
            "off",
            "info,ferry_server::gate=trace",
            "warn,rustls=error",
            "[connection{peer}]=debug,info",
        ] {
            filter(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }
}
