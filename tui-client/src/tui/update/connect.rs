//! Connecting: the address, the server's key, the password, and giving up at any point.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use ferry_client::{
    SiteKey,
    connect::{Protocol, Target},
};
use ferry_shared::{message::reply::Registration, name::Escaped, path::RemotePath, secret::Secret};

use super::{Out, reach, read, resume};
use crate::{
    address::Address,
    fault::Kind,
    sites::{self, Site},
    tui::{
        action::Action,
        effect::{ConnectionEffect, Effect},
        state::{
            State,
            attempt::{Attempt, Step},
            connection::{Account, Connection, Greeting},
            dialog::{Dialog, Form, Notice, Purpose, Tone, TrustView},
            labels,
            problem::Problem,
            saved::NamedSite,
            server::{Server, key_file},
            ticket::Ticket,
        },
    },
};

/// Begins to connect to the address that was typed in the form.
///
/// # Errors
/// The address or a field is not valid.
pub(super) fn typed(state: &mut State, form: &Form, out: &mut Out) -> Result<(), String> {
    let (typed, user) = (form.get("server"), form.get("user"));
    let mut server = match state.saved.site(typed) {
        Some(site) => Server::from_site(&site.name, &site.site, &state.home)?,
        None if typed.is_empty() => return Err("the server is missing".to_owned()),
        None if typed.contains('@') || typed.contains("://") => {
            Server::from_address(Address::server(OsStr::new(typed)).map_err(|error| error.to_string())?)?
        }
        None if user.is_empty() => return Err("the user is missing".to_owned()),
        None => Server::of_user(user, typed)?,
    };
    if let Some(folder) = form.given("folder") {
        server.start = RemotePath::from_typed(folder.as_bytes()).map_err(|error| error.to_string())?;
    }
    if let Some(file) = form.given("key file") {
        server.identity = Some(key_file(Path::new(file), &state.home));
    }
    let mut saves = None;
    if let Some(name) = form.given("save as") {
        let kind = match server.target.protocol {
            Protocol::Ferry => sites::Kind::Ferry,
            Protocol::Sftp => sites::Kind::Sftp,
        };
        let site = Site {
            kind,
            address: server.target.address(),
            user: server.target.user.clone(),
            path: form.given("folder").map(str::to_owned),
            server_key: None,
            identity: form.given("key file").map(PathBuf::from),
            seal: None,
            links: None,
            keyring: false,
        };
        let site = NamedSite { name: name.to_owned(), site };
        let checked = state
            .saved
            .check_name(None, name)
            .and_then(|()| Server::from_site(name, &site.site, &state.home).map(drop));
        checked.map_err(|fault| format!("save as: {fault}"))?;
        server.site = Some(name.to_owned());
        saves = Some(site);
    }
    state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Sites(_)));
    reach::begin(state, server, out);
    if let Some(attempt) = &mut state.attempt {
        (attempt.form, attempt.site) = (Some(Box::new(form.clone())), saves);
    }
    Ok(())
}

/// The typed address led to a server: save it, if it has a name.
fn save_typed(attempt: &mut Attempt, out: &mut Out) {
    attempt.form = None;
    out.extend(attempt.site.take().map(|site| Effect::SaveSite(None, site)));
}

fn close_reaching(state: &mut State) {
    state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Reaching | Dialog::Trust(_)));
}

/// Shows the form again with the typed text, to be corrected.
fn type_again(state: &mut State) {
    if let Some(mut form) = state.attempt.take().and_then(|attempt| attempt.form) {
        form.focus_on("server");
        state.dialogs.push(Dialog::Form(form));
    }
}

/// A server's key is unknown: ask the user.
pub(super) fn ask_trust(state: &mut State, question: TrustView) {
    if state.attempt.as_ref().is_some_and(|attempt| matches!(attempt.step, Step::Reaching(_))) {
        below_notices(state, Dialog::Trust(question));
    }
}

/// Does an action in the question about the key.
pub(super) fn act_trust(state: &mut State, action: Action, out: &mut Out) {
    match action {
        Action::Accept => {
            state.dialogs.pop();
            out.push(Effect::Connection(ConnectionEffect::Trust(true)));
        }
        Action::Close => {
            state.dialogs.pop();
            out.push(Effect::Connection(ConnectionEffect::Trust(false)));
            give_up(state, out);
            state.say("not connected; nothing was sent to that server");
        }
        _ => {}
    }
}

/// The server was greeted and its key is trusted: log in, or ask for the password.
pub(super) fn greeted(state: &mut State, ticket: Ticket, greeting: Greeting, out: &mut Out) {
    let Some(mut attempt) = waiting(state, ticket) else { return };
    close_reaching(state);
    save_typed(&mut attempt, out);
    if let Some(password) = state.password.take() {
        log_in(state, attempt, greeting, password, out);
    } else if attempt.server.keyring && attempt.server.identity.is_none() {
        let ticket = state.tickets.next();
        out.push(Effect::Connection(ConnectionEffect::LogInStored(ticket)));
        state.attempt = Some(Attempt { step: Step::LoggingIn(greeting, ticket), ..attempt });
    } else if attempt.server.identity.is_some() || attempt.server.target.protocol == Protocol::Sftp {
        // Most keys need no passphrase, and an agent none; the attempt reports one that does.
        log_in(state, attempt, greeting, Secret::new(String::new()), out);
    } else {
        ask(state, attempt, greeting);
    }
}

/// Takes the attempt that waits for a ticket.
fn waiting(state: &mut State, ticket: Ticket) -> Option<Attempt> {
    state.attempt.take_if(|attempt| attempt.ticket() == Some(ticket))
}

/// Asks for the password, or for the passphrase of the key.
fn ask(state: &mut State, attempt: Attempt, greeting: Greeting) {
    let server = &attempt.server;
    let form = Form::new(Purpose::Password, format!("Log in to {}", server.name()))
        .note(format!("server  {}", server.target.address()))
        .note(format!("key     {}", greeting.key))
        .note(format!("user    {}", server.target.user));
    let form = match &server.identity {
        Some(file) => form.note(format!("with    {}", Escaped(file.as_os_str().as_encoded_bytes()))),
        None => form,
    };
    let form = form_of(server, form);
    let form = match greeting.registration {
        Registration::Closed => form,
        Registration::Invite => form.note("No account yet? Ctrl-N makes one, with an invite."),
        Registration::Open => form.note("No account yet? Ctrl-N makes one."),
    };
    state.attempt = Some(Attempt { step: Step::Greeted(greeting), ..attempt });
    below_notices(state, Dialog::Form(Box::new(form)));
}

/// The form with the field of the secret, and for the password of a saved site with the choice to remember it.
fn form_of(server: &Server, form: Form) -> Form {
    let mut form = form.secret(server.secret());
    form.remember = (server.site.is_some() && server.identity.is_none()).then_some(false);
    form
}

/// Opens a dialog below the notices that are still unread.
fn below_notices(state: &mut State, dialog: Dialog) {
    let unread = state.dialogs.iter().rev().take_while(|dialog| matches!(dialog, Dialog::Notice(_))).count();
    state.dialogs.insert(state.dialogs.len() - unread, dialog);
}

/// The key needs its passphrase.
pub(super) fn locked(state: &mut State, ticket: Ticket) {
    if let Some(attempt) = waiting(state, ticket)
        && let Step::LoggingIn(greeting, _) = attempt.step.clone()
    {
        ask(state, attempt, greeting);
    }
}

fn log_in(state: &mut State, attempt: Attempt, greeting: Greeting, password: Secret, out: &mut Out) {
    let ticket = state.tickets.next();
    out.push(Effect::Connection(ConnectionEffect::LogIn(ticket, attempt.server.identity.clone(), password)));
    state.attempt = Some(Attempt { step: Step::LoggingIn(greeting, ticket), ..attempt });
}

/// The attempt whose password is being typed, and the server's greeting.
fn typing(state: &State) -> Option<(&Attempt, &Greeting)> {
    let attempt = state.attempt.as_ref()?;
    match &attempt.step {
        Step::Greeted(greeting) => Some((attempt, greeting)),
        _ => None,
    }
}

/// Takes the typed password.
///
/// # Errors
/// The password is empty.
pub(super) fn password(state: &mut State, form: &mut Form, out: &mut Out) -> Result<(), String> {
    let Some((attempt, greeting)) = typing(state) else { return Ok(()) };
    let (secret, greeting) = (attempt.server.secret(), greeting.clone());
    let password = Secret::new(form.take_secret(secret));
    if password.expose().is_empty() {
        return Err(format!("the {secret} is missing"));
    }
    if let Some(attempt) = state.attempt.take() {
        let site = attempt.server.site.clone().filter(|_| form.remember == Some(true));
        out.extend(site.map(|site| Effect::Connection(ConnectionEffect::Remember(site))));
        log_in(state, attempt, greeting, password, out);
    }
    Ok(())
}

/// Offers to make an account, where the server lets one.
pub(super) fn offer_account(state: &mut State) {
    let Some((Attempt { server, .. }, greeting)) = typing(state) else { return };
    let form = Form::new(Purpose::Register, format!("New account on {}", server.name()))
        .note(format!("server  {}", server.target.address()))
        .text("user", server.target.user.clone())
        .secret("password")
        .secret("again");
    let form = match greeting.registration {
        Registration::Closed => {
            state.warn("this server lets nobody make an account; its operator makes them");
            return;
        }
        Registration::Invite => form.secret("invite"),
        Registration::Open => form,
    };
    state.dialogs.pop();
    state.dialogs.push(Dialog::Form(Box::new(form.focus_empty())));
}

/// Makes an account as it was filled in.
///
/// # Errors
/// A field is empty, or the two passwords differ.
pub(super) fn register(state: &mut State, form: &mut Form, out: &mut Out) -> Result<(), String> {
    let Some((_, greeting)) = typing(state) else { return Ok(()) };
    let greeting = greeting.clone();
    let user = form.get("user").to_owned();
    if user.is_empty() {
        form.focus_on("user");
        return Err("the user is missing".to_owned());
    }
    let known = typing(state).map(|(attempt, _)| Target { user: user.clone(), ..attempt.server.target.clone() });
    if known.is_some_and(|target| state.connections.contains_key(&target)) {
        form.focus_on("user");
        return Err(format!("{user} is connected already"));
    }
    let password = Secret::new(form.take_secret("password"));
    let again = Secret::new(form.take_secret("again"));
    // The next keys must go to the password, whose field does not show them.
    form.focus_on("password");
    if password.expose().is_empty() {
        return Err("the password is missing".to_owned());
    }
    if password != again {
        return Err("the two passwords differ; type both again".to_owned());
    }
    let invite = Some(Secret::new(form.take_secret("invite"))).filter(|invite| !invite.expose().is_empty());
    let ticket = state.tickets.next();
    if let Some(attempt) = &mut state.attempt {
        attempt.server.target.user.clone_from(&user);
        attempt.place.site = SiteKey::Server(attempt.server.target.clone());
        attempt.step = Step::LoggingIn(greeting, ticket);
        state.last_server = Some(attempt.server.target.clone());
        state.servers.insert(attempt.server.target.clone(), attempt.server.clone());
    }
    out.push(Effect::Connection(ConnectionEffect::Register(ticket, user, password, invite)));
    Ok(())
}

/// The login succeeded.
pub(super) fn logged_in(state: &mut State, ticket: Ticket, greeting: Greeting, account: Account, out: &mut Out) {
    let Some(Attempt { server, side, place, .. }) = waiting(state, ticket) else { return };
    state.dialogs.retain(|dialog| !is_login(dialog));
    let (target, motd) = (server.target.clone(), account.motd.clone());
    state.ended.remove(&target);
    if state.saved.connected(&server) {
        out.push(Effect::SaveRecent(state.saved.recent.clone()));
    }
    state.say(format!("connected to {}", server.name()));
    state.connections.insert(target.clone(), Connection { server, greeting, account, lost: None });
    read::go(state, side, place, out);
    let other = side.other();
    if state.panes[other].target() == Some(&target) {
        read::folder(state, other, out);
    }
    if let Some(text) = motd.filter(|text| !text.trim().is_empty()) {
        let lines = text.lines().map(labels::escaped).collect();
        state.dialogs.push(Dialog::Notice(Notice::plain("From the server", lines)));
    }
    resume::connected(state, &target, out);
}

fn is_login(dialog: &Dialog) -> bool {
    matches!(dialog, Dialog::Form(form) if matches!(form.purpose, Purpose::Password | Purpose::Register))
}

/// Connecting or logging in failed. Returns whether the ticket is of that.
pub(super) fn failed(state: &mut State, ticket: Ticket, problem: &Problem) -> bool {
    let Some(attempt) = waiting(state, ticket) else { return false };
    close_reaching(state);
    // Another passphrase helps only with a key that asked for one.
    let typed = attempt.server.identity.is_none() || state.dialogs.iter().any(is_login);
    if let Step::LoggingIn(greeting, _) = &attempt.step
        && !problem.kind.is_offline()
        && problem.kind != Kind::ChangedKey
        && typed
    {
        let server = &attempt.server;
        // The form still has everything but the passwords, to be corrected and sent again.
        if !state.dialogs.iter().any(is_login) {
            let form = Form::new(Purpose::Password, format!("Log in to {}", server.name()));
            let form = form_of(server, form.note(format!("user    {}", server.target.user)));
            state.dialogs.push(Dialog::Form(Box::new(form)));
        }
        if let Some(Dialog::Form(form)) = state.dialogs.iter_mut().find(|dialog| is_login(dialog)) {
            form.fault = Some(problem.to_string());
            form.focus_on(if problem.kind == Kind::Exists { "user" } else { server.secret() });
        }
        let step = Step::Greeted(greeting.clone());
        state.attempt = Some(Attempt { step, ..attempt });
        return true;
    }
    state.dialogs.retain(|dialog| !is_login(dialog));
    state.attempt = Some(attempt);
    type_again(state);
    not_connected(state, problem);
    true
}

fn not_connected(state: &mut State, problem: &Problem) {
    if problem.kind == Kind::ChangedKey {
        state.dialogs.push(Dialog::Notice(stopped(problem)));
        return;
    }
    let mut lines = vec![problem.text.clone()];
    if let Some(hint) = &problem.hint {
        lines.extend([String::new(), hint.clone()]);
    }
    state.dialogs.push(Dialog::Notice(Notice::bad("Not connected", lines)));
}

/// A server showed another key than the known one, at the first connection or at a later one.
pub(super) fn stopped(problem: &Problem) -> Notice {
    let mut lines = Vec::new();
    match &problem.keys {
        Some(keys) => {
            lines.push(format!("{} does not have the key it is known by.", keys.host));
            lines.extend([String::new(), format!("known  {}", keys.expected), format!("now    {}", keys.found)]);
            lines.extend([
                String::new(),
                "Somebody may be intercepting the connection, or the server has a new key. Nothing was sent."
                    .to_owned(),
            ]);
            lines.extend(keys.known_servers.iter().map(|file| {
                format!("If the new key is right, remove the line of {} from {}", keys.host, labels::escaped(file))
            }));
        }
        None => lines.push(problem.text.clone()),
    }
    lines.extend(problem.hint.clone());
    Notice { tone: Tone::Alarm, ..Notice::bad("Stopped: the server's key is not the known one", lines) }
}

/// Gives up connecting, at any stage.
pub(super) fn give_up(state: &mut State, out: &mut Out) {
    if state.attempt.is_some() {
        out.push(Effect::Connection(ConnectionEffect::GiveUp));
    }
    state.dialogs.retain(|dialog| !is_login(dialog));
    close_reaching(state);
    type_again(state);
}
