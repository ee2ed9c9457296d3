//! The file `known_servers`, similar to ssh's `known_hosts`: one line `host:port SHA256:… [date]` per server.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::PathBuf,
    sync::Arc,
};

use ferry_shared::text_file;

use super::{Fingerprint, private_file};
use crate::{address::canonical, error::ClientError};

/// The file; read again for each query, so that several processes agree.
#[derive(Debug, Clone)]
pub(crate) struct KnownServers {
    path: PathBuf,
}

/// The file's information about a server's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The file has this key for the server.
    Same,
    /// The file has a different key for the server.
    Other(Fingerprint),
    /// The file has no entry for the server.
    Unknown,
}

impl KnownServers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Looks up `host` (a `host:port`), whose key is `found`.
    ///
    /// # Errors
    /// [`ClientError::KnownServers`] if the file cannot be read, [`ClientError::Local`] if its line for `host` is
    /// damaged.
    pub(super) fn look_up(&self, host: &str, found: Fingerprint) -> Result<Known, ClientError> {
        let read = || {
            let mut file = File::open(&self.path)?;
            locked(file.lock_shared())?;
            look_up_in(&read_all(&mut file)?, host, found)
        };
        match read() {
            // The file does not exist either if a parent is not a folder, as with HOME=/dev/null.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Known::Unknown)
            }
            result => result.map_err(|error| self.error(found, error)),
        }
    }

    /// A damaged file must be repaired; for an unusable one the message suggests another location.
    fn error(&self, found: Fingerprint, error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::InvalidData => ClientError::local(&self.path, error),
            _ => ClientError::KnownServers { path: self.path.clone(), found, error: Arc::new(error) },
        }
    }

    /// Adds `host` with its key unless the file has an entry meanwhile; returns the file's previous information.
    ///
    /// # Errors
    /// Those of [`KnownServers::look_up`].
    pub(super) fn add(&self, host: &str, key: Fingerprint) -> Result<Known, ClientError> {
        self.append(host, key, "").map_err(|error| self.error(key, error))
    }

    /// The key of `host`, and the algorithm that its line names.
    ///
    /// # Errors
    /// The file cannot be read, or the line of `host` is damaged.
    pub(crate) fn key_of(&self, host: &str) -> Result<Option<(Fingerprint, Option<String>)>, ClientError> {
        let read = || -> io::Result<_> {
            let mut file = File::open(&self.path)?;
            locked(file.lock_shared())?;
            let text = read_all(&mut file)?;
            let line = text.lines().find(|line| line.split_whitespace().next().map(canonical) == Some(canonical(host)));
            let Some(line) = line else { return Ok(None) };
            let mut words = line.split_whitespace().skip(1);
            let key = words.next().and_then(|word| word.parse().ok());
            let damaged =
                || io::Error::new(io::ErrorKind::InvalidData, format!("the line of {host} has no fingerprint"));
            Ok(Some((key.ok_or_else(damaged)?, words.nth(1).map(str::to_owned))))
        };
        match read() {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            result => result.map_err(|error| ClientError::local(&self.path, error)),
        }
    }

    /// Adds `host` with its key of this algorithm; returns the key that the file had before.
    ///
    /// # Errors
    /// Those of [`KnownServers::look_up`].
    pub(crate) fn add_of(
        &self,
        host: &str,
        key: Fingerprint,
        algorithm: &str,
    ) -> Result<Option<Fingerprint>, ClientError> {
        match self.append(host, key, algorithm).map_err(|error| self.error(key, error))? {
            Known::Same => Ok(Some(key)),
            Known::Other(other) => Ok(Some(other)),
            Known::Unknown => Ok(None),
        }
    }

    fn append(&self, host: &str, key: Fingerprint, note: &str) -> io::Result<Known> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = private_file::open_to_append(&self.path)?;
        locked(file.lock())?;
        let text = read_all(&mut file)?;
        let known = look_up_in(&text, host, key)?;
        if known == Known::Unknown {
            let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
            let line = format!("{newline}{host} {key} {date} {note}");
            file.write_all(format!("{}\n", line.trim_end_matches(' ')).as_bytes())?;
            file.sync_all()?;
        }
        Ok(known)
    }
}

/// Ignores missing support for locks: appending one line is atomic without them too.
fn locked(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        result => result,
    }
}

fn read_all(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(text_file::without_mark(&bytes)).into_owned())
}

/// A damaged line for `host` is an error: skipping it would turn a known server into a new one.
fn look_up_in(text: &str, host: &str, found: Fingerprint) -> io::Result<Known> {
    let mut known = Known::Unknown;
    for (line, number) in text.lines().zip(1u32..) {
        let mut words = line.split_whitespace();
        if words.next().map(canonical) != Some(canonical(host)) {
            continue;
        }
        let key = words.next().and_then(|word| word.parse().ok());
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, format!("line {number} has no fingerprint"));
        match key.ok_or_else(damaged)? {
            key if key == found => return Ok(Known::Same),
            key if known == Known::Unknown => known = Known::Other(key),
            _ => {}
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, KnownServers) {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownServers::new(folder.path().join("state/known_servers"));
        (folder, known)
    }

    #[test]
    fn remembers_a_server_by_host_and_port() {
        let (_folder, known) = file();
        let (key, other) = (Fingerprint::of_spki(b"a"), Fingerprint::of_spki(b"b"));
        assert_eq!(known.look_up("h:1", key).unwrap(), Known::Unknown);
        assert_eq!(known.add("h:1", key).unwrap(), Known::Unknown);
        assert_eq!(known.look_up("h:1", key).unwrap(), Known::Same);
        assert_eq!(known.look_up("H:1", key).unwrap(), Known::Same);
        assert_eq!(known.look_up("h:1", other).unwrap(), Known::Other(key));
        assert_eq!(known.look_up("h:2", key).unwrap(), Known::Unknown);
    }

    #[test]
    fn a_server_is_known_under_every_spelling_of_its_address() {
        let (_folder, known) = file();
        let (key, other) = (Fingerprint::of_spki(b"a"), Fingerprint::of_spki(b"b"));
        fs::create_dir(known.path.parent().unwrap()).unwrap();
        // The spelling as typed, as stored by earlier versions.
        fs::write(&known.path, format!("[0:0:0:0:0:0:0:1]:1 {key}\n")).unwrap();
        for host in ["[::1]:1", "[0::1]:1", "[::0001]:1"] {
            assert_eq!(known.look_up(host, key).unwrap(), Known::Same, "{host}");
            assert_eq!(known.add(host, other).unwrap(), Known::Other(key), "{host}");
        }
        assert_eq!(known.look_up("[::1]:2", key).unwrap(), Known::Unknown);
    }

    #[cfg(unix)]
    #[test]
    fn an_unusable_location_is_reported_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let known = KnownServers::new(folder.path().join("file/state/known_servers"));
        let key = Fingerprint::of_spki(b"a");
        assert_eq!(known.look_up("h:1", key).unwrap(), Known::Unknown);
        let error = known.add("h:1", key).unwrap_err().to_string();
        assert!(error.contains("FERRY_HOME") && error.contains(&format!("--server-key {key}")), "{error}");
    }

    #[test]
    fn never_adds_a_second_key_for_a_server() {
        let (_folder, known) = file();
        let (key, other) = (Fingerprint::of_spki(b"a"), Fingerprint::of_spki(b"b"));
        known.add("h:1", key).unwrap();
        assert_eq!(known.add("h:1", other).unwrap(), Known::Other(key));
        assert_eq!(known.add("h:1", key).unwrap(), Known::Same);
        assert_eq!(fs::read_to_string(&known.path).unwrap().lines().count(), 1);
    }

    #[test]
    fn keeps_manual_entries_and_comments() {
        let (_folder, known) = file();
        let key = Fingerprint::of_spki(b"a");
        fs::create_dir(known.path.parent().unwrap()).unwrap();
        fs::write(&known.path, format!("# mine\n\nother:1 {key}")).unwrap();
        known.add("h:1", key).unwrap();
        let text = fs::read_to_string(&known.path).unwrap();
        assert!(text.starts_with(&format!("# mine\n\nother:1 {key}\nh:1 {key} 20")), "{text}");
    }

    #[test]
    fn a_byte_order_mark_does_not_hide_the_first_server() {
        let (_folder, known) = file();
        let key = Fingerprint::of_spki(b"a");
        known.add("host:7021", key).unwrap();
        let text = fs::read(&known.path).unwrap();
        fs::write(&known.path, [text_file::BYTE_ORDER_MARK, &text].concat().as_slice()).unwrap();
        assert_eq!(known.look_up("host:7021", key).unwrap(), Known::Same);
    }

    #[test]
    fn a_damaged_line_is_an_error_for_its_server_only() {
        let (_folder, known) = file();
        fs::create_dir(known.path.parent().unwrap()).unwrap();
        fs::write(&known.path, "h:1 SHA256:cut\n").unwrap();
        let key = Fingerprint::of_spki(b"a");
        assert!(matches!(known.look_up("h:1", key), Err(ClientError::Local { .. })));
        assert!(matches!(known.add("h:1", key), Err(ClientError::Local { .. })));
        assert_eq!(known.look_up("h:2", key).unwrap(), Known::Unknown);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, known) = file();
        known.add("h:1", Fingerprint::of_spki(b"a")).unwrap();
        assert_eq!(fs::metadata(&known.path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
