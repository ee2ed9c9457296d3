//! `ferryd`, the ferry server; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ferry_server::admin::main()
}
