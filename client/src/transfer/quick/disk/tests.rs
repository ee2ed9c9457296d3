//! The order of flushes and names of small downloads, and of what is told of them.

use ferry_shared::{name::Name, path::RemotePath};

use super::*;
use crate::transfer::{
    core::Core,
    event::{Event, Outcome},
    item::Step,
    job::{JobId, JobOptions, Work},
    local::flush::{self, Done as Flushed},
    path::ItemPath,
    scan,
    task::Task,
};

/// Files that came whole, to be put into `folder`.
fn arrivals(core: &Shared, folder: &std::path::Path, count: usize) -> Vec<Arrival> {
    let work = Work::Download { from: RemotePath::default(), to: folder.to_owned() };
    let task = Arc::new(Task::new(JobId(1), &work, JobOptions::default()));
    task.landing.set((Arc::new(Folder::open(folder).unwrap()), 0)).unwrap();
    let pair = FolderPair {
        local: Some(folder.to_owned()),
        remote: RemotePath::default(),
        above: 0,
        named: true,
        follows: true,
    };
    let pair = Arc::new(pair);
    let arrival = |number: usize| {
        let name = format!("x{number}");
        let path = ItemPath::new(Arc::clone(&pair), name.clone().into(), &Name::new(name.as_bytes()).unwrap());
        let item = Item { step: Step::Fresh, ..scan::new_item(core, &task, path.unwrap()) };
        Arrival { item, size: 0, mtime: Mtime(1, 0), mode: 0o644, bytes: None, root: Digest::of(b"") }
    };
    (0..count).map(arrival).collect()
}

fn told(events: &mut mpsc::Receiver<Event>) -> usize {
    let verified = |event: &Event| matches!(event, Event::ItemDone { outcome: Outcome::Verified { .. }, .. });
    std::iter::from_fn(|| events.try_recv().ok()).filter(verified).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn small_downloads_are_durable_before_their_names_and_the_names_before_they_are_told() {
    for count in [1, FEW, FEW + 1, GROUP - 1] {
        let dir = tempfile::tempdir().unwrap();
        let (core, mut events) = Core::alone();
        let flushing = move || {
            let mut writer = Writer::new(&core);
            arrivals(&core, dir.path(), count).into_iter().for_each(|arrival| writer.place(arrival));
            assert!(flush::take_seen().is_empty(), "nothing has a name");
            writer.flush();
            let mut expected = if count > FEW { vec![Flushed::FileSystem] } else { vec![Flushed::File; count] };
            expected.extend(vec![Flushed::Name; count]);
            assert_eq!((flush::take_seen(), told(&mut events)), (expected, 0), "{count}");
            writer.flush();
            assert_eq!((flush::take_seen(), told(&mut events)), (vec![Flushed::Folder], count));
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), count);
        };
        tokio::task::spawn_blocking(flushing).await.unwrap();
    }
}
