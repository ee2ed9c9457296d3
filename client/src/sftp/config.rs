//! The part of `~/.ssh/config` that is understood, and a report of the rest.
//!
//! The first value of a setting counts, as in OpenSSH; `IdentityFile` collects. No crate is used, because what matters
//! here is to notice each line that would change where a connection goes or which key is trusted.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

/// Lines that are not understood, and whose meaning does not matter for files.
const HARMLESS: &[&str] = &[
    "addkeystoagent",
    "compression",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "escapechar",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "hashknownhosts",
    "localforward",
    "loglevel",
    "remoteforward",
    "requesttty",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "setenv",
    "tcpkeepalive",
    "usekeychain",
    "visualhostkey",
];

/// The settings of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HostConfig {
    pub(super) host_name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) identities: Vec<String>,
    pub(super) jumps: Option<String>,
    /// Lines that are not understood.
    pub(super) notes: Vec<Note>,
}

/// A line that is not understood and may matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    number: usize,
    /// The keyword, in small letters.
    key: String,
    line: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not supported: {}", self.number, self.line)
    }
}

/// A host that a configuration of SSH names, not only with a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredHost {
    /// The name in the configuration.
    pub name: String,
    /// The host to connect to.
    pub host: String,
    /// The user.
    pub user: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// Whether it is reached through other hosts.
    pub jumps: bool,
    /// The numbers and keywords of lines that are not understood and may matter for it. The rest of such a line may
    /// be secret.
    pub unsupported: Vec<(usize, String)>,
}

/// The hosts that are named in the text of a configuration, in their order.
#[must_use]
pub fn configured_hosts(text: &str) -> Vec<ConfiguredHost> {
    let names = text.lines().map(|line| split(line.trim())).filter(|(key, _)| key.eq_ignore_ascii_case("host"));
    let mut seen = BTreeSet::new();
    let names = names.flat_map(|(_, value)| words(value)).filter(|name| !name.contains(['*', '?', '!']));
    let hosts = names.filter(|name| seen.insert(name.clone())).map(|name| {
        let config = HostConfig::parse(text, &name);
        let (host, jumps) = (config.address(&name), !config.jump_hosts().is_empty());
        let unsupported = config.notes.into_iter().map(|note| (note.number, note.key)).collect();
        ConfiguredHost { name, host, user: config.user, port: config.port, jumps, unsupported }
    });
    hosts.collect()
}

impl HostConfig {
    /// The settings of `host` in the text of a file.
    pub(super) fn parse(text: &str, host: &str) -> Self {
        let mut config = Self::default();
        let mut applies = true;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = split(line);
            let (key, words) = (key.to_ascii_lowercase(), words(value));
            match &*key {
                "host" => {
                    applies = is_meant(&words, host);
                    continue;
                }
                "match" => applies = false,
                _ if !applies => continue,
                _ => {}
            }
            let number = number + 1;
            config.take(&key, &words, || Note { number, key: key.clone(), line: line.to_owned() });
        }
        config
    }

    fn take(&mut self, key: &str, words: &[String], note: impl Fn() -> Note) {
        let first = words.first().cloned();
        match key {
            "hostname" => self.host_name = self.host_name.take().or(first),
            "user" => self.user = self.user.take().or(first),
            "port" => match first.as_deref().map(str::parse) {
                Some(Ok(port @ 1..)) => self.port = self.port.or(Some(port)),
                _ => self.notes.push(note()),
            },
            "identityfile" => self.identities.extend(first),
            "proxyjump" => self.jumps = self.jumps.take().or(first),
            harmless if HARMLESS.contains(&harmless) => {}
            _ => self.notes.push(note()),
        }
    }

    /// The host to connect to.
    pub(super) fn address(&self, host: &str) -> String {
        match &self.host_name {
            Some(name) => expanded(name, |token| (token == 'h').then(|| host.to_owned())),
            None => host.to_owned(),
        }
    }

    /// The key files, with `~` and tokens replaced.
    pub(super) fn identity_files(&self, home: &Path, address: &str, user: &str) -> Vec<PathBuf> {
        let token = |token| match token {
            'd' => Some(home.display().to_string()),
            'h' => Some(address.to_owned()),
            'r' => Some(user.to_owned()),
            _ => None,
        };
        let files = self.identities.iter().filter(|file| !file.eq_ignore_ascii_case("none"));
        files.map(|file| below_home(&expanded(file, token), home)).collect()
    }

    /// The hosts on the way, the first one first.
    pub(super) fn jump_hosts(&self) -> Vec<&str> {
        match self.jumps.as_deref() {
            Some(jumps) if !jumps.eq_ignore_ascii_case("none") => jumps.split(',').map(str::trim).collect(),
            _ => Vec::new(),
        }
    }
}

fn below_home(file: &str, home: &Path) -> PathBuf {
    file.strip_prefix("~/").map_or_else(|| PathBuf::from(file), |below| home.join(below))
}

/// A line's key and value, which `=` or spaces separate.
fn split(line: &str) -> (&str, &str) {
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (key, value) = line.split_at(end);
    let value = value.trim_start();
    (key, value.strip_prefix('=').unwrap_or(value).trim())
}

/// The words of a value; quotes keep spaces.
fn words(value: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    for c in value.chars() {
        match c {
            '"' => (quoted, any) = (!quoted, true),
            c if c.is_whitespace() && !quoted => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => {
                word.push(c);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}

/// Whether patterns mean `host`: one of them does, and none with `!`.
pub(super) fn is_meant<T: AsRef<str>>(patterns: &[T], host: &str) -> bool {
    let mut meant = false;
    for pattern in patterns {
        match pattern.as_ref().strip_prefix('!') {
            Some(pattern) if matches(pattern, host) => return false,
            Some(_) => {}
            None => meant |= matches(pattern.as_ref(), host),
        }
    }
    meant
}

/// Whether a pattern with `*` and `?` matches a whole host name, in any case of letters.
fn matches(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (pattern.to_ascii_lowercase(), host.to_ascii_lowercase());
    let (pattern, host) = (pattern.as_bytes(), host.as_bytes());
    let (mut p, mut h, mut star) = (0, 0, None);
    while h < host.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, h));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == host[h] => (p, h) = (p + 1, h + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, h) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Replaces the tokens that `value` knows; `%%` is a percent sign.
fn expanded(text: &str, value: impl Fn(char) -> Option<String>) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('%', Some('%')) => {
                chars.next();
                out.push('%');
            }
            ('%', Some(token)) if value(token).is_some() => {
                chars.next();
                out.push_str(&value(token).unwrap_or_default());
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# comment
Host work !not.work *.work
    HostName = %h.example.org
    User al
    Port 2222
    IdentityFile ~/.ssh/work_%r
    ProxyJump jump,second:2200
    ForwardAgent yes
    HostKeyAlias other
Host *
    User nobody
    IdentityFile \"~/with space\"
    ProxyCommand nc %h %p
Match user root
    User root
Host late
    Include more
";

    #[test]
    fn the_first_value_counts_and_key_files_collect() {
        let config = HostConfig::parse(TEXT, "work");
        assert_eq!((config.user.as_deref(), config.port), (Some("al"), Some(2222)));
        assert_eq!(config.address("work"), "work.example.org");
        assert_eq!(config.jump_hosts(), ["jump", "second:2200"]);
        let files = config.identity_files(Path::new("/home/al"), "work.example.org", "al");
        assert_eq!(files, [Path::new("/home/al/.ssh/work_al"), Path::new("/home/al/with space")]);
    }

    #[test]
    fn patterns_with_an_exclamation_mark_exclude() {
        for (host, user) in [("a.work", "al"), ("not.work", "nobody"), ("other", "nobody")] {
            assert_eq!(HostConfig::parse(TEXT, host).user.as_deref(), Some(user), "{host}");
        }
    }

    #[test]
    fn lines_that_are_not_understood_are_reported_where_they_apply() {
        let notes = |host| {
            let notes = HostConfig::parse(TEXT, host).notes;
            notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let work = notes("work");
        for line in ["HostKeyAlias", "ProxyCommand", "Match user root"] {
            assert!(work.contains(line), "{work}");
        }
        assert!(!work.contains("ForwardAgent") && !work.contains("Include"), "{work}");
        assert!(notes("late").contains("Include more"));
    }

    #[test]
    fn the_hosts_that_are_named_have_their_settings_and_patterns_are_no_hosts() {
        let hosts = configured_hosts(TEXT);
        assert_eq!(hosts.iter().map(|host| &*host.name).collect::<Vec<_>>(), ["work", "late"]);
        let work = &hosts[0];
        assert_eq!((&*work.host, work.user.as_deref(), work.port), ("work.example.org", Some("al"), Some(2222)));
        assert!(work.jumps && !hosts[1].jumps);
        let unsupported = |number, key: &str| (number, key.to_owned());
        let all = [unsupported(9, "hostkeyalias"), unsupported(13, "proxycommand"), unsupported(14, "match")];
        assert_eq!(work.unsupported, all);
    }

    #[test]
    fn wildcards_match_whole_names() {
        for (pattern, host, is) in [
            ("*", "a", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("?b", "ab", true),
            ("?b", "b", false),
            ("*.x.*", "a.x.b", true),
            ("A", "a", true),
        ] {
            assert_eq!(matches(pattern, host), is, "{pattern} {host}");
        }
    }
}
