//! Points at which a test can let the disk fail or the process die; absent from release builds.
//!
//! `FERRY_FAILPOINTS` names a folder. While it contains a file `plan`, every step is counted and noted in the file
//! `trace`; `plan` contains `crash 5`, `EIO 5` or `ENOSPC 5`: what happens instead of the fifth step. A changed
//! plan starts the count anew.
#![cfg_attr(debug_assertions, expect(clippy::disallowed_methods, reason = "tests say in a file what is to fail"))]

/// A step that is about to change the disk; its error stands for one of the disk.
///
/// # Errors
/// The fault that a test has planned.
#[cfg(not(debug_assertions))]
#[inline]
pub(crate) const fn step(_what: &'static str) -> rustix::io::Result<()> {
    Ok(())
}

#[cfg(debug_assertions)]
pub(crate) use planned::step;

#[cfg(debug_assertions)]
mod planned {
    use std::{
        env,
        fs::{self, File},
        io::Write as _,
        path::{Path, PathBuf},
        process,
        sync::OnceLock,
    };

    use parking_lot::Mutex;
    use rustix::io::{Errno, Result};

    /// The current plan and the number of steps since it was set.
    static TAKEN: Mutex<(String, u64)> = Mutex::new((String::new(), 0));

    /// A step that is about to change the disk; its error stands for one of the disk.
    ///
    /// # Errors
    /// The fault that a test has planned.
    pub(crate) fn step(what: &'static str) -> Result<()> {
        static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
        match FOLDER.get_or_init(|| env::var_os("FERRY_FAILPOINTS").map(PathBuf::from)) {
            Some(folder) => follow(folder, what),
            None => Ok(()),
        }
    }

    fn follow(folder: &Path, what: &str) -> Result<()> {
        let mut taken = TAKEN.lock();
        let Ok(plan) = fs::read_to_string(folder.join("plan")) else { return Ok(()) };
        if taken.0 != plan {
            *taken = (plan, 0);
        }
        taken.1 += 1;
        let trace = File::options().create(true).append(true).open(folder.join("trace"));
        // A step that is not noted would make the test stop too early.
        if trace.and_then(|mut trace| writeln!(trace, "{what}")).is_err() {
            process::abort();
        }
        let mut words = taken.0.split_whitespace();
        let (fault, number) = (words.next(), words.next().and_then(|word| word.parse().ok()));
        match fault {
            Some("crash") if number == Some(taken.1) => process::abort(),
            Some("EIO") if number == Some(taken.1) => Err(Errno::IO),
            Some("ENOSPC") if number == Some(taken.1) => Err(Errno::NOSPC),
            _ => Ok(()),
        }
    }
}
