//! `docs/keys.md`, written from the table; a test keeps the file equal to it.

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, fs, path::Path};

    use crate::tui::action::{Preset, Row, Where, table};

    const HEAD: &str = "\
# Keys of the browser

What each key does, and where. `?` shows the same inside `ferry`, `:` finds a command by its name.

Choose a set with `preset` in `keys.toml` (in the folder of the client's configuration), and change single
keys there: a section for each place, an entry for each command, the new keys as a list. An entry replaces
all keys of that command in that place; an empty list takes them away.

```toml
preset = \"vim\"            # \"default\", \"mc\" or \"vim\"

[browse]
copy = [\"f5\", \"y y\"]      # F5, or y and y again
sites = [\"ctrl-s\"]

[transfers]
pause = [\"space\", \"p\"]
```

Keys are written `a`, `A`, `f5`, `ctrl-a`, `alt-left`, `shift-f6`, `space`, `enter`, `esc`, `tab`, `backtab`,
`backspace`, `insert`, `delete`, `home`, `end`, `pageup`, `pagedown`, `up`, `down`, `left`, `right`; several
with spaces between are pressed one after the other. A mistake in the file is shown with its line.

Lines are edited with the arrows, Home and End, Backspace and Delete, Ctrl-A and Ctrl-E (begin, end), Ctrl-W
(word before), Ctrl-U and Ctrl-K (all before, all behind), Alt-B and Alt-F (by words).

The mouse: in the panes a click chooses, a second one opens, the right button marks; a click on the transfers shows
all of them. Every key that is shown can be clicked, in the last line and in boxes. In lists a click puts the cursor on
a line, a second one does what Enter does; in a comparison it does not, because Enter starts the sync. A click on a
field or a choice goes there or changes it. The wheel scrolls everywhere, the divider can be dragged.
";

    fn docs() -> String {
        let mut text = HEAD.to_owned();
        for place in Where::ALL {
            let _ = writeln!(text, "\n## {} `[{}]`\n\n| keys | command | does |", place.title(), place.name());
            text += "|---|---|---|\n";
            for row in table().filter(|row| row.places.contains(&place)) {
                let _ = writeln!(text, "| {} | `{}` | {} |", keys(row), row.name, row.described());
            }
        }
        text
    }

    fn keys(row: &Row) -> String {
        let mut text = list(row.keys);
        for (name, preset) in [("mc", Preset::Mc), ("vim", Preset::Vim)] {
            let keys = row.keys_in(preset);
            if keys != row.keys {
                let _ = write!(text, "; {name}: {}", list(keys));
            }
        }
        text
    }

    fn list(keys: &[&str]) -> String {
        let quoted = |key: &&str| format!("`{}`", key.replace('|', "\\|"));
        if keys.is_empty() { "none".to_owned() } else { keys.iter().map(quoted).collect::<Vec<_>>().join(" ") }
    }

    #[test]
    fn the_page_of_keys_is_the_table() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/keys.md");
        if std::env::var_os("FERRY_WRITE_DOCS").is_some() {
            fs::write(&file, docs()).unwrap();
        }
        let page = fs::read_to_string(&file).unwrap_or_default();
        assert!(page == docs(), "docs/keys.md is not the table; FERRY_WRITE_DOCS=1 cargo test writes it anew");
    }
}
