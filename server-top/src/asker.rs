//! The thread that queries the server: its status every second, and orders of the operator at once.

use std::{
    io,
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use ferry_server::control::{
    client::{AskError, Line},
    message::{Answer, Ask, Session, Status},
};

/// The interval between two queries.
const EVERY: Duration = Duration::from_secs(1);
/// Orders and news that may be queued.
const QUEUE: usize = 8;

/// News from the thread.
#[derive(Debug)]
pub(crate) enum News {
    /// The present status of the server.
    Fresh(Box<Status>, Vec<Session>),
    /// The result of an order.
    Done(Result<Answer, String>),
    /// The server cannot be reached; the thread keeps trying.
    Lost(String),
}

/// The caller's ends of the channels to the thread; the thread stops when this is dropped.
pub(crate) struct Asker {
    orders: SyncSender<Ask>,
    pub(crate) news: Receiver<News>,
}

impl Asker {
    /// Starts querying on `line`, and on a new connection to `path` when that one is lost.
    pub(crate) fn start(line: Line, path: PathBuf) -> io::Result<Self> {
        let (orders, ordered) = sync_channel(QUEUE);
        let (told, news) = sync_channel(QUEUE);
        thread::Builder::new().name("asker".to_owned()).spawn(move || work(line, path, &ordered, &told))?;
        Ok(Self { orders, news })
    }

    /// Queues an order; if the server does not answer, further orders are dropped.
    pub(crate) fn ask(&self, ask: Ask) {
        // The queue is full: the operator sees no result and tries again.
        let _ = self.orders.try_send(ask);
    }
}

fn work(line: Line, path: PathBuf, orders: &Receiver<Ask>, news: &SyncSender<News>) {
    let mut line = Some(line);
    loop {
        let open = match line.take() {
            Some(line) => Ok(line),
            None => Line::open(path.clone()),
        };
        let told = match open.and_then(|mut open| Ok((fetch_status(&mut open)?, open))) {
            Ok((fresh, open)) => {
                line = Some(open);
                fresh
            }
            Err(error) => News::Lost(error.to_string()),
        };
        if news.send(told).is_err() {
            return;
        }
        let next = Instant::now() + EVERY;
        loop {
            match orders.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(ask) => {
                    let asked = line.as_mut().map(|line| line.ask(&ask).map_err(|error| error.to_string()));
                    let done = asked.unwrap_or_else(|| Err("the server is not reached".to_owned()));
                    if news.send(News::Done(done)).is_err() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn fetch_status(line: &mut Line) -> Result<News, AskError> {
    match (line.ask(&Ask::Status)?, line.ask(&Ask::Sessions)?) {
        (Answer::Status(status), Answer::Sessions(sessions)) => Ok(News::Fresh(status, sessions)),
        _ => Err(AskError::Strange),
    }
}
