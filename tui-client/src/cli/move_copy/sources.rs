//! Goes through the sources of a command. They are queried ahead, and files are moved or copied several at once.

use ferry_client::{ClientError, transfer::ConflictRule};
use ferry_shared::{
    entry::{Entry, Kind},
    path::RemotePath,
    refusal::Code,
};

use super::{MoveCopy, Way, conflict::Ended, given};
use crate::{
    cli::in_order::{self, Order, Step, TwoSteps},
    exit::Looking,
    failure::Failure,
    sites::Place,
};

/// A source and its exact target.
type Source = (Place, RemotePath);

/// A file that was moved or copied with a single request.
struct Called<'a> {
    source: &'a Source,
    entry: Entry,
    /// The rule that was in force.
    rule: ConflictRule,
    answer: Result<(), ClientError>,
}

impl MoveCopy<'_> {
    /// Moves or copies `sources` in order.
    pub(super) async fn sources(&mut self, sources: &[Source], to: &Place) -> Result<(), Failure> {
        let (remote, way) = (self.remote.clone(), self.way);
        // The other rules decide by the answer of a single request.
        let compares = !matches!(self.rule, ConflictRule::Fail | ConflictRule::Skip | ConflictRule::Replace);
        let query = async |source| {
            let (from, target): &Source = source;
            let there = async || compares && !is_missing(&remote.stat(target.clone()).await);
            let (found, occupied) = tokio::join!(remote.stat(from.path.clone()), there());
            (source, found.map(|(entry, _)| entry), occupied)
        };
        let call = async |source, entry, rule| {
            let (from, target): &Source = source;
            let answer = way.call(&remote, &from.path, target, rule == ConflictRule::Replace).await;
            Called { source, entry, rule, answer }
        };
        let mut steps = TwoSteps::new(in_order::most(&remote, Order::Kept));
        let (mut next, mut made) = (sources.iter(), false);
        loop {
            while steps.has_room()
                && let Some(source) = next.next()
            {
                steps.query(query(source));
            }
            match steps.next().await {
                Some(Step::Found((source, Ok(entry), false))) if self.is_one_call(&source.0.path, &entry) => {
                    // No call is under way before the folder exists.
                    match if made { Ok(()) } else { self.make_folder(to).await } {
                        Ok(()) => {
                            made = true;
                            steps.call(call(source, entry, self.rule));
                        }
                        Err(failure) => self.count(Err(failure))?,
                    }
                }
                Some(Step::Found((source, entry, _))) => {
                    while let Some(called) = steps.next_done().await {
                        self.called(called).await?;
                    }
                    self.source(&source.0.path, entry, to, source.1.clone()).await?;
                }
                Some(Step::Done(called)) => self.called(called).await?,
                None => return Ok(()),
            }
        }
    }

    /// Whether a source is moved or copied with a single request, unless its target exists.
    fn is_one_call(&self, from: &RemotePath, entry: &Entry) -> bool {
        let whole = match entry.kind {
            Kind::Folder => false,
            Kind::Symlink => self.way == Way::Move,
            Kind::File | Kind::Other => true,
        };
        whole && !self.dry_run && given::is_meant(&self.filter, from, entry.kind)
    }

    /// Reports the answer to a single request.
    async fn called(
        &mut self,
        Called { source: (from, target), entry, rule, answer }: Called<'_>,
    ) -> Result<(), Failure> {
        let from = &from.path;
        let exists = matches!(&answer, Err(ClientError::Refused(refusal)) if refusal.code == Code::Exists);
        let ended = match rule {
            ConflictRule::Skip if exists => Ok(Ended::Exists(target.clone())),
            ConflictRule::Fail | ConflictRule::Replace => done(answer, from, target),
            // It was made after the query.
            _ if exists => self.one(self.rule, from, &entry, target).await,
            _ => done(answer, from, target),
        };
        self.ended(from, ended)
    }
}

fn done(answer: Result<(), ClientError>, from: &RemotePath, target: &RemotePath) -> Result<Ended, Failure> {
    answer.map(|()| Ended::Done(target.clone())).map_err(|error| Failure::remote(from, Looking::File, error))
}

fn is_missing<T>(found: &Result<T, ClientError>) -> bool {
    matches!(found, Err(ClientError::Refused(refusal)) if refusal.code == Code::NotFound)
}
