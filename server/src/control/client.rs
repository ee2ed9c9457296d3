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

/// The name of the socket in the server's folder.
const NAME: &str = "control.sock";
/// Its path in a systemd service.
const SERVICE: &str = "/run/ferryd/control.sock";
/// The data folder of a systemd service.
pub const SERVICE_DATA: &str = "/var/lib/ferryd";
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Maximum bytes of an answer: much more than the sessions of any server need.
const ANSWER: u64 = 64 << 20;

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No server is listening.
    #[error(
        "no server answers at {}; is it running ('ferryd serve'), with the same --data and configuration?",
        .0.display()
    )]
    NoServer(PathBuf),
    /// The permissions of the file deny access.
    #[error(
        "{}: you may not use this socket; be root, the server's user, or of the group in control.group or \
         control.admin_group",
        .0.display()
    )]
    NotAllowed(PathBuf),
    /// The connection failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The server refused or failed.
    #[error("{0}")]
    Failed(String),
    /// The answer does not match the question.
    #[error("the server's answer is not understood; does it have another version?")]
    Strange,
}

/// The path at which a server creates its socket.
#[must_use]
pub fn server_path(configured: Option<&Path>, data: &Path) -> PathBuf {
    let runtime = env::var_os("RUNTIME_DIRECTORY").filter(|folder| !folder.is_empty());
    let runtime = runtime.and_then(|folders| env::split_paths(&folders).next());
    configured.map(Path::to_owned).unwrap_or_else(|| runtime.as_deref().unwrap_or(data).join(NAME))
}

/// The path at which to look for the socket. If none is configured and the service's data folder has none, this is
/// the socket of the service, if that exists.
#[must_use]
pub fn path(configured: Option<&Path>, data: &Path) -> PathBuf {
    let path = server_path(configured, data);
    let service = Path::new(SERVICE);
    let elsewhere = configured.is_none() && !path.exists() && data == Path::new(SERVICE_DATA) && service.exists();
    if elsewhere { service.to_owned() } else { path }
}

/// Whether a systemd service is running that this user may ask.
#[must_use]
pub fn may_ask_the_service() -> bool {
    let may = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    let service = Path::new(SERVICE);
    may(service) || may(&admin_path(service))
}

/// The socket for members of `control.admin_group`, for the server whose other socket is at `path`: a file belongs
/// to one group only.
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
    /// Connects to the server, on the socket of either group.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn open(path: PathBuf) -> Result<Self, AskError> {
        match Self::open_at(path.clone()) {
            Err(AskError::NotAllowed(_)) => Self::open_at(admin_path(&path)).map_err(|_| AskError::NotAllowed(path)),
            opened => opened,
        }
    }

    /// Connects to the server's socket for changes of accounts; `path` is that of the socket for everything else.
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

    /// Waits for answers without a timeout.
    ///
    /// # Errors
    /// [`AskError::Io`].
    pub fn patient(self) -> Result<Self, AskError> {
        match self.stream.get_ref().set_read_timeout(None) {
            Ok(()) => Ok(self),
            Err(source) => Err(AskError::Io { path: self.path, source }),
        }
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// [`AskError`]; also if the server refused or failed.
    pub fn ask(&mut self, ask: &Ask) -> Result<Answer, AskError> {
        self.ask_with(ask, &[])
    }

    /// Like [`ask`](Self::ask), and passes open files to the server.
    ///
    /// # Errors
    /// Those of [`ask`](Self::ask).
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
        // A server that refuses may have closed the connection by now; its answer can still be read.
        let written = send(self.stream.get_mut(), &line, files);
        let mut answer = String::new();
        if (&mut self.stream).take(ANSWER).read_line(&mut answer)? == 0 {
            written?;
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up"));
        }
        Ok(answer)
    }

    /// Waits until the server closes the connection, as it does when it has stopped.
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

/// Writes a line and passes open files.
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
