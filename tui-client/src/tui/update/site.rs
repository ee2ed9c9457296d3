//! Saved sites and bookmarks: choosing, saving, removing.

use std::path::PathBuf;

use ferry_client::connect::Protocol;

use super::{Out, list, reach, read};
use crate::{
    sites::Site,
    tui::{
        action::Action,
        effect::Effect,
        state::{
            State,
            dialog::{Decided, Dialog, Form, Purpose, Question},
            place::Place,
            saved::{Bookmark, NamedSite, Saved},
            server::Server,
        },
    },
};

/// The sites and bookmarks were read, or have changed.
pub(super) fn loaded(state: &mut State, saved: Saved) {
    state.saved = saved;
}

/// Does an action in the list of sites.
pub(super) fn act(state: &mut State, action: Action, out: &mut Out) {
    let recent = state.recent_servers();
    let (length, height) = (state.saved.sites.len() + recent.len(), list::height(state));
    let Some(Dialog::Sites(view)) = state.dialogs.last_mut() else { return };
    if list::step(view, action, length, height) {
        return;
    }
    let at = view.cursor;
    match action {
        Action::NewSite => return state.dialogs.push(reach::form(&state.home)),
        Action::Close => return drop(state.dialogs.pop()),
        _ => {}
    }
    if let Some(server) = at.checked_sub(state.saved.sites.len()).and_then(|at| recent.get(at)) {
        act_recent(state, action, server, out);
        return;
    }
    let chosen = state.saved.sites.get(at).cloned();
    match (action, chosen) {
        (Action::Accept, Some(site)) => {
            state.dialogs.pop();
            match Server::from_site(&site.name, &site.site, &state.home) {
                Ok(server) => reach::begin(state, server, out),
                Err(fault) => state.warn(fault),
            }
        }
        (Action::EditSite, Some(NamedSite { name, site })) => {
            let form = form(state, Some(name), (site.url(), site.user, site.path.unwrap_or_default()), site.identity);
            state.dialogs.push(Dialog::Form(Box::new(form)));
        }
        (Action::RemoveEntry, Some(NamedSite { name, site })) => {
            let question = Question {
                title: format!("Take {name} off the list?"),
                lines: vec![
                    format!("{} at {}", site.user, site.address),
                    "Nothing is deleted on the server.".to_owned(),
                ],
                decided: Decided::RemoveSite(name),
            };
            state.dialogs.push(Dialog::Question(Box::new(question)));
        }
        _ => {}
    }
}

/// Does an action on a recent server in the list of sites.
fn act_recent(state: &mut State, action: Action, server: &Server, out: &mut Out) {
    match action {
        Action::Accept => {
            state.dialogs.pop();
            reach::begin(state, server.clone(), out);
        }
        Action::EditSite => {
            let target = &server.target;
            let folder = String::from_utf8_lossy(server.start.as_bytes()).into_owned();
            let address = match target.protocol {
                Protocol::Ferry => target.address(),
                Protocol::Sftp => format!("sftp://{}", target.address()),
            };
            let form = form(state, None, (address, target.user.clone(), folder), server.identity.clone());
            state.dialogs.push(Dialog::Form(Box::new(form.focus_empty())));
        }
        Action::RemoveEntry => {
            state.saved.recent.retain(|recent| recent.target != server.target);
            out.push(Effect::SaveRecent(state.saved.recent.clone()));
        }
        _ => {}
    }
}

/// The form of a site: that of a name, or a new one.
fn form(
    state: &State,
    name: Option<String>,
    (server, user, folder): (String, String, String),
    key_file: Option<PathBuf>,
) -> Form {
    let title = name.as_ref().map_or_else(|| "Save as a site".to_owned(), |name| format!("Site {name}"));
    let key_file = key_file.map(|file| file.display().to_string()).unwrap_or_default();
    Form::new(Purpose::Site(name.clone()), title)
        .text("name", name.unwrap_or_default())
        .text("server", server)
        .text("user", user)
        .text("folder", folder)
        .path("key file", key_file, Place::local(state.home.clone()))
}

/// Saves a site from its form.
///
/// # Errors
/// The name or the address is not valid.
pub(super) fn save(state: &mut State, old: Option<String>, form: &Form, out: &mut Out) -> Result<(), String> {
    // Keep the settings that the form does not show.
    let before = old.as_ref().and_then(|old| state.saved.site(old)).map(|before| &before.site);
    let (kind, address) = Site::kind_and_address(form.get("server"));
    let site = Site {
        kind,
        address: address.to_owned(),
        user: form.get("user").to_owned(),
        path: form.given("folder").map(str::to_owned),
        server_key: before.and_then(|site| site.server_key),
        identity: form.given("key file").map(PathBuf::from),
        seal: before.and_then(|site| site.seal.clone()),
        links: before.and_then(|site| site.links),
        keyring: false,
    };
    // A password belongs to its account only.
    let same = before.is_some_and(|before| before.target().ok() == site.target().ok());
    let site = Site { keyring: same && before.is_some_and(|before| before.keyring), ..site };
    let site = NamedSite { name: form.get("name").to_owned(), site };
    state.saved.check_name(old.as_deref(), &site.name)?;
    Server::from_site(&site.name, &site.site, &state.home)?;
    out.push(Effect::SaveSite(old, site));
    Ok(())
}

/// Removes a site.
pub(super) fn remove(state: &mut State, name: &str, out: &mut Out) {
    state.saved.sites.retain(|site| site.name != name);
    out.push(Effect::RemoveSite(name.to_owned()));
}

/// Bookmarks the folder of the active pane.
pub(super) fn bookmark_this(state: &mut State, out: &mut Out) {
    let place = state.pane().place.clone();
    if state.pane().vacant {
        state.warn("not connected");
        return;
    }
    let bookmark = Bookmark { place };
    if state.saved.bookmarks.contains(&bookmark) {
        state.say("this folder is bookmarked already");
        return;
    }
    state.saved.bookmarks.push(bookmark);
    state.say("bookmarked; g b shows the list");
    out.push(Effect::SaveBookmarks(state.saved.bookmarks.clone()));
}

/// Does an action in the list of bookmarks.
pub(super) fn act_bookmarks(state: &mut State, action: Action, out: &mut Out) {
    let (length, height) = (state.saved.bookmarks.len(), list::height(state));
    let Some(Dialog::Bookmarks(view)) = state.dialogs.last_mut() else { return };
    if list::step(view, action, length, height) {
        return;
    }
    let cursor = view.cursor;
    let chosen = state.saved.bookmarks.get(cursor).cloned();
    match (action, chosen) {
        (Action::Accept, Some(bookmark)) => {
            state.dialogs.pop();
            let other = state.active.other();
            if !state.pane().place.is_beside(&bookmark.place) && state.panes[other].place.is_beside(&bookmark.place) {
                state.active = other;
            }
            match bookmark.place.is_local() {
                true => read::go(state, state.active, bookmark.place, out),
                false => reach::again(state, state.active, bookmark.place, out),
            }
        }
        (Action::NewSite, _) => {
            state.dialogs.pop();
            bookmark_this(state, out);
        }
        (Action::RemoveEntry, Some(_)) => {
            state.saved.bookmarks.remove(cursor);
            out.push(Effect::SaveBookmarks(state.saved.bookmarks.clone()));
        }
        (Action::Close, _) => drop(state.dialogs.pop()),
        _ => {}
    }
}
