//! Injects faults at the steps that a server takes on its disk; the counterpart of `server/src/failpoint.rs`.

use std::{fmt, fs, path::PathBuf};

use crate::{
    server::{Server, Setup},
    skipped,
};

/// The fault that replaces a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies without further output.
    Crash,
    /// The disk fails.
    Broken,
    /// The disk is full.
    Full,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crash => "crash",
            Self::Broken => "EIO",
            Self::Full => "ENOSPC",
        })
    }
}

/// The plan of a server started with [`Failpoints::setup`].
#[derive(Debug)]
pub struct Failpoints {
    folder: PathBuf,
    /// Makes each plan different from the previous one.
    plans: u64,
}

impl Failpoints {
    /// Makes the server look for plans.
    #[must_use]
    pub fn setup(setup: Setup) -> Setup {
        setup.environment("FERRY_FAILPOINTS", "{data}/failpoints")
    }

    /// The plans of `server`; `None` if it is a given program (`FERRY_E2E_BIN`) that follows no plans.
    ///
    /// # Panics
    /// If it should follow plans and does not.
    #[must_use]
    pub fn of(server: &mut Server) -> Option<Self> {
        let folder = server.data().join("failpoints");
        fs::create_dir(&folder).expect("a folder for plans");
        let mut points = Self { folder, plans: 0 };
        points.count();
        server.kill();
        server.start_again();
        // After each start the homes are opened, sooner or later.
        server.assert_serves("anna");
        if points.end().is_empty() {
            let given = std::env::var_os("FERRY_E2E_BIN").is_some();
            assert!(given, "the server does not follow plans");
            skipped("a server built for release follows no plans");
            return None;
        }
        Some(points)
    }

    /// Counts steps from now on, without a fault.
    pub fn count(&mut self) {
        self.plan("count 0");
    }

    /// Makes the `number`th step from now on, the first being 1, end in `fault`.
    pub fn arm(&mut self, fault: Fault, number: usize) {
        self.plan(&format!("{fault} {number}"));
    }

    fn plan(&mut self, words: &str) {
        self.plans += 1;
        let _ = fs::remove_file(self.folder.join("trace"));
        let new = self.folder.join("plan.new");
        fs::write(&new, format!("{words} plan-{}\n", self.plans)).expect("the plan can be written");
        fs::rename(new, self.folder.join("plan")).expect("the plan can be put in force");
    }

    /// Removes the plan; returns the steps that were taken under it.
    pub fn end(&mut self) -> Vec<String> {
        let _ = fs::remove_file(self.folder.join("plan"));
        let trace = fs::read_to_string(self.folder.join("trace")).unwrap_or_default();
        trace.lines().map(str::to_owned).collect()
    }
}
