//! Runs the lines of `ferry batch`, one verb each, over connections that stay open.

use std::{
    ffi::OsString,
    io::{self, BufRead as _, Read as _},
    path::Path,
    sync::Arc,
};

use crate::{
    args::Global,
    cli::{
        self, Command,
        batch_args::{self, BatchArgs, LineObject},
    },
    command_line,
    context::Context,
    defaults::{self, Defaults},
    exit::{Exit, Looking},
    failure::Failure,
    interrupt::Signals,
    kept::Kept,
    streams,
};

/// The longest line in bytes.
const LONGEST: u64 = 1 << 20;

/// A line that can be run.
struct Line {
    number: usize,
    command: Command,
    global: Global,
}

/// The reader of lines.
struct Reader<'a> {
    context: &'a Context,
    defaults: Defaults,
    shown: String,
}

/// Runs the lines until one fails, or with `--keep-going` all of them.
///
/// # Errors
/// A line is not valid, or the lines cannot be read. Failures of verbs have been reported.
pub(crate) async fn run(args: &BatchArgs, context: &Context) -> Result<Exit, Failure> {
    let mut signals = Signals::catch(cli::CLOSING).map_err(Failure::Start)?;
    let is_input = args.file == Path::new("-");
    let shown = if is_input { "standard input".to_owned() } else { args.file.display().to_string() };
    let reader = Reader { context, defaults: Defaults::load()?, shown };
    let mut batch = Batch { args, context, kept: Arc::default(), first: Exit::Done };
    if !is_input {
        for line in reader.file(&args.file).await? {
            if batch.run(line, &reader.shown, &mut signals).await? {
                break;
            }
        }
        return Ok(batch.first);
    }
    if context.global.login.password_stdin {
        return Err(Failure::Usage("--password-stdin cannot be combined with -: it has the lines".to_owned()));
    }
    streams::reserve_input().map_err(Failure::NoInput)?;
    for number in 1.. {
        let bytes = tokio::select! {
            bytes = next_line() => bytes.map_err(Failure::NoInput)?,
            signal = signals.next() => return Ok(signal.exit()),
        };
        if bytes.is_empty() {
            break;
        }
        let ended = match reader.line(number, &bytes) {
            Ok(None) => false,
            Ok(Some(line)) => batch.run(line, &reader.shown, &mut signals).await?,
            Err(failure) => {
                context.output.failure(&failure);
                batch.ended(number, failure.exit(), &reader.shown)?
            }
        };
        if ended {
            break;
        }
    }
    Ok(batch.first)
}

/// The state of a batch.
struct Batch<'a> {
    args: &'a BatchArgs,
    context: &'a Context,
    kept: Arc<Kept>,
    /// The code of the first line that failed.
    first: Exit,
}

impl Batch<'_> {
    /// Runs a line; returns whether the batch ends with it.
    async fn run(&mut self, line: Line, shown: &str, signals: &mut Signals) -> Result<bool, Failure> {
        let Line { number, command, global } = line;
        let mut context = self.context.of_line(global, &self.kept);
        let result = cli::run_until(command, &mut context, signals).await;
        let flushed = context.output.flush();
        let exit = result.and_then(|exit| flushed.map(|()| exit)).unwrap_or_else(|failure| {
            context.output.failure(&failure);
            failure.exit()
        });
        self.ended(number, exit, shown)
    }

    /// Notes the end of a line; returns whether the batch ends with it.
    fn ended(&mut self, number: usize, exit: Exit, shown: &str) -> Result<bool, Failure> {
        let output = &self.context.output;
        output.result(&LineObject { line: number, exit: exit as u8 })?;
        output.flush()?;
        if exit == Exit::Done {
            return Ok(false);
        }
        output.warn(&format!("ferry: {shown}, line {number}: exit code {}", exit as u8));
        // A signal and a lost reader concern the whole batch.
        let is_over = matches!(exit, Exit::Interrupted | Exit::Terminated | Exit::Unread);
        if self.first == Exit::Done || is_over {
            self.first = exit;
        }
        Ok(is_over || !self.args.keep_going)
    }
}

impl Reader<'_> {
    /// All lines of a file, each checked.
    async fn file(&self, path: &Path) -> Result<Vec<Line>, Failure> {
        let file = path.to_owned();
        let read = tokio::task::spawn_blocking(move || std::fs::read(file)).await;
        let bytes = read.map_err(|stopped| Failure::Start(stopped.into()))?;
        let bytes = bytes.map_err(|error| Failure::local(path, Looking::File, error))?;
        let lines = bytes.split_inclusive(|b| *b == b'\n').zip(1..);
        lines.filter_map(|(line, number)| self.line(number, line).transpose()).collect()
    }

    /// A line; `None` if it has no verb.
    fn line(&self, number: usize, bytes: &[u8]) -> Result<Option<Line>, Failure> {
        let wrong = |why: &str| Failure::Usage(format!("{}, line {number}: {why}", self.shown));
        if bytes.len() as u64 > LONGEST {
            return Err(wrong("the line is too long"));
        }
        let words = batch_args::words(bytes).ok_or_else(|| wrong("a quote is open, or a name is not text"))?;
        if words.is_empty() {
            return Ok(None);
        }
        let words: Vec<OsString> = [OsString::from("ferry")].into_iter().chain(words).collect();
        let (parsed, mut global) = command_line::parse(&words, &self.defaults).map_err(|error| {
            if error.use_stderr() { wrong(&defaults::cause(&error)) } else { wrong("help is not a verb of a batch") }
        })?;
        let Some(command) = parsed.command else { return Err(wrong("the verb is missing")) };
        if let Some(why) = command.unfit_for_batch() {
            return Err(wrong(why));
        }
        global.inherit(&self.context.global);
        Ok(Some(Line { number, command, global }))
    }
}

/// The next line of standard input with its end; empty at the end of the input.
async fn next_line() -> io::Result<Vec<u8>> {
    let read = || {
        let mut line = Vec::new();
        io::stdin().lock().take(LONGEST + 1).read_until(b'\n', &mut line)?;
        Ok(line)
    };
    tokio::task::spawn_blocking(read).await?
}
