//! `ferryd invite …`: creates, lists and revokes invites in the user store.

use std::io;

use serde_json::json;

use super::{AdminError, accounts::Accounts, objects::InviteObject};
use crate::{
    args::InviteVerb,
    output,
    users::{
        change::Change,
        facts::InviteFacts,
        invite::{self, Invite},
    },
};

/// Runs a verb.
pub(super) fn run(verb: InviteVerb, json: bool, accounts: &Accounts<'_>) -> Result<(), AdminError> {
    match verb {
        InviteVerb::Create { quota, uses, expires } => {
            let is_closed = accounts.is_registration_closed()?;
            let (token, hash) = invite::token()?;
            let made = Invite { quota, uses, expires: expires.0 };
            accounts.change(&Change::Invite { hash: hash.clone(), invite: made })?;
            let object = json!({
                "id": invite::id(&hash),
                "token": token.expose(),
                "quota": quota,
                "uses": uses,
                "expires": expires.0,
            });
            output::result(json, || format!("{}\n", token.expose()), &object)?;
            if let Some(end) = expires.0.filter(|_| !json) {
                output::note(format_args!("it can be used until {end} (UTC)"));
            }
            if is_closed {
                output::error("nobody can use it before the configuration says: [registration] mode = \"invite\"");
            }
            Ok(())
        }
        InviteVerb::List => Ok(list(&accounts.facts()?.invites, json)?),
        InviteVerb::Revoke { id } => {
            accounts.change(&Change::Revoke { id: id.clone() })?;
            let object = InviteObject { id: &id, outcome: "revoked" };
            Ok(output::result(json, || "the invite is taken back\n".to_owned(), &object)?)
        }
    }
}

fn list(invites: &[InviteFacts], as_json: bool) -> io::Result<()> {
    output::result(as_json, || invites.iter().map(line).collect(), &invites)
}

fn line(invite: &InviteFacts) -> String {
    let quota = invite.quota.map_or("default quota".to_owned(), |quota| quota.to_string());
    let end = invite.expires.map_or("never ends".to_owned(), |end| format!("until {end}"));
    let over = if invite.is_valid() { "" } else { "  over" };
    format!("{}  {quota}  {} left  {end}{over}\n", invite.id, invite.uses)
}
