//! The answer to SFTP peers for each failure: a status code, and a sentence for those clients that show it.

use ferry_shared::{
    path::{PathError, RemotePath},
    refusal::{Code, Refusal},
    sftp::Status,
};

use crate::files::Error;

/// A request that is answered with a failure.
#[derive(Debug)]
pub(super) enum Failure {
    /// The files layer refused it.
    Files(Error),
    /// The path makes no sense.
    Path(PathError),
    /// The handle is not open, or not for this.
    Handle,
    /// As many handles are open as one channel may have.
    TooManyHandles,
    /// Another owner than the one that is shown.
    Owner,
    /// The user has no right to do this here.
    NotThis(&'static str),
    /// Not offered.
    Unsupported,
    /// The end of a file or listing; not counted as a refusal.
    End,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Files(error)
    }
}

impl Failure {
    /// The failure as a status and a sentence, and the refusal to count where it is one of the files layer.
    pub(super) fn told(self) -> (Status, String, Option<Refusal>) {
        let (status, told) = match self {
            Self::Files(error) => {
                let refusal = Refusal::from(error);
                return (status_of(refusal.code), refusal.message.clone(), Some(refusal));
            }
            Self::Path(error @ PathError::Name(_)) => (Status::NoSuchFile, error.to_string()),
            Self::Path(error) => (Status::Failure, error.to_string()),
            Self::Handle => (Status::Failure, "the handle is not open for this".to_owned()),
            Self::TooManyHandles => (Status::Failure, "too many open handles".to_owned()),
            Self::Owner => (Status::PermissionDenied, "the owner cannot be changed".to_owned()),
            Self::NotThis(told) => (Status::Failure, told.to_owned()),
            Self::Unsupported => (Status::OpUnsupported, "not supported".to_owned()),
            Self::End => (Status::Eof, "end of file".to_owned()),
        };
        (status, told, None)
    }
}

/// The code for a refusal. Version 3 has few, and clients do not know those of later versions.
fn status_of(code: Code) -> Status {
    match code {
        Code::NotFound => Status::NoSuchFile,
        Code::NotAllowed | Code::OtherFilesystem | Code::DiskReadOnly | Code::AccountClosed => Status::PermissionDenied,
        Code::Unsupported => Status::OpUnsupported,
        Code::Malformed
        | Code::Unsealed
        | Code::LoginFailed
        | Code::TooManyAttempts
        | Code::Busy
        | Code::Exists
        | Code::IsDirectory
        | Code::NotDirectory
        | Code::NotEmpty
        | Code::BadPath
        | Code::OverQuota
        | Code::DiskFull
        | Code::DiskFailing
        | Code::Superseded
        | Code::Changed
        | Code::Mismatch
        | Code::TooLarge
        | Code::Internal
        | Code::Unknown => Status::Failure,
    }
}

/// A path as SFTP clients write it: from the home, which they see as `/`. `.` and `..` are resolved without the disk,
/// and `..` stays at the home.
pub(super) fn path(bytes: &[u8]) -> Result<RemotePath, Failure> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in bytes.split(|b| *b == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    RemotePath::from_wire(&names.join(&b'/')).map_err(Failure::Path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_the_home() {
        let shown = |text: &str| path(text.as_bytes()).map(|path| path.display().to_string()).ok();
        for (text, expected) in [
            ("", "/"),
            (".", "/"),
            ("/", "/"),
            ("/..", "/"),
            ("../../etc/passwd", "/etc/passwd"),
            ("a//b/./c/", "/a/b/c"),
            ("/a/../../b", "/b"),
            ("/a/b/..", "/a"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        assert!(shown("a\0b").is_none() && shown(&"n".repeat(300)).is_none() && shown(&"d/".repeat(200)).is_none());
    }
}
