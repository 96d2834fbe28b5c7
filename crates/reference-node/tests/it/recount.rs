//! Counts objects once more, from their own rows, and compares the aggregate rows with that: an
//! account of `docs/tables.md`, "Merge operands", that shares nothing with the operators.

use std::collections::{BTreeMap, HashMap};

use reference_node::tables::Tables;
use snapshot_format::{BlobId, Epoch, PerObjectBlobInfo, PerObjectPooledBlobInfo, StoragePoolInfo};
use snapshot_store::aggregate::{BlobInfo, BlobInfoV1, BlobInfoV2, PermanentBlobInfo};
use snapshot_store::schema::ColumnFamily;

use crate::support::{aggregate, dump};

/// What the objects of one blob add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    deletable_total: u32,
    deletable_certified: u32,
    /// Count and latest end.
    permanent_total: Option<(u32, Epoch)>,
    permanent_certified: Option<(u32, Epoch)>,
    pooled_total: u32,
    pooled_certified: u32,
}

/// What a recount found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recounted {
    pub(crate) blobs: usize,
    pub(crate) invalid: usize,
    pub(crate) version_2: usize,
    pub(crate) of_several_objects: usize,
}

/// Asserts that the aggregate rows count exactly the objects there are, and that they keep the
/// invariants.
pub(crate) fn assert_aggregate_counts_the_objects(tables: &Tables) -> Recounted {
    let counted = count(tables);
    let mut found = Recounted::default();
    let mut seen = BTreeMap::new();
    for (key, info) in aggregate(tables) {
        let blob_id = BlobId::new(key.try_into().expect("32 bytes"));
        found.blobs += 1;
        let Some((counts, initial)) = counts_of(&info) else {
            found.invalid += 1;
            seen.insert(blob_id, ());
            continue;
        };
        assert_eq!(Some(&counts), counted.get(&blob_id), "blob {blob_id}");
        assert_invariants(&counts, initial);
        found.version_2 += usize::from(matches!(info, BlobInfo::V2(_)));
        let objects = counts.deletable_total
            + counts.permanent_total.map_or(0, |(count, _)| count)
            + counts.pooled_total;
        found.of_several_objects += usize::from(objects > 1);
        seen.insert(blob_id, ());
    }
    for blob_id in counted.keys() {
        assert!(
            seen.contains_key(blob_id),
            "blob {blob_id} has objects and no aggregate row"
        );
    }
    found
}

fn assert_invariants(counts: &Counts, initial_certified_epoch: Option<Epoch>) {
    assert!(
        counts.deletable_certified <= counts.deletable_total,
        "{counts:?}"
    );
    assert!(counts.pooled_certified <= counts.pooled_total, "{counts:?}");
    if let Some((certified, certified_end)) = counts.permanent_certified {
        let (total, total_end) = counts
            .permanent_total
            .expect("a total where one is certified");
        assert!(
            certified <= total && certified_end <= total_end,
            "{counts:?}"
        );
    }
    let something_certified = counts.deletable_certified > 0
        || counts.pooled_certified > 0
        || counts.permanent_certified.is_some();
    assert_eq!(
        initial_certified_epoch.is_some(),
        something_certified,
        "{counts:?}"
    );
}

fn count(tables: &Tables) -> HashMap<BlobId, Counts> {
    let mut all: HashMap<BlobId, Counts> = HashMap::new();
    for value in dump(tables, ColumnFamily::PerObjectBlobInfo).values() {
        let PerObjectBlobInfo::V1(object) = PerObjectBlobInfo::decode(value).expect("a value");
        let counts = all.entry(object.blob_id).or_default();
        let certified = object.certified_epoch.is_some();
        if object.deletable {
            counts.deletable_total += 1;
            counts.deletable_certified += u32::from(certified);
        } else {
            add(&mut counts.permanent_total, object.end_epoch);
            if certified {
                add(&mut counts.permanent_certified, object.end_epoch);
            }
        }
    }
    for value in dump(tables, ColumnFamily::PerObjectPooledBlobInfo).values() {
        let PerObjectPooledBlobInfo::V1(object) =
            PerObjectPooledBlobInfo::decode(value).expect("a value");
        let counts = all.entry(object.blob_id).or_default();
        counts.pooled_total += 1;
        counts.pooled_certified += u32::from(object.certified_epoch.is_some());
    }
    all
}

fn add(permanent: &mut Option<(u32, Epoch)>, end_epoch: Epoch) {
    let (count, latest) = permanent.unwrap_or_default();
    *permanent = Some((count + 1, latest.max(end_epoch)));
}

/// What an aggregate row says, unless it is invalid.
fn counts_of(info: &BlobInfo) -> Option<(Counts, Option<Epoch>)> {
    let permanent = |found: Option<PermanentBlobInfo>| {
        found.map(|permanent| (permanent.count.get(), permanent.end_epoch))
    };
    match info {
        BlobInfo::V1(BlobInfoV1::Valid(row)) => Some((
            Counts {
                deletable_total: row.count_deletable_total,
                deletable_certified: row.count_deletable_certified,
                permanent_total: permanent(row.permanent_total),
                permanent_certified: permanent(row.permanent_certified),
                ..Counts::default()
            },
            row.initial_certified_epoch,
        )),
        BlobInfo::V2(BlobInfoV2::Valid(row)) => Some((
            Counts {
                deletable_total: row.count_deletable_total,
                deletable_certified: row.count_deletable_certified,
                permanent_total: permanent(row.permanent_total),
                permanent_certified: permanent(row.permanent_certified),
                pooled_total: row.count_pooled_refs_total,
                pooled_certified: row.count_pooled_refs_certified,
            },
            row.initial_certified_epoch,
        )),
        BlobInfo::V1(_) | BlobInfo::V2(_) => None,
    }
}

/// Asserts that nothing is left that ended with the beginning of `epoch`, and returns how many rows
/// were looked at.
pub(crate) fn assert_nothing_ended(tables: &Tables, epoch: Epoch) -> usize {
    let pools = dump(tables, ColumnFamily::StoragePoolInfo);
    for value in pools.values() {
        let StoragePoolInfo::V1(pool) = StoragePoolInfo::decode(value).expect("a value");
        assert!(
            pool.end_epoch > epoch,
            "a pool ended at {} in epoch {epoch}",
            pool.end_epoch
        );
    }
    let objects = dump(tables, ColumnFamily::PerObjectBlobInfo);
    for value in objects.values() {
        let PerObjectBlobInfo::V1(object) = PerObjectBlobInfo::decode(value).expect("a value");
        assert!(
            object.end_epoch > epoch && !object.deleted,
            "{object:?} in epoch {epoch}"
        );
    }
    let pooled = dump(tables, ColumnFamily::PerObjectPooledBlobInfo);
    for value in pooled.values() {
        let PerObjectPooledBlobInfo::V1(object) =
            PerObjectPooledBlobInfo::decode(value).expect("a value");
        let pool = object.storage_pool_id;
        assert!(
            pools.contains_key(pool.as_ref()),
            "the pool of {object:?} is gone"
        );
    }
    pools.len() + objects.len() + pooled.len()
}
