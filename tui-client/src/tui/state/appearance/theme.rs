//! Themes: a style for each thing on the screen, read from TOML; three come with the program.
//!
//! Each style can be given twice: for terminals with 256 colours and more, and for those with sixteen or none.

use ratatui_core::style::Style;
use toml::de::DeTable;

use super::style;
use crate::setting_error::SettingError;

macro_rules! roles {
    ($($(#[$doc:meta])* $field:ident: $key:literal,)*) => {
        /// A style for each thing on the screen.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub(crate) struct Styles {
            $($(#[$doc])* pub(crate) $field: Style,)*
        }

        impl Styles {
            fn of(&mut self, key: &str) -> Option<&mut Style> {
                match key {
                    $($key => Some(&mut self.$field),)*
                    _ => None,
                }
            }

            /// These styles, each changed.
            pub(super) fn map(&self, change: impl Fn(Style) -> Style) -> Self {
                Self { $($field: change(self.$field),)* }
            }

            #[cfg(test)]
            const ROLES: &[&str] = &[$($key),*];
        }
    };
}

roles! {
    /// Plain text; its background is that of the whole screen.
    text: "text",
    /// Less important text: dates, explanations.
    dim: "dim",
    /// The path of the other pane.
    title: "title",
    /// The path of the active pane.
    title_active: "title-active",
    /// Frames and separator lines.
    border: "border",
    /// The frame of the left pane while it is active, and what belongs to it.
    left: "left",
    /// The same for the right pane.
    right: "right",
    /// The site of the left pane while it is active.
    chip_left: "chip-left",
    /// The same for the right pane.
    chip_right: "chip-right",
    /// A label on a coloured ground that is not active.
    chip: "chip",
    /// The line of the cursor; without a colour of its own, each text keeps its colour.
    cursor: "cursor",
    /// The line of the cursor in the other pane.
    cursor_other: "cursor-other",
    /// Marked entries.
    mark: "mark",
    /// Folders.
    folder: "folder",
    /// Symlinks.
    symlink: "link",
    /// FIFOs, sockets and devices.
    special: "special",
    /// Programs.
    executable: "executable",
    /// Archives and packages.
    archive: "archive",
    /// Pictures.
    image: "image",
    /// Sound and video.
    media: "media",
    /// Documents.
    document: "document",
    /// The part of a name that matches.
    found: "found",
    /// The done part of a bar.
    bar: "bar",
    /// The part of a bar that was there already.
    bar_kept: "bar-kept",
    /// The rest of a bar.
    bar_rest: "bar-rest",
    /// The done part of the line of a transfer.
    line_done: "line-done",
    /// The part of it that was there already.
    line_kept: "line-kept",
    /// Success: verified, connected.
    good: "good",
    /// Warnings: a question, paused, nearly full.
    warn: "warn",
    /// Errors: failed, lost.
    bad: "bad",
    /// A key in a hint.
    key: "key",
    /// The description of a key in a hint.
    hint: "hint",
    /// The screen behind a box.
    behind: "behind",
    /// A box over the panes.
    dialog: "dialog",
    /// Its title.
    dialog_title: "dialog-title",
    /// Its frame.
    dialog_border: "dialog-border",
    /// A field to fill in.
    field: "field",
    /// The field being filled in.
    field_active: "field-active",
}

/// A theme: its styles on terminals with many colours, and on others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Theme {
    /// Its name.
    pub(crate) name: String,
    /// The styles where 256 colours or more can be shown.
    pub(super) many: Styles,
    /// The styles where sixteen or none can.
    pub(super) few: Styles,
}

impl Theme {
    /// The styles with their keys, for many colours and for few; `None` if there is no such key.
    fn set(&mut self, key: &str, (many, few): (Style, Style)) -> Option<()> {
        *self.many.of(key)? = many;
        *self.few.of(key)? = few;
        Some(())
    }
}

/// The themes that come with the program, the usual one first.
pub(super) fn built_in() -> Vec<Theme> {
    let all = [
        ("dark", include_str!("../../../../../assets/themes/dark.toml")),
        ("light", include_str!("../../../../../assets/themes/light.toml")),
        ("plain", include_str!("../../../../../assets/themes/plain.toml")),
    ];
    all.into_iter().map(|(name, text)| Theme::read(name, text).0).collect()
}

impl Theme {
    /// Reads a theme; a style with an error keeps its default.
    pub(crate) fn read(name: &str, text: &str) -> (Self, Vec<SettingError>) {
        let mut theme = Self { name: name.to_owned(), ..Self::default() };
        let mut faults = Vec::new();
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                faults.push(SettingError::at(text, error.span().unwrap_or_default().start, error.message()));
                return (theme, faults);
            }
        };
        for (key, value) in table.get_ref() {
            let Some(style) = value.get_ref().as_str() else {
                faults.push(SettingError::at(text, value.span().start, "a style is a text like \"red on black bold\""));
                continue;
            };
            match style::parse_both(style) {
                Err(error) => faults.push(SettingError::at(text, value.span().start, error)),
                Ok(styles) if theme.set(key.get_ref(), styles).is_some() => {}
                Ok(_) => {
                    faults.push(SettingError::at(text, key.span().start, format!("a theme has no `{}`", key.get_ref())))
                }
            }
        }
        (theme, faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_themes_are_whole_and_without_fault() {
        for name in ["dark", "light", "plain"] {
            let file = format!("{}/../assets/themes/{name}.toml", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(file).unwrap();
            assert_eq!(Theme::read(name, &text).1, []);
            for role in Styles::ROLES {
                assert!(text.lines().any(|line| line.starts_with(&format!("{role} ="))), "{name} has no {role}");
            }
        }
    }

    #[test]
    fn the_plain_theme_has_no_colours() {
        let plain = built_in().into_iter().find(|theme| theme.name == "plain").unwrap();
        for styles in [plain.many, plain.few] {
            for style in [styles.cursor, styles.mark, styles.bad, styles.folder, styles.dialog, styles.line_done] {
                assert_eq!((style.fg, style.bg), (None, None));
            }
        }
    }

    #[test]
    fn faults_are_told_with_their_lines() {
        let (theme, faults) = Theme::read("mine", "cursor = \"red\"\nmarks = \"blue\"\nmark = \"bleu\"\nbad = 3\n");
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().any(|fault| fault.starts_with("line 2: a theme has no `marks`")), "{told:?}");
        assert!(told.iter().any(|fault| fault.starts_with("line 3: `bleu`")), "{told:?}");
        assert!(theme.many.cursor.fg.is_some() && theme.few.cursor.fg.is_some());
    }
}
