//! The tables `open` and `command` of `config.toml`. Every error is reported with its line; an entry with an error does
//! not count.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    setting_error::SettingError,
    tui::{
        action::table,
        keymap::Key,
        state::{
            appearance::FileKind,
            pattern::Pattern,
            programs::{Command, Hole, Part, Program, Programs, Which},
        },
    },
};

/// The name of the tables of openers.
pub(super) const OPEN: &str = "open";
/// The name of the tables of commands.
pub(super) const COMMAND: &str = "command";

/// An error and where it is.
type Wrong = (Range<usize>, String);

/// Reads the tables of a file.
pub(super) fn read(text: &str, file: &DeTable<'_>) -> (Programs, Vec<SettingError>) {
    let mut programs = Programs::default();
    let mut faults = Vec::new();
    let mut told = |wrong: Vec<Wrong>| {
        faults.extend(wrong.into_iter().map(|(span, message)| SettingError::at(text, span.start, message)));
    };
    for entry in entries(file, OPEN, &mut told) {
        match Entry::of(text, OPEN, entry).opener() {
            Ok(opener) => programs.openers.push(opener),
            Err(wrong) => told(wrong),
        }
    }
    for entry in entries(file, COMMAND, &mut told) {
        let before = |name: &str| programs.commands.iter().any(|command| command.name == name);
        match Entry::of(text, COMMAND, entry).command(before) {
            Ok(command) => programs.commands.push(command),
            Err(wrong) => told(wrong),
        }
    }
    (programs, faults)
}

/// The tables of a name.
fn entries<'f, 't>(
    file: &'f DeTable<'t>,
    name: &str,
    told: &mut impl FnMut(Vec<Wrong>),
) -> Vec<&'f Spanned<DeValue<'t>>> {
    let Some(value) = file.get(name) else { return Vec::new() };
    let tables = value.get_ref().as_array();
    let tables = tables.filter(|list| list.iter().all(|entry| entry.get_ref().as_table().is_some()));
    match tables {
        Some(list) => list.iter().collect(),
        None => {
            told(vec![(value.span(), format!("`{name}` is a list of tables: [[{name}]]"))]);
            Vec::new()
        }
    }
}

/// A table that is being read, and the errors in it.
struct Entry<'f, 't> {
    kind: &'static str,
    line: usize,
    text: &'f str,
    span: Range<usize>,
    table: Option<&'f DeTable<'t>>,
    wrong: Vec<Wrong>,
}

impl<'f, 't> Entry<'f, 't> {
    fn of(text: &'f str, kind: &'static str, value: &'f Spanned<DeValue<'t>>) -> Self {
        let line = SettingError::at(text, value.span().start, "").line;
        Self { kind, line, text, span: value.span(), table: value.get_ref().as_table(), wrong: Vec::new() }
    }

    fn opener(mut self) -> Result<(Which, Program), Vec<Wrong>> {
        self.only(&["match", "kind", "run", "wait", "pause"]);
        let which = match (self.text_of("match"), self.text_of("kind")) {
            (Some((pattern, span)), None) => match Pattern::whole(pattern) {
                Ok(_) => Some(Which::Name(pattern.to_owned())),
                Err(error) => self.fault(span, format!("`match` is a pattern like \"*.pdf\": {error}")),
            },
            (None, Some((kind, span))) => match FileKind::named(kind) {
                Some(kind) => Some(Which::Kind(kind)),
                None => self.fault(span, "`kind` is \"image\", \"media\", \"document\", \"archive\" or \"executable\""),
            },
            _ => self.fault(self.span.clone(), "[[open]] has either `match` or `kind`"),
        };
        let program = self.program("[[open]]", false);
        which.zip(program).filter(|_| self.wrong.is_empty()).ok_or(self.wrong)
    }

    fn command(mut self, taken: impl Fn(&str) -> bool) -> Result<Command, Vec<Wrong>> {
        self.only(&["name", "key", "run", "wait", "pause"]);
        let name = match self.text_of("name") {
            Some((name, span)) if name.trim().is_empty() => self.fault(span, "`name` is empty"),
            Some((name, span)) if taken(name) || table().any(|row| row.name == name) => {
                self.fault(span, format!("there is a command `{name}` already"))
            }
            Some((name, _)) => Some(name.to_owned()),
            None => self.fault(self.span.clone(), "[[command]] has a `name`"),
        };
        let (keys, line) = match self.text_of("key") {
            None => (Vec::new(), self.line),
            Some((key, span)) => {
                let line = SettingError::at(self.text, span.start, "").line;
                match Key::sequence(key) {
                    Ok(keys) => (keys, line),
                    Err(error) => (self.fault(span, error.to_string()).unwrap_or_default(), line),
                }
            }
        };
        let of = name.as_ref().map_or("[[command]]".to_owned(), |name| format!("the command `{name}`"));
        let program = self.program(&of, true);
        let words = self.get("run").and_then(|run| run.get_ref().as_array());
        let words: Vec<&str> = words.into_iter().flatten().filter_map(|word| word.get_ref().as_str()).collect();
        let runs = words.join(" ");
        let command = name.zip(program).map(|(name, program)| Command { name, keys, line, runs, program });
        command.filter(|_| self.wrong.is_empty()).ok_or(self.wrong)
    }

    /// Notes an error.
    fn fault<T>(&mut self, span: Range<usize>, message: impl Into<String>) -> Option<T> {
        self.wrong.push((span, message.into()));
        None
    }

    /// Only these keys are known.
    fn only(&mut self, known: &[&str]) {
        for (key, _) in self.table.into_iter().flatten() {
            if !known.contains(&key.get_ref().as_ref()) {
                let message =
                    format!("there is no `{}` in [[{}]], only {}", key.get_ref(), self.kind, known.join(", "));
                self.wrong.push((key.span(), message));
            }
        }
    }

    fn get(&self, key: &str) -> Option<&'f Spanned<DeValue<'t>>> {
        self.table?.get(key)
    }

    fn text_of(&mut self, key: &str) -> Option<(&'f str, Range<usize>)> {
        let value = self.get(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some((text, value.span())),
            None => self.fault(value.span(), format!("`{key}` is a text in quotes")),
        }
    }

    fn truth(&mut self, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        match value.get_ref().as_bool() {
            Some(truth) => Some(truth),
            None => self.fault(value.span(), format!("`{key}` is true or false")),
        }
    }

    /// The program and its arguments. `pauses` is the default: a command shows its output, an opener shows the file by itself.
    fn program(&mut self, of: &str, pauses: bool) -> Option<Program> {
        let waits = self.truth("wait").unwrap_or(false);
        let pauses = self.truth("pause").unwrap_or(pauses);
        let Some(run) = self.get("run") else {
            return self.fault(self.span.clone(), format!("[[{}]] has `run`, a list of texts", self.kind));
        };
        let list = run.get_ref().as_array().map(|list| list.iter().collect::<Vec<_>>()).unwrap_or_default();
        let texts: Option<Vec<&str>> = list.iter().map(|text| text.get_ref().as_str()).collect();
        let Some(([program, ..], [_, rest @ ..])) =
            texts.as_deref().map(|texts| (texts, &list[..])).filter(|(texts, _)| !texts.is_empty())
        else {
            return self.fault(
                run.span(),
                "`run` is a list of texts: the program and its arguments, like [\"less\", \"{path}\"]",
            );
        };
        if program.is_empty() || program.contains(['{', '}', '\0']) {
            return self.fault(run.span(), "the program in `run` is a name or a path, without placeholders");
        }
        let mut arguments = Vec::new();
        for argument in rest {
            match parts(argument.get_ref().as_str().unwrap_or_default()) {
                Ok(parts) => arguments.push(parts),
                Err(message) => return self.fault(argument.span(), message),
            }
        }
        let entry = format!("{of}, line {} of config.toml", self.line);
        Some(Program { entry, program: (*program).to_owned(), arguments, waits, pauses })
    }
}

/// The parts of an argument.
///
/// # Errors
/// A brace without its partner, an unknown placeholder, or one that is several arguments inside of one.
fn parts(argument: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = argument;
    while let Some(at) = rest.find(['{', '}', '\0']) {
        text += &rest[..at];
        let after = &rest[at..];
        if let Some(after) = after.strip_prefix("{{") {
            text.push('{');
            rest = after;
        } else if let Some(after) = after.strip_prefix("}}") {
            text.push('}');
            rest = after;
        } else {
            let (hole, after) = after.strip_prefix('{').and_then(|after| after.split_once('}')).ok_or_else(|| {
                format!("`{argument}` has a brace without its partner; {{{{ and }}}} stand for the braces themselves")
            })?;
            let names = || Hole::ALL.map(|hole| format!("{{{}}}", hole.name())).join(" ");
            let hole = Hole::ALL.into_iter().find(|known| known.name() == hole);
            let hole = hole.ok_or_else(|| format!("`{argument}` has an unknown placeholder; there are {}", names()))?;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Hole(hole));
            rest = after;
        }
    }
    text += rest;
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    if parts.len() > 1 && parts.contains(&Part::Hole(Hole::Paths)) {
        return Err(format!("`{argument}`: {{paths}} is several arguments, and stands alone"));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::config::Settings;

    fn read(text: &str) -> (Programs, Vec<String>) {
        let (settings, faults) = Settings::read(text);
        (settings.programs, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn openers_and_commands_are_read_with_their_defaults() {
        let text = "hidden = true\n[[open]]\nmatch = \"*.pdf\"\nrun = [\"zathura\", \"{path}\"]\n[[open]]\nkind = \"image\"\n\
            run = [\"chafa\", \"--size={{}}\", \"{path}\"]\nwait = true\npause = true\n[[command]]\nkey = \"g w\"\n\
            name = \"count lines\"\nrun = [\"wc\", \"-l\", \"{paths}\"]\nwait = true\n";
        let (programs, faults) = read(text);
        assert_eq!(faults, Vec::<String>::new());
        let [(pdf, zathura), (images, chafa)] = &programs.openers[..] else { panic!("{programs:?}") };
        assert_eq!((pdf, images), (&Which::Name("*.pdf".into()), &Which::Kind(FileKind::Image)));
        assert_eq!([zathura.waits, zathura.pauses, chafa.waits, chafa.pauses], [false, false, true, true]);
        assert_eq!(chafa.arguments[0], [Part::Text("--size={}".into())]);
        let [command] = &programs.commands[..] else { panic!("{programs:?}") };
        assert_eq!((command.keys.len(), command.program.waits, command.program.pauses), (2, true, true));
        assert_eq!(command.program.arguments, [vec![Part::Text("-l".into())], vec![Part::Hole(Hole::Paths)]]);
        assert!(command.program.entry.contains("`count lines`") && command.program.entry.contains("line 10"));
    }

    #[test]
    fn every_fault_of_an_entry_is_told_with_its_line_and_the_others_count() {
        let text = "[[open]]\nmatch = \"*.pdf\"\nkind = \"image\"\nrun = [\"x\"]\n[[open]]\nmatch = \"*.txt\"\nrun = \"less {path}\"\n\
            [[open]]\nkind = \"film\"\nrun = [\"x\"]\n[[command]]\nname = \"good\"\nrun = [\"true\"]\n[[command]]\nname = \"good\"\nrun = [\"true\"]\n\
            [[command]]\nname = \"a\"\nrun = [\"{path}\"]\n[[command]]\nname = \"b\"\nrun = [\"x\", \"{file}\"]\nshell = true\n\
            [[command]]\nname = \"c\"\nrun = [\"x\", \"in={paths}\"]\n[[command]]\nrun = [\"x\", \"{\"]\nkey = \"hyper-x\"\n";
        let (programs, faults) = read(text);
        assert_eq!((programs.openers.len(), programs.commands.len()), (0, 1), "{programs:?}");
        let told = |line: usize, words: &str| {
            let begin = format!("line {line}: ");
            assert!(
                faults.iter().any(|fault| fault.starts_with(&begin) && fault.contains(words)),
                "{line} {words}: {faults:#?}"
            );
        };
        told(1, "either `match` or `kind`");
        told(7, "`run` is a list of texts");
        told(9, "`kind` is");
        told(15, "there is a command `good` already");
        told(19, "without placeholders");
        told(22, "unknown placeholder; there are {path}");
        told(23, "there is no `shell`");
        told(26, "{paths} is several arguments");
        told(27, "has a `name`");
        told(28, "brace without its partner");
        told(29, "`hyper-x` is no key");
        assert_eq!(faults.len(), 11, "{faults:#?}");
    }

    #[test]
    fn a_table_in_place_of_a_list_is_a_fault() {
        let (_, faults) = read("[command]\nname = \"x\"\n");
        assert_eq!(faults, ["line 1: `command` is a list of tables: [[command]]"]);
    }
}
