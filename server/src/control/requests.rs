//! Requests on the control socket, with the open files that may be passed with one.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::OwnedFd,
};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::{io::Interest, net::UnixStream};

/// Maximum bytes of a request.
const LINE: usize = 64 << 10;
/// Bytes received at once.
const PIECE: usize = 4 << 10;
/// Maximum files of a request: a certificate and its key.
pub(super) const FILES: usize = 2;

/// A received request.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// The line; incomplete if it is too long, or if the peer stopped in the middle.
    pub(super) line: Vec<u8>,
    /// The files that were passed with it or before it.
    pub(super) files: Vec<OwnedFd>,
}

/// Received bytes and files that do not form a request yet.
#[derive(Debug, Default)]
pub(super) struct Requests {
    bytes: Vec<u8>,
    files: Vec<OwnedFd>,
}

impl Requests {
    /// The next request; `None` if the peer has finished.
    pub(super) async fn next(&mut self, stream: &UnixStream) -> io::Result<Option<Request>> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line = self.bytes.drain(..=end).collect();
                return Ok(Some(Request { line, files: std::mem::take(&mut self.files) }));
            }
            let has_ended = self.bytes.len() >= LINE || {
                let mut received = || receive(stream, &mut self.bytes, &mut self.files);
                stream.async_io(Interest::READABLE, &mut received).await? == 0
            };
            if has_ended {
                let line = std::mem::take(&mut self.bytes);
                return Ok((!line.is_empty()).then(|| Request { line, files: Vec::new() }));
            }
        }
    }
}

/// Receives the available bytes and files; returns the number of bytes.
fn receive(stream: &UnixStream, bytes: &mut Vec<u8>, files: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut piece = [0; PIECE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(stream, &mut [IoSliceMut::new(&mut piece)], &mut beside, flags)?.bytes;
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(handed) = message {
            files.extend(handed);
        }
    }
    // No request needs more, and each one occupies a descriptor until it is closed.
    files.truncate(FILES);
    bytes.extend_from_slice(piece.get(..received).unwrap_or_default());
    Ok(received)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{IoSlice, Read as _, Write as _},
        os::fd::AsFd as _,
    };

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::*;

    fn send(to: &std::os::unix::net::UnixStream, bytes: &[u8], file: &File, times: usize) {
        let files = vec![file.as_fd(); times];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        assert!(beside.push(SendAncillaryMessage::ScmRights(&files)));
        sendmsg(to, &[IoSlice::new(bytes)], &mut beside, SendFlags::empty()).unwrap();
    }

    #[tokio::test]
    async fn a_request_comes_with_the_files_handed_over_and_no_more_of_them_than_are_needed() {
        let (mut here, there) = std::os::unix::net::UnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        let there = UnixStream::from_std(there).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        let mut requests = Requests::default();
        send(&here, b"one\ntw", &file, 4);
        let one = requests.next(&there).await.unwrap().unwrap();
        assert!(one.line == b"one\n" && one.files.len() <= FILES, "{one:?}");
        file.write_all(b"").unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        send(&here, b"o\n", &file, 2);
        let two = requests.next(&there).await.unwrap().unwrap();
        assert!(two.line == b"two\n" && two.files.len() == 2, "{two:?}");
        let mut text = String::new();
        File::from(two.files.into_iter().next().unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
        here.write_all(b"cut").unwrap();
        drop(here);
        let cut = requests.next(&there).await.unwrap().unwrap();
        assert!(cut.line == b"cut" && cut.files.is_empty());
        assert!(requests.next(&there).await.unwrap().is_none());
    }
}
