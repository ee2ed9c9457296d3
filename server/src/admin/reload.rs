//! `ferryd reload`: as root it opens the certificate and its key itself, because the server's user may not read
//! them.
#![expect(clippy::disallowed_methods, reason = "opens the certificate that the configuration names")]

use std::{
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use super::{AdminError, layers_with, operate, places};
use crate::control::message::{Ask, Pair};

/// Asks the server to read everything again, and passes the certificate and key that the server may not open.
pub(super) fn run(config: Option<PathBuf>, json: bool, data: &Path) -> Result<(), AdminError> {
    let is_root = rustix::process::geteuid().is_root();
    // Use the originals, not the service's own copies.
    let credentials = if is_root { Some(places::CREDENTIALS.into()) } else { places::credentials() };
    let loaded = layers_with(config, credentials).and_then(|layers| layers.load());
    let pair = loaded.as_ref().ok().filter(|_| is_root).and_then(|loaded| {
        let tls = &loaded.config.tls;
        Some((tls.certificate.as_deref()?, tls.key.as_deref()?))
    });
    // The server itself tries to open files that cannot be opened here.
    let (pair, files) = pair.and_then(|(certificate, key)| open(certificate, key)).unzip();
    let files = files.map(Vec::from).unwrap_or_default();
    operate::run_with(&Ask::Reload { pair }, &files, json, loaded.map_err(AdminError::from), data)
}

fn open(certificate: &Path, key: &Path) -> Option<(Pair, [OwnedFd; 2])> {
    let files = [File::open(certificate).ok()?.into(), File::open(key).ok()?.into()];
    let path = |path| std::path::absolute(path).ok()?.into_os_string().into_string().ok();
    Some((Pair { certificate: path(certificate)?.into(), key: path(key)?.into() }, files))
}
