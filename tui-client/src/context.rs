//! The context of a verb: the flags, the client's files, the output, and the connection to a server.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    sync::Arc,
};

use ferry_client::{
    ClientError, ConnectOptions, Credential, Trust, connect,
    connect::Protocol,
    identity::{self, Identity, IdentityError},
    reconnect::Backoff,
    server::{Connector, Remote},
    sftp::{self, Login as SftpLogin, SftpConnector, SftpOptions},
};

use ferry_shared::refusal::Code;

use crate::{
    address::{Address, AddressError, Server},
    args::{Global, Login, ServerFlags},
    failure::Failure,
    home::{Home, user_home},
    human,
    kept::Kept,
    keyring::{self, Keyring},
    output::Output,
    secret::{Answering, Source},
    sites::{Place, Sites},
    terminal,
    trust::AskOnTerminal,
};

/// The context of a verb.
pub(crate) struct Context {
    /// The flags.
    pub(crate) global: Global,
    /// Creates the definition of the whole command line, for verbs that document it.
    pub(crate) command_line: fn() -> clap::Command,
    /// The folders of the client's own files.
    pub(crate) home: Home,
    /// The destination of results and messages.
    pub(crate) output: Output,
    /// The connections that outlive a line of a batch.
    kept: Option<Arc<Kept>>,
    /// The keyring of the system.
    pub(crate) keyring: Arc<dyn Keyring>,
}

impl Context {
    /// Creates the context from the environment.
    ///
    /// # Errors
    /// [`Failure::NoHome`].
    pub(crate) fn new(global: Global, command_line: fn() -> clap::Command) -> Result<Self, Failure> {
        let output = Output::new(&global.common);
        Ok(Self { global, command_line, home: Home::find()?, output, kept: None, keyring: keyring::system() })
    }

    /// The context of a line of a batch, with connections that all lines share.
    pub(crate) fn of_line(&self, global: Global, kept: &Arc<Kept>) -> Self {
        let output = Output::new(&global.common);
        let (command_line, home, kept) = (self.command_line, self.home.clone(), Some(Arc::clone(kept)));
        Self { global, command_line, home, output, kept, keyring: Arc::clone(&self.keyring) }
    }

    /// The saved servers.
    ///
    /// # Errors
    /// [`Failure::Sites`].
    pub(crate) fn sites(&self) -> Result<Sites, Failure> {
        Ok(Sites::load(self.home.sites())?)
    }

    /// Resolves `address`, completed from its site.
    ///
    /// # Errors
    /// [`Failure::Sites`].
    pub(crate) fn resolve(&self, address: &Address) -> Result<Place, Failure> {
        let at_default;
        let address = match (&address.server, &self.global.site) {
            (Server::Default, Some(site)) => {
                at_default = address.at_default(site)?;
                &at_default
            }
            _ => address,
        };
        // An address without a site works even if the list of sites is broken.
        let sites = match address.server {
            Server::Site(_) => self.sites()?,
            Server::Direct { .. } | Server::Sftp { .. } | Server::Default => Sites::none(),
        };
        Ok(sites.resolve(address)?)
    }

    /// Resolves a REMOTE argument.
    ///
    /// # Errors
    /// [`Failure::Address`] or [`Failure::Sites`].
    pub(crate) fn place(&self, argument: &OsStr) -> Result<Place, Failure> {
        if let Some(meant) = Address::with_port(argument) {
            self.output.advise(format!("the digits are a path; for a port write {meant}"));
        }
        self.resolve(&Address::remote(argument)?)
    }

    /// Resolves an argument that needs no path.
    ///
    /// # Errors
    /// [`Failure::Address`] or [`Failure::Sites`].
    pub(crate) fn server(&self, argument: &OsStr) -> Result<Place, Failure> {
        self.resolve(&Address::server(argument)?)
    }

    /// Resolves REMOTE arguments, all of one server.
    ///
    /// # Errors
    /// Those of [`Context::place`], and [`Failure::Usage`] if there are several servers.
    pub(crate) fn places(&self, arguments: &[OsString]) -> Result<Vec<Place>, Failure> {
        let places = arguments.iter().map(|argument| self.place(argument)).collect::<Result<Vec<_>, _>>()?;
        if places.windows(2).any(|pair| pair[0].target != pair[1].target) {
            return Err(Failure::Usage("all REMOTEs of a command must have the same server and user".to_owned()));
        }
        Ok(places)
    }

    /// The connector to the server of `place`; asks for the password or a key's passphrase if necessary.
    ///
    /// # Errors
    /// [`Failure::Secret`], or the key's.
    pub(crate) fn connector(&self, place: &Place) -> Result<Connector, Failure> {
        self.connector_at(place, &self.global.login, &self.global.server)
    }

    /// The same with the flags of one end of a command that has two.
    ///
    /// # Errors
    /// Those of [`Context::connector`].
    pub(crate) fn connector_at(
        &self,
        place: &Place,
        login: &Login,
        server: &ServerFlags,
    ) -> Result<Connector, Failure> {
        let Some(kept) = &self.kept else { return self.new_connector(place, login, server) };
        kept.connector(place, login, server, || self.new_connector(place, login, server))
    }

    fn new_connector(&self, place: &Place, login: &Login, server: &ServerFlags) -> Result<Connector, Failure> {
        let passwords = self.told(Source::of(login));
        if let Source::Prompt = passwords
            && let Some(connector) = self.with_stored(place, login, server)
        {
            return Ok(connector);
        }
        if place.target.protocol == Protocol::Sftp {
            return Ok(self.sftp_connector(place, login, server, Answering::new(passwords)));
        }
        let credential = match server.identity.as_ref().or(place.identity.as_ref()) {
            Some(file) => key(file, &passwords)?,
            None => {
                let question = format!("Password of {}: ", place.target);
                Credential::Password(passwords.read(&question)?)
            }
        };
        Ok(self.connector_of(place, credential, login, server))
    }

    /// The connector with the password that is in the keyring; `None` if there is none, or the server refuses it. Then
    /// the person is asked, and it is not tried again.
    fn with_stored(&self, place: &Place, login: &Login, server: &ServerFlags) -> Option<Connector> {
        if !place.keyring || server.identity.is_some() || place.identity.is_some() {
            return None;
        }
        let shown = keyring::shown(&place.target);
        let password = match waited(self.keyring.get(place.target.url())) {
            Ok(Some(password)) => password,
            Ok(None) => {
                self.output.say(&format!("the keyring has no password of {shown} any more"));
                return None;
            }
            Err(error) => {
                self.output.say(&error.to_string());
                return None;
            }
        };
        let connector = match place.target.protocol {
            Protocol::Sftp => self.sftp_connector(place, login, server, Answering::stored(password)),
            Protocol::Ferry => self.connector_of(place, Credential::Password(password), login, server),
        };
        // Every other error comes again, and is reported where the connection is needed.
        match waited(Remote::connect(&connector)) {
            Err(ClientError::Refused(refusal)) if refusal.code == Code::LoginFailed => {
                self.output.say(&format!(
                    "the password of {shown} in the keyring is wrong; `ferry site password` replaces it"
                ));
                None
            }
            _ => Some(connector),
        }
    }

    /// The source of passwords; warns about a file that others may read.
    pub(crate) fn passwords(&self) -> Source {
        self.told(Source::of(&self.global.login))
    }

    /// Returns `source`, after a warning if it is a file that others may read.
    pub(crate) fn told(&self, source: Source) -> Source {
        source.exposed().iter().for_each(|text| self.output.say(text));
        source
    }

    /// The connector to the server of `place` with a known credential.
    pub(crate) fn connector_with(&self, place: &Place, credential: Credential) -> Connector {
        self.connector_of(place, credential, &self.global.login, &self.global.server)
    }

    fn connector_of(&self, place: &Place, credential: Credential, login: &Login, server: &ServerFlags) -> Connector {
        if place.target.protocol == Protocol::Sftp {
            // Only verbs that SFTP does not offer log in like this.
            return self.sftp_connector(place, login, server, Answering::new(Source::Prompt));
        }
        let mut options = ConnectOptions::new(trust(place, login, server), self.home.known_servers());
        options.seal = server.seal_for(place.seal.clone());
        options.pack = self.global.engine.compress.into();
        Connector::Ferry(connect::Connector::new(place.target.clone(), credential, options))
    }

    /// The connector to an SSH server, which asks for secrets when the server wants them.
    fn sftp_connector(&self, place: &Place, login: &Login, server: &ServerFlags, secrets: Answering) -> Connector {
        let home = user_home();
        for note in sftp::unsupported_lines(&place.target, &home) {
            self.output.say(&note);
        }
        let identities: Vec<_> = server.identity.iter().chain(&place.identity).take(1).cloned().collect();
        let password_first = secrets.is_at_hand() && identities.is_empty();
        let login_with = SftpLogin { identities, secrets: Arc::new(secrets), password_first };
        let trust = trust(place, login, server);
        let mut options = SftpOptions::new(trust, self.home.known_servers(), &home, login_with);
        options.parts = Some(self.home.parts());
        Connector::Sftp(SftpConnector::new(place.target.clone(), options))
    }

    /// A logged-in connection to `place`'s server.
    ///
    /// # Errors
    /// [`Failure::Secret`] or [`Failure::Server`].
    pub(crate) async fn remote(&self, place: &Place) -> Result<Remote, Failure> {
        self.reach(&self.connector(place)?).await
    }

    /// In a batch, keeps a connection open besides those of a transfer, so that its session lasts. The transfer itself
    /// meets and reports any error.
    pub(crate) async fn hold(&self, connector: &Connector) {
        let Some(kept) = self.kept.as_ref().filter(|kept| kept.remote(connector).is_none()) else { return };
        if let Ok(remote) = Remote::connect(connector).await {
            kept.keep(connector, remote);
        }
    }

    /// A logged-in connection through `connector`, in a batch the one of earlier lines; retries if requested by the user
    /// or the server.
    ///
    /// # Errors
    /// [`Failure::Server`].
    pub(crate) async fn reach(&self, connector: &Connector) -> Result<Remote, Failure> {
        if let Some(remote) = self.kept.as_ref().and_then(|kept| kept.remote(connector)) {
            return Ok(remote);
        }
        let patience = self.global.patience;
        let mut backoff = Backoff::new(patience.of_transfer());
        loop {
            let error = match Remote::connect(connector).await {
                Ok(remote) => {
                    self.kept.iter().for_each(|kept| kept.keep(connector, remote.clone()));
                    return Ok(remote);
                }
                Err(error) => error,
            };
            let delay = backoff.next_delay(&error).filter(|_| patience.waits_for(&error));
            let Some(delay) = delay else { return Err(error.into()) };
            self.output.say(&human::trying_again(&error, delay, backoff.attempt()));
            tokio::time::sleep(delay).await;
        }
    }
}

/// Waits on a thread of the runtime for what a command needs before it can go on.
fn waited<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}

/// The server keys to accept.
fn trust(place: &Place, login: &Login, server: &ServerFlags) -> Trust {
    match server.server_key.or(place.server_key) {
        Some(key) => Trust::Pinned(key),
        None if login.accept_new => Trust::AcceptNew,
        None if terminal::is_attended() => Trust::Ask(Arc::new(AskOnTerminal)),
        None => Trust::KnownOnly,
    }
}

/// The key in a file. Its passphrase has the same source as passwords.
fn key(file: &Path, passwords: &Source) -> Result<Credential, Failure> {
    let unusable = |error: IdentityError| Failure::from(ClientError::Identity(Arc::new(error)));
    match identity::open(file).map_err(unusable)? {
        Identity::Ready(credential) => Ok(credential),
        Identity::Locked(key) => {
            let question = format!("Passphrase of {}: ", file.display());
            key.unlock(&passwords.read(&question)?).map_err(unusable)
        }
    }
}

/// Refuses a server where a local path is required.
///
/// # Errors
/// [`AddressError::NotLocal`].
pub(crate) fn local(argument: &OsStr) -> Result<(), Failure> {
    match Address::parse(argument)? {
        Some(_) => Err(AddressError::NotLocal(argument.display().to_string()).into()),
        None => Ok(()),
    }
}
