//! Answers operators from the state of the server.

use std::{collections::BTreeMap, sync::Arc};

use ferry_shared::name::Escaped;
use tokio::sync::{mpsc, oneshot};

use super::{
    Order, Reread, accounts,
    message::{Answer, Ask, AtDoor, Certificate, Differs, Session, Status, Transfer, User},
    penalties, quota,
};
use crate::{
    audit::event::{Event, Who},
    connections::ConnectionInfo,
    context::Context,
    door::Door,
    drift::Difference,
    host_keys::HostKeys,
    identity::{Handed, Term},
    telemetry,
    users::{By, moment::Moment},
};

/// The maximum length of a message to everybody.
const WORD: usize = 4096;

pub(super) async fn answer(ask: Ask, uid: u32, context: &Arc<Context>, orders: &mpsc::Sender<Order>) -> Answer {
    match ask {
        Ask::Status => status(context).await,
        Ask::Sessions => Answer::Sessions(sessions(context)),
        Ask::Kick { who } => kick(context, uid, &who).await,
        Ask::Broadcast { text } => broadcast(context, uid, &text).await,
        Ask::Explain { user } => quota::explain(context, &user).await,
        Ask::Rescan { user } => quota::rescan(context, uid, user.as_deref()).await,
        Ask::Penalties => Answer::Penalties(penalties::list(context)),
        Ask::Lift { address } => penalties::lift(context, uid, address).await,
        Ask::Reload { .. } => reload(uid, None, context, orders).await,
        Ask::Users => users(context, uid).await,
        Ask::Accounts => accounts::list(context).await,
        Ask::Change { change } => accounts::change(context, uid, change).await,
        Ask::Bar { users } => accounts::bar(context, uid, &users).await,
        Ask::Allow { user } => accounts::allow(context, uid, &user).await,
        Ask::Discard { user, paths } => quota::discard(context, uid, &user, paths).await,
        Ask::Drain { message } => drain(context, uid, message, orders).await,
    }
}

/// Has everything read again, with the certificate that was handed over, if any.
pub(super) async fn reload(
    uid: u32,
    handed: Option<Handed>,
    context: &Arc<Context>,
    orders: &mpsc::Sender<Order>,
) -> Answer {
    tracing::info!(uid, "the operator asks for a reload");
    context.audit.note(Who::operator(uid), Event::Reload).await;
    let (told, heard) = oneshot::channel();
    let stopping = || Answer::failed("the server is stopping");
    if orders.send(Order::Reload(uid, handed, told)).await.is_err() {
        return stopping();
    }
    let reread = |Reread { faults, changed, notes }| Answer::Reloaded { faults, changed, notes };
    heard.await.map_or_else(|_| stopping(), reread)
}

async fn drain(context: &Context, uid: u32, message: Option<String>, orders: &mpsc::Sender<Order>) -> Answer {
    if message.as_ref().is_some_and(|text| text.trim().is_empty() || text.len() > WORD) {
        return Answer::failed(format!("the message must have 1 to {WORD} bytes"));
    }
    tracing::info!(uid, message, "the operator asks the server to stop");
    context.audit.note(Who::operator(uid), Event::Drain { message: message.clone() }).await;
    if let Some(message) = message {
        // The first message stays, as does the decision to stop.
        let _ = context.farewell.set(message);
    }
    if orders.send(Order::Drain).await.is_err() {
        return Answer::failed("the server is stopping already");
    }
    let transfers = context.connections.list().iter().filter(|connection| connection.transfer().is_some()).count();
    Answer::Draining { transfers, seconds: context.config.get().limits.drain_seconds }
}

async fn users(context: &Arc<Context>, uid: u32) -> Answer {
    let users = context.users.clone();
    match tokio::task::spawn_blocking(move || users.reload_and_log(By::Operator(uid))).await {
        Ok(reloaded) => {
            let faults = reloaded.err().map(|error| error.to_string()).into_iter().collect();
            Answer::Reloaded { faults, changed: Vec::new(), notes: Vec::new() }
        }
        Err(error) => Answer::failed(format!("the users were not read: {error}")),
    }
}

async fn status(context: &Arc<Context>) -> Answer {
    let context = Arc::clone(context);
    // Querying the disk may block.
    match tokio::task::spawn_blocking(move || status_now(&context)).await {
        Ok(status) => Answer::Status(Box::new(status)),
        Err(error) => Answer::failed(format!("the server cannot say: {error}")),
    }
}

/// The status of the server. Blocks on the disk.
pub(crate) fn status_now(context: &Context) -> Status {
    let counters = &context.counters;
    let connections = context.connections.list();
    let (received, sent) = context.connections.traffic();
    let disk_free = context.states.volume_free();
    let disk_free =
        disk_free.inspect_err(|error| tracing::warn!(%error, "cannot tell how much of the disk is free")).ok();
    let mut users: Vec<_> = context
        .states
        .figures()
        .into_iter()
        .filter_map(|(name, now)| {
            let account = context.users.current(&name)?;
            Some(User {
                name: name.to_string(),
                used: now.used.bytes,
                reserved: now.reserved.bytes,
                quota: account.quota,
                files: now.used.files,
                max_files: Some(account.max_files),
            })
        })
        .collect();
    users.sort_by(|a, b| a.name.cmp(&b.name));
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: Moment::from_system_time(counters.started),
        uptime_seconds: counters.uptime().as_secs(),
        draining: context.drain.is_cancelled(),
        sessions: context.sessions.count(),
        connections: connections.len(),
        unfinished: context.admission.unfinished(),
        transfers: connections.iter().filter(|connection| connection.transfer().is_some()).count(),
        received,
        sent,
        accepted: counters.connections.get(),
        logins: counters.logins.get(),
        uploads: counters.uploads.get(),
        downloads: counters.downloads.get(),
        sftp_host_key: context.host_keys.get().map(HostKeys::fingerprint),
        doors: Door::ALL.into_iter().map(|door| (door.to_string(), at_door(context, door, &connections))).collect(),
        refusals: counters.refusals().map(|(code, count)| (code.as_str().to_owned(), count)).collect(),
        turned_away: context.turned_away.totals().map(|(reason, count)| (reason.as_str().to_owned(), count)).collect(),
        panics: counters.panics.get(),
        quota_drifts: counters.drifts.get(),
        accounts: context.users.count(),
        audit_lost: context.audit.lost(),
        log_lost: telemetry::lost(),
        differs: context.differences().into_iter().map(differs).collect(),
        certificate: context.identity.term().map(certificate),
        tasks: tokio::runtime::Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks()),
        hash_queue: context.users.hash_queue(),
        flushes: counters.flushes.get(),
        flush_seconds: counters.flush_time().as_secs_f64(),
        disk_free,
        users,
    }
}

fn at_door(context: &Context, door: Door, connections: &[Arc<ConnectionInfo>]) -> AtDoor {
    AtDoor {
        sessions: context.sessions.all().iter().filter(|session| session.door == door).count(),
        connections: connections.iter().filter(|connection| connection.session.door == door).count(),
        accepted: context.counters.connections.at(door),
        logins: context.counters.logins.at(door),
    }
}

fn differs((what, difference): (&str, Difference)) -> Differs {
    Differs { what: what.to_owned(), why: difference.why, since: difference.since }
}

fn certificate(term: Term) -> Certificate {
    let warning = term.warning(Moment::now());
    Certificate { names: term.names, from: term.from, until: term.until, warning }
}

fn sessions(context: &Context) -> Vec<Session> {
    let mut found: BTreeMap<u64, Session> = BTreeMap::new();
    for connection in context.connections.list() {
        let session = found.entry(connection.session.id).or_insert_with(|| Session {
            id: connection.session.id,
            user: connection.session.user.name.to_string(),
            peer: connection.peer.map(|peer| peer.to_string()).unwrap_or_default(),
            door: connection.session.door.to_string(),
            since: Moment::from_system_time(connection.session.since),
            connections: 0,
            received: 0,
            sent: 0,
            transfers: Vec::new(),
        });
        let (received, sent) = connection.traffic();
        session.connections += 1;
        session.received += received;
        session.sent += sent;
        session.transfers.extend(transfer(&connection));
    }
    found.into_values().collect()
}

fn transfer(connection: &ConnectionInfo) -> Option<Transfer> {
    let (transfer, done) = connection.transfer()?;
    Some(Transfer {
        direction: transfer.direction,
        path: transfer.path.display().to_string(),
        size: transfer.size,
        done,
        seconds: transfer.since.elapsed().as_secs(),
    })
}

async fn kick(context: &Context, uid: u32, who: &str) -> Answer {
    let number: Option<u64> = who.parse().ok();
    let mut ended = Vec::new();
    for session in context.sessions.all() {
        if session.user.name.as_str() == who || number == Some(session.id) {
            tracing::info!(uid, session = session.id, user = %session.user.name, "ended by the operator");
            let event = Event::Kick { ended: session.id, of: session.user.name.to_string() };
            context.audit.note(Who::operator(uid), event).await;
            session.end("the operator ended this session".to_owned());
            ended.push(session.id);
        }
    }
    if ended.is_empty() {
        return Answer::failed(format!("nobody is connected as '{}'; see 'ferryd sessions'", Escaped(who.as_bytes())));
    }
    Answer::Kicked { sessions: ended }
}

/// Sends a message to each session whose protocol can carry it, once: on a busy connection if there is one, else on its oldest connection, which
/// a person browses with.
async fn broadcast(context: &Context, uid: u32, text: &str) -> Answer {
    if text.trim().is_empty() || text.len() > WORD {
        return Answer::failed(format!("the text must have 1 to {WORD} bytes"));
    }
    let mut told = std::collections::BTreeSet::new();
    let mut connections = context.connections.list();
    connections.retain(|connection| connection.session.door.carries_messages());
    connections.sort_by_key(|connection| (connection.transfer().is_none(), !connection.is_busy(), connection.id));
    for connection in connections {
        if told.insert(connection.session.id) {
            connection.tell(text.to_owned());
        }
    }
    let shown = Escaped(text.as_bytes()).to_string();
    tracing::info!(uid, sessions = told.len(), text = shown, "said to everybody");
    context.audit.note(Who::operator(uid), Event::Broadcast { text: shown }).await;
    Answer::Broadcast { sessions: told.len() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        bandwidth::Direction,
        config::{Config, Tls},
        connections::Listed,
        identity::Identity,
        storage::{Durability, Storage},
        users::{self, Users},
    };

    fn context(folder: &tempfile::TempDir) -> Arc<Context> {
        let users = r#"{"version":1,"users":{"anna":{"password":null,"created":"2026-01-01T00:00:00Z"}},"invites":{}}"#;
        fs::write(users::store_file(folder.path()), users).unwrap();
        let users = Users::load(users::store_file(folder.path())).unwrap();
        let identity = Identity::load_or_create(folder.path(), &Tls::default()).unwrap();
        let storage = Storage::open(folder.path(), Durability::Rename).unwrap();
        Arc::new(Context::new(Config::default(), users, identity, storage))
    }

    /// One session with this many connections.
    fn session(context: &Context, connections: usize) -> Vec<Listed> {
        session_at(Door::Ferry, context, connections)
    }

    fn session_at(door: Door, context: &Context, connections: usize) -> Vec<Listed> {
        let account = context.users.all().remove(0);
        let user = context.open_user(&account).unwrap();
        let (session, _ticket) =
            context.sessions.open(door, user, crate::session::Proven::password_of(&account), None).unwrap();
        let peer = "192.0.2.1:5".parse().unwrap();
        let enter = |_| context.connections.enter(Arc::clone(&session), peer, Arc::default(), Arc::default());
        (0..connections).map(enter).collect()
    }

    #[tokio::test]
    async fn each_session_gets_a_message_once_and_on_a_busy_connection() {
        let folder = tempfile::tempdir().unwrap();
        let context = context(&folder);
        let (idle, busy) = (session(&context, 3), session(&context, 3));
        let deaf = session_at(Door::Sftp, &context, 1);
        let path = ferry_shared::path::RemotePath::from_wire(b"file").unwrap();
        busy[1].connection.begin(Direction::Up, path, None);
        assert_eq!(broadcast(&context, 0, "hello").await, Answer::Broadcast { sessions: 2 });
        let told = |connections: &[Listed]| {
            connections.iter().map(|listed| listed.connection.take_words().len()).collect::<Vec<_>>()
        };
        assert_eq!((told(&idle), told(&busy), told(&deaf)), (vec![1, 0, 0], vec![0, 1, 0], vec![0]));
        for text in ["", " \n", &"x".repeat(WORD + 1)] {
            assert!(matches!(broadcast(&context, 0, text).await, Answer::Failed { .. }));
        }
    }

    #[tokio::test]
    async fn a_kick_ends_the_named_sessions_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let context = context(&folder);
        let (first, second) = (session(&context, 1), session(&context, 1));
        let ended = |listed: &[Listed]| listed[0].connection.session.ended.is_cancelled();
        let number = second[0].connection.session.id;
        assert_eq!(kick(&context, 0, &number.to_string()).await, Answer::Kicked { sessions: vec![number] });
        assert!(!ended(&first) && ended(&second));
        assert!(matches!(kick(&context, 0, "ann").await, Answer::Failed { .. }));
        assert!(matches!(kick(&context, 0, "anna").await, Answer::Kicked { .. }));
        assert!(ended(&first));
    }

    #[test]
    fn bytes_of_connections_that_ended_still_count() {
        let folder = tempfile::tempdir().unwrap();
        let context = context(&folder);
        let listed = session(&context, 1).remove(0);
        let meter = Arc::new(std::sync::atomic::AtomicU64::new(7));
        let peer = "192.0.2.1:5".parse().unwrap();
        let metered = context.connections.enter(Arc::clone(&listed.connection.session), peer, meter, Arc::default());
        assert_eq!((status_now(&context).received, sessions(&context)[0].connections), (7, 2));
        drop(metered);
        assert_eq!((status_now(&context).received, sessions(&context)[0].connections), (7, 1));
    }
}
