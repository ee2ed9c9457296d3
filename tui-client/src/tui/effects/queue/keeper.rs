//! Writes the journal on a thread of its own, which flushes every line.

use std::{
    io,
    path::{Path, PathBuf},
    sync::mpsc as std_mpsc,
    thread,
};

use ferry_client::transfer::journal::{Found, Journal, Order};
use ferry_shared::path::RemotePath;
use tokio::sync::{mpsc, oneshot};

use super::order;
use crate::tui::{
    config::Remembered,
    event::Event,
    state::{problem::Problem, transfers::Key},
};

/// Something to write.
#[derive(Debug)]
pub(super) enum Note {
    /// An order.
    Add(Key, Box<Order>),
    /// An order has ended.
    Settle(Key),
    /// A piece of an order has ended.
    Through(Key, RemotePath),
    /// The choices in the list of transfers.
    Remember(Remembered),
    /// Everything before must reach the disk.
    End(oneshot::Sender<()>),
}

/// The channel to the thread.
#[derive(Debug)]
pub(super) struct Keeper {
    notes: std_mpsc::Sender<Note>,
}

impl Keeper {
    /// Opens the journal and returns the transfers left in it.
    pub(super) fn start(events: mpsc::Sender<Event>, folder: PathBuf) -> Self {
        // Notes are few and small, a handful for each transfer; the screen must never wait for the disk.
        let (notes, received) = std_mpsc::channel();
        thread::spawn(move || keep(&events, &folder, &received));
        Self { notes }
    }

    pub(super) fn note(&self, note: Note) {
        // The thread ends early only if it could not start, which it has reported.
        let _ = self.notes.send(note);
    }

    /// Waits until all is written.
    pub(super) async fn end(self) {
        let (sender, written) = oneshot::channel();
        self.note(Note::End(sender));
        let _ = written.await;
    }
}

fn keep(events: &mpsc::Sender<Event>, folder: &Path, notes: &std_mpsc::Receiver<Note>) {
    let tell = |event| drop(events.blocking_send(event));
    let mut journal = match Journal::open(folder) {
        Ok((journal, found)) => {
            if found.unreadable > 0 {
                tell(Event::Problem(Problem::new(format!(
                    "{} lines of the queue's journal cannot be read",
                    found.unreadable
                ))));
            }
            for path in &found.newer {
                let text = format!("{} is the queue of a newer ferry; it is kept for that one", path.display());
                tell(Event::Problem(Problem::new(text)));
            }
            let Found { orders, .. } = found;
            tell(Event::Left(orders.into_iter().map(|(key, order)| order::left(key, order)).collect()));
            journal
        }
        Err(error) => {
            let text = format!("the queue cannot be kept in {}: {error}", folder.display());
            tell(Event::Problem(Problem::new(text)));
            return;
        }
    };
    let mut told = false;
    while let Ok(note) = notes.recv() {
        if let Err(error) = write(folder, &mut journal, note, notes)
            && !told
        {
            told = true;
            tell(Event::Problem(Problem::new(format!("the queue cannot be kept on disk: {error}"))));
        }
    }
}

/// Writes a note, and with it all pieces that are through and wait to be noted.
fn write(folder: &Path, journal: &mut Journal, note: Note, notes: &std_mpsc::Receiver<Note>) -> io::Result<()> {
    match note {
        Note::Add(key, order) => journal.add(key.0, &order),
        Note::Settle(key) => journal.settle(key.0),
        Note::Remember(chosen) => chosen.write(folder),
        Note::End(sender) => {
            let _ = sender.send(());
            Ok(())
        }
        Note::Through(key, path) => {
            let mut pieces = vec![(key.0, path)];
            let mut next = None;
            while let Ok(note) = notes.try_recv() {
                match note {
                    Note::Through(key, path) => pieces.push((key.0, path)),
                    other => {
                        next = Some(other);
                        break;
                    }
                }
            }
            journal.settle_pieces(&pieces)?;
            next.map_or(Ok(()), |next| write(folder, journal, next, notes))
        }
    }
}
