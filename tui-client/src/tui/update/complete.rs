//! Completion of paths that are typed in forms, here and on a connected server: as far as the names agree, and then
//! by a list of them.

use super::Out;
use crate::tui::{
    effect::Effect,
    state::{
        State,
        dialog::{Completing, Dialog, Form, Purpose},
        item::Item,
        place::Place,
        problem::Problem,
        ticket::Ticket,
    },
};

/// The most names that are shown of those that a path could go on with.
const SHOWN: usize = 12;

/// Completes the path in the field with the cursor. Returns whether that field takes one.
pub(super) fn begin(state: &mut State, out: &mut Out) -> bool {
    let Some(Dialog::Form(form)) = state.dialogs.last() else { return false };
    let Some((base, text)) = form.to_complete() else { return false };
    let (before, start) = text.split_at(text.rfind('/').map_or(0, |slash| slash + 1));
    let typed = (before.to_owned(), start.to_owned());
    let folder = if before.is_empty() { Ok(base.clone()) } else { base.typed(before, &state.home) };
    let waits = form.completing.as_ref().is_some_and(|waiting| waiting.typed == typed);
    match folder {
        _ if waits => {}
        // `~` alone is a folder, too.
        _ if text == "~" => with_form(state, |form| insert(form, "/")),
        Err(fault) => with_form(state, |form| form.fault = Some(fault)),
        Ok(folder) if !state.is_reachable(&folder) => {
            with_form(state, |form| form.fault = Some("not connected: names cannot be listed".to_owned()));
        }
        Ok(folder) => list(state, folder, typed, out),
    }
    true
}

fn list(state: &mut State, folder: Place, typed: (String, String), out: &mut Out) {
    let ticket = state.tickets.next();
    with_form(state, |form| {
        let before = form.completing.replace(Completing { ticket, typed, names: Vec::new() });
        out.extend(before.map(|before| Effect::Drop(before.ticket)));
    });
    out.push(Effect::List(ticket, folder));
}

fn with_form(state: &mut State, change: impl FnOnce(&mut Form)) {
    if let Some(Dialog::Form(form)) = state.dialogs.last_mut() {
        change(form);
    }
}

/// Types `text` at the cursor.
fn insert(form: &mut Form, text: &str) {
    if let Some(field) = form.field_mut() {
        field.insert(text);
    }
}

/// The form that waits for the answer with this ticket.
fn waiting(state: &mut State, ticket: Ticket) -> Option<&mut Form> {
    state.dialogs.iter_mut().find_map(|dialog| match dialog {
        Dialog::Form(form) if form.completing.as_ref().is_some_and(|waiting| waiting.ticket == ticket) => {
            Some(&mut **form)
        }
        _ => None,
    })
}

/// Takes a page of the folder whose names complete a path.
pub(super) fn page(state: &mut State, ticket: Ticket, items: &[Item], more: bool) {
    let Some(form) = waiting(state, ticket) else { return };
    let Some(completing) = &mut form.completing else { return };
    let start = &completing.typed.1;
    let folders = matches!(form.purpose, Purpose::GoTo(_) | Purpose::Target);
    // Names that begin with a dot are offered once the dot is typed; names that are no text cannot be typed.
    let fits = |name: &&str| name.starts_with(start.as_str()) && (start.starts_with('.') || !name.starts_with('.'));
    for item in items.iter().filter(|item| item.is_folder() || !folders) {
        if let Some(name) = std::str::from_utf8(item.name()).ok().filter(fits) {
            completing.names.push((name.to_owned(), item.is_folder()));
        }
    }
    if !more && let Some(completing) = form.completing.take() {
        complete(form, completing);
    }
}

/// The folder cannot be listed. Returns whether the ticket is of a completion.
pub(super) fn failed(state: &mut State, ticket: Ticket, problem: &Problem) -> bool {
    let Some(form) = waiting(state, ticket) else { return false };
    form.completing = None;
    form.fault = Some(problem.to_string());
    true
}

/// Types what all names have in common beyond what is typed already, or else shows them.
fn complete(form: &mut Form, Completing { typed: (_, start), mut names, .. }: Completing) {
    let Some((first, is_folder)) = names.first() else {
        form.fault = Some("no name there begins like this".to_owned());
        return;
    };
    if let [_] = names.as_slice() {
        let rest = format!("{}{}", &first[start.len()..], if *is_folder { "/" } else { "" });
        insert(form, &rest);
        return;
    }
    let common = names.iter().fold(first.as_str(), |common, (name, _)| shared(common, name));
    if common.len() > start.len() {
        let rest = common[start.len()..].to_owned();
        insert(form, &rest);
        return;
    }
    names.sort();
    let more = names.len().saturating_sub(SHOWN);
    form.choices = names.into_iter().take(SHOWN).map(|(name, folder)| if folder { name + "/" } else { name }).collect();
    if more > 0 {
        form.choices.push(format!("and {more} more"));
    }
}

/// The text that two names begin with.
fn shared<'a>(a: &'a str, b: &str) -> &'a str {
    let end = a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y).map(|((at, _), _)| at);
    &a[..end.unwrap_or(a.len().min(b.len()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_beginning_ends_between_characters() {
        for (a, b, common) in
            [("abc", "abd", "ab"), ("ab", "abc", "ab"), ("abc", "ab", "ab"), ("aö", "aä", "a"), ("", "x", "")]
        {
            assert_eq!(shared(a, b), common);
        }
    }
}
