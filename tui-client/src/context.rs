//! The context of a verb: the flags, the client's files, the output, and the connection to a server.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    sync::Arc,
};

use ferry_client::{
    ClientError, ConnectOptions, Connector, Credential, Remote, Trust,
    identity::{self, Identity, IdentityError},
    reconnect::Backoff,
};

use crate::{
    address::{Address, AddressError, Server},
    args::Global,
    failure::Failure,
    home::Home,
    human,
    output::Output,
    secret::Source,
    sites::{Place, Sites},
    terminal,
    trust::AskOnTerminal,
};

/// The context of a verb.
pub(crate) struct Context {
    /// The flags.
    pub(crate) global: Global,
    /// Makes the definition of the whole command line, for verbs that write about it.
    pub(crate) command_line: fn() -> clap::Command,
    /// Where the client's own files are.
    pub(crate) home: Home,
    /// Where results and messages go.
    pub(crate) output: Output,
}

impl Context {
    /// Looks around.
    ///
    /// # Errors
    /// [`Failure::NoHome`].
    pub(crate) fn new(global: Global, command_line: fn() -> clap::Command) -> Result<Self, Failure> {
        let output = Output::new(&global.common);
        Ok(Self { global, command_line, home: Home::find()?, output })
    }

    /// The saved servers.
    ///
    /// # Errors
    /// [`Failure::Sites`].
    pub(crate) fn sites(&self) -> Result<Sites, Failure> {
        Ok(Sites::load(self.home.sites())?)
    }

    /// The place that `address` names, completed from its site.
    ///
    /// # Errors
    /// [`Failure::Sites`].
    pub(crate) fn resolve(&self, address: &Address) -> Result<Place, Failure> {
        // A broken list of sites is no reason to refuse an address that needs none.
        let sites = match address.server {
            Server::Site(_) => self.sites()?,
            Server::Direct { .. } => Sites::none(),
        };
        Ok(sites.resolve(address)?)
    }

    /// The place a REMOTE argument means.
    ///
    /// # Errors
    /// [`Failure::Address`] or [`Failure::Sites`].
    pub(crate) fn place(&self, argument: &OsStr) -> Result<Place, Failure> {
        if let Some(meant) = Address::with_port(argument) {
            self.output.advise(format!("the digits are taken for a path; for a port write {meant}"));
        }
        self.resolve(&Address::remote(argument)?)
    }

    /// The server an argument means that needs no path.
    ///
    /// # Errors
    /// [`Failure::Address`] or [`Failure::Sites`].
    pub(crate) fn server(&self, argument: &OsStr) -> Result<Place, Failure> {
        self.resolve(&Address::server(argument)?)
    }

    /// The places some REMOTE arguments mean, all of one server.
    ///
    /// # Errors
    /// As [`Context::place`], and [`Failure::Usage`] when there are several servers.
    pub(crate) fn places(&self, arguments: &[OsString]) -> Result<Vec<Place>, Failure> {
        let places = arguments.iter().map(|argument| self.place(argument)).collect::<Result<Vec<_>, _>>()?;
        if places.windows(2).any(|pair| pair[0].target != pair[1].target) {
            return Err(Failure::Usage("all REMOTEs of one command must be of one server and user".to_owned()));
        }
        Ok(places)
    }

    /// The way to `place`'s server; asks for the password, or a key's passphrase, where it must.
    ///
    /// # Errors
    /// [`Failure::Secret`], or the key's.
    pub(crate) fn connector(&self, place: &Place) -> Result<Connector, Failure> {
        let credential = match self.global.server.identity.as_ref().or(place.identity.as_ref()) {
            Some(file) => self.key(file)?,
            None => {
                let question = format!("Password of {}: ", place.target);
                Credential::Password(self.passwords().read(&question)?)
            }
        };
        Ok(self.connector_with(place, credential))
    }

    /// Where passwords come from; a file that others may read is told.
    pub(crate) fn passwords(&self) -> Source {
        self.told(self.global.password_source())
    }

    /// `source`, after it was told if it is a file that others may read.
    pub(crate) fn told(&self, source: Source) -> Source {
        source.exposed().iter().for_each(|text| self.output.say(text));
        source
    }

    /// The key in a file. Its passphrase comes from where passwords come from.
    fn key(&self, file: &Path) -> Result<Credential, Failure> {
        let unusable = |error: IdentityError| Failure::from(ClientError::Identity(Arc::new(error)));
        match identity::open(file).map_err(unusable)? {
            Identity::Ready(credential) => Ok(credential),
            Identity::Locked(key) => {
                let question = format!("Passphrase of {}: ", file.display());
                key.unlock(&self.passwords().read(&question)?).map_err(unusable)
            }
        }
    }

    /// The way to `place`'s server with a known credential.
    pub(crate) fn connector_with(&self, place: &Place, credential: Credential) -> Connector {
        let trust = match self.global.server.server_key.or(place.server_key) {
            Some(key) => Trust::Pinned(key),
            None if self.global.login.accept_new => Trust::AcceptNew,
            None if terminal::is_attended() => Trust::Ask(Arc::new(AskOnTerminal)),
            None => Trust::KnownOnly,
        };
        let mut options = ConnectOptions::new(trust, self.home.known_servers());
        options.seal = self.global.seal_for(place.seal.clone());
        Connector::new(place.target.clone(), credential, options)
    }

    /// A logged-in connection to `place`'s server.
    ///
    /// # Errors
    /// [`Failure::Secret`] or [`Failure::Server`].
    pub(crate) async fn remote(&self, place: &Place) -> Result<Remote, Failure> {
        self.reach(&self.connector(place)?).await
    }

    /// A logged-in connection through `connector`; waits where that is wanted, or the server asks for it.
    ///
    /// # Errors
    /// [`Failure::Server`].
    pub(crate) async fn reach(&self, connector: &Connector) -> Result<Remote, Failure> {
        let patience = self.global.patience;
        let mut backoff = Backoff::new(patience.of_transfer());
        loop {
            let error = match Remote::connect(connector).await {
                Ok(remote) => return Ok(remote),
                Err(error) => error,
            };
            let delay = backoff.next_delay(&error).filter(|_| patience.waits_for(&error));
            let Some(delay) = delay else { return Err(error.into()) };
            self.output.say(&human::trying_again(&error, delay, backoff.attempt()));
            tokio::time::sleep(delay).await;
        }
    }
}

/// Refuses an argument that names a server where a path of this machine is needed.
///
/// # Errors
/// [`AddressError::NotLocal`].
pub(crate) fn local(argument: &OsStr) -> Result<(), Failure> {
    match Address::parse(argument)? {
        Some(_) => Err(AddressError::NotLocal(argument.display().to_string()).into()),
        None => Ok(()),
    }
}
