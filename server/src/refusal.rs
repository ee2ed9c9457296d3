//! The only place where errors of the server become refusals: it decides what a peer may learn.
//!
//! The log gets the whole error; the peer gets a code, a sentence and, for a fault of the server, only the
//! reference under which the log has it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ferry_shared::refusal::{Code, Refusal, Unit};

use crate::{
    disk_fault::Fault,
    disk_trouble,
    files::{Error, PathFault},
    login,
    users::{ChangePasswordError, RegisterError, password::NewPasswordError},
};

/// Numbers faults so that a user's report leads to the line in the log.
static NEXT_REFERENCE: AtomicU64 = AtomicU64::new(1);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        use Error as E;
        let told = |code| Self::new(code, error.to_string());
        match error {
            E::Path { kind, .. } => told(code_of_path(*kind)),
            E::OverQuota { needed, available, held, in_files, .. } => Self {
                unit: Some(if *in_files { Unit::Files } else { Unit::Bytes }),
                needed: Some(*needed),
                available: Some(*available),
                held: Some(*held),
                ..told(Code::OverQuota)
            },
            E::ReadOnly => told(Code::NotAllowed),
            E::Mismatch { .. } => told(Code::Mismatch),
            E::Sequence(reason) => malformed(reason),
            E::NoRoom { needed, free } => disk_full(told(Code::DiskFull), *needed, *free),
            E::Disk { fault, what, source } => of_fault(*fault, what, source),
            E::NotStored | E::Stopped => busy(&error.to_string()),
            E::Wasteful { seconds } => Self { retry_after: Some(*seconds), ..told(Code::Busy) },
            E::Fault(error) => internal(&**error),
        }
    }
}

fn code_of_path(kind: PathFault) -> Code {
    match kind {
        PathFault::NotFound => Code::NotFound,
        PathFault::Exists => Code::Exists,
        PathFault::IsDirectory => Code::IsDirectory,
        PathFault::NotDirectory => Code::NotDirectory,
        PathFault::NotEmpty => Code::NotEmpty,
        PathFault::Bad => Code::BadPath,
        PathFault::Changed => Code::Changed,
        PathFault::Superseded => Code::Superseded,
        PathFault::Denied => Code::NotAllowed,
        PathFault::OtherFilesystem => Code::OtherFilesystem,
        PathFault::TooLarge => Code::TooLarge,
        PathFault::BadPattern => Code::Unsupported,
    }
}

impl From<&login::Error> for Refusal {
    fn from(error: &login::Error) -> Self {
        use login::Error as E;
        match error {
            E::Wrong(_) | E::NoSession => login_failed(),
            E::MustWait(wait) => too_many_attempts(whole_seconds(*wait)),
            E::TooManyAccounts(wait) => too_many_accounts(whole_seconds(*wait)),
            E::Busy | E::TooManySessions(_) | E::TooManyConnections(_) => busy(&error.to_string()),
            E::Registration(error) => of_registration(error),
            E::Home(error) => error.into(),
            E::Fault(error) => internal(&**error),
        }
    }
}

impl From<ChangePasswordError> for Refusal {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::Wrong => Self::new(Code::LoginFailed, "the old password is wrong"),
            ChangePasswordError::New(reason) => Self::new(Code::NotAllowed, reason.to_string()),
            ChangePasswordError::Busy => busy("too many logins at once; try again"),
            ChangePasswordError::Changed => Self::new(Code::Changed, "the account was changed meanwhile; try again"),
            ChangePasswordError::Store(error) => internal(&error),
        }
    }
}

/// Rounded up, so that a client that returns after this time does not have to wait again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// The refusal for a fault of the disk as a whole. The cause is logged, but not every time.
fn of_fault(fault: Fault, what: &str, cause: &std::io::Error) -> Refusal {
    disk_trouble::tell(fault, |count| tracing::error!(what, %cause, refused_since = count, "{fault}"));
    Refusal::new(code_of(fault), format!("{fault}; tell its operator"))
}

fn code_of(fault: Fault) -> Code {
    match fault {
        Fault::Full | Fault::NoInodes | Fault::Quota | Fault::LargestFile => Code::DiskFull,
        Fault::ReadOnly => Code::DiskReadOnly,
        Fault::Failing => Code::DiskFailing,
    }
}

/// The refusal for an upload of `needed` bytes if only `free` bytes are free to users.
fn disk_full(told: Refusal, needed: u64, free: u64) -> Refusal {
    disk_trouble::tell(Fault::Full, |count| {
        tracing::error!(needed, free, refused_since = count, "{}", Fault::Full);
    });
    Refusal { unit: Some(Unit::Bytes), needed: Some(needed), available: Some(free), ..told }
}

/// The refusal for a fault of the server: logged in full, with only a reference for the peer. If a fault of the
/// disk is the cause, the refusal is that of the disk.
#[must_use]
pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Refusal {
    if let Some((fault, cause)) = Fault::behind(error) {
        return of_fault(fault, &error.to_string(), cause);
    }
    let number = NEXT_REFERENCE.fetch_add(1, Ordering::Relaxed);
    let reference = format!("{}-{number}", std::process::id());
    tracing::error!(reference, error = %chain(error), "internal fault");
    Refusal {
        reference: Some(reference.clone()),
        ..Refusal::new(Code::Internal, format!("the server failed; its log has the details under {reference}"))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// The client sent another request instead of the next frame of an upload.
#[must_use]
pub(crate) fn given_up() -> Refusal {
    Refusal::new(Code::Superseded, "the upload was given up for another request; the received part can be resumed")
}

/// The proof was not valid; the refusal never reveals whether the user exists.
fn login_failed() -> Refusal {
    Refusal::new(Code::LoginFailed, "wrong user name or password")
}

/// The address failed too often.
fn too_many_attempts(seconds: u64) -> Refusal {
    Refusal { retry_after: Some(seconds), ..Refusal::new(Code::TooManyAttempts, "too many failed attempts") }
}

/// The address creates accounts faster than the server allows.
fn too_many_accounts(seconds: u64) -> Refusal {
    let message = "too many accounts are created from this address";
    Refusal { retry_after: Some(seconds), ..Refusal::new(Code::TooManyAttempts, message) }
}

/// The server, or the user's share of it, is full for now.
#[must_use]
pub(crate) fn busy(message: &str) -> Refusal {
    Refusal { retry_after: Some(5), ..Refusal::new(Code::Busy, message) }
}

/// No account was created.
fn of_registration(error: &RegisterError) -> Refusal {
    match error {
        RegisterError::Invite => Refusal::new(Code::LoginFailed, error.to_string()),
        RegisterError::Closed | RegisterError::Full | RegisterError::Name(_) => {
            Refusal::new(Code::NotAllowed, error.to_string())
        }
        RegisterError::Taken => Refusal::new(Code::Exists, error.to_string()),
        RegisterError::Password(NewPasswordError::Busy) => busy("too many logins at once; try again"),
        RegisterError::Password(_) => Refusal::new(Code::NotAllowed, error.to_string()),
        RegisterError::Store(error) => internal(error),
        RegisterError::Stopped => busy("the server is ending"),
    }
}

/// The peer does not speak the protocol.
#[must_use]
pub(crate) fn malformed(reason: &str) -> Refusal {
    Refusal::new(Code::Malformed, format!("not the ferry protocol: {reason}"))
}

/// The single refusal for a peer that does not know the server's secret, whatever else is wrong.
#[must_use]
pub(crate) fn unsealed() -> Refusal {
    Refusal::new(Code::Unsealed, "this server speaks only to clients that know its seal; set it with --seal-file FILE")
}

/// The account or the session was closed.
#[must_use]
pub(crate) fn account_closed() -> Refusal {
    Refusal::new(Code::AccountClosed, "this account was closed or its password changed; log in again")
}

/// The request is unknown, or not offered here.
#[must_use]
pub(crate) fn unsupported(what: &str) -> Refusal {
    Refusal::new(Code::Unsupported, format!("this server does not know {what}"))
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;
    use crate::users::StoreError;

    #[test]
    fn a_faulty_disk_has_its_own_codes_and_messages_wherever_it_is_noticed() {
        for (errno, code, words) in [
            (Errno::NOSPC, Code::DiskFull, "disk is full"),
            (Errno::DQUOT, Code::DiskFull, "share of its disk is used up"),
            (Errno::ROFS, Code::DiskReadOnly, "disk is read-only"),
            (Errno::IO, Code::DiskFailing, "disk is failing"),
        ] {
            let cause = || io::Error::from(errno);
            let store = StoreError::Write { path: "/data/users.json".into(), source: cause() };
            for refused in [internal(&cause()), internal(&store), of_registration(&store.into())] {
                assert_eq!((refused.code, refused.retry, &refused.reference), (code, false, &None));
                let told = &refused.message;
                assert!(told.starts_with("the server's ") && told.contains(words), "{told}");
                assert!(told.ends_with("; tell its operator") && !told.contains("users.json"), "{told}");
            }
        }
        let fault = internal(&io::Error::from(Errno::MFILE));
        assert!(fault.code == Code::Internal && fault.reference.is_some());
    }
}
