//! Programs of the user: opening files, and commands of `config.toml`. Remote files are fetched first, verified.

use std::path::PathBuf;

use ferry_client::transfer::ConflictRule;
use ferry_shared::{entry::Kind, path::RemotePath};

use super::{Out, read};
use crate::{
    address::url,
    os_bytes::os_string_of,
    tui::{
        effect::{Effect, TransferEffect},
        state::{
            State,
            dialog::{Dialog, Notice},
            item::Item,
            place::Place,
            programs::{End, Hole, Opening, Program, Run, Values, copies_of, may_be_run},
            transfers::{Key, Order, Piece},
        },
    },
};

/// The most bytes that are fetched for a program.
const LARGEST: u64 = 256 << 20;
/// The permission bits of what is fetched: it can be read, and never be run.
const COPY_MODE: u32 = 0o600;

/// Opens the file under the cursor with the user's program for it, if there is one. Returns whether there is.
pub(super) fn open_if_named(state: &mut State, out: &mut Out) -> bool {
    let Some(program) = state.pane().current().and_then(|item| state.programs.opener(item)).cloned() else {
        return false;
    };
    begin(state, &program, out);
    true
}

/// Opens what is under the cursor with the user's program for it, or else with the system's.
pub(super) fn open(state: &mut State, out: &mut Out) {
    let Some(item) = state.pane().current() else { return };
    if let Some(program) = state.programs.opener(item).cloned() {
        return begin(state, &program, out);
    }
    if !state.pane().place.is_local() && may_be_run(item.name()) {
        let name = item.entry.name.display().to_string();
        state.warn(format!("{name} comes from a server, and the system might run it; an [[open]] entry can open it"));
        return;
    }
    begin(state, &Program::of_system(), out);
}

/// Does a command of the user.
pub(super) fn command(state: &mut State, number: usize, out: &mut Out) {
    if let Some(program) = state.programs.commands.get(number).map(|command| command.program.clone()) {
        begin(state, &program, out);
    }
}

/// Runs a program, after the remote files it gets were fetched.
fn begin(state: &mut State, program: &Program, out: &mut Out) {
    let files: Vec<Item> = files(state, program);
    let place = state.pane().place.clone();
    let remote = place.target().filter(|_| !files.is_empty() && !state.pane().vacant);
    let copies = remote.is_some().then(|| copies_of(&state.copies, state.tickets.next()));
    if copies.is_some() && !can_be_fetched(state, &files) {
        return;
    }
    let here = copies.clone().map_or_else(|| place.clone(), Place::local);
    let arguments = match program.filled(&values(state, program, &here)) {
        Ok(arguments) => arguments,
        Err(missing) => return state.warn(missing.to_string()),
    };
    let run = Run {
        entry: program.entry.clone(),
        program: program.program.clone(),
        arguments,
        folder: here.path.local().map_or_else(|| local_folder(state), Into::into),
        waits: program.waits,
        pauses: program.pauses,
        copies: copies.clone(),
    };
    match copies {
        Some(copies) => fetch(state, place, files, copies, run, out),
        None => out.push(Effect::Run(Box::new(run))),
    }
}

/// The entries that a program gets as files.
fn files(state: &State, program: &Program) -> Vec<Item> {
    let pane = state.pane();
    let mut files: Vec<Item> = Vec::new();
    if program.has(Hole::Paths) {
        files.extend(pane.chosen().into_iter().cloned());
    }
    if let Some(item) = pane.current().filter(|_| program.has(Hole::Path))
        && !files.iter().any(|file| file.entry.name == item.entry.name)
    {
        files.push(item.clone());
    }
    files
}

/// What the placeholders stand for, with files in the folder `here`.
fn values(state: &State, program: &Program, here: &Place) -> Values {
    let pane = state.pane();
    let path = |item: &Item| here.join(&item.entry.name).and_then(|place| place.path.local().map(PathBuf::from));
    let current = pane.current();
    let address = |item: &Item| {
        let place = pane.place.join(&item.entry.name)?;
        Some(url(place.target()?, place.path.remote()?))
    };
    let folder = |place: &Place| place.path.local().map(PathBuf::from);
    let paths = if program.has(Hole::Paths) { pane.chosen() } else { Vec::new() };
    Values {
        path: current.and_then(path),
        paths: paths.into_iter().filter_map(path).collect(),
        name: current.and_then(|item| os_string_of(item.name().to_vec())),
        folder: folder(&pane.place),
        other: folder(&state.other().place).filter(|_| !state.other().vacant),
        server: pane.target().map(|target| format!("{}@{}", target.user, target.address())),
        url: current.and_then(address),
    }
}

/// The folder of this computer that a program runs in: that of a pane, or the home folder.
fn local_folder(state: &State) -> PathBuf {
    let panes = [state.pane(), state.other()];
    let local = panes.into_iter().find_map(|pane| pane.place.path.local().filter(|_| !pane.vacant));
    local.unwrap_or(&state.home).to_owned()
}

/// Whether remote entries can be fetched for a program; warns if not.
fn can_be_fetched(state: &mut State, files: &[Item]) -> bool {
    if !state.is_reachable(&state.pane().place) {
        state.warn("not connected");
        return false;
    }
    if let Some(other) = files.iter().find(|item| item.entry.kind != Kind::File) {
        let name = other.entry.name.display().to_string();
        state.warn(format!("{name} is no file; of a server, only files are fetched for a program"));
        return false;
    }
    let bytes = files.iter().fold(0u64, |sum, item| sum.saturating_add(item.entry.size));
    if bytes > LARGEST {
        let most = LARGEST >> 20;
        state.warn(format!("more than {most} MiB are not fetched for a program; copy them here first"));
        return false;
    }
    true
}

/// Fetches files into a folder of their own.
fn fetch(state: &mut State, from: Place, files: Vec<Item>, copies: PathBuf, run: Run, out: &mut Out) {
    let order = Order {
        from,
        to: Place::local(copies),
        what: files.into_iter().map(|item| Piece::new(RemotePath::from(item.entry.name), false)).collect(),
        moves: false,
        rule: ConflictRule::Replace,
        links: None,
        mode: Some(COPY_MODE),
    };
    let key = state.transfers.add(order.clone());
    state.openings.push(Opening { key, run });
    out.push(Effect::Transfer(TransferEffect::Begin(key, order)));
}

/// Whether a transfer brings files for a program.
pub(super) fn is_of(state: &State, key: Key) -> bool {
    state.openings.iter().any(|opening| opening.key == key)
}

/// A transfer ended; it may be what a program waits for.
pub(super) fn transfer_over(state: &mut State, key: Key, well: bool, out: &mut Out) {
    let Some(at) = state.openings.iter().position(|opening| opening.key == key) else { return };
    let run = state.openings.remove(at).run;
    if well {
        state.transfers.remove(key);
        out.push(Effect::Run(Box::new(run)));
        return;
    }
    out.extend(run.copies.map(Effect::RemoveCopies));
    state.warn(format!("`{}` was not started: its files did not come", run.program));
}

/// A program ended, or could not be started.
pub(super) fn ended(state: &mut State, run: Run, end: &End, out: &mut Out) {
    if run.waits {
        read::both(state, out);
    }
    let started = !matches!(end, End::NotFound | End::NotStarted(_));
    // A program that was not waited for may have handed its files to another one, which still reads them; they go when
    // ferry ends.
    if let Some(copies) = run.copies.filter(|_| run.waits || !started) {
        out.push(Effect::RemoveCopies(copies));
    }
    if *end == End::Well {
        return;
    }
    let lines = vec![format!("`{}` {end}.", run.program), String::new(), format!("It is {}.", run.entry)];
    let title = if started { "A program failed" } else { "A program did not start" };
    state.dialogs.push(Dialog::Notice(Notice::bad(title, lines)));
}
