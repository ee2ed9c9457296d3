//! The appearance of the screen: the theme, and the signs and colours that the terminal can show.

pub(crate) mod style;
mod theme;

pub(crate) use theme::Theme;

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Depth {
    /// None: bold, dim, reversed and underlined say it all.
    None,
    /// The sixteen of old.
    #[default]
    Sixteen,
    /// 256.
    Many,
    /// All.
    All,
}

/// Signs with variants for terminals without Unicode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signs {
    /// Before the line of the cursor.
    pub(crate) cursor: &'static str,
    /// Before a marked entry.
    pub(crate) mark: &'static str,
    /// Bytes go to the server.
    pub(crate) up: &'static str,
    /// Bytes come from it.
    pub(crate) down: &'static str,
    /// Bytes go from one server to another, or stay on this computer.
    pub(crate) aside: &'static str,
    /// Nothing to say.
    pub(crate) dash: &'static str,
    /// A line across.
    pub(crate) across: &'static str,
    /// A line down.
    pub(crate) along: &'static str,
    /// Corners of a box: above left and right, below left and right.
    pub(crate) corners: [&'static str; 4],
    /// A bar's cells from nearly empty to full.
    pub(crate) bar: &'static [&'static str],
    /// A bar's cell for bytes that were there already.
    pub(crate) bar_kept: &'static str,
    /// A bar's empty cell.
    pub(crate) bar_rest: &'static str,
    /// At least.
    pub(crate) at_least: &'static str,
    /// Something was left out.
    pub(crate) more: &'static str,
    /// Sorted this way, and the other.
    pub(crate) sorted: [&'static str; 2],
    /// Turns while something is waited for.
    pub(crate) spinner: &'static [&'static str],
    /// In place of each character of a password.
    pub(crate) secret: &'static str,
    /// It is well.
    pub(crate) good: &'static str,
    /// It is not.
    pub(crate) bad: &'static str,
}

/// For terminals that show Unicode.
pub(crate) const UNICODE: Signs = Signs {
    cursor: "▸",
    mark: "●",
    up: "↑",
    down: "↓",
    aside: "↔",
    dash: "—",
    across: "─",
    along: "│",
    corners: ["╭", "╮", "╰", "╯"],
    bar: &["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
    bar_kept: "▓",
    bar_rest: "░",
    at_least: "≥",
    more: "…",
    sorted: ["↑", "↓"],
    spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
    secret: "•",
    good: "✓",
    bad: "✗",
};

/// For those that do not.
pub(crate) const ASCII: Signs = Signs {
    cursor: ">",
    mark: "*",
    up: "^",
    down: "v",
    aside: "=",
    dash: "-",
    across: "-",
    along: "|",
    corners: ["+", "+", "+", "+"],
    bar: &["#"],
    bar_kept: "=",
    bar_rest: ".",
    at_least: ">=",
    more: "~",
    sorted: ["^", "v"],
    spinner: &["|", "/", "-", "\\"],
    secret: "*",
    good: "+",
    bad: "!",
};

/// The appearance of the screen.
#[derive(Debug, Clone)]
pub(crate) struct Appearance {
    /// The colours.
    pub(crate) theme: Theme,
    /// All there are to choose from.
    pub(crate) themes: Vec<Theme>,
    /// The signs.
    pub(crate) signs: Signs,
    /// How many colours the terminal has.
    pub(crate) depth: Depth,
}

impl Default for Appearance {
    fn default() -> Self {
        let themes = theme::built_in();
        Self { theme: themes[0].clone(), themes, signs: UNICODE, depth: Depth::Sixteen }
    }
}

impl Appearance {
    /// Whether only ASCII is shown.
    pub(crate) fn is_plain(&self) -> bool {
        self.signs == ASCII
    }

    /// Takes the theme named `name`. Returns whether there is one.
    pub(crate) fn choose(&mut self, name: &str) -> bool {
        let found = self.themes.iter().find(|theme| theme.name == name);
        if let Some(theme) = found {
            self.theme = theme.clone();
        }
        found.is_some()
    }

    /// Takes the theme after this one.
    pub(crate) fn next_theme(&mut self) {
        let at = self.themes.iter().position(|theme| theme.name == self.theme.name).map_or(0, |at| at + 1);
        if let Some(theme) = self.themes.get(at).or_else(|| self.themes.first()) {
            self.theme = theme.clone();
        }
    }

    /// Adds a theme, or puts it in the place of one of its name.
    pub(crate) fn add(&mut self, theme: Theme) {
        self.themes.retain(|other| other.name != theme.name);
        self.themes.push(theme);
    }
}
