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
        effect::{ConnectionEffect, Effect, TransferEffect},
        event::{Answer, Event},
        fixture::{Fixture, account, begin, greeting, key, remote_items, second, server},
        state::{
            attempt::Step,
            connection::Greeting,
            dialog::{Dialog, TrustView},
            problem::Problem,
        },
    },
};

fn failed(fixture: &mut Fixture, error: &ClientError) {
    let ticket = fixture.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
    fixture.event(Event::Answer(ticket, Answer::Failed(Problem::from(error))));
}

/// The server that is tried beside the one that is connected answers.
fn reached(fixture: &mut Fixture) {
    let ticket = fixture.ticket();
    fixture.event(Event::Answer(ticket, Answer::Greeted(greeting())));
}

fn trust(fixture: &mut Fixture) {
    fixture.event(Event::Trust(TrustView { host: "files.example.org:7021".into(), key: key() }));
}

fn lost(fixture: &mut Fixture) {
    let problem = Problem::new("the server closed it").of(Kind::Offline);
    fixture.event(Event::Lost { server: server().target, problem, retry_in: Duration::from_secs(1) });
}

#[test]
fn the_key_is_asked_about_before_the_password() {
    let mut fixture = Fixture::of(begin(Some(server())));
    assert!(matches!(links(&fixture.effects)[..], [ConnectionEffect::Reach(..)]), "nothing else is sent at first");
    trust(&mut fixture);
    assert_eq!(fixture.state.place(), Where::Trust);
    fixture.keys("enter");
    assert_eq!(fixture.state.place(), Where::Trust, "a mere Enter accepts no key");
    let _ = fixture.take();
    fixture.keys("y");
    assert!(matches!(links(&fixture.effects)[..], [ConnectionEffect::Trust(true)]));
    fixture.greet();
    fixture.type_text("pw").keys("enter");
    assert!(
        matches!(links(&fixture.effects)[..], [_, ConnectionEffect::LogIn(_, None, password)] if password.expose() == "pw")
    );
}

#[test]
fn a_key_that_is_not_the_right_one_ends_it() {
    let mut fixture = Fixture::of(begin(Some(server())));
    trust(&mut fixture);
    let _ = fixture.take();
    fixture.keys("n");
    assert!(matches!(links(&fixture.effects)[..], [ConnectionEffect::Trust(false), ConnectionEffect::GiveUp]));
    assert_eq!((fixture.state.attempt.is_none(), fixture.state.dialogs.len()), (true, 0));
}

#[test]
fn connecting_is_given_up_at_once_at_any_point() {
    let mut fixture = Fixture::of(begin(Some(server())));
    fixture.keys("esc");
    assert_eq!((fixture.state.attempt.is_none(), fixture.state.dialogs.len()), (true, 0));
    let mut fixture = Fixture::of(begin(Some(server())));
    fixture.greet();
    fixture.keys("esc");
    assert!(fixture.state.attempt.is_none() && fixture.state.connections.is_empty());
    let mut fixture = Fixture::of(begin(Some(server())));
    fixture.greet();
    fixture.type_text("pw").keys("enter");
    let ticket = fixture.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
    fixture.keys("esc");
    assert!(fixture.state.attempt.is_none() && fixture.state.connections.is_empty());
    fixture.event(Event::Answer(ticket, Answer::LoggedIn(greeting(), account())));
    assert!(fixture.state.connections.is_empty(), "a late login is not taken");
}

#[test]
fn a_wrong_password_can_be_typed_again() {
    let mut fixture = Fixture::of(begin(Some(server())));
    fixture.greet();
    fixture.type_text("wrong").keys("enter");
    failed(&mut fixture, &Refusal::new(Code::LoginFailed, "wrong user or password").into());
    assert!(fixture.text().contains("wrong user or password"));
    let _ = fixture.take();
    fixture.type_text("right").keys("enter");
    assert!(
        matches!(links(&fixture.effects)[..], [ConnectionEffect::LogIn(_, None, password)] if password.expose() == "right")
    );
    fixture.log_in();
    assert!(fixture.connection().is_online() && fixture.state.dialogs.is_empty());
}

#[test]
fn an_empty_password_is_not_sent() {
    let mut fixture = Fixture::of(begin(Some(server())));
    fixture.greet();
    let _ = fixture.take();
    fixture.keys("enter");
    assert!(fixture.take().is_empty() && fixture.text().contains("the password is missing"));
}

#[test]
fn a_changed_key_is_a_hard_stop() {
    let mut fixture = Fixture::of(begin(Some(server())));
    let error =
        ClientError::ChangedKey { host: "h:1".into(), expected: key(), found: key(), known_servers: "/k".into() };
    failed(&mut fixture, &error);
    assert!(fixture.state.attempt.is_none() && fixture.state.connections.is_empty());
    assert!(fixture.text().contains("does not have the key it is known by"));
    fixture.keys("y enter");
    assert!(
        !links(&fixture.effects)
            .iter()
            .any(|connection| matches!(connection, ConnectionEffect::LogIn(..) | ConnectionEffect::Trust(true)))
    );
}

#[test]
fn an_account_is_made_only_where_the_server_lets_one() {
    let mut fixture = Fixture::of(begin(Some(server())));
    fixture.greet();
    fixture.keys("ctrl-n");
    assert!(fixture.state.toast.as_ref().is_some_and(|toast| toast.is_bad()));
    let mut fixture = Fixture::of(begin(Some(server())));
    let ticket = fixture.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
    let open = Greeting { registration: Registration::Open, ..greeting() };
    fixture.event(Event::Answer(ticket, Answer::Greeted(open)));
    fixture.keys("ctrl-n").type_text("pw").keys("tab").type_text("other").keys("enter");
    assert!(fixture.text().contains("differ"));
    let _ = fixture.take();
    // Further keys go to the password, whose field does not show them.
    fixture.type_text("pw");
    assert!(!fixture.text().contains("pw"), "{}", fixture.text());
    fixture.keys("tab").type_text("pw").keys("enter");
    assert!(
        matches!(links(&fixture.effects)[..], [ConnectionEffect::Register(_, user, _, None)] if user == "alice"),
        "{:?}",
        fixture.effects
    );
}

#[test]
fn a_name_that_is_taken_is_asked_for_again() {
    let mut fixture = Fixture::of(begin(Some(server())));
    let ticket = fixture.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
    let open = Greeting { registration: Registration::Open, ..greeting() };
    fixture.event(Event::Answer(ticket, Answer::Greeted(open)));
    fixture.keys("ctrl-n").type_text("pw").keys("tab").type_text("pw").keys("enter");
    let ticket = fixture.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
    let taken = Problem::new("this name is taken; choose another").of(Kind::Exists);
    fixture.event(Event::Answer(ticket, Answer::Failed(taken)));
    assert!(fixture.text().contains("this name is taken; choose another"));
    let _ = fixture.take();
    fixture.type_text("2").keys("tab").type_text("pw").keys("tab").type_text("pw").keys("enter");
    assert!(
        matches!(links(&fixture.effects)[..], [ConnectionEffect::Register(_, user, _, None)] if user == "alice2"),
        "{:?}",
        fixture.effects
    );
}

#[test]
fn an_invite_is_typed_once_though_the_passwords_differ() {
    let mut fixture = Fixture::of(begin(Some(server())));
    let ticket = fixture.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
    let invited = Greeting { registration: Registration::Invite, ..greeting() };
    fixture.event(Event::Answer(ticket, Answer::Greeted(invited)));
    fixture.keys("ctrl-n").type_text("pw").keys("tab").type_text("other").keys("tab").type_text("code").keys("enter");
    let _ = fixture.take();
    fixture.type_text("pw").keys("tab").type_text("pw").keys("enter");
    let effects = fixture.take();
    let [ConnectionEffect::Register(_, _, _, Some(invite))] = &links(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(invite.expose(), "code");
}

#[test]
fn a_lost_connection_keeps_the_panes_and_reads_again_when_it_is_back() {
    let mut fixture = Fixture::connected();
    lost(&mut fixture);
    fixture.keys("j j enter");
    assert_eq!(fixture.state.pane().place.display(&fixture.state.home), "~/data/2025", "the local pane goes on");
    fixture.keys("tab");
    assert_eq!(fixture.state.pane().listing.len(), 5);
    let _ = fixture.take();
    fixture.keys("ctrl-r");
    assert!(matches!(links(&fixture.effects)[..], [ConnectionEffect::Retry(_)]));
    let _ = fixture.take();
    fixture.event(Event::Restored(server().target, account()));
    fixture.answer_lists(remote_items());
    assert!(fixture.connection().is_online() && fixture.state.pane().listing.len() == 5);
}

#[test]
fn ctrl_r_tries_at_once_from_either_pane() {
    for keys in ["ctrl-r", "tab ctrl-r"] {
        let mut fixture = Fixture::connected();
        lost(&mut fixture);
        let effects = fixture.keys(keys).take();
        assert!(links(&effects).contains(&&ConnectionEffect::Retry(server().target)), "{keys}");
    }
}

#[test]
fn faults_in_the_settings_are_read_before_anything_is_typed() {
    let faults = vec!["config.toml, line 2: there is no theme `dusk`".to_owned()];
    let mut fixture = Fixture::of(crate::tui::update::Begin { faults, ..begin(Some(server())) });
    trust(&mut fixture);
    assert!(fixture.text().contains("line 2: there is no theme") && fixture.state.place() == Where::Notice);
    fixture.keys("esc y");
    let mut fixture = Fixture::of(crate::tui::update::Begin { faults: vec!["x".into()], ..begin(Some(server())) });
    fixture.greet();
    assert_eq!(fixture.state.place(), Where::Notice);
    fixture.keys("esc").type_text("pw");
    assert_eq!(fixture.state.place(), Where::Form);
}

#[test]
fn actions_that_need_the_server_say_so_while_it_is_lost() {
    let mut fixture = Fixture::connected();
    lost(&mut fixture);
    let _ = fixture.take();
    fixture.keys("j f5");
    assert!(fixture.state.dialogs.is_empty() && fixture.state.toast.as_ref().is_some_and(|toast| toast.is_bad()));
    fixture.keys("tab f7");
    assert!(fixture.state.dialogs.is_empty());
}

#[test]
fn a_read_only_account_changes_nothing() {
    let mut fixture = Fixture::connected();
    fixture.event(Event::Notice(server().target, Notice::AccountChanged { access: Access::ReadOnly }));
    for keys in ["j f5", "tab f7", "f8", "r", "tab j f6"] {
        fixture.keys(keys);
        assert!(fixture.state.dialogs.is_empty(), "{keys}");
    }
    fixture.keys("tab j f5");
    assert!(matches!(fixture.state.dialogs[..], [Dialog::Copy(_)]), "downloads are fine");
}

#[test]
fn the_usage_moves_the_gauge() {
    let mut fixture = Fixture::connected();
    let usage = Usage { used: 19 << 30, limit: Some(20 << 30), ..account().usage };
    fixture.event(Event::Notice(server().target, Notice::UsageChanged(usage)));
    assert!(fixture.text().contains("19 of 20 GiB"));
}

#[test]
fn nine_tenths_of_the_quota_are_warned_about_once() {
    let mut fixture = Fixture::connected();
    let usage = |used| Usage { used, reserved: 0, limit: Some(100), ..account().usage };
    fixture.event(Event::Notice(server().target, Notice::UsageChanged(usage(89))));
    fixture.state.toast = None;
    fixture.event(Event::Notice(server().target, Notice::UsageChanged(usage(90))));
    assert!(fixture.state.toast.take().is_some_and(|toast| toast.text.contains("90 B of 100 B")));
    fixture.event(Event::Notice(server().target, Notice::UsageChanged(usage(95))));
    assert!(fixture.state.toast.is_none(), "told twice");
}

#[test]
fn leaving_a_server_asks_when_transfers_run_and_they_go_on_when_it_is_back() {
    let mut fixture = Fixture::busy();
    fixture.keys(":").type_text("disconnect").keys("enter");
    assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::Question(_))));
    let _ = fixture.take();
    fixture.keys("y");
    assert!(fixture.state.left.len() == 4 && fixture.state.connections.is_empty());
    assert!(fixture.effects.contains(&Effect::Connection(ConnectionEffect::Leave(server().target))));
    let given_up = |effect: &&TransferEffect| matches!(effect, TransferEffect::Cancel(_, true));
    assert_eq!(super::transfers(&fixture.effects).into_iter().filter(given_up).count(), 4, "received data is kept");
    fixture.keys("tab ctrl-r");
    let _ = fixture.take();
    fixture.greet();
    fixture.type_text("pw").keys("enter");
    fixture.log_in();
    let begun = super::transfers(&fixture.effects).len();
    assert_eq!((begun, fixture.state.left.len()), (4, 0), "{:?}", fixture.effects);
}

#[test]
fn another_server_opens_in_the_active_pane_and_the_other_pane_keeps_its_own() {
    let mut fixture = Fixture::connected();
    fixture.connect_second();
    assert!(fixture.connection().is_online() && fixture.state.connections[&second()].is_online());
    assert_eq!(fixture.state.pane().target(), Some(&second()));
    assert_eq!(fixture.state.other().target(), Some(&server().target));
    let titles = fixture.text();
    let titles = titles.lines().next().unwrap_or_default();
    assert!(titles.contains("bob@second.example.org") && titles.contains("alice@files.example.org"), "{titles}");
    assert!(!links(&fixture.effects).iter().any(|effect| matches!(effect, ConnectionEffect::Leave(_))));
}

#[test]
fn each_connection_has_its_own_usage_and_its_own_losses() {
    let mut fixture = Fixture::connected();
    fixture.connect_second();
    let usage = Usage { used: 19 << 30, limit: Some(20 << 30), ..account().usage };
    fixture.event(Event::Notice(second(), Notice::UsageChanged(usage)));
    assert_eq!(fixture.connection().account.usage, account().usage);
    assert_eq!(fixture.state.connections[&second()].account.usage, usage);
    lost(&mut fixture);
    assert!(!fixture.connection().is_online() && fixture.state.connections[&second()].is_online());
    let _ = fixture.take();
    fixture.keys("ctrl-r");
    assert!(links(&fixture.effects).contains(&&ConnectionEffect::Retry(server().target)));
    assert!(
        fixture
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::List(_, place) if place.target() == Some(&second())))
    );
}

#[test]
fn a_connection_is_closed_when_no_pane_shows_it_and_no_transfer_uses_it() {
    let mut fixture = Fixture::connected();
    fixture.connect_second();
    let _ = fixture.take();
    fixture.keys("g o");
    assert!(links(&fixture.effects).is_empty(), "g o comes back to it");
    fixture.keys("f9").type_text("files.example.org").keys("tab").type_text("alice").keys("enter");
    assert!(links(&fixture.effects).contains(&&ConnectionEffect::Leave(second())));
    assert!(fixture.connection().is_online());
    // With an unfinished transfer it stays, until that is through.
    let mut fixture = Fixture::connected();
    fixture.keys("j j j");
    fixture.copy(1);
    fixture.keys("tab");
    fixture.connect_second();
    fixture.keys("g o");
    assert!(fixture.connection().is_online());
    fixture.event(Event::Transfer(crate::tui::fixture::done(1, 0)));
    assert_eq!(fixture.state.connections.keys().collect::<Vec<_>>(), [&second()]);
    assert!(links(&fixture.effects).contains(&&ConnectionEffect::Leave(server().target)));
}

#[test]
fn a_server_that_is_connected_already_opens_at_once() {
    let mut fixture = Fixture::connected().with_sites();
    let _ = fixture.take();
    fixture.keys("f9 j enter");
    assert!(links(&fixture.effects).is_empty() && fixture.state.attempt.is_none());
    assert_eq!(fixture.state.pane().target(), Some(&server().target));
    assert_eq!(fixture.state.other().target(), Some(&server().target));
}

#[test]
fn a_server_that_ends_it_for_good_is_told_and_ctrl_r_connects_again() {
    let mut fixture = Fixture::connected();
    fixture.event(Event::Ended(server().target, Problem::new("your account was closed")));
    assert!(fixture.text().contains("your account was closed"));
    let _ = fixture.take();
    fixture.keys("esc tab ctrl-r");
    assert!(matches!(links(&fixture.effects)[..], [ConnectionEffect::Reach(..)]));
}

#[test]
fn a_typed_address_is_checked_and_saved_when_it_has_a_name() {
    let mut fixture = Fixture::fresh();
    fixture.type_text("host:0").keys("tab").type_text("bob").keys("enter");
    assert!(fixture.text().contains("is not a port"), "{}", fixture.text());
    fixture.keys("backtab ctrl-u").type_text("host:8000").keys("tab tab tab").type_text("my home").keys("enter");
    assert!(fixture.text().contains("save as: a name has letters"), "{}", fixture.text());
    fixture.keys("ctrl-u").type_text("home").keys("enter");
    assert!(
        links(&fixture.effects)
            .iter()
            .any(|connection| matches!(connection, ConnectionEffect::Reach(_, target, ..) if target.to_string() == "bob@host:8000"))
    );
    let saved = |effect: &Effect| matches!(effect, Effect::SaveSite(None, site) if site.name == "home" && site.site.address == "host:8000");
    assert!(!fixture.effects.iter().any(saved), "nothing was reached there yet");
    fixture.greet();
    assert!(fixture.effects.iter().any(saved));
}

#[test]
fn a_mistyped_address_costs_neither_the_connection_nor_what_was_typed() {
    let mut fixture = Fixture::connected();
    fixture.keys("f9").type_text("hots").keys("tab").type_text("bob").keys("tab tab").type_text("home").keys("enter");
    assert!(matches!(links(&fixture.effects)[..], [ConnectionEffect::Reach(_, target, ..)] if target.host == "hots"));
    assert!(fixture.connection().is_online() && fixture.text().contains("Connecting to home"));
    let ticket = fixture.ticket();
    fixture.event(Event::Answer(ticket, Answer::Failed(Problem::new("there is no such host"))));
    assert!(fixture.connection().is_online() && fixture.text().contains("there is no such host"));
    let _ = fixture.take();
    fixture.keys("enter");
    assert!(matches!(fixture.state.dialogs.last(), Some(Dialog::Form(_))), "{}", fixture.text());
    fixture.keys("ctrl-u").type_text("host").keys("enter");
    let effects = fixture.take();
    assert!(
        matches!(&links(&effects)[..], [ConnectionEffect::Reach(_, target, ..)] if (&*target.user, &*target.host) == ("bob", "host"))
    );
    fixture.effects = effects;
    reached(&mut fixture);
    assert!(
        fixture
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::SaveSite(None, site) if site.site.address == "host:7021"))
    );
    let attempt = fixture.state.attempt.as_ref().unwrap();
    assert!(matches!(attempt.step, Step::Greeted(_)) && attempt.server.target.host == "host");
}

#[test]
fn a_server_that_is_tried_can_be_given_up_without_leaving_the_other() {
    let mut fixture = Fixture::connected();
    fixture.keys("f9").type_text("host").keys("tab").type_text("bob").keys("enter");
    trust(&mut fixture);
    assert_eq!(fixture.state.place(), Where::Trust);
    fixture.keys("esc");
    assert!(
        fixture.connection().is_online()
            && !links(&fixture.effects).iter().any(|effect| matches!(effect, ConnectionEffect::Leave(_)))
    );
    assert!(links(&fixture.effects).contains(&&ConnectionEffect::GiveUp));
    assert!(matches!(fixture.state.dialogs[..], [Dialog::Form(_)]));
    fixture.keys("esc");
    assert!(fixture.state.dialogs.is_empty());
}

#[test]
fn text_of_the_server_cannot_forge_the_screen() {
    let mut fixture = Fixture::connected();
    fixture.event(Event::Notice(server().target, Notice::Broadcast { text: "a\u{1b}[2Jb\nc".into() }));
    assert!(fixture.text().contains(r"a\u{1b}[2Jb"));
}

#[test]
fn a_site_keeps_what_its_form_does_not_show_and_is_reached_with_it() {
    let mut fixture = Fixture::connected().with_sites();
    fixture.state.saved.sites[0].site.seal = Some("/the/seal".into());
    fixture.state.saved.sites[0].site.server_key = Some(key());
    let _ = fixture.take();
    fixture.keys("f9 e enter");
    let kept = |effect: &Effect| {
        matches!(effect, Effect::SaveSite(Some(old), site)
            if old == "backup" && site.site.seal == Some("/the/seal".into()) && site.site.server_key == Some(key()))
    };
    assert!(fixture.effects.iter().any(kept), "{:?}", fixture.effects);
    let _ = fixture.take();
    fixture.keys("f9 enter");
    let sealed = |connection: &&ConnectionEffect| matches!(connection, ConnectionEffect::Reach(_, _, Some(_), Some(seal), _) if seal.as_os_str() == "/the/seal");
    assert!(links(&fixture.effects).iter().any(sealed), "{:?}", fixture.effects);
}
