//! The servers that were connected to lately without being saved, in `recent.toml` in the folder of the client's state.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use ferry_shared::{path::RemotePath, text_file};
use serde::{Deserialize, Serialize};

use super::{SavedError, replace};
use crate::{address::Address, tui::state::server::Server};

/// The file.
pub(super) const FILE: &str = "recent.toml";

#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    recent: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<PathBuf>,
}

/// Reads them, the last one first. A line that cannot be used is left out, and so is a damaged file: nothing depends
/// on them.
pub(super) fn read(file: &Path) -> Vec<Server> {
    let Ok(text) = text_file::read(file) else { return Vec::new() };
    let lines = toml::from_str::<File>(&text).unwrap_or_default().recent;
    let server = |line: Line| {
        let address = Address::server(OsStr::new(&line.server)).ok()?;
        let server = Server::from_address(address).ok()?;
        let start = RemotePath::from_typed(line.folder.unwrap_or_default().as_bytes()).ok()?;
        Some(Server { start, identity: line.identity, ..server })
    };
    lines.into_iter().filter_map(server).collect()
}

/// Writes them.
///
/// # Errors
/// [`SavedError::Io`], and the errors of the format.
pub(super) fn write(file: &Path, recent: &[Server]) -> Result<(), SavedError> {
    let line = |server: &Server| Line {
        server: server.target.to_string(),
        folder: std::str::from_utf8(server.start.as_bytes()).ok().filter(|text| !text.is_empty()).map(str::to_owned),
        // A path that is no text cannot be written; its key is then typed again.
        identity: server.identity.clone().filter(|file| file.to_str().is_some()),
    };
    let text = toml::to_string(&File { recent: recent.iter().map(line).collect() })?;
    Ok(replace(file, &text)?)
}

#[cfg(test)]
mod tests {
    use ferry_client::connect::Target;

    use super::*;

    #[test]
    fn servers_come_back_as_they_were_and_a_damaged_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/recent.toml");
        assert_eq!(read(&file), []);
        let start = RemotePath::from_typed(b"a/b").unwrap();
        let recent = [
            Server { start, identity: Some("/home/al/.ssh/id".into()), ..Server::new(Target::ferry("al", "::1", 7)) },
            Server::new(Target::sftp("bo", "h", 22)),
        ];
        write(&file, &recent).unwrap();
        assert_eq!(read(&file), recent);
        std::fs::write(&file, "[[recent]]\nserver = 'no server'\n[[recent]]\nserver = 'al@h:7'\n").unwrap();
        assert_eq!(read(&file), [Server::new(Target::ferry("al", "h", 7))]);
        std::fs::write(&file, "[[recent]").unwrap();
        assert_eq!(read(&file), []);
    }
}
