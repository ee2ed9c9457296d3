//! Symbolic links of an SFTP server, as such.

use bytes::Bytes;
use ferry_shared::{entry::Kind, name::Escaped, refusal::Code, sftp::Request};

use super::{
    calls::{self, Calls},
    fault,
    target::{Hidden, exists, hidden_beside, rename_over},
};
use crate::{
    error::ClientError,
    site::{Done, Location},
};

/// The text of a link.
///
/// # Errors
/// Nothing is there, it is not a link, or the server's refusal.
pub(super) async fn read(calls: &Calls, at: &Location) -> Result<Done, ClientError> {
    let path = calls.place(at).await?;
    let found = match calls.look(path.clone()).await {
        Ok(found) => found,
        Err(error) => return Err(calls.why_missing(&path, error).await),
    };
    if calls::kind(&found) != Kind::Symlink {
        return Err(fault::refused(Code::BadPath, format!("{} is not a symbolic link", Escaped(&path))));
    }
    calls.read_link(path).await.map(|text| Done::Link(text.to_vec()))
}

/// Makes a link with this text; with `replace`, in the place of another link. An equal one satisfies the request.
///
/// # Errors
/// Something else is there, or the server's refusal.
pub(super) async fn make(calls: &Calls, at: &Location, text: Vec<u8>, replace: bool) -> Result<Done, ClientError> {
    let (path, text) = (calls.place(at).await?, Bytes::from(text));
    match calls.look_if_there(path.clone()).await? {
        None => {
            calls.make_link(text, path).await?;
            return Ok(Done::Done);
        }
        Some(found) if calls::kind(&found) == Kind::Symlink => {
            if calls.read_link(path.clone()).await? == text {
                return Ok(Done::Done);
            }
        }
        Some(_) => return Err(exists(&path)),
    }
    if !replace {
        return Err(exists(&path));
    }
    let mut hidden = Hidden::new(calls, hidden_beside(&path, "link"));
    calls.make_link(text, hidden.path.clone()).await?;
    rename_over(calls, hidden.path.clone(), path).await?;
    hidden.keep = true;
    Ok(Done::Done)
}

impl Calls {
    async fn read_link(&self, path: Bytes) -> Result<Bytes, ClientError> {
        self.one_path(Request::ReadLink { path: path.clone() }, &path).await
    }

    pub(super) async fn make_link(&self, text: Bytes, path: Bytes) -> Result<(), ClientError> {
        self.do_it(Request::Symlink { target: text, link: path.clone() }, &path).await
    }
}
