//! The appearance of the screen: the theme, and the signs and colours that the terminal can show.

pub(crate) mod colour;
mod kinds;
pub(crate) mod style;
mod theme;

pub(crate) use kinds::{FileKind, Kinds};
use ratatui_core::style::Style;
pub(crate) use theme::{Styles, Theme};

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

/// How images are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Images {
    /// In half blocks, which every terminal has.
    #[default]
    Blocks,
    /// With the graphics of kitty.
    Kitty,
    /// In sixels.
    Sixel,
    /// As iTerm2 shows them.
    Iterm,
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
    /// A figure's history, from nearly nothing to the most.
    pub(crate) spark: &'static [&'static str],
    /// A gauge's cell that is full, and one that is empty.
    pub(crate) gauge: [&'static str; 2],
    /// Between two figures.
    pub(crate) between: &'static str,
    /// In place of each character of a password.
    pub(crate) secret: &'static str,
    /// It is well.
    pub(crate) good: &'static str,
    /// It is not.
    pub(crate) bad: &'static str,
}

/// For terminals that show Unicode.
pub(crate) const UNICODE: Signs = Signs {
    cursor: "❯",
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
    spark: &["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    gauge: ["━", "┄"],
    between: "·",
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
    spark: &[".", ":", "|", "#"],
    gauge: ["#", "."],
    between: ",",
    secret: "*",
    good: "+",
    bad: "!",
};

/// The appearance of the screen.
#[derive(Debug, Clone)]
pub(crate) struct Appearance {
    /// The styles of the chosen theme, as this terminal shows them.
    pub(crate) theme: Styles,
    /// The style of plain text with its background, on which everything is drawn. Other text has the background that is
    /// below it.
    pub(crate) ground: Style,
    /// The name of the chosen theme.
    pub(crate) name: String,
    /// The signs.
    pub(crate) signs: Signs,
    /// The colours that tell what is in a file.
    pub(crate) kinds: Kinds,
    /// How images are drawn.
    pub(crate) images: Images,
    themes: Vec<Theme>,
    depth: Depth,
}

impl Default for Appearance {
    fn default() -> Self {
        Self::new(UNICODE, Depth::Sixteen)
    }
}

impl Appearance {
    /// The usual theme with these signs, on a terminal with so many colours.
    pub(crate) fn new(signs: Signs, depth: Depth) -> Self {
        let themes = theme::built_in();
        let mut appearance = Self {
            theme: Styles::default(),
            ground: Style::default(),
            name: String::new(),
            signs,
            kinds: Kinds::default(),
            images: Images::Blocks,
            themes,
            depth,
        };
        appearance.take(0);
        appearance
    }

    /// How many colours the terminal has.
    pub(crate) fn depth(&self) -> Depth {
        self.depth
    }

    /// Whether only ASCII is shown.
    pub(crate) fn is_plain(&self) -> bool {
        self.signs == ASCII
    }

    /// Whether the theme has no colours: bold, dim and reversed say it all.
    pub(crate) fn is_colourless(&self) -> bool {
        [self.theme.folder, self.theme.mark, self.theme.good, self.theme.bad].iter().all(|style| style.fg.is_none())
    }

    /// Whether the theme is made for dark text on a light background: as far as its own background or text says it, else
    /// by its name.
    pub(crate) fn is_light(&self) -> bool {
        let background = self.ground.bg.and_then(colour::is_bright);
        let text = self.ground.fg.and_then(colour::is_bright);
        background.or(text.map(|text| !text)).unwrap_or(self.name == "light")
    }

    fn take(&mut self, index: usize) {
        if let Some(theme) = self.themes.get(index) {
            let styles = if matches!(self.depth, Depth::Many | Depth::All) { &theme.many } else { &theme.few };
            let depth = self.depth;
            (self.theme, self.name) = (styles.map(|style| colour::style(style, depth)), theme.name.clone());
            self.ground = self.theme.text;
            self.theme.text.bg = None;
        }
    }

    /// Takes the theme named `name`. Returns whether there is one.
    pub(crate) fn choose(&mut self, name: &str) -> bool {
        let found = self.themes.iter().position(|theme| theme.name == name);
        if let Some(index) = found {
            self.take(index);
        }
        found.is_some()
    }

    /// Takes the theme after this one.
    pub(crate) fn next_theme(&mut self) {
        let next = self.themes.iter().position(|theme| theme.name == self.name).map_or(0, |at| at + 1);
        self.take(next % self.themes.len().max(1));
    }

    /// Adds a theme, or puts it in the place of one of its name.
    pub(crate) fn add(&mut self, theme: Theme) {
        self.themes.retain(|other| other.name != theme.name);
        self.themes.push(theme);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_says_what_background_it_is_made_for() {
        let of = |name: &str, text: &str, depth| {
            let mut appearance = Appearance::new(UNICODE, depth);
            appearance.add(Theme::read(name, text).0);
            assert!(appearance.choose(name));
            appearance.is_light()
        };
        for depth in [Depth::Many, Depth::All] {
            assert!(of("light", "", depth) && !of("dark", "", depth) && !of("mine", "", depth));
            assert!(of("mine", "text = \"black on #fdf6e3\"", depth));
            assert!(!of("light", "text = \"white on #101010\"", depth));
            assert!(of("mine", "text = \"#202020\"", depth) && !of("mine", "text = \"bright-white\"", depth));
        }
        let mut appearance = Appearance::new(UNICODE, Depth::All);
        for (name, colourless) in [("plain", true), ("dark", false), ("light", false)] {
            assert!(appearance.choose(name));
            assert_eq!(appearance.is_colourless(), colourless, "{name}");
        }
    }
}
