//! Shows the waits after failed logins to operators, and lifts them.

use std::net::IpAddr;

use super::message::{Answer, Penalty};
use crate::{
    admission::penalty::network_of,
    audit::event::{Event, Who},
    context::Context,
    users::UserName,
};

/// All waits, the longest first.
pub(super) fn list(context: &Context) -> Vec<Penalty> {
    let shown = context.admission.waiting().into_iter().map(|waiting| Penalty {
        address: network(waiting.address),
        user: waiting.user.map(|tried| tried.as_ref().map_or_else(String::new, UserName::to_string)),
        failures: waiting.failures,
        seconds: waiting.left.as_secs() + u64::from(waiting.left.subsec_nanos() > 0),
    });
    shown.collect()
}

/// Clears the failed logins from an address.
pub(super) async fn lift(context: &Context, uid: u32, address: IpAddr) -> Answer {
    let address_shown = network(network_of(address));
    if !context.admission.lift(address) {
        return Answer::failed(format!("nothing failed from {address_shown} lately; see 'ferryd penalties'"));
    }
    tracing::info!(uid, address = address_shown, "failed logins cleared");
    context.audit.note(Who::operator(uid), Event::Lift { address: address_shown.clone() }).await;
    Answer::Lifted { address: address_shown }
}

/// An address, or the network that shares its waits, as text.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => address.to_string(),
        IpAddr::V6(_) => format!("{address}/64"),
    }
}
