//! Arbitrary snapshots.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use snapshot_format::{
    BlobId, ChunkPosition, CountedHeader, Epoch, EventCursor, EventId, Framing, Header, ObjectId,
    PerObjectBlobInfo, PerObjectBlobInfoV1, PerObjectPooledBlobInfo, PerObjectPooledBlobInfoV1,
    PerTable, Record, SealedHeader, StoragePoolInfo, StoragePoolInfoV1, Table, TransactionDigest,
};

use super::Content;

/// 32 bytes: any, or equal to others but for one byte.
pub(crate) fn bytes32() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![
        any::<[u8; 32]>(),
        (
            0..32_usize,
            any::<u8>(),
            prop_oneof![Just(0), Just(0x7f), Just(0xff)]
        )
            .prop_map(|(place, byte, others)| {
                let mut bytes = [others; 32];
                bytes[place] = byte;
                bytes
            }),
    ]
}

pub(crate) fn object_id() -> impl Strategy<Value = ObjectId> {
    bytes32().prop_map(ObjectId::new)
}

/// Any number, the extremes often.
fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![any::<u32>(), 0..64_u32, Just(u32::MAX)].prop_map(Epoch)
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..4_u64, Just(u64::MAX)]
}

pub(crate) fn event_id() -> impl Strategy<Value = EventId> {
    (bytes32(), number()).prop_map(|(digest, event_seq)| EventId {
        tx_digest: TransactionDigest::new(digest),
        event_seq,
    })
}

fn per_object() -> impl Strategy<Value = Record> {
    let epochs = (epoch(), proptest::option::of(epoch()), epoch());
    (bytes32(), epochs, any::<(bool, bool)>(), event_id()).prop_map(
        |(blob, (registered_epoch, certified_epoch, end_epoch), (deletable, deleted), event)| {
            Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
                blob_id: BlobId::new(blob),
                registered_epoch,
                certified_epoch,
                end_epoch,
                deletable,
                event,
                deleted,
            }))
        },
    )
}

fn pooled() -> impl Strategy<Value = Record> {
    let epochs = (epoch(), proptest::option::of(epoch()));
    (bytes32(), epochs, object_id(), event_id()).prop_map(
        |(blob, (registered_epoch, certified_epoch), storage_pool_id, event)| {
            Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(
                PerObjectPooledBlobInfoV1 {
                    blob_id: BlobId::new(blob),
                    registered_epoch,
                    certified_epoch,
                    storage_pool_id,
                    event,
                },
            ))
        },
    )
}

fn storage_pool() -> impl Strategy<Value = Record> {
    (epoch(), epoch()).prop_map(|(start_epoch, end_epoch)| {
        Record::StoragePoolInfo(StoragePoolInfo::V1(StoragePoolInfoV1 {
            start_epoch,
            end_epoch,
        }))
    })
}

/// A record of `table`.
pub(crate) fn record(table: Table) -> BoxedStrategy<Record> {
    match table {
        Table::PerObjectBlobInfo => per_object().boxed(),
        Table::PerObjectPooledBlobInfo => pooled().boxed(),
        Table::StoragePoolInfo => storage_pool().boxed(),
    }
}

pub(crate) fn table() -> impl Strategy<Value = Table> {
    prop::sample::select(Table::ALL.to_vec())
}

pub(crate) fn framing() -> impl Strategy<Value = Framing> {
    prop::sample::select(vec![Framing::Sealed, Framing::Counted])
}

pub(crate) fn sealed_header() -> impl Strategy<Value = SealedHeader> {
    let cursor = (proptest::option::of(event_id()), number());
    (epoch(), cursor, bytes32(), 1..=u32::MAX, any::<u32>()).prop_map(
        |(epoch, (event_id, element_index), blob, count, index)| SealedHeader {
            epoch,
            event_cursor: EventCursor {
                event_id,
                element_index,
            },
            prev_snapshot_blob_id: BlobId::new(blob),
            chunk: ChunkPosition {
                index: index % count,
                count,
            },
        },
    )
}

pub(crate) fn counted_header() -> impl Strategy<Value = CountedHeader> {
    (epoch(), event_id(), number()).prop_map(|(epoch, event_id, next_event_index)| CountedHeader {
        epoch,
        event_id,
        next_event_index,
    })
}

pub(crate) fn header() -> impl Strategy<Value = Header> {
    prop_oneof![
        sealed_header().prop_map(Header::Sealed),
        counted_header().prop_map(Header::Counted),
    ]
}

fn rows(table: Table) -> impl Strategy<Value = Vec<(ObjectId, Record)>> {
    btree_map(object_id(), record(table), 0..6)
        .prop_map(|rows: BTreeMap<_, _>| rows.into_iter().collect())
}

/// A snapshot of either framing.
pub(crate) fn content() -> impl Strategy<Value = Content> {
    let tables = (
        rows(Table::PerObjectBlobInfo),
        rows(Table::PerObjectPooledBlobInfo),
        rows(Table::StoragePoolInfo),
    );
    (header(), tables).prop_map(|(header, (objects, pooled, pools))| Content {
        header,
        tables: PerTable {
            per_object_blob_info: objects,
            per_object_pooled_blob_info: pooled,
            storage_pool_info: pools,
        },
    })
}

/// One change to bytes.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Truncate(prop::sample::Index),
    Append(Vec<u8>),
    /// Sets the byte to one that means something somewhere.
    Set(prop::sample::Index, u8),
}

impl Mutation {
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        match self {
            Self::Append(more) => bytes.extend_from_slice(more),
            _ if len == 0 => {}
            Self::Flip(place, bit) => bytes[place.index(len)] ^= 1 << (bit % 8),
            Self::Insert(place, byte) => bytes.insert(place.index(len), *byte),
            Self::Remove(place) => _ = bytes.remove(place.index(len)),
            Self::Truncate(place) => bytes.truncate(place.index(len)),
            Self::Set(place, byte) => bytes[place.index(len)] = *byte,
        }
    }
}

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<prop::sample::Index>;
    let telling = prop::sample::select(vec![0x00, 0x01, 0x02, 0x1f, 0x20, 0x21, 0x7f, 0x80, 0xff]);
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(place, bit)| Mutation::Flip(place, bit)),
        (place(), any::<u8>()).prop_map(|(place, byte)| Mutation::Insert(place, byte)),
        place().prop_map(Mutation::Remove),
        place().prop_map(Mutation::Truncate),
        vec(any::<u8>(), 1..12).prop_map(Mutation::Append),
        (place(), telling).prop_map(|(place, byte)| Mutation::Set(place, byte)),
    ]
}

/// Bytes changed up to twice.
pub(crate) fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    vec(mutation(), 0..3).prop_map(move |mutations| {
        let mut bytes = bytes.clone();
        for mutation in mutations {
            mutation.apply(&mut bytes);
        }
        bytes
    })
}

/// A file, sound or changed, and places to cut it.
pub(crate) fn sliced_file() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    content()
        .prop_flat_map(|content| mutated(content.bytes()))
        .prop_flat_map(|file| {
            let cuts = vec(0..=file.len(), 0..12);
            (Just(file), cuts)
        })
}

/// The slices between cuts; some may be empty.
pub(crate) fn slices(file: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
    cuts.extend([0, file.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &file[cut[0]..cut[1]]).collect()
}
