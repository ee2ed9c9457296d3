//! `ferry completion`: prints the completion script for a shell.

use clap::Args;
use clap_complete::Shell;
use serde::Serialize;

use crate::{completion, context::Context, exit::Exit, failure::Failure};

/// `ferry completion`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry completion bash > ~/.local/share/bash-completion/completions/ferry\n  \
    ferry completion zsh > ~/.zfunc/_ferry    a folder in $fpath, before compinit")]
pub(crate) struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// The script in `--json` output.
#[derive(Serialize)]
struct ScriptObject {
    shell: String,
    script: String,
}

pub(super) fn run(args: &CompletionArgs, context: &mut Context) -> Result<Exit, Failure> {
    let shell = args.shell.to_string();
    let script =
        completion::script(&shell).ok_or_else(|| Failure::Usage(format!("no completion script for {shell}")))?;
    match context.output.json {
        true => {
            context.output.object(&ScriptObject { shell, script: String::from_utf8_lossy(&script).into_owned() })?
        }
        false => context.output.bytes(&script)?,
    }
    Ok(Exit::Done)
}
