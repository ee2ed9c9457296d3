//! `GUARANTEES.md` names tests that are there, and the pages of the operator name commands and files that are.

use std::{collections::BTreeSet, fs};

use ferry_e2e::binaries::repository;

use crate::tidy::sources;

/// The names of all tests in the repository.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in sources() {
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
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
        // Other words in ticks are keys of the configuration and commands: they hold a dot or a space.
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
