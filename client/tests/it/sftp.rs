//! SFTP servers that lie. Each lie costs an error, and nothing else.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use ferry_client::{
    ClientError, Local, Sftp, Site, Target, Trust,
    sftp::{Login, NoSecrets, SftpConnector, SftpOptions},
    site::{
        Answer, Done, FileFacts, Get, Location, Op, Opened, Page, Phase, Piece, Reach, Request as SiteRequest, Root,
        Session, Surroundings, Walk, Watch,
    },
    traffic::Traffic,
    transfer::{Engine, Event, Job, JobOptions, Piece as JobPiece, Settings, Work},
};
use ferry_shared::{
    entry::{Kind, Mtime},
    limits::DEPTH_MAX,
    path::RemotePath,
    pool::BufferPool,
    sftp::{Attributes, Hello, NameEntry, Packet, Pairs, Reply, Request, Status, permissions},
};
use russh::{
    Channel, ChannelId,
    keys::{Algorithm, PrivateKey},
    server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session as ServerSession, run_stream},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const SIZE: u64 = 3 << 20;

/// The misbehaviour of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    Names,
    NoEnd,
    Shorter,
    TooMuch,
    Silent,
    NoLogin,
    NoChannel,
    Deep,
    Full,
    Endless,
    LateLook,
    Unasked,
    Version,
    /// Not a lie: it refuses the second of all renames.
    Rename,
    /// Nothing.
    None,
}

/// The server's side of a connection.
struct Liar {
    lie: Lie,
    channel: Option<Channel<Msg>>,
}

impl Handler for Liar {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        if self.lie == Lie::NoLogin {
            return std::future::pending().await;
        }
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut ServerSession,
    ) -> Result<(), russh::Error> {
        if self.lie == Lie::NoChannel {
            return std::future::pending().await;
        }
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _: &str,
        session: &mut ServerSession,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)?;
        if let Some(channel) = self.channel.take() {
            tokio::spawn(converse(channel, self.lie));
        }
        Ok(())
    }
}

async fn converse(channel: Channel<Msg>, lie: Lie) {
    let mut stream = channel.into_stream();
    let (mut buffer, mut greeted, mut lists) = (BytesMut::new(), false, 0);
    // An answer that waits for a request of another kind, or for the client to have none.
    let mut late = Vec::new();
    loop {
        while let Ok(Some(packet)) = Packet::take(&mut buffer) {
            let mut out = Vec::new();
            if greeted {
                let (id, request) = Request::decode(packet).unwrap();
                let Some(reply) = answer(&request, lie, &mut lists) else { continue };
                let id = if lie == Lie::Unasked && matches!(request, Request::OpenDir { .. }) { id + 1000 } else { id };
                reply.put(&mut out, id).unwrap();
                let is_late = matches!(&request, Request::LStat { path } if path.ends_with(b"inner"));
                if lie == Lie::LateLook && is_late {
                    late = out;
                    continue;
                }
                if !matches!(request, Request::LStat { .. }) {
                    out.append(&mut late);
                }
            } else {
                let version = if lie == Lie::Version { 6 } else { 3 };
                Hello { version, extensions: Pairs::new() }.put_version(&mut out).unwrap();
                greeted = true;
            }
            if stream.write_all(&out).await.is_err() {
                return;
            }
        }
        let pause = if late.is_empty() { Duration::MAX } else { Duration::from_millis(100) };
        match timeout(pause, stream.read_buf(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {}
            Err(_) if stream.write_all(&std::mem::take(&mut late)).await.is_err() => return,
            Err(_) => {}
        }
    }
}

fn attributes(kind: Kind, size: u64) -> Attributes {
    Attributes { size: Some(size), permissions: Some(permissions(kind, 0o644)), ..Attributes::default() }
}

fn answer(request: &Request, lie: Lie, lists: &mut u32) -> Option<Reply> {
    let file = |path: &Bytes| path.ends_with(b"file");
    let size = if lie == Lie::Endless { u64::MAX } else { SIZE };
    Some(match request {
        Request::Stat { path } | Request::LStat { path } if path.ends_with(b"/link") => match *lists {
            0 | 3 => Reply::Attributes(attributes(Kind::Symlink, 3)),
            _ => Reply::status(Status::NoSuchFile, ""),
        },
        Request::ReadLink { .. } => Reply::path(Bytes::from_static(b"old")),
        Request::Symlink { .. } => Reply::status(Status::Ok, ""),
        Request::Rename { .. } if lie == Lie::Rename => {
            *lists += 1;
            Reply::status(if *lists == 2 { Status::Failure } else { Status::Ok }, "")
        }
        Request::Remove { path } if path.ends_with(b"/link") => {
            // It is gone, whatever follows.
            *lists = 100;
            Reply::status(Status::Ok, "")
        }
        Request::RealPath { .. } => Reply::path(Bytes::from_static(b"/home")),
        Request::Stat { path } | Request::LStat { path } if file(path) => {
            Reply::Attributes(attributes(Kind::File, size))
        }
        Request::Stat { .. } | Request::LStat { .. } => Reply::Attributes(attributes(Kind::Folder, 0)),
        Request::FStat { .. } => Reply::Attributes(attributes(Kind::File, size)),
        Request::RemoveDir { path } if path.ends_with(b"inner") => {
            *lists = 1;
            Reply::status(Status::Ok, "")
        }
        Request::RemoveDir { .. } if *lists == 1 => Reply::status(Status::Ok, ""),
        Request::RemoveDir { .. } => Reply::status(Status::Failure, ""),
        Request::Open { .. } | Request::OpenDir { .. } => Reply::Handle(Bytes::from_static(b"h")),
        Request::ReadDir { .. } if lie == Lie::Silent => return None,
        Request::ReadDir { .. } => {
            *lists += 1;
            let entry = |name: &'static [u8]| NameEntry {
                name: Bytes::from_static(name),
                long_name: Bytes::new(),
                attributes: attributes(Kind::File, 1),
            };
            match lie {
                Lie::NoEnd => Reply::Name(Vec::new()),
                Lie::Full => Reply::Name(vec![entry(b"name"); 1000]),
                Lie::Deep if *lists % 2 == 1 => {
                    Reply::Name(vec![NameEntry { attributes: attributes(Kind::Folder, 0), ..entry(b"again") }])
                }
                Lie::Names if *lists == 1 => {
                    let names: [&'static [u8]; 8] =
                        [b"good", b"..", b".", b"a/b", b"/etc/passwd", b"nul\0", b"", b"esc\x1b[2J"];
                    Reply::Name(names.into_iter().map(entry).collect())
                }
                _ => Reply::status(Status::Eof, ""),
            }
        }
        Request::Read { offset, .. } if lie == Lie::Shorter && *offset >= SIZE / 2 => Reply::status(Status::Eof, ""),
        Request::Read { length, .. } => {
            let more = usize::from(lie == Lie::TooMuch);
            Reply::Data(vec![7; *length as usize + more].into())
        }
        Request::Close { .. } => Reply::status(Status::Ok, ""),
        _ => Reply::status(Status::OpUnsupported, ""),
    })
}

async fn surroundings() -> Surroundings {
    Surroundings {
        traffic: Arc::new(Traffic::default()),
        pool: BufferPool::new(4),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        silence: Duration::from_millis(400),
        digests: None,
    }
}

/// A session with a server that lies.
async fn open(lie: Lie, folder: &Path) -> Result<Box<dyn Session>, ClientError> {
    site(lie, folder).await.open(&surroundings().await).await
}

async fn site(lie: Lie, folder: &Path) -> Sftp {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        let config = Arc::new(Config { keys: vec![key], ..Config::default() });
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(running) = run_stream(Arc::clone(&config), socket, Liar { lie, channel: None }).await {
                tokio::spawn(running);
            }
        }
    });
    let login = Login { identities: Vec::new(), secrets: Arc::new(NoSecrets), password_first: false };
    let mut options = SftpOptions::new(Trust::AcceptNew, folder.join("known_servers"), folder, login);
    options.known_hosts.clear();
    options.login_timeout = Duration::from_millis(400);
    Sftp::new(SftpConnector::new(Target::sftp("al", "127.0.0.1", port), options))
}

fn at(path: &str) -> Location {
    let root = Root::new(RemotePath::from_typed(path.as_bytes()).unwrap().into());
    Location::new(&root, RemotePath::home(), Reach::Follow)
}

async fn walk(session: &mut dyn Session) -> (Result<(), ClientError>, Vec<Page>) {
    let (pages, mut told) = mpsc::channel(1);
    let place = at("~");
    let walking = session.walk(&place, Walk { follow: false, digests: false, enters: Arc::new(|_| true) }, pages);
    let taking = async {
        let mut all = Vec::new();
        while let Some(page) = told.recv().await {
            all.push(page);
        }
        all
    };
    tokio::join!(walking, taking)
}

/// Ignores progress.
#[derive(Debug)]
struct Nobody;

impl Watch for Nobody {
    fn opened(&self, _: &Opened) {}
    fn phase(&self, _: Phase) {}
    fn moved(&self, _: u64) {}
    fn kept(&self, _: u64) {}
    fn is_stopped(&self) -> bool {
        false
    }
}

async fn read(session: &mut dyn Session) -> Result<u64, ClientError> {
    let expected = FileFacts { size: SIZE, mtime: Mtime(0, 0) };
    let get = Get { at: at("~/file"), expected, growing: false, opened_first: false, basis: None };
    let (pieces, mut taken) = mpsc::channel(1);
    let (_, held) = mpsc::channel(1);
    let reading = session.get(get, held, pieces, Arc::new(Nobody));
    let taking = async {
        while let Some(piece) = taken.recv().await {
            if let Piece::Block { bytes, .. } = piece {
                assert!(bytes.len() as u64 <= SIZE);
            }
        }
    };
    let (end, ()) = tokio::join!(reading, taking);
    end.map(|end| end.size)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_lead_elsewhere_are_left_out_of_a_listing() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(Lie::Names, folder.path()).await.unwrap();
    let (walked, pages) = walk(&mut *session).await;
    walked.unwrap();
    let names: Vec<Vec<u8>> =
        pages.iter().flat_map(|page| &page.entries).map(|entry| entry.name.as_bytes().to_vec()).collect();
    assert!(names.contains(&b"good".to_vec()), "{names:?}");
    assert!(
        names.iter().all(|name| !name.contains(&b'/') && !name.contains(&0) && !name.starts_with(b".")),
        "{names:?}"
    );
    assert_eq!(pages.iter().map(|page| page.left_out.len()).sum::<usize>(), 4, "{pages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_without_an_end_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(Lie::NoEnd, folder.path()).await.unwrap();
    let (walked, _) = walk(&mut *session).await;
    assert!(matches!(walked, Err(ClientError::Protocol(_))), "{walked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_in_itself_is_left_at_some_depth() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(Lie::Deep, folder.path()).await.unwrap();
    let (walked, pages) = walk(&mut *session).await;
    walked.unwrap();
    assert!(pages.len() <= 2 * DEPTH_MAX, "{}", pages.len());
    assert_eq!(pages.iter().map(|page| page.left_out.len()).sum::<usize>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_more_names_than_can_be_real_is_given_up_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(Lie::Full, folder.path()).await.unwrap();
    let (pages, mut told) = mpsc::channel(1);
    let place = at("~");
    let walking = session.walk(&place, Walk { follow: false, digests: false, enters: Arc::new(|_| true) }, pages);
    let taking = async {
        let mut names = 0_u64;
        while let Some(page) = told.recv().await {
            assert!(page.entries.len() <= 1000);
            names += page.entries.len() as u64;
        }
        names
    };
    let (walked, names) = tokio::join!(walking, taking);
    assert!(matches!(walked, Err(ClientError::Protocol(_))), "{walked:?}");
    assert!(names >= 1_000_000, "{names}: a folder may be large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_an_end_leaves_nothing_on_this_computer() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    std::fs::create_dir(&target).unwrap();
    let from = site(Lie::Endless, folder.path()).await;
    let (engine, mut events) = Engine::start(Settings::default());
    let piece = JobPiece { from: RemotePath::from_typed(b"~/file").unwrap().into(), to: target.join("file").into() };
    let work = Work::Copy { from: Arc::new(from), to: Arc::new(Local), pieces: vec![piece] };
    engine.add(Job { work, options: JobOptions::default() });
    let summary = loop {
        if let Event::JobDone { summary, .. } = events.recv().await.unwrap() {
            break summary;
        }
    };
    assert!(matches!(summary.error, Some(ClientError::NoRoom { .. })), "{summary:?}");
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0);
}

/// The answers to requests, in the order of their ends.
async fn ask(session: &mut dyn Session, ops: impl IntoIterator<Item = Op>) -> Vec<Answer> {
    let (requests, incoming) = mpsc::channel(2);
    let (outgoing, mut answers) = mpsc::channel(2);
    for (id, op) in (0..).zip(ops) {
        requests.try_send(SiteRequest { id, op, watch: None }).unwrap();
    }
    drop(requests);
    session.batch(incoming, outgoing).await.unwrap();
    let mut all = Vec::new();
    while let Some(answer) = answers.recv().await {
        all.push(answer);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_cannot_be_replaced_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(Lie::Rename, folder.path()).await.unwrap();
    let make = Op::MakeLink { at: at("~/link"), text: b"new".to_vec(), replace: true };
    let [Answer { result, .. }] = &ask(&mut *session, [make]).await[..] else { panic!("not one answer") };
    assert!(matches!(result, Err(ClientError::Refused(_))), "{result:?}");
    let [Answer { result, .. }] = &ask(&mut *session, [Op::ReadLink { at: at("~/link") }]).await[..] else {
        panic!("not one answer")
    };
    assert!(matches!(result, Ok(Done::Link(text)) if text == b"old"), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_removed_in_the_order_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(Lie::LateLook, folder.path()).await.unwrap();
    let remove = |path| Op::Remove { at: at(path), only: None };
    for Answer { id, result } in ask(&mut *session, ["~/outer/inner", "~/outer"].map(remove)).await {
        assert!(result.is_ok(), "{id}: {result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_a_login_or_opens_no_channel_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    for lie in [Lie::NoLogin, Lie::NoChannel] {
        let opened = open(lie, folder.path()).await;
        assert!(matches!(opened, Err(ClientError::Timeout(_))), "{lie:?}: {opened:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_owes_an_answer_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(Lie::Silent, folder.path()).await.unwrap();
    let (walked, _) = walk(&mut *session).await;
    assert!(matches!(walked, Err(ClientError::Timeout(_))), "{walked:?}");
    assert!(!session.is_usable());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_asked_for_ends_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(Lie::Unasked, folder.path()).await.unwrap();
    let (walked, _) = walk(&mut *session).await;
    assert!(matches!(walked, Err(ClientError::Protocol(_))), "{walked:?}");
    assert!(!session.is_usable());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_shorter_than_it_was_is_not_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(Lie::Shorter, folder.path()).await.unwrap();
    let end = read(&mut *session).await;
    assert!(matches!(end, Err(ClientError::SourceChanged)), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_data_than_was_asked_for_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = open(Lie::TooMuch, folder.path()).await.unwrap();
    let end = read(&mut *session).await;
    assert!(matches!(end, Err(ClientError::Protocol(_))), "{end:?}");
    let mut honest = open(Lie::None, folder.path()).await.unwrap();
    assert_eq!(read(&mut *honest).await.unwrap(), SIZE);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_the_protocol_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open(Lie::Version, folder.path()).await;
    assert!(matches!(opened, Err(ClientError::Protocol(_))), "{opened:?}");
}
