//! Pipelined requests to one session, many of them ahead of the answers.

use tokio::sync::mpsc;

use crate::{
    error::ClientError,
    site::{Answer, Done, Op, Request, Session},
};

/// The maximum number of unanswered requests.
const AHEAD: usize = 256;

/// Sends `ops`, and passes each answer with the index of its request to `answered`.
///
/// # Errors
/// The error that ended the session; the other requests may or may not have been carried out.
pub(super) async fn ask_all(
    session: &mut dyn Session,
    ops: Vec<Op>,
    mut answered: impl FnMut(usize, Result<Done, ClientError>),
) -> Result<(), ClientError> {
    let (requests, incoming) = mpsc::channel(AHEAD);
    let (outgoing, mut answers) = mpsc::channel::<Answer>(AHEAD);
    let asking = async move {
        let mut ops = ops.into_iter().zip(0_u64..);
        let mut open = 0;
        loop {
            while open < AHEAD
                && let Some((op, id)) = ops.next()
            {
                if requests.send(Request { id, op, watch: None }).await.is_err() {
                    return;
                }
                open += 1;
            }
            if open == 0 {
                return;
            }
            let Some(answer) = answers.recv().await else { return };
            open -= 1;
            answered(usize::try_from(answer.id).unwrap_or(usize::MAX), answer.result);
        }
    };
    // The session ends its batch when the sender is dropped.
    let (result, ()) = tokio::join!(session.batch(incoming, outgoing), asking);
    result
}
