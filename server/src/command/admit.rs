//! Which requests change the home, and so need an account that may.

use ferry_shared::message::Request;

use crate::{files::Error, gate::Gate};

/// Whether this request may run.
pub(super) fn admit(gate: &Gate, request: &Request) -> Result<(), Error> {
    if writes(request) { gate.admit_write() } else { Ok(()) }
}

/// Whether a request changes the home. An unlisted request counts as one that does.
fn writes(request: &Request) -> bool {
    use Request as R;
    !matches!(
        request,
        R::List { .. }
            | R::Walk { .. }
            | R::Find { .. }
            | R::Stat { .. }
            | R::Hash { .. }
            | R::Get { .. }
            | R::Usage
            | R::Uploads
            | R::Ping
            | R::ChangePassword { .. }
            | R::Hello(_)
            | R::Login { .. }
            | R::Attach { .. }
            | R::Register { .. }
    )
}
