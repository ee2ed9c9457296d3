//! The colours of highlighted text: a theme for dark backgrounds, for light ones, for sixteen colours, and for none.

use std::{str::FromStr as _, sync::OnceLock};

use syntect::highlighting::{FontStyle, ScopeSelectors, StyleModifier, Theme, ThemeItem};
use two_face::theme::{EmbeddedLazyThemeSet, EmbeddedThemeName};

use crate::tui::state::preview::Palette;

/// The theme for a palette, read once.
pub(super) fn of(palette: Palette) -> &'static Theme {
    static COLOURS: OnceLock<EmbeddedLazyThemeSet> = OnceLock::new();
    static COLOURLESS: OnceLock<Theme> = OnceLock::new();
    let name = match palette {
        Palette::None => return COLOURLESS.get_or_init(colourless),
        Palette::Sixteen => EmbeddedThemeName::Ansi,
        Palette::Dark => EmbeddedThemeName::CatppuccinMocha,
        Palette::Light => EmbeddedThemeName::CatppuccinLatte,
    };
    COLOURS.get_or_init(two_face::theme::extra).get(name)
}

/// Keywords and headings are bold; comments are italic, which is shown as dim.
fn colourless() -> Theme {
    let styles = [
        ("comment, punctuation.definition.comment", FontStyle::ITALIC),
        ("keyword, storage, markup.heading, entity.name.section, entity.name.tag", FontStyle::BOLD),
    ];
    let items = styles.into_iter().filter_map(|(scopes, font_style)| {
        let style = StyleModifier { foreground: None, background: None, font_style: Some(font_style) };
        Some(ThemeItem { scope: ScopeSelectors::from_str(scopes).ok()?, style })
    });
    let mut theme = Theme { scopes: items.collect(), ..Theme::default() };
    theme.settings.foreground = Some(syntect::highlighting::Color::BLACK);
    theme
}
