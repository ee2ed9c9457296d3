//! A browser for tests: a state with sample folders and servers, driven by keys and events, drawn as text.

mod mouse;
mod plans;

use std::{path::PathBuf, time::Duration};

use ferry_client::{
    ClientError,
    connect::Target,
    transfer::{
        self, ActiveItem, Bandwidth, Conflict, ConflictRule, Failure, FileFacts, ItemId, ItemPath, ItemState, JobId,
        JobProgress, Outcome, Progress, Summary,
    },
};
use ferry_shared::{
    entry::{Entry, Kind, Mtime},
    fingerprint::Fingerprint,
    message::reply::{Access, Registration, Usage},
    name::Name,
    path::RemotePath,
    refusal::{Code, Refusal},
};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;

use super::{
    action::Preset,
    effect::{Effect, TransferEffect},
    event::{Answer, Event},
    keymap::{self, Keymap},
    state::{
        State,
        appearance::Appearance,
        connection::{Account, Connection, Greeting},
        item::Item,
        listing::{Amount, Viewing},
        programs::Programs,
        saved::{NamedSite, Saved},
        server::Server,
        side::Side,
        ticket::Ticket,
        transfers::Key,
    },
    update::{Begin, start, update},
};

pub(crate) use plans::{plan, plan_of_panes};

/// Seconds since 1970 when the fixture begins: the 21st of November 2026.
const CLOCK: i64 = 1_795_219_200;

/// A browser without disk, server and terminal.
pub(crate) struct Fixture {
    pub(crate) state: State,
    /// The effects so far.
    pub(crate) effects: Vec<Effect>,
    /// The local folders that were to be watched.
    pub(crate) watched: Vec<(Side, Option<PathBuf>)>,
    now: Duration,
}

/// An entry: a folder where the name ends with `/`, a symlink where with `@`.
pub(crate) fn entry(name: &str, size: u64, days_ago: i64) -> Item {
    let (name, kind) = match (name.strip_suffix('/'), name.strip_suffix('@')) {
        (Some(name), _) => (name, Kind::Folder),
        (_, Some(name)) => (name, Kind::Symlink),
        _ => (name, Kind::File),
    };
    let mtime = Mtime(CLOCK - days_ago * 86_400 - 3600, 0);
    let mode = if kind == Kind::Folder { 0o755 } else { 0o644 };
    Item::new(Entry { name: Name::try_from(name).unwrap(), kind, size, mtime, mode })
}

/// The entries of the sample's local folder.
pub(crate) fn local_items() -> Vec<Item> {
    vec![
        entry("2024/", 0, 9),
        entry("2025/", 0, 400),
        entry(".cache/", 0, 3),
        entry("holiday.raw", 24 << 20, 19),
        entry("iso.img", 4 << 30, 2),
        entry("notes.txt", 1234, 1),
        entry("photo 2.jpg", 3_456_789, 30),
        entry("photo 10.jpg", 2_345_678, 31),
        entry("résumé – 日本語.pdf", 98_765, 700),
        entry("latest@", 0, 1),
    ]
}

/// The entries of the sample's remote folder.
pub(crate) fn remote_items() -> Vec<Item> {
    vec![
        entry("albums/", 0, 18),
        entry("2024/", 0, 9),
        entry("holiday.raw", 24 << 20, 19),
        entry("notes.txt", 1200, 40),
        entry("thesis.tex", 345_678, 5),
    ]
}

/// The sample's server.
pub(crate) fn server() -> Server {
    let target = Target::ferry("alice", "files.example.org", 7021);
    Server {
        target,
        site: None,
        start: RemotePath::from_typed(b"photos").unwrap(),
        key: None,
        identity: None,
        seal: None,
        links: None,
        keyring: false,
    }
}

/// Another server.
pub(crate) fn second() -> Target {
    Target::ferry("bob", "second.example.org", 7021)
}

/// The greeting of the sample server.
pub(crate) fn greeting() -> Greeting {
    Greeting { software: "ferryd 0.1".into(), registration: Registration::Closed, key: key() }
}

/// Its key.
pub(crate) fn key() -> Fingerprint {
    "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU".parse().unwrap()
}

/// The account on the sample server.
pub(crate) fn account() -> Account {
    let usage = Usage {
        used: (69 << 30) / 10,
        reserved: 0,
        limit: Some(20 << 30),
        files: 4321,
        file_limit: None,
        volume_free: 412 << 30,
    };
    Account { access: Access::ReadWrite, usage, motd: None }
}

/// The first state of a fixture.
pub(crate) fn begin(server: Option<Server>) -> Begin {
    Begin {
        size: (120, 40),
        clock: CLOCK,
        zone: TimeZone::UTC,
        home: "/home/al".into(),
        copies: "/home/al/.ferry/edit".into(),
        folder: "/home/al/data".into(),
        keymap: Keymap::preset(Preset::Default),
        appearance: Appearance::default(),
        viewing: Viewing::default(),
        history: true,
        preview: true,
        rule: ConflictRule::Ask,
        links: None,
        at_once: 4,
        bandwidth: Bandwidth::default(),
        programs: Programs::default(),
        saved: Saved::default(),
        server,
        password: None,
        faults: Vec::new(),
    }
}

impl Fixture {
    /// Just started, without an address.
    pub(crate) fn fresh() -> Self {
        Self::of(begin(None))
    }

    /// Just started so.
    pub(crate) fn of(begin: Begin) -> Self {
        let (state, effects) = start(begin);
        Self { state, effects, watched: Vec::new(), now: Duration::ZERO }
    }

    /// Both folders are there, the server is connected.
    pub(crate) fn connected() -> Self {
        let mut fixture =
            Self::of(Begin { password: Some(ferry_shared::secret::Secret::new("pw".into())), ..begin(Some(server())) });
        fixture.answer_lists(local_items());
        fixture.greet();
        fixture.log_in();
        fixture.answer_lists(remote_items());
        let _ = fixture.take();
        fixture.state.toast = None;
        // Most tests count their steps from the top.
        fixture.state.panes.both_mut().into_iter().for_each(|pane| pane.put_cursor(0));
        fixture
    }

    /// The server answers the greeting.
    pub(crate) fn greet(&mut self) {
        let ticket = self.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
        self.event(Event::Answer(ticket, Answer::Greeted(greeting())));
    }

    /// The server accepts the password.
    pub(crate) fn log_in(&mut self) {
        let ticket = self.state.attempt.as_ref().and_then(|attempt| attempt.ticket()).unwrap();
        self.event(Event::Answer(ticket, Answer::LoggedIn(greeting(), account())));
    }

    /// The connection to the sample server, which is there.
    pub(crate) fn connection(&self) -> &Connection {
        &self.state.connections[&server().target]
    }

    /// Connects the active pane to another server, [`second`].
    pub(crate) fn connect_second(&mut self) {
        self.state.saved.sites.clear();
        self.keys("f9").type_text("second.example.org").keys("tab").type_text("bob").keys("enter");
        self.greet();
        self.type_text("pw").keys("enter");
        self.log_in();
        self.answer_lists(remote_items());
        self.state.toast = None;
    }

    /// Something happens.
    pub(crate) fn event(&mut self, event: Event) {
        for effect in update(&mut self.state, event) {
            match effect {
                Effect::Watch(side, folder) => self.watched.push((side, folder)),
                effect => self.effects.push(effect),
            }
        }
    }

    /// Keys are pressed: `"j j space f5 y"`.
    pub(crate) fn keys(&mut self, keys: &str) -> &mut Self {
        for key in keymap::Key::sequence(keys).unwrap() {
            self.event(Event::Key(key));
        }
        self
    }

    /// Text is typed, character by character.
    pub(crate) fn type_text(&mut self, text: &str) -> &mut Self {
        text.chars().for_each(|c| self.event(Event::Key(keymap::Key::char(c))));
        self
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.event(Event::Time(self.now));
    }

    /// The screen has another size.
    pub(crate) fn size(&mut self, width: u16, height: u16) {
        self.event(Event::Resize(width, height));
    }

    /// Takes the effects since the last time.
    pub(crate) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The ticket of the latest effect that has one.
    pub(crate) fn ticket(&self) -> Ticket {
        self.effects.iter().rev().find_map(ticket_of).unwrap()
    }

    /// Answers every folder that was asked for with these entries.
    pub(crate) fn answer_lists(&mut self, items: Vec<Item>) {
        let lists = std::mem::take(&mut self.effects);
        for effect in lists {
            match effect {
                Effect::List(ticket, _) => {
                    self.event(Event::Answer(ticket, Answer::Page { items: items.clone(), more: false }));
                }
                Effect::Free(side, _) => self.event(Event::Free(side, Some(120 << 30))),
                other => self.effects.push(other),
            }
        }
    }

    /// Copies the selection to the other pane; the engine runs it as this job.
    pub(crate) fn copy(&mut self, job: u64) -> Key {
        let _ = self.take();
        self.keys("f5");
        if let Some(Effect::Count(ticket, ..)) = self.effects.iter().find(|effect| matches!(effect, Effect::Count(..)))
        {
            let (ticket, amount) = (*ticket, Amount { files: 7, folders: 1, bytes: 70 << 20 });
            self.event(Event::Answer(ticket, Answer::Counted { amount, unreadable: 0, left_out: 0, more: false }));
        }
        self.keys("y");
        let added = self.take().into_iter().find_map(|effect| match effect {
            Effect::Transfer(TransferEffect::Add(key, _)) => Some(key),
            _ => None,
        });
        let key = added.unwrap();
        self.event(Event::Started(key, JobId(job)));
        key
    }

    /// The engine's figures, with so many bytes on the wire since the start.
    pub(crate) fn progress(&mut self, jobs: Vec<JobProgress>, active: Vec<ActiveItem>, sent: u64) {
        self.event(Event::Progress(Progress { jobs, active, connections: 2, sent, received: 0 }));
    }

    /// Connected, with transfers of every kind: running, waiting, failed, asking, verified.
    pub(crate) fn busy() -> Self {
        let mut fixture = Self::connected();
        fixture.keys("g g j j j j");
        fixture.copy(1);
        fixture.keys("g g j");
        fixture.copy(2);
        fixture.keys("j j j j");
        fixture.copy(3);
        fixture.keys("j");
        fixture.copy(4);
        fixture.keys("j");
        fixture.copy(5);
        fixture.keys("k");
        let (mib, gib) = (1u64 << 20, 1u64 << 30);
        fixture.event(Event::Transfer(done(5, 0)));
        for step in 0..20u64 {
            fixture.wait(250);
            let moved = step * 25 * mib;
            let image = job(1, (0, 1), (2 * gib + moved, 4 * gib), gib);
            let mut folder = job(2, (9812 + step * 40, 54_001), (900 * mib + moved / 4, 7 * gib), 0);
            folder.failed = 1;
            let waiting = job(3, (0, 1), (0, 1234), 0);
            let mut other = job(4, (0, 1), (0, 3_456_789), 0);
            other.asking = 1;
            let items = vec![active(1, 1, "iso.img", 2 * gib + moved, 4 * gib, ItemState::Sending)];
            fixture.progress(vec![image, folder, waiting, other], items, moved * 5 / 4);
        }
        let refusal = Refusal::new(Code::NotAllowed, "this name is not allowed here");
        fixture.event(Event::Transfer(fails(20, 2, "forbidden.txt", refusal.into())));
        fixture.event(Event::Transfer(asks(40, 4, "photos", "photo 2.jpg")));
        fixture.state.toast = None;
        let _ = fixture.take();
        fixture
    }

    /// A site is saved.
    pub(crate) fn with_sites(mut self) -> Self {
        let site = |name: &str, address: &str, user: &str, path: Option<&str>| NamedSite {
            name: name.into(),
            site: crate::sites::Site {
                kind: crate::sites::Kind::Ferry,
                address: address.into(),
                user: user.into(),
                path: path.map(Into::into),
                server_key: None,
                identity: None,
                seal: None,
                links: None,
                keyring: false,
            },
        };
        let work = site("work", "files.example.org", "alice", Some("projects"));
        let sites = vec![site("backup", "10.0.0.7:7022", "root", None), work];
        self.event(Event::Saved(Saved { sites, ..Saved::default() }));
        self
    }

    /// The screen.
    pub(crate) fn buffer(&self) -> Buffer {
        self.drawn().1
    }

    /// The screen's text.
    pub(crate) fn text(&self) -> String {
        let buffer = self.buffer();
        let mut text = String::new();
        for y in 0..buffer.area.height {
            let mut line = String::new();
            let mut skip = 0;
            for x in 0..buffer.area.width {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                let symbol = buffer[(x, y)].symbol();
                skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
                line += symbol;
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// A file below a job's root, as the engine names it.
pub(crate) fn item_path(folder: &str, name: &str) -> ItemPath {
    let remote = RemotePath::from_typed(folder.as_bytes()).unwrap().join(&Name::try_from(name).unwrap()).unwrap();
    ItemPath::of(Some(PathBuf::from("/home/al/data").join(name).into()), Some(remote.into()))
}

/// A job's progress: files and bytes as (done, total), and how many of the done bytes the target already had.
pub(crate) fn job(id: u64, files: (u64, u64), bytes: (u64, u64), reused: u64) -> JobProgress {
    JobProgress {
        job: JobId(id),
        counting: false,
        paused: false,
        files: files.1,
        bytes: bytes.1,
        files_done: files.0,
        bytes_done: bytes.0,
        reused,
        transferred: bytes.0 - reused,
        failed: 0,
        asking: 0,
        under_way: 0,
    }
}

/// A large file that is being worked on.
pub(crate) fn active(id: u64, of: u64, name: &str, done: u64, size: u64, state: ItemState) -> ActiveItem {
    ActiveItem {
        item: ItemId(id),
        job: JobId(of),
        path: item_path("photos", name),
        size: Some(size),
        done,
        reused: 0,
        state,
        elapsed: Duration::from_secs(10),
    }
}

/// The engine's word that a file is already there.
pub(crate) fn asks(id: u64, of: u64, folder: &str, name: &str) -> transfer::Event {
    let facts = |size, days: i64| FileFacts { size, mtime: Mtime(CLOCK - days * 86_400, 0) };
    let conflict = Conflict { path: item_path(folder, name), source: facts(345_000, 1), target: facts(340_000, 30) };
    transfer::Event::Asks { job: JobId(of), item: ItemId(id), conflict }
}

/// The engine's word that a file failed.
pub(crate) fn fails(id: u64, of: u64, name: &str, error: ClientError) -> transfer::Event {
    let retryable = error.is_transient();
    let outcome = Outcome::Failed(Failure { error, retryable });
    transfer::Event::ItemDone {
        job: JobId(of),
        item: ItemId(id),
        path: item_path("photos", name),
        facts: facts(1 << 20),
        outcome,
    }
}

/// The facts of a file of so many bytes.
pub(crate) fn facts(size: u64) -> FileFacts {
    FileFacts { size, mtime: Mtime(CLOCK - 86_400, 0) }
}

/// The engine's word that a job is through.
pub(crate) fn done(id: u64, failed: u64) -> transfer::Event {
    transfer::Event::JobDone {
        job: JobId(id),
        summary: Summary { files: 1, bytes: 3_456_789, failed, ..Summary::default() },
    }
}

/// The ticket of an effect, if it has one.
pub(crate) fn ticket_of(effect: &Effect) -> Option<Ticket> {
    use super::effect::ConnectionEffect;
    match effect {
        Effect::List(ticket, _)
        | Effect::Count(ticket, ..)
        | Effect::Read(ticket, ..)
        | Effect::Preview(ticket, _)
        | Effect::Digest(ticket, _)
        | Effect::Version(ticket, _)
        | Effect::Search(ticket, ..)
        | Effect::MakeFolder(ticket, _)
        | Effect::Rename(ticket, _)
        | Effect::CopyThere(ticket, _)
        | Effect::Remove(ticket, ..)
        | Effect::Uploads(ticket, _)
        | Effect::EditText(ticket, _)
        | Effect::EditFile(ticket, _)
        | Effect::Connection(
            ConnectionEffect::Reach(ticket, ..)
            | ConnectionEffect::LogIn(ticket, ..)
            | ConnectionEffect::Register(ticket, ..),
        ) => Some(*ticket),
        _ => None,
    }
}
