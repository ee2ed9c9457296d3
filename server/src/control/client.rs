//! The operator's side of the control socket: one question, one answer, in plain blocking calls.

use std::{
    env, io,
    io::{BufRead as _, BufReader, IoSlice, Read as _, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::{
    message::{Answer, Ask},
    requests::FILES,
};

/// The socket's name in the server's folder.
const NAME: &str = "control.sock";
/// Where a service of systemd has it.
const SERVICE: &str = "/run/ferryd/control.sock";
/// The data folder of such a service.
pub const SERVICE_DATA: &str = "/var/lib/ferryd";
/// How long a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes in an answer: much more than any server has sessions.
const ANSWER: u64 = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error(
        "no server answers at {}; is it running ('ferryd serve'), with the same --data and configuration?",
        .0.display()
    )]
    NoServer(PathBuf),
    /// The file says no.
    #[error(
        "{}: you may not use this socket; be root, the server's user, or of the group in control.group or \
         control.admin_group",
        .0.display()
    )]
    NotAllowed(PathBuf),
    /// The talk broke off.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server said no.
    #[error("{0}")]
    Failed(String),
    /// The server says something else.
    #[error("the server's answer is not understood; is it of another version?")]
    Strange,
}

/// Where a server makes its socket.
#[must_use]
pub fn server_path(configured: Option<&Path>, data: &Path) -> PathBuf {
    let runtime = env::var_os("RUNTIME_DIRECTORY").filter(|folder| !folder.is_empty());
    let runtime = runtime.and_then(|folders| env::split_paths(&folders).next());
    configured.map(Path::to_owned).unwrap_or_else(|| runtime.as_deref().unwrap_or(data).join(NAME))
}

/// Where to look for it: the service's when the data folder has none.
#[must_use]
pub fn path(configured: Option<&Path>, data: &Path) -> PathBuf {
    let path = server_path(configured, data);
    let service = Path::new(SERVICE);
    let elsewhere = configured.is_none() && !path.exists() && data == Path::new(SERVICE_DATA) && service.exists();
    if elsewhere { service.to_owned() } else { path }
}

/// Whether a service of systemd runs that this user may ask.
#[must_use]
pub fn may_ask_the_service() -> bool {
    let may = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    let service = Path::new(SERVICE);
    may(service) || may(&admin_path(service))
}

/// Where members of `control.admin_group` reach the server whose other socket is at `path`: a file belongs to but one
/// group.
#[must_use]
pub fn admin_path(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push("-admin.");
    name.push(path.extension().unwrap_or_else(|| "sock".as_ref()));
    path.with_file_name(name)
}

/// A connection to the server.
#[derive(Debug)]
pub struct Line {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Line {
    /// Reaches the server, on the socket for the one group or the other.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn open(path: PathBuf) -> Result<Self, AskError> {
        match Self::open_at(path.clone()) {
            Err(AskError::NotAllowed(_)) => Self::open_at(admin_path(&path)).map_err(|_| AskError::NotAllowed(path)),
            opened => opened,
        }
    }

    /// Reaches the server where it takes changes of accounts; `path` is that of the socket for all else.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn open_for_accounts(path: PathBuf) -> Result<Self, AskError> {
        Self::open_at(admin_path(&path)).or_else(|_| Self::open_at(path))
    }

    fn open_at(path: PathBuf) -> Result<Self, AskError> {
        let connected = UnixStream::connect(&path).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => Ok(Self { stream: BufReader::new(stream), path }),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NoServer(path),
                io::ErrorKind::PermissionDenied => AskError::NotAllowed(path),
                _ => AskError::Io { path, source: error },
            }),
        }
    }

    /// Waits for answers however long they take.
    ///
    /// # Errors
    /// [`AskError::Io`].
    pub fn patient(self) -> Result<Self, AskError> {
        match self.stream.get_ref().set_read_timeout(None) {
            Ok(()) => Ok(self),
            Err(source) => Err(AskError::Io { path: self.path, source }),
        }
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// [`AskError`]; also for what the server did not do.
    pub fn ask(&mut self, ask: &Ask) -> Result<Answer, AskError> {
        self.ask_with(ask, &[])
    }

    /// As [`ask`](Self::ask), with open files that the server is to have.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn ask_with(&mut self, ask: &Ask, files: &[OwnedFd]) -> Result<Answer, AskError> {
        let line = self.exchange(ask, files).map_err(|source| AskError::Io { path: self.path.clone(), source })?;
        match serde_json::from_str(&line) {
            Ok(Answer::Failed { message }) => Err(AskError::Failed(message)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(AskError::Strange),
        }
    }

    fn exchange(&mut self, ask: &Ask, files: &[OwnedFd]) -> io::Result<String> {
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        // A server that refuses us may have hung up by now; its word is still to be read.
        let written = send(self.stream.get_mut(), &line, files);
        let mut answer = String::new();
        if (&mut self.stream).take(ANSWER).read_line(&mut answer)? == 0 {
            written?;
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
        }
        Ok(answer)
    }

    /// Waits until the server hangs up, as it does when it has stopped.
    ///
    /// # Errors
    /// [`AskError::Io`].
    pub fn wait_end(mut self) -> Result<(), AskError> {
        let waited =
            self.stream.get_ref().set_read_timeout(None).and_then(|()| io::copy(&mut self.stream, &mut io::sink()));
        match waited {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Err(source) => Err(AskError::Io { path: self.path, source }),
        }
    }
}

/// Writes a line, with open files.
fn send(stream: &mut UnixStream, line: &[u8], files: &[OwnedFd]) -> io::Result<()> {
    let files: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = sendmsg(&*stream, &[IoSlice::new(line)], &mut beside, SendFlags::NOSIGNAL)?;
    stream.write_all(line.get(sent..).unwrap_or_default())
}
