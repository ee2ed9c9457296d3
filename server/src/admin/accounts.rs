//! How commands read and change accounts and invites: in the file if they may, else through the running server.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{AdminError, load, tell};
use crate::{
    control::{
        client::{AskError, Line},
        message::{Answer, Ask},
    },
    storage::Storage,
    users::{
        self, StoreError, UserName, barred,
        change::{Change, ChangeError},
        facts::{AccountFacts, Facts},
        file::{self, Store},
    },
};

/// The accounts of a data folder.
pub(super) struct Accounts<'a> {
    config: Option<PathBuf>,
    data: &'a Path,
    store: PathBuf,
}

/// The outcome of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changed {
    /// Whether an added user finds files, or whether a removed user's files were removed.
    pub(super) files: bool,
}

impl<'a> Accounts<'a> {
    /// The accounts in the data folder `data`; `config` tells where the running server is.
    pub(super) fn new(config: Option<PathBuf>, data: &'a Path) -> Self {
        Self { config, data, store: users::store_file(data) }
    }

    /// All accounts and invites. A file that is missing or unreadable is not an empty store.
    pub(super) fn facts(&self) -> Result<Facts, AdminError> {
        file::is_there_or_new(&self.store)?;
        self.facts_now()
    }

    /// The user of this name. A store that does not exist yet counts as empty.
    pub(super) fn find(&self, name: &UserName) -> Result<Option<AccountFacts>, AdminError> {
        Ok(self.facts_now()?.users.into_iter().find(|user| user.name == *name))
    }

    fn facts_now(&self) -> Result<Facts, AdminError> {
        match file::load(&self.store) {
            Ok(store) => Ok(Facts::of(&store)),
            Err(error) if is_denied(&error) => match self.ask(Line::open, &error, &Ask::Accounts)? {
                Answer::Accounts(facts) => Ok(*facts),
                _ => Err(AskError::Strange.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a change, and has a running server apply it before success is reported.
    pub(super) fn change(&self, change: &Change) -> Result<Changed, AdminError> {
        match file::load(&self.store) {
            Err(error) if is_denied(&error) => {
                match self.ask(Line::open_for_accounts, &error, &Ask::Change { change: change.clone() })? {
                    Answer::Changed { files } => Ok(Changed { files }),
                    Answer::Unchanged(error) => Err(error.into()),
                    _ => Err(AskError::Strange.into()),
                }
            }
            _ => self.change_here(change),
        }
    }

    fn change_here(&self, change: &Change) -> Result<Changed, AdminError> {
        let config = &self.config;
        let mut barred = Vec::new();
        let closing = |names: &[UserName]| barred = tell::closing(config.clone(), self.data, names);
        let then = |old: &Store, new: &Store| tell::users_changed(config.clone(), self.data, old, new);
        let apply = |store: &mut Store| {
            let is_known = matches!(change, Change::Remove { name, .. } if store.users.contains_key(name));
            change.apply(store).map(|()| is_known)
        };
        let is_known = match file::edit_then(&self.store, apply, closing, then) {
            Ok(changed) => changed?.0,
            Err(error) if barred.is_empty() => return Err(error.into()),
            Err(error) => return Err(AdminError::Barred(barred::not_written(&barred, &error))),
        };
        if let Some(name) = change.enables() {
            tell::allow(config.clone(), self.data, name);
        }
        let storage = || Storage::inspect(self.data);
        let files = match change {
            // Without a data folder there are no files either.
            Change::Add { name, .. } => storage().and_then(|found| found.has_user(name.as_str())).unwrap_or(false),
            Change::Remove { name, purge: true } => {
                let purged = storage().and_then(|found| found.remove_user(name.as_str()));
                let files = purged.map_err(|source| AdminError::Purge { name: name.clone(), source })?;
                if !is_known && !files {
                    return Err(ChangeError::NoSuchUser(name.clone()).into());
                }
                files
            }
            _ => false,
        };
        Ok(Changed { files })
    }

    /// Asks the running server because access to the file was `denied`.
    fn ask(
        &self,
        open: impl FnOnce(PathBuf) -> Result<Line, AskError>,
        denied: &StoreError,
        ask: &Ask,
    ) -> Result<Answer, AdminError> {
        let socket = tell::socket(self.config.clone(), self.data);
        match open(socket).and_then(|mut line| line.ask(ask)) {
            Err(AskError::NoServer(_) | AskError::NotAllowed(_)) => Err(AdminError::NotYours(denied.to_string())),
            answer => Ok(answer?),
        }
    }

    /// Whether registration is closed, if the configuration can be read.
    pub(super) fn is_registration_closed(&self) -> Result<bool, AdminError> {
        use crate::config::RegistrationMode;
        Ok(load(self.config.clone())?.config.registration.mode == RegistrationMode::Closed)
    }
}

/// Whether the file belongs to another user.
fn is_denied(error: &StoreError) -> bool {
    matches!(error, StoreError::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
}
