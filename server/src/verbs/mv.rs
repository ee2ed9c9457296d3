//! `mv`: renames and moves, each atomically.

use clap::Args;

use super::{
    call::Call,
    console::pause,
    targets::{TargetArgs, pairs},
};

/// Arguments of `mv`.
#[derive(Debug, Args)]
pub(super) struct MvArgs {
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) async fn run(args: MvArgs, call: &mut Call) {
    let keeps = args.target.no_clobber;
    for pair in pairs(&args.target, call).await {
        pause().await;
        if keeps && call.files.stat(&pair.to).is_ok() {
            continue;
        }
        if let Err(error) = call.files.rename(&pair.from, &pair.to, !keeps) {
            call.fail(&pair.typed, &error);
        }
    }
}
