//! New folders and new names: one in a line, many in the editor.

use std::collections::{HashMap, HashSet};

use ferry_client::SitePath;
use ferry_shared::{name::Name, path::RemotePath};

use super::{Out, read};
use crate::os_bytes::bytes_of;
use crate::tui::{
    effect::Effect,
    state::{
        State,
        dialog::{Dialog, Form, Purpose},
        order::extension,
        place::Place,
        side::Side,
        task::Task,
    },
};

/// Asks for the name of a new folder.
pub(super) fn new_folder(state: &mut State) {
    if !may_change(state) {
        return;
    }
    let place = state.pane().place.display(&state.home);
    let form = Form::new(Purpose::NewFolder(state.active), format!("New folder in {place}"))
        .text("name", "")
        .note("a/b makes both folders");
    state.dialogs.push(Dialog::Form(Box::new(form)));
}

/// Makes a folder.
///
/// # Errors
/// The name is not valid.
pub(super) fn make_folder(state: &mut State, side: Side, name: &str, out: &mut Out) -> Result<(), String> {
    let folder = &state.panes[side].place;
    let mut place = folder.clone();
    for name in name.trim_end_matches('/').split('/') {
        let name = Name::try_from(name).map_err(|error| error.to_string())?;
        place = place.join(&name).ok_or("the path would be too long there")?;
    }
    let ticket = state.tickets.next();
    state.tasks.push((ticket, Task::MakeFolder(place.clone())));
    out.push(Effect::MakeFolder(ticket, place));
    Ok(())
}

/// Asks for a symbolic link to the entry under the cursor: in the folder of the other pane, if that is at the same site.
pub(super) fn link(state: &mut State) {
    if !may_change(state) {
        return;
    }
    let Some(name) = state.pane().current().map(|item| item.entry.name.clone()) else {
        state.warn("there is nothing under the cursor to link to");
        return;
    };
    let (here, there) = (state.pane().place.clone(), state.other().place.clone());
    let beside = !here.is_beside(&there) || here == there || state.other().vacant;
    let folder = if beside { here.clone() } else { there };
    let leads =
        if beside { Some(name.as_bytes().to_vec()) } else { here.join(&name).map(|place| text_of(&place, &folder)) };
    let Some((name, leads)) =
        String::from_utf8(name.as_bytes().to_vec()).ok().zip(leads.and_then(|text| String::from_utf8(text).ok()))
    else {
        state.warn("its name is no text and cannot be typed");
        return;
    };
    let title = format!("Symbolic link in {}", folder.display(&state.home));
    let form = Form::new(Purpose::Link(folder), title)
        .note("what does not begin with / is looked for from the link's folder")
        .text("name", if beside { String::new() } else { name })
        .text("leads to", leads);
    state.dialogs.push(Dialog::Form(Box::new(form)));
}

/// The text of a link in `folder` that leads to a place at the same site: the absolute path on this computer, and a
/// relative one on a server, whose paths may begin at a home.
fn text_of(place: &Place, folder: &Place) -> Vec<u8> {
    match (&place.path, &folder.path) {
        (SitePath::Remote(path), SitePath::Remote(folder)) => {
            let names = |path: &RemotePath| -> Vec<Vec<u8>> {
                path.as_bytes()
                    .split(|byte| *byte == b'/')
                    .filter(|name| !name.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect()
            };
            let (to, from) = (names(path), names(folder));
            let common = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
            let up = from[common..].iter().map(|_| b"..".to_vec());
            up.chain(to[common..].iter().cloned()).collect::<Vec<_>>().join(&b'/')
        }
        _ => place.path.local().map(|path| bytes_of(path.as_os_str()).into_owned()).unwrap_or_default(),
    }
}

/// Makes a symbolic link.
///
/// # Errors
/// A field is empty, or the name is not valid.
pub(super) fn make_link(state: &mut State, folder: &Place, form: &Form, out: &mut Out) -> Result<(), String> {
    let name = Name::try_from(form.get("name")).map_err(|error| error.to_string())?;
    let text = form.given("leads to").ok_or("where the link leads to is missing")?;
    let place = folder.join(&name).ok_or("the path would be too long there")?;
    let ticket = state.tickets.next();
    // The cursor goes to the link, as to a new name.
    state.tasks.push((ticket, Task::Rename(folder.clone(), Some(name))));
    out.push(Effect::MakeLink(ticket, place, text.as_bytes().to_vec()));
    Ok(())
}

/// Renames the selected entries.
pub(super) fn rename(state: &mut State, out: &mut Out) {
    if !may_change(state) {
        return;
    }
    state.pane_mut().mark_range();
    let side = state.active;
    let names: Vec<Name> = state.pane().chosen().iter().map(|item| item.entry.name.clone()).collect();
    match names.as_slice() {
        [] => state.warn("there is nothing to rename here"),
        [name] => {
            let Ok(text) = std::str::from_utf8(name.as_bytes()) else {
                state.warn("its name is no text and cannot be typed; ferry mv can rename it");
                return;
            };
            let mut form = Form::new(Purpose::Rename(side, name.clone()), format!("Rename {}", name.display()))
                .text("new name", text);
            // Users mostly change the part before the extension.
            let dot = extension(name.as_bytes()).len();
            if let Some(field) = form.field_mut().filter(|_| dot > 0) {
                field.put_cursor(text.len() - dot - 1);
            }
            state.dialogs.push(Dialog::Form(Box::new(form)));
        }
        _ => rename_many(state, names, out),
    }
}

fn rename_many(state: &mut State, names: Vec<Name>, out: &mut Out) {
    let plain = |name: &Name| std::str::from_utf8(name.as_bytes()).is_ok_and(|text| !text.contains('\n'));
    if let Some(odd) = names.iter().find(|name| !plain(name)) {
        let text = format!("{} is no line of text; unmark it, or use ferry mv", odd.display());
        state.warn(text);
        return;
    }
    let text: String = names.iter().map(|name| format!("{}\n", String::from_utf8_lossy(name.as_bytes()))).collect();
    let ticket = state.tickets.next();
    state.tasks.push((ticket, Task::EditNames(state.pane().place.clone(), names)));
    out.push(Effect::EditText(ticket, text));
}

/// Renames one entry.
///
/// # Errors
/// The name is not valid.
pub(super) fn rename_one(state: &mut State, side: Side, from: &Name, to: &str, out: &mut Out) -> Result<(), String> {
    let to = Name::try_from(to).map_err(|error| error.to_string())?;
    if *from == to {
        return Ok(());
    }
    let folder = state.panes[side].place.clone();
    let places = folder.join(from).zip(folder.join(&to)).ok_or("the path would be too long there")?;
    let ticket = state.tickets.next();
    state.tasks.push((ticket, Task::Rename(folder, Some(to))));
    out.push(Effect::Rename(ticket, vec![places]));
    Ok(())
}

/// The names came back from the editor.
pub(super) fn edited(state: &mut State, folder: &Place, names: &[Name], text: &str, out: &mut Out) {
    let Some(side) = Side::BOTH.into_iter().find(|side| state.panes[*side].place == *folder) else {
        state.warn("the folder is not shown any more; nothing was renamed");
        return;
    };
    let there: HashSet<Name> = state.panes[side].listing.all().iter().map(|item| item.entry.name.clone()).collect();
    match renames(names, text, &there) {
        Err(error) => state.warn(format!("nothing was renamed: {error}")),
        Ok(steps) if steps.is_empty() => state.say("no name was changed"),
        Ok(steps) => {
            let places = steps.iter().map(|(from, to)| folder.join(from).zip(folder.join(to)));
            let Some(places) = places.collect::<Option<Vec<_>>>() else {
                state.warn("a path would be too long there; nothing was renamed");
                return;
            };
            let ticket = state.tickets.next();
            state.tasks.push((ticket, Task::Rename(folder.clone(), None)));
            state.panes[side].listing.unmark_all();
            out.push(Effect::Rename(ticket, places));
        }
    }
}

/// The steps that rename `names` to the lines of `text`, in a folder that holds `there`.
///
/// Names may be exchanged: an entry in the way first gets a temporary name.
fn renames(names: &[Name], text: &str, there: &HashSet<Name>) -> Result<Vec<(Name, Name)>, String> {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() != names.len() {
        return Err(format!("there are {} lines for {} names", lines.len(), names.len()));
    }
    let mut wanted: HashMap<Name, Name> = HashMap::new();
    let mut targets = HashSet::new();
    for (name, line) in names.iter().zip(lines) {
        let to = Name::try_from(line).map_err(|error| format!("{line:?}: {error}"))?;
        if !targets.insert(to.clone()) {
            return Err(format!("{} would be there twice", to.display()));
        }
        if *name != to {
            wanted.insert(name.clone(), to);
        }
    }
    if let Some(taken) = wanted.values().find(|to| there.contains(*to) && !wanted.contains_key(*to)) {
        return Err(format!("{} is there already", taken.display()));
    }
    let mut steps = Vec::new();
    let mut order: Vec<Name> = names.iter().filter(|name| wanted.contains_key(*name)).cloned().collect();
    while !order.is_empty() {
        let free = |name: &Name| wanted.get(name).is_some_and(|to| !wanted.contains_key(to));
        match order.iter().position(free) {
            Some(at) => {
                let name = order.remove(at);
                steps.extend(wanted.remove(&name).map(|to| (name, to)));
            }
            None => {
                // A cycle: the first entry gets a temporary name.
                let name = order.remove(0);
                let aside = aside(&wanted, there)?;
                if let Some(to) = wanted.remove(&name) {
                    steps.push((name, aside.clone()));
                    wanted.insert(aside.clone(), to);
                    order.push(aside);
                }
            }
        }
    }
    Ok(steps)
}

/// A name that is neither taken nor wanted.
fn aside(wanted: &HashMap<Name, Name>, there: &HashSet<Name>) -> Result<Name, String> {
    let names = (0..=there.len()).filter_map(|number| Name::try_from(format!(".ferry-rename-{number}").as_str()).ok());
    let free =
        |name: &Name| !there.contains(name) && !wanted.contains_key(name) && !wanted.values().any(|to| to == name);
    names.into_iter().find(free).ok_or_else(|| "no name is free to step aside to".to_owned())
}

/// Whether the user may change the folder of the active pane; warns if not.
pub(super) fn may_change(state: &mut State) -> bool {
    if state.pane().vacant || !state.is_reachable(&state.pane().place) {
        state.warn("not connected");
        return false;
    }
    let may = state.may_write(&state.pane().place);
    if !may {
        state.warn("your account on this server may only read");
    }
    may
}

/// A folder was made: it is shown, and the cursor goes there.
pub(super) fn made(state: &mut State, place: &Place) {
    let mut made = place.clone();
    while let (Some(parent), Some(name)) = (made.parent(), made.name()) {
        for side in Side::BOTH.into_iter().filter(|side| state.panes[*side].place == parent).collect::<Vec<_>>() {
            state.panes[side].land_on(name.clone());
        }
        read::changed(state, &parent);
        made = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(names: &[&str], text: &str, others: &[&str]) -> Result<Vec<(String, String)>, String> {
        let name = |text: &&str| Name::try_from(*text).unwrap();
        let names: Vec<Name> = names.iter().map(name).collect();
        let there: HashSet<Name> = names.iter().cloned().chain(others.iter().map(name)).collect();
        let shown = |name: Name| name.display().to_string();
        renames(&names, text, &there).map(|steps| steps.into_iter().map(|(a, b)| (shown(a), shown(b))).collect())
    }

    fn step(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_link_on_a_server_is_relative() {
        let place = |path: &str| {
            let target = ferry_client::connect::Target::sftp("al", "h", 22);
            Place::remote(target, RemotePath::from_typed(path.as_bytes()).unwrap())
        };
        for (to, folder, text) in
            [("a/b/c", "a/d", "../b/c"), ("c", "", "c"), ("c", "a/b", "../../c"), ("a/b", "a", "b")]
        {
            assert_eq!(text_of(&place(to), &place(folder)), text.as_bytes());
        }
    }

    #[test]
    fn only_changed_names_are_renamed() {
        assert_eq!(steps(&["a", "b"], "a\nc\n", &[]).unwrap(), [step("b", "c")]);
        assert_eq!(steps(&["a", "b"], "a\nb\n", &[]).unwrap(), []);
    }

    #[test]
    fn a_chain_begins_at_its_free_end() {
        assert_eq!(steps(&["1", "2"], "2\n3\n", &[]).unwrap(), [step("2", "3"), step("1", "2")]);
    }

    #[test]
    fn names_may_change_places() {
        let steps = steps(&["a", "b"], "b\na\n", &[]).unwrap();
        assert_eq!(steps, [step("a", ".ferry-rename-0"), step("b", "a"), step(".ferry-rename-0", "b")]);
    }

    #[test]
    fn renames_that_would_lose_a_file_are_refused() {
        assert!(steps(&["a", "b"], "x\nx\n", &[]).unwrap_err().contains("twice"));
        assert!(steps(&["a"], "c\n", &["c"]).unwrap_err().contains("there already"));
        assert!(steps(&["a", "b"], "x\n", &[]).unwrap_err().contains("1 lines"));
        assert!(steps(&["a"], "x/y\n", &[]).is_err());
        assert!(steps(&["a"], "\n", &[]).is_err());
    }
}
