//! Reads and writes the user's sites and bookmarks, `sites.toml` and `bookmarks.toml`, and the recent servers.

mod history;
mod recent;

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use ferry_client::{SitePath, connect::Target};
use ferry_shared::{
    path::{PathError, RemotePath},
    secret::Secret,
    text_file,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::reply::Reply;
use crate::{
    address::Address,
    home::Home,
    keyring::{self, Keyring, KeyringError},
    sites::{Site, Sites, SitesError},
    tui::{
        event::{Answer, Event},
        state::{
            past::Past,
            place::Place,
            problem::Problem,
            saved::{Bookmark, NamedSite, Saved},
            server::Server,
        },
    },
};

/// Reads and writes the sites and bookmarks, and their passwords in the keyring; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    events: mpsc::Sender<Event>,
    sites: PathBuf,
    bookmarks: PathBuf,
    recent: PathBuf,
    history: PathBuf,
    /// One change at a time.
    busy: Arc<Mutex<()>>,
    keyring: Arc<dyn Keyring>,
}

/// An error of the files with sites and bookmarks.
#[derive(Debug, thiserror::Error)]
enum SavedError {
    #[error(transparent)]
    Sites(#[from] SitesError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Syntax(#[from] toml::de::Error),
    #[error(transparent)]
    Write(#[from] toml::ser::Error),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{0}")]
    Server(String),
    #[error("a path that is not valid UTF-8 cannot be a bookmark")]
    NoText,
}

/// Bookmarks as they are written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    bookmarks: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
}

impl Keeper {
    pub(super) fn new(events: mpsc::Sender<Event>, home: &Home) -> Self {
        Self {
            events,
            sites: home.sites(),
            bookmarks: bookmarks(home),
            recent: recent(home),
            history: home.state().join(history::FILE),
            busy: Arc::default(),
            keyring: keyring::system(),
        }
    }

    pub(super) fn save_site(&self, old: Option<String>, site: NamedSite) {
        self.change(move |files, _| {
            let mut sites = Sites::load(files.to_owned())?;
            let orphan = old.as_ref().and_then(|old| keyring::orphan(&sites, old, Some(&site.site)));
            if let Some(old) = old {
                sites.remove(&old)?;
            }
            sites.add(&site.name, site.site)?;
            Ok(orphan)
        });
    }

    pub(super) fn remove_site(&self, name: String) {
        self.change(move |files, _| {
            let mut sites = Sites::load(files.to_owned())?;
            let orphan = keyring::orphan(&sites, &name, None);
            sites.remove(&name)?;
            Ok(orphan)
        });
    }

    /// The password of an account in the keyring.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub(super) async fn password(&self, target: &Target) -> Result<Option<Secret>, KeyringError> {
        self.keyring.get(target.url()).await
    }

    /// Puts a password into the keyring, for the site of this name.
    pub(super) async fn remember(&self, site: String, target: &Target, password: Secret) {
        match self.keyring.set(target.url(), password).await {
            Ok(()) => self.change(move |files, _| {
                Sites::load(files.to_owned())?.mark(&site, true)?;
                Ok(None)
            }),
            Err(error) => {
                let problem = Problem::new(format!("the password is not remembered: {error}"));
                let _ = self.events.send(Event::Problem(problem)).await;
            }
        }
    }

    pub(super) fn save_bookmarks(&self, bookmarks: Vec<Bookmark>) {
        self.change(move |_, file| write(file, &bookmarks).map(|()| None));
    }

    /// Saves the recent servers.
    pub(super) fn save_recent(&self, all: Vec<Server>) {
        let file = self.recent.clone();
        self.write("the recent servers are not saved", move || recent::write(&file, &all));
    }

    /// Adds a transfer to the history.
    pub(super) fn note_past(&self, past: Past) {
        let file = self.history.clone();
        self.write("the transfer is not in the history", move || Ok(history::add(&file, &past)?));
    }

    /// Forgets the history.
    pub(super) fn clear_history(&self) {
        let file = self.history.clone();
        self.write("the history is not forgotten", move || Ok(history::clear(&file)?));
    }

    /// Reads the history.
    pub(super) fn read_history(&self, reply: Reply) {
        let (file, busy) = (self.history.clone(), Arc::clone(&self.busy));
        tokio::task::spawn_blocking(move || {
            let _one_at_a_time = busy.lock();
            match history::read(&file) {
                Ok((all, damaged)) => reply.post(Answer::History(all, damaged)),
                Err(error) => reply.post_error(&file, error),
            }
        });
    }

    /// Writes a file that nothing depends on. A failure is told as `fault`.
    fn write(&self, fault: &'static str, work: impl FnOnce() -> Result<(), SavedError> + Send + 'static) {
        let (busy, events) = (Arc::clone(&self.busy), self.events.clone());
        tokio::task::spawn_blocking(move || {
            let _one_at_a_time = busy.lock();
            if let Err(error) = work() {
                let _ = events.blocking_send(Event::Problem(Problem::new(format!("{fault}: {error}"))));
            }
        });
    }

    /// Makes a change, then reports the sites and bookmarks. The change may leave an account whose password is to be
    /// removed from the keyring.
    fn change(&self, work: impl FnOnce(&Path, &Path) -> Result<Option<String>, SavedError> + Send + 'static) {
        let (events, busy) = (self.events.clone(), Arc::clone(&self.busy));
        let (sites, bookmarks, recent) = (self.sites.clone(), self.bookmarks.clone(), self.recent.clone());
        let keyring = Arc::clone(&self.keyring);
        tokio::task::spawn_blocking(move || {
            let one_at_a_time = busy.lock();
            let done = work(&sites, &bookmarks);
            if let Err(error) = &done {
                let _ = events.blocking_send(Event::Problem(Problem::new(format!("not saved: {error}"))));
            }
            let (saved, _) = load(&sites, &bookmarks, &recent);
            let _ = events.blocking_send(Event::Saved(saved));
            drop(one_at_a_time);
            let Ok(Some(orphan)) = done else { return };
            let removed = tokio::runtime::Handle::current().block_on(keyring.remove(orphan));
            if let Err(error) = removed {
                let text = format!("the password is still in the keyring: {error}");
                let _ = events.blocking_send(Event::Problem(Problem::new(text)));
            }
        });
    }
}

/// The file of the bookmarks.
pub(super) fn bookmarks(home: &Home) -> PathBuf {
    home.config().join("bookmarks.toml")
}

/// The file of the recent servers.
pub(super) fn recent(home: &Home) -> PathBuf {
    home.state().join(recent::FILE)
}

/// Reads the sites, the bookmarks and the recent servers, and lists the errors in the files of the first two.
pub(super) fn load(sites: &Path, bookmarks: &Path, recent: &Path) -> (Saved, Vec<String>) {
    let mut faults = Vec::new();
    let mut saved = Saved::default();
    match Sites::load(sites.to_owned()) {
        Ok(sites) => {
            let named = |(name, site): (&String, &Site)| NamedSite { name: name.clone(), site: site.clone() };
            saved.sites = sites.iter().map(named).collect();
        }
        Err(error) => faults.push(error.to_string()),
    }
    saved.recent = recent::read(recent);
    match read(bookmarks) {
        Ok(all) => saved.bookmarks = all,
        Err(error) => faults.push(format!("{} cannot be used: {error}", bookmarks.display())),
    }
    (saved, faults)
}

fn read(file: &Path) -> Result<Vec<Bookmark>, SavedError> {
    let text = match text_file::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let lines = toml::from_str::<File>(&text)?.bookmarks;
    let bookmark = |line: Line| {
        let place = match &line.server {
            None => Place::local(line.path),
            Some(server) => {
                let server = Address::server(OsStr::new(server)).map_err(|error| error.to_string());
                let target = server.and_then(Server::from_address).map_err(SavedError::Server)?.target;
                Place::remote(target, RemotePath::from_typed(line.path.as_bytes())?)
            }
        };
        Ok(Bookmark { place })
    };
    lines.into_iter().map(bookmark).collect()
}

fn write(file: &Path, bookmarks: &[Bookmark]) -> Result<(), SavedError> {
    let line = |bookmark: &Bookmark| {
        let path = match &bookmark.place.path {
            SitePath::Local(path) => path.to_str().map(str::to_owned),
            SitePath::Remote(path) => String::from_utf8(path.as_bytes().to_vec()).ok().map(|path| format!("/{path}")),
        };
        let path = path.ok_or(SavedError::NoText)?;
        Ok(Line { path, server: bookmark.place.target().map(Target::to_string) })
    };
    let bookmarks = bookmarks.iter().map(line).collect::<Result<_, SavedError>>()?;
    Ok(replace(file, &toml::to_string(&File { bookmarks })?)?)
}

/// Writes a file, in place of what is there.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut temporary, text.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::keyring::memory::Memory;

    fn remote(host: &str, path: &str) -> Place {
        let target = Target::ferry("al", host, 7021);
        Place::remote(target, RemotePath::from_typed(path.as_bytes()).unwrap())
    }

    #[tokio::test]
    async fn a_password_is_remembered_for_its_account_and_a_refusal_of_the_keyring_marks_no_site() {
        let folder = tempfile::tempdir().unwrap();
        let (file, target) = (folder.path().join("sites.toml"), Target::ferry("al", "h", 1));
        fs::write(&file, "[sites.work]\naddress = 'h:1'\nuser = 'al'\n").unwrap();
        let marked = || fs::read_to_string(&file).unwrap().contains("keyring = true");
        let (events, mut told) = mpsc::channel(8);
        let mut keeper = Keeper {
            events,
            sites: file.clone(),
            bookmarks: folder.path().join("bookmarks.toml"),
            recent: folder.path().join("recent.toml"),
            history: folder.path().join("history.jsonl"),
            busy: Arc::default(),
            keyring: Arc::new(Memory(Mutex::new(Err(KeyringError::Locked)))),
        };
        keeper.remember("work".to_owned(), &target, Secret::new("pw".to_owned())).await;
        let Some(Event::Problem(problem)) = told.recv().await else { panic!("no problem") };
        assert!(problem.to_string().contains("is not remembered: the keyring is locked"), "{problem}");
        assert!(!marked());
        keeper.keyring = Arc::new(Memory(Mutex::new(Ok(HashMap::new()))));
        keeper.remember("work".to_owned(), &target, Secret::new("pw".to_owned())).await;
        assert!(matches!(told.recv().await, Some(Event::Saved(_))) && marked());
        assert_eq!(keeper.password(&target).await.unwrap().unwrap().expose(), "pw");
        assert!(keeper.password(&Target::sftp("al", "h", 1)).await.unwrap().is_none());
        // The password goes with the site.
        keeper.remove_site("work".to_owned());
        assert!(matches!(told.recv().await, Some(Event::Saved(_))));
        drop(std::mem::replace(&mut keeper.events, mpsc::channel(1).0));
        assert!(told.recv().await.is_none(), "no problem is told, and the change has ended");
        assert!(keeper.password(&target).await.unwrap().is_none());
    }

    #[test]
    fn bookmarks_of_earlier_programs_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bookmarks.toml");
        let text = "[[bookmarks]]\npath = \"/srv\"\n\n[[bookmarks]]\npath = \"/a/b\"\nserver = \"al@h:7021\"\n";
        fs::write(&file, text).unwrap();
        let (saved, faults) = load(&folder.path().join("none"), &file, &folder.path().join("none"));
        let places: Vec<Place> = saved.bookmarks.into_iter().map(|bookmark| bookmark.place).collect();
        assert_eq!((places, faults), (vec![Place::local("/srv"), remote("h", "a/b")], Vec::<String>::new()));
        write(&file, &[Bookmark { place: remote("h", "a/b") }]).unwrap();
        assert!(fs::read_to_string(&file).unwrap().contains("server = \"al@h:7021\""));
    }

    #[test]
    fn bookmarks_come_back_as_they_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config/bookmarks.toml");
        let bookmarks = vec![
            Bookmark { place: Place::local("/srv/data") },
            Bookmark { place: remote("h", "") },
            Bookmark { place: remote("::1", "a/b") },
        ];
        write(&file, &bookmarks).unwrap();
        let (saved, faults) = load(&folder.path().join("none"), &file, &folder.path().join("none"));
        assert_eq!((saved.bookmarks, faults), (bookmarks, Vec::<String>::new()));
    }

    #[test]
    fn a_broken_file_is_told_and_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bookmarks.toml");
        fs::write(&file, "[[bookmarks]]\npaht = \"/x\"\n").unwrap();
        let (_, faults) = load(&folder.path().join("none"), &file, &folder.path().join("none"));
        assert!(faults[0].contains("bookmarks.toml") && faults[0].contains("line 2"), "{faults:?}");
    }
}
