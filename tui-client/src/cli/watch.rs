//! `ferry watch`: keeps a folder on a server like a local one, until it is stopped.

mod changes;
mod settling;

use std::{
    ffi::OsString,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;

use self::{changes::Changes, settling::Settling};
use super::sync::{Lock, Order, Round, Rules, Selection};
use crate::{
    context::{self, Context},
    exit::{Exit, Looking},
    failure::Failure,
    interrupt::Signals,
};

/// The time for which a file has to be unchanged before it is sent.
const SETTLED: Duration = Duration::from_secs(2);
/// The time after a change in which further changes are awaited before both ends are compared.
const TOGETHER: Duration = Duration::from_millis(300);

/// `ferry watch`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry watch --delete notes work:notes\n\n\
    Syncs LOCAL to REMOTE, and again after each change in LOCAL, by the rules of `ferry sync`. A file is sent once it\n\
    has not been changed for 2 s. Ctrl-C or SIGTERM ends the command: with exit code 0 while it waits, with 130 or 143\n\
    during a transfer, which the next run continues.")]
pub(crate) struct WatchArgs {
    /// The local folder
    local: OsString,
    /// The folder that is kept like it
    #[arg(value_name = "REMOTE")]
    remote: OsString,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    selection: Selection,
}

pub(super) async fn run(args: WatchArgs, context: &mut Context, signals: &mut Signals) -> Result<Exit, Failure> {
    context::local(&args.local)?;
    let folder = PathBuf::from(&args.local);
    let failed = |error| Failure::local(&folder, Looking::Folder, error);
    let folder = folder.canonicalize().map_err(failed)?;
    let select = args.selection.select(context)?;
    let order = Order::new(&args.local, &args.remote, &args.rules, context)?;
    let _lock = Lock::take(&order.ends, context)?;
    // Before the first comparison, so that no change is missed.
    let mut changes = Changes::of(&folder)?;
    let mut settling = Settling::new(SETTLED);
    context.output.say(&format!("watching {}", folder.display()));
    loop {
        changes.forget();
        let mut round = Round::start(&order, context, signals)?;
        let mut held = false;
        let result = async {
            let Some(mut plan) = round.plan(&mut select.clone()).await? else { return Ok(()) };
            held = settling.hold_back(&mut plan, &folder, Instant::now());
            if plan.is_empty() { Ok(()) } else { round.carry_out(&plan).await }
        };
        let result = result.await;
        let stopped = round.stopped();
        let exit = round.end_quietly(result).await?;
        if let Some(signal) = stopped {
            return Ok(signal.exit());
        }
        let wait = async {
            if held {
                return tokio::time::sleep(SETTLED).await;
            }
            changes.next().await;
            tokio::time::sleep(TOGETHER).await;
        };
        tokio::select! {
            () = wait => {}
            // It was only waiting.
            _ = signals.next() => return Ok(exit),
        }
    }
}
