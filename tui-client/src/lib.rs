//! `ferry` as a library, so that the demo can run it in its own process.

mod address;
mod advice;
mod args;
mod batch;
mod cli;
mod command_line;
mod completion;
mod context;
mod defaults;
mod estimate;
mod exit;
mod failure;
mod fault;
mod home;
mod human;
mod import;
mod interrupt;
mod json;
mod kept;
mod keyring;
mod os_bytes;
mod output;
mod priority;
mod progress;
mod raw_stdout;
mod secret;
mod setting_error;
mod sites;
mod streams;
mod terminal;
mod trust;
mod tui;

use std::{ffi::OsString, process::ExitCode};

use crate::{
    args::Global, command_line::Cli, context::Context, defaults::Defaults, exit::Exit, failure::Failure, output::Output,
};

/// The number of network threads; disk access and digests have their own threads.
const WORKERS: usize = 4;

/// Runs `ferry` with the arguments of its command line, the program name first. Exits the process if the arguments
/// are invalid or ask for help.
pub fn run<W: Into<OsString> + Clone>(words: impl IntoIterator<Item = W>) -> ExitCode {
    let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
    match completion::answered(&words, command_line::definition) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => error.exit(),
    }
    let defaults = Defaults::load();
    let (Cli { address, command }, global) = parse(&words, defaults.as_ref().unwrap_or(&Defaults::default()));
    // The browser has settings of its own, and reports their errors on its screen.
    if let (Some(_), Err(error)) = (&command, defaults) {
        return report(&Output::new(&global.common), &error.into()).into();
    }
    let mut context = match Context::new(global.clone(), command_line::definition) {
        Ok(context) => context,
        Err(failure) => return report(&Output::new(&global.common), &failure).into(),
    };
    let result = start(command, address, &mut context);
    match result {
        Ok(exit) => exit,
        Err(failure) => report(&context.output, &failure),
    }
    .into()
}

/// Parses the command line; exits the process if it is invalid.
fn parse(words: &[OsString], defaults: &Defaults) -> (Cli, Global) {
    command_line::parse(words, defaults).unwrap_or_else(|error| {
        if error.use_stderr() && words.iter().any(|word| word == "--json") {
            output::usage_object(&error.to_string());
        }
        error.exit()
    })
}

fn start(command: Option<cli::Command>, address: Option<OsString>, context: &mut Context) -> Result<Exit, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(cores.clamp(1, WORKERS)).enable_all();
    // The browser draws on this thread; transfers, previews and listings run on the others.
    if command.is_none() {
        runtime.on_thread_start(priority::lower);
    }
    let runtime = runtime.build().map_err(Failure::Start)?;
    let result = runtime.block_on(async {
        let result = match (command, address) {
            (Some(_), Some(address)) => {
                Err(Failure::Usage(format!("{} cannot be combined with a verb", address.display())))
            }
            (Some(cli::Command::Batch(args)), None) => batch::run(&args, context).await,
            (Some(command), None) => cli::run(command, context).await,
            (None, address) => tui::start(context, address.as_deref()).await,
        };
        // Stay inside the runtime, which still handles signals: a pipe may be full.
        let flushed = context.output.flush();
        result.and_then(|exit| flushed.map(|()| exit))
    });
    // Do not wait for threads that are blocked by the terminal or a slow disk.
    runtime.shutdown_background();
    result
}

fn report(output: &Output, failure: &Failure) -> Exit {
    output.failure(failure);
    failure.exit()
}
