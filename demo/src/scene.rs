//! The scene: a temporary folder, a server in it, a user, a cable, and a client that is logged in.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use ferry_client::{
    ConnectOptions, Connector, Credential, Ferry, Local, Remote, Site, Target, Trust,
    transfer::{Engine, Event, Job, JobOptions, Outcome, Piece, Settings, Summary, Work},
};
use ferry_server::{
    config::{Config, Tls},
    identity::Identity,
    server::{Server, ServerOptions},
    size::ByteCount,
    users::{
        self, UserName, Users,
        file::{self, Record},
        password,
    },
};
use ferry_shared::{fingerprint::Fingerprint, path::RemotePath, secret::Secret};

use crate::{cable::Cable, samples, say};

/// The user's quota.
pub(crate) const QUOTA: u64 = 96 << 20;

/// The user's password.
pub(crate) const PASSWORD: &str = "demo password 1";

/// Everything a step may need.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    server: Server,
    fingerprint: Fingerprint,
    /// The relay between client and server.
    pub(crate) cable: Cable,
    /// Opens connections through the cable.
    pub(crate) connector: Connector,
    /// For single calls.
    pub(crate) remote: Remote,
}

/// The result of a run of the engine.
pub(crate) struct Ran {
    /// Each job's summary, in the order they ended.
    pub(crate) summaries: Vec<Summary>,
    /// Errors of items that failed.
    pub(crate) failures: Vec<ferry_client::ClientError>,
}

impl Scene {
    /// Builds the scene; with some files on the server already if requested.
    pub(crate) async fn open(files_at_server: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("server");
        fs::create_dir(&data)?;
        let password = Secret::new(PASSWORD.into());
        let name: UserName = "demo".parse()?;
        file::edit(&users::store_file(&data), |store| {
            let record = Record { quota: Some(ByteCount(QUOTA)), ..Record::new(Some(password::hash(&password)?)) };
            store.users.insert(name, record);
            anyhow::Ok(())
        })??;
        if files_at_server {
            samples::write(&data.join("users/demo/home/from the server"))?;
        }
        let mut config = Config::default();
        config.server.listen = vec![([127, 0, 0, 1], 0).into()];
        let identity = Identity::load_or_create(&data, &Tls::default())?;
        let fingerprint = identity.fingerprint();
        let users = Users::load(users::store_file(&data))?;
        let server = Server::start(ServerOptions { config, data, users, identity }).await?;
        let address = *server.local_addrs().first().context("the server has an address")?;
        say(&format!("A server listens on {address}; its key is {fingerprint}"));
        let cable = Cable::lay(address).await?;
        let target = Target::ferry("demo", "127.0.0.1", cable.address.port());
        let options = ConnectOptions::new(Trust::Pinned(fingerprint), folder.path().join("known_servers"));
        let connector = Connector::new(target, Credential::Password(password), options);
        let remote = Remote::connect(&connector).await?;
        let local = folder.path().join("local");
        samples::write(&local.join("samples"))?;
        fs::write(local.join("large.bin"), samples::noise(samples::LARGE, 1))?;
        Ok(Self { folder, server, fingerprint, cable, connector, remote })
    }

    /// A path that belongs to neither side.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server's address in the form `ferry` takes.
    pub(crate) fn address(&self) -> String {
        format!("demo@{}", self.cable.address)
    }

    /// The server's key.
    pub(crate) fn fingerprint(&self) -> String {
        self.fingerprint.to_string()
    }

    /// A path on "this computer".
    pub(crate) fn local(&self, name: &str) -> PathBuf {
        self.folder.path().join("local").join(name)
    }

    /// The path at which the server keeps the user's file.
    pub(crate) fn on_server(&self, name: &str) -> PathBuf {
        self.folder.path().join("server/users/demo/home").join(name)
    }

    /// The work that uploads a local file or folder.
    pub(crate) fn upload(&self, from: PathBuf, to: RemotePath) -> Work {
        let pieces = vec![Piece { from: from.into(), to: to.into() }];
        Work::Copy { from: Arc::new(Local), to: self.site(), pieces }
    }

    /// The work that downloads a file or folder.
    pub(crate) fn download(&self, from: RemotePath, to: PathBuf) -> Work {
        let pieces = vec![Piece { from: from.into(), to: to.into() }];
        Work::Copy { from: self.site(), to: Arc::new(Local), pieces }
    }

    fn site(&self) -> Arc<dyn Site> {
        Arc::new(Ferry::new(self.connector.clone()))
    }

    /// Runs one job to its end and collects its events.
    pub(crate) async fn run(&self, work: Work, retries: u32) -> Ran {
        let settings = Settings { retries, ..Settings::default() };
        let (engine, mut events) = Engine::start(settings);
        engine.add(Job { work, options: JobOptions::default() });
        let mut ran = Ran { summaries: Vec::new(), failures: Vec::new() };
        while let Some(event) = events.recv().await {
            match event {
                Event::JobDone { summary, .. } => ran.summaries.push(summary),
                Event::ItemDone { outcome: Outcome::Failed(failure), .. } => ran.failures.push(failure.error),
                Event::Idle => break,
                _ => {}
            }
        }
        // The channel must be read during the shutdown; otherwise the engine would wait for room in it.
        let draining = async { while events.recv().await.is_some() {} };
        let ending = async {
            engine.shutdown().await;
            // The channel ends with the engine.
            drop(engine);
        };
        tokio::join!(ending, draining);
        ran
    }

    /// Closes everything in an orderly way.
    pub(crate) async fn close(self) {
        drop(self.remote);
        self.server.shutdown().await;
    }
}
