//! The file beside a staged part that describes its upload, and so makes it resumable.

use ferry_shared::{entry::Mtime, path::RemotePath};
use serde::{Deserialize, Serialize};

use super::{FileMeta, Lasting, PartMeta, Staging};
use crate::storage::{StorageError, durable};

const VERSION: u32 = 1;
/// More than the sidecar of the longest path with every byte escaped.
const BYTES_MAX: u64 = 64 << 10;

/// The contents of a sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sidecar {
    version: u32,
    pub(super) path: RemotePath,
    pub(super) size: Option<u64>,
    mtime: Option<Mtime>,
    mode: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lasting: Option<Lasting>,
    pub(super) started: Mtime,
}

/// The ID of the part for a target.
pub(super) fn id(path: &RemotePath) -> String {
    blake3::hash(path.as_bytes()).to_hex().as_str().chars().take(32).collect()
}

impl Sidecar {
    pub(super) fn new(meta: &PartMeta, started: Mtime) -> Self {
        let PartMeta { path, size, file: FileMeta { mtime, mode }, lasting } = meta.clone();
        Self { version: VERSION, path, size, mtime, mode, lasting, started }
    }

    pub(super) fn meta(&self) -> PartMeta {
        let file = FileMeta { mtime: self.mtime, mode: self.mode };
        PartMeta { path: self.path.clone(), size: self.size, file, lasting: self.lasting }
    }
}

impl Staging {
    /// Writes a sidecar: from then on its part survives a restart.
    pub(super) fn write_sidecar(&self, sidecar: &Sidecar) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(sidecar).map_err(|error| StorageError::own("write a sidecar", error))?;
        durable::write_whole(&self.folder, &format!("{}.json", id(&sidecar.path)), &bytes, self.durability)
    }

    /// Reads the sidecar of an ID and checks that its part exists; an error describes the fault.
    pub(super) fn read_sidecar(&self, found: &str) -> Result<Sidecar, String> {
        let bytes = durable::read_whole(&self.folder, &format!("{found}.json"), BYTES_MAX);
        let bytes = bytes.map_err(|error| error.to_string())?.ok_or("vanished")?;
        let sidecar: Sidecar = serde_json::from_slice(&bytes).map_err(|error| format!("is corrupt: {error}"))?;
        if sidecar.version != VERSION {
            return Err(format!("is of version {}", sidecar.version));
        }
        if id(&sidecar.path) != found {
            return Err("belongs to another path".to_owned());
        }
        match self.metadata(&format!("{found}.part")) {
            Ok(metadata) if metadata.is_file() => Ok(sidecar),
            Ok(_) => Err("its part is no file".to_owned()),
            Err(error) => Err(format!("its part cannot be found: {error}")),
        }
    }
}
