//! No modules beside each other, in any folder of these crates, import each other in a cycle.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{assert_none, code, sources};

/// The crates that the rule holds for.
const CRATES: [&str; 4] = ["shared", "server", "server-top", "tui-client"];

/// Modules and the modules beside them that they import.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The module of a source file, from its crate on: `server/src/users/file.rs` is `server`, `users`, `file`.
fn module_of(path: &Path) -> Vec<String> {
    let stem = path.with_extension("");
    let mut module: Vec<String> = stem.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    module.remove(1);
    if matches!(module.last().map(String::as_str), Some("lib" | "main")) {
        module.pop();
    }
    module
}

/// Appends the paths that `text` begins with: one, or as many as its groups write out.
fn read_paths(text: &str, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let mut at = 0;
    loop {
        let name: String = text[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        at += name.len();
        if !name.is_empty() {
            path.push(name);
        }
        match text[at..].strip_prefix("::") {
            Some(rest) if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') => at += 2,
            Some(rest) if rest.starts_with('{') => return at + 2 + read_group(rest, &path, found),
            _ => break,
        }
    }
    found.push(path);
    at
}

/// Appends the paths of a group in braces, each behind `path`.
fn read_group(text: &str, path: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut at = 1;
    while let Some(next) = text[at..].chars().next() {
        match next {
            '}' => return at + 1,
            c if c.is_alphabetic() || c == '_' => at += read_paths(&text[at..], path.to_vec(), found),
            c => at += c.len_utf8(),
        }
    }
    at
}

/// The paths in `text`, which is code of `module`, that begin with `crate`, `super` or `self`: from the crate on.
fn paths(text: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in text.match_indices(start) {
            if !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                read_paths(&text[at..], Vec::new(), &mut found);
            }
        }
    }
    let absolute = |path: Vec<String>| {
        let mut full = module.to_vec();
        for name in path {
            match &*name {
                "crate" => full.truncate(1),
                "super" => drop(full.pop()),
                "self" => {}
                _ => full.push(name),
            }
        }
        full
    };
    found.into_iter().map(absolute).collect()
}

/// For each folder of a crate, by its path of modules: which modules in it import which others.
fn imports(name: &str) -> BTreeMap<Vec<String>, Imports> {
    let inside = Path::new(name).join("src");
    let files = sources().into_iter().filter(|(path, _)| path.starts_with(&inside));
    let files: Vec<_> = files.map(|(path, text)| (module_of(&path), code(&text))).collect();
    let is_module = |path: &[String]| files.iter().any(|(module, _)| module.starts_with(path));
    let mut folders: BTreeMap<Vec<String>, Imports> = BTreeMap::new();
    for (module, code) in files.iter().filter(|(module, _)| module.iter().all(|part| part != "tests")) {
        for path in paths(code, module) {
            let shared = module.iter().zip(&path).take_while(|(a, b)| a == b).count();
            if let (Some(from), Some(to)) = (module.get(shared), path.get(shared))
                && is_module(&path[..=shared])
            {
                let folder = folders.entry(module[..shared].to_vec()).or_default();
                folder.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    folders
}

/// The groups of more than one module that all reach each other.
fn cycles(imports: &Imports) -> BTreeSet<Vec<&String>> {
    let reached = |from: &String| {
        let mut found = BTreeSet::new();
        let mut next: Vec<&String> = imports.get(from).into_iter().flatten().collect();
        while let Some(module) = next.pop() {
            if found.insert(module) {
                next.extend(imports.get(module).into_iter().flatten());
            }
        }
        found
    };
    let all: BTreeMap<_, _> = imports.keys().map(|module| (module, reached(module))).collect();
    let mut groups = BTreeSet::new();
    for (module, found) in &all {
        let back = |other: &&String| all.get(other).is_some_and(|found| found.contains(module));
        let group: Vec<&String> = found.iter().copied().filter(back).collect();
        if group.len() > 1 {
            groups.insert(group);
        }
    }
    groups
}

#[test]
fn no_modules_import_each_other_in_a_cycle() {
    for name in CRATES {
        let folders = imports(name);
        let found = |(folder, imports): (&Vec<String>, &Imports)| -> Vec<String> {
            cycles(imports).iter().map(|group| format!("{}: {group:?}", folder.join("/"))).collect()
        };
        assert_none("modules that import each other in a cycle", &folders.iter().flat_map(found).collect::<Vec<_>>());
        let count: usize = folders.values().flat_map(BTreeMap::values).map(BTreeSet::len).sum();
        assert!(count > 5, "only {count} imports are found in {name}");
    }
}

#[test]
fn a_cycle_is_found_with_all_modules_in_it_and_no_others() {
    let imports = [("a", vec!["b"]), ("b", vec!["c", "d"]), ("c", vec!["a"]), ("d", vec!["e"]), ("e", vec![])];
    let owned = |(name, used): &(&str, Vec<&str>)| {
        ((*name).to_owned(), used.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
    };
    let imports = imports.iter().map(owned).collect();
    assert_eq!(cycles(&imports).into_iter().collect::<Vec<_>>(), [["a", "b", "c"]]);
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let module = ["c", "tui", "state"].map(str::to_owned);
    let text =
        "use crate::{\n    a::{b, d::{e, f}},\n    tui::g,\n};\nuse super::h;\nsuper::super::i(self::j) xcrate::k";
    let mut found: Vec<String> = paths(text, &module).iter().map(|path| path.join("/")).collect();
    found.sort();
    assert_eq!(found, ["c/a/b", "c/a/d/e", "c/a/d/f", "c/i", "c/tui/g", "c/tui/h", "c/tui/state/j"]);
}
