//! `ferryd top`: replaces itself with the program that draws, so that the server needs no code for screens.

use std::{
    env, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// The program that draws.
const PROGRAM: &str = "ferryd-top";
/// Its path in the package.
const INSTALLED: &str = "/usr/libexec/ferryd";

/// The reason why there is no view.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// The program was not found.
    #[error(
        "'ferryd top' needs the program {PROGRAM}, which is not at {}; install the package ferryd, or put {PROGRAM} \
         beside ferryd",
        .0.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" nor at ")
    )]
    Missing(Vec<PathBuf>),
    /// The program exists but does not start.
    #[error("cannot run {}: {source}", path.display())]
    NotRun {
        /// The program.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Replaces this process with the view of the server whose control socket is at `socket`; returns only on failure.
pub(super) fn become_view(socket: &Path) -> TopError {
    let beside = env::current_exe().ok().map(|ferryd| ferryd.with_file_name(PROGRAM));
    let places: Vec<_> = beside.into_iter().chain([Path::new(INSTALLED).join(PROGRAM)]).collect();
    for path in &places {
        let source = Command::new(path).arg(socket).exec();
        if source.kind() != io::ErrorKind::NotFound {
            return TopError::NotRun { path: path.clone(), source };
        }
    }
    TopError::Missing(places)
}
