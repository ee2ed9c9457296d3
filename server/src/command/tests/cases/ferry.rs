//! Ferry's own protocol: frames in, replies out.

use ferry_shared::{
    digest::Digest,
    frame,
    message::{
        Reply, Request,
        request::{Basis, IfExists, Put},
    },
    refusal::Refusal,
};

use super::door::{Done, Door, New, Why, parse};
use crate::command::tests::harness::{Peer, World, block, commit, put};

struct Ferry(Peer);

pub(super) fn connect(world: &World) -> Box<dyn Door> {
    Box::new(Ferry(world.connect()))
}

impl Ferry {
    fn ask(&mut self, request: &Request) -> Done<Reply> {
        assert!(self.0.has_no_reply(), "an answer nobody waited for: {:?}", self.0.reply());
        let first = self.0.ask(request);
        self.told(first)
    }

    fn answer(&mut self) -> Done<Reply> {
        let first = self.0.answer();
        self.told(first)
    }

    /// The answer; notices come before it.
    fn told(&mut self, first: Result<Reply, Refusal>) -> Done<Reply> {
        match first {
            Ok(Reply::Notice(_)) => self.answer(),
            answer => answer.map_err(|refusal| Why::from(refusal.code)),
        }
    }

    /// Declares that no block is held, which completes the request to read.
    fn nothing_held(&mut self) {
        let mut frame = Vec::new();
        frame::put_have(&mut frame, 0, &[]).unwrap();
        self.0.send(&frame);
    }

    fn done(&mut self, request: &Request) -> Done {
        self.ask(request).map(drop)
    }
}

impl Door for Ferry {
    fn begin(&mut self, new: New<'_>) -> Done<u64> {
        let declared = Put {
            path: parse(new.path)?,
            size: new.size.map(|size| size as u64),
            if_exists: if new.replace { IfExists::Replace } else { IfExists::Refuse },
            ..put("", 0, if new.resume { Basis::Staged } else { Basis::None })
        };
        // A small upload gets no answer before its commit.
        if declared.is_optimistic() {
            self.0.request(&Request::Put(declared));
            return Ok(0);
        }
        match self.ask(&Request::Put(declared))? {
            Reply::Ready { have_blocks, .. } => Ok(have_blocks),
            other => panic!("{other:?}"),
        }
    }

    fn block(&mut self, data: &[u8], index: usize) -> Done {
        self.0.send(&block(data, index));
        if self.0.has_no_reply() { Ok(()) } else { self.answer().map(drop) }
    }

    fn commit(&mut self, data: &[u8]) -> Done {
        self.0.send(&commit(data));
        self.answer().map(drop)
    }

    fn abort(&mut self, path: &str) -> Done {
        self.discard(path)
    }

    fn open(&mut self, path: &str) -> Done {
        let opened = self.done(&Request::Get { path: parse(path)?, blocks: None });
        opened.inspect_err(|_| self.nothing_held())
    }

    fn read(&mut self) -> Done<Digest> {
        self.nothing_held();
        match self.answer()? {
            Reply::Sent { root, .. } => Ok(root.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn make_dir(&mut self, path: &str) -> Done {
        self.done(&Request::MakeDir { path: parse(path)?, parents: false })
    }

    fn rename(&mut self, from: &str, to: &str, replace: bool) -> Done {
        self.done(&Request::Rename { from: parse(from)?, to: parse(to)?, replace })
    }

    fn copy(&mut self, from: &str, to: &str) -> Done {
        self.done(&Request::Copy { from: parse(from)?, to: parse(to)?, replace: false })
    }

    fn remove(&mut self, path: &str) -> Done {
        self.done(&Request::Remove { path: parse(path)?, recursive: true, version: None })
    }

    fn touch(&mut self, path: &str) -> Done {
        self.done(&Request::Touch { path: parse(path)? })
    }

    fn set_mode(&mut self, path: &str, mode: u32) -> Done {
        self.done(&Request::SetAttributes { path: parse(path)?, mtime: None, mode: Some(mode) })
    }

    fn discard(&mut self, path: &str) -> Done {
        self.done(&Request::Discard { path: parse(path)? })
    }

    fn usage(&mut self) -> Done<(u64, u64)> {
        match self.ask(&Request::Usage)? {
            Reply::Usage(usage) => Ok((usage.used, usage.reserved)),
            other => panic!("{other:?}"),
        }
    }

    fn list(&mut self, path: &str) -> Done<Vec<String>> {
        let mut names = Vec::new();
        let mut answer = self.ask(&Request::List { path: parse(path)? })?;
        loop {
            let Reply::Entries(page) = answer else { panic!("{answer:?}") };
            names.extend(page.entries.iter().map(|entry| entry.name.display().to_string()));
            if !page.more {
                names.sort();
                return Ok(names);
            }
            answer = self.answer()?;
        }
    }
}
