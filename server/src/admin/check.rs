//! `ferryd check`: every fault with its place, before a server stumbles over it.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{AdminError, layers};
use crate::{
    config::{Config, ConfigError},
    identity::Identity,
    output,
    users::{
        self,
        file::{self, StoreError},
    },
};

pub(super) fn run(config: Option<PathBuf>, data: &Path) -> Result<(), AdminError> {
    let mut faults = Vec::new();
    let config = match layers(config).and_then(|layers| layers.load()) {
        Ok(loaded) => Some(loaded.config),
        Err(ConfigError::Faults(found)) => {
            faults.extend(found.iter().map(ToString::to_string));
            None
        }
        Err(error) => {
            faults.push(error.to_string());
            None
        }
    };
    let store = users::store_file(data);
    let count = match file::load(&store) {
        Ok(loaded) => loaded.users.len(),
        Err(StoreError::Broken(found)) => {
            faults.extend(found.iter().map(ToString::to_string));
            0
        }
        Err(error) => {
            faults.push(error.to_string());
            0
        }
    };
    faults.extend(readable_by_others(&store));
    faults.extend(identity_fault(config.as_ref(), data));
    for fault in &faults {
        output::line(fault)?;
    }
    match faults.len() {
        0 => Ok(output::line(format_args!("no faults; {count} {}", if count == 1 { "user" } else { "users" }))?),
        1 => Err(AdminError::Faulty("1 fault".to_owned())),
        many => Err(AdminError::Faulty(format!("{many} faults"))),
    }
}

/// The key, if there is one yet; checking makes none.
fn identity_fault(config: Option<&Config>, data: &Path) -> Option<String> {
    let tls = &config?.tls;
    if tls.certificate.is_none() && !data.join("identity").exists() {
        return None;
    }
    match Identity::load(data, tls) {
        Ok(_) => {
            let key = tls.key.clone().unwrap_or_else(|| data.join("identity/key.pem"));
            readable_by_others(&key)
        }
        Err(error) => Some(error.to_string()),
    }
}

fn readable_by_others(path: &Path) -> Option<String> {
    match fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            let fault = || format!("{}: others may read it (mode {mode:o}); chmod o-rwx it", path.display());
            (mode & 0o007 != 0).then(fault)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(format!("{}: {error}", path.display())),
    }
}
