//! How an unfinished restore is recognised: by a file in the database's directory, which RocksDB
//! leaves alone, and by a column family that keeps RocksDB itself from opening the database.
//!
//! ADR 0005 says why there are two. Who sets and removes them is `install`'s business.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use rocksdb::{ColumnFamilyDescriptor, Options};
use snapshot_format::Digest;

use crate::publish;

/// The marker's file name. RocksDB deletes only files whose names it gives itself, which begin with a
/// number, `MANIFEST-`, `OPTIONS-`, `METADB-` or `LOG`.
pub(crate) const FILE: &str = "RESTORE-UNFINISHED";

/// The column family that is there as long as a restore into an existing database is unfinished.
///
/// It has a comparator of its own, so RocksDB refuses to open the database for writing without it, and
/// names it in the error. A node that knows nothing of snapshots cannot start on half of its tables.
pub(crate) const GUARD: &str = "restore_unfinished";

/// What RocksDB's error says.
const GUARD_COMPARATOR: &str = "unfinished restore: run the same blob-snapshot restore again";

/// An unfinished restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// The digest of the snapshot, if the marker says it.
    pub(crate) digest: Option<Digest>,
}

/// Puts the marker into the directory `db`, durably.
pub(super) fn set(db: &Path, digest: Digest) -> io::Result<()> {
    let mut file = File::create(db.join(FILE))?;
    writeln!(
        file,
        "digest {digest}\nThe tables of this database are not complete.\nRun the same `blob-snapshot \
         restore` again: it finishes what was begun, or begins anew."
    )?;
    file.sync_all()?;
    publish::sync_dir(db)
}

/// Removes the marker from the directory `db`, durably.
pub(super) fn remove(db: &Path) -> io::Result<()> {
    fs::remove_file(db.join(FILE))?;
    publish::sync_dir(db)
}

/// Looks for the marker in the directory `db`.
pub(crate) fn find(db: &Path) -> Option<Unfinished> {
    /// A marker is shorter.
    const BEGINNING: usize = 1024;

    let path = db.join(FILE);
    fs::symlink_metadata(&path).ok()?;
    // One that was cut off, or cannot be read, marks as well as any.
    let text = fs::read(&path).unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(..BEGINNING).unwrap_or(&text)).into_owned();
    let digest = text
        .lines()
        .find_map(|line| line.strip_prefix("digest ")?.parse().ok());
    Some(Unfinished { digest })
}

/// The options of [`GUARD`].
pub(super) fn guard_options() -> Options {
    let mut options = Options::default();
    options.set_comparator(GUARD_COMPARATOR, Box::new(Ord::cmp));
    options
}

/// [`GUARD`] as it is opened.
pub(super) fn guard_descriptor() -> ColumnFamilyDescriptor {
    ColumnFamilyDescriptor::new(GUARD, guard_options())
}
