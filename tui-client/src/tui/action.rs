//! All actions of keys. One table feeds the keymap, the help, the footer, the palette and `docs/keys.md`.

mod docs;
mod needs;
mod table;

pub(crate) use needs::Need;
pub(crate) use table::table;

/// An action. Its exact effect depends on the place; see [`table`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    HalfUp,
    HalfDown,
    Top,
    Bottom,
    Left,
    Right,
    OtherPane,
    Open,
    OpenOutside,
    Parent,
    Back,
    Forward,
    GoHome,
    GoRoot,
    GoTo,
    Bookmarks,
    AddBookmark,
    SwitchPlace,
    Mark,
    Range,
    Invert,
    MarkGlob,
    UnmarkGlob,
    MarkAll,
    UnmarkAll,
    Copy,
    Move,
    Rename,
    NewFolder,
    Delete,
    View,
    Preview,
    Edit,
    Details,
    Find,
    FindNext,
    FindPrevious,
    Filter,
    Search,
    Hidden,
    SortName,
    SortSize,
    SortTime,
    SortExtension,
    SortNameReversed,
    SortSizeReversed,
    SortTimeReversed,
    SortExtensionReversed,
    Compare,
    StepTogether,
    SwapPanes,
    NewTab,
    NextTab,
    PreviousTab,
    CloseTab,
    Narrower,
    Wider,
    Refresh,
    Transfers,
    History,
    Answer,
    Sites,
    Account,
    Disconnect,
    Palette,
    Help,
    Shell,
    NextTheme,
    Suspend,
    Redraw,
    Close,
    Quit,
    Pause,
    PauseAll,
    Retry,
    Cancel,
    CancelDiscard,
    Earlier,
    Later,
    MoreAtOnce,
    FewerAtOnce,
    Speed,
    ClearFinished,
    Hex,
    Wrap,
    Accept,
    NextField,
    PreviousField,
    CreateAccount,
    Remember,
    NewSite,
    EditSite,
    RemoveEntry,
    ChangeTarget,
    CopyAs,
    FolderSizes,
    Permissions,
    MakeLink,
    ChangeRule,
    ChangeLinks,
    Replace,
    Skip,
    KeepBoth,
    Newer,
    ChangeScope,
    NextQuestion,
    PreviousQuestion,
    ResumeLater,
    WaitThenQuit,
    CancelAndQuit,
    GoOn,
    KeepQueue,
    DropQueue,
    SaveList,
    CopyPath,
    CopyAddress,
    CopyDigest,
    StartDeleting,
    Deletions,
    Checksum,
    Turn,
    LeaveOut,
    MarkDifferent,
    /// A command of the user, by its number.
    Custom(usize),
}

/// A part of the screen that takes keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Where {
    /// The two panes.
    Browse,
    /// The full list of transfers.
    Transfers,
    /// The viewer of a file.
    View,
    /// A list to choose from: sites, bookmarks.
    List,
    /// The results of a search.
    Found,
    /// A line being typed that chooses from a list: palette, help, find, filter.
    Type,
    /// Fields to fill in.
    Form,
    /// The plan of a copy or move.
    Copy,
    /// The comparison of two trees.
    Comparison,
    /// Yes or no.
    Confirm,
    /// Yes or no, where surprisingly much is deleted.
    Danger,
    /// The target of a transfer exists.
    Conflict,
    /// An unknown key of a server.
    Trust,
    /// Quitting while transfers run.
    Quit,
    /// Transfers left from the last run.
    Resume,
    /// An operation that takes long.
    Wait,
    /// A message to read.
    Notice,
    /// Every place in which the key has no other action.
    Anywhere,
}

impl Where {
    /// All places, in the order of the docs.
    pub(crate) const ALL: [Self; 18] = [
        Self::Browse,
        Self::Transfers,
        Self::View,
        Self::List,
        Self::Found,
        Self::Type,
        Self::Form,
        Self::Copy,
        Self::Comparison,
        Self::Confirm,
        Self::Danger,
        Self::Conflict,
        Self::Trust,
        Self::Quit,
        Self::Resume,
        Self::Wait,
        Self::Notice,
        Self::Anywhere,
    ];

    /// The name of its section in `keys.toml`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Browse => "browse",
            Self::Transfers => "transfers",
            Self::View => "view",
            Self::List => "list",
            Self::Found => "found",
            Self::Type => "type",
            Self::Form => "form",
            Self::Copy => "copy",
            Self::Comparison => "comparison",
            Self::Confirm => "confirm",
            Self::Danger => "danger",
            Self::Conflict => "conflict",
            Self::Trust => "trust",
            Self::Quit => "quit",
            Self::Resume => "resume",
            Self::Wait => "wait",
            Self::Notice => "notice",
            Self::Anywhere => "anywhere",
        }
    }

    /// Its heading, for display.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Browse => "In the panes",
            Self::Transfers => "In the list of transfers",
            Self::View => "While viewing a file",
            Self::List => "In a list (sites, bookmarks)",
            Self::Found => "In the results of a search",
            Self::Type => "While typing to choose (palette, help, find, filter)",
            Self::Form => "While filling in fields",
            Self::Copy => "Before a copy or move",
            Self::Comparison => "While both trees are compared, and before a sync",
            Self::Confirm => "Yes or no",
            Self::Danger => "Before a sync deletes surprisingly much",
            Self::Conflict => "When something is already there",
            Self::Trust => "When a server's key is not known",
            Self::Quit => "When quitting with transfers running",
            Self::Resume => "When transfers are left from the last time",
            Self::Wait => "While a connection is being made",
            Self::Notice => "While reading a message",
            Self::Anywhere => "Anywhere",
        }
    }

    /// Whether text is typed in this place.
    pub(crate) fn types(self) -> bool {
        matches!(self, Self::Type | Self::Form)
    }
}

/// A row of the table: an action in some places, its keys and its texts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The action.
    pub(crate) action: Action,
    /// Its name in `keys.toml` and the palette.
    pub(crate) name: &'static str,
    /// The places in which it works.
    pub(crate) places: &'static [Where],
    /// Its keys; each entry is one key or a sequence of keys.
    pub(crate) keys: &'static [&'static str],
    /// Its keys in the preset `mc`, if they differ.
    pub(crate) mc: Option<&'static [&'static str]>,
    /// Its keys in the preset `vim`, if they differ.
    pub(crate) vim: Option<&'static [&'static str]>,
    /// The ability that the site of the active pane must have.
    pub(crate) needs: Option<Need>,
    /// The description of the action in the help.
    pub(crate) help: &'static str,
    /// The label in the footer; empty if it is not shown there.
    pub(crate) hint: &'static str,
    /// The priority in a footer without room for all labels; the lowest ranks stay.
    pub(crate) rank: u8,
}

/// A set of keys to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Preset {
    /// The keys of ferry.
    #[default]
    Default,
    /// The keys of Midnight Commander.
    Mc,
    /// The keys of vi.
    Vim,
}

impl Preset {
    /// All presets.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Default, Self::Mc, Self::Vim];
}

impl Row {
    /// A command of the user in the panes. It lives as long as the program, like the rows of the table.
    pub(crate) fn of_user(number: usize, name: &str, help: &str) -> &'static Self {
        let kept = |text: &str| &*Box::leak(text.to_owned().into_boxed_str());
        Box::leak(Box::new(Self {
            action: Action::Custom(number),
            name: kept(name),
            places: &[Where::Browse],
            keys: &[],
            mc: None,
            vim: None,
            needs: None,
            help: kept(help),
            hint: "",
            rank: 5,
        }))
    }

    /// The description in the help, with the ability that the action needs.
    pub(crate) fn described(&self) -> String {
        let needs = self.needs.map_or(String::new(), |need| format!("; where there is a {}", need.lacking()));
        format!("{}{needs}", self.help)
    }

    /// Its keys in `preset`.
    pub(crate) fn keys_in(&self, preset: Preset) -> &'static [&'static str] {
        match preset {
            Preset::Default => self.keys,
            Preset::Mc => self.mc.unwrap_or(self.keys),
            Preset::Vim => self.vim.unwrap_or(self.keys),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn each_action_has_one_name_and_one_row_a_place() {
        let mut names = HashMap::new();
        let mut seen = std::collections::HashSet::new();
        for row in table() {
            assert_eq!(*names.entry(row.action).or_insert(row.name), row.name);
            assert!(!row.help.is_empty() && !row.places.is_empty(), "{}", row.name);
            for place in row.places {
                assert!(seen.insert((row.action, *place)), "{} twice in {}", row.name, place.name());
            }
        }
        let distinct: std::collections::HashSet<_> = names.values().collect();
        assert_eq!(distinct.len(), names.len(), "two actions share a name");
    }

    #[test]
    fn every_function_key_of_the_panes_has_a_letter_twin() {
        for preset in Preset::ALL {
            for row in table().filter(|row| row.places.contains(&Where::Browse)) {
                let keys = row.keys_in(preset);
                let function = |key: &&str| key.len() > 1 && key.starts_with('f') && key[1..].parse::<u8>().is_ok();
                if keys.iter().any(function) {
                    assert!(!keys.iter().all(function), "{} has F-keys only in {preset:?}", row.name);
                }
            }
        }
    }

    #[test]
    fn where_one_types_no_plain_character_is_a_command() {
        for row in table().filter(|row| row.places.iter().any(|place| place.types() || *place == Where::Anywhere)) {
            for preset in Preset::ALL {
                for text in row.keys_in(preset) {
                    let keys = crate::tui::keymap::Key::sequence(text).unwrap();
                    assert!(keys.iter().all(|key| key.typed().is_none()), "{} takes `{text}`", row.name);
                }
            }
        }
    }
}
