//! One connection with random work that is interrupted occasionally and remembers the answers it got.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use ferry_e2e::{
    noise::Noise,
    peer::{self, Peer},
    wait,
};
use ferry_shared::{
    frame::Frame,
    limits::BLOCK_LEN,
    message::{
        Reply, Request,
        request::{Basis, Put},
    },
    refusal::Code,
    secret::Secret,
};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

use super::model::{Model, grown};

/// Waits for an answer for a limited time, after which the connection counts as lost.
async fn cut_off(patience: Duration, answer: impl Future<Output = Result<Reply>>) -> Result<Reply> {
    timeout(patience, answer).await?
}

/// The session that the workers of one user share.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    ticket: Mutex<Option<Secret>>,
}

impl Account {
    pub(super) fn new(name: &str, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), address, ticket: Mutex::default() })
    }

    /// Joins the session, or opens another one if it has ended.
    async fn connect(&self) -> Result<Peer> {
        let mut ticket = self.ticket.lock().await;
        if let Some(known) = &*ticket
            && let Ok(peer) = Peer::attached(self.address, known).await
        {
            return Ok(peer);
        }
        let (peer, login) = Peer::logged_in(self.address, &self.name).await?;
        *ticket = Some(login.ticket);
        Ok(peer)
    }
}

/// A connection, its files and its history.
#[derive(Debug)]
pub(super) struct Worker {
    account: Arc<Account>,
    /// Its folder in the home, which no other worker uses.
    pub(super) folder: String,
    noise: Noise,
    pub(super) model: Model,
    /// The number of the folder that is in use inside its folder.
    generation: u64,
    peer: Option<Peer>,
    pub(super) done: u64,
    pub(super) refused: u64,
}

impl Worker {
    pub(super) fn new(account: Arc<Account>, number: u64, seed: u64) -> Self {
        let (folder, noise) = (format!("w{number}"), Noise::new(seed.wrapping_add(number)));
        Self { account, folder, noise, model: Model::default(), generation: 0, peer: None, done: 0, refused: 0 }
    }

    pub(super) fn user(&self) -> &str {
        &self.account.name
    }

    /// Works until `stop`, then closes its connection.
    pub(super) async fn run(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Relaxed) {
            // People do not act all at the same time.
            sleep(Duration::from_millis(self.noise.below(40))).await;
            let peer = match self.peer.take() {
                Some(peer) => peer,
                None => match self.account.connect().await {
                    Ok(peer) => peer,
                    // The server is down; it will be started again.
                    Err(_) => continue,
                },
            };
            if let Ok(peer) = self.work(peer).await {
                self.done += 1;
                self.peer = Some(peer);
            }
        }
        self.peer = None;
        self
    }

    fn some_path(&mut self) -> String {
        format!("{}/d{}/f{}", self.folder, self.generation, self.noise.below(12))
    }

    /// One act. An error means that the connection is lost.
    async fn work(&mut self, mut peer: Peer) -> Result<Peer> {
        let path = self.some_path();
        if self.model.is_left_alone(&path) {
            self.generation += 1;
            return Ok(peer);
        }
        match self.noise.below(100) {
            0..30 => self.put_small(&mut peer, &path).await?,
            30..40 => self.put_large(&mut peer, &path).await?,
            40..46 => self.abandon(&mut peer, &path).await?,
            46..66 => self.get(&mut peer).await?,
            66..74 => self.rename(&mut peer, &path).await?,
            74..80 => self.copy(&mut peer, &path).await?,
            80..86 => self.remove(&mut peer).await?,
            86..88 => self.remove_tree(&mut peer).await?,
            88..96 => drop(peer.ask(&Request::Stat { path: peer::path(&path) }).await?),
            _ => drop(peer.ask(&Request::Discard { path: peer::path(&path) }).await?),
        }
        Ok(peer)
    }

    fn declared(path: &str, size: usize, basis: Basis) -> Put {
        Put { parents: true, basis, ..peer::put(path, Some(size as u64)) }
    }

    /// How long it waits for an answer; occasionally hardly at all.
    fn patience(&mut self) -> Duration {
        match self.noise.below(25) {
            0 => Duration::from_micros(self.noise.below(4000)),
            _ => wait::PATIENCE,
        }
    }

    /// Notes the outcome of a change that sets `path` to `content`.
    fn outcome(&mut self, path: &str, content: Option<Vec<u8>>, reply: Result<Reply>) -> Result<()> {
        match reply {
            Ok(Reply::Refused(refusal)) => {
                let expected = matches!(refusal.code, Code::OverQuota | Code::NotFound | Code::Busy | Code::Superseded);
                assert!(expected, "{path}: {refusal:?}");
                self.refused += 1;
            }
            Ok(_) => self.model.set(path, content),
            Err(error) => {
                self.model.perhaps(path, content);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn put_small(&mut self, peer: &mut Peer, path: &str) -> Result<()> {
        let length = usize::try_from(self.noise.below(40_000))?;
        let (content, patience) = (grown(self.noise.next_u64(), length), self.patience());
        let reply = cut_off(patience, peer.upload(&Self::declared(path, content.len(), Basis::None), &content)).await;

        self.outcome(path, Some(content), reply)
    }

    async fn put_large(&mut self, peer: &mut Peer, path: &str) -> Result<()> {
        let length = BLOCK_LEN + usize::try_from(self.noise.below(1 << 20))?;
        let (content, patience) = (grown(self.noise.next_u64(), length), self.patience());
        let reply = cut_off(patience, peer.upload(&Self::declared(path, content.len(), Basis::None), &content)).await;

        self.outcome(path, Some(content), reply)
    }

    /// Starts an upload and abandons it: by another request, or with the connection.
    async fn abandon(&mut self, peer: &mut Peer, path: &str) -> Result<()> {
        let content = grown(self.noise.next_u64(), 2 * BLOCK_LEN);
        peer.send(&Request::Put(Self::declared(path, content.len(), Basis::None))).await?;
        if !matches!(peer.reply().await?, Reply::Ready { .. }) {
            return Ok(());
        }
        peer.send_block(0, &content[..BLOCK_LEN]).await?;
        if self.noise.below(2) == 0 {
            bail!("hung up");
        }
        peer.give_up().await
    }

    async fn get(&mut self, peer: &mut Peer) -> Result<()> {
        let Some((path, content)) = self.model.any(&mut self.noise) else { return Ok(()) };
        peer.send(&Request::Get { path: peer::path(&path), blocks: None }).await?;
        peer.send_have(0, &[]).await?;
        match peer.reply().await? {
            Reply::Opened { size, .. } => assert_eq!(size, content.len() as u64, "{path} has another size"),
            Reply::Refused(refusal) if refusal.code == Code::Busy => return Ok(()),
            other => panic!("{path} was acknowledged: {other:?}"),
        }
        let mut came = Vec::new();
        loop {
            match peer.next().await? {
                Some(Frame::Block { bytes, .. }) => came.extend_from_slice(&bytes),
                Some(Frame::Message(json)) => match serde_json::from_slice(&json)? {
                    Reply::Notice(_) => {}
                    Reply::Sent { .. } => break,
                    other => panic!("{path} was acknowledged: {other:?}"),
                },
                _ => bail!("the connection was cut"),
            }
        }
        assert!(came == content, "{path} came back otherwise");
        Ok(())
    }

    async fn rename(&mut self, peer: &mut Peer, to: &str) -> Result<()> {
        let Some((from, content)) = self.model.any(&mut self.noise) else { return Ok(()) };
        if from == to {
            return Ok(());
        }
        let request = Request::Rename { from: peer::path(&from), to: peer::path(to), replace: true };
        let reply = cut_off(self.patience(), peer.ask(&request)).await;
        let is_done = matches!(reply, Ok(Reply::Done));
        let is_lost = reply.is_err();
        let outcome = self.outcome(to, Some(content), reply);
        match (is_done, is_lost) {
            (true, _) => self.model.set(&from, None),
            (_, true) => self.model.perhaps(&from, None),
            _ => {}
        }
        outcome
    }

    async fn copy(&mut self, peer: &mut Peer, to: &str) -> Result<()> {
        let Some((from, content)) = self.model.any(&mut self.noise) else { return Ok(()) };
        if from == to {
            return Ok(());
        }
        let request = Request::Copy { from: peer::path(&from), to: peer::path(to), replace: true };
        let reply = cut_off(self.patience(), peer.ask(&request)).await;
        self.outcome(to, Some(content), reply)
    }

    async fn remove(&mut self, peer: &mut Peer) -> Result<()> {
        let Some((path, _)) = self.model.any(&mut self.noise) else { return Ok(()) };
        let request = Request::Remove { path: peer::path(&path), recursive: false, version: None };
        let reply = cut_off(self.patience(), peer.ask(&request)).await;
        self.outcome(&path, None, reply)
    }

    async fn remove_tree(&mut self, peer: &mut Peer) -> Result<()> {
        let folder = format!("{}/d{}", self.folder, self.generation);
        // If the answer does not arrive, this folder is not used any more.
        self.generation += 1;
        if self.model.is_anything_left_alone(&folder) {
            return Ok(());
        }
        let request = Request::Remove { path: peer::path(&folder), recursive: true, version: None };
        let reply = cut_off(self.patience(), peer.ask(&request)).await;
        let is_lost = reply.is_err();
        for path in self.model.below(&folder) {
            match &reply {
                Ok(Reply::Removed { .. }) => self.model.set(&path, None),
                Ok(other) => panic!("{folder} was acknowledged: {other:?}"),
                Err(_) => self.model.perhaps(&path, None),
            }
        }
        if is_lost { bail!("the connection was cut") } else { Ok(()) }
    }
}
