//! The rules of the project that a program can check: names, sizes, first lines, and the direction of dependencies.

mod cycles;

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use ferry_e2e::binaries::repository;
use ferry_shared::refusal::Code;

/// Forbidden dependencies. The left side is a module (`crate/module`) or a crate; the right side is a module of the
/// same crate, or an outer crate after `::`.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("shared/limits", &["::tokio", "link", "message", "frame"]),
    ("shared/version", &["::tokio", "link", "message", "frame"]),
    ("shared/name", &["::tokio", "link", "message", "frame"]),
    ("shared/path", &["::tokio", "link", "message", "frame"]),
    ("shared/entry", &["::tokio", "link", "message", "frame"]),
    ("shared/digest", &["::tokio", "link", "message", "frame"]),
    ("shared/refusal", &["::tokio", "link", "message", "frame"]),
    ("shared/message", &["::tokio", "link", "frame"]),
    ("shared/frame", &["::tokio", "link", "message"]),
    ("shared/blocks", &["::tokio", "link", "message", "frame"]),
    ("shared/sftp", &["::tokio", "link", "message", "frame"]),
    ("shared", &["::ferry_server", "::ferry_client"]),
    ("server/storage", &["quota", "users", "command", "connection", "session", "gate"]),
    ("server/quota", &["storage", "users", "command", "connection", "session", "gate"]),
    ("server/users", &["storage", "quota", "command", "connection", "session", "gate"]),
    (
        "server/files",
        &["command", "connection", "session", "gate", "connections", "outbox", "refusal", "context", "users"],
    ),
    (
        "server/verbs",
        &["command", "connection", "session", "gate", "connections", "outbox", "context", "users", "storage", "quota"],
    ),
    ("server/session", &["connection", "command"]),
    ("server/login", &["connection", "command", "control", "outbox", "refusal", "server"]),
    ("server/connections", &["connection", "command", "control"]),
    ("server/audit", &["connection", "command", "control", "storage", "quota", "users"]),
    ("server/counters", &["connection", "command", "control"]),
    ("server/control", &["connection", "command", "server"]),
    ("server/gate", &["connection", "command", "refusal"]),
    ("server/command", &["connection", "server", "storage", "quota", "users", "::cap_std"]),
    ("server/connection", &["server", "storage", "quota", "users", "::cap_std"]),
    ("server/sftp", &["connection", "command", "ssh", "server", "storage", "quota", "users", "::cap_std"]),
    ("server", &["::ferry_client", "::ratatui", "::crossterm"]),
    ("server-top", &["::ferry_client", "::tokio"]),
    ("client/transfer", &["remote", "ferry", "sftp", "server", "connection", "sync"]),
    ("client/sync", &["remote", "ferry", "sftp", "server", "local", "connection"]),
    ("client/local", &["transfer", "remote", "connection"]),
    ("client/site", &["transfer", "remote", "connection", "local", "ferry", "sftp"]),
    ("client/ferry", &["transfer", "local"]),
    ("client/remote", &["ferry", "sftp", "local", "transfer"]),
    ("client/sftp", &["transfer", "local", "ferry", "server"]),
    ("client/connection", &["remote", "transfer"]),
    ("client", &["::ferry_server", "::ratatui", "::crossterm", "::clap", "::indicatif"]),
    ("tui-client/tui/view", &["::ferry_client", "::tokio"]),
    ("tui-client/tui/state", &["::ratatui", "::crossterm", "::tokio"]),
    ("tui-client/tui/update", &["::ratatui", "::crossterm", "::tokio"]),
    ("tui-client", &["::ferry_server"]),
];

/// Modules of `shared` that belong to a single protocol.
const WIRE: [&str; 6] = ["message", "frame", "link", "binding", "feature", "sftp"];

const CRATES: [&str; 7] = ["shared", "server", "server-top", "client", "tui-client", "e2e", "demo"];

/// Every Rust file of the repository, by its path.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    CRATES.iter().for_each(|name| walk(&repository().join(name), &mut found));
    found.sort();
    let name = |path: PathBuf| path.strip_prefix(repository()).unwrap().to_owned();
    found.into_iter().map(|path| (name(path.clone()), fs::read_to_string(path).unwrap())).collect()
}

fn assert_none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n{}", faults.join("\n"));
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long = sources().into_iter().filter(|(_, text)| text.lines().count() > 500);
    let faults: Vec<_> = long.map(|(path, text)| format!("{}: {}", path.display(), text.lines().count())).collect();
    assert_none("longer than 500 lines", &faults);
}

#[test]
fn every_file_says_first_why_it_exists() {
    let says = |text: &str| text.lines().next().is_some_and(|line| line.len() > 20 && line.starts_with("//! "));
    let mute = sources().into_iter().filter(|(_, text)| !says(text));
    assert_none("no `//!` sentence first", &mute.map(|(path, _)| path.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let empty = ["utils", "util", "helpers", "helper", "common", "misc", "mod"];
    let named = |path: &Path| path.with_extension("").iter().any(|part| empty.iter().any(|name| part == *name));
    let faults = sources().into_iter().filter(|(path, _)| named(path));
    assert_none("names that say nothing", &faults.map(|(path, _)| path.display().to_string()).collect::<Vec<_>>());
}

/// The text without comments and without its unit tests.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first component of each path in the group `{a::b, c::{d, e}, f}`.
fn group(text: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = vec![String::new()];
    for c in text.trim_start_matches('{').chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(String::new()),
            c if depth == 0 => heads.last_mut().expect("never empty").push(c),
            _ => {}
        }
    }
    heads.iter().map(|head| head.trim().split("::").next().unwrap_or_default().to_owned()).collect()
}

/// The first names after `prefix` in the paths of `text`.
fn after(text: &str, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        let rest = &text[at + prefix.len()..];
        if rest.starts_with('{') {
            found.extend(group(balanced(rest)));
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

/// `text` up to the brace that closes its first one.
fn balanced(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..=at];
        }
    }
    text
}

/// The dependencies of a file: modules of its crate by name, outer crates after `::`.
fn uses(path: &Path, text: &str) -> BTreeSet<String> {
    let mut found = after(text, "crate::");
    // In a module at the top of its crate, `super` is the crate.
    let depth = path.components().count();
    if depth == 3 {
        found.extend(after(text, "super::"));
    }
    for outer in ["tokio", "ratatui", "crossterm", "clap", "indicatif", "cap_std", "ferry_server", "ferry_client"] {
        let named = [format!("{outer}::"), format!("use {outer};")];
        let starts = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if named.iter().any(|name| text.match_indices(name.as_str()).any(|(at, _)| starts(at))) {
            found.insert(format!("::{outer}"));
        }
    }
    found
}

/// Whether a file belongs to a module: `server/src/users/file.rs` belongs to `server`, `server/users` and
/// `server/users/file`.
fn lies_in(path: &Path, module: &str) -> bool {
    let text = path.with_extension("").to_string_lossy().replacen("/src/", "/", 1);
    text.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[test]
fn arrows_point_one_way() {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, text) in sources() {
        let is = |name: &str| path.with_extension("").components().any(|part| part.as_os_str() == name);
        if !is("src") || is("tests") {
            continue;
        }
        let uses = uses(&path, &code(&text));
        for (module, forbidden) in FORBIDDEN.iter().filter(|(module, _)| lies_in(&path, module)) {
            seen.insert(*module);
            let bad = forbidden.iter().filter(|name| uses.contains(**name));
            faults.extend(bad.map(|name| format!("{} ({module}) uses {name}", path.display())));
        }
    }
    assert_none("arrows that point the wrong way", &faults);
    // A rule about a missing module has no effect. The screen may be absent.
    let has_screen = repository().join("tui-client/src/tui").exists();
    let idle =
        FORBIDDEN.iter().filter(|(module, _)| !seen.contains(module) && (has_screen || !module.contains("tui/")));
    assert_none("rules about nothing", &idle.map(|(module, _)| (*module).to_owned()).collect::<Vec<_>>());
}

/// Programs and their tests need these modules of the server; all others are private.
#[test]
fn the_server_shows_few_modules() {
    let lib =
        sources().into_iter().find(|(path, _)| path == Path::new("server/src/lib.rs")).expect("the server is one").1;
    let shown: Vec<_> = lib.lines().filter(|line| line.starts_with("pub ")).map(str::to_owned).collect();
    assert!(shown.len() <= 15, "{shown:?}");
}

/// Otherwise a protocol could depend on the layers below the files layer.
#[test]
fn the_files_layer_shows_nothing_of_what_it_is_made_of() {
    let files = sources().into_iter().filter(|(path, _)| lies_in(path, "server/files"));
    let shows = |text: &str| code(text).lines().any(|line| line.trim_start().starts_with("pub use crate::"));
    let faults: Vec<_> = files.filter(|(_, text)| shows(text)).map(|(path, _)| path.display().to_string()).collect();
    assert_none("re-exports", &faults);
}

/// Otherwise a test could not stop the server there.
#[test]
fn storage_changes_the_disk_in_two_places_only() {
    let changing = [
        "renameat",
        "renameat_with",
        "linkat",
        "symlinkat",
        "unlinkat",
        "mkdirat",
        "fchmod",
        "chmodat",
        "futimens",
        "utimensat",
        "ftruncate",
        "fsync",
        "fdatasync",
        "syncfs",
    ];
    let allowed = ["disk.rs", "flush.rs"];
    let (mut faults, mut seen) = (Vec::new(), 0);
    for (path, text) in sources() {
        let inside = path.starts_with("server/src/storage") && !path.starts_with("server/src/storage/tests");
        let (code, name) = (code(&text), path.file_name().unwrap_or_default());
        let words: BTreeSet<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let found = changing.iter().filter(|call| inside && words.contains(**call));
        if allowed.iter().any(|allowed| name == *allowed) {
            seen += found.count();
        } else {
            faults.extend(found.map(|call| format!("{} calls {call}", path.display())));
        }
    }
    assert_none("changes of the disk beside disk.rs and flush.rs", &faults);
    assert!(seen > 8, "the calls are called otherwise now");
}

/// Every door uses these, whatever its protocol. The files layer does not know the answers of a protocol either.
#[test]
fn logins_gate_and_files_see_no_message_and_no_frame() {
    for (module, more) in [("server/login", None), ("server/gate", None), ("server/files", Some("refusal"))] {
        let is_wire = |name: &String| WIRE.contains(&name.as_str()) || Some(name.as_str()) == more;
        let sees = |text: &str| after(&code(text), "ferry_shared::").iter().any(is_wire);
        let faults = sources().into_iter().filter(|(path, text)| lies_in(path, module) && sees(text));
        let faults: Vec<_> = faults.map(|(path, _)| path.display().to_string()).collect();
        assert_none("sees messages or frames", &faults);
    }
}

#[test]
fn the_screen_sees_no_frame() {
    let sees = |text: &str| after(&code(text), "ferry_shared::").iter().any(|name| name == "frame" || name == "link");
    let faults = sources().into_iter().filter(|(path, text)| path.starts_with("tui-client/src") && sees(text));
    assert_none("sees frames", &faults.map(|(path, _)| path.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn nothing_depends_on_these_tests_and_crates_keep_apart() {
    let manifest = |name: &str| fs::read_to_string(repository().join(name).join("Cargo.toml")).unwrap();
    let forbidden = [
        ("shared", ["ferry-server", "ferry-client", "ferry-e2e"]),
        ("server", ["ferry-client", "ferry-tui-client", "ferry-e2e"]),
        ("server-top", ["ferry-client", "ferry-tui-client", "ferry-e2e"]),
        ("client", ["ferry-server", "ferry-tui-client", "ferry-e2e"]),
        ("tui-client", ["ferry-server", "ferry-demo", "ferry-e2e"]),
        ("demo", ["ferry-e2e", "ferry-e2e", "ferry-e2e"]),
    ];
    let mut faults = Vec::new();
    for (name, never) in forbidden {
        let text = manifest(name);
        // Its own name is not a dependency.
        let depends = |other: &str| {
            text.lines().any(|line| line.starts_with(&format!("{other}.")) || line.starts_with(&format!("{other} ")))
        };
        faults.extend(never.iter().filter(|other| depends(other)).map(|other| format!("{name} depends on {other}")));
    }
    assert_none("dependencies that may not be", &faults);
}

/// Whether the crate of the server depends on this one, directly or indirectly.
fn server_needs(name: &str) -> bool {
    let words = ["tree", "--locked", "--offline", "--package=ferry-server", "--edges=all", "--prefix=none"];
    let tree = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(words)
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8_lossy(&tree.stdout).lines().any(|line| line.split(' ').next() == Some(name))
}

#[test]
fn the_server_needs_nothing_of_a_screen() {
    assert!(server_needs("clap"), "the names of crates are looked for in vain");
    let faults: Vec<_> =
        ["ratatui", "ratatui-core", "crossterm"].into_iter().filter(|name| server_needs(name)).collect();
    assert!(faults.is_empty(), "ferry-server depends on {}", faults.join(", "));
}

#[test]
fn the_protocol_page_lists_every_refusal_code_and_no_other() {
    let page = fs::read_to_string(repository().join("docs/protocol.md")).expect("docs/protocol.md");
    let section = page.split("\n## ").find(|section| section.starts_with("Refusals")).expect("a section `Refusals`");
    let ticked = section.split('`').skip(1).step_by(2);
    let listed: BTreeSet<&str> = ticked.map(|text| text.split('{').next().unwrap_or_default()).collect();
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let missing: Vec<_> = known.difference(&listed).map(ToString::to_string).collect();
    assert_none("codes the page does not list", &missing);
    // Codes are in the first cell of the table: whole, before a `{`, or alone in backticks.
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next());
    let unknown: Vec<_> = rows.filter(|code| !known.contains(code)).map(str::to_owned).collect();
    assert_none("codes no server sends", &unknown);
}

#[test]
fn paths_in_groups_are_found() {
    let text = "use crate::{\n    a::{b, c},\n    d, e::f::{g, h::{i}},\n};\nuse crate::k::l; crate::m()";
    let found: Vec<_> = after(text, "crate::").into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(found, ["a", "d", "e", "k", "m"]);
}
