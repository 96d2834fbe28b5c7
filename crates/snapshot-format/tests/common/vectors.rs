//! The golden vectors of all versions, read from `golden-vectors/`.

use std::path::{Path, PathBuf};

/// A line of a MANIFEST with the bytes it is about.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    /// The path below the version's directory, as `accept/sealed-empty.bin`.
    pub(crate) file: String,
    pub(crate) bytes: Vec<u8>,
    /// The file's xxhash64 with `0x` in front.
    pub(crate) xxh64: String,
    /// The digest of an accepted file, the error's name of a rejected one.
    pub(crate) outcome: String,
    pub(crate) section: String,
    pub(crate) offset: String,
    /// The requirements that decide about the file.
    pub(crate) requirements: Vec<String>,
}

impl Vector {
    pub(crate) fn is_accepted(&self) -> bool {
        self.file.starts_with("accept/")
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.file.contains("/sealed-")
    }
}

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden-vectors")
}

/// All vectors, in the order of the manifests.
pub(crate) fn all() -> Vec<Vector> {
    let versions = std::fs::read_dir(directory()).unwrap();
    let mut versions: Vec<_> = versions.map(|entry| entry.unwrap().path()).collect();
    versions.retain(|path| path.is_dir());
    versions.sort();
    assert!(!versions.is_empty(), "there are no golden vectors");
    versions.iter().flat_map(|path| of_version(path)).collect()
}

pub(crate) fn accepted() -> Vec<Vector> {
    let mut vectors = all();
    vectors.retain(Vector::is_accepted);
    vectors
}

pub(crate) fn rejected() -> Vec<Vector> {
    let mut vectors = all();
    vectors.retain(|vector| !vector.is_accepted());
    vectors
}

/// The bytes of one vector of version 1.
pub(crate) fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(directory().join("v1").join(file)).unwrap()
}

fn of_version(directory: &Path) -> Vec<Vector> {
    let manifest = std::fs::read_to_string(directory.join("MANIFEST")).unwrap();
    manifest
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let &[file, size, xxh64, outcome, section, offset, requirements] = &columns[..] else {
                panic!("{line} does not have 7 columns");
            };
            let bytes = std::fs::read(directory.join(file)).unwrap();
            assert_eq!(bytes.len().to_string(), size, "{file}");
            Vector {
                file: file.to_owned(),
                bytes,
                xxh64: xxh64.to_owned(),
                outcome: outcome.to_owned(),
                section: section.to_owned(),
                offset: offset.to_owned(),
                requirements: requirements.split(',').map(str::to_owned).collect(),
            }
        })
        .collect()
}
