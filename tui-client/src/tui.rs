//! The full-screen browser: what `ferry` without a verb does.
//!
//! Keys, ticks and answers are events. [`update`] applies an event to the state and returns effects; [`effects`] runs
//! them and answers with events; [`view`] draws the state. [`runtime`] is the loop that joins them.

mod action;
mod config;
mod contain;
mod effect;
mod effects;
mod event;
#[cfg(test)]
mod fixture;
mod keymap;
mod runtime;
mod state;
mod terminal;
mod update;
mod view;

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use ferry_client::{
    reconnect::Patience,
    transfer::{Bandwidth, Settings as Engine},
};
use ferry_shared::text_file;
use jiff::tz::TimeZone;

use self::{
    config::{AUTO, Remembered, Settings},
    effects::{EVENTS, Effects, Options},
    keymap::Keymap,
    runtime::Runtime,
    state::{
        appearance::{ASCII, Appearance, Depth, Images, Kinds, Theme, UNICODE},
        listing::Viewing,
        server::Server,
    },
    terminal::{Announces, Environment, Screen},
    update::{Begin, start as begin},
};
use crate::{
    address::{self, Address},
    args::ColorChoice,
    context::Context,
    exit::Exit,
    failure::Failure,
    home::user_home,
    secret::Source,
    setting_error::SettingError,
};

/// The message where there is no terminal for the browser.
const HELP: &str = "\
the browser needs a terminal. For example:

  ferry ls   alice@files.example.org:              what is there
  ferry get  alice@files.example.org:photos ./     fetch a folder
  ferry put  report.pdf alice@files.example.org:   send a file
  ferry site add work alice@files.example.org      save a server, then say `work:`

`ferry help` shows every verb, `ferry VERB --help` its flags.";

/// Opens the browser, at `address` if there is one.
///
/// # Errors
/// The address's, the password file's, the terminal's.
pub(crate) async fn start(context: &mut Context, address: Option<&OsStr>) -> Result<Exit, Failure> {
    if Environment::of_process().is_dumb()
        || !io::stdout().is_terminal()
        || !(io::stdin().is_terminal() || context.global.login.password_stdin)
    {
        context.output.warn(HELP);
        return Ok(Exit::Usage);
    }
    let server = address.map(|address| server(context, address)).transpose()?;
    let password = match context.passwords() {
        Source::Prompt => None,
        source => Some(source.read("")?),
    };
    let (settings, mut keymap, mut appearance, mut faults) = read_files(context);
    if settings.theme == AUTO && appearance.depth() != Depth::None && io::stdin().is_terminal() {
        let light = terminal::is_light().unwrap_or(false);
        appearance.choose(if light { "light" } else { "dark" });
    }
    faults.extend(keymap.add_commands(&settings.programs.keys()).iter().map(|fault| format!("config.toml, {fault}")));
    let home = &context.home;
    let (saved, wrong) = effects::load_saved(home);
    faults.extend(wrong);
    let screen = Screen::take(settings.mouse, Announces::of_process(&settings)).map_err(Failure::Start)?;
    let options = options(context, &settings);
    let copies = copies(home.state());
    let (state, first) = begin(Begin {
        size: screen.size().map_err(Failure::Start)?,
        clock: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(0)),
        zone: TimeZone::system(),
        home: user_home(),
        copies: copies.clone(),
        folder: env::current_dir().unwrap_or_else(|_| user_home()),
        keymap,
        appearance,
        viewing: Viewing { sort: settings.sort, hidden: settings.hidden, filter: None },
        history: settings.history,
        preview: settings.preview,
        rule: context.global.on_conflict.map_or(settings.rule, Into::into),
        links: context.global.links,
        at_once: options.settings.transfers,
        bandwidth: options.settings.bandwidth,
        programs: settings.programs,
        saved,
        server,
        password,
        faults,
    });
    let (sender, events) = tokio::sync::mpsc::channel(EVENTS);
    let effects = Effects::new(sender, home, options);
    let runtime = Runtime::new(state, effects, events, screen).map_err(Failure::Start)?;
    let result = runtime.run(first).await;
    let _ = tokio::task::spawn_blocking(move || effects::remove_all_copies(&copies)).await;
    match result {
        Ok(()) => Ok(Exit::Done),
        // The terminal is gone: nobody is left to be told.
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) => {
            Ok(Exit::Done)
        }
        Err(error) => Err(Failure::Start(error)),
    }
}

/// The server an argument names.
fn server(context: &Context, argument: &OsStr) -> Result<Server, Failure> {
    let address = Address::server(argument)?;
    let site = match &address.server {
        address::Server::Site(name) => Some(name.clone()),
        address::Server::Direct { .. } | address::Server::Sftp { .. } | address::Server::Default => None,
    };
    let place = context.resolve(&address)?;
    Ok(Server {
        target: place.target,
        site,
        start: place.path,
        key: place.server_key,
        identity: context.global.server.identity.clone().or(place.identity),
        seal: context.global.server.seal_file.clone().or(place.seal),
        links: place.links,
        keyring: place.keyring,
    })
}

/// Reads the user's files, and lists the errors in them.
fn read_files(context: &Context) -> (Settings, Keymap, Appearance, Vec<String>) {
    let folder = context.home.config();
    let mut faults = Vec::new();
    let text = read(&folder.join("config.toml"), &mut faults).unwrap_or_default();
    let settings = told("config.toml", Settings::read(&text), &mut faults);
    let mut keymap = match read(&folder.join("keys.toml"), &mut faults) {
        Some(text) => told("keys.toml", Keymap::read(&text), &mut faults),
        None => Keymap::preset(action::Preset::Default),
    };
    let environment = Environment::of_process();
    let unicode = settings.unicode.unwrap_or_else(|| environment.is_unicode());
    let depth = match context.global.common.color {
        ColorChoice::Never => Depth::None,
        _ => environment.depth(),
    };
    let mut appearance = Appearance::new(if unicode { UNICODE } else { ASCII }, depth);
    if settings.ls_colors {
        appearance.kinds = Kinds::of(&env::var("LS_COLORS").unwrap_or_default());
    }
    appearance.kinds.icons = settings.icons && unicode;
    appearance.images = match appearance.depth() {
        Depth::None => Images::Blocks,
        _ => settings.images.unwrap_or_else(|| environment.images()),
    };
    keymap.set_plain(!unicode);
    read_themes(&folder.join("themes"), &mut appearance, &mut faults);
    if settings.theme != AUTO && !appearance.choose(&settings.theme) {
        let fault = Settings::fault(&text, "theme", format!("there is no theme `{}`", settings.theme));
        faults.push(format!("config.toml, {fault}"));
    }
    (settings, keymap, appearance, faults)
}

/// The user's own themes; one of a name that is there already takes its place.
fn read_themes(folder: &Path, appearance: &mut Appearance, faults: &mut Vec<String>) {
    // Most have none.
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    for path in files {
        let Some(name) = path.file_stem().and_then(OsStr::to_str) else { continue };
        if let Some(text) = read(&path, faults) {
            appearance.add(told(&format!("themes/{name}.toml"), Theme::read(name, &text), faults));
        }
    }
}

/// Returns the content of a file, and lists its errors under its name.
fn told<T>(file: &str, (value, wrong): (T, Vec<SettingError>), faults: &mut Vec<String>) -> T {
    faults.extend(wrong.iter().map(|fault| format!("{file}, {fault}")));
    value
}

/// A file's text, if there is one.
fn read(path: &Path, faults: &mut Vec<String>) -> Option<String> {
    match text_file::read(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            faults.push(format!("{}: {error}", path.display()));
            None
        }
    }
}

/// The options for connections and transfers; the command line overrides what was chosen in the list of transfers the
/// last time, and that overrides `config.toml`.
fn options(context: &Context, settings: &Settings) -> Options {
    let global = &context.global;
    let usual = Engine::default();
    let given = global.engine.transfers != usual.transfers;
    let before = Remembered::read(context.home.state());
    let chosen = before.map(|before| before.at_once).or(settings.at_once).unwrap_or(usual.transfers);
    let transfers = if given { global.engine.transfers } else { chosen };
    let chosen = before.map_or(Bandwidth { up: settings.up, down: settings.down }, Remembered::bandwidth);
    let bandwidth = global.engine.bwlimit.map_or(chosen, |limit| limit.0);
    let Patience { time: retry_for, retries } = global.patience.of_transfer();
    Options {
        server_key: global.server.server_key,
        accept_new: global.login.accept_new,
        seal: global.server.seal_for(None),
        links: global.links,
        settings: Engine { transfers, bandwidth, retry_for, retries, ..Engine::default() },
        resume: !global.engine.no_resume,
        verify: global.engine.verify,
    }
}

/// The folder for copies of edited remote files: private to the user and to this process.
fn copies(state: &Path) -> PathBuf {
    let folder = state.join("edit");
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    // Where it cannot be made, the first edit says so.
    let _ = builder.recursive(true).create(&folder);
    effects::remove_left_copies(&folder);
    folder.join(std::process::id().to_string())
}
