//! The secret of a server with a seal, read from the user's file.

use std::{io, path::PathBuf, sync::Arc};

use ferry_shared::{secret::Secret, text_file};

use crate::error::ClientError;

/// Reads the secret in a file: its text without surrounding white space.
///
/// # Errors
/// [`ClientError::Seal`].
pub(crate) async fn read(path: Option<PathBuf>) -> Result<Option<Secret>, ClientError> {
    let Some(path) = path else { return Ok(None) };
    let at = path.clone();
    let read = move || text_file::read(&at).map(Secret::new);
    let text = match tokio::task::spawn_blocking(read).await {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return Err(ClientError::Seal { path, error: Arc::new(error) }),
        Err(_) => return Err(ClientError::Cancelled),
    };
    match text.expose().trim() {
        "" => Err(ClientError::Seal { path, error: Arc::new(io::Error::other("the file is empty")) }),
        secret => Ok(Some(Secret::new(secret.to_owned()))),
    }
}
