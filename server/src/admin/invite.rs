//! `ferryd invite …`: makes, lists and takes back invites in the user store.

use std::path::Path;

use serde_json::json;

use super::{AdminError, tell::Tell};
use crate::{
    args::InviteVerb,
    config::{Config, RegistrationMode},
    output,
    users::{
        self,
        file::{self, Store},
        invite::{self, Invite},
    },
};

/// Runs a verb; `tell` has a running server read what was changed.
pub(super) fn run(verb: InviteVerb, config: &Config, data: &Path, tell: Tell<'_>) -> Result<(), AdminError> {
    let store = users::store_file(data);
    match verb {
        InviteVerb::Create { quota, uses, expires } => {
            let (token, hash) = invite::token()?;
            let made = Invite { quota, uses, expires: expires.0 };
            let insert = |store: &mut Store| {
                store.invites.insert(hash.clone(), made);
                Ok::<_, AdminError>(())
            };
            file::edit_then(&store, insert, tell)??;
            output::line(token.expose())?;
            if config.registration.mode == RegistrationMode::Closed {
                output::error("nobody can use it before the configuration says: [registration] mode = \"invite\"");
            }
            Ok(())
        }
        InviteVerb::List { json } => Ok(output::raw(list(&file::load(&store)?, json).as_bytes())?),
        InviteVerb::Revoke { id } => {
            let revoke = |store: &mut Store| {
                let before = store.invites.len();
                store.invites.retain(|hash, _| invite::id(hash) != id && *hash != id);
                Ok::<_, AdminError>(before > store.invites.len())
            };
            let (revoked, ()) = file::edit_then(&store, revoke, tell)??;
            if revoked { Ok(output::line("the invite is taken back")?) } else { Err(AdminError::NoSuchInvite(id)) }
        }
    }
}

fn list(store: &Store, as_json: bool) -> String {
    if as_json {
        let all: Vec<_> = store
            .invites
            .iter()
            .map(|(hash, invite)| {
                json!({ "id": invite::id(hash), "quota": invite.quota, "uses": invite.uses, "expires": invite.expires })
            })
            .collect();
        return format!("{}\n", serde_json::Value::from(all));
    }
    let line = |(hash, invite): (&String, &Invite)| {
        let quota = invite.quota.map_or("default quota".to_owned(), |quota| quota.to_string());
        let end = invite.expires.map_or("never ends".to_owned(), |end| format!("until {end}"));
        let over = if invite.is_valid() { "" } else { "  over" };
        format!("{}  {quota}  {} left  {end}{over}\n", invite::id(hash), invite.uses)
    };
    store.invites.iter().map(line).collect()
}
