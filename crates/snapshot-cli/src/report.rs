//! What several commands say about a snapshot, and the small pieces of text that they share.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use snapshot_format::{Digest, Epoch, Framing, Header, PerTable, limits};
use snapshot_store::SnapshotSummary;

/// A snapshot as JSON: the fields that commands have in common, in one order.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SnapshotReport {
    pub(crate) digest: Digest,
    pub(crate) framing: Framing,
    pub(crate) version: u32,
    pub(crate) epoch: Epoch,
    /// Length in bytes.
    pub(crate) size: u64,
    /// Rows of all tables.
    pub(crate) rows: u64,
    pub(crate) counts: PerTable<u64>,
    pub(crate) header: Header,
}

impl From<&SnapshotSummary> for SnapshotReport {
    fn from(summary: &SnapshotSummary) -> Self {
        let SnapshotSummary {
            header,
            digest,
            size,
            counts,
        } = *summary;
        Self {
            digest,
            framing: header.framing(),
            version: limits::VERSION,
            epoch: header.epoch(),
            size,
            rows: counts.total(),
            counts,
            header,
        }
    }
}

/// The line that operators compare: the same on every node whose snapshot is the same.
pub(crate) struct DigestLine<'a>(pub(crate) &'a SnapshotSummary);

impl fmt::Display for DigestLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SnapshotSummary {
            header,
            digest,
            counts,
            ..
        } = self.0;
        write!(
            f,
            "digest {digest} ({}, epoch {}, {} rows",
            header.framing(),
            header.epoch(),
            counts.total()
        )?;
        if !header.chunk().is_whole() {
            write!(f, ", chunk {}", header.chunk())?;
        }
        f.write_str(")")
    }
}

/// A number of bytes, rounded for people.
pub(crate) fn bytes(count: u64) -> String {
    const KIB: f64 = 1024.0;
    let count_f = count as f64;
    match count_f {
        n if n < KIB => format!("{count} bytes"),
        n if n < KIB * KIB => format!("{:.1} KiB", n / KIB),
        n if n < KIB * KIB * KIB => format!("{:.1} MiB", n / (KIB * KIB)),
        n => format!("{:.2} GiB", n / (KIB * KIB * KIB)),
    }
}

/// A time for people.
pub(crate) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.3} s")
    } else {
        format!("{seconds:.1} s")
    }
}

/// How many of something happened in each second; the shortest time counts as a microsecond.
pub(crate) fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-6)
}
