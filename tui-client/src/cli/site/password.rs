//! `ferry site password` and `ferry site forget`: passwords of sites in the keyring of the system.

use crate::{
    context::Context,
    exit::Exit,
    failure::Failure,
    json::NameObject,
    keyring,
    sites::{Site, Sites},
};

/// Stores the password of a site.
pub(super) async fn store(name: &str, context: &mut Context) -> Result<Exit, Failure> {
    let mut sites = context.sites()?;
    let site = find(&sites, name)?;
    if site.identity.is_some() {
        let text = format!("{name} logs in with a key, whose passphrase ssh-agent can keep; only passwords are stored");
        return Err(Failure::Usage(text));
    }
    let target = site.target()?;
    let (account, shown) = (target.url(), keyring::shown(&target));
    let outcome = if context.global.dry_run {
        context.output.say(&format!("the password of {shown} would be stored in the keyring"));
        "would"
    } else {
        let password = context.passwords().read(&format!("Password of {target}: "))?;
        context.keyring.set(account, password).await?;
        sites.mark(name, true)?;
        let text = format!("stored in the keyring, for {shown} alone; `ferry site forget {name}` removes it");
        context.output.say(&text);
        "stored"
    };
    context.output.result(&NameObject { name, outcome })?;
    Ok(Exit::Done)
}

/// Removes the password of a site.
pub(super) async fn forget(name: &str, context: &mut Context) -> Result<Exit, Failure> {
    let mut sites = context.sites()?;
    let target = find(&sites, name)?.target()?;
    let shown = keyring::shown(&target);
    let outcome = if context.global.dry_run {
        context.output.say(&format!("the password of {shown} would be removed from the keyring"));
        "would"
    } else {
        let was_there = context.keyring.remove(target.url()).await?;
        sites.mark(name, false)?;
        context.output.say(&match was_there {
            true => format!("the password of {shown} is removed from the keyring"),
            false => format!("the keyring has no password of {shown}"),
        });
        "forgotten"
    };
    context.output.result(&NameObject { name, outcome })?;
    Ok(Exit::Done)
}

fn find<'a>(sites: &'a Sites, name: &str) -> Result<&'a Site, Failure> {
    sites.require(name)?;
    sites.get(name).ok_or_else(|| crate::sites::SitesError::Unknown(name.to_owned()).into())
}

/// Removes the password of an account that no site uses any more, if there is one. The sites are changed already.
pub(super) async fn discard(account: Option<String>, context: &Context) -> Exit {
    let Some(account) = account else { return Exit::Done };
    match context.keyring.remove(account.clone()).await {
        Ok(_) => Exit::Done,
        Err(error) => {
            let account = ferry_shared::name::Escaped(account.as_bytes());
            context.output.warn(&format!("ferry: the password of {account} is still in the keyring: {error}"));
            Exit::Partial
        }
    }
}
