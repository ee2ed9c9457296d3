//! For tests that the machine lacks something for; as `ferry_e2e::skipped` is for those of the real programs.

use std::env;

/// Says why a test does not run here; where everything has to run (`FERRY_REQUIRE_ALL=1`) it fails.
#[allow(clippy::print_stderr, reason = "the report of a test")]
pub(crate) fn skipped(why: &str) {
    assert!(env::var_os("FERRY_REQUIRE_ALL").is_none_or(|all| all != "1"), "cannot run: {why}");
    eprintln!("skipped: {why}");
}
