//! Completes paths on servers. Nothing is asked, trusted or written, and whatever goes wrong offers nothing.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap_complete::engine::CompletionCandidate;
use ferry_client::{
    ConnectOptions, Trust, connect,
    connect::Protocol,
    identity::{self, Identity},
    server::{Connector, Remote},
    sftp::{Login, NoSecrets, SftpConnector, SftpOptions},
};
use ferry_shared::{
    entry::{Entry, Kind},
    name::Escaped,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    address::{Address, Server},
    args::ServerFlags,
    defaults::Defaults,
    home::{Home, user_home},
    sites::{Place, Sites},
};

/// The time for everything: a shell waits meanwhile.
const LIMIT: Duration = Duration::from_secs(2);
/// The most candidates.
const MOST: usize = 1000;
/// The characters that are escaped in a URL: those that would end or change it.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%').add(b' ');

/// The paths on a server that `current` may become; none if it does not name a server and a path.
pub(super) fn paths(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = Typed::parse(current) else { return Vec::new() };
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() else {
        return Vec::new();
    };
    let found = runtime.block_on(async {
        // On a task of its own, so that the time runs while it is blocked, for example by an agent.
        let work = tokio::spawn(async move { typed.complete().await.unwrap_or_default() });
        tokio::time::timeout(LIMIT, work).await
    });
    runtime.shutdown_background();
    let Ok(Ok(found)) = found else { return Vec::new() };
    found.into_iter().map(CompletionCandidate::new).collect()
}

/// A word that names a server and the beginning of a path.
#[derive(Debug, PartialEq, Eq)]
struct Typed {
    /// The word up to the last name.
    head: String,
    /// The address of the folder.
    folder: Address,
    /// The beginning of the name.
    name: Vec<u8>,
    is_url: bool,
}

impl Typed {
    fn parse(current: &OsStr) -> Option<Self> {
        let text = current.to_str()?;
        let Address { server, mut path } = Address::parse(current).ok()??;
        let is_url = text.contains("://");
        let last = path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
        let name = path.split_off(last);
        let head = if is_url {
            let (scheme, rest) = text.split_once("://")?;
            // Without a slash behind it, the server itself is not complete.
            let slash = rest.rfind('/')?;
            &text[..scheme.len() + "://".len() + slash + 1]
        } else {
            text.get(..text.len().checked_sub(name.len())?)?
        };
        Some(Self { head: head.to_owned(), folder: Address { server, path }, name, is_url })
    }

    /// The words that this may become; `None` if anything fails.
    async fn complete(self) -> Option<Vec<String>> {
        let folder = self.folder.clone();
        let (place, connector) = tokio::task::spawn_blocking(move || connector(&folder)).await.ok()??;
        let remote = Remote::connect(&connector).await.ok()?;
        let mut pages = remote.list(place.path).await.ok()?;
        let mut words = Vec::new();
        while let Some(page) = pages.next().await {
            words.extend(page.ok()?.entries.iter().filter_map(|entry| self.word(entry)));
            if words.len() >= MOST {
                break;
            }
        }
        words.truncate(MOST);
        words.sort_unstable();
        Some(words)
    }

    /// The word for an entry; `None` if it does not fit, or cannot be shown as it is.
    fn word(&self, entry: &Entry) -> Option<String> {
        let name = entry.name.as_bytes();
        let is_hidden = name.starts_with(b".") && self.name.is_empty();
        if is_hidden || !name.starts_with(&self.name) {
            return None;
        }
        // A name with control characters is displayed with escapes.
        let text = std::str::from_utf8(name).ok().filter(|text| Escaped(name).to_string() == **text)?;
        let end = if entry.kind == Kind::Folder { "/" } else { "" };
        Some(match self.is_url {
            true => format!("{}{}{end}", self.head, utf8_percent_encode(text, ESCAPED)),
            false => format!("{}{text}{end}", self.head),
        })
    }
}

/// The place and the way to it; `None` where a person would have to be asked.
fn connector(folder: &Address) -> Option<(Place, Connector)> {
    let home = Home::find().ok()?;
    let at_default;
    let address = match folder.server {
        Server::Default => {
            at_default = folder.at_default(Defaults::load().ok()?.site()?).ok()?;
            &at_default
        }
        _ => folder,
    };
    let sites = if matches!(address.server, Server::Site(_)) { Sites::load(home.sites()).ok()? } else { Sites::none() };
    let place = sites.resolve(address).ok()?;
    let trust = place.server_key.map_or(Trust::KnownOnly, Trust::Pinned);
    let identity = given_identity(std::env::args_os()).or_else(|| place.identity.clone());
    let connector = if place.target.protocol == Protocol::Sftp {
        let secrets = Arc::new(NoSecrets);
        let login = Login { identities: identity.into_iter().collect(), secrets, password_first: false };
        let options = SftpOptions::new(trust, home.known_servers(), &user_home(), login);
        Connector::Sftp(SftpConnector::new(place.target.clone(), options))
    } else {
        let Identity::Ready(credential) = identity::open(&identity?).ok()? else { return None };
        let mut options = ConnectOptions::new(trust, home.known_servers());
        options.seal = ServerFlags::default().seal_for(place.seal.clone());
        Connector::Ferry(connect::Connector::new(place.target.clone(), credential, options))
    };
    Some((place, connector))
}

/// The key that the command line names; the shell has not expanded it.
fn given_identity(words: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let mut words =
        words.skip_while(|word| word != "--identity" && !word.as_encoded_bytes().starts_with(b"--identity="));
    let flag = words.next()?;
    let file = match flag.to_str()?.split_once('=') {
        Some((_, file)) => file.to_owned(),
        None => words.next()?.into_string().ok()?,
    };
    Some(match file.strip_prefix("~/") {
        Some(below) => user_home().join(below),
        None => file.into(),
    })
}

#[cfg(test)]
mod tests {
    use ferry_shared::{entry::Mtime, name::Name};

    use super::*;

    fn typed(text: &str) -> Option<(String, String, String)> {
        let text_of = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let Typed { head, folder, name, .. } = Typed::parse(OsStr::new(text))?;
        Some((head, text_of(folder.path), text_of(name)))
    }

    #[test]
    fn a_shell_waits_two_seconds_at_most() {
        assert!(LIMIT <= Duration::from_secs(2));
    }

    #[test]
    fn a_word_is_split_into_its_folder_and_the_beginning_of_a_name() {
        let of = |head: &str, folder: &str, name: &str| Some((head.to_owned(), folder.to_owned(), name.to_owned()));
        assert_eq!(typed("work:do"), of("work:", "", "do"));
        assert_eq!(typed("work:docs/my f"), of("work:docs/", "docs/", "my f"));
        assert_eq!(typed("al@host:"), of("al@host:", "", ""));
        assert_eq!(typed("al@host:9000:/x"), of("al@host:9000:/", "/", "x"));
        assert_eq!(typed(":do"), of(":", "", "do"));
        assert_eq!(typed("sftp://host/srv/a%20b"), of("sftp://host/srv/", "/srv/", "a b"));
        assert_eq!(typed("ferry://al@host/"), of("ferry://al@host/", "/", ""));
        for text in ["sftp://host", "ferry://al@ho", "ferry://al@host", "./work:x", "/a:b", "plain", ""] {
            assert_eq!(typed(text), None, "{text}");
        }
    }

    #[test]
    fn names_that_a_shell_cannot_be_given_are_left_out() {
        let word = |typed: &str, name: &[u8], kind| {
            let entry = Entry { name: Name::new(name).unwrap(), kind, size: 0, mtime: Mtime(0, 0), mode: 0 };
            Typed::parse(OsStr::new(typed)).unwrap().word(&entry)
        };
        assert_eq!(word("work:d/", b"my file", Kind::File).unwrap(), "work:d/my file");
        assert_eq!(word("work:m", b"my folder", Kind::Folder).unwrap(), "work:my folder/");
        assert_eq!(word("sftp://h/", b"100% a", Kind::File).unwrap(), "sftp://h/100%25%20a");
        assert_eq!(word("sftp://h/100%25%20", b"100% a", Kind::File).unwrap(), "sftp://h/100%25%20a");
        for name in [&b"a\x1b[2Jb"[..], b"a\nb", b"a\tb", b"caf\xe9", "a\u{202e}b".as_bytes(), b".hidden"] {
            assert_eq!(word("work:", name, Kind::File), None);
        }
        assert_eq!(word("work:.h", b".hidden", Kind::File).unwrap(), "work:.hidden");
        assert_eq!(word("work:x", b"y", Kind::File), None);
    }

    #[test]
    fn the_key_of_the_command_line_is_used() {
        let given = |line: &str| given_identity(line.split(' ').map(OsString::from));
        assert_eq!(given("ferry -- ferry put --identity k x a:"), Some("k".into()));
        assert_eq!(given("ferry -- ferry put --identity=k x a:"), Some("k".into()));
        assert_eq!(given("ferry put ~/k --identity ~/k"), Some(user_home().join("k")));
        assert_eq!((given("ferry put x a:"), given("ferry put --identity")), (None, None));
    }
}
