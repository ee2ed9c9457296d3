//! Watches the local folders that the panes show, and tells when something in them changes.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
    time,
};

use crate::tui::{
    event::Event,
    state::{place::Place, side::Side},
};

/// How long changes are gathered before they are told.
const GATHER: Duration = Duration::from_millis(100);

/// The folders that are watched, one for each pane.
#[derive(Debug)]
pub(super) struct Watched {
    events: mpsc::Sender<Event>,
    folders: HashMap<Side, AbortHandle>,
}

impl Watched {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, folders: HashMap::new() }
    }

    /// Watches another folder for a pane, or none. Where that is not possible, the folder is not watched.
    pub(super) fn watch(&mut self, side: Side, folder: Option<PathBuf>) {
        if let Some(before) = self.folders.remove(&side) {
            before.abort();
        }
        if let Some(folder) = folder {
            let task = tokio::spawn(follow(self.events.clone(), folder));
            self.folders.insert(side, task.abort_handle());
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.folders.values().for_each(AbortHandle::abort);
    }
}

async fn follow(events: mpsc::Sender<Event>, folder: PathBuf) {
    let changed = Arc::new(Notify::new());
    let (theirs, path) = (Arc::clone(&changed), folder.clone());
    // A folder on a dead disk may block.
    let Ok(Ok(_watcher)) = tokio::task::spawn_blocking(move || start(&path, theirs)).await else { return };
    loop {
        changed.notified().await;
        time::sleep(GATHER).await;
        if events.send(Event::Changed(Place::local(&*folder))).await.is_err() {
            return;
        }
    }
}

fn start(folder: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the folder is no change of it.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed.notify_one();
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_in_a_watched_folder_is_told_and_reading_it_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, mut events) = mpsc::channel(8);
        let mut watched = Watched::new(sender);
        watched.watch(Side::Left, Some(folder.path().to_owned()));
        let place = Place::local(folder.path());
        // The watch begins at some time; files are made until one is noticed.
        let mut made = 0;
        loop {
            std::fs::write(folder.path().join(made.to_string()), "x").unwrap();
            made += 1;
            if let Ok(event) = time::timeout(Duration::from_millis(200), events.recv()).await {
                assert!(matches!(event, Some(Event::Changed(changed)) if changed == place));
                break;
            }
        }
        while time::timeout(Duration::from_millis(300), events.recv()).await.is_ok() {}
        assert!(std::fs::read_dir(folder.path()).unwrap().count() > 0);
        std::fs::read(folder.path().join("0")).unwrap();
        assert!(time::timeout(Duration::from_millis(300), events.recv()).await.is_err(), "reading was told");
        watched.watch(Side::Left, None);
        std::fs::write(folder.path().join("more"), "x").unwrap();
        assert!(time::timeout(Duration::from_millis(300), events.recv()).await.is_err(), "it is still watched");
    }
}
