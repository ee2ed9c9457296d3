//! `tar-list`: the names of the entries of a tar archive, as `tar -t` prints them. The content of its files is skipped
//! without reading it.

mod header;

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _};

use clap::Args;
use ferry_shared::name::Escaped;

use self::header::{Header, Kind, Pax, RECORD};
use super::{call::Call, source::Source};
use crate::files::Error;

/// The longest extended header that is read: it has room for the longest names.
const EXTENSION: u64 = 64 << 10;

/// Arguments of `tar-list`.
#[derive(Debug, Args)]
pub(super) struct TarListArgs {
    /// The archives; they must not be compressed
    #[arg(required = true)]
    archives: Vec<OsString>,
}

/// The reason why an archive cannot be listed to its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Files(#[from] Error),
    #[error("it is not a tar archive")]
    NotTar,
    #[error("there is no valid header at byte {0}")]
    Header(u64),
    #[error("it ends within an entry")]
    Cut,
    #[error("an extended header is longer than {EXTENSION} bytes")]
    Extension,
}

pub(super) async fn run(args: TarListArgs, call: &mut Call) {
    for archive in &args.archives {
        let Some(mut source) = Source::open(archive, call).await else { continue };
        let reason = match list(&mut source, call).await {
            Ok(()) => continue,
            Err(Broken::Files(error)) => {
                call.fail(archive, &error);
                continue;
            }
            Err(Broken::NotTar) if is_compressed(&mut source).await => {
                "it is compressed; only plain tar archives can be listed".to_owned()
            }
            Err(broken) => broken.to_string(),
        };
        call.complain(format_args!("{}: {reason}", Escaped(archive.as_bytes())));
    }
}

async fn list(source: &mut Source, call: &Call) -> Result<(), Broken> {
    let mut offset = 0;
    let mut pax = Pax::default();
    while offset < source.size() {
        let record = record(source, offset).await?;
        if record.iter().all(|byte| *byte == 0) {
            break;
        }
        let header = match Header::parse(&record) {
            Some(header) => header,
            None if offset == 0 => return Err(Broken::NotTar),
            None => return Err(Broken::Header(offset)),
        };
        let mut data = offset + RECORD;
        let size = header.size_with(&pax);
        match header.kind {
            Kind::Entry => {
                if header.is_extended {
                    data = after_sparse_maps(source, data).await?;
                }
                call.print(header.line(&std::mem::take(&mut pax))).await;
            }
            Kind::LongName => pax.take_long_name(&extension(source, data, size).await?),
            Kind::Pax => pax.take_records(&extension(source, data, size).await?),
            Kind::Skipped => {}
        }
        let padded = size.checked_next_multiple_of(RECORD).and_then(|size| data.checked_add(size));
        offset = padded.ok_or(Broken::Cut)?;
        if data.checked_add(size).is_none_or(|end| end > source.size()) {
            return Err(Broken::Cut);
        }
    }
    Ok(source.finish()?)
}

/// The record at `offset`.
async fn record(source: &mut Source, offset: u64) -> Result<[u8; 512], Broken> {
    // Records do not cross blocks, because both begin at multiples of their length.
    let bytes = source.from(offset).await?;
    bytes.first_chunk().copied().ok_or(if offset == 0 { Broken::NotTar } else { Broken::Cut })
}

/// The offset after the records that go on with the map of a sparse file.
async fn after_sparse_maps(source: &mut Source, mut offset: u64) -> Result<u64, Broken> {
    loop {
        let is_last = record(source, offset).await?[header::MORE_MAPS] == 0;
        offset += RECORD;
        if is_last {
            return Ok(offset);
        }
    }
}

/// The data of an extended header.
async fn extension(source: &mut Source, start: u64, size: u64) -> Result<Vec<u8>, Broken> {
    if size > EXTENSION {
        return Err(Broken::Extension);
    }
    let (mut data, mut left) = (Vec::new(), usize::try_from(size).unwrap_or(usize::MAX));
    while left > 0 {
        let bytes = source.from(start + data.len() as u64).await?;
        let length = left.min(bytes.len());
        let Some(bytes) = bytes.get(..length).filter(|bytes| !bytes.is_empty()) else { return Err(Broken::Cut) };
        data.extend_from_slice(bytes);
        left -= length;
    }
    Ok(data)
}

/// Whether an archive begins as the common compressed formats do.
async fn is_compressed(source: &mut Source) -> bool {
    let marks: [&[u8]; 5] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x1f\x9d"];
    let start = source.from(0).await.unwrap_or_default();
    marks.into_iter().any(|mark| start.starts_with(mark))
}
