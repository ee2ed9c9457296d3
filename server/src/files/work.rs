//! Operations that take many steps. Between two of them others get their turn, and the work may be dropped.

use super::Error;

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<T> {
    /// There is more to do, and nothing to tell of yet.
    Busy,
    /// A part of the result; more may come.
    Item(T),
    /// The result, or the last part of it.
    Last(T),
}

/// An operation in steps. Dropped before its end, it leaves what it has done, and tells the audit log of it.
pub trait Work: std::fmt::Debug + Send {
    /// A part of its result.
    type Item;

    /// Does a little.
    ///
    /// # Errors
    /// [`Error`]; the work is over then.
    fn step(&mut self) -> Result<Step<Self::Item>, Error>;

    /// Whether it is much work even where it ends soon, and so begins with a turn.
    fn is_heavy(&self) -> bool {
        false
    }
}
