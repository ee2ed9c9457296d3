//! The table, one row per line, in the order of the help and the footer.

use super::{
    Action::{self, *},
    Need, Row,
    Where::{self, Browse, Confirm, Form, List, Notice, Trust, Type},
};

type Keys = &'static [&'static str];

const fn row(action: Action, name: &'static str, places: &'static [Where], keys: Keys, help: &'static str) -> Row {
    Row { action, name, places, keys, mc: None, vim: None, needs: None, help, hint: "", rank: 5 }
}

impl Row {
    const fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    /// Sets the priority in a narrow footer.
    const fn rank(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    const fn needs(self, need: Need) -> Self {
        Self { needs: Some(need), ..self }
    }

    const fn mc(self, keys: Keys) -> Self {
        Self { mc: Some(keys), ..self }
    }

    const fn vim(self, keys: Keys) -> Self {
        Self { vim: Some(keys), ..self }
    }
}

/// All rows.
pub(crate) fn table() -> impl Iterator<Item = &'static Row> {
    [FILES, MOVE, MARK, LOOK, SORT, TRANSFERS, PROGRAM, VIEW, CHOOSE, QUESTIONS].into_iter().flatten()
}

const PANES: &[Where] = &[Browse];
const LISTS: &[Where] = &[Browse, Where::Transfers, List, Where::Found, Where::Comparison];
const SCROLLS: &[Where] = &[Browse, Where::Transfers, Where::View, List, Where::Found, Where::Comparison];

const FILES: &[Row] = &[
    row(Copy, "copy", PANES, &["f5", "c"], "copy what is marked, or under the cursor, to the other pane")
        .hint("copy")
        .rank(1)
        .vim(&["f5", "y y"]),
    row(Move, "move", PANES, &["f6", "m"], "move it to the other pane").hint("move").rank(3),
    row(Mark, "mark", PANES, &["space", "insert"], "mark or unmark, and go to the next")
        .hint("mark")
        .rank(1)
        .mc(&["insert", "ctrl-t", "space"]),
    row(View, "view", PANES, &["f3", "o"], "view the file as text or hex, without fetching all of it")
        .hint("view")
        .rank(4),
    row(Preview, "preview", PANES, &["p"], "show or hide a preview of what is under the cursor"),
    row(Edit, "edit", PANES, &["f4", "e"], "edit in $EDITOR; a remote file comes and goes back verified"),
    row(NewFolder, "new-folder", PANES, &["f7", "a"], "make a folder, or several: a/b").hint("folder").rank(4),
    row(Delete, "delete", PANES, &["f8", "d", "delete"], "delete, after showing how much that is")
        .hint("delete")
        .rank(3)
        .vim(&["f8", "d d", "delete"]),
    row(Rename, "rename", PANES, &["f2", "r"], "rename; several marked ones in $EDITOR")
        .mc(&["f2", "shift-f6", "r"])
        .vim(&["f2", "c w"]),
    row(Permissions, "permissions", PANES, &["M"], "set permissions, of a folder also for everything below"),
    row(MakeLink, "make-link", PANES, &["s"], "make a symbolic link to it: in the other pane, or beside it")
        .needs(Need::Links),
    row(FolderSizes, "folder-sizes", PANES, &["S"], "show the size of the folder under the cursor, or of those marked"),
    row(Details, "details", PANES, &["i"], "everything known about it, with its digest"),
    row(CopyPath, "copy-path", PANES, &["y p"], "give its path to the clipboard of the terminal"),
    row(CopyAddress, "copy-address", PANES, &["y a"], "give its address to the clipboard, with the server"),
];

const MOVE: &[Row] = &[
    row(Up, "up", SCROLLS, &["up", "k"], "one line up"),
    row(Down, "down", SCROLLS, &["down", "j"], "one line down"),
    row(PageUp, "page-up", SCROLLS, &["pageup", "ctrl-b"], "one page up"),
    row(PageDown, "page-down", LISTS, &["pagedown", "ctrl-f"], "one page down"),
    row(HalfUp, "half-page-up", SCROLLS, &["ctrl-u"], "half a page up").mc(&[]),
    row(HalfDown, "half-page-down", SCROLLS, &["ctrl-d"], "half a page down").mc(&[]),
    row(Top, "top", SCROLLS, &["g g", "home"], "to the first line"),
    row(Bottom, "bottom", SCROLLS, &["G", "end"], "to the last line"),
    row(OtherPane, "other-pane", PANES, &["tab", "backtab"], "to the other pane"),
    row(Open, "open", PANES, &["enter", "right", "l"], "enter the folder; open the file with its [[open]], or view it"),
    row(OpenOutside, "open-outside", PANES, &["O"], "open with its [[open]] in config.toml, or the system's program"),
    row(Parent, "parent", PANES, &["left", "h", "backspace"], "to the folder above"),
    row(Back, "back", PANES, &["alt-left", "H"], "to the folder before").mc(&["alt-left", "alt-y", "H"]),
    row(Forward, "forward", PANES, &["alt-right", "L"], "to the folder after it").mc(&["alt-right", "alt-u", "L"]),
    row(GoHome, "go-home", PANES, &["g h", "~"], "go to the home folder"),
    row(GoRoot, "go-root", PANES, &["g r"], "go to the topmost folder"),
    row(Bookmarks, "bookmarks", PANES, &["g b"], "choose a bookmark"),
    row(AddBookmark, "bookmark-this", PANES, &["g a"], "bookmark this folder"),
    row(GoTo, "go-to", PANES, &["g /"], "type a path to go to").mc(&["g /", "alt-c"]),
    row(SwitchPlace, "switch-place", PANES, &["g o"], "show the server in this pane, or this computer again"),
];

const MARK: &[Row] = &[
    row(Range, "mark-range", PANES, &["v"], "mark all from here to where the cursor goes; again ends it")
        .vim(&["v", "V"]),
    row(Invert, "invert-marks", PANES, &["*"], "mark what is not marked, and the other way round"),
    row(MarkGlob, "mark-matching", PANES, &["+"], "mark what matches a pattern like *.jpg"),
    row(UnmarkGlob, "unmark-matching", PANES, &["-"], "unmark what matches a pattern").mc(&["-", "\\"]),
    row(MarkAll, "mark-all", PANES, &["ctrl-a"], "mark all"),
    row(UnmarkAll, "unmark-all", PANES, &["u"], "unmark all"),
];

const LOOK: &[Row] = &[
    row(Find, "find", PANES, &["/"], "find a name in this folder while typing it")
        .hint("find")
        .rank(2)
        .mc(&["/", "ctrl-s", "alt-s"]),
    row(FindNext, "find-next", &[Browse, Where::View], &["n"], "to the next match"),
    row(FindPrevious, "find-previous", &[Browse, Where::View], &["N"], "to the match before"),
    row(Filter, "filter", PANES, &["f"], "show only names that contain what is typed; Esc shows all")
        .hint("filter")
        .rank(2),
    row(Search, "search", PANES, &["F"], "search everything below this folder for a name").mc(&["F", "alt-?"]),
    row(Hidden, "hidden", PANES, &["."], "show or hide names that begin with a dot")
        .mc(&[".", "alt-."])
        .vim(&[".", "z h"]),
    row(Compare, "compare", PANES, &["="], "compare both folders with everything below them; sync one like the other")
        .hint("compare")
        .rank(4)
        .mc(&["=", "ctrl-x d"]),
    row(
        StepTogether,
        "step-together",
        PANES,
        &["ctrl-y"],
        "keep both panes in step: one follows into folders of the same name",
    ),
    row(SwapPanes, "swap-panes", PANES, &[], "let the panes change sides").mc(&["ctrl-u"]),
    row(NewTab, "new-tab", PANES, &["t"], "a new tab, which shows the same folders"),
    row(NextTab, "next-tab", PANES, &["]"], "to the next tab"),
    row(PreviousTab, "previous-tab", PANES, &["["], "to the tab before"),
    row(CloseTab, "close-tab", PANES, &["ctrl-w"], "close the tab; connections that no other uses are closed"),
    row(Narrower, "narrower", PANES, &["<"], "move the divider to the left"),
    row(Wider, "wider", PANES, &[">"], "move the divider to the right"),
    row(Refresh, "refresh", PANES, &["ctrl-r"], "read the folder again; connect again"),
];

const SORT: &[Row] = &[
    row(SortName, "sort-by-name", PANES, &[", n"], "sort by name"),
    row(SortSize, "sort-by-size", PANES, &[", s"], "sort by size, large first"),
    row(SortTime, "sort-by-time", PANES, &[", m"], "sort by time of change, new first"),
    row(SortExtension, "sort-by-extension", PANES, &[", e"], "sort by extension"),
    row(SortNameReversed, "sort-by-name-reversed", PANES, &[", N"], "sort by name, backwards"),
    row(SortSizeReversed, "sort-by-size-reversed", PANES, &[", S"], "sort by size, small first"),
    row(SortTimeReversed, "sort-by-time-reversed", PANES, &[", M"], "sort by time of change, old first"),
    row(SortExtensionReversed, "sort-by-extension-reversed", PANES, &[", E"], "sort by extension, backwards"),
];

const PROGRAM: &[Row] = &[
    row(Action::Transfers, "transfers", PANES, &["w"], "the full list of transfers").hint("transfers").rank(1),
    row(Action::Transfers, "transfers", IN_TRANSFERS, &["w"], "back to the panes"),
    row(
        History,
        "history",
        &[Browse, Where::Transfers],
        &["W"],
        "the transfers that have ended, also of earlier starts",
    ),
    row(
        Answer,
        "answer",
        &[Browse, Where::Transfers],
        &["A"],
        "answer the transfers that need one because something is already there",
    ),
    row(Sites, "sites", PANES, &["f9", "ctrl-s"], "connect: saved sites, or a new address")
        .hint("sites")
        .rank(4)
        .mc(&["f9", "g c"]),
    row(Account, "account", PANES, &["g u"], "who you are on the server, what you use, unfinished uploads")
        .needs(Need::Quota),
    row(Disconnect, "disconnect", PANES, &[], "leave the server; its transfers wait until you are back"),
    row(
        Palette,
        "palette",
        &[Browse, Where::Transfers],
        &[":", "ctrl-p"],
        "choose a command by typing a part of its name",
    )
    .hint("commands")
    .rank(1),
    row(Help, "help", SCROLLS, &["?", "f1"], "every key, searchable; what works here comes first").hint("help").rank(0),
    row(Help, "help", &[Where::Anywhere], &["f1"], "every key, searchable; what works here comes first"),
    row(Shell, "shell", PANES, &["!", "ctrl-o"], "a shell in the local folder; `exit` comes back").vim(&["!"]),
    row(NextTheme, "next-theme", &[Browse, Where::Transfers], &[], "the next colour theme"),
    row(Redraw, "redraw", &[Where::Anywhere], &["ctrl-l"], "draw the screen anew"),
    row(
        Suspend,
        "suspend",
        &[Where::Anywhere],
        &["ctrl-z"],
        "stop ferry until the shell's `fg`; transfers stand still",
    ),
    row(Close, "close", PANES, &["esc"], "close the topmost thing; never quits"),
    row(Close, "close", IN_TRANSFERS, &["esc"], "back to the panes").hint("close").rank(0),
    row(Quit, "quit", &[Browse, Where::Transfers], &["q", "f10", "ctrl-c"], "quit; asks when transfers are running")
        .hint("quit")
        .rank(4)
        .vim(&["q", "f10", "ctrl-c", "Z Z"]),
];

const IN_TRANSFERS: &[Where] = &[Where::Transfers];

const TRANSFERS: &[Row] = &[
    row(Pause, "pause", IN_TRANSFERS, &["space"], "pause this one, or let it go on").hint("pause").rank(1),
    row(PauseAll, "pause-all", &[Browse, Where::Transfers], &["P"], "pause all, or let all go on"),
    row(Retry, "retry", IN_TRANSFERS, &["r"], "try again what failed; take up again what was cancelled")
        .hint("retry")
        .rank(2),
    row(Cancel, "cancel", IN_TRANSFERS, &["x", "delete"], "cancel, and keep the received data for later")
        .hint("cancel")
        .rank(2),
    row(
        CancelDiscard,
        "cancel-and-discard",
        IN_TRANSFERS,
        &["X"],
        "cancel, and discard the received data of unfinished files; asks first",
    ),
    row(Earlier, "earlier", IN_TRANSFERS, &["K"], "one place earlier in the queue"),
    row(Later, "later", IN_TRANSFERS, &["J"], "one place later in the queue"),
    row(MoreAtOnce, "more-at-once", IN_TRANSFERS, &["+"], "one more at a time").hint("more").rank(4),
    row(FewerAtOnce, "fewer-at-once", IN_TRANSFERS, &["-"], "one fewer at a time").hint("fewer").rank(4),
    row(Speed, "speed-limit", IN_TRANSFERS, &["s"], "set the most bytes a second").hint("speed").rank(3),
    row(
        Details,
        "details",
        IN_TRANSFERS,
        &["enter", "i", "right", "l"],
        "where from, where to, digest, and why it failed",
    )
    .hint("details")
    .rank(2),
    row(
        ClearFinished,
        "clear-finished",
        &[Browse, Where::Transfers],
        &["D"],
        "take what is verified off the list; asks about the rest",
    ),
];

const IN_VIEW: &[Where] = &[Where::View];

const VIEW: &[Row] = &[
    row(PageDown, "page-down", IN_VIEW, &["pagedown", "ctrl-f", "space"], "one page down"),
    row(Left, "left", IN_VIEW, &["left", "h"], "to the left"),
    row(Right, "right", IN_VIEW, &["right", "l"], "to the right"),
    row(Hex, "hex", IN_VIEW, &["x", "f4"], "bytes in hexadecimal, or text again").hint("hex"),
    row(Wrap, "wrap", IN_VIEW, &["w", "f2"], "long lines broken, or cut").hint("wrap"),
    row(Find, "find", IN_VIEW, &["/", "f7"], "find a text in what was read").hint("find"),
    row(Close, "close", IN_VIEW, &["esc", "q", "f3", "f10", "ctrl-c"], "back to the panes").hint("close").rank(0),
];

const CHOOSE: &[Row] = &[
    row(Up, "up", &[Type], &["up", "ctrl-k"], "one line up, or to the match before"),
    row(Down, "down", &[Type], &["down", "ctrl-n"], "one line down, or to the next match"),
    row(PageUp, "page-up", &[Type], &["pageup"], "one page up"),
    row(PageDown, "page-down", &[Type], &["pagedown"], "one page down"),
    row(Accept, "accept", &[Type], &["enter"], "choose it").hint("choose"),
    row(Accept, "accept", &[List], &["enter", "right", "l"], "choose it").hint("choose"),
    row(Accept, "accept", IN_FOUND, &["enter", "right", "l"], "go to it").hint("go there").rank(2),
    row(Mark, "mark", IN_FOUND, &["space", "insert"], "mark or unmark, and go to the next").hint("mark").rank(1),
    row(MarkAll, "mark-all", IN_FOUND, &["ctrl-a"], "mark all"),
    row(UnmarkAll, "unmark-all", IN_FOUND, &["u"], "unmark all"),
    row(
        Copy,
        "copy",
        IN_FOUND,
        &["f5", "c"],
        "copy what is marked, or all that was found, to the other pane; paths below the searched folder are kept",
    )
    .hint("copy")
    .rank(1),
    row(Move, "move", IN_FOUND, &["f6", "m"], "move it to the other pane"),
    row(Delete, "delete", IN_FOUND, &["f8", "d", "delete"], "delete what is marked, or under the cursor")
        .hint("delete")
        .rank(3),
    row(NewSite, "new", &[List], &["n", "f7"], "a new one").hint("new"),
    row(EditSite, "change", &[List], &["e", "f4"], "change it").hint("change"),
    row(RemoveEntry, "remove", &[List], &["d", "f8", "delete"], "take it off the list").hint("remove"),
    row(NextField, "next-field", &[Form], &["tab", "down"], "complete a path, or go to the next field")
        .hint("next field"),
    row(PreviousField, "previous-field", &[Form], &["backtab", "up"], "to the field before"),
    row(Accept, "accept", &[Form], &["enter"], "do it").hint("ok"),
    row(CreateAccount, "create-account", &[Form], &["ctrl-n"], "make an account on this server, where it lets you"),
    row(Remember, "remember", &[Form], &["ctrl-r"], "put the password of a saved site into the keyring, or not"),
    row(Close, "close", &[List, Where::Found], &["esc", "q", "left", "h", "ctrl-c"], "close").hint("close").rank(0),
    row(Close, "close", &[Type, Form], &["esc", "ctrl-c"], "close").hint("close").rank(0),
];

const IN_FOUND: &[Where] = &[Where::Found];
const IN_CONFLICT: &[Where] = &[Where::Conflict];
const IN_COMPARISON: &[Where] = &[Where::Comparison];
const LEAVE: Keys = &["esc", "n", "q", "ctrl-c"];

const QUESTIONS: &[Row] = &[
    row(Accept, "accept", &[Where::Copy], &["enter", "y"], "start").hint("start"),
    row(CopyAs, "copy-as", &[Where::Copy], &["a"], "another name at the target").hint("as"),
    row(ChangeTarget, "change-target", &[Where::Copy], &["t"], "another target folder").hint("target"),
    row(ChangeRule, "change-rule", &[Where::Copy], &["r"], "what to do with files that are already there")
        .hint("on conflict"),
    row(ChangeLinks, "change-links", &[Where::Copy], &["l"], "follow symbolic links, or skip them").hint("links"),
    row(Accept, "accept", IN_COMPARISON, &["enter"], "start the sync; where it deletes, y does").hint("sync").rank(1),
    row(StartDeleting, "start-deleting", IN_COMPARISON, &["y"], "start the sync, with the deletions that are shown")
        .hint("sync and delete")
        .rank(1),
    row(Deletions, "deletions", IN_COMPARISON, &["d"], "delete what only the target has, or keep it")
        .hint("deletions")
        .rank(1),
    row(LeaveOut, "leave-out", IN_COMPARISON, &["space", "insert"], "leave this out, or take it in again")
        .hint("leave out")
        .rank(2),
    row(Filter, "filter", IN_COMPARISON, &["f", "tab"], "show one kind of difference, then the next, then all")
        .hint("filter")
        .rank(3),
    row(Checksum, "checksum", IN_COMPARISON, &["c"], "compare contents, or size and date again")
        .hint("checksum")
        .rank(3),
    row(Turn, "turn", IN_COMPARISON, &["t"], "let the trees change roles").hint("turn").rank(3),
    row(ChangeLinks, "change-links", IN_COMPARISON, &["l"], "follow symbolic links, make the same ones, or skip them"),
    row(MarkDifferent, "mark-different", IN_COMPARISON, &["m"], "mark in the panes what differs, and close"),
    row(Refresh, "refresh", IN_COMPARISON, &["ctrl-r"], "list and compare again"),
    row(Close, "close", IN_COMPARISON, &["esc", "q", "left", "h", "ctrl-c"], "close, and stop comparing")
        .hint("close")
        .rank(0),
    row(Accept, "accept", &[Confirm], &["y", "enter"], "yes").hint("yes"),
    row(Accept, "accept", &[Where::Danger], &["y"], "yes, delete it").hint("yes, delete it"),
    row(Accept, "accept", &[Trust], &["y"], "it is the right key: remember it and go on").hint("it is the right key"),
    row(Close, "close", &[Where::Copy, Confirm, Where::Danger, Trust], LEAVE, "no").hint("no").rank(0),
    row(Replace, "replace", IN_CONFLICT, &["r"], "replace what is there; only blocks that differ travel")
        .hint("replace"),
    row(Skip, "skip", IN_CONFLICT, &["s"], "keep what is there").hint("skip"),
    row(KeepBoth, "keep-both", IN_CONFLICT, &["b"], "give the new one another name").hint("both"),
    row(Newer, "replace-if-newer", IN_CONFLICT, &["n"], "replace it if the new one was changed later").hint("newer"),
    row(ChangeScope, "change-scope", IN_CONFLICT, &["tab", "a"], "for this one, this folder, this kind, all")
        .hint("scope"),
    row(NextQuestion, "next-question", IN_CONFLICT, &["down", "right", "j", "l"], "the next question"),
    row(PreviousQuestion, "previous-question", IN_CONFLICT, &["up", "left", "k", "h"], "the question before"),
    row(Close, "close", IN_CONFLICT, &["esc", "q", "ctrl-c"], "answer later").hint("later").rank(0),
    row(ResumeLater, "resume-later", &[Where::Quit], &["r", "enter"], "quit; the next start goes on")
        .hint("quit, go on next time"),
    row(WaitThenQuit, "wait-then-quit", &[Where::Quit], &["w"], "quit when all is done").hint("wait, then quit"),
    row(CancelAndQuit, "cancel-and-quit", &[Where::Quit], &["c"], "cancel all, then quit").hint("cancel all"),
    row(Close, "close", &[Where::Quit], &["esc", "n", "ctrl-c"], "do not quit").hint("stay").rank(0),
    row(GoOn, "go-on", &[Where::Resume], &["enter", "y", "r"], "connect, and resume from the received data")
        .hint("go on"),
    row(KeepQueue, "keep-for-later", &[Where::Resume], &["esc", "l", "q", "ctrl-c"], "keep them for another time")
        .hint("later")
        .rank(0),
    row(DropQueue, "drop", &[Where::Resume], &["d"], "forget them; what has arrived stays").hint("forget them"),
    row(Close, "close", &[Where::Wait], &["esc", "q", "ctrl-c"], "give it up").hint("cancel").rank(0),
    row(Up, "up", &[Notice], &["up", "k"], "one line up"),
    row(Down, "down", &[Notice], &["down", "j"], "one line down"),
    row(PageUp, "page-up", &[Notice], &["pageup", "ctrl-b"], "one page up"),
    row(PageDown, "page-down", &[Notice], &["pagedown", "ctrl-f", "space"], "one page down"),
    row(Refresh, "refresh", &[Notice], &["ctrl-r"], "log in again, where the server ended the session")
        .hint("log in again"),
    row(SaveList, "save-list", &[Notice], &["s"], "save a list of failed files in the local folder").hint("save"),
    row(CopyDigest, "copy-digest", &[Notice], &["y"], "give the digest that is shown to the clipboard"),
    row(Close, "close", &[Notice], &["esc", "enter", "q", "i", "ctrl-c"], "close").hint("close").rank(0),
];
