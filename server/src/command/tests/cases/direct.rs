//! The files layer itself, without a protocol above it.

use crate::{
    files::{Basis, Copied, Error, Files, NewFile, PathFault, Reading, Replace, Step, Work, Writing},
    gate::{Gate, Standing},
};
use ferry_shared::{
    digest::Digest,
    limits::{BLOCK_LEN, block_count},
};

use super::door::{Done, Door, New, Why, parse};
use crate::command::tests::harness::{World, root_of};

#[derive(Debug)]
struct Direct {
    files: Files,
    gate: Gate,
    writing: Option<Writing>,
    reading: Option<Reading>,
}

pub(super) fn connect(world: &World) -> Box<dyn Door> {
    let (files, gate) = world.files();
    Box::new(Direct { files, gate, writing: None, reading: None })
}

impl Direct {
    /// The files, if the session may continue, which each protocol checks before each of its steps.
    fn files(&mut self) -> Done<&Files> {
        self.check_account()?;
        Ok(&self.files)
    }

    fn check_account(&mut self) -> Done {
        match self.gate.standing() {
            Standing::Open | Standing::AccessChanged(_) => Ok(()),
            Standing::Closed | Standing::Farewell(_) => Err(Why::Closed),
        }
    }
}

impl From<Error> for Why {
    fn from(error: Error) -> Self {
        match error {
            Error::OverQuota { .. } => Self::OverQuota,
            Error::ReadOnly => Self::ReadOnly,
            Error::Mismatch { .. } => Self::Mismatch,
            Error::Path { kind, .. } => match kind {
                PathFault::NotFound => Self::NotFound,
                PathFault::Exists => Self::Exists,
                PathFault::Changed => Self::Changed,
                PathFault::Superseded => Self::Superseded,
                PathFault::Bad | PathFault::TooLarge => Self::BadPath,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// Runs all steps of `work`; returns its results.
fn through<T>(mut work: Box<dyn Work<Item = T>>) -> Done<Vec<T>> {
    let mut items = Vec::new();
    loop {
        match work.step()? {
            Step::Busy => {}
            Step::Item(item) => items.push(item),
            Step::Last(item) => {
                items.push(item);
                return Ok(items);
            }
        }
    }
}

impl Door for Direct {
    fn begin(&mut self, new: New<'_>) -> Done<u64> {
        let new = NewFile {
            path: parse(new.path)?,
            size: new.size.map(|size| size as u64),
            replace: if new.replace { Replace::Always } else { Replace::Never },
            parents: false,
            mtime: None,
            mode: None,
            from: if new.resume { Basis::Staged } else { Basis::Nothing },
        };
        let mut writing = self.files()?.write(new)?;
        writing.digest_held(u64::MAX)?;
        Ok(self.writing.insert(writing).held_blocks())
    }

    fn block(&mut self, data: &[u8], index: usize) -> Done {
        self.check_account()?;
        let bytes = data.chunks(BLOCK_LEN).nth(index).unwrap();
        let writing = self.writing.as_mut().unwrap();
        let written = writing.write_block(index as u64, bytes);
        if written.is_err() {
            self.writing.take().unwrap().park();
        }
        Ok(written?)
    }

    fn commit(&mut self, data: &[u8]) -> Done {
        self.check_account()?;
        let stored = self.writing.take().unwrap().commit(Some((data.len() as u64, root_of(data))))?;
        assert_eq!((stored.size, stored.digest), (data.len() as u64, root_of(data)));
        Ok(())
    }

    fn abort(&mut self, path: &str) -> Done {
        self.check_account()?;
        let writing = self.writing.take().unwrap();
        assert_eq!(writing.path(), &parse(path)?);
        Ok(writing.abort()?)
    }

    fn open(&mut self, path: &str) -> Done {
        self.reading = Some(self.files()?.read(&parse(path)?)?);
        Ok(())
    }

    fn read(&mut self) -> Done<Digest> {
        let reading = self.reading.as_mut().unwrap();
        let mut bytes = Vec::new();
        for index in 0..block_count(reading.size()) {
            reading.read_block(index, &mut bytes)?;
        }
        let (digest, version) = (root_of(&bytes), reading.version().clone());
        let (told, version_now) = reading.finish()?;
        assert_eq!((told, version_now), (Some(digest), version));
        Ok(digest)
    }

    fn make_dir(&mut self, path: &str) -> Done {
        Ok(self.files()?.make_dir(&parse(path)?, false)?)
    }

    fn rename(&mut self, from: &str, to: &str, replace: bool) -> Done {
        Ok(self.files()?.rename(&parse(from)?, &parse(to)?, replace)?)
    }

    fn copy(&mut self, from: &str, to: &str) -> Done {
        let copied = through(self.files()?.copy(parse(from)?, parse(to)?, false)?)?;
        assert!(matches!(copied[..], [Copied::File(_) | Copied::Folder]));
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Done {
        through(self.files()?.remove(parse(path)?, true, None)?).map(drop)
    }

    fn touch(&mut self, path: &str) -> Done {
        Ok(self.files()?.touch(&parse(path)?)?)
    }

    fn set_mode(&mut self, path: &str, mode: u32) -> Done {
        Ok(self.files()?.set_attributes(&parse(path)?, None, Some(mode))?)
    }

    fn discard(&mut self, path: &str) -> Done {
        Ok(self.files()?.discard(&parse(path)?)?)
    }

    fn usage(&mut self) -> Done<(u64, u64)> {
        let usage = self.files()?.usage();
        Ok((usage.used, usage.reserved))
    }

    fn list(&mut self, path: &str) -> Done<Vec<String>> {
        let pages = through(self.files()?.list(&parse(path)?)?)?;
        let mut names: Vec<_> =
            pages.iter().flat_map(|page| &page.entries).map(|entry| entry.name.display().to_string()).collect();
        names.sort();
        Ok(names)
    }
}
