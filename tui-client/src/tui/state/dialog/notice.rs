//! A text to read: a title, lines, and the scroll position.

use ferry_client::connect::Target;

/// How it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// As information.
    #[default]
    Plain,
    /// As a warning or an error.
    Bad,
    /// As a reason to stop and think.
    Alarm,
}

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Notice {
    /// The title.
    pub(crate) title: String,
    /// The lines; long ones are broken on the screen.
    pub(crate) lines: Vec<String>,
    /// How it is meant.
    pub(crate) tone: Tone,
    /// Lines scrolled away.
    pub(crate) offset: usize,
    /// The server that Ctrl-R logs in to again.
    pub(crate) again: Option<Target>,
    /// The lines can be saved to a file.
    pub(crate) saves: bool,
}

impl Notice {
    /// An information.
    pub(crate) fn plain(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self { title: title.into(), lines, ..Self::default() }
    }

    /// A warning.
    pub(crate) fn bad(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self { tone: Tone::Bad, ..Self::plain(title, lines) }
    }
}
