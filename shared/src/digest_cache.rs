//! A file that remembers the digests of files that have not changed since they were read.
//!
//! It is a hash table on the disk that grows by linear hashing (W. Litwin, "Linear hashing: a new tool for file and
//! table addressing", 1980): one bucket at a time, so that no operation takes long. Each record has a check value of its
//! own, so a record that was torn or overwritten counts as absent. It is a cache: it may be removed or damaged at any
//! time, and several processes may write it without locks; each of these can only lose records.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::{Mutex, RwLock};

use crate::{blocks, digest::Digest, entry::Mtime};

/// How long a file must have been left alone before it is read: a change that follows another one within a step of the
/// clock leaves no trace, and some clocks have steps of up to 2 seconds.
pub const SETTLED: Duration = Duration::from_secs(2);

/// Bytes of a record: key, digest, seconds since 1970 at which it was stored, check value.
const RECORD: usize = 64;
/// Bytes of a bucket: a page, the unit in which systems cache files.
const BUCKET: usize = 4096;
/// A bucket with this many records makes the table grow by one bucket.
const CROWDED: usize = 52;
/// The most buckets: 256 MiB, for about 1.7 million files. After that the oldest records are replaced.
const BUCKETS_MAX: u64 = 1 << 16;
/// Begins the input of a check value, so that a file of another format has no valid records.
const FORMAT: &[u8; 8] = b"ferry 01";

/// The identity of a file in one state: any change gives it another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The key of the file with these figures. `ctime` is the time of the last change of any kind, which programs cannot
    /// set.
    #[must_use]
    pub fn new(device: u64, inode: u64, size: u64, mtime: Mtime, ctime: Mtime) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [device, inode, size] {
            hasher.update(&part.to_le_bytes());
        }
        for Mtime(seconds, nanos) in [mtime, ctime] {
            hasher.update(&seconds.to_le_bytes()).update(&nanos.to_le_bytes());
        }
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        Self(key)
    }

    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The bucket of the key among `count`, which is not 0.
    fn bucket(&self, count: u64) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        let hash = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        // The largest power of two that is not above `count`: the buckets from there on are split already.
        let whole = 1_u64 << count.max(1).ilog2();
        let wide = hash & (2 * whole - 1);
        if wide < count { wide } else { hash & (whole - 1) }
    }
}

/// Whether a file that was last changed at `ctime` can be recognized later if it is read now: any change from now on
/// gives it another time.
///
/// A time without a fraction of a second is of a file system whose clock has coarse steps. After the clock was set back, a
/// file there could get the same time again.
#[must_use]
pub fn is_settled(ctime: Mtime, now: SystemTime) -> bool {
    let age = ctime.to_system().and_then(|changed| now.duration_since(changed).ok());
    ctime.1 != 0 && age.is_some_and(|age| age >= SETTLED)
}

/// The table.
#[derive(Debug)]
pub struct DigestCache {
    path: PathBuf,
    /// Opened for reading only: a file system on which a file is open for writing cannot be made read-only.
    file: RwLock<File>,
    /// The number of buckets. Another process may have added some; their records are missed until the next insertion.
    buckets: AtomicU64,
    /// Held while records are written.
    writing: Mutex<()>,
}

impl DigestCache {
    /// Opens the file at `path`, or creates it, for its owner only.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn open(path: &Path) -> io::Result<Self> {
        let buckets = AtomicU64::new(count_buckets(&open_to_write(path)?)?);
        Ok(Self { path: path.to_owned(), file: RwLock::new(File::open(path)?), buckets, writing: Mutex::new(()) })
    }

    /// The digest of the file with this key, if it is remembered.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Digest> {
        let count = self.buckets.load(Ordering::Relaxed);
        if count == 0 {
            return None;
        }
        let mut bucket = Bucket::empty();
        bucket.read(&self.file.read(), key.bucket(count)).ok()?;
        bucket.records().find(|record| record.is_of(key)).filter(Record::is_intact).map(Record::digest)
    }

    /// Remembers the digest of a file. The file must have been [settled](is_settled) before it was read, and have had
    /// this key before and after.
    ///
    /// # Errors
    /// An error of the disk.
    pub fn put(&self, key: &Key, digest: &Digest) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs().max(1));
        self.put_at(key, digest, now)
    }

    fn put_at(&self, key: &Key, digest: &Digest, now: u64) -> io::Result<()> {
        let _writing = self.writing.lock();
        let file = open_to_write(&self.path)?;
        let known = count_buckets(&file)?;
        if known == 0 {
            // It is new, because the former one was removed.
            *self.file.write() = File::open(&self.path)?;
        }
        let mut count = known.max(1);
        let (index, mut bucket) = (key.bucket(count), Bucket::empty());
        bucket.read(&file, index)?;
        bucket.insert(&encode(key, digest, now));
        bucket.write(&file, index)?;
        if bucket.records().count() >= CROWDED && count < BUCKETS_MAX {
            grow(&file, count)?;
            count += 1;
        }
        self.buckets.store(count, Ordering::Relaxed);
        Ok(())
    }
}

fn open_to_write(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn count_buckets(file: &File) -> io::Result<u64> {
    Ok((file.metadata()?.len() / BUCKET as u64).min(BUCKETS_MAX))
}

/// Adds bucket number `count`, with its share of the records of the bucket that it splits.
fn grow(file: &File, count: u64) -> io::Result<()> {
    let split = count - (1 << count.ilog2());
    let (mut old, mut kept, mut moved) = (Bucket::empty(), Bucket::empty(), Bucket::empty());
    old.read(file, split)?;
    for record in old.records() {
        let goes = record.key().bucket(count + 1) == count;
        if goes { &mut moved } else { &mut kept }.insert(record.0);
    }
    // In this order a crash loses nothing.
    moved.write(file, count)?;
    kept.write(file, split)
}

/// The records of a bucket, each at any place in it.
struct Bucket([u8; BUCKET]);

impl Bucket {
    fn empty() -> Self {
        Self([0; BUCKET])
    }

    /// Fills an empty bucket, which is not returned: moving it would take longer than reading it.
    fn read(&mut self, file: &File, index: u64) -> io::Result<()> {
        match blocks::read_exact_at(file, &mut self.0, index * BUCKET as u64) {
            // The first bucket of an empty file, or another process truncated the file.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.0.fill(0);
                Ok(())
            }
            read => read,
        }
    }

    fn write(&self, file: &File, index: u64) -> io::Result<()> {
        blocks::write_all_at(file, &self.0, index * BUCKET as u64)
    }

    fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.0.chunks_exact(RECORD).map(Record).filter(Record::is_used)
    }

    /// Puts a record in the place of an older one of the same key, in a free place, or in that of the oldest record.
    fn insert(&mut self, record: &[u8]) {
        let key = Record(record).key();
        let place = self.0.chunks_exact_mut(RECORD).min_by_key(|place| {
            let there = Record(place);
            if there.is_used() && there.is_of(&key) { (0, 0) } else { (1, there.stored()) }
        });
        if let Some(place) = place {
            place.copy_from_slice(record);
        }
    }
}

/// A record, or an unused place, which is zero.
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn part<const LENGTH: usize>(&self, from: usize) -> [u8; LENGTH] {
        self.0.get(from..).and_then(|rest| rest.first_chunk().copied()).unwrap_or([0; LENGTH])
    }

    fn key(&self) -> Key {
        Key(self.part(0))
    }

    fn is_of(&self, key: &Key) -> bool {
        self.0.starts_with(&key.0)
    }

    fn digest(self) -> Digest {
        Digest(self.part(16))
    }

    fn stored(&self) -> u64 {
        u64::from_le_bytes(self.part(48))
    }

    fn is_used(&self) -> bool {
        self.stored() != 0
    }

    fn is_intact(&self) -> bool {
        self.part(56) == check(&self.part(0))
    }
}

fn encode(key: &Key, digest: &Digest, stored: u64) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..16].copy_from_slice(&key.0);
    record[16..48].copy_from_slice(&digest.0);
    record[48..56].copy_from_slice(&stored.to_le_bytes());
    let check = check(&Record(&record).part(0));
    record[56..].copy_from_slice(&check);
    record
}

/// The check value of a record without one.
fn check(record: &[u8; RECORD - 8]) -> [u8; 8] {
    let mut check = [0; 8];
    blake3::Hasher::new().update(FORMAT).update(record).finalize_xof().fill(&mut check);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key::new(1, number, 5, Mtime(100, 1), Mtime(100, 1))
    }

    fn digest(number: u64) -> Digest {
        Digest::of(&number.to_le_bytes())
    }

    fn cache(folder: &tempfile::TempDir) -> DigestCache {
        DigestCache::open(&folder.path().join("digests")).unwrap()
    }

    #[test]
    fn every_figure_of_a_file_is_part_of_its_key() {
        let (mtime, ctime) = (Mtime(100, 1), Mtime(200, 2));
        let all = [
            Key::new(1, 2, 3, mtime, ctime),
            Key::new(9, 2, 3, mtime, ctime),
            Key::new(1, 9, 3, mtime, ctime),
            Key::new(1, 2, 9, mtime, ctime),
            Key::new(1, 2, 3, Mtime(9, 1), ctime),
            Key::new(1, 2, 3, Mtime(100, 9), ctime),
            Key::new(1, 2, 3, mtime, Mtime(9, 2)),
            Key::new(1, 2, 3, mtime, Mtime(200, 9)),
        ];
        let different: std::collections::HashSet<Key> = all.into_iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn a_file_is_settled_two_seconds_after_its_last_change() {
        let at = |mtime: Mtime| mtime.to_system().unwrap();
        assert!(is_settled(Mtime(100, 5), at(Mtime(102, 5))));
        assert!(!is_settled(Mtime(100, 5), at(Mtime(102, 4))));
        // The clock was set back since.
        assert!(!is_settled(Mtime(100, 5), at(Mtime(90, 0))));
        // A coarse clock may show this time again.
        assert!(!is_settled(Mtime(100, 0), at(Mtime(1000, 0))));
    }

    #[test]
    fn what_was_put_in_is_found_again_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let first = cache(&folder);
        assert_eq!(first.get(&key(1)), None);
        first.put(&key(1), &digest(1)).unwrap();
        first.put(&key(2), &digest(2)).unwrap();
        first.put(&key(1), &digest(3)).unwrap();
        for cache in [first, cache(&folder)] {
            assert_eq!(cache.get(&key(1)), Some(digest(3)));
            assert_eq!(cache.get(&key(2)), Some(digest(2)));
            assert_eq!(cache.get(&key(3)), None);
        }
    }

    #[test]
    fn the_table_grows_with_its_records_and_loses_few() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder);
        for number in 0..50_000 {
            cache.put(&key(number), &digest(number)).unwrap();
        }
        let found = (0..50_000).filter(|number| match cache.get(&key(*number)) {
            Some(found) => found == digest(*number),
            None => false,
        });
        let found = found.count();
        assert!(found > 49_900, "{found}");
        let bytes = cache.file.read().metadata().unwrap().len();
        assert!(bytes < 50_000 * 192, "{bytes}");
    }

    #[test]
    fn a_full_bucket_loses_its_oldest_record() {
        let mut bucket = Bucket::empty();
        for number in 0..64 {
            bucket.insert(&encode(&key(number), &digest(number), 100 - number));
        }
        assert_eq!(bucket.records().count(), 64);
        bucket.insert(&encode(&key(100), &digest(100), 200));
        let has = |number| bucket.records().any(|record| record.is_of(&key(number)));
        assert!(has(100) && has(62) && !has(63));
    }

    #[test]
    fn a_damaged_record_is_absent_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder);
        cache.put(&key(1), &digest(1)).unwrap();
        cache.put(&key(2), &digest(2)).unwrap();
        let path = folder.path().join("digests");
        let whole = std::fs::read(&path).unwrap();
        let at = whole.windows(16).position(|bytes| bytes == key(1).as_bytes()).unwrap();
        for byte in at..at + RECORD {
            let mut bytes = whole.clone();
            bytes[byte] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert_eq!((cache.get(&key(1)), cache.get(&key(2))), (None, Some(digest(2))), "{}", byte - at);
        }
        std::fs::remove_file(&path).unwrap();
        cache.put(&key(3), &digest(3)).unwrap();
        assert_eq!(cache.get(&key(3)), Some(digest(3)), "in a new file");
        std::fs::write(&path, b"short").unwrap();
        assert_eq!(cache.get(&key(1)), None);
        cache.put(&key(1), &digest(1)).unwrap();
        assert_eq!(cache.get(&key(1)), Some(digest(1)));
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mode = cache(&folder).file.read().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
