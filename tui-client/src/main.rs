//! `ferry`: transfers files to and from a ferryd server, in a full-screen browser or on the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    ferry::run(std::env::args_os())
}
