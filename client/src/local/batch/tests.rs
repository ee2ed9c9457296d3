//! The order of flushes, renames and answers of small files, and the effects of requests on the disk.

use std::{fs, path::Path, sync::Arc};

use ferry_shared::{digest::Digest, path::RemotePath};

use super::{
    small::{FEW, GROUP},
    *,
};
use crate::{
    conformance::scene::{DATE, content},
    local::flush::{self, Done as Flushed},
    obstacle::Obstacle,
    site::{FileFacts, OnlyIf, Over, Put, Root},
};

fn at(root: &Arc<Root>, below: &str, reach: Reach) -> Location {
    Location::new(root, RemotePath::from_wire(below.as_bytes()).unwrap(), reach)
}

fn put(root: &Arc<Root>, below: &str, over: Over) -> Put {
    Put {
        at: at(root, below, Reach::Contained),
        over,
        resume: false,
        begun: false,
        keep_attributes: true,
        mode: None,
        parents: true,
        expected: FileFacts { size: 0, mtime: DATE },
        verify: false,
    }
}

fn stored(small: &mut Small) -> usize {
    small.take_answers().iter().filter(|answer| matches!(answer.result, Ok(Done::Stored(_)))).count()
}

#[test]
fn small_downloads_are_durable_before_their_names_and_the_names_before_they_are_told() {
    for count in [1, FEW, FEW + 1, GROUP - 1] {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path().into());
        let (mut small, mut targets) = (Small::default(), Targets::default());
        for id in 0..count {
            small.place(id as u64, put(&root, &format!("x{id}"), Over::Nothing), &content(b""), &mut targets);
        }
        assert!(flush::take_seen().is_empty(), "no file has its name yet");
        small.flush();
        let mut expected = if count > FEW { vec![Flushed::FileSystem] } else { vec![Flushed::File; count] };
        expected.extend(vec![Flushed::Name; count]);
        assert_eq!((flush::take_seen(), stored(&mut small)), (expected, 0), "{count}");
        small.flush();
        assert_eq!((flush::take_seen(), stored(&mut small)), (vec![Flushed::Folder], count));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), count);
    }
}

#[test]
fn a_full_group_is_flushed_without_waiting_for_more() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::new(dir.path().into());
    let (mut small, mut targets) = (Small::default(), Targets::default());
    for id in 0..2 * GROUP {
        small.place(id as u64, put(&root, &format!("x{id}"), Over::Nothing), &content(b""), &mut targets);
    }
    assert_eq!(stored(&mut small), GROUP);
}

#[cfg(target_os = "linux")]
#[test]
fn the_names_of_folders_that_were_made_are_durable_before_a_small_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::new(dir.path().join("new").into());
    let (mut small, mut targets) = (Small::default(), Targets::default());
    small.place(0, put(&root, "a/x", Over::Nothing), &content(b""), &mut targets);
    small.flush();
    flush::take_seen();
    small.flush();
    assert_eq!((flush::take_seen(), stored(&mut small)), (vec![Flushed::FileSystem], 1));
}

#[test]
fn a_small_file_whose_target_exists_leaves_no_part() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::new(dir.path().into());
    fs::write(dir.path().join("x"), "other").unwrap();
    let (mut small, mut targets) = (Small::default(), Targets::default());
    small.place(0, put(&root, "x", Over::Nothing), &content(b"new"), &mut targets);
    small.place(1, put(&root, "y", Over::Nothing), &content(b"new"), &mut targets);
    small.flush();
    small.flush();
    let mut answers = small.take_answers();
    answers.sort_by_key(|answer| answer.id);
    assert_eq!(answers[0].result.as_ref().unwrap_err().obstacle(), Obstacle::Exists);
    assert!(matches!(answers[1].result, Ok(Done::Stored(_))));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_file_is_answered_after_its_flushes_without_waiting_for_another_request() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::new(dir.path().into());
    let (requests, incoming) = mpsc::channel(1);
    let (outgoing, mut answers) = mpsc::channel(1);
    let batch = Batch::new(BufferPool::new(2), None, outgoing, Stop::never());
    let running = tokio::task::spawn_blocking(move || {
        batch.run(incoming).unwrap();
        flush::take_seen()
    });
    for (id, below) in ["x", "y"].into_iter().enumerate() {
        let op = Op::Put { put: put(&root, below, Over::Nothing), content: Box::new(content(b"1")) };
        requests.send(Request { id: id as u64, op, watch: None }).await.unwrap();
        // The sender stays open: the answer waits only for the flush.
        assert!(matches!(answers.recv().await.unwrap().result, Ok(Done::Stored(_))));
    }
    drop(requests);
    let once = [Flushed::File, Flushed::Name, Flushed::Folder];
    assert_eq!(running.await.unwrap(), [once, once].concat());
}

/// Sends one request.
async fn ask(op: Op) -> Result<Done, ClientError> {
    let (requests, incoming) = mpsc::channel(1);
    let (outgoing, mut answers) = mpsc::channel(1);
    requests.try_send(Request { id: 3, op, watch: None }).unwrap();
    drop(requests);
    let stop = Stop::never();
    let batch = Batch::new(BufferPool::new(2), None, outgoing, stop);
    tokio::task::spawn_blocking(move || batch.run(incoming)).await.unwrap().unwrap();
    answers.recv().await.unwrap().result
}

async fn look(at: Location) -> Kind {
    match ask(Op::Stat { at }).await {
        Ok(Done::Found(found)) => found.kind,
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_followed_at_a_source_and_not_at_a_target() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "1").unwrap();
    std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
    let root = Root::new(dir.path().into());
    assert_eq!(look(at(&root, "link", Reach::Contained)).await, Kind::Symlink);
    assert_eq!(look(at(&root, "link", Reach::NoFollow)).await, Kind::Symlink);
    assert_eq!(look(at(&root, "link", Reach::Follow)).await, Kind::File);
    for reach in [Reach::Contained, Reach::NoFollow] {
        assert!(ask(Op::Hash { at: at(&root, "link", reach) }).await.is_err());
        assert!(ask(Op::Get { at: at(&root, "link", reach), size: 1, growing: false }).await.is_err());
    }
    assert!(matches!(ask(Op::Hash { at: at(&root, "link", Reach::Follow) }).await, Ok(Done::Hashed { .. })));
    // The link is removed, not its target.
    for reach in [Reach::Contained, Reach::Follow] {
        assert!(matches!(ask(Op::Remove { at: at(&root, "link", reach), only: None }).await, Ok(Done::Done)));
        assert!(dir.path().join("file").exists() && dir.path().join("link").symlink_metadata().is_err());
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_gets_its_date_and_its_permission_bits_and_stays_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let root = Root::new(dir.path().into());
    let folder = || at(&root, "a/b", Reach::Contained);
    ask(Op::MakeFolder { at: folder(), private: true }).await.unwrap();
    let metadata = || fs::metadata(dir.path().join("a/b")).unwrap();
    assert_eq!(metadata().permissions().mode() & 0o777, 0o700);
    ask(Op::SetAttributes { at: folder(), mtime: Some(DATE), mode: Some(0o055), seen: None }).await.unwrap();
    assert_eq!(metadata().permissions().mode() & 0o777, 0o755);
    assert_eq!(Mtime::from(metadata().modified().unwrap()), DATE);
}

/// Whether a source is removed on a condition.
async fn removes(path: &Path, only: OnlyIf) -> bool {
    let at = Location::new(&Root::new(path.into()), RemotePath::home(), Reach::Follow);
    match ask(Op::Remove { at, only: Some(only) }).await {
        Ok(Done::Done) => true,
        Err(ClientError::SourceChanged) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_source_is_removed_by_its_state_or_else_by_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let only = |version, root: &[u8]| OnlyIf { version, root: Some(Digest::of(root)), size: root.len() as u64 };
    let state = || {
        let identity = Identity::of(&fs::File::open(&path).unwrap()).unwrap();
        (identity, Some(Version::new(identity)))
    };
    fs::write(&path, "content").unwrap();
    // Wait until the state of the file would show any write.
    while !state().0.proves(&state().0) {
        std::thread::yield_now();
    }
    let (_, seen) = state();
    assert!(!removes(&path, only(None, b"other")).await && path.exists());
    assert!(removes(&path, only(seen.clone(), b"whatever")).await && !path.exists());
    fs::write(&path, "content").unwrap();
    assert!(!removes(&path, only(seen.clone(), b"CONTENT")).await && path.exists());
    assert!(removes(&path, only(seen, b"content")).await && !path.exists());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn files_whose_size_is_not_theirs_are_read_to_their_end_or_refused() {
    let root = Root::new(Path::new("/").into());
    let get = |path: &str| ask(Op::Get { at: at(&root, path, Reach::Follow), size: 0, growing: false });
    let error = get("proc/version").await.unwrap_err();
    assert!(error.to_string().contains("no size"), "{error}");
    // The file reports the size of a page.
    let path = "sys/kernel/mm/transparent_hugepage/enabled";
    if let Ok(expected) = fs::read(Path::new("/").join(path)) {
        let Ok(Done::Content(read)) = get(path).await else { panic!() };
        assert_eq!((&read.bytes[..], read.opened.size), (&expected[..], Some(expected.len() as u64)));
    }
}

#[tokio::test]
async fn blocks_of_zeros_are_marked_as_zeros() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x"), [0; 1000]).unwrap();
    let root = Root::new(dir.path().into());
    let get = Op::Get { at: at(&root, "x", Reach::Follow), size: 1000, growing: false };
    let Ok(Done::Content(read)) = ask(get).await else { panic!() };
    assert!(read.bytes.is_zeros() && read.bytes.len() == 1000);
}

#[cfg(unix)]
#[tokio::test]
async fn special_files_are_neither_read_nor_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let root = Root::new(dir.path().into());
    for reach in [Reach::Follow, Reach::NoFollow, Reach::Contained] {
        let error = ask(Op::Get { at: at(&root, "fifo", reach), size: 0, growing: false }).await.unwrap_err();
        assert_eq!(error.obstacle(), Obstacle::BadPath);
    }
    let put = Op::Put { put: put(&root, "fifo", Over::Anything), content: Box::new(content(b"new")) };
    assert_eq!(ask(put).await.unwrap_err().obstacle(), Obstacle::Exists);
    assert!(!fs::metadata(&fifo).unwrap().is_file());
}
