//! The `ferry` program as a shell sees it, where no server is needed.

#![expect(clippy::unwrap_used, reason = "all of it is tests")]

mod arguments;
mod defaults;
mod documents;
#[cfg(unix)]
mod import;
mod passwords;
mod program;
mod sites;
