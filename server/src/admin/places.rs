//! The default paths of the configuration and the data folder.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use directories::ProjectDirs;

use super::AdminError;
use crate::control::client;

/// The data folder: `flag`, else `$STATE_DIRECTORY` (systemd), else the default for the current user.
///
/// # Errors
/// [`AdminError::NoDataFolder`].
pub fn data_folder(flag: Option<&Path>) -> Result<PathBuf, AdminError> {
    let root = rustix::process::geteuid().is_root();
    choose(flag, env::var_os("STATE_DIRECTORY"), root, || {
        ProjectDirs::from("", "", "ferryd").map(|folders| folders.data_dir().to_owned())
    })
    .ok_or(AdminError::NoDataFolder)
}

/// Like [`data_folder`], for everything but a server: a user who has no data folder and may ask the service means
/// the service's.
///
/// # Errors
/// [`AdminError::NoDataFolder`].
pub fn data_folder_to_ask(flag: Option<&Path>) -> Result<PathBuf, AdminError> {
    let own = data_folder(flag);
    let is_given = flag.is_some() || env::var_os("STATE_DIRECTORY").is_some();
    let has_own = own.as_ref().is_ok_and(|own| own.exists());
    if is_given || has_own || !client::may_ask_the_service() { own } else { Ok(client::SERVICE_DATA.into()) }
}

fn choose(
    flag: Option<&Path>,
    state: Option<OsString>,
    root: bool,
    home: impl FnOnce() -> Option<PathBuf>,
) -> Option<PathBuf> {
    let given = flag.map(Path::to_owned).or_else(|| first(state));
    given.or_else(|| root.then(|| client::SERVICE_DATA.into())).or_else(home)
}

/// The configuration file at its default path, if it exists.
#[must_use]
pub fn config_file() -> Option<PathBuf> {
    Some(config_place()).filter(|file| file.exists())
}

/// The default path of the configuration file.
#[must_use]
pub fn config_place() -> PathBuf {
    first(env::var_os("CONFIGURATION_DIRECTORY")).unwrap_or_else(|| "/etc/ferryd".into()).join("ferryd.toml")
}

/// The message about a missing data folder.
#[must_use]
pub fn not_there(data: &Path) -> Option<String> {
    let note = || format!("{} is not there yet; the first 'ferryd serve' makes it; is --data right?", data.display());
    (!data.exists()).then(note)
}

/// The folder from which the service manager takes certificate, key and seal.
pub(super) const CREDENTIALS: &str = "/etc/credstore";

/// The folder of the certificate, key and seal that the service manager hands over. In the service it is
/// `$CREDENTIALS_DIRECTORY`. Outside, root gets the folder that systemd takes them from, so that it sees the same
/// files; others get `None`.
#[must_use]
pub fn credentials() -> Option<PathBuf> {
    let root = rustix::process::geteuid().is_root();
    first(env::var_os("CREDENTIALS_DIRECTORY")).or_else(|| root.then(|| CREDENTIALS.into()))
}

/// The environment variables that are valid text, as the value of every key is.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}

/// systemd separates several folders with ':'; the server's is the first.
fn first(folders: Option<OsString>) -> Option<PathBuf> {
    let folders = folders.filter(|folders| !folders.is_empty())?;
    env::split_paths(&folders).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_folder_is_what_was_said_else_what_the_service_has() {
        let choose = |flag: Option<&str>, state: Option<&str>, root| {
            choose(flag.map(Path::new), state.map(OsString::from), root, || Some("/home/u/data".into()))
        };
        assert_eq!(choose(Some("d"), Some("/s"), true), Some("d".into()));
        assert_eq!(choose(None, Some("/s:/t"), true), Some("/s".into()));
        assert_eq!(choose(None, Some(""), true), Some("/var/lib/ferryd".into()));
        assert_eq!(choose(None, None, false), Some("/home/u/data".into()));
    }
}
