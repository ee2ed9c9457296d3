//! For tests that need something the machine lacks; the equivalent of `ferry_e2e::skipped` for this crate.

use std::env;

/// Prints why a test does not run here; if everything has to run (`FERRY_REQUIRE_ALL=1`), the test fails.
#[allow(clippy::print_stderr, reason = "the report of a test")]
pub(crate) fn skipped(why: &str) {
    assert!(env::var_os("FERRY_REQUIRE_ALL").is_none_or(|all| all != "1"), "cannot run: {why}");
    eprintln!("skipped: {why}");
}
