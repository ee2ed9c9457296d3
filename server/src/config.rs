//! The configuration: one typed struct, built from defaults, file, environment and command line.

mod in_force;
pub mod keys;
pub mod load;
pub mod log_level;
pub mod manual;
pub mod show;
mod validate;

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use ferry_shared::limits::DEFAULT_PORT;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use in_force::{Change, InForce};
pub use load::{ConfigError, Fault, Layers, Loaded, Origin};

use crate::{bandwidth::BandwidthLimits, door::Door, size::ByteCount};

/// The configuration. [`keys::KEYS`] describes each key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to listen on, and what clients are told about the server.
    pub server: Server,
    /// The server's certificate.
    pub tls: Tls,
    /// SFTP.
    pub sftp: Sftp,
    /// Limits after login.
    pub limits: Limits,
    /// Limits before login.
    pub login: Login,
    /// How often usage is counted again.
    pub quota: Quota,
    /// Accounts that people create themselves.
    pub registration: Registration,
    /// Bandwidth limits.
    pub bandwidth: Bandwidth,
    /// The control socket.
    pub control: Control,
    /// The audit log.
    pub audit: Audit,
    /// The metrics for a monitoring system.
    pub metrics: Metrics,
    /// The log.
    pub log: Log,
}

/// Section `[server]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// The name that clients see.
    pub name: String,
    /// The message for users at login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub motd: Option<String>,
    /// The durability of a stored file.
    pub durability: Durability,
    /// Whether the process gives up access to all files but its own.
    pub confine: bool,
}

/// The durability of an acknowledged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// It survives a power cut.
    #[default]
    Full,
    /// It survives a crash of the server; it is not flushed to the disk.
    Rename,
}

/// Section `[quota]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Hours after which a home is counted again; 0 for never.
    pub rescan_hours: u32,
}

impl Default for Quota {
    fn default() -> Self {
        Self { rescan_hours: 24 }
    }
}

impl Quota {
    /// [`rescan_hours`](Self::rescan_hours) as a duration; `None` for never.
    #[must_use]
    pub fn rescan_every(&self) -> Option<Duration> {
        (self.rescan_hours > 0).then(|| Duration::from_secs(u64::from(self.rescan_hours) * 60 * 60))
    }
}

/// Section `[registration]`: accounts that people create themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registration {
    /// The people who may create one.
    pub mode: RegistrationMode,
    /// The quota of such an account in bytes; that of an invite takes precedence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<ByteCount>,
    /// Files and folders such an account may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_files: Option<u64>,
    /// Accounts that one address can create in a minute.
    pub per_minute: u32,
    /// The total number of accounts at which registration stops.
    pub max_accounts: u32,
}

impl Default for Registration {
    fn default() -> Self {
        Self { mode: RegistrationMode::Closed, quota: None, max_files: None, per_minute: 120, max_accounts: 10_000 }
    }
}

/// The people who may create an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationMode {
    /// Nobody: the operator creates accounts.
    #[default]
    Closed,
    /// People with an invite.
    Invite,
    /// Anybody.
    Open,
}

/// Section `[tls]`: a PEM pair instead of the key created at the first start. Both or none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// Section `[sftp]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sftp {
    /// Addresses to listen on; without one there is no SFTP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<SocketAddr>,
}

/// Section `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Seconds without a frame after which a connection is closed.
    pub idle_seconds: u64,
    /// Seconds without progress inside a transfer after which it is closed.
    pub stall_seconds: u64,
    /// Seconds that transfers in progress get when the server stops.
    pub drain_seconds: u64,
    /// Connections in total.
    pub connections: u32,
    /// Connections of one user.
    pub connections_per_user: u32,
    /// Days an unfinished upload is kept.
    pub part_days: u32,
    /// Connections that the system queues until they are accepted.
    pub backlog: u32,
    /// Bytes of the disk that users must leave free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_free: Option<ByteCount>,
    /// Small files that may share one flush.
    pub group_commit_files: u32,
    /// Bytes of small files that may share one flush.
    pub group_commit_bytes: ByteCount,
    /// Bytes that a command of a client may write.
    pub command_output: ByteCount,
}

/// Section `[login]`: limits for a peer that has not logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Login {
    /// Seconds for the TLS handshake.
    pub handshake_seconds: u64,
    /// Seconds from the connection to the login.
    pub login_seconds: u64,
    /// Connections that have not logged in; if there are more, one of them is dropped.
    pub unfinished: u32,
    /// Of those, connections of one address.
    pub unfinished_per_address: u32,
    /// Proofs that a connection may submit.
    pub proofs: u32,
    /// Bytes a connection may send before login.
    pub bytes: ByteCount,
    /// Frames a connection may send before login.
    pub frames: u32,
    /// The longest wait after failed proofs.
    pub penalty_max_seconds: u64,
    /// The file with the secret that clients must know before the server answers them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<PathBuf>,
    /// The doors that may be open although there is a seal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seal_allows: Vec<Door>,
    /// Addresses and networks that never have to wait.
    #[serde(with = "networks")]
    pub allow: Vec<IpNet>,
    /// Load balancers, which name the client's address in a PROXY header.
    #[serde(with = "networks")]
    pub balancers: Vec<IpNet>,
}

/// Section `[bandwidth]`: bytes per second, for all users together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bandwidth {
    /// From clients to the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<ByteCount>,
    /// From the server to clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<ByteCount>,
}

impl Bandwidth {
    /// The same as [`BandwidthLimits`].
    #[must_use]
    pub fn limits(&self) -> BandwidthLimits {
        BandwidthLimits { up: self.up.map(|rate| rate.0), down: self.down.map(|rate| rate.0) }
    }
}

/// Section `[control]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// The path of the socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// The group that may also view, end sessions and lift waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The group that may also do that and change accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_group: Option<String>,
}

/// Section `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// The maximum size of a file of the log.
    pub max_size: ByteCount,
    /// The number of older files that are kept.
    pub keep: u32,
    /// Days for which older files are kept beyond that number, up to twice as many.
    pub keep_days: u32,
    /// The folder of the log, if it is not in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

impl Audit {
    /// The folder of the log.
    #[must_use]
    pub fn folder<'a>(&'a self, data: &'a Path) -> &'a Path {
        self.folder.as_deref().unwrap_or(data)
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { max_size: ByteCount(64 << 20), keep: 31, keep_days: 30, folder: None }
    }
}

/// Section `[metrics]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// The address that serves the metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Whether `/healthz` is answered; if not set, only without a seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthz: Option<bool>,
}

impl Config {
    /// The fault of a server that has a seal and this door, if the door shows strangers what it is.
    #[must_use]
    pub fn unsealed(&self, door: Door) -> Option<String> {
        let hides = door == Door::Ferry || self.login.seal.is_none() || self.login.seal_allows.contains(&door);
        (!hides).then(|| {
            format!(
                "there is a seal, and SSH tells every stranger what it is; login.seal_allows = [\"{door}\"] accepts \
                 that, and clients of ferry still need the seal"
            )
        })
    }

    /// Whether `/healthz` reports the health of the server to anybody who can reach the listener.
    #[must_use]
    pub fn tells_health(&self) -> bool {
        self.metrics.healthz.unwrap_or(self.login.seal.is_none())
    }
}

/// Section `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The format of a line.
    pub format: LogFormat,
    /// The level of the log, or `tracing` directives such as `info,ferry_server=debug`.
    pub level: String,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl Default for Server {
    fn default() -> Self {
        let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), DEFAULT_PORT);
        Self { listen: vec![any], name: "ferry".to_owned(), motd: None, durability: Durability::Full, confine: true }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle_seconds: 90,
            stall_seconds: 60,
            drain_seconds: 30,
            connections: 1024,
            connections_per_user: 32,
            part_days: 7,
            backlog: 1024,
            min_free: None,
            group_commit_files: 256,
            group_commit_bytes: ByteCount(64 << 20),
            command_output: ByteCount(16 << 20),
        }
    }
}

impl Limits {
    /// [`idle_seconds`](Self::idle_seconds) as a duration.
    #[must_use]
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }

    /// [`stall_seconds`](Self::stall_seconds) as a duration.
    #[must_use]
    pub fn stall(&self) -> Duration {
        Duration::from_secs(self.stall_seconds)
    }

    /// [`drain_seconds`](Self::drain_seconds) as a duration.
    #[must_use]
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    /// [`part_days`](Self::part_days) as a duration.
    #[must_use]
    pub fn part_age(&self) -> Duration {
        Duration::from_secs(u64::from(self.part_days) * 24 * 60 * 60)
    }
}

impl Default for Login {
    fn default() -> Self {
        Self {
            handshake_seconds: 10,
            login_seconds: 30,
            unfinished: 64,
            unfinished_per_address: 16,
            proofs: 3,
            bytes: ByteCount(16 << 10),
            frames: 8,
            penalty_max_seconds: 600,
            seal: None,
            seal_allows: Vec::new(),
            allow: Vec::new(),
            balancers: Vec::new(),
        }
    }
}

impl Login {
    /// [`handshake_seconds`](Self::handshake_seconds) as a duration.
    #[must_use]
    pub fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds)
    }

    /// [`login_seconds`](Self::login_seconds) as a duration.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.login_seconds)
    }

    /// [`penalty_max_seconds`](Self::penalty_max_seconds) as a duration.
    #[must_use]
    pub fn penalty_max(&self) -> Duration {
        Duration::from_secs(self.penalty_max_seconds)
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// Networks as text: `10.0.0.0/8`, or a bare address for one host.
mod networks {
    use std::net::IpAddr;

    use ipnet::{IpNet, Ipv4Net};
    use serde::{Deserialize as _, Deserializer, Serializer, de, ser::SerializeSeq as _};

    /// The number of bits before an IPv4 address that is written as an IPv6 address.
    const MAPPED: u8 = 96;

    pub(super) fn serialize<S: Serializer>(networks: &[IpNet], serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(networks.len()))?;
        for network in networks {
            list.serialize_element(&network.to_string())?;
        }
        list.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
        Vec::<String>::deserialize(deserializer)?.iter().map(|text| parse(text).map_err(de::Error::custom)).collect()
    }

    /// Peers with IPv4 are identified by their IPv4 addresses, so networks must be too.
    pub(super) fn parse(text: &str) -> Result<IpNet, String> {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let network = address.or_else(|_| text.parse());
        let network = network.map_err(|_| format!("'{text}' is no address or network such as 10.0.0.0/8"))?;
        let IpAddr::V6(address) = network.addr() else { return Ok(network) };
        let Some(address) = address.to_ipv4_mapped() else { return Ok(network) };
        let prefix = network.prefix_len().checked_sub(MAPPED);
        match prefix.and_then(|prefix| Ipv4Net::new(address, prefix).ok()) {
            Some(network) => Ok(network.into()),
            None => Err(format!("'{text}' is more than IPv4 and less than IPv6; write networks of IPv4 as 10.0.0.0/8")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::networks::parse;

    #[test]
    fn a_network_of_ipv4_written_as_ipv6_is_the_one_it_means_or_a_fault() {
        let shown = |text: &str| parse(text).map(|network| network.to_string());
        assert_eq!(shown("::ffff:127.0.0.0/104").as_deref(), Ok("127.0.0.0/8"));
        assert_eq!(shown("::ffff:192.0.2.7").as_deref(), Ok("192.0.2.7/32"));
        assert_eq!(shown("::ffff:0:0/96").as_deref(), Ok("0.0.0.0/0"));
        assert_eq!(shown("2001:db8::/32").as_deref(), Ok("2001:db8::/32"));
        for wrong in ["::ffff:0:0/95", "::ffff:127.0.0.1/8", "localhost", "127.0.0.0/104"] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }
}
