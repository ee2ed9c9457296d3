//! Connecting: the address, the server's key, the password, and giving up at any point.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use ferry_shared::{message::reply::Registration, name::Escaped, path::RemotePath, secret::Secret};

use super::{Out, connection, reach, read, resume};
use crate::{
    address::Address,
    fault::Kind,
    sites::Site,
    tui::{
        action::Action,
        effect::{ConnectionEffect, Effect},
        state::{
            State,
            attempt::Attempt,
            connection::{Account, Connection, Greeting, Session},
            dialog::{Dialog, Form, Notice, Purpose, TrustView},
            labels,
            place::Place,
            problem::Problem,
            saved::NamedSite,
            server::{Server, key_file},
            side::Side,
            ticket::Ticket,
        },
    },
};

/// Takes a typed address.
///
/// # Errors
/// The address or a field is not valid.
pub(super) fn typed(state: &mut State, form: &Form, out: &mut Out) -> Result<(), String> {
    let (typed, user) = (form.get("server"), form.get("user"));
    let mut server = match state.saved.site(typed) {
        Some(site) => Server::from_site(site, &state.home)?,
        None if typed.is_empty() => return Err("the server is missing".to_owned()),
        None if typed.contains('@') => {
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
        let site = Site {
            address: server.target.address(),
            user: server.target.user.clone(),
            path: form.given("folder").map(str::to_owned),
            server_key: None,
            identity: form.given("key file").map(PathBuf::from),
            seal: None,
            links: None,
        };
        let site = NamedSite { name: name.to_owned(), site };
        let checked = state.saved.check_name(None, name).and_then(|()| Server::from_site(&site, &state.home).map(drop));
        checked.map_err(|fault| format!("save as: {fault}"))?;
        server.site = Some(name.to_owned());
        saves = Some(site);
    }
    state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Sites(_)));
    reach::begin(state, server, out);
    (state.attempt.form, state.attempt.site) = (Some(Box::new(form.clone())), saves);
    Ok(())
}

/// The server tried beside the connected one was reached. Returns whether the ticket is of such an attempt.
pub(super) fn reached_beside(state: &mut State, ticket: Ticket, out: &mut Out) -> bool {
    let Some((server, _)) = state.attempt.beside.take_if(|(_, waited)| *waited == ticket) else { return false };
    close_reaching(state);
    save_typed(state, out);
    match state.connection.session() {
        Some(_) => connection::leave(state, Some(server), out),
        None => reach::begin(state, server, out),
    }
    true
}

/// The typed address led to a server: save it, if it has a name.
fn save_typed(state: &mut State, out: &mut Out) {
    let attempt = std::mem::take(&mut state.attempt);
    out.extend(attempt.site.map(|site| Effect::SaveSite(None, site)));
}

fn close_reaching(state: &mut State) {
    state.dialogs.retain(|dialog| !matches!(dialog, Dialog::Reaching | Dialog::Trust(_)));
}

/// Shows the form again with the typed text, to be corrected.
fn type_again(state: &mut State) {
    if let Some(mut form) = state.attempt.form.take() {
        form.focus_on("server");
        state.dialogs.push(Dialog::Form(form));
    }
    state.attempt = Attempt::default();
}

/// A server's key is unknown: ask the user.
pub(super) fn ask_trust(state: &mut State, question: TrustView) {
    if matches!(state.connection, Connection::Reaching { .. }) || state.attempt.beside.is_some() {
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
pub(super) fn greeted(state: &mut State, greeting: Greeting, out: &mut Out) {
    let Connection::Reaching { server, .. } = std::mem::take(&mut state.connection) else { return };
    close_reaching(state);
    save_typed(state, out);
    if let Some(password) = state.password.take() {
        log_in(state, server, greeting, password, out);
        return;
    }
    if server.identity.is_some() {
        // Most keys need no passphrase; the attempt reports one that does.
        log_in(state, server, greeting, Secret::new(String::new()), out);
        return;
    }
    ask(state, server, greeting);
}

/// Asks for the password, or for the passphrase of the key.
fn ask(state: &mut State, server: Server, greeting: Greeting) {
    let form = Form::new(Purpose::Password, format!("Log in to {}", server.name()))
        .note(format!("server  {}", server.target.address()))
        .note(format!("key     {}", greeting.key))
        .note(format!("user    {}", server.target.user));
    let form = match &server.identity {
        Some(file) => form.note(format!("with    {}", Escaped(file.as_os_str().as_encoded_bytes()))),
        None => form,
    };
    let secret = server.secret();
    let form = match greeting.registration {
        Registration::Closed => form,
        Registration::Invite => form.note("No account yet? Ctrl-N makes one, with an invite."),
        Registration::Open => form.note("No account yet? Ctrl-N makes one."),
    };
    state.connection = Connection::Greeted { server, greeting };
    below_notices(state, Dialog::Form(Box::new(form.secret(secret))));
}

/// Opens a dialog below the notices that are still unread.
fn below_notices(state: &mut State, dialog: Dialog) {
    let unread = state.dialogs.iter().rev().take_while(|dialog| matches!(dialog, Dialog::Notice(_))).count();
    state.dialogs.insert(state.dialogs.len() - unread, dialog);
}

/// The key needs its passphrase.
pub(super) fn locked(state: &mut State) {
    if let Connection::LoggingIn { server, greeting, .. } = std::mem::take(&mut state.connection) {
        ask(state, server, greeting);
    }
}

fn log_in(state: &mut State, server: Server, greeting: Greeting, password: Secret, out: &mut Out) {
    let ticket = state.tickets.next();
    out.push(Effect::Connection(ConnectionEffect::LogIn(ticket, server.identity.clone(), password)));
    state.connection = Connection::LoggingIn { server, greeting, ticket };
}

/// Takes the typed password.
///
/// # Errors
/// The password is empty.
pub(super) fn password(state: &mut State, form: &mut Form, out: &mut Out) -> Result<(), String> {
    let Connection::Greeted { server, greeting } = state.connection.clone() else { return Ok(()) };
    let password = Secret::new(form.take_secret(server.secret()));
    if password.expose().is_empty() {
        return Err(format!("the {} is missing", server.secret()));
    }
    log_in(state, server, greeting, password, out);
    Ok(())
}

/// Offers to make an account, where the server lets one.
pub(super) fn offer_account(state: &mut State) {
    let Connection::Greeted { server, greeting } = &state.connection else { return };
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
    let Connection::Greeted { mut server, greeting } = state.connection.clone() else { return Ok(()) };
    let user = form.get("user").to_owned();
    if user.is_empty() {
        form.focus_on("user");
        return Err("the user is missing".to_owned());
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
    server.target.user.clone_from(&user);
    state.last_server = Some(server.clone());
    state.connection = Connection::LoggingIn { server, greeting, ticket };
    out.push(Effect::Connection(ConnectionEffect::Register(ticket, user, password, invite)));
    Ok(())
}

/// The login succeeded.
pub(super) fn logged_in(state: &mut State, greeting: Greeting, account: Account, out: &mut Out) {
    let Connection::LoggingIn { server, .. } = std::mem::take(&mut state.connection) else { return };
    state.dialogs.retain(|dialog| !is_login(dialog));
    let start = Place::Remote(server.start.clone());
    let motd = account.motd.clone();
    state.say(format!("connected to {}", server.name()));
    state.connection = Connection::Online(Session { server, greeting, account });
    let showing: Vec<Side> = Side::BOTH.into_iter().filter(|side| state.panes[*side].place.is_remote()).collect();
    for side in if showing.is_empty() { vec![state.active.other()] } else { showing } {
        if state.panes[side].place != start {
            state.panes[side].leave_for(start.clone());
        }
        read::folder(state, side, out);
    }
    if let Some(text) = motd.filter(|text| !text.trim().is_empty()) {
        let lines = text.lines().map(labels::escaped).collect();
        state.dialogs.push(Dialog::Notice(Notice::plain("From the server", lines)));
    }
    resume::connected(state, out);
}

fn is_login(dialog: &Dialog) -> bool {
    matches!(dialog, Dialog::Form(form) if matches!(form.purpose, Purpose::Password | Purpose::Register))
}

/// Connecting or logging in failed.
pub(super) fn failed(state: &mut State, ticket: Ticket, problem: &Problem) -> bool {
    if state.attempt.beside.take_if(|(_, waited)| *waited == ticket).is_some() {
        close_reaching(state);
        type_again(state);
        let still = state.connection.server().map(|server| format!("You are still on {}.", server.name()));
        not_connected(state, problem, still);
        return true;
    }
    if state.connection.ticket() != Some(ticket) {
        return false;
    }
    let was = std::mem::take(&mut state.connection);
    close_reaching(state);
    // Another passphrase helps only with a key that asked for one.
    let typed = |server: &Server| server.identity.is_none() || state.dialogs.iter().any(is_login);
    if let Connection::LoggingIn { server, greeting, .. } = was
        && !problem.kind.is_offline()
        && problem.kind != Kind::ChangedKey
        && typed(&server)
    {
        // The form still has everything but the passwords, to be corrected and sent again.
        if !state.dialogs.iter().any(is_login) {
            let form = Form::new(Purpose::Password, format!("Log in to {}", server.name())).secret(server.secret());
            state.dialogs.push(Dialog::Form(Box::new(form.note(format!("user    {}", server.target.user)))));
        }
        if let Some(Dialog::Form(form)) = state.dialogs.iter_mut().find(|dialog| is_login(dialog)) {
            form.fault = Some(problem.to_string());
            form.focus_on(if problem.kind == Kind::Exists { "user" } else { server.secret() });
        }
        state.connection = Connection::Greeted { server, greeting };
        return true;
    }
    state.dialogs.retain(|dialog| !is_login(dialog));
    type_again(state);
    not_connected(state, problem, None);
    true
}

fn not_connected(state: &mut State, problem: &Problem, more: Option<String>) {
    let title = if problem.kind == Kind::ChangedKey {
        "Stopped: the server's key is not the known one"
    } else {
        "Not connected"
    };
    let mut lines = vec![problem.text.clone()];
    if let Some(hint) = &problem.hint {
        lines.extend([String::new(), hint.clone()]);
    }
    lines.extend(more.into_iter().flat_map(|more| [String::new(), more]));
    state.dialogs.push(Dialog::Notice(Notice::bad(title, lines)));
}

/// Gives up connecting, at any stage.
pub(super) fn give_up(state: &mut State, out: &mut Out) {
    if let Some((_, ticket)) = state.attempt.beside.take() {
        out.push(Effect::Drop(ticket));
        close_reaching(state);
        type_again(state);
        return;
    }
    if let Some(ticket) = state.connection.ticket() {
        out.push(Effect::Drop(ticket));
    }
    state.dialogs.retain(|dialog| !is_login(dialog));
    close_reaching(state);
    type_again(state);
    state.connection = Connection::Offline;
    out.push(Effect::Connection(ConnectionEffect::Leave));
}
