//! Panes that stay true by themselves: what a transfer brings is shown as it lands, and local folders are watched.

use ferry_client::{SitePath, transfer::FileFacts};
use ferry_shared::entry::{Entry, Kind, Mtime};

use super::Out;
use crate::tui::{
    effect::Effect,
    state::{State, item::Item, pane::LANDING, place::Place, side::Side},
};

/// Permission bits that are shown until the folder is read again.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// A transfer has put a file or folder at a place: panes that show its folder, or one above, show it soon.
pub(super) fn landed(state: &mut State, target: &Place, path: SitePath, kind: Kind, facts: FileFacts) {
    let place = Place { site: target.site.clone(), path };
    let now = Mtime(state.clock(), 0);
    for side in Side::BOTH {
        let pane = &mut state.panes[side];
        if pane.vacant {
            continue;
        }
        let Some(child) = pane.place.child_towards(&place) else { continue };
        let Some(name) = child.name() else { continue };
        let entry = match (child == place, kind) {
            (true, Kind::Folder) => Entry { name, kind, size: 0, mtime: facts.mtime, mode: FOLDER_MODE },
            (true, kind) => Entry { name, kind, size: facts.size, mtime: facts.mtime, mode: FILE_MODE },
            // The folder above it must exist by now.
            (false, _) => Entry { name, kind: Kind::Folder, size: 0, mtime: now, mode: FOLDER_MODE },
        };
        pane.landing.push(Item::new(entry));
    }
}

/// Shows what has landed, a few times a second.
pub(super) fn show(state: &mut State) {
    let now = state.now;
    for pane in state.panes.both_mut() {
        if !pane.landing.is_empty() && now >= pane.landed + LANDING {
            pane.land(now);
        }
    }
}

/// Watches the local folders that are shown.
pub(super) fn watch(state: &mut State, out: &mut Out) {
    for side in Side::BOTH {
        let pane = &mut state.panes[side];
        let folder = pane.place.path.local().filter(|_| pane.is_local());
        if pane.watched.as_deref() != folder {
            let folder = folder.map(ToOwned::to_owned);
            pane.watched.clone_from(&folder);
            out.push(Effect::Watch(side, folder));
        }
    }
}

#[cfg(test)]
mod tests {
    use ferry_client::transfer::{Event as Told, ItemId, JobId, Outcome, Proof};
    use ferry_shared::digest::Digest;

    use super::*;
    use crate::tui::{
        event::Event,
        fixture::{Fixture, facts, item_path},
    };

    fn land(fixture: &mut Fixture, id: u64, folder: &str, name: &str, size: u64) {
        let outcome = Outcome::Verified {
            root: Digest::of(b""),
            size,
            transferred: size,
            reused: 0,
            grown: None,
            proof: Proof::Digest,
        };
        let (path, facts) = (item_path(folder, name), facts(size));
        fixture.event(Event::Transfer(Told::ItemDone { job: JobId(1), item: ItemId(id), path, facts, outcome }));
    }

    /// A copy of a folder and a file to the folder `photos` of the server.
    fn copying() -> Fixture {
        let mut fixture = Fixture::connected();
        fixture.keys("j space j j space");
        fixture.copy(1);
        let _ = fixture.take();
        fixture
    }

    #[test]
    fn what_a_transfer_brings_appears_as_it_lands_and_no_folder_is_read_for_it() {
        let mut fixture = copying();
        land(&mut fixture, 1, "photos", "new.raw", 7 << 20);
        land(&mut fixture, 2, "photos/fresh/deeper", "x", 1);
        land(&mut fixture, 3, "photos", "notes.txt", 5);
        fixture.wait(250);
        let text = fixture.text();
        assert!(text.contains("new.raw") && text.contains("7.0 MiB") && text.contains("fresh/"), "{text}");
        assert!(text.contains("5 B"), "a replaced file shows its new size: {text}");
        assert_eq!(fixture.state.other().listing.total(), 7);
        let lists = fixture.take().into_iter().filter(|effect| matches!(effect, Effect::List(..))).count();
        assert_eq!(lists, 0);
    }

    #[test]
    fn what_lands_is_shown_a_few_times_a_second_however_many_files_there_are() {
        let mut fixture = copying();
        land(&mut fixture, 1, "photos", "first", 1);
        fixture.wait(250);
        assert_eq!(fixture.state.other().listing.total(), 6);
        for id in 2..500 {
            land(&mut fixture, id, "photos", &format!("f{id}"), 1);
        }
        fixture.wait(10);
        assert_eq!(fixture.state.other().listing.total(), 6, "too soon");
        assert!(fixture.state.next_redraw().is_some_and(|at| at <= fixture.state.now + LANDING));
        fixture.wait(250);
        assert_eq!(fixture.state.other().listing.total(), 504);
    }

    #[test]
    fn an_empty_pane_shows_the_first_arrival_and_marks_and_cursor_stay() {
        let mut fixture = copying();
        fixture.keys("tab j j space");
        let under = |fixture: &Fixture| fixture.state.pane().current().unwrap().entry.name.clone();
        let before = under(&fixture);
        land(&mut fixture, 1, "photos", "0-first-of-all", 1);
        land(&mut fixture, 2, "photos/2024", "x", 1);
        fixture.wait(250);
        assert_eq!((under(&fixture), fixture.state.pane().marked().entries()), (before, 1));
    }

    #[test]
    fn the_local_folders_that_are_shown_are_watched_and_read_again_when_they_change() {
        let mut fixture = Fixture::connected();
        assert_eq!(fixture.watched, [(Side::Left, Some("/home/al/data".into()))]);
        fixture.keys("j enter");
        assert_eq!(fixture.watched.last().unwrap(), &(Side::Left, Some("/home/al/data/2024".into())));
        fixture.answer_lists(vec![]);
        fixture.wait(5000);
        let _ = fixture.take();
        fixture.event(Event::Changed(Place::local("/home/al/data/2024")));
        fixture.wait(1);
        assert!(matches!(fixture.take()[..], [Effect::List(..), Effect::Free(..)]));
    }

    #[test]
    fn reading_again_keeps_an_open_range() {
        let mut fixture = Fixture::connected();
        fixture.keys("j j v j j ctrl-r");
        fixture.answer_lists(crate::tui::fixture::local_items());
        assert_eq!(fixture.state.pane().marked().entries(), 3);
    }
}
