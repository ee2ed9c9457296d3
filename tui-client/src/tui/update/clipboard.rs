//! Gives paths, addresses and digests to the clipboard of the terminal.

use super::Out;
use crate::{
    address::url,
    tui::{
        action::Action,
        effect::Effect,
        state::{
            State,
            dialog::{Dialog, DigestState},
            place::Place,
        },
        terminal::CLIPBOARD,
    },
};

/// Copies what is marked or under the cursor, or the folder if there is nothing: its path, or its address.
pub(super) fn copy(state: &mut State, action: Action, out: &mut Out) {
    let pane = state.pane();
    let mut places: Vec<Place> =
        pane.chosen().into_iter().filter_map(|item| pane.place.join(&item.entry.name)).collect();
    if places.is_empty() {
        places.push(pane.place.clone());
    }
    let text = |place: &Place| match (place.target(), place.path.remote(), place.path.local()) {
        (Some(target), Some(path), _) if action == Action::CopyAddress => url(target, path).into_bytes(),
        (_, Some(path), _) => [b"/", path.as_bytes()].concat(),
        (.., path) => path.map(|path| path.as_os_str().as_encoded_bytes().to_vec()).unwrap_or_default(),
    };
    let lines: Vec<Vec<u8>> = places.iter().map(text).collect();
    let what = match (action, lines.len()) {
        (Action::CopyAddress, 1) => "the address is".to_owned(),
        (Action::CopyAddress, many) => format!("{many} addresses are"),
        (_, 1) => "the path is".to_owned(),
        (_, many) => format!("{many} paths are"),
    };
    give(state, lines.join(&b'\n'), &what, out);
}

/// Copies the digest that the details show.
pub(super) fn copy_digest(state: &mut State, out: &mut Out) {
    match state.dialogs.last() {
        Some(Dialog::Details(details)) => match &details.digest {
            DigestState::Known(digest) => {
                let digest = digest.clone().into_bytes();
                give(state, digest, "the digest is", out);
            }
            DigestState::Pending(_) => state.warn("the digest is not known yet"),
            DigestState::Failed(_) | DigestState::None => state.warn("there is no digest"),
        },
        _ => state.warn("only the details of a file have a digest"),
    }
}

fn give(state: &mut State, text: Vec<u8>, what: &str, out: &mut Out) {
    if text.len() > CLIPBOARD {
        let most = CLIPBOARD >> 10;
        state.warn(format!("that is more than the {most} KiB that a terminal's clipboard takes; mark fewer"));
        return;
    }
    state.say(format!("{what} on the clipboard, if the terminal permits it"));
    out.push(Effect::Clipboard(text));
}
