//! What a node changes as soon as it opens its database, to tell whether one did while it was read.
//!
//! Every opening for writing begins a manifest and names it in `CURRENT`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// The state of a database directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    current: Vec<u8>,
    /// Bytes of the manifest that `CURRENT` names.
    manifest: u64,
    /// The write-ahead logs and their sizes in bytes.
    logs: BTreeMap<OsString, u64>,
}

impl Stamp {
    /// Takes it of the database directory `dir`.
    ///
    /// # Errors
    ///
    /// If something is not there, or cannot be read.
    pub(crate) fn take(dir: &Path) -> io::Result<Self> {
        let mut logs = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_encoded_bytes().ends_with(b".log") {
                logs.insert(name, entry.metadata()?.len());
            }
        }
        let current = fs::read(dir.join("CURRENT"))?;
        let named = String::from_utf8_lossy(&current);
        // One that is not there is for whoever reads it to say.
        let manifest =
            fs::metadata(dir.join(named.trim_end())).map_or(0, |manifest| manifest.len());
        Ok(Self {
            current,
            manifest,
            logs,
        })
    }
}
