//! Queries the sources of the next pieces together. Asked one after the other, each would cost a round trip.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use ferry_shared::entry::Kind;
use tokio::{sync::mpsc, time::Instant};

use super::{pool_of, session};
use crate::{
    error::ClientError,
    site::{self, Done, Found, Location, Op, Request, Session},
    transfer::{engine_state::Shared, path::Ends, task::Task, tries},
};

/// The most pieces that are queried together.
const TOGETHER: usize = 256;
/// The most unanswered queries.
const UNANSWERED: usize = 64;
/// How long an answer counts: a piece that is a folder may take long.
const FRESH: Duration = Duration::from_secs(5);

/// The answers for the next pieces, in order.
#[derive(Debug)]
pub(super) struct Ahead {
    answers: VecDeque<Answer>,
    asked: Instant,
}

/// The answer about a piece's source; `None` if it has to be queried by itself.
type Answer = Option<Result<Found, ClientError>>;

impl Ahead {
    pub(super) fn new() -> Self {
        Self { answers: VecDeque::new(), asked: Instant::now() }
    }

    /// The answer for the piece `ends`, which `later` ones follow.
    pub(super) async fn next(
        &mut self,
        core: &Shared,
        task: &Task,
        ends: &Arc<Ends>,
        later: &VecDeque<Arc<Ends>>,
    ) -> Answer {
        if self.asked.elapsed() > FRESH {
            self.answers.clear();
        }
        // A single piece gains nothing, and a near source has no round trips.
        if self.answers.is_empty() && !later.is_empty() && !task.from.abilities.near {
            let sources = std::iter::once(ends).chain(later).take(TOGETHER);
            self.answers = ask(core, task, sources.map(|ends| ends.top().source()).collect()).await;
            self.asked = Instant::now();
        }
        self.answers.pop_front().flatten()
    }
}

async fn ask(core: &Shared, task: &Task, sources: Vec<Option<Location>>) -> VecDeque<Answer> {
    let open = async {
        let pool = pool_of(&task.from)?;
        Ok((pool, session(core, pool).await?))
    };
    match open.await {
        Ok((pool, mut open)) => {
            let answers = query(&mut *open.session, sources).await;
            pool.put(open);
            answers
        }
        // Each further piece tries again to reach the site.
        Err(error) => VecDeque::from([Some(Err(error))]),
    }
}

async fn query(session: &mut dyn Session, sources: Vec<Option<Location>>) -> VecDeque<Answer> {
    let mut answers: VecDeque<Answer> = sources.iter().map(|_| None).collect();
    let (asks, asked) = mpsc::channel::<Request>(UNANSWERED);
    let (answered, mut told) = mpsc::channel::<site::Answer>(UNANSWERED);
    let talk = async {
        let (asks, mut unanswered) = (asks, 0_usize);
        // The top of a site has no entry.
        let has_name = |at: &Location| at.root().path().name().is_some();
        let named = |(id, at): (u64, Option<Location>)| Some((id, at.filter(has_name)?));
        let mut next = (0..).zip(sources).filter_map(named);
        loop {
            while unanswered < UNANSWERED
                && let Some((id, at)) = next.next()
            {
                unanswered += usize::from(asks.send(Request { id, op: Op::Stat { at }, watch: None }).await.is_ok());
            }
            if unanswered == 0 {
                return;
            }
            let Some(answer) = told.recv().await else { return };
            unanswered -= 1;
            if let Some(place) = usize::try_from(answer.id).ok().and_then(|id| answers.get_mut(id)) {
                *place = usable(answer.result);
            }
        }
    };
    // The pieces without an answer are queried by themselves, which also handles a lost connection.
    let (_ended, ()) = tokio::join!(session.batch(asked, answered), talk);
    answers
}

/// The result, unless another query may have a different one: it follows a link, or waits for the end of an outage.
fn usable(result: Result<Done, ClientError>) -> Answer {
    match result {
        Ok(Done::Found(found)) if found.kind != Kind::Symlink => Some(Ok(found)),
        Ok(_) => None,
        Err(error) if tries::is_outage(&error) => None,
        Err(error) => Some(Err(error)),
    }
}
