//! The golden vectors against encoder and decoder.
//!
//! Rules that the vectors cover, each in a vector's line of the MANIFEST: SF-031, SF-071, SF-072,
//! SF-073, SF-074, SF-075, SF-076, SF-077, SF-078, SF-079, SF-080, SF-081, SF-082, SF-083, SF-084,
//! SF-085.

mod common;

use std::collections::BTreeSet;
use std::hash::Hasher as _;

use common::vectors::{self, Vector};
use common::{Content, decode};
use snapshot_format::{
    BlobId, ChunkPosition, CountedHeader, DecodeError, Epoch, EventCursor, EventId, Header,
    ObjectId, PerObjectBlobInfo, PerObjectBlobInfoV1, PerObjectPooledBlobInfo,
    PerObjectPooledBlobInfoV1, PerTable, Record, SealedHeader, Section, StoragePoolInfo,
    StoragePoolInfoV1, TransactionDigest,
};

fn xxh64(bytes: &[u8]) -> u64 {
    let mut hash = twox_hash::XxHash64::with_seed(0);
    hash.write(bytes);
    hash.finish()
}

// SF-070: what is decoded encodes to the same bytes.
#[test]
fn accepted_vectors_encode_to_themselves_with_the_digest_listed() {
    for vector in vectors::accepted() {
        let decoded =
            decode(&vector.bytes).unwrap_or_else(|error| panic!("{}: {error}", vector.file));
        assert_eq!(
            decoded.digest.to_string(),
            vector.outcome,
            "{}",
            vector.file
        );
        assert_eq!(decoded.size, vector.bytes.len() as u64, "{}", vector.file);
        let content = Content::decode(&vector.bytes).unwrap();
        let encoded = content.encode();
        assert_eq!(encoded.sink, vector.bytes, "{}", vector.file);
        assert_eq!(encoded.digest, decoded.digest, "{}", vector.file);
        assert_eq!(encoded.counts, decoded.counts, "{}", vector.file);
    }
}

// SF-100: over all bytes but the checksum of a sealed file, over all of a counted one.
#[test]
fn digests_cover_the_bytes_they_must() {
    for vector in vectors::accepted() {
        let digest = decode(&vector.bytes).unwrap().digest;
        let (body, tail) = vector.bytes.split_last_chunk::<8>().unwrap();
        if vector.is_sealed() {
            assert_eq!(digest.0, xxh64(body), "{}", vector.file);
            assert_eq!(digest.0, u64::from_be_bytes(*tail), "{}", vector.file);
        } else {
            assert_eq!(digest.0, xxh64(&vector.bytes), "{}", vector.file);
        }
        assert_eq!(format!("0x{:016x}", xxh64(&vector.bytes)), vector.xxh64);
    }
}

#[test]
fn rejected_vectors_give_the_error_listed_at_the_place_listed() {
    for vector in vectors::rejected() {
        let error = decode(&vector.bytes).expect_err(&vector.file);
        let location = error.location();
        let section = match location.section {
            Section::Table(table) => table.to_string(),
            section => section.to_string(),
        };
        assert_eq!(name(&error), vector.outcome, "{}", vector.file);
        assert_eq!(section, vector.section, "{}", vector.file);
        assert_eq!(
            location.offset.to_string(),
            vector.offset,
            "{}",
            vector.file
        );
    }
}

/// The error's variant, and that of its source behind a slash.
fn name(error: &DecodeError) -> String {
    let variant = |text: String| text.split(' ').next().unwrap().to_owned();
    let outer = variant(format!("{error:?}"));
    match error {
        DecodeError::InvalidHeader { source, .. } | DecodeError::InvalidValue { source, .. } => {
            format!("{outer}/{}", variant(format!("{source:?}")))
        }
        _ => outer,
    }
}

#[test]
fn every_rule_of_the_decoder_rejects_a_vector_in_each_framing_it_holds_for() {
    let both = [71, 72, 73, 74, 77, 78, 79, 80, 81, 83, 84, 40, 60, 61];
    let sealed = [75, 76, 85, 41];
    let counted = [82, 31];
    let rejected = vectors::rejected();
    let named = |sealed: bool| -> BTreeSet<String> {
        let of_framing = |vector: &&Vector| vector.is_sealed() == sealed;
        let ids = |vector: &Vector| vector.requirements.clone();
        rejected.iter().filter(of_framing).flat_map(ids).collect()
    };
    for (is_sealed, own) in [(true, &sealed[..]), (false, &counted[..])] {
        let named = named(is_sealed);
        for id in both.iter().chain(own) {
            let id = format!("SF-{id:03}");
            assert!(
                named.contains(&id),
                "no vector for {id}, sealed: {is_sealed}"
            );
        }
    }
}

fn event(byte: u8, event_seq: u64) -> EventId {
    EventId {
        tx_digest: TransactionDigest::new([byte; 32]),
        event_seq,
    }
}

/// 32 bytes that count up.
fn counting(first: u8) -> [u8; 32] {
    std::array::from_fn(|place| first + place as u8)
}

fn object(
    blob: u8,
    registered: u32,
    certified: Option<u32>,
    end: u32,
    flags: (bool, bool),
    event: EventId,
) -> Record {
    Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
        blob_id: BlobId::new([blob; 32]),
        registered_epoch: Epoch(registered),
        certified_epoch: certified.map(Epoch),
        end_epoch: Epoch(end),
        deletable: flags.0,
        event,
        deleted: flags.1,
    }))
}

fn pooled(blob: u8, registered: u32, certified: Option<u32>, event: EventId) -> Record {
    let row = PerObjectPooledBlobInfoV1 {
        blob_id: BlobId::new([blob; 32]),
        registered_epoch: Epoch(registered),
        certified_epoch: certified.map(Epoch),
        storage_pool_id: ObjectId::new([0x44; 32]),
        event,
    };
    Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row))
}

fn pool(start: u32, end: u32) -> Record {
    Record::StoragePoolInfo(StoragePoolInfo::V1(StoragePoolInfoV1 {
        start_epoch: Epoch(start),
        end_epoch: Epoch(end),
    }))
}

fn key(byte: u8) -> ObjectId {
    ObjectId::new([byte; 32])
}

// SF-020, SF-040, SF-060: these bytes were written by hand, their checksum computed by another program.
#[test]
fn the_encoder_writes_the_sealed_file_that_was_assembled_by_hand() {
    let content = Content {
        header: Header::Sealed(SealedHeader {
            epoch: Epoch(12),
            event_cursor: EventCursor {
                event_id: Some(EventId {
                    tx_digest: TransactionDigest::new(counting(0x20)),
                    event_seq: 3,
                }),
                element_index: 77,
            },
            prev_snapshot_blob_id: BlobId::new(counting(0xe0)),
            chunk: ChunkPosition::WHOLE,
        }),
        tables: PerTable {
            per_object_blob_info: vec![
                (
                    key(0x11),
                    object(0xb1, 9, Some(10), 30, (true, false), event(0xd1, 5)),
                ),
                (
                    key(0x22),
                    object(0xb2, 11, None, 256, (false, true), event(0xd2, 256)),
                ),
            ],
            per_object_pooled_blob_info: vec![(key(0x33), pooled(0xb3, 11, None, event(0xd3, 0)))],
            storage_pool_info: vec![(key(0x44), pool(2, 28))],
        },
    };
    let encoded = content.encode();
    assert_eq!(encoded.sink, vectors::bytes("accept/sealed-by-hand.bin"));
    assert_eq!(encoded.digest.to_string(), "73ab02892f9af459");
}

// SF-030, SF-040, SF-060, SF-100
#[test]
fn the_encoder_writes_the_counted_file_that_was_assembled_by_hand() {
    let content = Content {
        header: Header::Counted(CountedHeader {
            epoch: Epoch(12),
            event_id: EventId {
                tx_digest: TransactionDigest::new(counting(0x20)),
                event_seq: 3,
            },
            next_event_index: 77,
        }),
        tables: PerTable {
            per_object_blob_info: vec![(
                key(0x11),
                object(0xb1, 9, Some(10), 30, (true, false), event(0xd1, 5)),
            )],
            per_object_pooled_blob_info: vec![
                (key(0x33), pooled(0xb3, 11, None, event(0xd3, 0))),
                (key(0x55), pooled(0xb4, 10, Some(11), event(0xd4, 7))),
            ],
            storage_pool_info: vec![(key(0x44), pool(2, 28))],
        },
    };
    let encoded = content.encode();
    assert_eq!(encoded.sink, vectors::bytes("accept/counted-by-hand.bin"));
    assert_eq!(encoded.digest.to_string(), "a8e4e52a329eb2de");
}
