//! Checks for values that have the right type but are not acceptable.

use ferry_shared::limits::{HEADER_LEN, MESSAGE_MAX_BEFORE_LOGIN};
use toml::Value;

use super::{
    Config, RegistrationMode,
    keys::{KEYS, Key},
    log_level,
};
use crate::{door::Door, size::sensible_quota, system_folders::is_shared};

/// Numbers for which zero has a meaning.
const MAY_BE_ZERO: [(&str, &str); 5] = [
    ("audit", "keep"),
    ("audit", "keep_days"),
    ("limits", "drain_seconds"),
    ("login", "penalty_max_seconds"),
    ("quota", "rescan_hours"),
];
/// The maximum of any number: as seconds or days it never overflows a point in time.
const LARGEST: i64 = 1_000_000;

/// Every key whose value is not acceptable, and why.
pub(super) fn faults(config: &Config) -> Vec<(&'static Key, String)> {
    let mut faults = Vec::new();
    for key in &KEYS {
        if let Some(Value::Integer(number)) = key.value(config) {
            let least = i64::from(!MAY_BE_ZERO.contains(&(key.section, key.name)));
            if !(least..=LARGEST).contains(&number) {
                faults.push((key, format!("{number} is not in {least}..={LARGEST}")));
            }
        }
    }
    let mut fault = |section: &str, name: &str, message: String| {
        faults.extend(Key::find(section, name).map(|key| (key, message)));
    };
    if config.server.listen.is_empty() {
        fault("server", "listen", "at least one address is needed".to_owned());
    }
    match (&config.tls.certificate, &config.tls.key) {
        (Some(_), None) => fault("tls", "certificate", "tls.key is missing: both or none".to_owned()),
        (None, Some(_)) => fault("tls", "key", "tls.certificate is missing: both or none".to_owned()),
        _ => {}
    }
    if let (false, Some(message)) = (config.sftp.listen.is_empty(), config.unsealed(Door::Sftp)) {
        fault("sftp", "listen", message);
    }
    let least = MESSAGE_MAX_BEFORE_LOGIN + HEADER_LEN;
    if usize::try_from(config.login.bytes.0).is_ok_and(|bytes| bytes < least) {
        fault("login", "bytes", format!("a single message may have {least}"));
    }
    if config.limits.group_commit_bytes.0 == 0 {
        fault("limits", "group_commit_bytes", "must not be zero".to_owned());
    }
    for (name, limit) in [("up", config.bandwidth.up), ("down", config.bandwidth.down)] {
        if limit.is_some_and(|limit| limit.0 == 0) {
            fault("bandwidth", name, "zero would stop every transfer; leave it out for no limit".to_owned());
        }
    }
    if config.registration.mode != RegistrationMode::Closed && config.registration.quota.is_none() {
        fault("registration", "mode", "where people make accounts, there must be a registration.quota".to_owned());
    }
    if let Some(folder) = config.audit.folder.as_deref().filter(|folder| is_shared(folder)) {
        let (folder, own) = (folder.display(), folder.join("ferryd"));
        fault(
            "audit",
            "folder",
            format!("{folder} holds other things of the system; name one of its own, such as {}", own.display()),
        );
    }
    if let Some(Err(message)) = config.registration.quota.map(sensible_quota) {
        fault("registration", "quota", message);
    }
    if let Err(error) = log_level::filter(&config.log.level) {
        fault("log", "level", error.to_string());
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_log_gets_no_folder_of_the_system() {
        let with = |folder: &str| {
            let mut config = Config::default();
            config.audit.folder = Some(folder.into());
            faults(&config)
        };
        let found = with("/var");
        assert!(matches!(&found[..], [(key, why)] if key.name == "folder" && why.contains("/var/ferryd")), "{found:?}");
        assert!(with("/var/a-folder-of-its-own").is_empty());
    }
}
