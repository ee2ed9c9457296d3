//! The client against scripted servers.

// The attribute is on each module, so that lints recognise them as tests.
#[cfg(test)]
mod fake;
#[cfg(test)]
mod ferry;
#[cfg(test)]
mod login;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod sftp;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod trust;
