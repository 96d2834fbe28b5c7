//! A second, naive rebuilding of `aggregate_blob_info`, written from the rules alone, with a switch for
//! breaking each of them; and made-up tables on which each break shows.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use snapshot_format::{
    BlobId, Epoch, EventId, ObjectId, PerObjectBlobInfo, PerObjectBlobInfoV1,
    PerObjectPooledBlobInfo, PerObjectPooledBlobInfoV1, Record,
};
use snapshot_store::aggregate::{
    BlobInfo, BlobInfoV1, BlobInfoV2, PermanentBlobInfo, ValidBlobInfoV1, ValidBlobInfoV2,
};

use crate::support::event;

/// A row of one of the object tables.
pub(crate) type Row = ([u8; 32], Record);

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    AlwaysV1,
    AlwaysV2,
    MetadataStored,
    DeletedRowsCount,
    PermanentCountsAsDeletable,
    DeletableCertifiedIsTotal,
    PermanentCountsOnlyCertified,
    EarliestEnd,
    TieByLargest,
    TieByObjectOnly,
    TieByOrder,
    CertifiedCountsAll,
    CertifiedTakesTotalsEnd,
    CertifiedSinceLatest,
    CertifiedSinceWithoutPooled,
    CertifiedSinceWithoutDeletable,
    LatestSeenOfCertifiedOnly,
    LatestSeenCertifiedOfAll,
    LatestSeenIsEarliest,
    PooledCertifiedIsTotal,
}

/// All of them.
pub(crate) const BROKEN: [Broken; 20] = [
    Broken::AlwaysV1,
    Broken::AlwaysV2,
    Broken::MetadataStored,
    Broken::DeletedRowsCount,
    Broken::PermanentCountsAsDeletable,
    Broken::DeletableCertifiedIsTotal,
    Broken::PermanentCountsOnlyCertified,
    Broken::EarliestEnd,
    Broken::TieByLargest,
    Broken::TieByObjectOnly,
    Broken::TieByOrder,
    Broken::CertifiedCountsAll,
    Broken::CertifiedTakesTotalsEnd,
    Broken::CertifiedSinceLatest,
    Broken::CertifiedSinceWithoutPooled,
    Broken::CertifiedSinceWithoutDeletable,
    Broken::LatestSeenOfCertifiedOnly,
    Broken::LatestSeenCertifiedOfAll,
    Broken::LatestSeenIsEarliest,
    Broken::PooledCertifiedIsTotal,
];

/// The objects of a blob ID: those that own their storage, and when the pooled ones were certified.
type Group = (Vec<(ObjectId, PerObjectBlobInfoV1)>, Vec<Option<Epoch>>);

/// The rows that follow from `rows`, with one rule broken if told so.
pub(crate) fn rebuild(rows: &[Row], broken: Option<Broken>) -> BTreeMap<BlobId, BlobInfo> {
    let is = |rule| broken == Some(rule);
    let mut groups: BTreeMap<BlobId, Group> = BTreeMap::new();
    for (key, record) in rows {
        match record {
            Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => {
                if !row.deleted || is(Broken::DeletedRowsCount) {
                    let group = groups.entry(row.blob_id).or_default();
                    group.0.push((ObjectId::new(*key), *row));
                }
            }
            Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => {
                let group = groups.entry(row.blob_id).or_default();
                group.1.push(row.certified_epoch);
            }
            Record::StoragePoolInfo(_) => {}
        }
    }
    groups
        .into_iter()
        .map(|(blob_id, (owned, pooled))| (blob_id, row(&owned, &pooled, broken)))
        .collect()
}

fn row(
    owned: &[(ObjectId, PerObjectBlobInfoV1)],
    pooled: &[Option<Epoch>],
    broken: Option<Broken>,
) -> BlobInfo {
    let is = |rule| broken == Some(rule);
    let deletable: Vec<_> = owned
        .iter()
        .filter(|(_, row)| row.deletable || is(Broken::PermanentCountsAsDeletable))
        .collect();
    let permanent: Vec<_> = owned.iter().filter(|(_, row)| !row.deletable).collect();
    let certified = |rows: &[&(ObjectId, PerObjectBlobInfoV1)]| -> Vec<_> {
        let kept = rows.iter().filter(|(_, row)| row.certified_epoch.is_some());
        kept.map(|row| **row).collect()
    };
    let count = |n: usize| u32::try_from(n).expect("few rows");
    let deletable_certified = certified(&deletable);
    let permanent_certified = certified(&permanent);
    let all_permanent: Vec<_> = permanent.iter().map(|row| **row).collect();

    let since = owned
        .iter()
        .filter(|(_, row)| !(row.deletable && is(Broken::CertifiedSinceWithoutDeletable)))
        .filter_map(|(_, row)| row.certified_epoch);
    let since_pooled = pooled
        .iter()
        .filter(|_| !is(Broken::CertifiedSinceWithoutPooled))
        .flatten()
        .copied();
    let since: Vec<Epoch> = since.chain(since_pooled).collect();
    let initial_certified_epoch = if is(Broken::CertifiedSinceLatest) {
        since.iter().max()
    } else {
        since.iter().min()
    };
    let seen = |rows: Vec<Epoch>| {
        if is(Broken::LatestSeenIsEarliest) {
            rows.into_iter().min()
        } else {
            rows.into_iter().max()
        }
    };
    let ends: Vec<Epoch> = deletable.iter().map(|(_, row)| row.end_epoch).collect();
    let certified_ends: Vec<Epoch> = deletable_certified
        .iter()
        .map(|(_, row)| row.end_epoch)
        .collect();
    let total_of = if is(Broken::PermanentCountsOnlyCertified) {
        &permanent_certified
    } else {
        &all_permanent
    };
    let certified_of = if is(Broken::CertifiedCountsAll) {
        &all_permanent
    } else {
        &permanent_certified
    };
    let permanent_total = latest(total_of, broken);
    let mut permanent_certified = latest(certified_of, broken);
    if let (true, Some(certified), Some(total)) = (
        is(Broken::CertifiedTakesTotalsEnd),
        &mut permanent_certified,
        permanent_total,
    ) {
        certified.end_epoch = total.end_epoch;
    }
    let v1 = ValidBlobInfoV1 {
        is_metadata_stored: is(Broken::MetadataStored),
        count_deletable_total: count(deletable.len()),
        count_deletable_certified: if is(Broken::DeletableCertifiedIsTotal) {
            count(deletable.len())
        } else {
            count(deletable_certified.len())
        },
        permanent_total,
        permanent_certified,
        initial_certified_epoch: initial_certified_epoch.copied(),
        latest_seen_deletable_registered_end_epoch: seen(
            if is(Broken::LatestSeenOfCertifiedOnly) {
                certified_ends.clone()
            } else {
                ends.clone()
            },
        ),
        latest_seen_deletable_certified_end_epoch: seen(if is(Broken::LatestSeenCertifiedOfAll) {
            ends
        } else {
            certified_ends
        }),
    };
    let v2 = (!pooled.is_empty() || is(Broken::AlwaysV2)) && !is(Broken::AlwaysV1);
    if !v2 {
        return BlobInfo::V1(BlobInfoV1::Valid(v1));
    }
    BlobInfo::V2(BlobInfoV2::Valid(ValidBlobInfoV2 {
        count_pooled_refs_total: count(pooled.len()),
        count_pooled_refs_certified: if is(Broken::PooledCertifiedIsTotal) {
            count(pooled.len())
        } else {
            count(pooled.iter().flatten().count())
        },
        ..v1.into()
    }))
}

fn latest(
    rows: &[(ObjectId, PerObjectBlobInfoV1)],
    broken: Option<Broken>,
) -> Option<PermanentBlobInfo> {
    let is = |rule| broken == Some(rule);
    let ends = rows.iter().map(|(_, row)| row.end_epoch);
    let end_epoch = if is(Broken::EarliestEnd) {
        ends.min()?
    } else {
        ends.max()?
    };
    let last: Vec<_> = rows
        .iter()
        .filter(|(_, row)| row.end_epoch == end_epoch)
        .collect();
    let (_, winner) = if is(Broken::TieByLargest) {
        last.iter()
            .max_by_key(|(id, row)| (row.registered_epoch, *id))
    } else if is(Broken::TieByObjectOnly) {
        last.iter().min_by_key(|(id, _)| *id)
    } else if is(Broken::TieByOrder) {
        last.last()
    } else {
        last.iter()
            .min_by_key(|(id, row)| (row.registered_epoch, *id))
    }?;
    Some(PermanentBlobInfo {
        count: NonZeroU32::new(u32::try_from(rows.len()).ok()?)?,
        end_epoch,
        event: winner.event,
    })
}

/// Numbers that look random and are the same in every run (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(limit)).expect("below a u32")
    }

    pub(crate) fn id(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| u8::try_from(self.below(256)).expect("a byte"))
    }

    fn epoch(&mut self, limit: u32) -> Epoch {
        Epoch(self.below(limit))
    }

    fn event(&mut self) -> EventId {
        event(u64::from(self.below(u32::MAX)))
    }
}

/// `rows` object rows over a third as many blob IDs, in which ties are frequent.
pub(crate) fn objects(numbers: &mut Numbers, rows: u32) -> Vec<Row> {
    let blobs: Vec<BlobId> = (0..rows / 3 + 1)
        .map(|_| BlobId::new(numbers.id()))
        .collect();
    let mut made = Vec::new();
    for _ in 0..rows {
        let blob_id = blobs[numbers.below(u32::try_from(blobs.len()).expect("few")) as usize];
        let registered_epoch = numbers.epoch(4);
        let certified_epoch = (numbers.below(2) == 0).then(|| Epoch(4 + numbers.below(4)));
        let record = if numbers.below(4) == 0 {
            Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(
                PerObjectPooledBlobInfoV1 {
                    blob_id,
                    registered_epoch,
                    certified_epoch,
                    storage_pool_id: ObjectId::new([9; 32]),
                    event: numbers.event(),
                },
            ))
        } else {
            Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
                blob_id,
                registered_epoch,
                certified_epoch,
                end_epoch: Epoch(10 + numbers.below(3)),
                deletable: numbers.below(2) == 0,
                event: numbers.event(),
                deleted: numbers.below(10) == 0,
            }))
        };
        made.push((numbers.id(), record));
    }
    made
}
