//! `ferry run`: runs a command that is built into the server; its output and its exit status become those of `ferry`.

mod screen_text;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write as _},
    sync::Arc,
};

use clap::Args;
use ferry_client::remote::Said;
use serde::Serialize;

use self::screen_text::ScreenText;
use crate::{context::Context, exit::Exit, failure::Failure, json::Bytes, os_bytes, output::Output, raw_stdout};

/// `ferry run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry run work -- help\n  ferry run work -- tail -n 100 logs/app.log\n  \
    ferry run work -- find photos -name '*.raw' | wc -l\n\n\
    The commands are built into the server: cp df du find hash head tail wc mv tar-list md5sum sha1sum\n\
    sha256sum b3sum. They work within your home, and `--help` explains each. There is no shell and no\n\
    standard input. Paths start in the home, not in the folder of a site.\n\
    The exit code is the status of the command: 0 done, 1 something failed, 2 usage, 125 the output was\n\
    longer than the server allows, 127 no such command; or a code of ferry if the command could not run.")]
pub(crate) struct RunArgs {
    /// The server
    #[arg(value_name = "REMOTE")]
    remote: OsString,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    words: Vec<OsString>,
}

/// A part of the output, or the end, in `--json` output.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum SaidObject<'a> {
    Out(Bytes<'a>),
    Err(Bytes<'a>),
    Status(u8),
}

pub(super) async fn run(args: RunArgs, context: &mut Context) -> Result<Exit, Failure> {
    let place = context.server(&args.remote)?;
    let words = args.words.iter().map(|word| os_bytes::bytes_of(word).into_owned()).collect();
    let mut printer = Printer::new(&context.output)?;
    let remote = context.remote(&place).await?;
    let mut command = remote.run(words).await?;
    while let Some(said) = command.next().await {
        match said {
            Ok(Said::Exited(status)) => {
                printer.finish(status).await?;
                return Ok(Exit::of_command(status));
            }
            Ok(said) => printer.print(&said).await?,
            Err(error) => {
                printer.flush().await?;
                return Err(error.into());
            }
        }
    }
    Ok(Exit::Other)
}

/// Where the output of a command goes.
struct Printer<'a> {
    output: &'a Output,
    /// Standard output without a buffer; written to on another thread, so that a full pipe stops nothing else.
    stdout: Arc<File>,
    /// Present if standard output is a terminal.
    screen: Option<ScreenText>,
    /// The last line of messages, as far as it has arrived.
    message: Vec<u8>,
}

/// The longest line of messages.
const LINE: usize = 64 << 10;

impl<'a> Printer<'a> {
    fn new(output: &'a Output) -> Result<Self, Failure> {
        let stdout = Arc::new(raw_stdout::open().map_err(Failure::Output)?);
        let screen = output.is_terminal().then(ScreenText::default);
        Ok(Self { output, stdout, screen, message: Vec::new() })
    }

    async fn print(&mut self, said: &Said) -> Result<(), Failure> {
        match said {
            Said::Out(bytes) if self.output.json => self.object(&SaidObject::Out(Bytes(bytes))),
            Said::Err(bytes) if self.output.json => {
                self.object(&SaidObject::Err(Bytes(bytes)))?;
                self.message(bytes);
                Ok(())
            }
            Said::Out(bytes) => {
                let bytes = match &mut self.screen {
                    Some(screen) => screen.push(bytes).into_bytes(),
                    None => bytes.clone(),
                };
                self.write(bytes).await
            }
            Said::Err(bytes) => {
                self.message(bytes);
                Ok(())
            }
            Said::Exited(_) => Ok(()),
        }
    }

    /// Writes what was held back.
    async fn flush(&mut self) -> Result<(), Failure> {
        if let Some(screen) = &mut self.screen {
            let rest = screen.rest();
            self.write(rest.into_bytes()).await?;
        }
        if !self.message.is_empty() {
            self.output.warn(&String::from_utf8_lossy(&std::mem::take(&mut self.message)));
        }
        Ok(())
    }

    async fn finish(&mut self, status: u8) -> Result<(), Failure> {
        self.flush().await?;
        if self.output.json { self.object(&SaidObject::Status(status)) } else { Ok(()) }
    }

    fn object(&self, object: &SaidObject<'_>) -> Result<(), Failure> {
        self.output.object(object)?;
        self.output.flush()
    }

    /// Shows each line of the command's messages once it is whole.
    fn message(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.message.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.message.len() > LINE {
                let line = std::mem::take(&mut self.message);
                self.output.warn(String::from_utf8_lossy(&line).trim_end_matches('\n'));
            }
        }
    }

    async fn write(&self, bytes: Vec<u8>) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let stdout = Arc::clone(&self.stdout);
        let written = tokio::task::spawn_blocking(move || (&*stdout).write_all(&bytes)).await;
        written.map_err(io::Error::from).flatten().map_err(Failure::Output)
    }
}
