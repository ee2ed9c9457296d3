//! `ferry site import`: saves the servers of other programs as sites.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum as _};
use ferry_shared::name::Escaped;
use serde::Serialize;

use super::password;
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    import::{Entry, Program, Unusable},
    keyring,
    sites::{Site, Sites},
};

/// `ferry site import`.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The program; the default is all of them
    program: Option<Program>,
    /// Its file; the default is the program's own
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Replace saved servers of the same names
    #[arg(long)]
    replace: bool,
}

/// The outcome of an entry.
#[derive(Serialize)]
struct Outcome<'a> {
    name: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

/// One run of the command.
struct Run<'a> {
    context: &'a Context,
    replace: bool,
    sites: Sites,
    /// The sites to save.
    new: Vec<(String, Site)>,
    /// The names that this run has seen.
    seen: BTreeSet<String>,
    /// Whether an entry was invalid.
    is_partial: bool,
}

pub(super) async fn run(args: ImportArgs, context: &mut Context) -> Result<Exit, Failure> {
    let files = match (args.program, args.file) {
        (Some(program), Some(file)) => vec![(program, file)],
        (Some(program), None) => vec![(program, program.file().ok_or_else(|| nothing("its file was not found"))?)],
        (None, _) => {
            let all = Program::value_variants().iter();
            all.filter_map(|program| Some((*program, program.file()?))).collect()
        }
    };
    if files.is_empty() {
        return Err(nothing("no file of OpenSSH, FileZilla or rclone was found"));
    }
    let (sites, context) = (context.sites()?, &*context);
    let (new, seen) = (Vec::new(), BTreeSet::new());
    let mut run = Run { context, replace: args.replace, sites, new, seen, is_partial: false };
    for (program, file) in files {
        run.read(program, &file)?;
    }
    run.save().await
}

fn nothing(why: &str) -> Failure {
    Failure::Usage(format!("{why}; name it: `ferry site import PROGRAM FILE`"))
}

impl Run<'_> {
    fn read(&mut self, program: Program, file: &Path) -> Result<(), Failure> {
        let found = program.read(file).map_err(|error| Failure::local(file, Looking::File, error))?;
        for note in &found.notes {
            let file = Escaped(file.as_os_str().as_encoded_bytes());
            self.context.output.say(&format!("{file}: {}", Escaped(note.as_bytes())));
        }
        found.entries.iter().try_for_each(|entry| self.take(entry))
    }

    fn take(&mut self, entry: &Entry) -> Result<(), Failure> {
        let (name, mut site) = match entry.site() {
            Ok(named) => named,
            Err(why) => {
                self.is_partial |= matches!(why, Unusable::Invalid(_));
                let why = match &why {
                    Unusable::Kind(why) => why,
                    Unusable::Invalid(why) => *why,
                };
                return self.leave_out(&entry.shown(), "skipped", why);
            }
        };
        if !self.seen.insert(name.clone()) {
            return self.leave_out(&name, "skipped", "an earlier entry has the same name");
        }
        match self.sites.get(&name) {
            Some(_) if !self.replace => {
                return self.leave_out(&name, "kept", "there is a site of this name; --replace replaces it");
            }
            // The rest that was saved about the same server, such as its key, still holds.
            Some(old) if (old.kind, &old.address) == (site.kind, &site.address) => {
                let keyring = old.keyring && old.user == site.user;
                site = Site { user: site.user, keyring, ..old.clone() };
            }
            _ => {}
        }
        self.new.push((name, site));
        Ok(())
    }

    fn leave_out(&self, name: &str, outcome: &'static str, why: &str) -> Result<(), Failure> {
        self.context.output.say(&format!("{}: {outcome}: {why}", Escaped(name.as_bytes())));
        self.context.output.result(&Outcome { name, outcome, address: None, user: None, why: Some(why) })
    }

    async fn save(mut self) -> Result<Exit, Failure> {
        let (outcome, did) = match self.context.global.dry_run {
            true => ("would", "would be saved"),
            false => ("saved", "saved"),
        };
        let mut exit = if self.is_partial { Exit::Partial } else { Exit::Done };
        if !self.context.global.dry_run && !self.new.is_empty() {
            let orphans: Vec<_> =
                self.new.iter().filter_map(|(name, site)| keyring::orphan(&self.sites, name, Some(site))).collect();
            self.sites.put(&self.new)?;
            for orphan in orphans {
                let discarded = password::discard(Some(orphan), self.context).await;
                exit = if discarded == Exit::Done { exit } else { discarded };
            }
        }
        let output = &self.context.output;
        for (name, site) in &self.new {
            output.say(&format!("{name}: {did}: {}", Escaped(site.shown().as_bytes())));
            let user = Some(&*site.user).filter(|user| !user.is_empty());
            output.result(&Outcome { name, outcome, address: Some(site.url()), user, why: None })?;
        }
        if self.new.is_empty() {
            output.say("no site was imported");
        }
        Ok(exit)
    }
}
