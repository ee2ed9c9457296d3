//! The rules of plans, above all those for deleting.

use ferry_shared::{entry::Mtime, name::Name};

use super::*;
use crate::{
    obstacle::Obstacle,
    site::{Dates, LeftOut, Names, Page},
};

const RULES: Rules = Rules { delete: true, links: LinkRule::LeaveOut, from: Abilities::ALL, to: Abilities::ALL };

fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

fn entry(path: &RemotePath, kind: Kind, size: u64, date: i64) -> Entry {
    Entry { name: path.name().unwrap(), kind, size, mtime: Mtime(date, 0), mode: 0o644 }
}

fn page(under: &str) -> Page {
    Page { under: path(under), ..Page::default() }
}

fn denied() -> ClientError {
    ClientError::obstructed(Obstacle::Denied, "no")
}

/// A tree of files with sizes; paths that end with `/` are folders, with `@` links, with `|` special files.
fn tree(paths: &[(&str, u64)]) -> Listing {
    let mut listing = Listing::new();
    listing.add(page(""));
    for (text, size) in paths {
        let (text, kind) = match text.split_at(text.len() - 1) {
            (text, "/") => (text, Kind::Folder),
            (text, "@") => (text, Kind::Symlink),
            (text, "|") => (text, Kind::Other),
            _ => (*text, Kind::File),
        };
        let at = path(text);
        if kind == Kind::Folder {
            listing.add(page(text));
        }
        let under = at.parent().unwrap();
        listing.add(Page { under, entries: vec![entry(&at, kind, *size, 100)], ..Page::default() });
    }
    listing
}

fn planned(from: &Listing, to: &Listing) -> Plan {
    Plan::new(from, to, &Select::default(), &RULES, Compare::Date)
}

fn copies(plan: &Plan) -> Vec<String> {
    plan.copies.keys().map(|path| path.display().to_string()).collect()
}

fn deletions(plan: &Plan) -> Vec<String> {
    plan.deletions.iter().map(|deletion| deletion.path.display().to_string()).collect()
}

fn causes(plan: &Plan) -> Vec<String> {
    let cause = |problem: &Problem| {
        let cause = format!("{:?}", problem.cause);
        format!("{} {}", problem.path.display(), cause.split(['(', ' ']).next().unwrap())
    };
    plan.problems.iter().map(cause).collect()
}

#[test]
fn new_and_changed_files_are_copied_and_the_rest_is_unchanged() {
    let mut from = tree(&[("a", 1), ("b", 2), ("c", 3), ("d/", 0), ("d/x", 4), ("e/", 0)]);
    let to = tree(&[("a", 1), ("b", 5), ("c", 3), ("d/", 0)]);
    from.add(Page { entries: vec![entry(&path("c"), Kind::File, 3, 101)], ..page("") });
    let plan = planned(&from, &to);
    let why: Vec<_> = plan.copies.iter().map(|(path, copy)| (path.display().to_string(), copy.why)).collect();
    let expected = [("/b", Why::Size), ("/c", Why::Date), ("/d/x", Why::New), ("/e", Why::New)];
    assert_eq!(why, expected.map(|(path, why)| (path.to_owned(), why)));
    assert_eq!((plan.unchanged, plan.at_source, plan.at_target), (1, 4, 4));
    assert!(plan.deletions.is_empty() && plan.problems.is_empty());
}

#[test]
fn dates_are_compared_at_the_precision_of_both_sites() {
    let dated = |nanos| {
        let mut listing = tree(&[]);
        let entry = Entry { mtime: Mtime(100, nanos), ..entry(&path("a"), Kind::File, 1, 0) };
        listing.add(Page { entries: vec![entry], ..page("") });
        listing
    };
    let copied = |from, to| {
        let with = |mtime| Abilities { mtime, ..Abilities::ALL };
        let rules = Rules { from: with(from), to: with(to), ..RULES };
        Plan::new(&dated(7), &dated(0), &Select::default(), &rules, Compare::Date).copies.len()
    };
    assert_eq!(copied(Dates::Exact, Dates::Exact), 1);
    assert_eq!(copied(Dates::Exact, Dates::Seconds), 0);
    assert_eq!(copied(Dates::Seconds, Dates::Exact), 0);
    // The date of such a site says nothing, so the content decides.
    assert_eq!(copied(Dates::Exact, Dates::None), 1);
}

#[test]
fn contents_decide_instead_of_dates_on_request() {
    let from = tree(&[("a", 1), ("b", 1), ("c", 2)]);
    let to = tree(&[("a", 1), ("b", 1), ("c", 3)]);
    let plan =
        |equal: &BTreeMap<RemotePath, bool>| Plan::new(&from, &to, &Select::default(), &RULES, Compare::Content(equal));
    let first = plan(&BTreeMap::new());
    assert_eq!(first.undecided, [path("a"), path("b")]);
    let second = plan(&BTreeMap::from([(path("a"), true), (path("b"), false)]));
    assert_eq!(copies(&second), ["/b", "/c"]);
}

#[test]
fn nothing_is_removed_unless_asked() {
    let plan =
        Plan::new(&tree(&[]), &tree(&[("a", 1)]), &Select::default(), &Rules { delete: false, ..RULES }, Compare::Date);
    assert!(plan.is_empty() && plan.problems.is_empty());
}

#[test]
fn contents_are_removed_before_their_folders() {
    let plan = planned(&tree(&[("k", 1)]), &tree(&[("k", 1), ("d/", 0), ("d/e/", 0), ("d/e/x", 1), ("d-e", 1)]));
    assert_eq!(deletions(&plan), ["/d/e/x", "/d/e", "/d-e", "/d"]);
}

#[test]
fn nothing_below_an_unreadable_folder_is_removed() {
    for source in [true, false] {
        let whole = || tree(&[("a/", 0), ("a/b/", 0), ("a/b/x", 1), ("c/", 0)]);
        let (mut from, mut to) = (tree(&[("a/", 0), ("a/b/", 0), ("c/", 0), ("k", 1)]), whole());
        to.add(Page { entries: vec![entry(&path("c/y"), Kind::File, 1, 1)], ..page("c") });
        let unreadable = Page { unreadable: vec![(path("a"), denied())], ..page("") };
        if source {
            from.add(unreadable)
        } else {
            to.add(unreadable)
        }
        let plan = planned(&from, &to);
        assert_eq!(deletions(&plan), ["/c/y"]);
        assert_eq!(causes(&plan), [if source { "/a Source" } else { "/a Target" }]);
    }
}

#[test]
fn a_folder_with_unreadable_content_stays_with_those_above_it() {
    let mut to = tree(&[("a/", 0), ("a/b/", 0), ("a/b/x", 1), ("a/y", 1)]);
    to.add(Page { unreadable: vec![(path("a/b"), denied())], ..page("a") });
    let plan = planned(&tree(&[("k", 1)]), &to);
    assert_eq!(deletions(&plan), ["/a/y"]);
    assert_eq!(causes(&plan), ["/a/b Target"]);
    let mut to = tree(&[("a/", 0), ("a/y", 1)]);
    to.add(Page { left_out: vec![LeftOut::Failed(Name::try_from("z").unwrap(), denied())], ..page("a") });
    assert_eq!(deletions(&planned(&tree(&[("k", 1)]), &to)), ["/a/y"]);
}

#[test]
fn nothing_below_a_folder_whose_listing_was_cut_is_removed() {
    for source in [true, false] {
        // The folder is an entry of its parent, but no page of it arrived.
        let cut = || {
            let mut listing = tree(&[("k", 1)]);
            listing.add(Page { entries: vec![entry(&path("a"), Kind::Folder, 0, 100)], ..page("") });
            listing
        };
        let whole = || tree(&[("k", 1), ("a/", 0), ("a/x", 1)]);
        let plan = if source { planned(&cut(), &whole()) } else { planned(&whole(), &cut()) };
        assert!(plan.deletions.is_empty(), "{:?}", deletions(&plan));
        assert_eq!(causes(&plan), [if source { "/a SourceCut" } else { "/a TargetCut" }]);
    }
}

#[test]
fn nothing_at_all_is_removed_after_a_failed_listing() {
    for source in [true, false] {
        let (mut from, mut to) = (tree(&[("a/", 0), ("k", 1)]), tree(&[("a/", 0), ("a/x", 1), ("y", 1)]));
        if source {
            from.failed(denied())
        } else {
            to.failed(denied())
        }
        let plan = planned(&from, &to);
        assert!(plan.deletions.is_empty());
        assert_eq!(copies(&plan), ["/k"]);
        assert_eq!(causes(&plan), [if source { "/ Source" } else { "/ Target" }]);
    }
}

#[test]
fn nothing_is_removed_beside_a_name_that_the_target_cannot_have() {
    let mut from = tree(&[("a/", 0), ("a/b/", 0), ("k", 1)]);
    let odd = Entry { name: Name::new(&b"\xff"[..]).unwrap(), ..entry(&path("x"), Kind::File, 1, 1) };
    from.add(Page { entries: vec![odd], ..page("a") });
    let to = tree(&[("a/", 0), ("a/b/", 0), ("a/b/x", 1), ("a/x", 1), ("y", 1)]);
    let rules = Rules { to: Abilities { names: Names::Utf8, ..Abilities::ALL }, ..RULES };
    let plan = Plan::new(&from, &to, &Select::default(), &rules, Compare::Date);
    assert_eq!(deletions(&plan), ["/y"]);
    assert_eq!(causes(&plan), ["/a/\\xff Name"]);
    let mut from = tree(&[("a/", 0), ("k", 1)]);
    from.add(Page { left_out: vec![LeftOut::UnusableName("long".to_owned())], ..page("a") });
    assert_eq!(deletions(&planned(&from, &to)), ["/y"]);
}

#[test]
fn filtered_paths_are_neither_copied_nor_removed() {
    let from = tree(&[("k", 1), ("x.tmp", 9), ("big", 100)]);
    let to = tree(&[("d/", 0), ("d/y.tmp", 1), ("d/z", 1), ("e/", 0), ("e/cache/", 0), ("e/cache/q", 1), ("big", 5)]);
    let mut select = Select::default();
    select.max_size = Some(50);
    select.exclude_from(&[("file".to_owned(), "*.tmp\ncache/\n".to_owned())]).unwrap();
    let plan = Plan::new(&from, &to, &select, &RULES, Compare::Date);
    assert_eq!(copies(&plan), ["/k"]);
    // The folders stay because of what is in them.
    assert_eq!(deletions(&plan), ["/d/z"]);
    assert!(plan.problems.is_empty());
}

#[test]
fn links_at_the_target_are_removed_and_never_entered() {
    let from = tree(&[("k", 1), ("a/", 0), ("a/x", 1), ("f", 1)]);
    let to = tree(&[("k", 1), ("a@", 0), ("f@", 0), ("old@", 0)]);
    let plan = planned(&from, &to);
    assert_eq!(deletions(&plan), ["/old", "/f", "/a"]);
    assert!(plan.copies.is_empty());
    assert_eq!(plan.blocked.keys().map(|path| path.display().to_string()).collect::<Vec<_>>(), ["/a", "/a/x", "/f"]);
}

#[test]
fn links_and_special_files_at_the_source_keep_their_counterparts() {
    let from = tree(&[("k", 1), ("l@", 0), ("s|", 0)]);
    let to = tree(&[("k", 1), ("l/", 0), ("l/x", 1), ("s", 1)]);
    let plan = planned(&from, &to);
    assert!(plan.is_empty());
    assert_eq!(causes(&plan), ["/l Symlink", "/s Special"]);
    let rules = Rules { links: LinkRule::Skip, ..RULES };
    let plan = Plan::new(&from, &to, &Select::default(), &rules, Compare::Date);
    assert_eq!((causes(&plan), plan.is_empty()), (vec!["/s Special".to_owned()], true));
}

#[test]
fn something_of_another_kind_is_removed_only_with_deletions() {
    let (from, to) = (tree(&[("a", 1), ("b/", 0), ("b/x", 1)]), tree(&[("a/", 0), ("a/y", 1), ("b", 1)]));
    let plan = planned(&from, &to);
    assert_eq!(deletions(&plan), ["/b", "/a/y", "/a"]);
    assert_eq!(plan.blocked.len(), 3);
    let plan = Plan::new(&from, &to, &Select::default(), &Rules { delete: false, ..RULES }, Compare::Date);
    assert!(plan.is_empty());
    assert_eq!(causes(&plan), ["/a InTheWay", "/b InTheWay"]);
}

#[test]
fn a_folder_that_is_in_the_way_stays_if_anything_in_it_has_to() {
    let mut to = tree(&[("a/", 0), ("a/y", 1), ("a/keep.tmp", 1)]);
    let from = tree(&[("a", 1), ("k", 1)]);
    let mut select = Select::default();
    select.exclude_from(&[("file".to_owned(), "*.tmp".to_owned())]).unwrap();
    let plan = Plan::new(&from, &to, &select, &RULES, Compare::Date);
    assert!(plan.blocked.is_empty() && plan.deletions.is_empty());
    assert_eq!(causes(&plan), ["/a InTheWay"]);
    to.add(Page { unreadable: vec![(path("a"), denied())], ..page("") });
    let plan = planned(&from, &to);
    assert!(plan.blocked.is_empty() && plan.deletions.is_empty());
}

#[test]
fn many_deletions_and_an_empty_source_are_doubted() {
    let to = tree(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    let doubt = |from: &[(&str, u64)], most| planned(&tree(from), &to).doubt(most);
    assert_eq!(doubt(&[("a", 1), ("b", 1)], None), None);
    assert_eq!(doubt(&[("a", 1)], None), Some(Doubt::Many { deletions: 3, of: 4, most: 2 }));
    assert_eq!(doubt(&[("a", 1)], Some(3)), None);
    assert_eq!(doubt(&[("a", 1), ("b", 1), ("c", 1)], Some(0)), Some(Doubt::Many { deletions: 1, of: 4, most: 0 }));
    // A limit does not make an empty source plausible.
    for source in [&[][..], &[("only", 0)][..0], &[("f/", 0)][..]] {
        assert_eq!(doubt(source, Some(100)), Some(Doubt::EmptySource { deletions: 4 }));
    }
}

#[test]
fn unfinished_downloads_are_left_alone_unless_their_folder_goes() {
    let from = tree(&[("k", 1), (".k.ferry-part", 1)]);
    let to = tree(&[("k", 1), (".x.ferry-part", 1), ("d/", 0), ("d/.y.ferry-part", 1)]);
    let plan = planned(&from, &to);
    assert_eq!((copies(&plan), deletions(&plan)), (vec![], vec!["/d/.y.ferry-part".to_owned(), "/d".to_owned()]));
}

#[test]
fn the_deepest_ignore_file_decides() {
    let mut select = Select::default();
    select.ignore(&RemotePath::home(), "*.log\n/top\nbuild/\n").unwrap();
    select.ignore(&path("a"), "!keep.log\n/x\n").unwrap();
    let file = |text: &str| select.takes(&path(text), &entry(&path(text), Kind::File, 1, 1));
    assert!(!file("y.log") && !file("a/y.log") && file("a/keep.log") && !file("keep.log"));
    assert!(!file("top") && file("a/top") && !file("a/x") && file("a/b/x") && file("x"));
    assert!(!select.enters(&path("a/build")) && file("a/build"), "the pattern is for folders");
    // The command line outranks them.
    select.exclude_from(&[("file".to_owned(), "!y.log\nkeep.log".to_owned())]).unwrap();
    let file = |text: &str| select.takes(&path(text), &entry(&path(text), Kind::File, 1, 1));
    assert!(file("y.log") && !file("a/keep.log"));
    assert!(select.ignore(&path("b"), "[z-a]").is_err());
}

#[test]
fn only_the_named_paths_are_compared() {
    let from = tree(&[("a", 1), ("b/", 0), ("b/x", 1), ("b/y", 1), ("c/", 0), ("c/z", 1)]);
    let to = tree(&[("b/", 0), ("b/x", 1), ("b/old", 1), ("c/", 0), ("c/old", 1), ("gone", 1)]);
    let mut select = Select::default();
    select.only([path("b/y"), path("c"), path("gone")].into());
    let plan = Plan::new(&from, &to, &select, &RULES, Compare::Date);
    assert_eq!(copies(&plan), ["/b/y", "/c/z"]);
    assert_eq!(deletions(&plan), ["/gone", "/c/old"]);
}

fn without(plan: &Plan, left_out: &[&str]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let left = plan.without(&left_out.iter().map(|text| path(text)).collect());
    let blocked = left.blocked.keys().map(|path| path.display().to_string()).collect();
    (copies(&left), deletions(&left), blocked)
}

fn texts(paths: &[&str]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_left_out_goes_with_everything_below_it() {
    let from = tree(&[("new/", 0), ("new/a", 1), ("new/b", 1), ("x", 1)]);
    let plan = planned(&from, &tree(&[]));
    assert_eq!(without(&plan, &["new"]).0, texts(&["/x"]));
    assert_eq!(without(&plan, &["new/a"]).0, texts(&["/new", "/new/b", "/x"]));
}

#[test]
fn an_entry_that_is_left_out_of_the_deletions_keeps_the_folders_above_it() {
    let to = tree(&[("old/", 0), ("old/deep/", 0), ("old/deep/y", 1), ("old/z", 1), ("w", 1)]);
    let plan = planned(&tree(&[]), &to);
    assert_eq!(without(&plan, &["old/deep/y"]).1, texts(&["/w", "/old/z"]));
    assert_eq!(without(&plan, &["old"]).1, texts(&["/w"]));
}

#[test]
fn what_is_blocked_by_an_entry_that_stays_is_not_copied() {
    let from = tree(&[("folder-now-file", 1), ("file-now-folder/", 0), ("file-now-folder/in", 1), ("new", 1)]);
    let to = tree(&[("folder-now-file/", 0), ("folder-now-file/in", 1), ("file-now-folder", 1)]);
    let plan = planned(&from, &to);
    assert_eq!(plan.blocked.len(), 3);
    let folder = ["/file-now-folder", "/file-now-folder/in"];
    // Something stays in the folder, so that the file of its name has no place.
    assert_eq!(
        without(&plan, &["folder-now-file/in"]),
        (texts(&["/new"]), texts(&["/file-now-folder"]), texts(&folder))
    );
    let file = (texts(&["/new"]), texts(&["/folder-now-file/in", "/folder-now-file"]), texts(&["/folder-now-file"]));
    assert_eq!(without(&plan, &["file-now-folder"]), file);
    let none = plan.without_deletions();
    assert!(none.deletions.is_empty() && none.blocked.is_empty() && none.copies.len() == 1);
}

#[test]
fn a_folder_of_which_only_the_date_differs_is_left_out_alone() {
    let from = tree(&[("d/", 0), ("d/new", 1)]);
    let mut to = Listing::new();
    to.add(Page { entries: vec![entry(&path("d"), Kind::Folder, 0, 7)], ..page("") });
    to.add(page("d"));
    let plan = planned(&from, &to);
    assert_eq!(copies(&plan), ["/d", "/d/new"]);
    assert_eq!(without(&plan, &["d"]).0, texts(&["/d/new"]));
}
