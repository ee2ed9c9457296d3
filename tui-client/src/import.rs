//! Reads the servers that other programs have saved: names, hosts, users and ports, never passwords.
//!
//! The files are somebody else's, and may be damaged or hostile: their size is bounded, no part of a line that is not
//! understood is repeated, and each entry is judged before it becomes a site.

mod entry;
mod filezilla;
mod openssh;
mod rclone;

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use directories::BaseDirs;
use ferry_shared::text_file;
use zeroize::Zeroizing;

pub(crate) use self::entry::{Entry, Unusable};

/// The maximum size of a file; a longer one is not a list of servers.
const LONGEST: u64 = 1 << 20;
/// The maximum number of entries.
const MOST: usize = 1000;

/// A program that saves servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    /// The hosts in `~/.ssh/config`
    Openssh,
    /// The site manager of FileZilla
    Filezilla,
    /// The remotes of rclone
    Rclone,
}

/// The content of a program's file.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The entries.
    pub(crate) entries: Vec<Entry>,
    /// The lines that are not obeyed, for people.
    pub(crate) notes: Vec<String>,
}

impl Program {
    /// The file in which the program keeps its servers, if there is one.
    pub(crate) fn file(self) -> Option<PathBuf> {
        let folders = BaseDirs::new()?;
        let (home, config) = (folders.home_dir(), folders.config_dir());
        let variable = std::env::var_os("RCLONE_CONFIG").map(PathBuf::from);
        let places = match self {
            Self::Openssh => vec![home.join(".ssh/config")],
            Self::Filezilla => [config.join("filezilla"), home.join(".config/filezilla"), home.join(".filezilla")]
                .map(|folder| folder.join("sitemanager.xml"))
                .into(),
            Self::Rclone => variable
                .into_iter()
                .chain([config.join("rclone/rclone.conf"), home.join(".config/rclone/rclone.conf")])
                .chain([home.join(".rclone.conf")])
                .collect(),
        };
        places.into_iter().find(|place| place.is_file())
    }

    /// Reads `file`.
    ///
    /// # Errors
    /// The disk's error, or `InvalidData` if it is not a file of this program.
    pub(crate) fn read(self, file: &Path) -> io::Result<Found> {
        let text = bounded(file)?;
        let found = match self {
            // ferry reads this file when it connects, and so finds jump hosts and keys too.
            Self::Openssh => openssh::read(&text, self.file().is_some_and(|own| is_same(&own, file))),
            Self::Filezilla => filezilla::read(&text)?,
            Self::Rclone => rclone::read(&text)?,
        };
        if found.entries.len() > MOST { Err(invalid(format!("there are more than {MOST} entries"))) } else { Ok(found) }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The text of a file, which may contain passwords and is therefore wiped from memory.
fn bounded(file: &Path) -> io::Result<Zeroizing<String>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(invalid("it is longer than 1 MiB"));
    }
    text_file::decode(bytes).map(Zeroizing::new)
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}
