//! `GUARANTEES.md` names existing tests, and the pages for users name existing commands.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use ferry_e2e::binaries::{self, repository};

use crate::tidy::sources;

/// The names of all tests in the repository. The conformance cases are tests of each kind of site.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in sources() {
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(case) = line.strip_suffix("(scene: &Scene) {") {
                names.extend(case.rsplit(' ').next().map(str::to_owned));
            } else if let (true, Some((_, name))) = (is_test, line.split_once("fn ")) {
                names.extend(name.split('(').next().map(str::to_owned));
                is_test = false;
            }
        }
    }
    names
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let known = tests();
    let page = fs::read_to_string(repository().join("GUARANTEES.md")).unwrap();
    let (promised, _) = page.split_once("\n## Not promised").expect("a section of what is not promised");
    let mut faults = Vec::new();
    let mut count = 0;
    for promise in promised.split("\n- ").skip(1) {
        let promise = promise.split("\n## ").next().unwrap_or_default();
        let names: Vec<_> = promise.split('`').skip(1).step_by(2).filter(|word| word.contains('_')).collect();
        let named: Vec<_> = names.iter().filter(|name| known.contains(**name)).collect();
        // Other words in backticks are configuration keys and commands, which contain a dot or a space.
        let unknown = names.iter().filter(|name| !known.contains(**name) && !name.contains(['.', ' ']));
        faults.extend(unknown.map(|name| format!("no test {name}")));
        if named.is_empty() {
            faults.push(format!("nothing proves: {promise}"));
        }
        count += 1;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 30, "only {count} promises were found");
}

/// Each command in the indented lines of a page: the words before a comment.
fn commands(page: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(repository().join(page)).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
    // The description of a command follows '#' or a gap.
    let commands = lines.flat_map(|line| line.split('#').next().unwrap_or_default().split(';')).filter_map(|command| {
        let command = command.trim().split("   ").next()?;
        let words: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
        words.first().is_some_and(|word| word == "ferryd" || word == "ferry").then_some(words)
    });
    commands.collect()
}

#[test]
fn every_command_in_the_pages_exists() {
    let mut faults = Vec::new();
    let mut count = 0;
    for page in ["docs/operating.md", "docs/watching.md", "README.md"] {
        for words in commands(page) {
            let program = if words[0] == "ferryd" { binaries::ferryd() } else { binaries::ferry() };
            let is_verb = |word: &&String| word.chars().all(|c| c.is_ascii_lowercase());
            // A third word is never a verb; a second one may be an argument, which does not prevent showing the
            // help.
            let verbs = words[1..].iter().take(2).take_while(is_verb);
            let helped = Command::new(program).args(verbs).arg("--help").output().unwrap();
            if !helped.status.success() {
                faults.push(format!("{page}: {}", words.join(" ")));
                continue;
            }
            let help = String::from_utf8_lossy(&helped.stdout).into_owned();
            let unknown = words.iter().filter(|word| word.starts_with("--") && !help.contains(word.as_str()));
            faults.extend(unknown.map(|flag| format!("{page}: {flag} of {}", words.join(" "))));
            count += 1;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 25, "only {count} commands were found");
}

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn expanded(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (choices, after))) => {
            choices.split(',').map(|choice| format!("{before}{choice}{after}")).collect()
        }
        None => vec![path.to_owned()],
    }
}

#[test]
fn every_file_the_pages_name_is_there() {
    let mut faults = Vec::new();
    let mut count = 0;
    let mut expect = |page: &str, from: &Path, path: &str| {
        count += 1;
        if !from.join(path).exists() {
            faults.push(format!("{page}: {path}"));
        }
    };
    let top = repository();
    let docs =
        ["operating", "watching", "browser", "keys", "protocol", "benchmarks"].map(|name| format!("docs/{name}.md"));
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "GUARANTEES.md"].map(str::to_owned);
    for page in pages.into_iter().chain(docs) {
        let text = fs::read_to_string(top.join(&page)).unwrap();
        // Links are relative to the page, names in backticks to the top.
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !link.is_empty() && !link.contains("://") {
                expect(&page, top.join(&page).parent().unwrap(), link);
            }
        }
        let folders = [
            "server/",
            "server-top/",
            "client/",
            "tui-client/",
            "shared/",
            "e2e/",
            "demo/",
            "assets/",
            "docs/",
            ".ci/",
        ];
        for name in text.split('`').skip(1).step_by(2).filter(|name| folders.iter().any(|at| name.starts_with(at))) {
            let path = name.split(' ').next().unwrap_or_default();
            expanded(path).iter().filter(|path| !path.contains("NAME")).for_each(|path| expect(&page, top, path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 60, "only {count} names were found");
}
