//! The table of all keys, from which environment names, the default file and `config show` are made.

use toml::Value;

use super::Config;

/// One key of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The section that contains it.
    pub section: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// A description of its effect.
    pub about: &'static str,
    /// An example value for a key without a default, as TOML.
    pub example: &'static str,
}

/// The description of each section.
pub const SECTIONS: [(&str, &str); 12] = [
    ("server", "Addresses to listen on, and what clients are told about the server."),
    ("tls", "A PEM pair instead of the key created at the first start: both or none. A reload reads its files again."),
    ("sftp", "A second door, for SFTP clients such as FileZilla, WinSCP, rclone and sshfs: the same users and homes."),
    ("limits", "Limits after login."),
    ("login", "Limits for a peer that has not logged in."),
    ("quota", "How the usage of users is compared with the disk."),
    ("registration", "Accounts that people create themselves, with 'ferry register' or in the browser."),
    ("bandwidth", "Bytes per second, for all users together; users can have limits of their own."),
    ("control", "The socket for 'ferryd status', 'ferryd top' and others: for root and the server's own user."),
    ("audit", "The audit log, by default audit.jsonl in the data folder; 'ferryd audit verify' checks it."),
    ("metrics", "Metrics for a monitoring system, in Prometheus' format at http://ADDRESS/metrics."),
    ("log", "The log on standard error."),
];

/// Every key, in the order of the default file.
pub const KEYS: [Key; 50] = [
    key("server", "listen", "Addresses and ports to listen on. [::] accepts IPv4 too, if the system supports both."),
    key("server", "name", "The name that clients see."),
    optional("server", "motd", "The message for users at login.", "\"Backups run at 3:00\""),
    key(
        "server",
        "durability",
        "\"full\": a stored file survives a power cut. \"rename\": only a crash of the server.",
    ),
    key("server", "confine", "Give up access to all files but the server's own, if the kernel supports Landlock."),
    optional("tls", "certificate", "The certificate chain.", "\"/etc/ferryd/cert.pem\""),
    optional("tls", "key", "Its private key.", "\"/etc/ferryd/key.pem\""),
    optional(
        "sftp",
        "listen",
        "Addresses and ports to listen on for SSH; if not set, there is no SFTP.",
        "[\"[::]:2022\"]",
    ),
    key("limits", "idle_seconds", "A connection that sends nothing for this long is closed."),
    key("limits", "stall_seconds", "A transfer without progress for this long is closed; it can be resumed."),
    key("limits", "drain_seconds", "How long transfers in progress may continue when the server stops."),
    key("limits", "connections", "Connections in total."),
    key("limits", "connections_per_user", "Connections of one user."),
    key("limits", "part_days", "How many days an unfinished upload is kept."),
    key("limits", "backlog", "Connections that the system queues until they are accepted."),
    optional(
        "limits",
        "min_free",
        "Bytes of the disk that users must leave free for the server's own files; the default is 1 %, at most 256MiB.",
        "\"1GiB\"",
    ),
    key("limits", "group_commit_files", "How many small uploads may share one flush of the disk."),
    key("limits", "group_commit_bytes", "How many bytes of small uploads may share one flush."),
    key("limits", "command_output", "Bytes that a command of 'ferry run' may write; a longer output is cut."),
    key("login", "handshake_seconds", "How long the TLS handshake may take."),
    key("login", "login_seconds", "How long a connection may take to log in."),
    key(
        "login",
        "unfinished",
        "Connections that have not logged in; if there are more, one without a handshake is dropped, else any.",
    ),
    key(
        "login",
        "unfinished_per_address",
        "How many of those one address (for IPv6, one /64) may have; if there are more, its oldest is dropped.",
    ),
    key("login", "proofs", "Passwords or keys that one connection may try."),
    key("login", "bytes", "Bytes that one connection may send before login."),
    key("login", "frames", "Messages that one connection may send before login."),
    key(
        "login",
        "penalty_max_seconds",
        "After failed logins the same user waits 1, 2, 4 … seconds at that address, and at most this many.",
    ),
    optional(
        "login",
        "seal",
        "A file with a secret of at least 16 bytes: the server tells nothing to clients that do not know it. SIGHUP reloads it.",
        "\"/etc/ferryd/seal\"",
    ),
    optional(
        "login",
        "seal_allows",
        "Doors that may be open although there is a seal: SSH tells every stranger what it is.",
        "[\"sftp\"]",
    ),
    key("login", "allow", "Addresses and networks that never have to wait, such as \"192.0.2.7\" or \"10.0.0.0/8\"."),
    key(
        "login",
        "balancers",
        "Load balancers: all of their connections must start with a PROXY header (version 2), and no others may.",
    ),
    key(
        "quota",
        "rescan_hours",
        "Each home is counted again after this many hours, while its user may work in it; 0: never.",
    ),
    key(
        "registration",
        "mode",
        "\"closed\": nobody. \"invite\": people with a token of 'ferryd invite create'. \"open\": anybody.",
    ),
    optional(
        "registration",
        "quota",
        "Bytes that such an account may have, unless its invite states a quota; needed for \"invite\" and \"open\".",
        "\"1GiB\"",
    ),
    optional(
        "registration",
        "max_files",
        "Files and folders that such an account may have; the default is one for each 16 KiB of its quota, at least 10000.",
        "20000",
    ),
    key("registration", "per_minute", "Accounts that one address can create in a minute; further ones have to wait."),
    key("registration", "max_accounts", "When there are this many accounts, however created, nobody can register."),
    optional("bandwidth", "up", "From clients to the server.", "\"100MiB\""),
    optional("bandwidth", "down", "From the server to clients.", "\"100MiB\""),
    optional(
        "control",
        "socket",
        "Its path; the default is $RUNTIME_DIRECTORY/control.sock, or else control.sock in the data folder.",
        "\"/run/ferryd/control.sock\"",
    ),
    optional("control", "group", "A group whose members may view, end sessions and lift waits.", "\"adm\""),
    optional(
        "control",
        "admin_group",
        "A group whose members may also change accounts and invites, on a separate socket beside it.",
        "\"ferry-admins\"",
    ),
    optional(
        "audit",
        "folder",
        "A separate folder for it, for example on another disk; it is created if it does not exist.",
        "\"/var/log/ferryd\"",
    ),
    key("audit", "max_size", "A file that would grow beyond this is set aside and a new one is started."),
    key("audit", "keep", "How many of those set aside are kept; with the current one that is 2 GiB."),
    key("audit", "keep_days", "Younger ones are kept beyond that number, up to twice as many."),
    optional(
        "metrics",
        "listen",
        "The address; if not set, they are not served. Anybody who can connect there can read them.",
        "\"127.0.0.1:7022\"",
    ),
    optional("metrics", "healthz", "Answer /healthz there; if not set, only without login.seal.", "true"),
    key("log", "format", "\"text\" for people, \"json\" for programs."),
    key("log", "level", "error, warn, info, debug or trace; or levels for parts, as in \"info,ferry_server=debug\"."),
];

const fn key(section: &'static str, name: &'static str, about: &'static str) -> Key {
    Key { section, name, about, example: "" }
}

const fn optional(section: &'static str, name: &'static str, about: &'static str, example: &'static str) -> Key {
    Key { section, name, about, example }
}

impl Key {
    /// The key with this name.
    #[must_use]
    pub fn find(section: &str, name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.section == section && key.name == name)
    }

    /// A possible value as TOML: the default if there is one.
    #[must_use]
    pub fn example(&self) -> String {
        self.value(&Config::default()).map_or_else(|| self.example.to_owned(), |value| value.to_string())
    }

    /// The environment variable that sets it: `FERRYD_SECTION_KEY`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("FERRYD_{}_{}", self.section, self.name).to_ascii_uppercase()
    }

    /// Its value in `config`; `None` if it is not set.
    #[must_use]
    pub fn value(&self, config: &Config) -> Option<Value> {
        Value::try_from(config).ok()?.get(self.section)?.get(self.name).cloned()
    }

    /// `config` with this key set to `value`.
    ///
    /// # Errors
    /// A description of the fault in the value.
    pub fn set(&self, config: &Config, value: Value) -> Result<Config, String> {
        let mut table = toml::Table::try_from(config).map_err(|error| error.to_string())?;
        let section = table.entry(self.section).or_insert_with(|| Value::Table(toml::Table::new()));
        let section = section.as_table_mut().ok_or("not a section")?;
        section.insert(self.name.to_owned(), value);
        table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration in which every key is set.
    fn full() -> Config {
        KEYS.iter().filter(|key| !key.example.is_empty()).fold(Config::default(), |config, key| {
            let example: toml::Table = format!("v = {}", key.example).parse().unwrap();
            key.set(&config, example["v"].clone()).unwrap()
        })
    }

    #[test]
    fn the_table_has_every_key_there_is_and_no_other() {
        let table = toml::Table::try_from(full()).unwrap();
        let mut there: Vec<(String, String)> = table
            .iter()
            .flat_map(|(section, keys)| keys.as_table().unwrap().keys().map(|key| (section.clone(), key.clone())))
            .collect();
        let mut listed: Vec<_> = KEYS.iter().map(|key| (key.section.to_owned(), key.name.to_owned())).collect();
        there.sort();
        listed.sort();
        assert_eq!(there, listed);
    }

    /// The names that are allowed in this section, or the sections, according to the error of TOML about a wrong
    /// name.
    fn possible(section: Option<&str>) -> Vec<String> {
        let head = section.map(|section| format!("[{section}]\n")).unwrap_or_default();
        let error = toml::from_str::<Config>(&format!("{head}no_such_name = 0")).unwrap_err();
        let (_, expected) = error.message().split_once("expected").unwrap();
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn no_section_and_no_setting_is_missing_from_the_table() {
        assert_eq!(possible(None), SECTIONS.map(|(name, _)| name));
        for (section, _) in SECTIONS {
            let mut listed: Vec<_> = KEYS.iter().filter(|key| key.section == section).map(|key| key.name).collect();
            let mut possible = possible(Some(section));
            listed.sort_unstable();
            possible.sort_unstable();
            assert_eq!(possible, listed, "section {section}");
        }
    }

    #[test]
    fn numbers_in_the_descriptions_of_keys_are_those_of_the_code() {
        let about = |section, name| Key::find(section, name).unwrap().about;
        let audit = Config::default().audit;
        let most = crate::size::ByteCount(u64::from(audit.keep + 1) * audit.max_size.0).to_string();
        assert!(about("audit", "keep").contains(&most.replace("GiB", " GiB")), "{most}");
        let files = about("registration", "max_files");
        let least = crate::users::account::default_max_files(Some(0));
        assert!(files.contains(&format!("at least {least}")) && files.contains("16 KiB"), "{files}");
        assert_eq!(crate::users::account::default_max_files(Some(least * 2 * (16 << 10))), least * 2);
    }

    #[test]
    fn only_keys_without_a_default_have_an_example() {
        for key in KEYS {
            assert_eq!(key.value(&Config::default()).is_none(), !key.example.is_empty(), "{}", key.variable());
        }
    }

    #[test]
    fn sections_and_keys_stand_in_the_same_order() {
        let mut order: Vec<&str> = KEYS.iter().map(|key| key.section).collect();
        order.dedup();
        assert_eq!(order, SECTIONS.map(|(name, _)| name));
    }
}
