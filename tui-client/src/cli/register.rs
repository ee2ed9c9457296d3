//! `ferry register`: creates an account, if the server allows it.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use ferry_client::{ClientError, Credential, server::Remote};
use ferry_shared::{
    message::reply::Registration,
    refusal::{Code, Refusal},
    secret::Secret,
};
use serde::Serialize;

use crate::{context::Context, exit::Exit, failure::Failure, human, json::NameObject, secret::Source};

/// `ferry register`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry register alice@files.example.org\n  \
    ferry register alice@files.example.org --invite-file token\n\n\
    Asks for the password of the new account, and for the invite if the server requires one.")]
pub(crate) struct RegisterArgs {
    /// The server and the user name: user@host[:port]
    #[arg(value_name = "SITE")]
    site: OsString,
    /// Read the invite from the first line of a file
    #[arg(long, value_name = "FILE")]
    invite_file: Option<PathBuf>,
}

/// The new account in `--json` output.
#[derive(Serialize)]
struct MadeObject<'a> {
    #[serde(flatten)]
    account: NameObject<'a>,
    /// The quota in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
}

pub(super) async fn run(args: RegisterArgs, context: &mut Context) -> Result<Exit, Failure> {
    let place = context.server(&args.site)?;
    // Check the server's key and its policy first, before the user types anything.
    let connector = context.connector_with(&place, Credential::Password(Secret::new(String::new())));
    let greeted = connector.probe().await?;
    let invite = match (greeted.registration, args.invite_file) {
        (Registration::Closed, _) => {
            let no = Refusal::new(Code::NotAllowed, "this server does not allow registration; ask its operator");
            return Err(ClientError::from(no).into());
        }
        (Registration::Open, _) => None,
        (Registration::Invite, Some(file)) => Some(context.told(Source::File(file)).read("")?),
        (Registration::Invite, None) => Some(Source::Prompt.read("Invite: ")?),
    };
    let password = context.passwords().read_new(&format!("Password for {}: ", place.target))?;
    if context.global.dry_run {
        context.output.say(&format!("the account {} would be created", place.target));
        context.output.result(&NameObject { name: &place.target.user, outcome: "would" })?;
        return Ok(Exit::Done);
    }
    connector.ferry("make accounts")?.set_credential(Credential::Password(password));
    let remote = Remote::register(&connector, invite).await.map_err(|error| Failure::Register(Box::new(error)))?;
    let limit = remote.account().usage.limit;
    let account = NameObject { name: &place.target.user, outcome: "made" };
    context.output.result(&MadeObject { account, limit })?;
    let room = limit.map_or("no limit".to_owned(), |limit| human::size(limit).to_string());
    context.output.say(&format!("the account {} was created; quota: {room}", place.target));
    Ok(Exit::Done)
}
