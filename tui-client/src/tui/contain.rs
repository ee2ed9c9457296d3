//! Work on content that others made, where a panic must not reach the terminal or end the browser.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread does work whose panics are contained. The panic hook then says and restores nothing.
pub(crate) fn is_contained() -> bool {
    CONTAINED.get()
}

/// Does some work on this thread; `None` if it panics. The work must not leave anything half changed that is used
/// afterwards.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Option<T> {
    let outer = CONTAINED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(outer);
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_answer_and_the_next_one_is_not_contained() {
        assert_eq!(contain(|| 1), Some(1));
        assert_eq!(contain(|| -> u8 { panic!("a decoder fails") }), None);
        assert!(!is_contained());
        assert_eq!(contain(is_contained), Some(true));
    }
}
