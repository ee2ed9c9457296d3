//! SFTP: packets in, packets out. It declares no sizes and compares no digests.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use ferry_shared::{
    digest::Digest,
    limits::{BLOCK_LEN, BLOCK_SIZE},
    sftp::{Attributes, Extended, Request, Status},
};

use super::door::{Done, Door, New, Why, parse};
use crate::{
    command::tests::harness::{World, root_of},
    sftp::tests::peer::{CREATE, EXCLUSIVE, Peer, READ, TRUNCATE, WRITE, bytes, mtime},
    user_state::UserState,
};

#[derive(Debug)]
struct Sftp {
    peer: Peer,
    user: Arc<UserState>,
    handle: Option<Bytes>,
}

pub(super) fn connect(world: &World) -> Box<dyn Door> {
    Box::new(Sftp { peer: Peer::new(world), user: Arc::clone(&world.session().user), handle: None })
}

/// The reason, as far as the text tells it: the codes of this version tell little.
fn why((status, told): (Status, String)) -> Why {
    let says = |words: &str| told.contains(words);
    match status {
        Status::ConnectionLost => Why::Closed,
        Status::NoSuchFile => Why::NotFound,
        Status::PermissionDenied if says("read-only") => Why::ReadOnly,
        _ if says("over quota") => Why::OverQuota,
        _ if says("exists already") => Why::Exists,
        _ if says("changed") => Why::Changed,
        _ if says("newer upload") => Why::Superseded,
        _ if says("leads out of the home") || says("long") => Why::BadPath,
        _ => Why::Other,
    }
}

impl Sftp {
    fn done(&mut self, request: Request) -> Done {
        self.peer.ask(request).map(drop).map_err(why)
    }
}

impl Door for Sftp {
    fn declares(&self) -> bool {
        false
    }

    fn begin(&mut self, new: New<'_>) -> Done<u64> {
        parse(new.path)?;
        let held = self.peer.shown(new.path).ok().filter(|(_, mtime)| new.resume && *mtime == 0);
        let flags = match (held, new.replace) {
            (Some(_), _) => WRITE | CREATE,
            (None, true) => WRITE | CREATE | TRUNCATE,
            (None, false) => WRITE | CREATE | EXCLUSIVE,
        };
        self.handle = Some(self.peer.open(new.path, flags).map_err(why)?);
        Ok(held.map_or(0, |(size, _)| size / BLOCK_SIZE))
    }

    fn block(&mut self, data: &[u8], index: usize) -> Done {
        let bytes = data.chunks(BLOCK_LEN).nth(index).unwrap();
        let handle = self.handle.clone().unwrap();
        self.peer.write(&handle, (index * BLOCK_LEN) as u64, bytes).map_err(why)
    }

    fn commit(&mut self, _: &[u8]) -> Done {
        let handle = self.handle.take().unwrap();
        self.peer.close(&handle).map_err(why)
    }

    fn abort(&mut self, path: &str) -> Done {
        self.peer.remove(path).map_err(why)
    }

    fn open(&mut self, path: &str) -> Done {
        parse(path)?;
        self.handle = Some(self.peer.open(path, READ).map_err(why)?);
        Ok(())
    }

    fn read(&mut self) -> Done<Digest> {
        let handle = self.handle.take().unwrap();
        let bytes = self.peer.read_all(&handle).map_err(why)?;
        self.peer.close(&handle).map_err(why)?;
        Ok(root_of(&bytes))
    }

    fn make_dir(&mut self, path: &str) -> Done {
        self.done(Request::MakeDir { path: bytes(path), attributes: Attributes::default() })
    }

    fn rename(&mut self, from: &str, to: &str, replace: bool) -> Done {
        parse(to)?;
        let (from, to) = (bytes(from), bytes(to));
        self.done(match replace {
            true => Request::Extended(Extended::PosixRename { from, to }),
            false => Request::Rename { from, to },
        })
    }

    fn copy(&mut self, from: &str, to: &str) -> Done {
        let (from, to) =
            (self.peer.open(from, READ).map_err(why)?, self.peer.open(to, WRITE | CREATE | EXCLUSIVE).map_err(why)?);
        let copy = Extended::CopyData { from, from_offset: 0, length: 0, to: to.clone(), to_offset: 0 };
        self.done(Request::Extended(copy))?;
        self.peer.close(&to).map_err(why)
    }

    fn remove(&mut self, path: &str) -> Done {
        parse(path)?;
        match self.peer.remove(path).map_err(why) {
            Err(Why::Other) => self.done(Request::RemoveDir { path: bytes(path) }),
            removed => removed,
        }
    }

    fn touch(&mut self, path: &str) -> Done {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        match self.peer.set(path, mtime(u32::try_from(now).unwrap())).map_err(why) {
            Err(Why::NotFound) => {}
            set => return set,
        }
        let handle = self.peer.open(path, WRITE | CREATE).map_err(why)?;
        self.peer.close(&handle).map_err(why)
    }

    fn set_mode(&mut self, path: &str, mode: u32) -> Done {
        self.peer.set(path, Attributes { permissions: Some(mode), ..Attributes::default() }).map_err(why)
    }

    fn discard(&mut self, path: &str) -> Done {
        self.peer.remove(path).map_err(why)
    }

    fn usage(&mut self) -> Done<(u64, u64)> {
        self.done(Request::Extended(Extended::StatVfs { path: bytes("/") }))?;
        let figures = self.user.ledger.snapshot();
        Ok((figures.used.bytes, figures.reserved.bytes))
    }

    fn list(&mut self, path: &str) -> Done<Vec<String>> {
        let mut names = self.peer.list(path).map_err(why)?;
        // Unfinished uploads are shown beside the files, with this date.
        names.retain(|name| !self.peer.shown(&format!("{path}/{name}")).is_ok_and(|(_, mtime)| mtime == 0));
        Ok(names)
    }
}
