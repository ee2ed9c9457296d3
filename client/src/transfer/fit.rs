//! Whether what jobs add fits where it goes: the growth that is known against what is free.
//!
//! Nothing is refused that could fit: growth is what a file adds to what is there already, and room
//! that unfinished uploads hold counts as free, for they may be this very job's.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use ferry_shared::{
    entry::Kind,
    message::{Reply, Request, reply::Usage},
    refusal::{Code, Refusal, Unit},
};
use parking_lot::Mutex;

use super::{
    core::Shared,
    event::{Failure, Outcome},
    flow::Next,
    item::{Item, Step},
    link::{Incoming, Link},
    local::folder::Found,
    task::Task,
};
use crate::error::ClientError;

/// Where files go: the user's room on the server, or a disk here. Clones are the same place.
#[derive(Debug, Clone, Default)]
pub(super) struct Place(Arc<Mutex<i128>>);

/// The places of an engine.
#[derive(Debug, Default)]
pub(super) struct Places {
    server: Place,
    disks: Mutex<BTreeMap<u64, Place>>,
}

/// Bytes that an item will still add to its place; nothing any more when it is dropped.
#[derive(Debug)]
pub(super) struct Growth {
    place: Place,
    /// What it adds in all to a place where nothing of it is.
    whole: i128,
    left: Mutex<i128>,
}

/// A planned item, and the bytes it adds to its place.
pub(super) type Planned = (Next, i128);

/// What does not fit.
#[derive(Debug, Clone, Copy)]
struct Short {
    needed: u64,
    available: u64,
}

impl Places {
    /// The user's room on the server.
    pub(super) fn server(&self) -> Place {
        self.server.clone()
    }

    /// The disk of this number.
    pub(super) fn disk(&self, device: u64) -> Place {
        self.disks.lock().entry(device).or_default().clone()
    }
}

impl Place {
    /// Takes `bytes` more into account.
    fn claim(&self, whole: i128, left: i128) -> Growth {
        *self.0.lock() += left;
        Growth { place: self.clone(), whole, left: Mutex::new(left) }
    }

    fn known(&self) -> i128 {
        *self.0.lock()
    }
}

impl Growth {
    /// So many bytes of the item are at its place by now.
    pub(super) fn arrived(&self, bytes: u64) {
        self.set(self.whole - i128::from(bytes));
    }

    fn set(&self, now: i128) {
        let mut left = self.left.lock();
        *self.place.0.lock() += now - *left;
        *left = now;
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// What `next` adds to a place where `met` is, in bytes.
pub(super) fn growth(next: &Next, met: Option<&Found>) -> i128 {
    let Next::Again(item) = next else { return 0 };
    let old = met.filter(|met| met.kind == Kind::File).map_or(0, |met| i128::from(met.facts.size));
    let size = i128::from(item.facts.size);
    match item.step {
        Step::Fresh => size,
        Step::Replace(_) | Step::Look(Some(_)) => size - old,
        // It may turn out to be equal, or to be left out.
        _ => 0,
    }
}

/// Lets in what fits on the disk of a download to `to`, of which `arrived` tells how much of an item is there. A
/// job that takes only what fits goes on without the rest; any other is refused as a whole.
///
/// # Errors
/// [`ClientError::NoRoom`].
pub(super) fn admit_here(
    task: &Task,
    place: &Place,
    free: u64,
    to: &Path,
    planned: Vec<Planned>,
    arrived: impl Fn(&Item) -> u64,
) -> Result<Vec<Next>, ClientError> {
    let planned = planned.into_iter().map(|(next, whole)| {
        let arrived = match &next {
            Next::Again(item) if whole > 0 => i128::from(arrived(item)),
            _ => 0,
        };
        (next, whole, whole - arrived)
    });
    let path = |next: &Next| match next {
        Next::Again(item) | Next::Ask(item, _) | Next::Done(item, _) => item.path.local().unwrap_or_default(),
    };
    admit(task, place, i128::from(free), planned.collect(), |next, Short { needed, available }| ClientError::NoRoom {
        path: next.map_or_else(|| to.to_owned(), path),
        needed,
        available,
    })
}

/// What is free on the server, as far as is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    usage: Usage,
    /// Bytes that had been sent by then.
    sent: u64,
}

impl Room {
    /// The room of an account that is like this now.
    pub(super) fn new(usage: Usage, sent: u64) -> Self {
        Self { usage, sent }
    }

    /// Bytes that are free at least, when `sent` bytes have been sent by now.
    fn left(&self, sent: u64) -> i128 {
        self.free() - i128::from(sent.saturating_sub(self.sent))
    }

    fn free(&self) -> i128 {
        let Usage { used, reserved, limit, volume_free, .. } = self.usage;
        let disk = i128::from(volume_free) + i128::from(reserved);
        limit.map_or(disk, |limit| disk.min(i128::from(limit) - i128::from(used)))
    }

    fn refusal(&self, short: Short) -> ClientError {
        let Short { needed, available } = short;
        let Usage { used, reserved, limit, .. } = self.usage;
        let over_quota = limit.is_some_and(|limit| i128::from(limit) - i128::from(used) <= self.free());
        let (code, what) = match over_quota {
            true => (Code::OverQuota, "over quota"),
            false => (Code::DiskFull, "the server's disk is full"),
        };
        let message = format!("{what}: at least {needed} bytes are needed, {available} are free");
        let held = over_quota.then_some(reserved);
        let refusal = Refusal::new(code, message);
        Refusal { unit: Some(Unit::Bytes), needed: Some(needed), available: Some(available), held, ..refusal }.into()
    }
}

/// Lets in what fits on the server, which is asked only where what is known of its room does not do.
///
/// # Errors
/// What the server would say: [`Code::OverQuota`] or [`Code::DiskFull`]; or why it cannot be asked.
pub(super) async fn admit_there(
    core: &Shared,
    task: &Task,
    planned: Vec<Planned>,
    link: impl Future<Output = Result<Link, ClientError>>,
) -> Result<Vec<Next>, ClientError> {
    let planned: Vec<_> = planned.into_iter().map(|(next, whole)| (next, whole, whole)).collect();
    let place = core.places.server();
    let more: i128 = planned.iter().map(|(.., left)| left).sum();
    // Where nobody knows, it is for the server to say what does not fit.
    let unlimited = |planned| admit(task, &place, i128::MAX, planned, |_, _| ClientError::Cancelled);
    let fits = |room: &Room| place.known() + more <= room.left(core.sent.load(Relaxed));
    let room = match core.links.room().filter(fits) {
        Some(room) => room,
        None if more <= 0 || task.options.dry_run => return unlimited(planned),
        None => {
            let mut link = link.await?;
            let asked = ask(core, &mut link).await?;
            core.links.put(link);
            match asked {
                Some(usage) => core.links.note_room(usage, core.sent.load(Relaxed)),
                None => return unlimited(planned),
            }
        }
    };
    admit(task, &place, room.left(core.sent.load(Relaxed)), planned, |_, short| room.refusal(short))
}

async fn ask(core: &Shared, link: &mut Link) -> Result<Option<Usage>, ClientError> {
    core.request(link, &Request::Usage).await?;
    match core.answer(link).await? {
        Incoming::Reply(Reply::Usage(usage)) => Ok(Some(usage)),
        Incoming::Reply(_) => Ok(None),
        other => Err(super::link::out_of_step(&other)),
    }
}

/// `planned`: items with what they add in all, and what of that is still to come.
fn admit(
    task: &Task,
    place: &Place,
    free: i128,
    planned: Vec<(Next, i128, i128)>,
    refuse: impl Fn(Option<&Next>, Short) -> ClientError,
) -> Result<Vec<Next>, ClientError> {
    if task.options.dry_run {
        return Ok(planned.into_iter().map(|(next, ..)| next).collect());
    }
    let more: i128 = planned.iter().map(|(.., left)| left).sum();
    let fits = place.known() + more <= free;
    if !fits && !task.options.fill {
        let needed = place.known() + more;
        return Err(refuse(None, Short { needed: bytes(needed), available: bytes(free) }));
    }
    let admitted = planned.into_iter().map(|(next, whole, left)| {
        let known = place.known();
        if fits || left <= 0 || known + left <= free {
            return claimed(next, place, whole, left);
        }
        let short = Short { needed: bytes(left), available: bytes(free - known) };
        let error = refuse(Some(&next), short);
        match next {
            Next::Again(item) => Next::Done(item, Outcome::Failed(Failure { error, retryable: true })),
            next => next,
        }
    });
    Ok(admitted.collect())
}

fn claimed(next: Next, place: &Place, whole: i128, left: i128) -> Next {
    match next {
        Next::Again(item) if left != 0 => {
            Next::Again(Item { growth: Some(Arc::new(place.claim(whole, left))), ..item })
        }
        next => next,
    }
}

fn bytes(number: i128) -> u64 {
    u64::try_from(number.max(0)).unwrap_or(u64::MAX)
}
