//! `ferry completion`: what a shell needs to complete ferry's command lines.

use clap::Args;
use clap_complete::Shell;

use crate::{args::flags, context::Context, exit::Exit, failure::Failure};

/// `ferry completion`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ferry completion bash > ~/.local/share/bash-completion/completions/ferry")]
pub(crate) struct CompletionArgs {
    /// For which shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionArgs, context: &mut Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut flags::command(), "ferry", &mut script);
    context.output.bytes(&script)?;
    Ok(Exit::Done)
}
