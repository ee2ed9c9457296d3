//! `ferryd user …`: changes the user store under its lock and has a running server follow before it says so.
#![expect(clippy::disallowed_methods, reason = "reads a key from a file the operator names")]

use std::{fs, path::Path};

use ferry_shared::{message::reply::Access, name::Escaped};

use super::{AdminError, objects::UserObject, password_input::new_password, tell::Tell, user_report};
use crate::{
    args::{AddUser, Limit, SetUser, UserVerb},
    output,
    storage::Storage,
    users::{
        self, StoredHash, UserName,
        file::{self, Record, Store},
        key::PublicKey,
        password,
    },
};

/// Runs a verb; `tell` has a running server read what was changed.
pub(super) fn run(verb: UserVerb, json: bool, data: &Path, tell: Tell<'_>) -> Result<(), AdminError> {
    let store = users::store_file(data);
    let done = match verb {
        UserVerb::Add(add_user) => add(add_user, &store, data, tell)?,
        UserVerb::Set(set_user) => set(set_user, &store, tell)?,
        UserVerb::Passwd { name, password_stdin } => passwd(name, password_stdin, &store, tell)?,
        UserVerb::Remove { name, purge } => return remove(&name, purge, json, &store, data, tell),
        UserVerb::List => {
            // What is shown of a store that is gone would be that there are no users.
            file::is_there_or_new(&store)?;
            return Ok(user_report::list(&file::load(&store)?, json)?);
        }
        UserVerb::Show { name } => {
            file::is_there_or_new(&store)?;
            let loaded = file::load(&store)?;
            let record = loaded.users.get(&name).ok_or_else(|| AdminError::NoSuchUser(name.clone()))?;
            return Ok(user_report::show(&name, record, json)?);
        }
    };
    done.print(json)
}

/// What was done, to be said once a running server knows it.
struct Done {
    name: UserName,
    outcome: &'static str,
    text: String,
    note: Option<String>,
}

impl Done {
    fn print(self, json: bool) -> Result<(), AdminError> {
        let Self { name, outcome, text, note } = self;
        let object = UserObject { name: &name, outcome, note };
        let note = object.note.as_ref().map(|note| format!("note: {note}\n")).unwrap_or_default();
        Ok(output::result(json, || format!("{text}\n{note}"), &object)?)
    }
}

fn add(add: AddUser, store: &Path, data: &Path, tell: Tell<'_>) -> Result<Done, AdminError> {
    let AddUser { name, quota, max_files, read_only, key, password_stdin } = add;
    // Before anybody types a password in vain; asked again under the lock.
    if file::load(store)?.users.contains_key(&name) {
        return Err(AdminError::UserExists(name));
    }
    let mut keys = Vec::new();
    for path in &key {
        keys.extend(read_keys(path)?);
    }
    let wants_password = password_stdin || keys.is_empty();
    let hash = if wants_password { Some(hash(password_stdin)?) } else { None };
    let mut record = Record::new(hash);
    (record.keys, record.quota, record.max_files) = (keys, quota, max_files);
    if read_only {
        record.access = Access::ReadOnly;
    }
    let insert = |store: &mut Store| {
        if store.users.contains_key(&name) {
            return Err(AdminError::UserExists(name.clone()));
        }
        store.users.insert(name.clone(), record);
        Ok(())
    };
    file::edit_then(store, insert, tell)??;
    let mut note = None;
    // Without a data folder there are no files either.
    if Storage::inspect(data).and_then(|storage| storage.has_user(name.as_str())).unwrap_or(false) {
        let folder = data.join("users").join(name.as_str());
        note = Some(format!(
            "{} is there from before; what is in it is this user's now and counts against the quota",
            folder.display()
        ));
    }
    Ok(Done { text: format!("user '{name}' added"), name, outcome: "added", note })
}

/// The hash of a new password; a short one is the operator's to decide.
fn hash(from_stdin: bool) -> Result<StoredHash, AdminError> {
    let password = new_password(from_stdin)?;
    let hash = password::hash(&password)?;
    if password::is_short(&password) {
        let least = password::PASSWORD_MIN;
        output::note(format_args!("this password is short; users who choose their own need {least} characters"));
    }
    Ok(hash)
}

fn set(set: SetUser, store: &Path, tell: Tell<'_>) -> Result<Done, AdminError> {
    let SetUser { name, quota, max_files, access, enable, disable, expires, max_sessions, bandwidth, .. } = set;
    let mut new_keys = Vec::new();
    for path in &set.add_key {
        new_keys.extend(read_keys(path)?);
    }
    let change_fields = |record: &mut Record| {
        for text in &set.remove_key {
            take_key(&name, record, text)?;
        }
        new_keys.retain(|new| !record.keys.iter().any(|old| old.key() == new.key()));
        record.keys.append(&mut new_keys);
        lay(&mut record.quota, quota);
        lay(&mut record.max_files, max_files);
        lay(&mut record.expires, expires);
        lay(&mut record.max_sessions, max_sessions);
        record.access = access.map_or(record.access, Access::from);
        record.bandwidth = bandwidth.unwrap_or(record.bandwidth);
        record.enabled = enable || (record.enabled && !disable);
        Ok(())
    };
    change(store, &name, change_fields, tell)?;
    Ok(Done { text: format!("user '{name}' changed"), name, outcome: "changed", note: None })
}

fn take_key(name: &UserName, record: &mut Record, text: &str) -> Result<(), AdminError> {
    let found = record.keys.iter().filter(|key| key.is_called(text)).count();
    if found != 1 {
        return Err(AdminError::WhichKey { name: name.clone(), key: text.to_owned(), found });
    }
    record.keys.retain(|key| !key.is_called(text));
    Ok(())
}

fn lay<T>(field: &mut Option<T>, wanted: Option<Limit<T>>) {
    if let Some(Limit(value)) = wanted {
        *field = value;
    }
}

fn passwd(name: UserName, from_stdin: bool, store: &Path, tell: Tell<'_>) -> Result<Done, AdminError> {
    if !file::load(store)?.users.contains_key(&name) {
        return Err(AdminError::NoSuchUser(name));
    }
    let hash = hash(from_stdin)?;
    let set_password = |record: &mut Record| {
        record.password = Some(hash);
        Ok(())
    };
    change(store, &name, set_password, tell)?;
    Ok(Done { text: format!("password of user '{name}' set"), name, outcome: "changed", note: None })
}

fn remove(
    name: &UserName,
    purge: bool,
    json: bool,
    store: &Path,
    data: &Path,
    tell: Tell<'_>,
) -> Result<(), AdminError> {
    let done = |outcome, text| Done { name: name.clone(), outcome, text, note: None }.print(json);
    let take = |store: &mut Store| Ok::<_, AdminError>(store.users.remove(name).is_some());
    // Told before the files go, so that no session uses them any more.
    let (known, ()) = file::edit_then(store, take, tell)??;
    if !purge {
        return match known {
            true => done(
                "removed",
                format!(
                    "user '{name}' removed; the files stay for a user of that name whom you add, --purge removes them"
                ),
            ),
            false => Err(AdminError::NoSuchUser(name.clone())),
        };
    }
    // Also for a user removed before, whose files are still there.
    let purged = Storage::inspect(data).and_then(|storage| storage.remove_user(name.as_str()));
    match purged.map_err(|source| AdminError::Purge { name: name.clone(), source })? {
        false if !known => Err(AdminError::NoSuchUser(name.clone())),
        _ => done("purged", format!("user '{name}' and all files removed")),
    }
}

fn change(
    store: &Path,
    name: &UserName,
    change: impl FnOnce(&mut Record) -> Result<(), AdminError>,
    tell: Tell<'_>,
) -> Result<(), AdminError> {
    let change = |store: &mut Store| {
        let record = store.users.get_mut(name).ok_or_else(|| AdminError::NoSuchUser(name.clone()))?;
        change(record)
    };
    file::edit_then(store, change, tell)??;
    Ok(())
}

/// The keys in a file as `~/.ssh/id_ed25519.pub` or `authorized_keys`.
fn read_keys(path: &Path) -> Result<Vec<PublicKey>, AdminError> {
    let fault = |message: String| AdminError::File { path: path.to_owned(), message };
    let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = lines
        .map(|line| {
            line.parse().map_err(|error| {
                let start: String = line.chars().take(20).collect();
                fault(format!("{error}: '{}…'", Escaped(start.as_bytes())))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() { Err(fault("there is no key in it".to_owned())) } else { Ok(keys) }
}
