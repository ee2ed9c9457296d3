//! The priority of threads: what a person waits for comes before transfers.

/// How much nicer than the drawing thread the other threads of the browser are. At 5 the drawing thread gets three quarters
/// of a core that it shares with one of them.
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// Gives the calling thread less of a busy processor than the thread that draws. Programs that it starts inherit this.
/// Only Linux has priorities of threads; if it refuses, the priority stays as it is.
pub(crate) fn lower() {
    #[cfg(target_os = "linux")]
    if let Ok(now) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, now + NICER);
    }
}
