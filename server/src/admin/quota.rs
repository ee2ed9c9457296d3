//! `ferryd quota …`: asks the running server, or reads the disk if none is running.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{AdminError, quota_report as report};
use crate::{
    args::QuotaVerb,
    config::Loaded,
    control::{
        self,
        client::{self, AskError, Line},
        message::{Answer, Ask, Explained, Rescanned, Source},
        same_path,
    },
    output,
    quota::{LedgerFile, Tally},
    rescan::RescanError,
    storage::{Durability, Home, Storage, StorageError},
    user_state::{Pace, count, part_growth},
    users::{self, UserName, change::ChangeError, file},
};

pub(super) fn run(verb: QuotaVerb, json: bool, loaded: &Loaded, data: &Path) -> Result<(), AdminError> {
    let socket = client::path(loaded.config.control.socket.as_deref(), data);
    let line = match Line::open(socket.clone()) {
        Ok(line) => Some(line.patient()?),
        Err(AskError::NoServer(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match verb {
        QuotaVerb::Explain { name } => {
            let explained = match line {
                Some(mut line) => match line.ask(&Ask::Explain { user: name.to_string() })? {
                    Answer::Explained(explained) => *explained,
                    _ => return Err(AskError::Strange.into()),
                },
                None => explain(&name, data)?,
            };
            Ok(output::result(json, || report::explained(&explained), &explained)?)
        }
        QuotaVerb::Discard { name, paths, all } => {
            let paths = Some(paths).filter(|_| !all);
            let gone = match line {
                Some(mut line) => match line.ask(&Ask::Discard { user: name.clone(), paths: paths.clone() })? {
                    Answer::Discarded { paths } => paths,
                    _ => return Err(AskError::Strange.into()),
                },
                None => discard(&name, data, paths.as_deref()).map_err(|error| in_use(error, socket))?,
            };
            let result = |path: &String| json!({ "path": path, "outcome": "discarded" });
            let text = || gone.iter().map(|path| format!("{path} discarded\n")).collect();
            output::result(json, text, &gone.iter().map(result).collect::<Vec<_>>())?;
            let is_gone = |path: &&String| gone.iter().any(|gone| same_path(gone, path));
            match paths.unwrap_or_default().iter().find(|path| !is_gone(path)) {
                Some(path) => Err(AdminError::NoSuchUpload { user: name, path: path.clone() }),
                None => Ok(()),
            }
        }
        QuotaVerb::Rescan { name } => {
            let all = match line {
                Some(mut line) => match line.ask(&Ask::Rescan { user: name.map(|name| name.to_string()) })? {
                    Answer::Rescanned(all) => all,
                    _ => return Err(AskError::Strange.into()),
                },
                None => rescan(name, data).map_err(|error| in_use(error, socket))?,
            };
            output::result(json, || report::rescanned(&all), &all)?;
            let failed: Vec<_> = all.iter().filter(|one| one.failed.is_some()).map(|one| one.user.as_str()).collect();
            if failed.is_empty() { Ok(()) } else { Err(AdminError::NotCounted(failed.join(", "))) }
        }
    }
}

/// The error for a server that uses the folder but was not reached.
fn in_use(error: AdminError, socket: PathBuf) -> AdminError {
    match error {
        AdminError::Storage(StorageError::InUse) => AdminError::InUse(socket),
        other => other,
    }
}

/// Discards unfinished uploads while no server runs; returns their paths.
fn discard(name: &UserName, data: &Path, paths: Option<&[String]>) -> Result<Vec<String>, AdminError> {
    is_known(name, data)?;
    if !data.join("users").exists() {
        return Ok(Vec::new());
    }
    let home = match Storage::open(data, Durability::Full)?.home(name.as_str(), false) {
        Err(StorageError::NoSuchUser) => return Ok(Vec::new()),
        home => home?,
    };
    let mut gone = Vec::new();
    for path in control::wanted(&home.parts(), paths) {
        if home.discard(&path)? {
            gone.push(path.display().to_string());
        }
    }
    Ok(gone)
}

/// The record of a user. A store that is missing or unreadable is not an empty one.
fn is_known(name: &UserName, data: &Path) -> Result<file::Record, AdminError> {
    let mut store = load(data)?;
    store.users.remove(name).ok_or_else(|| ChangeError::NoSuchUser(name.clone()).into())
}

fn load(data: &Path) -> Result<file::Store, AdminError> {
    let path = users::store_file(data);
    file::is_there_or_new(&path)?;
    Ok(file::load(&path)?)
}

/// Explains the usage of a user from the disk, while no server runs.
fn explain(name: &UserName, data: &Path) -> Result<Explained, AdminError> {
    let record = is_known(name, data)?;
    let mut explained = Explained {
        user: name.to_string(),
        source: Source::Count,
        used: Tally::default().into(),
        reserved: Tally::default().into(),
        quota: record.quota.map(|size| size.0),
        max_files: Some(record.file_limit()),
        suspect: false,
        parts: Vec::new(),
    };
    let home = match Storage::inspect(data).and_then(|storage| storage.home(name.as_str(), false)) {
        // The user has never logged in.
        Err(StorageError::NoSuchUser) => return Ok(explained),
        home => home?,
    };
    explained.used = match believed(&home)? {
        Some(used) => {
            explained.source = Source::Ledger;
            used.into()
        }
        None => count(&home, Pace::Quick, &|| false)?.0.into(),
    };
    let mut reserved = Tally::default();
    for part in home.parts() {
        // An interrupted stream reserves nothing: the next start removes it.
        if part.meta.size.is_none() {
            continue;
        }
        let held = part_growth(&home, &part);
        reserved = reserved.plus(held);
        explained.parts.push(control::staged_part(part, held.bytes));
    }
    explained.reserved = reserved.into();
    Ok(explained)
}

/// The number of a user's files and folders; `None` if the user has never logged in.
pub(super) fn files(name: &UserName, data: &Path) -> Result<Option<u64>, StorageError> {
    let home = match Storage::inspect(data).and_then(|storage| storage.home(name.as_str(), false)) {
        Err(StorageError::NoSuchUser) => return Ok(None),
        home => home?,
    };
    let used = match believed(&home)? {
        Some(used) => used,
        None => count(&home, Pace::Quick, &|| false)?.0,
    };
    Ok(Some(used.files))
}

fn believed(home: &Home) -> Result<Option<Tally>, StorageError> {
    let stamp = home.stamp()?;
    Ok(home.read_ledger()?.and_then(|bytes| LedgerFile::believed(&bytes, &stamp)))
}

/// Counts homes while no server runs, and keeps servers out meanwhile.
fn rescan(name: Option<UserName>, data: &Path) -> Result<Vec<Rescanned>, AdminError> {
    let store = load(data)?;
    if let Some(name) = name.as_ref().filter(|name| !store.users.contains_key(*name)) {
        return Err(ChangeError::NoSuchUser(name.clone()).into());
    }
    if !data.join("users").exists() {
        return Ok(Vec::new());
    }
    let storage = Storage::open(data, Durability::Full)?;
    let wanted = store.users.into_keys().filter(|user| name.as_ref().is_none_or(|name| name == user));
    let mut all = Vec::new();
    for user in wanted {
        match storage.home(user.as_str(), false) {
            Err(StorageError::NoSuchUser) => {}
            home => all.push(rescan_one(&user, &home?)?),
        }
    }
    Ok(all)
}

/// Removes a wrong ledger, so that the next start counts. Nothing is written, because the server could not read a
/// file that root creates.
fn rescan_one(user: &UserName, home: &Home) -> Result<Rescanned, AdminError> {
    let believed = believed(home)?;
    let (counted, counter) = count(home, Pace::Quick, &|| false)?;
    let failed = match counter.unreadable() {
        0 => None,
        unreadable => Some(RescanError::Unreadable(unreadable).to_string()),
    };
    if believed.is_some_and(|believed| believed != counted) && failed.is_none() {
        home.take_ledger()?;
    }
    let counted = failed.is_none().then(|| counted.into());
    Ok(Rescanned { user: user.to_string(), believed: believed.map(Into::into), counted, failed })
}
