//! What a snapshot is, once it was written or read whole.

use serde::Serialize;
use snapshot_format::{Decoded, Digest, Header, PerTable};

/// Header, digest and size of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotSummary {
    /// The header.
    pub header: Header,
    /// The digest that operators compare.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
    /// Entries in each table.
    pub counts: PerTable<u64>,
}

impl From<Decoded> for SnapshotSummary {
    fn from(decoded: Decoded) -> Self {
        let Decoded {
            header,
            digest,
            size,
            counts,
        } = decoded;
        Self {
            header,
            digest,
            size,
            counts,
        }
    }
}
