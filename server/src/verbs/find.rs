//! `find`: names below folders, one a line, with the conditions of GNU's program that need no expression.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

use clap::Args;
use ferry_shared::{entry::Kind, name::Escaped, path::RemotePath};
use globset::GlobSet;

use super::call::{Call, named_below};
use crate::{
    files::{Error, Page},
    glob,
};

/// The usage in the help.
pub(super) const USAGE: &str = "find [PATH]… [-name GLOB] [-iname GLOB] [-type f|d|l] [-mindepth N] [-maxdepth N] \
    [-print|-print0]";

/// Arguments of `find`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(super) struct FindArgs {
    /// The folders to search, by default your home, and then conditions that all have to be met
    #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
    words: Vec<OsString>,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// The conditions, and the form of the results.
#[derive(Debug)]
struct Wanted {
    names: Vec<GlobSet>,
    kinds: Vec<Kind>,
    least: usize,
    most: usize,
    end: u8,
}

impl Wanted {
    fn means(&self, name: &[u8], kind: Kind, depth: usize) -> bool {
        (self.least..=self.most).contains(&depth)
            && (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self.names.iter().all(|glob| glob.is_match(OsStr::from_bytes(name)))
    }
}

pub(super) async fn run(args: FindArgs, call: &mut Call) {
    let first = args.words.iter().position(|word| is_condition(word)).unwrap_or(args.words.len());
    let (paths, conditions) = args.words.split_at(first);
    let wanted = match parse(conditions) {
        Ok(wanted) => wanted,
        Err(reason) => return call.complain(format_args!("{reason}\nUsage: {USAGE}")),
    };
    let home = [OsString::from(".")];
    for typed in if paths.is_empty() { &home } else { paths } {
        let Some(path) = call.path(typed).await else { continue };
        if let Err(error) = search(typed, &path, &wanted, call).await {
            call.fail(typed, &error);
        }
    }
}

fn is_condition(word: &OsStr) -> bool {
    let word = word.as_bytes();
    word.len() > 1 && word.starts_with(b"-") || matches!(word, b"(" | b")" | b"!" | b",")
}

fn parse(conditions: &[OsString]) -> Result<Wanted, String> {
    let mut wanted = Wanted { names: Vec::new(), kinds: Vec::new(), least: 0, most: usize::MAX, end: b'\n' };
    let mut words = conditions.iter();
    while let Some(word) = words.next() {
        let condition = word.to_str().unwrap_or_default();
        let shown = Escaped(word.as_bytes());
        let mut value = || {
            let value = words.next().ok_or_else(|| format!("{shown} needs a value"))?;
            value.to_str().ok_or_else(|| format!("the value of {shown} is not UTF-8"))
        };
        let number = |text: &str| text.parse().map_err(|_| format!("{shown} needs a number"));
        match condition {
            "-name" | "-iname" => {
                let glob = glob::whole_name(value()?, condition == "-iname");
                wanted.names.push(glob.map_err(|reason| format!("bad pattern: {reason}"))?);
            }
            "-type" => {
                for letter in value()?.split(',') {
                    wanted.kinds.push(match letter {
                        "f" => Kind::File,
                        "d" => Kind::Folder,
                        "l" => Kind::Symlink,
                        _ => return Err("-type is f, d or l, or several of them with commas".to_owned()),
                    });
                }
            }
            "-mindepth" => wanted.least = number(value()?)?,
            "-maxdepth" => wanted.most = number(value()?)?,
            "-print" => wanted.end = b'\n',
            "-print0" => wanted.end = 0,
            _ => return Err(format!("{shown} is not offered")),
        }
    }
    Ok(wanted)
}

async fn search(typed: &OsStr, top: &RemotePath, wanted: &Wanted, call: &mut Call) -> Result<(), Error> {
    let (entry, _) = call.files.stat(top)?;
    // The home has no name of its own for its user.
    let name = top.name().map_or_else(|| typed.as_bytes().to_vec(), |name| name.as_bytes().to_vec());
    if wanted.means(&name, entry.kind, 0) {
        call.print([&named_below(typed, &RemotePath::home())[..], &[wanted.end]].concat()).await;
    }
    if entry.kind != Kind::Folder || wanted.most == 0 {
        return Ok(());
    }
    let mut pages = if wanted.most == 1 { call.files.list(top)? } else { call.files.walk(top)? };
    loop {
        let (Page { under, entries, unreadable, .. }, is_last) = call.next(&mut *pages).await?;
        let depth = under.depth() + 1;
        for entry in entries.iter().filter(|entry| wanted.means(entry.name.as_bytes(), entry.kind, depth)) {
            call.print([&named_below(typed, &under.join(&entry.name)?)[..], &[wanted.end]].concat()).await;
        }
        for folder in unreadable {
            call.complain(format_args!("{}: cannot be read", Escaped(&named_below(typed, &folder))));
        }
        if is_last {
            return Ok(());
        }
    }
}
