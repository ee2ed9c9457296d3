//! The client against a server that says exactly what a test tells it to.

// Said of each module, so that lints know them as tests.
#[cfg(test)]
mod fake;
#[cfg(test)]
mod login;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod trust;
