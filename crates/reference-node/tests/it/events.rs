//! Each event and the rows it leaves, written out by hand.

use reference_node::NodeError;
use reference_node::event::{BlobObject, Event, EventKind, PooledBlobObject};
use reference_node::gc;
use reference_node::tables::{Applied, Tables};
use snapshot_format::{
    BlobId, Epoch, EventId, ObjectId, PerObjectBlobInfo, PerObjectBlobInfoV1,
    PerObjectPooledBlobInfo, PerObjectPooledBlobInfoV1, StoragePoolInfo, StoragePoolInfoV1,
    TransactionDigest,
};
use snapshot_store::aggregate::{BlobInfo, BlobInfoV1, BlobInfoV2};
use snapshot_store::schema::ColumnFamily;

use crate::support::{dir, dump, tables};

const OBJECT: ObjectId = ObjectId::new([1; 32]);
const OTHER_OBJECT: ObjectId = ObjectId::new([2; 32]);
const POOL: ObjectId = ObjectId::new([3; 32]);
const BLOB: BlobId = BlobId::new([4; 32]);

/// Applies events one after the other.
struct Story {
    tables: Tables,
    next_index: u64,
    _dir: tempfile::TempDir,
}

impl Story {
    fn new() -> Self {
        let dir = dir();
        Self {
            tables: tables(dir.path()),
            next_index: 0,
            _dir: dir,
        }
    }

    /// Applies the next event and returns its ID.
    fn tell(&mut self, kind: EventKind) -> EventId {
        let index = self.next_index;
        self.next_index += 1;
        let id = event_id(index);
        let applied = self
            .tables
            .apply(&Event { index, id, kind })
            .expect("the event applies");
        assert_eq!(applied, Applied::Now);
        id
    }

    fn object(&self) -> Option<PerObjectBlobInfoV1> {
        let value = self
            .tables
            .get(ColumnFamily::PerObjectBlobInfo, OBJECT.as_ref());
        value.expect("readable").map(|value| {
            let PerObjectBlobInfo::V1(row) = PerObjectBlobInfo::decode(&value).expect("BCS");
            row
        })
    }

    fn pooled(&self) -> Option<PerObjectPooledBlobInfoV1> {
        let value = self
            .tables
            .get(ColumnFamily::PerObjectPooledBlobInfo, OTHER_OBJECT.as_ref());
        value.expect("readable").map(|value| {
            let PerObjectPooledBlobInfo::V1(row) =
                PerObjectPooledBlobInfo::decode(&value).expect("BCS");
            row
        })
    }

    fn pool(&self) -> Option<StoragePoolInfoV1> {
        let value = self
            .tables
            .get(ColumnFamily::StoragePoolInfo, POOL.as_ref());
        value.expect("readable").map(|value| {
            let StoragePoolInfo::V1(row) = StoragePoolInfo::decode(&value).expect("BCS");
            row
        })
    }

    fn aggregate(&self) -> Option<BlobInfo> {
        let value = self
            .tables
            .get(ColumnFamily::AggregateBlobInfo, BLOB.as_ref());
        value
            .expect("readable")
            .map(|value| BlobInfo::decode(&value).expect("BCS"))
    }
}

fn event_id(index: u64) -> EventId {
    EventId {
        tx_digest: TransactionDigest::new([9; 32]),
        event_seq: index,
    }
}

fn blob(epoch: u32, end_epoch: u32) -> BlobObject {
    BlobObject {
        object_id: OBJECT,
        blob_id: BLOB,
        epoch: Epoch(epoch),
        end_epoch: Epoch(end_epoch),
    }
}

fn pooled(epoch: u32) -> PooledBlobObject {
    PooledBlobObject {
        object_id: OTHER_OBJECT,
        blob_id: BLOB,
        epoch: Epoch(epoch),
        storage_pool_id: POOL,
    }
}

#[test]
fn an_object_is_registered_certified_extended_and_deleted() {
    let mut story = Story::new();
    let event = story.tell(EventKind::BlobRegistered {
        blob: blob(1, 5),
        deletable: true,
    });
    let registered = PerObjectBlobInfoV1 {
        blob_id: BLOB,
        registered_epoch: Epoch(1),
        certified_epoch: None,
        end_epoch: Epoch(5),
        deletable: true,
        event,
        deleted: false,
    };
    assert_eq!(story.object(), Some(registered));
    assert_eq!(story.tables.latest_handled_event_index(), Some(0));

    let (deletable, is_extension) = (true, false);
    let event = story.tell(EventKind::BlobCertified {
        blob: blob(2, 5),
        deletable,
        is_extension,
    });
    let certified = PerObjectBlobInfoV1 {
        certified_epoch: Some(Epoch(2)),
        event,
        ..registered
    };
    assert_eq!(story.object(), Some(certified));

    let is_extension = true;
    let event = story.tell(EventKind::BlobCertified {
        blob: blob(3, 9),
        deletable,
        is_extension,
    });
    assert_eq!(
        story.object(),
        Some(PerObjectBlobInfoV1 {
            end_epoch: Epoch(9),
            event,
            ..certified
        })
    );
    let Some(BlobInfo::V1(BlobInfoV1::Valid(row))) = story.aggregate() else {
        panic!("a valid row of version 1, not {:?}", story.aggregate());
    };
    assert_eq!(
        (row.count_deletable_total, row.count_deletable_certified),
        (1, 1)
    );
    assert_eq!(row.initial_certified_epoch, Some(Epoch(2)));

    story.tell(EventKind::BlobDeleted {
        blob: blob(3, 9),
        was_certified: true,
    });
    assert_eq!(story.object(), None);
    let Some(BlobInfo::V1(BlobInfoV1::Valid(row))) = story.aggregate() else {
        panic!("a valid row of version 1, not {:?}", story.aggregate());
    };
    assert_eq!(
        (row.count_deletable_total, row.count_deletable_certified),
        (0, 0)
    );
    assert_eq!(story.tables.latest_handled_event_index(), Some(3));
}

#[test]
fn a_pool_and_its_object_live_and_end_together() {
    let mut story = Story::new();
    story.tell(EventKind::StoragePoolCreated {
        storage_pool_id: POOL,
        start_epoch: Epoch(1),
        end_epoch: Epoch(3),
    });
    story.tell(EventKind::StoragePoolExtended {
        storage_pool_id: POOL,
        end_epoch: Epoch(4),
    });
    let pool = StoragePoolInfoV1 {
        start_epoch: Epoch(1),
        end_epoch: Epoch(4),
    };
    assert_eq!(story.pool(), Some(pool));

    story.tell(EventKind::PooledBlobRegistered { blob: pooled(1) });
    let event = story.tell(EventKind::PooledBlobCertified { blob: pooled(2) });
    let certified = PerObjectPooledBlobInfoV1 {
        blob_id: BLOB,
        registered_epoch: Epoch(1),
        certified_epoch: Some(Epoch(2)),
        storage_pool_id: POOL,
        event,
    };
    assert_eq!(story.pooled(), Some(certified));

    let nothing = gc::phase_one(&story.tables, Epoch(3)).expect("garbage collection");
    assert_eq!(nothing, gc::Collected::default());
    let all = gc::phase_one(&story.tables, Epoch(4)).expect("garbage collection");
    assert_eq!((all.pools, all.pooled_objects, all.objects), (1, 1, 0));
    assert_eq!((story.pool(), story.pooled()), (None, None));
    let Some(BlobInfo::V2(BlobInfoV2::Valid(row))) = story.aggregate() else {
        panic!("a valid row of version 2, not {:?}", story.aggregate());
    };
    assert_eq!(
        (row.count_pooled_refs_total, row.initial_certified_epoch),
        (0, None)
    );

    assert_eq!(gc::phase_two(&story.tables).expect("phase 2"), 1);
    assert_eq!(story.aggregate(), None);
}

#[test]
fn a_pooled_object_is_deleted() {
    let mut story = Story::new();
    story.tell(EventKind::StoragePoolCreated {
        storage_pool_id: POOL,
        start_epoch: Epoch(1),
        end_epoch: Epoch(3),
    });
    story.tell(EventKind::PooledBlobRegistered { blob: pooled(1) });
    story.tell(EventKind::PooledBlobDeleted {
        blob: pooled(1),
        was_certified: false,
    });
    assert_eq!(story.pooled(), None);
    assert!(story.pool().is_some());
    let Some(BlobInfo::V2(BlobInfoV2::Valid(row))) = story.aggregate() else {
        panic!("a valid row of version 2, not {:?}", story.aggregate());
    };
    assert_eq!(row.count_pooled_refs_total, 0);
}

#[test]
fn an_invalid_blob_keeps_its_objects_and_its_row() {
    let mut story = Story::new();
    story.tell(EventKind::BlobRegistered {
        blob: blob(1, 2),
        deletable: false,
    });
    let object = story.object();
    let event = story.tell(EventKind::InvalidBlobId {
        blob_id: BLOB,
        epoch: Epoch(1),
    });
    assert_eq!(story.object(), object);
    let invalid = BlobInfo::V1(BlobInfoV1::Invalid {
        epoch: Epoch(1),
        event,
    });
    assert_eq!(story.aggregate(), Some(invalid));

    let collected = gc::phase_one(&story.tables, Epoch(2)).expect("garbage collection");
    assert_eq!(collected.objects, 1);
    assert_eq!(gc::phase_two(&story.tables).expect("phase 2"), 0);
    assert_eq!(story.aggregate(), Some(invalid));
}

#[test]
fn the_beginning_of_an_epoch_is_not_handled_by_the_tables() {
    let mut story = Story::new();
    story.tell(EventKind::EpochChangeStart { epoch: Epoch(2) });
    assert_eq!(story.tables.latest_handled_event_index(), None);
    assert_eq!(
        dump(&story.tables, ColumnFamily::LatestHandledEventIndex).len(),
        0
    );
}

#[test]
fn an_impossible_event_makes_the_row_unreadable_and_names_it() {
    let mut story = Story::new();
    let (deletable, is_extension) = (false, false);
    story.tell(EventKind::BlobCertified {
        blob: blob(1, 5),
        deletable,
        is_extension,
    });
    let error = story
        .tables
        .scan(ColumnFamily::PerObjectBlobInfo, |_, _| Ok(()));
    let Err(NodeError::Merge { failure }) = error else {
        panic!("a merge failure, not {error:?}");
    };
    assert_eq!(failure.column_family, ColumnFamily::PerObjectBlobInfo);
    assert_eq!(failure.key, OBJECT.as_ref());
}
