//! Overviews: more pools than are told apart, where snapshots differ, and how epochs follow each other.

use snapshot_format::{
    BlobId, Decoder, Encoder, Epoch, EventId, ObjectId, PerObjectPooledBlobInfo,
    PerObjectPooledBlobInfoV1, SealedHeader, StoragePoolInfo, StoragePoolInfoV1, Table,
    TransactionDigest,
};
use snapshot_tools::header::Origin;
use snapshot_tools::overview::checks::{Level, checks};
use snapshot_tools::overview::compare::divergence;
use snapshot_tools::overview::series::growth;
use snapshot_tools::overview::{Collector, MOST_POOLS, Overview};

fn id(number: u64) -> ObjectId {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    ObjectId::new(bytes)
}

fn blob(pool: u64) -> PerObjectPooledBlobInfo {
    PerObjectPooledBlobInfo::V1(PerObjectPooledBlobInfoV1 {
        blob_id: BlobId::new([1; 32]),
        registered_epoch: Epoch(3),
        certified_epoch: Some(Epoch(4)),
        storage_pool_id: id(pool),
        event: EventId {
            tx_digest: TransactionDigest::new([9; 32]),
            event_seq: 1,
        },
    })
}

/// A snapshot of blobs in the pools given, and of the pools in `existing`.
fn overview(epoch: u32, pools: &[u64], existing: std::ops::Range<u64>) -> Overview {
    let mut blobs: Vec<(ObjectId, u64)> = (0..)
        .map(|key| id(key + 1_000_000))
        .zip(pools.iter().copied())
        .collect();
    blobs.sort_unstable();
    let mut keys: Vec<ObjectId> = existing.map(id).collect();
    keys.sort_unstable();
    let header = SealedHeader::offline(Epoch(epoch));
    let mut encoder = Encoder::sealed(Vec::new(), &header).expect("a header");
    for (key, pool) in blobs {
        let value = blob(pool).encode();
        encoder
            .entry(Table::PerObjectPooledBlobInfo, key.as_bytes(), &value)
            .expect("a row");
    }
    let pool = StoragePoolInfo::V1(StoragePoolInfoV1 {
        start_epoch: Epoch(2),
        end_epoch: Epoch(epoch + 3),
    });
    for key in keys {
        encoder
            .entry(Table::StoragePoolInfo, key.as_bytes(), &pool.encode())
            .expect("a row");
    }
    let file = encoder.finish().expect("whole").sink;
    let mut collector = Collector::new(Origin::Found);
    let mut decoder = Decoder::new();
    decoder
        .push(&file, |event| collector.event(&event))
        .expect("sound");
    decoder.end().expect("whole");
    collector.finish().expect("a header")
}

#[test]
fn a_blob_in_no_pool_is_bad_and_the_others_end_with_theirs() {
    let overview = overview(7, &[0, 0, 0, 1, 5], 0..3);
    let counts: Vec<u64> = overview
        .pools
        .largest
        .iter()
        .map(|pool| pool.blobs)
        .collect();
    assert_eq!(counts, [3, 1, 1]);
    assert_eq!(overview.pools.blobs_without_pool, Some(1));
    assert_eq!(
        (overview.pools.first_missing, overview.pools.empty),
        (Some(id(5)), Some(1))
    );
    assert_eq!(overview.ends.per_object_pooled_blob_info.ahead[2], 4);
    let bad = checks(&overview)
        .into_iter()
        .filter(|check| check.level == Level::Bad);
    let texts: Vec<String> = bad.map(|check| check.text).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(
        texts[0].contains("1 pooled blobs are in pools that do not exist"),
        "{texts:?}"
    );
}

#[test]
fn more_pools_than_are_told_apart_lose_no_large_one() {
    let many = MOST_POOLS as u64 + 10;
    let mut pools: Vec<u64> = (0..many).collect();
    pools.extend([3; 5000]);
    let overview = overview(7, &pools, 0..many);
    let largest = overview.pools.largest.first().expect("a pool");
    assert_eq!(largest.pool, id(3));
    assert!(
        (5001 - overview.pools.error..=5001).contains(&largest.blobs),
        "{largest:?}"
    );
    assert!(overview.pools.error > 0);
    assert_eq!(overview.pools.pools, many);
    assert_eq!(
        (overview.pools.blobs_without_pool, overview.pools.empty),
        (None, None)
    );
}

#[test]
fn two_that_agree_are_a_group_and_the_range_that_differs_is_named() {
    let (a, b) = (overview(7, &[0, 1], 0..3), overview(7, &[0, 2], 0..3));
    let found = divergence(&[&b, &a, &a]);
    assert_eq!(found.groups, [vec![1, 2], vec![0]]);
    assert_eq!(found.differing.per_object_pooled_blob_info.len(), 1);
    assert_eq!(found.differing.storage_pool_info.len(), 0);
    assert_eq!(found.check().level, Level::Bad);
    assert!(divergence(&[&a, &a]).agree());
}

#[test]
fn a_table_that_jumps_is_doubtful_and_steady_growth_is_not() {
    let of = |epoch, rows| overview(epoch, &vec![0; rows], 0..1);
    let (first, second, jump) = (of(7, 1000), of(8, 1900), of(9, 4000));
    let levels = |series: &[&Overview]| -> Vec<Level> {
        growth(series).iter().map(|check| check.level).collect()
    };
    assert_eq!(levels(&[&first, &second]), [Level::Good]);
    assert_eq!(levels(&[&first, &second, &jump]), [Level::Doubt]);
    assert_eq!(levels(&[&first, &jump]), [Level::Doubt]);
}
