//! The way to the server, and back from problem.

use std::time::Duration;

use ferry_client::ClientError;
use ferry_shared::{
    message::{
        Notice,
        reply::{Access, Registration, Usage},
    },
    refusal::{Code, Refusal},
};

use super::links;
use crate::{
    fault::Kind,
    tui::{
        action::Where,
        effect::{Effect, LinkEffect},
        event::{Answer, Event},
        scene::{Scene, account, begin, greeting, key, remote_items, server},
        state::{
            dialog::{Dialog, TrustView},
            link::{Greeting, Link},
            problem::Problem,
        },
    },
};

fn failed(scene: &mut Scene, error: &ClientError) {
    let ticket = scene.state.link.ticket().unwrap();
    scene.event(Event::Answer(ticket, Answer::Failed(Problem::from(error))));
}

/// The server that is tried beside the one that is connected answers.
fn reached(scene: &mut Scene) {
    let ticket = scene.ticket();
    scene.event(Event::Answer(ticket, Answer::Greeted(greeting())));
}

fn trust(scene: &mut Scene) {
    scene.event(Event::Trust(TrustView { host: "files.example.org:7021".into(), key: key() }));
}

fn lost(scene: &mut Scene) {
    let problem = Problem::new("the server closed it").of(Kind::Offline);
    scene.event(Event::Lost { problem, attempt: 1, retry_in: Duration::from_secs(1) });
}

#[test]
fn the_key_is_asked_about_before_the_password() {
    let mut scene = Scene::of(begin(Some(server())));
    assert!(matches!(links(&scene.effects)[..], [LinkEffect::Reach(..)]), "nothing else is sent at first");
    trust(&mut scene);
    assert_eq!(scene.state.place(), Where::Trust);
    scene.keys("enter");
    assert_eq!(scene.state.place(), Where::Trust, "a mere Enter accepts no key");
    let _ = scene.take();
    scene.keys("y");
    assert!(matches!(links(&scene.effects)[..], [LinkEffect::Trust(true)]));
    scene.greet();
    scene.type_text("pw").keys("enter");
    assert!(
        matches!(links(&scene.effects)[..], [_, LinkEffect::LogIn(_, None, password)] if password.expose() == "pw")
    );
}

#[test]
fn a_key_that_is_not_the_right_one_ends_it() {
    let mut scene = Scene::of(begin(Some(server())));
    trust(&mut scene);
    let _ = scene.take();
    scene.keys("n");
    assert!(matches!(links(&scene.effects)[..], [LinkEffect::Trust(false), LinkEffect::Leave]));
    assert_eq!((&scene.state.link, scene.state.dialogs.len()), (&Link::Offline, 0));
}

#[test]
fn connecting_is_given_up_at_once_at_any_point() {
    let mut scene = Scene::of(begin(Some(server())));
    scene.keys("esc");
    assert_eq!((&scene.state.link, scene.state.dialogs.len()), (&Link::Offline, 0));
    let mut scene = Scene::of(begin(Some(server())));
    scene.greet();
    scene.keys("esc");
    assert_eq!(scene.state.link, Link::Offline);
    let mut scene = Scene::of(begin(Some(server())));
    scene.greet();
    scene.type_text("pw").keys("enter");
    let ticket = scene.state.link.ticket().unwrap();
    scene.keys("esc");
    assert_eq!(scene.state.link, Link::Offline);
    scene.event(Event::Answer(ticket, Answer::LoggedIn(greeting(), account())));
    assert_eq!(scene.state.link, Link::Offline, "a late login is not taken");
}

#[test]
fn a_wrong_password_can_be_typed_again() {
    let mut scene = Scene::of(begin(Some(server())));
    scene.greet();
    scene.type_text("wrong").keys("enter");
    failed(&mut scene, &Refusal::new(Code::LoginFailed, "wrong user or password").into());
    assert!(scene.text().contains("wrong user or password"));
    let _ = scene.take();
    scene.type_text("right").keys("enter");
    assert!(
        matches!(links(&scene.effects)[..], [LinkEffect::LogIn(_, None, password)] if password.expose() == "right")
    );
    scene.log_in();
    assert!(scene.state.link.is_online() && scene.state.dialogs.is_empty());
}

#[test]
fn an_empty_password_is_not_sent() {
    let mut scene = Scene::of(begin(Some(server())));
    scene.greet();
    let _ = scene.take();
    scene.keys("enter");
    assert!(scene.take().is_empty() && scene.text().contains("the password is missing"));
}

#[test]
fn a_changed_key_is_a_hard_stop() {
    let mut scene = Scene::of(begin(Some(server())));
    let error =
        ClientError::ChangedKey { host: "h:1".into(), expected: key(), found: key(), known_servers: "/k".into() };
    failed(&mut scene, &error);
    assert_eq!(scene.state.link, Link::Offline);
    assert!(scene.text().contains("HAS CHANGED"));
    scene.keys("y enter");
    assert!(!links(&scene.effects).iter().any(|link| matches!(link, LinkEffect::LogIn(..) | LinkEffect::Trust(true))));
}

#[test]
fn an_account_is_made_only_where_the_server_lets_one() {
    let mut scene = Scene::of(begin(Some(server())));
    scene.greet();
    scene.keys("ctrl-n");
    assert!(scene.state.toast.as_ref().is_some_and(|toast| toast.bad));
    let mut scene = Scene::of(begin(Some(server())));
    let ticket = scene.state.link.ticket().unwrap();
    let open = Greeting { registration: Registration::Open, ..greeting() };
    scene.event(Event::Answer(ticket, Answer::Greeted(open)));
    scene.keys("ctrl-n").type_text("pw").keys("tab").type_text("other").keys("enter");
    assert!(scene.text().contains("differ"));
    let _ = scene.take();
    // Who types on types the password, where it is not shown.
    scene.type_text("pw");
    assert!(!scene.text().contains("pw"), "{}", scene.text());
    scene.keys("tab").type_text("pw").keys("enter");
    assert!(
        matches!(links(&scene.effects)[..], [LinkEffect::Register(_, user, _, None)] if user == "alice"),
        "{:?}",
        scene.effects
    );
}

#[test]
fn a_name_that_is_taken_is_asked_for_again() {
    let mut scene = Scene::of(begin(Some(server())));
    let ticket = scene.state.link.ticket().unwrap();
    let open = Greeting { registration: Registration::Open, ..greeting() };
    scene.event(Event::Answer(ticket, Answer::Greeted(open)));
    scene.keys("ctrl-n").type_text("pw").keys("tab").type_text("pw").keys("enter");
    let ticket = scene.state.link.ticket().unwrap();
    let taken = Problem::new("this name is taken; choose another").of(Kind::Exists);
    scene.event(Event::Answer(ticket, Answer::Failed(taken)));
    assert!(scene.text().contains("this name is taken; choose another"));
    let _ = scene.take();
    scene.type_text("2").keys("tab").type_text("pw").keys("tab").type_text("pw").keys("enter");
    assert!(
        matches!(links(&scene.effects)[..], [LinkEffect::Register(_, user, _, None)] if user == "alice2"),
        "{:?}",
        scene.effects
    );
}

#[test]
fn an_invite_is_typed_once_though_the_passwords_differ() {
    let mut scene = Scene::of(begin(Some(server())));
    let ticket = scene.state.link.ticket().unwrap();
    let invited = Greeting { registration: Registration::Invite, ..greeting() };
    scene.event(Event::Answer(ticket, Answer::Greeted(invited)));
    scene.keys("ctrl-n").type_text("pw").keys("tab").type_text("other").keys("tab").type_text("code").keys("enter");
    let _ = scene.take();
    scene.type_text("pw").keys("tab").type_text("pw").keys("enter");
    let effects = scene.take();
    let [LinkEffect::Register(_, _, _, Some(invite))] = &links(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(invite.expose(), "code");
}

#[test]
fn a_lost_connection_keeps_the_panes_and_reads_again_when_it_is_back() {
    let mut scene = Scene::connected();
    lost(&mut scene);
    scene.keys("j j enter");
    assert_eq!(scene.state.pane().place.display(&scene.state.home), "~/data/2025", "the local pane goes on");
    scene.keys("tab");
    assert_eq!(scene.state.pane().listing.len(), 5);
    let _ = scene.take();
    scene.keys("ctrl-r");
    assert!(matches!(links(&scene.effects)[..], [LinkEffect::Retry]));
    let _ = scene.take();
    scene.event(Event::Restored(account()));
    scene.answer_lists(remote_items());
    assert!(scene.state.link.is_online() && scene.state.pane().listing.len() == 5);
}

#[test]
fn ctrl_r_tries_at_once_from_either_pane() {
    for keys in ["ctrl-r", "tab ctrl-r"] {
        let mut scene = Scene::connected();
        lost(&mut scene);
        let effects = scene.keys(keys).take();
        assert!(links(&effects).contains(&&LinkEffect::Retry), "{keys}");
    }
}

#[test]
fn faults_in_the_settings_are_read_before_anything_is_typed() {
    let faults = vec!["config.toml, line 2: there is no theme `dusk`".to_owned()];
    let mut scene = Scene::of(crate::tui::update::Begin { faults, ..begin(Some(server())) });
    trust(&mut scene);
    assert!(scene.text().contains("line 2: there is no theme") && scene.state.place() == Where::Notice);
    scene.keys("esc y");
    let mut scene = Scene::of(crate::tui::update::Begin { faults: vec!["x".into()], ..begin(Some(server())) });
    scene.greet();
    assert_eq!(scene.state.place(), Where::Notice);
    scene.keys("esc").type_text("pw");
    assert_eq!(scene.state.place(), Where::Form);
}

#[test]
fn what_needs_the_server_says_so_while_it_is_lost() {
    let mut scene = Scene::connected();
    lost(&mut scene);
    let _ = scene.take();
    scene.keys("j f5");
    assert!(scene.state.dialogs.is_empty() && scene.state.toast.as_ref().is_some_and(|toast| toast.bad));
    scene.keys("tab f7");
    assert!(scene.state.dialogs.is_empty());
}

#[test]
fn a_read_only_account_changes_nothing() {
    let mut scene = Scene::connected();
    scene.event(Event::Notice(Notice::AccountChanged { access: Access::ReadOnly }));
    for keys in ["j f5", "tab f7", "f8", "r", "tab j f6"] {
        scene.keys(keys);
        assert!(scene.state.dialogs.is_empty(), "{keys}");
    }
    scene.keys("tab j f5");
    assert!(matches!(scene.state.dialogs[..], [Dialog::Copy(_)]), "downloads are fine");
}

#[test]
fn the_usage_moves_the_gauge() {
    let mut scene = Scene::connected();
    let usage = Usage { used: 19 << 30, limit: Some(20 << 30), ..account().usage };
    scene.event(Event::Notice(Notice::UsageChanged(usage)));
    assert!(scene.text().contains("19 of 20 GiB"));
}

#[test]
fn nine_tenths_of_the_quota_are_warned_about_once() {
    let mut scene = Scene::connected();
    let usage = |used| Usage { used, reserved: 0, limit: Some(100), ..account().usage };
    scene.event(Event::Notice(Notice::UsageChanged(usage(89))));
    scene.state.toast = None;
    scene.event(Event::Notice(Notice::UsageChanged(usage(90))));
    assert!(scene.state.toast.take().is_some_and(|toast| toast.text.contains("90 B of 100 B")));
    scene.event(Event::Notice(Notice::UsageChanged(usage(95))));
    assert!(scene.state.toast.is_none(), "told twice");
}

#[test]
fn leaving_for_another_server_asks_when_transfers_run_and_they_go_on_when_one_is_back() {
    let mut scene = Scene::busy().with_sites();
    scene.keys("f9 enter");
    reached(&mut scene);
    assert!(matches!(scene.state.dialogs.last(), Some(Dialog::Question(_))));
    scene.keys("y");
    assert!(scene.state.left.len() == 4 && matches!(scene.state.link, Link::Reaching { .. }));
    assert!(scene.effects.contains(&Effect::Link(LinkEffect::Leave)));
    scene.keys("esc f9 j enter");
    let _ = scene.take();
    scene.greet();
    scene.type_text("pw").keys("enter");
    scene.log_in();
    let begun = super::transfers(&scene.effects).len();
    assert_eq!((begun, scene.state.left.len()), (4, 0), "{:?}", scene.effects);
}

#[test]
fn a_server_that_ends_it_for_good_is_told_and_ctrl_r_connects_again() {
    let mut scene = Scene::connected();
    scene.event(Event::Ended(Problem::new("your account was closed")));
    assert!(scene.text().contains("your account was closed"));
    let _ = scene.take();
    scene.keys("esc tab ctrl-r");
    assert!(matches!(links(&scene.effects)[..], [LinkEffect::Reach(..)]));
}

#[test]
fn a_typed_address_is_checked_and_saved_when_it_has_a_name() {
    let mut scene = Scene::fresh();
    scene.type_text("host:0").keys("tab").type_text("bob").keys("enter");
    assert!(scene.text().contains("is no port"), "{}", scene.text());
    scene.keys("backtab ctrl-u").type_text("host:8000").keys("tab tab tab").type_text("my home").keys("enter");
    assert!(scene.text().contains("save as: a name has letters"), "{}", scene.text());
    scene.keys("ctrl-u").type_text("home").keys("enter");
    assert!(
        links(&scene.effects)
            .iter()
            .any(|link| matches!(link, LinkEffect::Reach(_, target, ..) if target.to_string() == "bob@host:8000"))
    );
    let saved = |effect: &Effect| matches!(effect, Effect::SaveSite(None, site) if site.name == "home" && site.site.address == "host:8000");
    assert!(!scene.effects.iter().any(saved), "nothing was reached there yet");
    scene.greet();
    assert!(scene.effects.iter().any(saved));
}

#[test]
fn a_mistyped_address_costs_neither_the_connection_nor_what_was_typed() {
    let mut scene = Scene::connected();
    scene.keys("f9").type_text("hots").keys("tab").type_text("bob").keys("tab tab").type_text("home").keys("enter");
    assert!(matches!(links(&scene.effects)[..], [LinkEffect::Try(_, target, ..)] if target.host == "hots"));
    assert!(scene.state.link.is_online() && scene.text().contains("Connecting to home"));
    let ticket = scene.ticket();
    scene.event(Event::Answer(ticket, Answer::Failed(Problem::new("there is no such host"))));
    assert!(scene.state.link.is_online() && scene.text().contains("You are still on alice@files.example.org"));
    let _ = scene.take();
    scene.keys("enter");
    assert!(matches!(scene.state.dialogs.last(), Some(Dialog::Form(_))), "{}", scene.text());
    scene.keys("ctrl-u").type_text("host").keys("enter");
    let effects = scene.take();
    assert!(
        matches!(&links(&effects)[..], [LinkEffect::Try(_, target, ..)] if (&*target.user, &*target.host) == ("bob", "host"))
    );
    scene.effects = effects;
    reached(&mut scene);
    assert!(
        scene
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::SaveSite(None, site) if site.site.address == "host:7021"))
    );
    assert!(matches!(&scene.state.link, Link::Reaching { server, .. } if server.target.host == "host"));
}

#[test]
fn a_server_that_is_tried_can_be_given_up_without_leaving_the_other() {
    let mut scene = Scene::connected();
    scene.keys("f9").type_text("host").keys("tab").type_text("bob").keys("enter");
    trust(&mut scene);
    assert_eq!(scene.state.place(), Where::Trust);
    scene.keys("esc");
    assert!(scene.state.link.is_online() && !scene.effects.contains(&Effect::Link(LinkEffect::Leave)));
    assert!(scene.effects.iter().any(|effect| matches!(effect, Effect::Drop(_))));
    assert!(matches!(scene.state.dialogs[..], [Dialog::Form(_)]));
    scene.keys("esc");
    assert!(scene.state.dialogs.is_empty());
}

#[test]
fn text_of_the_server_cannot_forge_the_screen() {
    let mut scene = Scene::connected();
    scene.event(Event::Notice(Notice::Broadcast { text: "a\u{1b}[2Jb\nc".into() }));
    assert!(scene.text().contains(r"a\u{1b}[2Jb"));
}

#[test]
fn a_site_keeps_what_its_form_does_not_show_and_is_reached_with_it() {
    let mut scene = Scene::connected().with_sites();
    scene.state.saved.sites[0].site.seal = Some("/the/seal".into());
    scene.state.saved.sites[0].site.server_key = Some(key());
    let _ = scene.take();
    scene.keys("f9 e enter");
    let kept = |effect: &Effect| {
        matches!(effect, Effect::SaveSite(Some(old), site)
            if old == "backup" && site.site.seal == Some("/the/seal".into()) && site.site.server_key == Some(key()))
    };
    assert!(scene.effects.iter().any(kept), "{:?}", scene.effects);
    scene.state.link = Link::default();
    let _ = scene.take();
    scene.keys("f9 enter");
    let sealed = |link: &&LinkEffect| matches!(link, LinkEffect::Reach(_, _, Some(_), Some(seal), _) if seal.as_os_str() == "/the/seal");
    assert!(links(&scene.effects).iter().any(sealed), "{:?}", scene.effects);
}
