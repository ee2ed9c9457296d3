//! `ferryd invite …`: makes, lists and takes back invites in the user store.

use std::{io, path::Path};

use serde_json::json;

use super::{AdminError, objects::InviteObject, tell::Tell};
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
pub(super) fn run(
    verb: InviteVerb,
    json: bool,
    config: &Config,
    data: &Path,
    tell: Tell<'_>,
) -> Result<(), AdminError> {
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
            let object = json!({
                "id": invite::id(&hash),
                "token": token.expose(),
                "quota": quota,
                "uses": uses,
                "expires": expires.0,
            });
            output::result(json, || format!("{}\n", token.expose()), &object)?;
            if config.registration.mode == RegistrationMode::Closed {
                output::error("nobody can use it before the configuration says: [registration] mode = \"invite\"");
            }
            Ok(())
        }
        InviteVerb::List => Ok(list(&file::load(&store)?, json)?),
        InviteVerb::Revoke { id } => {
            let revoke = |store: &mut Store| {
                let before = store.invites.len();
                store.invites.retain(|hash, _| invite::id(hash) != id && *hash != id);
                Ok::<_, AdminError>(before > store.invites.len())
            };
            let (revoked, ()) = file::edit_then(&store, revoke, tell)??;
            if !revoked {
                return Err(AdminError::NoSuchInvite(id));
            }
            let object = InviteObject { id: &id, outcome: "revoked" };
            Ok(output::result(json, || "the invite is taken back\n".to_owned(), &object)?)
        }
    }
}

fn list(store: &Store, as_json: bool) -> io::Result<()> {
    let object = |(hash, invite): (&String, &Invite)| json!({ "id": invite::id(hash), "quota": invite.quota, "uses": invite.uses, "expires": invite.expires });
    let all: Vec<_> = store.invites.iter().map(object).collect();
    output::result(as_json, || list_text(store), &all)
}

fn list_text(store: &Store) -> String {
    let line = |(hash, invite): (&String, &Invite)| {
        let quota = invite.quota.map_or("default quota".to_owned(), |quota| quota.to_string());
        let end = invite.expires.map_or("never ends".to_owned(), |end| format!("until {end}"));
        let over = if invite.is_valid() { "" } else { "  over" };
        format!("{}  {quota}  {} left  {end}{over}\n", invite::id(hash), invite.uses)
    };
    store.invites.iter().map(line).collect()
}
