//! Programs of the user: which one opens a file, and commands of `config.toml`. Arguments are templates and never a shell's
//! text, so nothing in a name can be taken for a command.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::PathBuf,
};

use super::{appearance::FileKind, item::Item, pattern::Pattern, ticket::Ticket, transfers::Key as TransferKey};
use crate::tui::keymap::{Key, OwnCommand};

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hole {
    /// The entry under the cursor.
    Path,
    /// What is marked, or the entry under the cursor: an argument for each.
    Paths,
    /// The name of the entry under the cursor.
    Name,
    /// The folder of the active pane.
    Folder,
    /// The folder of the other pane.
    Other,
    /// The server of the active pane, as `user@host:port`.
    Server,
    /// The address of the entry under the cursor, on a server.
    Url,
}

impl Hole {
    /// All placeholders.
    pub(crate) const ALL: [Self; 7] =
        [Self::Path, Self::Paths, Self::Name, Self::Folder, Self::Other, Self::Server, Self::Url];

    /// Its name between braces.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Paths => "paths",
            Self::Name => "name",
            Self::Folder => "folder",
            Self::Other => "other",
            Self::Server => "server",
            Self::Url => "url",
        }
    }

    /// What has to be there for it.
    fn needs(self) -> &'static str {
        match self {
            Self::Path | Self::Paths | Self::Name => "an entry under the cursor",
            Self::Folder => "a folder of this computer in this pane",
            Self::Other => "a folder of this computer in the other pane",
            Self::Server => "a server in this pane",
            Self::Url => "an entry on a server under the cursor",
        }
    }
}

/// A part of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// As it stands.
    Text(String),
    /// What a placeholder stands for.
    Hole(Hole),
}

/// A program with its arguments as they stand in `config.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// Where it stands, for messages.
    pub(crate) entry: String,
    /// The program: never from a placeholder.
    pub(crate) program: String,
    /// Its arguments.
    pub(crate) arguments: Vec<Vec<Part>>,
    /// It gets the terminal, and is waited for.
    pub(crate) waits: bool,
    /// What it wrote stays on the screen until a key is pressed.
    pub(crate) pauses: bool,
}

/// The files that a program opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those whose name matches a pattern.
    Name(String),
    /// Those of a kind.
    Kind(FileKind),
}

impl Which {
    fn picks(&self, item: &Item) -> bool {
        match self {
            Self::Name(pattern) => Pattern::whole(pattern).is_ok_and(|pattern| pattern.picks(item.name())),
            Self::Kind(kind) => FileKind::of(item) == *kind,
        }
    }
}

/// A command of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// Its name.
    pub(crate) name: String,
    /// Its keys, if it has some.
    pub(crate) keys: Vec<Key>,
    /// The line of its keys in the file.
    pub(crate) line: usize,
    /// What it runs, as it stands in the file.
    pub(crate) runs: String,
    /// What it runs.
    pub(crate) program: Program,
}

/// The programs of `config.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Programs {
    /// What opens which files; the first that matches does.
    pub(crate) openers: Vec<(Which, Program)>,
    /// The commands.
    pub(crate) commands: Vec<Command>,
}

impl Programs {
    /// The commands, as far as keys and help are concerned.
    pub(crate) fn keys(&self) -> Vec<OwnCommand<'_>> {
        let all = self.commands.iter();
        all.map(|Command { name, runs, keys, line, .. }| OwnCommand { name, runs, keys, line: *line }).collect()
    }

    /// The program that opens an entry, where the user named one.
    pub(crate) fn opener(&self, item: &Item) -> Option<&Program> {
        self.openers.iter().find(|(which, _)| which.picks(item)).map(|(_, program)| program)
    }
}

/// What the placeholders stand for now; what is absent has no value here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Values {
    /// The file under the cursor on this computer.
    pub(crate) path: Option<PathBuf>,
    /// The marked files on this computer.
    pub(crate) paths: Vec<PathBuf>,
    /// The name under the cursor.
    pub(crate) name: Option<OsString>,
    /// The folder of the pane.
    pub(crate) folder: Option<PathBuf>,
    /// The folder of the other pane.
    pub(crate) other: Option<PathBuf>,
    /// The server.
    pub(crate) server: Option<String>,
    /// The address.
    pub(crate) url: Option<String>,
}

impl Values {
    fn get(&self, hole: Hole) -> Option<&OsStr> {
        match hole {
            Hole::Path => self.path.as_ref().map(|path| path.as_os_str()),
            Hole::Paths => self.paths.first().map(|path| path.as_os_str()),
            Hole::Name => self.name.as_deref(),
            Hole::Folder => self.folder.as_ref().map(|path| path.as_os_str()),
            Hole::Other => self.other.as_ref().map(|path| path.as_os_str()),
            Hole::Server => self.server.as_deref().map(OsStr::new),
            Hole::Url => self.url.as_deref().map(OsStr::new),
        }
    }
}

/// A placeholder that stands for nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{{{}}} needs {}", .0.name(), .0.needs())]
pub(crate) struct Missing(pub(crate) Hole);

impl Program {
    /// What the system opens a file with.
    pub(crate) fn of_system() -> Self {
        let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        Self {
            entry: "the program of the system, which opens files without an entry [[open]] in config.toml".to_owned(),
            program: program.to_owned(),
            arguments: vec![vec![Part::Hole(Hole::Path)]],
            waits: false,
            pauses: false,
        }
    }

    /// Whether it has this placeholder.
    pub(crate) fn has(&self, hole: Hole) -> bool {
        self.arguments.iter().flatten().any(|part| *part == Part::Hole(hole))
    }

    /// The arguments with values in place of the placeholders.
    ///
    /// # Errors
    /// [`Missing`], for a placeholder without a value.
    pub(crate) fn filled(&self, values: &Values) -> Result<Vec<OsString>, Missing> {
        let mut filled = Vec::new();
        for argument in &self.arguments {
            if **argument == [Part::Hole(Hole::Paths)] {
                if values.paths.is_empty() {
                    return Err(Missing(Hole::Paths));
                }
                filled.extend(values.paths.iter().map(|path| path.clone().into_os_string()));
                continue;
            }
            let mut whole = OsString::new();
            for part in argument {
                match part {
                    Part::Text(text) => whole.push(text),
                    Part::Hole(hole) => whole.push(values.get(*hole).ok_or(Missing(*hole))?),
                }
            }
            filled.push(no_option(argument, whole));
        }
        Ok(filled)
    }
}

/// A value that begins with `-` must not be taken for an option: it is a name in the folder that the program runs in.
fn no_option(argument: &[Part], whole: OsString) -> OsString {
    let from_value = matches!(argument.first(), Some(Part::Hole(_)));
    if !from_value || whole.as_encoded_bytes().first() != Some(&b'-') {
        return whole;
    }
    let mut safe = OsString::from("./");
    safe.push(whole);
    safe
}

/// A program to run, with everything it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where it stands, for messages.
    pub(crate) entry: String,
    /// The program.
    pub(crate) program: String,
    /// Its arguments.
    pub(crate) arguments: Vec<OsString>,
    /// The folder it runs in.
    pub(crate) folder: PathBuf,
    /// It gets the terminal, and is waited for.
    pub(crate) waits: bool,
    /// What it wrote stays on the screen until a key is pressed.
    pub(crate) pauses: bool,
    /// The folder with the copies of remote files that it gets.
    pub(crate) copies: Option<PathBuf>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// With exit code 0.
    Well,
    /// With another exit code.
    Code(i32),
    /// By a signal.
    Signal,
    /// There is no such program.
    NotFound,
    /// It could not be started, for this reason.
    NotStarted(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => f.write_str("ended well"),
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal => f.write_str("was ended by a signal"),
            Self::NotFound => f.write_str("was not found"),
            Self::NotStarted(why) => write!(f, "cannot be started: {why}"),
        }
    }
}

/// Remote files that are fetched for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    /// The transfer that fetches them.
    pub(crate) key: TransferKey,
    /// The program that waits for them.
    pub(crate) run: Run,
}

/// The folder of its own, below the one for copies, for what is fetched under a ticket.
pub(crate) fn copies_of(copies: &std::path::Path, ticket: Ticket) -> PathBuf {
    copies.join(OPENED).join(ticket.0.to_string())
}

/// The folder below the one for copies with all that was fetched for programs.
pub(crate) const OPENED: &str = "opened";

/// Extensions of files that systems run, or read commands from, when they are opened.
const RUNS: &[&str] = &[
    "action", "app", "appimage", "bat", "cmd", "com", "command", "cpl", "desktop", "exe", "fileloc", "hta", "inetloc",
    "jar", "jnlp", "js", "jse", "lnk", "msi", "pif", "pl", "ps1", "py", "rb", "reg", "run", "scpt", "scr", "service",
    "sh", "terminal", "tool", "url", "vbe", "vbs", "webloc", "workflow", "wsf", "wsh",
];

/// Whether the system may run a file of this name when it is asked to open it.
pub(crate) fn may_be_run(name: &[u8]) -> bool {
    let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    std::str::from_utf8(extension).is_ok_and(|extension| RUNS.contains(&&*extension.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(arguments: Vec<Vec<Part>>) -> Program {
        Program { program: "x".into(), arguments, ..Program::of_system() }
    }

    fn hole(hole: Hole) -> Part {
        Part::Hole(hole)
    }

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    #[test]
    fn a_value_is_one_argument_whatever_is_in_it() {
        let name = "a b; $(rm -rf ~) `x` \"'\n*";
        let values = Values { path: Some(PathBuf::from("/d").join(name)), ..Values::default() };
        let program = program(vec![vec![text("-o")], vec![text("in="), hole(Hole::Path)], vec![hole(Hole::Path)]]);
        let whole = format!("/d/{name}");
        assert_eq!(program.filled(&values).unwrap(), ["-o", &format!("in={whole}"), &whole]);
    }

    #[test]
    fn marked_files_are_an_argument_each() {
        let values = Values { paths: vec!["/a".into(), "/b c".into()], ..Values::default() };
        let program = program(vec![vec![text("-l")], vec![hole(Hole::Paths)], vec![text("--")]]);
        assert_eq!(program.filled(&values).unwrap(), ["-l", "/a", "/b c", "--"]);
    }

    #[test]
    fn a_name_that_begins_with_a_dash_becomes_no_option() {
        let values = Values { name: Some("-rf".into()), ..Values::default() };
        let of = |arguments| program(vec![arguments]).filled(&values).unwrap();
        assert_eq!(of(vec![hole(Hole::Name)]), ["./-rf"]);
        assert_eq!(of(vec![hole(Hole::Name), text(".bak")]), ["./-rf.bak"]);
        assert_eq!(of(vec![text("--name="), hole(Hole::Name)]), ["--name=-rf"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_arrives_byte_by_byte() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = OsStr::from_bytes(b"caf\xe9");
        let values = Values { name: Some(name.to_owned()), ..Values::default() };
        assert_eq!(program(vec![vec![hole(Hole::Name)]]).filled(&values).unwrap(), [name]);
    }

    #[test]
    fn a_placeholder_without_a_value_is_an_error_that_says_what_is_missing() {
        for hole in Hole::ALL {
            let missing = program(vec![vec![Part::Hole(hole)]]).filled(&Values::default()).unwrap_err();
            assert_eq!(missing, Missing(hole));
            assert!(missing.to_string().starts_with(&format!("{{{}}} needs a", hole.name())), "{missing}");
        }
    }

    #[test]
    fn what_systems_run_is_known_by_its_extension() {
        for name in ["x.desktop", "Setup.EXE", "a.tar.sh", "x.Command"] {
            assert!(may_be_run(name.as_bytes()), "{name}");
        }
        for name in ["x.pdf", "desktop", "notes", "photo.jpg"] {
            assert!(!may_be_run(name.as_bytes()) || name == "desktop", "{name}");
        }
    }
}
