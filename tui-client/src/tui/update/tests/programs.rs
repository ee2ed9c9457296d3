//! Programs of the user: they get files of this computer as arguments, also files that are fetched for them.

use std::path::Path;

use ferry_client::transfer::JobId;

use crate::tui::{
    action::Where,
    config::Settings,
    effect::{Effect, TransferEffect},
    event::Event,
    fixture::{Fixture, done, entry, remote_items},
    state::{
        dialog::Dialog,
        programs::{End, Run},
        transfers::{Key, Order},
    },
};

const CONFIG: &str = r#"
[[open]]
match = "*.raw"
run = ["darktable", "{path}"]
[[open]]
kind = "document"
run = ["less", "{path}"]
wait = true
[[command]]
key = "X"
name = "count lines"
run = ["wc", "-l", "{paths}"]
wait = true
[[command]]
name = "join"
run = ["join-files", "{name}", "{folder}", "{other}"]
[[command]]
key = "Y"
name = "address"
run = ["say", "{server}", "{url}"]
"#;

/// Connected, with the programs of [`CONFIG`].
fn with_programs() -> Fixture {
    let mut fixture = Fixture::connected();
    let (settings, faults) = Settings::read(CONFIG);
    assert_eq!(faults, []);
    assert_eq!(fixture.state.keymap.add_commands(&settings.programs.keys()), []);
    fixture.state.programs = settings.programs;
    fixture
}

/// The program that was to run, with its arguments.
fn ran(fixture: &mut Fixture) -> Option<Run> {
    fixture.take().into_iter().find_map(|effect| if let Effect::Run(run) = effect { Some(*run) } else { None })
}

fn words(run: &Run) -> Vec<&str> {
    [&*run.program].into_iter().chain(run.arguments.iter().map(|word| word.to_str().unwrap())).collect()
}

fn toast(fixture: &Fixture) -> &str {
    fixture.state.toast.as_ref().map_or("", |toast| &toast.text)
}

/// The transfer that was begun.
fn begun(fixture: &mut Fixture) -> (Key, Order) {
    let begun = fixture.take().into_iter().find_map(|effect| match effect {
        Effect::Transfer(TransferEffect::Begin(key, order)) => Some((key, order)),
        _ => None,
    });
    begun.unwrap()
}

/// A file of the server is fetched for a program, and arrives.
fn fetched(fixture: &mut Fixture, failed: u64) {
    let (key, _) = begun(fixture);
    fixture.event(Event::Started(key, JobId(1)));
    fixture.event(Event::Transfer(done(1, failed)));
}

fn removes_copies(fixture: &mut Fixture) -> bool {
    fixture.take().iter().any(|effect| matches!(effect, Effect::RemoveCopies(_)))
}

#[test]
fn a_command_gets_what_is_marked_as_an_argument_each() {
    let mut fixture = with_programs();
    fixture.keys("j j j space space X");
    let run = ran(&mut fixture).unwrap();
    assert_eq!(words(&run), ["wc", "-l", "/home/al/data/holiday.raw", "/home/al/data/iso.img"]);
    assert_eq!(run.folder, Path::new("/home/al/data"));
    assert!(run.waits && run.pauses && run.copies.is_none());
    fixture.keys("u X");
    assert_eq!(words(&ran(&mut fixture).unwrap()).len(), 3, "without marks it is the entry under the cursor");
}

#[test]
fn enter_opens_a_file_with_its_program_and_f3_views_it_nevertheless() {
    let mut fixture = with_programs();
    fixture.keys("j j j enter");
    let run = ran(&mut fixture).unwrap();
    assert_eq!((words(&run), run.waits), (vec!["darktable", "/home/al/data/holiday.raw"], false));
    fixture.keys("j j j enter");
    let run = ran(&mut fixture).unwrap();
    assert_eq!((words(&run), run.waits), (vec!["less", "/home/al/data/notes.txt"], true));
    fixture.keys("f3");
    assert_eq!((ran(&mut fixture), fixture.state.place()), (None, Where::View));
    fixture.keys("esc j enter");
    assert_eq!((ran(&mut fixture), fixture.state.place()), (None, Where::View), "no program is named for it");
}

#[test]
fn a_file_without_a_program_of_its_own_is_opened_by_the_system() {
    let mut fixture = with_programs();
    fixture.keys("j j j j O");
    let run = ran(&mut fixture).unwrap();
    assert!(["xdg-open", "open"].contains(&&*run.program));
    assert_eq!(words(&run)[1..], ["/home/al/data/iso.img"]);
    fixture.keys("k O");
    assert_eq!(ran(&mut fixture).unwrap().program, "darktable");
}

#[test]
fn a_remote_file_is_fetched_so_that_it_cannot_be_run_then_opened_and_removed_afterwards() {
    let mut fixture = with_programs();
    fixture.keys("tab j j j j enter");
    let (key, order) = begun(&mut fixture);
    assert_eq!(order.mode, Some(0o600));
    let folder = order.to.path.local().unwrap().to_owned();
    assert!(folder.starts_with("/home/al/.ferry/edit/opened"), "{folder:?}");
    fixture.event(Event::Started(key, JobId(1)));
    fixture.event(Event::Transfer(done(1, 0)));
    let run = ran(&mut fixture).unwrap();
    assert_eq!(run.arguments, [folder.join("notes.txt")]);
    assert_eq!(run.folder, folder);
    fixture.event(Event::Ran(Box::new(run), End::Well));
    assert!(fixture.take().contains(&Effect::RemoveCopies(folder)));
    assert!(fixture.state.openings.is_empty() && fixture.state.dialogs.is_empty());
}

#[test]
fn the_copy_for_a_program_that_is_not_waited_for_stays_unless_it_did_not_start() {
    for (end, removed) in [(End::Well, false), (End::Code(1), false), (End::NotFound, true)] {
        let mut fixture = with_programs();
        fixture.keys("tab j j j enter");
        fetched(&mut fixture, 0);
        let run = ran(&mut fixture).unwrap();
        assert_eq!(run.program, "darktable");
        fixture.event(Event::Ran(Box::new(run), end.clone()));
        assert_eq!(removes_copies(&mut fixture), removed, "{end:?}");
    }
}

#[test]
fn a_program_whose_file_did_not_come_is_not_started() {
    let mut fixture = with_programs();
    fixture.keys("tab j j j enter");
    fetched(&mut fixture, 1);
    assert!(fixture.effects.iter().any(|effect| matches!(effect, Effect::RemoveCopies(_))));
    assert_eq!(ran(&mut fixture), None);
    assert!(toast(&fixture).contains("`darktable` was not started"), "{}", toast(&fixture));
}

#[test]
fn of_a_server_only_files_are_fetched_and_none_that_the_system_may_run() {
    let mut fixture = with_programs();
    fixture.keys("tab j X");
    assert!(toast(&fixture).contains("is no file"), "{}", toast(&fixture));
    let mut items = remote_items();
    items.push(entry("a.desktop", 10, 1));
    items.push(entry("b.raw", 1 << 40, 1));
    fixture.keys("ctrl-r");
    fixture.answer_lists(items);
    fixture.keys("g g j j j O");
    assert!(toast(&fixture).contains("might run it"), "{}", toast(&fixture));
    fixture.keys("j enter");
    assert!(toast(&fixture).contains("MiB"), "{}", toast(&fixture));
    assert!(super::transfers(&fixture.effects).is_empty());
    assert_eq!(ran(&mut fixture), None);
}

#[test]
fn a_placeholder_without_a_value_is_told_and_nothing_runs() {
    let mut fixture = with_programs();
    fixture.keys("j j j :").type_text("join").keys("enter");
    assert_eq!(ran(&mut fixture), None);
    assert!(toast(&fixture).contains("{other} needs a folder of this computer"), "{}", toast(&fixture));
    fixture.keys("Y");
    assert!(toast(&fixture).contains("{server} needs a server"), "{}", toast(&fixture));
    fixture.keys("tab j j j Y");
    let run = ran(&mut fixture).unwrap();
    assert_eq!(words(&run)[1], "alice@files.example.org:7021");
    assert!(
        words(&run)[2].starts_with("ferry://alice@files.example.org")
            && words(&run)[2].ends_with("/photos/holiday.raw")
    );
    assert_eq!(run.folder, Path::new("/home/al/data"), "it runs in a folder of this computer");
}

#[test]
fn a_program_that_fails_is_told_with_its_code_and_its_entry() {
    for (end, words) in [(End::Code(7), "exit code 7"), (End::NotFound, "was not found")] {
        let mut fixture = with_programs();
        fixture.keys("j j j X");
        let run = ran(&mut fixture).unwrap();
        fixture.event(Event::Ran(Box::new(run), end));
        assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::Notice(_))));
        let text = fixture.text();
        assert!(text.contains(words) && text.contains("the command `count lines`, line 9 of config.toml"), "{text}");
    }
}

#[test]
fn commands_are_in_the_palette_and_the_help() {
    let mut fixture = with_programs();
    let text = fixture.keys(":").type_text("count").text();
    assert!(text.contains("count lines") && text.contains("wc -l {paths}"), "{text}");
    let text = fixture.keys("esc ?").type_text("join-files").text();
    assert!(text.contains(": join"), "{text}");
    // What a click or Enter chooses there runs.
    fixture.keys("esc j j j :").type_text("count lines").keys("enter");
    assert_eq!(ran(&mut fixture).unwrap().program, "wc");
}

#[test]
fn a_key_that_is_taken_is_told_with_both_names_and_the_command_keeps_its_name() {
    let mut fixture = Fixture::connected();
    let text = "[[command]]\nname = \"mine\"\nkey = \"d\"\nrun = [\"true\"]\n[[command]]\nname = \"other\"\nkey = \"g\"\nrun = [\"true\"]\n";
    let (settings, _) = Settings::read(text);
    let faults = fixture.state.keymap.add_commands(&settings.programs.keys());
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("line 3: `d` of the command `mine` ") && told[0].contains("`delete`"), "{told:?}");
    assert!(told[1].starts_with("line 7: ") && told.len() == 2, "{told:?}");
    fixture.state.programs = settings.programs;
    fixture.keys("j j j d");
    assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::Delete(_))));
    fixture.keys("esc :").type_text("mine").keys("enter");
    assert_eq!(ran(&mut fixture).unwrap().program, "true");
}
