//! `ferryd`, the ferry server; all of it is in the library.

use std::process::ExitCode;

/// It gives memory back to the system after load; the system's allocator keeps it for each thread that ever used it.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ferry_server::admin::main()
}
