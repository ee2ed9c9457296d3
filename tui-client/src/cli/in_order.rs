//! Calls for several paths that are under way at once, which hides the round-trip time. Results are taken in order.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ferry_client::server::Remote;

use crate::failure::Failure;

/// The most calls to a ferry server at once. All of them fit into the queue of a connection, so that they are sent in
/// the order in which they begin.
const AHEAD: usize = 64;
/// The most listings of trees at once: each keeps some pages for its reader.
const LISTINGS: usize = 32;
/// The most calls to an SFTP server at once: each is several requests.
const SFTP: usize = 16;

/// Whether calls may overtake each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// They only read, or concern different files.
    Free,
    /// Their effects must be those of one call after the other.
    Kept,
}

/// The most calls at once. A ferry server keeps the order of the calls of a connection; a call to an SFTP server is
/// several requests, so that only one at a time does.
pub(super) fn most(remote: &Remote, order: Order) -> usize {
    match (remote, order) {
        (Remote::Ferry(_), _) => AHEAD,
        (Remote::Sftp(_), Order::Free) => SFTP,
        (Remote::Sftp(_), Order::Kept) => 1,
    }
}

/// The most listings of trees at once.
pub(super) fn most_listings(remote: &Remote) -> usize {
    most(remote, Order::Kept).min(LISTINGS)
}

/// Begins `call` for each of `items` in order, at most `most` at once, and passes the results to `done` in the same
/// order.
///
/// # Errors
/// Those of `done`, which end the calls that are under way.
pub(super) async fn each<'a, I, F: Future>(
    items: &'a [I],
    most: usize,
    call: impl Fn(&'a I) -> F,
    mut done: impl AsyncFnMut(&'a I, F::Output) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut next = items.iter();
    let mut calls = InOrder::default();
    for item in items {
        while calls.len() < most
            && let Some(item) = next.next()
        {
            calls.push(call(item));
        }
        let Some(result) = calls.next().await else { break };
        done(item, result).await?;
    }
    Ok(())
}

/// Futures that run together. A future that was added first is polled first.
struct InOrder<F: Future>(VecDeque<Running<F>>);

enum Running<F: Future> {
    Pending(Pin<Box<F>>),
    Ready(F::Output),
}

impl<F: Future> Default for InOrder<F> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<F: Future> InOrder<F> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, future: F) {
        self.0.push_back(Running::Pending(Box::pin(future)));
    }

    /// The result of the oldest future; `None` if there is none. This method is cancel safe.
    async fn next(&mut self) -> Option<F::Output> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        for running in &mut self.0 {
            if let Running::Pending(future) = running
                && let Poll::Ready(result) = future.as_mut().poll(context)
            {
                *running = Running::Ready(result);
            }
        }
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(Running::Ready(result)) => Poll::Ready(Some(result)),
            Some(pending) => {
                self.0.push_front(pending);
                Poll::Pending
            }
        }
    }
}

/// Two steps for each item: a query ahead, and then a call that depends on its answer.
pub(super) struct TwoSteps<Q: Future, C: Future> {
    most: usize,
    queries: InOrder<Q>,
    calls: InOrder<C>,
}

/// A result of one of the two steps.
pub(super) enum Step<Q, C> {
    /// The answer to the next query.
    Found(Q),
    /// The result of the next call.
    Done(C),
}

impl<Q: Future, C: Future> TwoSteps<Q, C> {
    /// At most `most` queries and calls together.
    pub(super) fn new(most: usize) -> Self {
        Self { most, queries: InOrder::default(), calls: InOrder::default() }
    }

    /// Whether another query may begin.
    pub(super) fn has_room(&self) -> bool {
        self.queries.len() + self.calls.len() < self.most
    }

    /// Begins a query.
    pub(super) fn query(&mut self, query: Q) {
        self.queries.push(query);
    }

    /// Begins a call.
    pub(super) fn call(&mut self, call: C) {
        self.calls.push(call);
    }

    /// The next result; `None` if there is none.
    pub(super) async fn next(&mut self) -> Option<Step<Q::Output, C::Output>> {
        poll_fn(|context| {
            if let Poll::Ready(Some(done)) = self.calls.poll_next(context) {
                return Poll::Ready(Some(Step::Done(done)));
            }
            match ready!(self.queries.poll_next(context)) {
                Some(found) => Poll::Ready(Some(Step::Found(found))),
                None if self.calls.len() == 0 => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// The result of the next call, without the queries; `None` if no call is under way.
    pub(super) async fn next_done(&mut self) -> Option<C::Output> {
        self.calls.next().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn calls_begin_in_order_and_no_more_than_allowed_are_under_way() {
        let (begun, gate) = (Mutex::new(Vec::new()), Semaphore::new(0));
        let call = |&number: &usize| {
            let (begun, gate) = (&begun, &gate);
            async move {
                begun.lock().unwrap().push(number);
                // The last of each group ends first.
                if number % 4 != 3 {
                    gate.acquire().await.unwrap().forget();
                } else {
                    gate.add_permits(3);
                }
                number
            }
        };
        let mut taken = Vec::new();
        let done = async |_: &usize, number| {
            taken.push(number);
            let begun = begun.lock().unwrap().len();
            assert!(begun < taken.len() + 4, "{begun} begun, {} taken", taken.len());
            Ok(())
        };
        let items: Vec<usize> = (0..20).collect();
        each(&items, 4, call, done).await.unwrap();
        assert_eq!(taken, items);
        assert_eq!(*begun.lock().unwrap(), taken, "in the order of the items");
    }

    #[tokio::test]
    async fn a_call_that_is_done_is_taken_before_further_queries() {
        let mut steps = TwoSteps::new(3);
        (0..3).for_each(|number| steps.query(std::future::ready(number)));
        assert!(!steps.has_room());
        let mut taken = Vec::new();
        while let Some(step) = steps.next().await {
            match step {
                Step::Found(number) => steps.call(std::future::ready(number)),
                Step::Done(number) => taken.push((number, steps.has_room())),
            }
        }
        assert_eq!(taken, [(0, true), (1, true), (2, true)]);
        assert!(steps.next_done().await.is_none());
    }
}
