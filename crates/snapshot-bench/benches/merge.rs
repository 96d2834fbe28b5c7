//! The merge operators over bytes, as RocksDB calls them: what each unmerged operand costs a scan.
//!
//! Throughput is in operands. RocksDB's own work around a merge is not in it.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use snapshot_format::{BlobId, Epoch, EventId, ObjectId, TransactionDigest};
use snapshot_store::merge::{
    BlobInfoOperand, ChangeInfo, ChangeType, CursorOperand, MergeError, PerObjectOperand,
    PooledInfo, PooledOperand, StoragePoolOperand, aggregate, cursor, per_object, pooled,
    storage_pool,
};

const REGISTER: ChangeType = ChangeType::Register;
const CERTIFY: ChangeType = ChangeType::Certify;
const EXTEND: ChangeType = ChangeType::Extend;

fn event(n: u8) -> EventId {
    EventId {
        tx_digest: TransactionDigest::new([n; 32]),
        event_seq: u64::from(n),
    }
}

fn change_info(deletable: bool) -> ChangeInfo {
    ChangeInfo {
        blob_id: BlobId::new([1; 32]),
        deletable,
        epoch: Epoch(5),
        end_epoch: Epoch(20),
        status_event: event(2),
    }
}

fn per_object_operand(change_type: ChangeType) -> Vec<u8> {
    let change_info = change_info(true);
    PerObjectOperand {
        change_type,
        change_info,
    }
    .encode()
}

fn pooled_info() -> PooledInfo {
    PooledInfo {
        blob_id: BlobId::new([1; 32]),
        epoch: Epoch(5),
        storage_pool_id: ObjectId::new([3; 32]),
        status_event: event(2),
    }
}

fn pooled_operand(change_type: ChangeType) -> Vec<u8> {
    let change_info = pooled_info();
    PooledOperand::V1 {
        change_type,
        change_info,
    }
    .encode()
}

fn pool_operands() -> [Vec<u8>; 2] {
    let (start_epoch, end_epoch) = (Epoch(1), Epoch(9));
    [
        StoragePoolOperand::Create {
            start_epoch,
            end_epoch,
        },
        StoragePoolOperand::Extend { end_epoch },
    ]
    .map(|operand| operand.encode())
}

fn blob_operand(change_type: ChangeType, deletable: bool) -> Vec<u8> {
    let change_info = change_info(deletable);
    BlobInfoOperand::ChangeStatus {
        change_type,
        change_info,
    }
    .encode()
}

fn pooled_blob_operand(change_type: ChangeType) -> Vec<u8> {
    let change_info = pooled_info();
    BlobInfoOperand::PooledBlobChangeStatus {
        change_type,
        change_info,
    }
    .encode()
}

/// A merge function of the store, over a stored row and a slice of operands.
type Merge = fn(Option<&[u8]>, &[&[u8]]) -> Result<Vec<u8>, MergeError>;

const PER_OBJECT: Merge = |stored, operands| per_object::merge(stored, operands.iter().copied());
const POOLED: Merge = |stored, operands| pooled::merge(stored, operands.iter().copied());
const STORAGE_POOL: Merge =
    |stored, operands| storage_pool::merge(stored, operands.iter().copied());
const AGGREGATE: Merge = |stored, operands| aggregate::merge(stored, operands.iter().copied());
const CURSOR: Merge = |stored, operands| cursor::merge(stored, operands.iter().copied());

fn merge_operands(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    merge: Merge,
    stored: &[Vec<u8>],
    operands: &[Vec<u8>],
) {
    let slices: Vec<&[u8]> = stored.iter().map(Vec::as_slice).collect();
    let stored = (!slices.is_empty())
        .then(|| merge(None, &slices).expect("the operands of the stored row fit"));
    let operands: Vec<&[u8]> = operands.iter().map(Vec::as_slice).collect();
    group.throughput(Throughput::Elements(operands.len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            merge(black_box(stored.as_deref()), black_box(&operands)).expect("the operands fit")
        });
    });
}

fn objects(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge/per_object");
    let [register, certify, extend] = [REGISTER, CERTIFY, EXTEND].map(per_object_operand);
    let merge = PER_OBJECT;
    let (stored, life) = (
        [register.clone()],
        [register, certify.clone(), extend.clone()],
    );
    merge_operands(&mut group, "register", merge, &[], &life[..1]);
    merge_operands(
        &mut group,
        "certify a stored row",
        merge,
        &stored,
        &[certify],
    );
    merge_operands(&mut group, "register, certify, extend", merge, &[], &life);
    group.finish();

    let mut group = criterion.benchmark_group("merge/pooled");
    let life = [REGISTER, CERTIFY].map(pooled_operand);
    let merge = POOLED;
    merge_operands(&mut group, "register", merge, &[], &life[..1]);
    merge_operands(
        &mut group,
        "certify a stored row",
        merge,
        &life[..1],
        &life[1..],
    );
    merge_operands(&mut group, "register, certify", merge, &[], &life);
    group.finish();
}

fn pools(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge/storage_pool");
    let operands = pool_operands();
    let merge = STORAGE_POOL;
    merge_operands(&mut group, "create", merge, &[], &operands[..1]);
    merge_operands(
        &mut group,
        "extend a stored row",
        merge,
        &operands[..1],
        &operands[1..],
    );
    group.finish();
}

fn blobs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge/aggregate");
    let merge = AGGREGATE;
    let deletable = [REGISTER, CERTIFY, EXTEND].map(|change| blob_operand(change, true));
    merge_operands(&mut group, "deletable object", merge, &[], &deletable);
    let permanent = [REGISTER, CERTIFY, EXTEND].map(|change| blob_operand(change, false));
    merge_operands(&mut group, "permanent object", merge, &[], &permanent);
    let pooled = [REGISTER, CERTIFY].map(pooled_blob_operand);
    merge_operands(&mut group, "pooled object", merge, &[], &pooled);
    merge_operands(
        &mut group,
        "pooled object on a stored V1 row",
        merge,
        &permanent,
        &pooled,
    );
    group.finish();
}

/// A node sends an operand for every few events, so its cursor gathers long runs of them.
fn cursors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge/cursor");
    let step = CursorOperand {
        event_id: event(2),
        increment: 3,
    };
    let steps = vec![step.encode(); 1_000];
    merge_operands(&mut group, "1000 steps", CURSOR, &steps[..1], &steps);
    group.finish();
}

criterion_group!(benches, objects, pools, blobs, cursors);
criterion_main!(benches);
