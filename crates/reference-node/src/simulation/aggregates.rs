//! Compares `aggregate_blob_info` of a node that was restored with that of one that saw all events.
//!
//! A snapshot does not carry that table, so not all of it can be the same: `docs/recovery.md`, "What a
//! snapshot does not carry", says what must be, and what need not.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use snapshot_format::{BlobId, Epoch, ValueError};
use snapshot_store::aggregate::{
    BlobInfo, BlobInfoV1, BlobInfoV2, PermanentBlobInfo, ValidBlobInfoV1, ValidBlobInfoV2,
};
use snapshot_store::schema::ColumnFamily;

use super::failure::Finding;
use crate::error::NodeError;
use crate::tables::{Tables, value_error};

/// Epochs ahead for which both nodes are asked.
const EPOCHS_AHEAD: u32 = 5;

/// The rows of the table.
type Rows = BTreeMap<BlobId, BlobInfo>;

/// What was compared, and where the two differ as they may.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compared {
    pub(crate) rows: u64,
    pub(crate) inexact: BTreeMap<String, u64>,
}

/// What must be the same: counts, and count and end epoch of permanent objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Exact {
    deletable: [u32; 2],
    permanent: [Option<(u32, Epoch)>; 2],
    pooled: [u32; 2],
}

/// Reads the table of a node.
pub(crate) fn read(tables: &Tables) -> Result<Rows, NodeError> {
    let table = ColumnFamily::AggregateBlobInfo;
    let mut rows = Rows::new();
    tables.scan(table, |key, value| {
        let wrong = |source| value_error(table.name(), key, source);
        let info = BlobInfo::decode(value).map_err(wrong)?;
        let id: [u8; 32] = key.try_into().map_err(|_| {
            wrong(ValueError::Invalid {
                what: "a key has 32 bytes",
            })
        })?;
        rows.insert(BlobId::new(id), info);
        Ok(())
    })?;
    Ok(rows)
}

/// Compares the table of a node that saw all events with that of one that was restored, right after
/// the boundary to `epoch`. `invalid` are the blob IDs that were marked invalid before the snapshot.
pub(crate) fn compare(
    whole: &Rows,
    restored: &Rows,
    epoch: Epoch,
    invalid: &HashSet<BlobId>,
) -> Result<Compared, Finding> {
    let mut compared = Compared::default();
    let ids: BTreeSet<&BlobId> = whole.keys().chain(restored.keys()).collect();
    for id in ids {
        let (mine, theirs) = (restored.get(id), whole.get(id));
        let differs = |what: &str| Finding::Aggregate {
            blob_id: *id,
            what: what.to_owned(),
            restored: format!("{mine:?}"),
            whole: format!("{theirs:?}"),
        };
        if theirs.is_some_and(BlobInfo::is_invalid) {
            if invalid.contains(id) {
                compared.may_differ("marked invalid before the snapshot");
            } else if !mine.is_some_and(BlobInfo::is_invalid) {
                return Err(differs("one is invalid"));
            }
            continue;
        }
        if mine.is_some_and(BlobInfo::is_invalid) {
            return Err(differs("one is invalid"));
        }
        if exact(mine) != exact(theirs) {
            return Err(differs("the counts differ"));
        }
        let (Some(mine), Some(theirs)) = (mine, theirs) else {
            // It counts no object, and awaits phase 2 at one of them.
            continue;
        };
        compared.rows += 1;
        let same_bounds = bounds(mine) == bounds(theirs);
        // What lies ahead is the same only if the same is known of it.
        let ahead = if same_bounds { EPOCHS_AHEAD } else { 0 };
        for asked in epoch.0..=epoch.0.saturating_add(ahead) {
            let asked = Epoch(asked);
            if mine.is_registered_at(asked) != theirs.is_registered_at(asked) {
                return Err(differs(&format!("registered in epoch {asked}?")));
            }
            if mine.is_certified_at(asked) != theirs.is_certified_at(asked) {
                return Err(differs(&format!("certified in epoch {asked}?")));
            }
        }
        compared.note(mine, theirs);
    }
    Ok(compared)
}

impl Compared {
    fn may_differ(&mut self, what: &str) {
        *self.inexact.entry(what.to_owned()).or_default() += 1;
    }

    /// Notes what differs although it may.
    fn note(&mut self, mine: &BlobInfo, theirs: &BlobInfo) {
        let (Some(a), Some(b)) = (valid(mine), valid(theirs)) else {
            return;
        };
        let event = |permanent: Option<PermanentBlobInfo>| permanent.map(|it| it.event);
        let certified = b.initial_certified_epoch.is_some();
        for (differs, what) in [
            (
                matches!(mine, BlobInfo::V1(_)) != matches!(theirs, BlobInfo::V1(_)),
                "another version",
            ),
            (
                bounds(mine).is_some()
                    && bounds(theirs).is_some()
                    && bounds(mine) != bounds(theirs),
                "latest end epochs of deletable objects",
            ),
            (
                a.initial_certified_epoch != b.initial_certified_epoch,
                "initial_certified_epoch",
            ),
            (
                certified && event(a.permanent_total) != event(b.permanent_total),
                "event of permanent_total, certified",
            ),
            (
                !certified && event(a.permanent_total) != event(b.permanent_total),
                "event of permanent_total, not certified",
            ),
            (
                event(a.permanent_certified) != event(b.permanent_certified),
                "event of permanent_certified",
            ),
        ] {
            if differs {
                self.may_differ(what);
            }
        }
    }
}

fn valid(info: &BlobInfo) -> Option<ValidBlobInfoV2> {
    match info {
        BlobInfo::V1(BlobInfoV1::Valid(row)) => Some((*row).into()),
        BlobInfo::V2(BlobInfoV2::Valid(row)) => Some(*row),
        BlobInfo::V1(BlobInfoV1::Invalid { .. }) | BlobInfo::V2(BlobInfoV2::Invalid { .. }) => None,
    }
}

fn exact(info: Option<&BlobInfo>) -> Exact {
    let Some(row) = info.and_then(valid) else {
        return Exact::default();
    };
    let permanent = |of: Option<PermanentBlobInfo>| of.map(|it| (it.count.get(), it.end_epoch));
    Exact {
        deletable: [row.count_deletable_total, row.count_deletable_certified],
        permanent: [
            permanent(row.permanent_total),
            permanent(row.permanent_certified),
        ],
        pooled: [row.count_pooled_refs_total, row.count_pooled_refs_certified],
    }
}

/// What version 1 knows of the ends of deletable objects.
fn bounds(info: &BlobInfo) -> Option<[Option<Epoch>; 2]> {
    let BlobInfo::V1(BlobInfoV1::Valid(ValidBlobInfoV1 {
        latest_seen_deletable_registered_end_epoch: registered,
        latest_seen_deletable_certified_end_epoch: certified,
        ..
    })) = info
    else {
        return None;
    };
    Some([*registered, *certified])
}
