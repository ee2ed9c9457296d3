//! The two requests to ssh-agent that a login needs (draft-ietf-sshm-ssh-agent).

use std::{
    env, io,
    io::{Read, Write},
    path::PathBuf,
    time::Duration,
};

use super::public_line;
use crate::error::AgentError;

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// The maximum length of an answer.
const LONGEST: usize = 256 << 10;
/// Time limit for the agent; the user may have to touch a token.
const PATIENCE: Duration = Duration::from_secs(60);

/// The running agent.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    socket: PathBuf,
}

/// A key in the agent's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The public key in its SSH encoding.
    pub(super) blob: Vec<u8>,
}

/// A key in ssh-agent.
#[derive(Debug, Clone)]
pub struct AgentKey {
    agent: Agent,
    blob: Vec<u8>,
}

impl AgentKey {
    pub(super) fn new(agent: Agent, blob: Vec<u8>) -> Self {
        Self { agent, blob }
    }

    pub(super) fn public_line(&self) -> String {
        public_line(&self.blob)
    }

    /// Signs `text`; returns the 64 bytes of the signature. Blocks.
    pub(super) fn sign(&self, text: &[u8]) -> Result<Vec<u8>, AgentError> {
        let mut request = vec![SIGN_REQUEST];
        put_string(&mut request, &self.blob);
        put_string(&mut request, text);
        request.extend_from_slice(&[0; 4]);
        let answer = self.agent.ask(&request)?;
        let body = answer.strip_prefix(&[SIGN_RESPONSE]).ok_or(AgentError::Refused)?;
        let (signature, _) = take_string(body).ok_or(AgentError::Refused)?;
        let (kind, rest) = take_string(signature).ok_or(AgentError::Refused)?;
        match take_string(rest) {
            Some((bytes, [])) if kind == b"ssh-ed25519" => Ok(bytes.to_vec()),
            _ => Err(AgentError::Refused),
        }
    }
}

impl Agent {
    /// The agent that `SSH_AUTH_SOCK` names.
    pub(super) fn of_process() -> Option<Self> {
        let socket = env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty())?;
        Some(Self { socket: socket.into() })
    }

    /// The keys in the agent.
    pub(super) fn keys(&self) -> Result<Vec<Held>, AgentError> {
        let answer = self.ask(&[REQUEST_IDENTITIES])?;
        let body = answer.strip_prefix(&[IDENTITIES_ANSWER]).ok_or(AgentError::Refused)?;
        let (_, mut rest) = body.split_first_chunk::<4>().ok_or(AgentError::Refused)?;
        let mut keys = Vec::new();
        // Read up to the end of the answer, and ignore the number of keys that it states.
        while let Some((blob, after)) = take_string(rest) {
            let (_comment, after) = take_string(after).ok_or(AgentError::Refused)?;
            keys.push(Held { blob: blob.to_vec() });
            rest = after;
        }
        Ok(keys)
    }

    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, AgentError> {
        let mut stream = connect(&self.socket)?;
        let mut framed = Vec::new();
        put_string(&mut framed, request);
        stream.write_all(&framed)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(AgentError::Refused);
        }
        let mut answer = Vec::new();
        stream.take(length as u64).read_to_end(&mut answer)?;
        if answer.len() < length { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) } else { Ok(answer) }
    }
}

#[cfg(unix)]
fn connect(socket: &std::path::Path) -> io::Result<impl Read + Write + use<>> {
    let stream = std::os::unix::net::UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Agents on other systems use other transports, which this build does not support.
#[cfg(not(unix))]
fn connect(_socket: &std::path::Path) -> io::Result<io::Cursor<Vec<u8>>> {
    Err(io::ErrorKind::Unsupported.into())
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    // Requests are short; the agent would refuse a longer one.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn take_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_decoded_and_never_read_past_the_end() {
        let mut bytes = Vec::new();
        put_string(&mut bytes, b"one");
        put_string(&mut bytes, b"");
        let (one, rest) = take_string(&bytes).unwrap();
        assert_eq!((one, take_string(rest)), (&b"one"[..], Some((&b""[..], &b""[..]))));
        assert_eq!(take_string(&bytes[..6]), None);
        assert_eq!(take_string(&[255, 255, 255, 255, 0]), None);
    }
}
