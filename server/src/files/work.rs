//! Operations that take many steps. Between two steps others get their turn, and the operation may be dropped.

use super::Error;

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<T> {
    /// There is more to do, and no result yet.
    Busy,
    /// A part of the result; more may follow.
    Item(T),
    /// The result, or the last part of it.
    Last(T),
}

/// An operation in steps. If it is dropped before its end, finished steps stay done, and the audit log records
/// them.
pub trait Work: std::fmt::Debug + Send {
    /// A part of the result.
    type Item;

    /// Does one small step.
    ///
    /// # Errors
    /// [`Error`]; the operation is then over.
    fn step(&mut self) -> Result<Step<Self::Item>, Error>;

    /// Whether the operation must wait for a turn before its first step, because it is expensive even in few steps.
    fn is_heavy(&self) -> bool {
        false
    }
}
