//! Logins as any door requests them, without a door.

use std::fs;

use super::*;
use crate::{
    audit::Audit,
    config::{self, Config, Tls},
    identity::Identity,
    storage::{Durability, Storage},
    users::{self, Users},
};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna@laptop";

/// The context of a server whose store has a key for anna, and its audit log.
struct Place {
    folder: tempfile::TempDir,
    context: Arc<Context>,
    thread: audit::AuditThread,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!(r#"{{"version":1,"users":{{"anna":{{"keys":["{KEY}"]}}}}}}"#);
        fs::write(users::store_file(folder.path()), store).unwrap();
        let users = Users::load(users::store_file(folder.path())).unwrap();
        let identity = Identity::load_or_create(folder.path(), &Tls::default()).unwrap();
        let storage = Storage::open(folder.path(), Durability::Rename).unwrap();
        let (audit, thread) = Audit::open(&folder.path().join("audit"), &config::Audit::default()).unwrap();
        let context = Context { audit, ..Context::new(Config::default(), users, identity, storage) };
        Self { folder, context: Arc::new(context), thread }
    }

    fn ticket(&self) -> Ticket {
        self.context.admission.admit("192.0.2.7".parse().unwrap()).unwrap()
    }

    fn entrance<'a>(&'a self, ticket: &'a Ticket) -> Entrance<'a> {
        Entrance { context: &self.context, ticket, door: Door::Ferry, peer: "192.0.2.7:9".parse().unwrap() }
    }

    /// The lines of the audit log, without the fields of the chain.
    async fn noted(self) -> Vec<serde_json::Value> {
        self.context.audit.close(self.thread).await;
        let text = fs::read_to_string(self.folder.path().join("audit/audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn anna(key: &PublicKey, signed: bool) -> Credential<'_> {
    Credential::Key { user: "anna", key: key.key(), signed }
}

#[tokio::test]
async fn a_key_that_did_not_sign_is_a_failed_login_and_the_log_says_why() {
    let place = Place::new();
    let key = KEY.parse().unwrap();
    let ticket = place.ticket();
    let refused = place.entrance(&ticket).log_in(anna(&key, false)).await.unwrap_err();
    assert!(matches!(refused.error, Error::Wrong(Some(Denied::Key))), "{refused:?}");
    assert!(ticket.must_wait("anna").is_some(), "it costs nothing");
    assert_eq!(place.context.sessions.count(), 0);
    drop(ticket);
    let noted = place.noted().await;
    assert_eq!((&noted[0]["event"], &noted[0]["reason"]), (&"refused".into(), &"key".into()), "{noted:?}");
    assert_eq!((&noted[0]["user"], &noted[0]["peer"]), (&"anna".into(), &"192.0.2.7:9".into()), "{noted:?}");
    assert_eq!(noted[0]["door"], "ferry");
}

#[tokio::test]
async fn a_session_is_noted_once_and_joined_with_its_ticket_until_it_ends() {
    let place = Place::new();
    let key = KEY.parse().unwrap();
    let ticket = place.ticket();
    let first = place.entrance(&ticket).log_in(anna(&key, true)).await.unwrap();
    assert_eq!(place.context.admission.unfinished(), 0, "it still has a place among those not logged in");
    let other = place.ticket();
    let second = place.entrance(&other).log_in(Credential::Session(&first.ticket)).await.unwrap();
    assert_eq!((second.session.id, place.context.counters.logins.get()), (first.session.id, 1));
    first.session.end("enough".to_owned());
    let late = place.ticket();
    let refused = place.entrance(&late).log_in(Credential::Session(&first.ticket)).await.unwrap_err();
    assert!(matches!(refused.error, Error::NoSession), "{refused:?}");
    // A client that returns late has not guessed.
    assert!(late.must_wait("").is_none() && place.context.counters.refusals().next().is_none());
    drop((ticket, other, late));
    let noted = place.noted().await;
    assert_eq!(noted.iter().map(|line| &line["event"]).collect::<Vec<_>>(), ["login"], "{noted:?}");
    assert_eq!(noted[0]["door"], "ferry");
}

#[tokio::test]
async fn an_account_that_was_closed_meanwhile_lets_nobody_into_its_session() {
    let place = Place::new();
    let key = KEY.parse().unwrap();
    let ticket = place.ticket();
    let first = place.entrance(&ticket).log_in(anna(&key, true)).await.unwrap();
    place.context.users.bar(&["anna".parse().unwrap()]);
    let other = place.ticket();
    for credential in [anna(&key, true), Credential::Session(&first.ticket)] {
        let refused = place.entrance(&other).log_in(credential).await.unwrap_err();
        assert!(matches!(refused.error, Error::Wrong(Some(Denied::Disabled)) | Error::NoSession), "{refused:?}");
    }
}
