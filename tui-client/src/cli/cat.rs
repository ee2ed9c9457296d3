//! `ferry cat`: writes files to standard output, and compares the digest at the end.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    sync::Arc,
};

use clap::Args;
use ferry_client::{ClientError, server::BlockStream};
use ferry_shared::path::RemotePath;

use super::{
    batch::Tally,
    in_order::{self, Order},
};
use crate::{
    context::Context,
    exit::{Exit, Looking},
    failure::Failure,
    raw_stdout,
    sites::Place,
};

/// `ferry cat`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  ferry cat work:notes.txt\n  ferry cat work:src.tar | tar x && echo whole\n\n\
    Exit code 11 means that the output differs from the server's file.")]
pub(crate) struct CatArgs {
    /// The files
    #[arg(required = true, value_name = "REMOTE")]
    remotes: Vec<OsString>,
}

pub(super) async fn run(args: CatArgs, context: &mut Context) -> Result<Exit, Failure> {
    if context.output.json {
        return Err(Failure::Usage(
            "--json cannot be used, because the files are written to standard output".to_owned(),
        ));
    }
    let places = context.places(&args.remotes)?;
    let remote = context.remote(&places[0]).await?;
    let mut tally = Tally::default();
    let open = |place: &Place| remote.read_blocks(place.path.clone(), None);
    // An SFTP server would hold each file open.
    in_order::each(&places, in_order::most(&remote, Order::Kept), open, async |place, blocks| {
        tally.count(context, copy(blocks, &place.path).await)
    })
    .await?;
    Ok(tally.exit())
}

async fn copy(blocks: Result<BlockStream, ClientError>, path: &RemotePath) -> Result<(), Failure> {
    let about = |error| Failure::remote(path, Looking::File, error);
    let output = Arc::new(raw_stdout::open().map_err(Failure::Output)?);
    let mut blocks = blocks.map_err(about)?;
    while let Some(block) = blocks.next().await {
        let (block, output) = (block.map_err(about)?, Arc::clone(&output));
        let written = tokio::task::spawn_blocking(move || (&*output).write_all(&block)).await;
        written.map_err(io::Error::from).flatten().map_err(Failure::Output)?;
    }
    Ok(())
}
