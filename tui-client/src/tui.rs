//! The full-screen browser's place: what `ferry` without a verb does.

use crate::{context::Context, exit::Exit, failure::Failure};

/// What to type instead.
const HELP: &str = "\
what shall ferry do? For example:

  ferry ls   alice@files.example.org:              what is there
  ferry get  alice@files.example.org:photos ./     fetch a folder
  ferry put  report.pdf alice@files.example.org:   send a file
  ferry site add work alice@files.example.org      save a server, then say `work:`

`ferry help` shows every verb, `ferry VERB --help` its flags.";

/// Starts.
///
/// # Errors
/// None.
pub(crate) fn start(context: &mut Context) -> Result<Exit, Failure> {
    context.output.warn(HELP);
    Ok(Exit::Usage)
}
