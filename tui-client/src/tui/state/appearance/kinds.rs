//! The kinds of entries, by which they are coloured: those of the theme, or those of `LS_COLORS`.

use ferry_shared::entry::Kind;
use lscolors::{Color as LsColor, Indicator, LsColors, Style as LsStyle};
use ratatui_core::style::{Color, Modifier, Style};

use super::Styles;
use crate::tui::state::item::Item;

/// Permission bits of a file that can be run.
const RUNS: u32 = 0o111;

const ARCHIVES: &[&str] = &[
    "7z", "apk", "bz2", "cab", "cpio", "deb", "dmg", "gz", "img", "iso", "jar", "lz", "lz4", "lzma", "qcow2", "rar",
    "rpm", "tar", "tbz", "tgz", "txz", "vmdk", "xz", "zip", "zst",
];
const IMAGES: &[&str] = &[
    "avif", "bmp", "cr2", "dng", "gif", "heic", "ico", "jpeg", "jpg", "nef", "png", "psd", "raw", "svg", "tif", "tiff",
    "webp", "xcf",
];
const MEDIA: &[&str] = &[
    "aac", "avi", "flac", "flv", "m4a", "m4v", "mid", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "ogg", "opus", "ts",
    "wav", "webm", "wma", "wmv",
];
const DOCUMENTS: &[&str] = &[
    "csv", "djvu", "doc", "docx", "epub", "htm", "html", "md", "odp", "ods", "odt", "pdf", "ppt", "pptx", "ps", "rst",
    "rtf", "tex", "txt", "xls", "xlsx",
];

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Folder,
    Symlink,
    Special,
    Executable,
    Archive,
    Image,
    Media,
    Document,
    File,
}

impl FileKind {
    /// The kind of files that has this name in `config.toml`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "archive" => Self::Archive,
            "document" => Self::Document,
            "executable" => Self::Executable,
            "image" => Self::Image,
            "media" => Self::Media,
            _ => return None,
        })
    }

    /// The kind of an entry.
    pub(crate) fn of(item: &Item) -> Self {
        match item.entry.kind {
            Kind::Folder => Self::Folder,
            Kind::Symlink => Self::Symlink,
            Kind::Other => Self::Special,
            Kind::File => Self::of_file(item),
        }
    }

    fn of_file(item: &Item) -> Self {
        let name = item.name();
        let extension = name.rsplit(|byte| *byte == b'.').next().filter(|rest| rest.len() < name.len());
        let extension = extension.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        let among = |all: &[&str]| all.iter().any(|one| one.eq_ignore_ascii_case(extension));
        match () {
            () if among(ARCHIVES) => Self::Archive,
            () if among(IMAGES) => Self::Image,
            () if among(MEDIA) => Self::Media,
            () if among(DOCUMENTS) => Self::Document,
            () if item.entry.mode & RUNS != 0 => Self::Executable,
            () => Self::File,
        }
    }

    fn style(self, styles: &Styles) -> Style {
        match self {
            Self::Folder => styles.folder,
            Self::Symlink => styles.symlink,
            Self::Special => styles.special,
            Self::Executable => styles.executable,
            Self::Archive => styles.archive,
            Self::Image => styles.image,
            Self::Media => styles.media,
            Self::Document => styles.document,
            Self::File => styles.text,
        }
    }

    /// A sign of the fonts that are patched with them ("Nerd Fonts", version 3).
    fn icon(self) -> &'static str {
        match self {
            Self::Folder => "\u{f07b}",
            Self::Symlink => "\u{f0c1}",
            Self::Special => "\u{f085}",
            Self::Executable => "\u{f489}",
            Self::Archive => "\u{f1c6}",
            Self::Image => "\u{f1c5}",
            Self::Media => "\u{f1c8}",
            Self::Document => "\u{f0f6}",
            Self::File => "\u{f016}",
        }
    }
}

/// How the kind of an entry is shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kinds {
    /// The colours of `ls`, where the environment has them.
    ls: Option<LsColors>,
    /// Whether there is a sign before the name.
    pub(crate) icons: bool,
}

impl Kinds {
    /// The colours in the value of `LS_COLORS`; those of the theme where it is empty.
    pub(crate) fn of(ls_colors: &str) -> Self {
        Self { ls: (!ls_colors.is_empty()).then(|| LsColors::from_string(ls_colors)), icons: false }
    }

    /// The style of an entry's name.
    pub(crate) fn style(&self, item: &Item, styles: &Styles) -> Style {
        match &self.ls {
            Some(ls) => of_ls(ls, item).map_or(styles.text, |style| styles.text.patch(style)),
            None => FileKind::of(item).style(styles),
        }
    }

    /// The sign of an entry's kind, where signs are shown.
    pub(crate) fn icon(&self, item: &Item) -> Option<&'static str> {
        self.icons.then(|| FileKind::of(item).icon())
    }
}

/// The style that `LS_COLORS` has for an entry.
fn of_ls(ls: &LsColors, item: &Item) -> Option<Style> {
    let by = |indicator| ls.style_for_indicator(indicator);
    let style = match item.entry.kind {
        Kind::Folder => by(Indicator::Directory),
        Kind::Symlink => by(Indicator::SymbolicLink),
        Kind::Other => by(Indicator::FIFO),
        Kind::File if item.entry.mode & RUNS != 0 => by(Indicator::ExecutableFile),
        Kind::File => {
            let by_name = std::str::from_utf8(item.name()).ok().and_then(|name| ls.style_for_str(name));
            by_name.or_else(|| by(Indicator::RegularFile))
        }
    };
    style.map(converted)
}

fn converted(style: &LsStyle) -> Style {
    let mut made = Style { fg: style.foreground.map(color), bg: style.background.map(color), ..Style::default() };
    let font = style.font_style;
    let modifiers = [
        (font.bold, Modifier::BOLD),
        (font.dimmed, Modifier::DIM),
        (font.italic, Modifier::ITALIC),
        (font.underline, Modifier::UNDERLINED),
        (font.reverse, Modifier::REVERSED),
    ];
    for (_, modifier) in modifiers.into_iter().filter(|(set, _)| *set) {
        made = made.add_modifier(modifier);
    }
    made
}

fn color(color: LsColor) -> Color {
    match color {
        LsColor::Black => Color::Black,
        LsColor::Red => Color::Red,
        LsColor::Green => Color::Green,
        LsColor::Yellow => Color::Yellow,
        LsColor::Blue => Color::Blue,
        LsColor::Magenta => Color::Magenta,
        LsColor::Cyan => Color::Cyan,
        LsColor::White => Color::Gray,
        LsColor::BrightBlack => Color::DarkGray,
        LsColor::BrightRed => Color::LightRed,
        LsColor::BrightGreen => Color::LightGreen,
        LsColor::BrightYellow => Color::LightYellow,
        LsColor::BrightBlue => Color::LightBlue,
        LsColor::BrightMagenta => Color::LightMagenta,
        LsColor::BrightCyan => Color::LightCyan,
        LsColor::BrightWhite => Color::White,
        LsColor::Fixed(index) => Color::Indexed(index),
        LsColor::RGB(r, g, b) => Color::Rgb(r, g, b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture::entry;

    fn program(name: &str) -> Item {
        let mut item = entry(name, 1, 0);
        item.entry.mode = 0o755;
        item
    }

    #[test]
    fn an_entry_is_told_by_its_kind_then_its_extension_then_its_permissions() {
        let cases = [
            (entry("a/", 0, 0), FileKind::Folder),
            (entry("a@", 0, 0), FileKind::Symlink),
            (entry("a.tar.GZ", 0, 0), FileKind::Archive),
            (entry("a.jpeg", 0, 0), FileKind::Image),
            (entry("a.mkv", 0, 0), FileKind::Media),
            (entry("a.pdf", 0, 0), FileKind::Document),
            (entry("zip", 0, 0), FileKind::File),
            (entry(".png", 0, 0), FileKind::Image),
            (program("run"), FileKind::Executable),
            (program("run.zip"), FileKind::Archive),
        ];
        for (item, is) in cases {
            assert_eq!(FileKind::of(&item), is, "{}", item.entry.name.display());
        }
    }

    #[test]
    fn the_colours_of_ls_are_used_where_the_environment_has_them() {
        let styles = Styles { folder: Style::new().fg(Color::Green), ..Styles::default() };
        let theme = Kinds::of("");
        assert_eq!(theme.style(&entry("a/", 0, 0), &styles).fg, Some(Color::Green));
        let ls = Kinds::of("di=01;34:ln=36:ex=38;5;208:*.jpg=38;2;1;2;3;4");
        let style = |item: &Item| ls.style(item, &styles);
        assert_eq!(style(&entry("a/", 0, 0)), Style::new().fg(Color::Blue).add_modifier(Modifier::BOLD));
        assert_eq!(style(&entry("a@", 0, 0)).fg, Some(Color::Cyan));
        assert_eq!(style(&program("a")).fg, Some(Color::Indexed(208)));
        let picture = Style::new().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::UNDERLINED);
        assert_eq!(style(&entry("a.jpg", 0, 0)), picture);
        assert_eq!(style(&entry("a.txt", 0, 0)), styles.text);
    }

    #[test]
    fn signs_before_names_are_shown_only_if_they_are_wanted() {
        assert_eq!(Kinds::default().icon(&entry("a/", 0, 0)), None);
        let kinds = Kinds { icons: true, ..Kinds::default() };
        assert_eq!(kinds.icon(&entry("a/", 0, 0)), Some("\u{f07b}"));
    }
}
