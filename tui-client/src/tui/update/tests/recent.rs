//! The servers that were connected to lately.

use super::links;
use crate::tui::{
    effect::{ConnectionEffect, Effect},
    event::Event,
    fixture::{Fixture, second, server},
    state::{saved::Saved, server::Server},
};

fn recent(servers: &[Server]) -> Event {
    Event::Saved(Saved { recent: servers.to_vec(), ..Saved::default() })
}

#[test]
fn a_server_that_was_connected_to_is_remembered_unless_it_is_a_site() {
    let mut fixture = Fixture::connected();
    let _ = fixture.take();
    fixture.connect_second();
    let saved = |fixture: &mut Fixture| {
        fixture.take().into_iter().find_map(|effect| match effect {
            Effect::SaveRecent(recent) => Some(recent),
            _ => None,
        })
    };
    let recent = saved(&mut fixture).unwrap();
    assert_eq!(recent[0].target, second());
}

#[test]
fn recent_servers_are_below_the_sites_and_can_be_reached_saved_and_forgotten() {
    let mut fixture = Fixture::fresh();
    fixture.event(recent(&[server(), Server::new(second())]));
    let _ = fixture.take();
    fixture.keys("esc ctrl-s");
    let text = fixture.text();
    assert!(text.contains("alice@files.example.org") && text.contains("recent; e saves it"), "{text}");
    // It can be saved, with everything known about it.
    fixture.keys("e");
    let text = fixture.text();
    assert!(text.contains("Save as a site") && text.contains("files.example.org:7021"), "{text}");
    fixture.type_text("files").keys("enter");
    let effects = fixture.take();
    let Some(Effect::SaveSite(None, site)) = effects.first() else { panic!("{effects:?}") };
    assert_eq!((site.name.as_str(), site.site.target().unwrap()), ("files", server().target));
    let saved = Saved { sites: vec![site.clone()], recent: vec![server()], ..Saved::default() };
    fixture.event(Event::Saved(saved));
    assert!(!fixture.text().contains("recent; e saves it"), "{}", fixture.text());
    fixture.event(recent(&[server(), Server::new(second())]));
    fixture.keys("d");
    assert_eq!(fixture.take(), [Effect::SaveRecent(vec![Server::new(second())])]);
    fixture.keys("enter");
    let effects = fixture.take();
    assert!(
        matches!(links(&effects)[..], [ConnectionEffect::Reach(_, target, ..)] if *target == second()),
        "{effects:?}"
    );
}

#[test]
fn servers_that_are_connected_are_not_offered_again() {
    let mut fixture = Fixture::connected();
    fixture.event(recent(&[server()]));
    fixture.keys("ctrl-s");
    assert!(fixture.text().contains("Connect to a server"), "{}", fixture.text());
}
