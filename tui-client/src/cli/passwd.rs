//! `ferry passwd`: changes the password.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use ferry_client::Credential;

use crate::{context::Context, exit::Exit, failure::Failure, json::NameObject, secret::Source};

/// `ferry passwd`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  ferry passwd work\n  printf '%s\\n' \"$OLD\" \"$NEW\" | ferry passwd work --password-stdin\n\n\
    With --password-stdin the first line is the current password and the second line the new one.\n\
    The user's other sessions end."
)]
pub(crate) struct PasswdArgs {
    /// The server
    #[arg(value_name = "SITE")]
    site: OsString,
    /// Read the new password from the first line of a file
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
}

pub(super) async fn run(args: PasswdArgs, context: &mut Context) -> Result<Exit, Failure> {
    let place = context.server(&args.site)?;
    let source = context.passwords();
    let old = source.read(&format!("Current password of {}: ", place.target))?;
    let connector = context.connector_with(&place, Credential::Password(old.clone()));
    let remote = context.reach(&connector).await?;
    let new = match (args.new_password_file, source) {
        (Some(file), _) => context.told(Source::File(file)),
        // A file contains one password, the current one.
        (None, Source::File(_)) => Source::Prompt,
        (None, source) => source,
    };
    let new = new.read_new("New password: ")?;
    let outcome = if context.global.dry_run {
        context.output.say("the password would be changed");
        "would"
    } else {
        remote.change_password(old, new).await?;
        context.output.say("the password is changed");
        "changed"
    };
    context.output.result(&NameObject { name: &place.target.user, outcome })?;
    Ok(Exit::Done)
}
