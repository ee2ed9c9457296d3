//! `ferryd user …`: turns the command line into changes of accounts, and reports their results.
#![expect(clippy::disallowed_methods, reason = "reads a key from a file the operator names")]

use std::{io::IsTerminal as _, path::Path};

use ferry_shared::{name::Escaped, text_file};

use super::{AdminError, accounts::Accounts, objects::UserObject, password_input, user_report};
use crate::{
    args::{AccountArgs, AddUser, SetUser, UserVerb},
    output,
    users::{
        Access, StoredHash, UserName,
        change::{Change, ChangeError, Limit, Settings},
        key::PublicKey,
        moment::Moment,
        password,
    },
};

/// Runs a verb.
pub(super) fn run(verb: UserVerb, json: bool, accounts: &Accounts<'_>, data: &Path) -> Result<(), AdminError> {
    let done = match verb {
        UserVerb::Add(add_user) => add(add_user, accounts, data)?,
        UserVerb::Set(set_user) => set(set_user, accounts)?,
        UserVerb::Passwd { name, yes, password_stdin } => passwd(name, yes, password_stdin, accounts)?,
        UserVerb::Remove { name, purge } => remove(name, purge, accounts)?,
        UserVerb::List => return Ok(user_report::list(&accounts.facts()?.users, json)?),
        UserVerb::Show { name } => return show(&name, json, accounts),
    };
    done.print(json)
}

fn show(name: &UserName, json: bool, accounts: &Accounts<'_>) -> Result<(), AdminError> {
    let found = accounts.facts()?.users.into_iter().find(|user| user.name == *name);
    Ok(user_report::show(&found.ok_or_else(|| ChangeError::NoSuchUser(name.clone()))?, json)?)
}

/// A completed change, reported once a running server has applied it.
struct Done {
    name: UserName,
    outcome: &'static str,
    text: String,
    /// When the account expires, if that was set.
    expires: Option<Moment>,
    note: Option<String>,
}

impl Done {
    fn new(name: UserName, outcome: &'static str, text: String) -> Self {
        Self { name, outcome, text, expires: None, note: None }
    }

    /// Adds the time that `expires` means.
    fn ending(mut self, expires: Option<Limit<Moment>>) -> Self {
        self.expires = expires.and_then(|end| end.0);
        if let Some(end) = self.expires {
            self.text.push_str(&format!("; the account ends {end} (UTC)"));
        }
        self
    }

    fn print(self, json: bool) -> Result<(), AdminError> {
        let Self { name, outcome, text, expires, note } = self;
        let object = UserObject { name: &name, outcome, expires, note };
        let note = object.note.as_ref().map(|note| format!("note: {note}\n")).unwrap_or_default();
        Ok(output::result(json, || format!("{text}\n{note}"), &object)?)
    }
}

fn add(add: AddUser, accounts: &Accounts<'_>, data: &Path) -> Result<Done, AdminError> {
    let AddUser { name, read_only, password_stdin, account } = add;
    // Check before anybody types a password in vain; the check is repeated under the lock.
    if accounts.find(&name)?.is_some() {
        return Err(ChangeError::UserExists(name).into());
    }
    let mut settings = settings(account)?;
    if read_only {
        settings.access = Some(Access::ReadOnly);
    }
    let wants_password = password_stdin || settings.add_keys.is_empty();
    let password = if wants_password { Some(hash(password_stdin)?) } else { None };
    let expires = settings.expires;
    let change = Change::Add { name: name.clone(), password, settings: Box::new(settings) };
    let changed = accounts.change(&change)?;
    let text = format!("user '{name}' added");
    let mut done = Done::new(name, "added", text).ending(expires);
    if changed.files {
        let folder = data.join("users").join(done.name.as_str());
        done.note = Some(format!(
            "{} is there from before; what is in it is this user's now and counts against the quota",
            folder.display()
        ));
    }
    Ok(done)
}

/// The hash of a new password; the operator may choose a short one.
fn hash(from_stdin: bool) -> Result<StoredHash, AdminError> {
    let password = password_input::new_password(from_stdin)?;
    let hash = password::hash(&password)?;
    if password::is_short(&password) {
        let least = password::PASSWORD_MIN;
        output::note(format_args!("this password is short; users who choose their own need {least} characters"));
    }
    Ok(hash)
}

fn settings(account: AccountArgs) -> Result<Settings, AdminError> {
    let AccountArgs { quota, max_files, access, enable, disable, doors, expires, max_sessions, bandwidth, .. } =
        account;
    let mut add_keys = Vec::new();
    for path in &account.add_key {
        add_keys.extend(read_keys(path)?);
    }
    Ok(Settings {
        quota,
        max_files,
        access,
        doors,
        enabled: (enable || disable).then_some(enable),
        expires,
        max_sessions,
        bandwidth,
        add_keys,
        remove_keys: account.remove_key,
    })
}

fn set(set: SetUser, accounts: &Accounts<'_>) -> Result<Done, AdminError> {
    let (name, settings) = (set.name, settings(set.account)?);
    let expires = settings.expires;
    accounts.change(&Change::Set { name: name.clone(), settings: Box::new(settings) })?;
    let text = format!("user '{name}' changed");
    Ok(Done::new(name, "changed", text).ending(expires))
}

fn passwd(name: UserName, yes: bool, from_stdin: bool, accounts: &Accounts<'_>) -> Result<Done, AdminError> {
    let user = accounts.find(&name)?.ok_or_else(|| ChangeError::NoSuchUser(name.clone()))?;
    if !user.password && !user.keys.is_empty() && !yes {
        if from_stdin || !std::io::stdin().is_terminal() {
            return Err(AdminError::KeysOnly(name));
        }
        let question = format!("'{name}' logs in with keys only. Give this user a password too? [y/N] ");
        if !password_input::agrees(&question)? {
            return Err(AdminError::Declined);
        }
    }
    accounts.change(&Change::Password { name: name.clone(), password: hash(from_stdin)? })?;
    let text = format!("password of user '{name}' set");
    Ok(Done::new(name, "changed", text))
}

fn remove(name: UserName, purge: bool, accounts: &Accounts<'_>) -> Result<Done, AdminError> {
    accounts.change(&Change::Remove { name: name.clone(), purge })?;
    let (outcome, text) = match purge {
        true => ("purged", format!("user '{name}' and all files removed")),
        false => (
            "removed",
            format!("user '{name}' removed; the files stay for a user of that name whom you add, --purge removes them"),
        ),
    };
    Ok(Done::new(name, outcome, text))
}

/// The keys in a file such as `~/.ssh/id_ed25519.pub` or `authorized_keys`.
fn read_keys(path: &Path) -> Result<Vec<PublicKey>, AdminError> {
    let fault = |message: String| AdminError::File { path: path.to_owned(), message };
    let text = text_file::read(path).map_err(|error| fault(error.to_string()))?;
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
