//! `known_servers`: one line a server, `host:port SHA256:… [date]`, as `known_hosts` is for ssh.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::PathBuf,
    sync::Arc,
};

use ferry_shared::text_file;

use super::{Fingerprint, private_file};
use crate::{connect::canonical, error::ClientError};

/// The file; read anew each time, so that two processes agree.
#[derive(Debug, Clone)]
pub(super) struct KnownServers {
    path: PathBuf,
}

/// What the file says about a server's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is the server's.
    Same,
    /// The server had this one.
    Other(Fingerprint),
    /// Nothing is said about this server.
    Unknown,
}

impl KnownServers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// What is known about `host` (a `host:port`), which shows the key `found`.
    ///
    /// # Errors
    /// [`ClientError::KnownServers`] when the file cannot be read, [`ClientError::Local`] when its line for
    /// `host` is damaged.
    pub(super) fn look_up(&self, host: &str, found: Fingerprint) -> Result<Known, ClientError> {
        let read = || {
            let mut file = File::open(&self.path)?;
            locked(file.lock_shared())?;
            look_up_in(&read_all(&mut file)?, host, found)
        };
        match read() {
            // Nor is it there where something above it is no folder, as with HOME=/dev/null.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Known::Unknown)
            }
            result => result.map_err(|error| self.error(found, error)),
        }
    }

    /// A file that is damaged is to be put right; one that cannot be used needs another place.
    fn error(&self, found: Fingerprint, error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::InvalidData => ClientError::local(&self.path, error),
            _ => ClientError::KnownServers { path: self.path.clone(), found, error: Arc::new(error) },
        }
    }

    /// Adds `host` with its key unless the file has come to know it meanwhile; says what it
    /// said before that.
    ///
    /// # Errors
    /// As [`KnownServers::look_up`].
    pub(super) fn add(&self, host: &str, key: Fingerprint) -> Result<Known, ClientError> {
        self.append(host, key).map_err(|error| self.error(key, error))
    }

    fn append(&self, host: &str, key: Fingerprint) -> io::Result<Known> {
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
            file.write_all(format!("{newline}{host} {key} {date}\n").as_bytes())?;
            file.sync_all()?;
        }
        Ok(known)
    }
}

/// A filesystem without locks is used without them: an append of one line is whole there too.
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

/// A damaged line for `host` is an error: passing over it would make a known server a new one.
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
        // As it was typed, and kept so by programs from before.
        fs::write(&known.path, format!("[0:0:0:0:0:0:0:1]:1 {key}\n")).unwrap();
        for host in ["[::1]:1", "[0::1]:1", "[::0001]:1"] {
            assert_eq!(known.look_up(host, key).unwrap(), Known::Same, "{host}");
            assert_eq!(known.add(host, other).unwrap(), Known::Other(key), "{host}");
        }
        assert_eq!(known.look_up("[::1]:2", key).unwrap(), Known::Unknown);
    }

    #[cfg(unix)]
    #[test]
    fn a_place_that_cannot_be_used_is_told_with_what_helps() {
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
    fn keeps_what_a_person_wrote_into_it() {
        let (_folder, known) = file();
        let key = Fingerprint::of_spki(b"a");
        fs::create_dir(known.path.parent().unwrap()).unwrap();
        fs::write(&known.path, format!("# mine\n\nother:1 {key}")).unwrap();
        known.add("h:1", key).unwrap();
        let text = fs::read_to_string(&known.path).unwrap();
        assert!(text.starts_with(&format!("# mine\n\nother:1 {key}\nh:1 {key} 20")), "{text}");
    }

    #[test]
    fn a_byte_order_mark_makes_no_known_server_a_new_one() {
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
    fn only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, known) = file();
        known.add("h:1", Fingerprint::of_spki(b"a")).unwrap();
        assert_eq!(fs::metadata(&known.path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
