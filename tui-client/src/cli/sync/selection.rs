//! The selection of what a sync compares, as the command line describes it.

use std::{
    collections::BTreeSet,
    io::Read as _,
    path::Path,
    time::{Duration, SystemTime},
};

use bytesize::ByteSize;
use ferry_client::sync::Select;
use ferry_shared::{entry::Mtime, path::RemotePath};

use super::Selection;
use crate::{context::Context, exit::Looking, failure::Failure, streams};

impl Selection {
    /// Reads the files that were named, and creates the selection.
    ///
    /// # Errors
    /// [`Failure::Local`] if a file cannot be read, [`Failure::Filter`] or [`Failure::Pattern`] for a bad pattern or
    /// path.
    pub(in crate::cli) fn select(&self, context: &Context) -> Result<Select, Failure> {
        let mut select = Select::default();
        select.filter = context.global.filters.filter()?;
        select.min_size = self.min_size;
        select.max_size = self.max_size;
        select.newer_than = self.newer_than;
        let text = |file: &Path| {
            let bytes = std::fs::read(file).map_err(|error| Failure::local(file, Looking::File, error))?;
            Ok::<_, Failure>((file.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()))
        };
        let texts = self.exclude_from.iter().map(|file| text(file)).collect::<Result<Vec<_>, _>>()?;
        select.exclude_from(&texts).map_err(|error| Failure::Pattern(error.to_string()))?;
        if let Some(file) = &self.files_from {
            select.only(named(file)?);
        }
        Ok(select)
    }
}

/// The paths in a file, one a line.
fn named(file: &Path) -> Result<BTreeSet<RemotePath>, Failure> {
    let mut bytes = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => streams::input().and_then(|mut input| input.read_to_end(&mut bytes)).map(drop),
        false => std::fs::read(file).map(|read| bytes = read),
    };
    read.map_err(|error| Failure::local(file, Looking::File, error))?;
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let path = |line: &[u8]| {
        let shown = String::from_utf8_lossy(line);
        RemotePath::from_typed(line)
            .map_err(|error| Failure::Pattern(format!("{}: '{shown}': {error}", file.display())))
    };
    lines.filter(|line| !line.is_empty()).map(path).collect()
}

/// Parses a size.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let size = text.parse::<ByteSize>().map(|size| size.as_u64());
    size.map_err(|_| format!("`{text}` is not a size; write 500KiB or 10MiB"))
}

/// Parses a point in time, or an age.
pub(super) fn time(text: &str) -> Result<Mtime, String> {
    if let Ok(date) = text.parse::<jiff::Timestamp>() {
        return Ok(Mtime::from(SystemTime::from(date)));
    }
    if let Ok(date) = text.parse::<jiff::civil::DateTime>().or_else(|_| {
        let day = text.parse::<jiff::civil::Date>();
        day.map(|day| day.to_datetime(jiff::civil::Time::midnight()))
    }) {
        let date = date.to_zoned(jiff::tz::TimeZone::system()).map_err(|error| error.to_string())?;
        return Ok(Mtime::from(SystemTime::from(date.timestamp())));
    }
    let age = match text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()) {
        Some(days) => days.checked_mul(86_400).map(Duration::from_secs),
        None => text.parse::<jiff::SignedDuration>().ok().and_then(|age| age.try_into().ok()),
    };
    let time = age.and_then(|age| SystemTime::now().checked_sub(age));
    time.map(Mtime::from).ok_or_else(|| format!("`{text}` is not a time; write 36h, 7d or 2026-01-31"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_or_ages() {
        let now = Mtime::from(SystemTime::now()).0;
        for (text, age) in [("36h", 36 * 3600), ("7d", 7 * 86_400), ("90m", 5400)] {
            let difference = now - time(text).unwrap().0 - age;
            assert!((0..60).contains(&difference), "{text}: {difference}");
        }
        assert_eq!(time("2026-01-31T10:00:00Z").unwrap(), Mtime(1_769_853_600, 0));
        assert_eq!(time("2026-01-31T10:00").unwrap().0 - time("2026-01-31").unwrap().0, 36_000);
        assert!(time("soon").is_err() && time("").is_err() && time("-1h").is_err());
        assert_eq!(size("1KiB"), Ok(1024));
        assert!(size("much").is_err());
    }

    #[test]
    fn paths_that_lead_out_of_the_folder_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("list");
        std::fs::write(&file, "a/b\r\n./c/\n\n").unwrap();
        let paths: Vec<String> = named(&file).unwrap().iter().map(|path| path.display().to_string()).collect();
        assert_eq!(paths, ["/a/b", "/c"]);
        std::fs::write(&file, "../x\n").unwrap();
        assert!(matches!(named(&file), Err(Failure::Pattern(_))));
    }
}
