//! Choosing by typing: the command palette, the help, and the line below the panes for find and filter.

use ferry_shared::name::Name;
use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{CaseMatching, Normalization, Pattern},
};

use super::ListView;
use crate::tui::{
    action::{Row, Where, table},
    state::{field::Field, lines::wrapped},
};

/// The purpose of the typed line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typing {
    /// Find a name; the row to go back to.
    Find(usize),
    /// Show only some names.
    Filter,
    /// Find a text in the viewer; the byte to go back to.
    FindText(u64),
}

/// A line being typed below the panes.
#[derive(Debug, Clone)]
pub(crate) struct TypeLine {
    /// The purpose.
    pub(crate) typing: Typing,
    /// The line.
    pub(crate) field: Field,
    /// The error in it.
    pub(crate) fault: Option<String>,
    /// The entry the cursor was on; none on `..`.
    pub(crate) origin: Option<Name>,
}

impl TypeLine {
    /// An empty line.
    pub(crate) fn new(typing: Typing) -> Self {
        Self { typing, field: Field::new(""), fault: None, origin: None }
    }
}

/// Choosing a command by its name.
#[derive(Debug, Clone)]
pub(crate) struct Palette {
    /// Where the command will be done.
    pub(crate) place: Where,
    /// All commands of that place that the site of the active pane offers.
    all: Vec<&'static Row>,
    /// The typed text.
    pub(crate) field: Field,
    /// The matching commands, the best first.
    pub(crate) found: Vec<&'static Row>,
    /// The cursor.
    pub(crate) view: ListView,
}

impl Palette {
    /// The commands of `place` that are offered, among them `own` ones of the user.
    pub(crate) fn new(place: Where, own: &[&'static Row], offered: impl Fn(&Row) -> bool) -> Self {
        let all = table().chain(own.iter().copied());
        let all = all.filter(|row| row.places.contains(&place) && offered(row)).collect();
        let mut palette = Self { place, all, field: Field::default(), found: Vec::new(), view: ListView::default() };
        palette.search();
        palette
    }

    /// Searches for the typed text.
    pub(crate) fn search(&mut self) {
        let rows = || self.all.iter().copied();
        let typed = self.field.text();
        // Matches in a command's name come before those in its description.
        let mut found = best(typed, rows().map(|row| (row, row.name.to_owned())).collect());
        let name = typed.trim().to_lowercase().replace(' ', "-");
        found.sort_by_key(|row| (row.name != name, !row.name.starts_with(&name)));
        let others = best(typed, rows().map(|row| (row, format!("{} {}", row.name, row.help))).collect());
        for row in others {
            if !found.iter().any(|named| named.name == row.name) {
                found.push(row);
            }
        }
        self.found = found;
        self.view = ListView::default();
    }
}

/// Every key, the place one is in first.
#[derive(Debug, Clone)]
pub(crate) struct HelpView {
    /// The place one is in.
    pub(crate) place: Where,
    /// The commands of the user.
    own: Vec<&'static Row>,
    /// The typed text.
    pub(crate) field: Field,
    /// The lines: headings are places, the rest rows.
    pub(crate) lines: Vec<HelpLine>,
    /// Lines of the screen scrolled away.
    pub(crate) offset: usize,
}

impl HelpLine {
    /// The description of a command, in lines of at most `width` columns; none for a heading.
    pub(crate) fn words(&self, width: u16) -> Vec<String> {
        match self {
            Self::Heading(_) => Vec::new(),
            Self::Command(_, row) => wrapped(&row.described(), usize::from(width)),
        }
    }
}

/// The most columns a line of the help takes.
pub(crate) const HELP_WIDEST: u16 = 104;

/// A line of the help.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HelpLine {
    /// A heading.
    Heading(Where),
    /// A command in a place.
    Command(Where, &'static Row),
}

impl HelpView {
    /// The help, seen from `place`, with `own` commands of the user.
    pub(crate) fn new(place: Where, own: &[&'static Row]) -> Self {
        let mut help = Self { place, own: own.to_vec(), field: Field::default(), lines: Vec::new(), offset: 0 };
        help.search();
        help
    }

    /// The columns for the keys and for their descriptions, in a box of `width`.
    pub(crate) fn columns(width: u16) -> (u16, u16) {
        let keys = 22.min(width / 3);
        (keys, width.saturating_sub(keys + 4))
    }

    /// Lines it takes on a screen of `width` columns.
    pub(crate) fn height(&self, width: u16) -> usize {
        let (_, words) = Self::columns(width.saturating_sub(6).min(HELP_WIDEST));
        self.lines.iter().map(|line| line.words(words).len().max(1)).sum()
    }

    /// Keeps the lines that contain the typed words.
    pub(crate) fn search(&mut self) {
        let words: Vec<String> = self.field.text().to_lowercase().split_whitespace().map(str::to_owned).collect();
        let mut places = Where::ALL.to_vec();
        places.sort_by_key(|place| *place != self.place);
        self.lines.clear();
        for place in places {
            let fits = |row: &&Row| {
                let text = format!("{} {}", row.name, row.help).to_lowercase();
                row.places.contains(&place) && words.iter().all(|word| text.contains(word))
            };
            let mut rows = table().chain(self.own.iter().copied()).filter(fits).peekable();
            if rows.peek().is_some() {
                self.lines.push(HelpLine::Heading(place));
            }
            self.lines.extend(rows.map(|row| HelpLine::Command(place, row)));
        }
        self.offset = 0;
    }
}

/// The items that match the typed text, the best first; all of them if it is empty.
pub(crate) fn best<T>(typed: &str, things: Vec<(T, String)>) -> Vec<T> {
    if typed.trim().is_empty() {
        return things.into_iter().map(|(thing, _)| thing).collect();
    }
    let pattern = Pattern::parse(typed, CaseMatching::Smart, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, T)> = things
        .into_iter()
        .filter_map(|(thing, text)| Some((pattern.score(Utf32Str::new(&text, &mut buffer), &mut matcher)?, thing)))
        .collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, thing)| thing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::action::Action;

    #[test]
    fn the_palette_finds_a_command_by_some_of_its_letters() {
        let mut palette = Palette::new(Where::Browse, &[], |_| true);
        let all = palette.found.len();
        palette.field = Field::new("newfold");
        palette.search();
        assert_eq!(palette.found[0].action, Action::NewFolder);
        assert!(palette.found.len() < all);
    }

    #[test]
    fn a_whole_name_chooses_its_command() {
        for place in [Where::Browse, Where::Transfers] {
            for row in table().filter(|row| row.places.contains(&place)) {
                let mut palette = Palette::new(place, &[], |_| true);
                palette.field = Field::new(row.name);
                palette.search();
                assert_eq!(palette.found[0].action, row.action, "{}", row.name);
            }
        }
    }

    #[test]
    fn the_help_begins_with_where_one_is() {
        let help = HelpView::new(Where::Transfers, &[]);
        assert!(matches!(help.lines[0], HelpLine::Heading(Where::Transfers)));
        let mut help = HelpView::new(Where::Browse, &[]);
        help.field = Field::new("divider");
        help.search();
        let commands = help.lines.iter().filter(|line| matches!(line, HelpLine::Command(..))).count();
        assert_eq!((commands, help.lines.len()), (2, 3));
    }
}
