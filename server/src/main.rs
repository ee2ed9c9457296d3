//! `ferryd`, the ferry server; all its code is in the library.

use std::process::ExitCode;

/// This allocator returns memory to the system after load; the system's allocator keeps some for each thread that
/// ever used it.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ferry_server::admin::main()
}
