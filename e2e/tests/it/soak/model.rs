//! The expected contents of one worker's folder, according to the server's answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use ferry_e2e::noise::Noise;

/// The possible contents of a file; `None` if it does not exist.
pub(super) type Content = Option<Vec<u8>>;

/// Bytes that show by themselves whether they are whole: a seed, and the bytes generated from it.
pub(super) fn grown(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = seed.to_le_bytes().to_vec();
    bytes.extend(Noise::new(seed).bytes(length));
    bytes
}

/// Whether these are the bytes of a single upload.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let Some((seed, rest)) = bytes.split_first_chunk() else { return false };
    Noise::new(u64::from_le_bytes(*seed)).bytes(rest.len()) == rest
}

/// The files of one worker.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Files with known contents.
    certain: BTreeMap<String, Vec<u8>>,
    /// Paths whose last request was interrupted, with all their possible contents. They are not used again: the
    /// interrupted request may still be running.
    uncertain: BTreeMap<String, BTreeSet<Content>>,
}

impl Model {
    /// A file that certainly exists.
    pub(super) fn any(&self, noise: &mut Noise) -> Option<(String, Vec<u8>)> {
        let count = self.certain.len() as u64;
        let at = usize::try_from((count > 0).then(|| noise.below(count))?).ok()?;
        self.certain.iter().nth(at).map(|(path, content)| (path.clone(), content.clone()))
    }

    pub(super) fn is_left_alone(&self, path: &str) -> bool {
        self.uncertain.contains_key(path)
    }

    pub(super) fn is_anything_left_alone(&self, folder: &str) -> bool {
        self.uncertain.keys().any(|path| path.starts_with(&format!("{folder}/")))
    }

    /// Notes a change that the server acknowledged.
    pub(super) fn set(&mut self, path: &str, content: Content) {
        match content {
            Some(content) => drop(self.certain.insert(path.to_owned(), content)),
            None => drop(self.certain.remove(path)),
        }
    }

    /// Notes a requested change of which it is unknown whether it happened.
    pub(super) fn perhaps(&mut self, path: &str, content: Content) {
        let may = self.uncertain.entry(path.to_owned()).or_default();
        may.insert(self.certain.remove(path));
        may.insert(content);
    }

    /// The paths below a folder that certainly exist.
    pub(super) fn below(&self, folder: &str) -> Vec<String> {
        self.certain.keys().filter(|path| path.starts_with(&format!("{folder}/"))).cloned().collect()
    }

    /// Fails unless the disk matches what was acknowledged; returns how many files were compared.
    pub(super) fn check(&self, home: &Path, what: &str) -> usize {
        for (path, content) in &self.certain {
            let there = fs::read(home.join(path)).ok();
            assert!(there.as_ref() == Some(content), "{what}: {path} was acknowledged and is not so");
        }
        for (path, may) in &self.uncertain {
            let there = fs::read(home.join(path)).ok();
            assert!(may.contains(&there), "{what}: {path} is neither what it was nor what was asked for");
        }
        self.certain.len()
    }

    /// Fails unless everything below `folder` of `home` is known here, and whole.
    pub(super) fn check_nothing_else(&self, home: &Path, folder: &str, what: &str) {
        for entry in fs::read_dir(home.join(folder)).into_iter().flatten().flatten() {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.check_nothing_else(home, &path, what);
                continue;
            }
            let known = self.certain.contains_key(&path) || self.uncertain.contains_key(&path);
            assert!(known, "{what}: nobody made {path}");
            assert!(is_whole(&fs::read(entry.path()).unwrap()), "{what}: {path} is torn");
        }
    }
}
