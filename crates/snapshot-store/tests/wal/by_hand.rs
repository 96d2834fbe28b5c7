//! The log verifier against logs that no database would write, or rarely.

use std::path::Path;

use snapshot_store::wal::{Fault, WalError, verify_manifest_log};

use crate::log_writer::{FIRST, FULL, LAST, LogWriter, MIDDLE, RECYCLABLE, batch};
use crate::{BLOCK, accepted_flip, damage, verify, verify_files};

/// A log of eight blocks with records inside blocks and across them, none of them so long that a
/// block is all fragment: such a block may be lost unseen, and only the replay would miss it.
fn several_blocks() -> LogWriter {
    let mut writer = LogWriter::default();
    let mut sequence = 1;
    while writer.bytes.len() < 7 * BLOCK {
        for (count, length) in [(3, 100), (0, 0), (1, 5000), (2, 25_000), (1, 11)] {
            writer.batch(sequence, count, length);
            sequence += u64::from(count);
        }
    }
    writer
}

#[test]
fn a_lost_zeroed_repeated_or_misplaced_block_is_rejected() {
    let whole = several_blocks().bytes;
    assert!(verify(&whole).is_ok());
    let blocks: Vec<&[u8]> = whole.chunks(BLOCK).collect();
    // The first block would not be missed if a record ended with it; not so here.
    for at in 0..blocks.len() {
        let mut zeroed = blocks.clone();
        let zeroes = vec![0; blocks[at].len()];
        zeroed[at] = &zeroes;
        assert!(verify(&zeroed.concat()).is_err(), "block {at} zeroed");

        let mut lost = blocks.clone();
        lost.remove(at);
        assert!(verify(&lost.concat()).is_err(), "block {at} lost");

        let mut repeated = blocks.clone();
        repeated.insert(at, blocks[at]);
        assert!(verify(&repeated.concat()).is_err(), "block {at} repeated");

        for other in at + 1..blocks.len() {
            let mut swapped = blocks.clone();
            swapped.swap(at, other);
            assert!(
                verify(&swapped.concat()).is_err(),
                "blocks {at} and {other} swapped"
            );
        }
    }
}

#[test]
fn a_lost_block_between_whole_records_is_a_gap() {
    // Ten records of exactly a tenth of the room fill a block without a fragment.
    let mut writer = LogWriter::default();
    for sequence in 0..30 {
        let length = if sequence % 10 == 9 {
            32_768 - 9 * 3276
        } else {
            3276
        };
        writer.batch(sequence + 1, 1, length - 7 - 12);
    }
    assert_eq!(writer.bytes.len(), 3 * BLOCK);
    let mut bytes = writer.bytes;
    bytes.drain(BLOCK..2 * BLOCK);
    let error = verify(&bytes).unwrap_err();
    assert!(
        matches!(&error, WalError::SequenceGap { offset: 32_768, expected: 11, got: 21, path, previous, .. }
            if path == previous),
        "{error}"
    );
}

#[test]
fn a_record_may_end_at_any_distance_from_its_block() {
    for room in 0..40 {
        let mut writer = LogWriter::default();
        writer.batch(1, 1, BLOCK - 7 - 12 - room);
        assert_eq!(writer.bytes.len(), BLOCK - room);
        writer.batch(2, 5, 33).batch(7, 1, 100_000).batch(8, 0, 0);
        let summary = verify(&writer.bytes).unwrap();
        assert_eq!(
            (summary.batches, summary.operations),
            (4, 7),
            "{room} bytes left"
        );
        assert_eq!(
            (summary.first_sequence, summary.last_sequence),
            (Some(1), Some(7))
        );
        for end in &writer.ends {
            assert!(
                verify(&writer.bytes[..*end]).is_ok(),
                "{room} bytes left, {end} kept"
            );
            for length in (*end + 1..=*end + 50).filter(|length| !writer.ends.contains(length)) {
                let torn = writer.bytes.get(..length).map(verify);
                assert!(
                    !matches!(torn, Some(Ok(_))),
                    "{room} bytes left, {length} kept"
                );
            }
        }
    }
}

#[test]
fn padding_is_zero_and_has_a_record_behind_it() {
    let mut writer = LogWriter::default();
    writer.batch(1, 1, BLOCK - 7 - 12 - 5);
    assert!(verify(&writer.bytes).is_ok());
    writer.pad();
    assert_eq!(
        damage(verify(&writer.bytes)),
        (32_768, Fault::EndsAfterPadding)
    );
    writer.batch(2, 1, 10);
    assert!(verify(&writer.bytes).is_ok());
    writer.bytes[BLOCK - 1] = 1;
    assert_eq!(damage(verify(&writer.bytes)), (32_763, Fault::Padding));
    writer.bytes.truncate(BLOCK - 2);
    assert_eq!(
        damage(verify(&writer.bytes)),
        (32_763, Fault::TruncatedHeader { got: 3 })
    );
}

#[test]
fn fragments_out_of_place_are_rejected() {
    let whole = batch(1, 1, 50);
    let (head, tail) = whole.split_at(4);
    let log = |records: &[(u8, &[u8])]| {
        let mut writer = LogWriter::default();
        for (type_byte, payload) in records {
            writer.physical(*type_byte, payload);
        }
        damage(verify(&writer.bytes))
    };
    assert_eq!(log(&[(LAST, tail)]), (0, Fault::OrphanFragment));
    assert_eq!(
        log(&[(FULL, &whole), (MIDDLE, tail)]),
        (69, Fault::OrphanFragment)
    );
    assert_eq!(
        log(&[(FIRST, head)]),
        (11, Fault::Unfinished { started: 0 })
    );
    assert_eq!(
        log(&[(FIRST, head), (MIDDLE, tail)]),
        (76, Fault::Unfinished { started: 0 })
    );
    assert_eq!(
        log(&[(FIRST, head), (FULL, &whole)]),
        (11, Fault::Interrupted { started: 0 })
    );
    assert_eq!(
        log(&[(FIRST, head), (FIRST, head)]),
        (11, Fault::Interrupted { started: 0 })
    );
    assert_eq!(
        log(&[(FIRST, head), (10, &[])]),
        (11, Fault::Interrupted { started: 0 })
    );

    // The batch header may be spread over fragments, however small.
    let mut writer = LogWriter::default();
    writer
        .physical(FIRST, head)
        .physical(MIDDLE, &[])
        .physical(LAST, tail);
    assert_eq!(verify(&writer.bytes).unwrap().last_sequence, Some(1));
}

#[test]
fn a_batch_has_a_whole_header_and_a_possible_sequence_number() {
    let mut short = LogWriter::default();
    short.record(&[0; 11]);
    let fault = Fault::ShortBatch {
        expected: 12,
        got: 11,
    };
    assert_eq!(damage(verify(&short.bytes)), (0, fault));

    let mut large = LogWriter::default();
    large.batch(1 << 56, 1, 0);
    assert_eq!(
        damage(verify(&large.bytes)),
        (0, Fault::SequenceTooLarge { got: 1 << 56 })
    );

    let mut record = LogWriter::default();
    record.batch(1, 1, 10);
    let header_says = |length: u16| {
        let mut bytes = record.bytes.clone();
        bytes[4..6].copy_from_slice(&length.to_le_bytes());
        damage(verify(&bytes))
    };
    assert_eq!(
        header_says(40),
        (
            0,
            Fault::WrongLength {
                expected: 40,
                got: 22
            }
        )
    );
    let fault = Fault::LengthPastBlock {
        length: 32_762,
        room: 32_761,
    };
    assert_eq!(header_says(32_762), (0, fault));
}

#[test]
fn record_types_are_known_or_marked_as_safe_to_skip() {
    let typed = |type_byte: u8| {
        let mut writer = LogWriter::default();
        if type_byte >= 10 && type_byte % 2 == 1 {
            writer.number = Some(7);
        }
        writer.physical(type_byte, &[1, 2, 3]).batch(1, 1, 10);
        writer.bytes
    };
    // Timestamp sizes, the predecessor of a log, and one that does not exist yet.
    for type_byte in [10, 11, 130, 131, 200, 201] {
        assert_eq!(
            verify(&typed(type_byte)).unwrap().batches,
            1,
            "type {type_byte}"
        );
    }
    for type_byte in [0, 12, 13, 127] {
        let fault = Fault::UnknownType { got: type_byte };
        assert_eq!(damage(verify(&typed(type_byte))), (0, fault));
    }
}

#[test]
fn a_manifest_holds_plain_records_only_and_at_least_one() {
    let manifest = |bytes: &[u8]| verify_manifest_log(Path::new("MANIFEST-000005"), bytes);
    let mut plain = LogWriter::default();
    plain.record(b"edit").record(&[7; 70_000]).record(&[]);
    assert_eq!(manifest(&plain.bytes).unwrap().records, 3);
    assert!(matches!(manifest(&[]), Err(WalError::EmptyManifest { .. })));
    for type_byte in [FULL + RECYCLABLE, 9, 10, 130] {
        let number = (type_byte == FULL + RECYCLABLE).then_some(0);
        let mut writer = LogWriter {
            number,
            ..LogWriter::default()
        };
        writer.physical(type_byte, b"edit");
        let fault = Fault::UnknownType { got: type_byte };
        assert_eq!(damage(manifest(&writer.bytes)), (0, fault));
    }
}

// Recycled and compressed files.

#[test]
fn a_recycled_log_ends_where_its_older_records_begin() {
    let mut writer = LogWriter::recyclable(7);
    writer.batch(1, 2, 50_000).batch(3, 1, 10);
    let own = writer.bytes.len() as u64;
    assert_eq!(verify(&writer.bytes).unwrap().recycled_tails, 0);
    writer.number = Some(5);
    writer.batch(90, 1, 10);
    writer
        .bytes
        .extend_from_slice(b"the rest of whatever was there");
    let summary = verify(&writer.bytes).unwrap();
    assert_eq!(
        (summary.batches, summary.bytes, summary.recycled_tails),
        (2, own, 1)
    );
    assert_eq!(summary.last_sequence, Some(3));

    // Every flip in its own records, or in the header of the older one, is seen.
    let (_, older) = writer.bytes.split_at(usize::try_from(own).unwrap());
    let sensitive = writer.bytes.len() - older.len() + 11;
    for at in (0..sensitive).filter(|at| *at < 200 || at + 200 > sensitive || at % 977 == 0) {
        for bit in 0..8 {
            let mut bytes = writer.bytes.clone();
            bytes[at] ^= 1 << bit;
            assert!(verify(&bytes).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_foreign_record_ends_no_other_log() {
    let mut plain = LogWriter::default();
    plain.batch(1, 1, 10);
    let at = plain.bytes.len() as u64;
    plain.number = Some(5);
    plain.batch(90, 1, 10);
    let fault = |got| Fault::ForeignRecord { expected: 7, got };
    assert_eq!(
        damage(verify(&plain.bytes)),
        (at, fault(5)),
        "a log that is not recyclable"
    );

    let mut newer = LogWriter::recyclable(7);
    newer.batch(1, 1, 10);
    let at = newer.bytes.len() as u64;
    newer.number = Some(8);
    newer.batch(2, 1, 10);
    assert_eq!(
        damage(verify(&newer.bytes)),
        (at, fault(8)),
        "a newer record"
    );

    let mut renamed = LogWriter::recyclable(5);
    renamed.batch(1, 1, 10);
    assert_eq!(
        damage(verify(&renamed.bytes)),
        (0, fault(5)),
        "a file under a wrong name"
    );

    let mut torn = LogWriter::recyclable(7);
    torn.physical(FIRST + RECYCLABLE, &batch(1, 1, 10));
    let at = torn.bytes.len() as u64;
    torn.number = Some(5);
    torn.batch(90, 1, 10);
    assert_eq!(
        damage(verify(&torn.bytes)),
        (at, Fault::Unfinished { started: 0 })
    );

    let mut mixed = LogWriter::recyclable(7);
    mixed.batch(1, 1, 10);
    let at = mixed.bytes.len() as u64;
    mixed.number = None;
    mixed.batch(2, 1, 10);
    assert_eq!(damage(verify(&mixed.bytes)), (at, Fault::MixedHeaders));
}

#[test]
fn a_type_flipped_to_a_recyclable_one_is_a_checksum_error() {
    let mut writer = LogWriter::default();
    writer.batch(1, 1, 10).batch(2, 1, 10).batch(3, 1, 10);
    let at = writer.ends[0];
    writer.bytes[at + 6] ^= RECYCLABLE;
    let (offset, fault) = damage(verify(&writer.bytes));
    assert_eq!(offset, at as u64);
    assert!(matches!(fault, Fault::Checksum { .. }), "{fault}");
}

#[test]
fn a_compressed_log_is_checked_without_its_sequence_numbers() {
    let mut plain = LogWriter::default();
    plain.batch(1, 1, 10);
    let mut packed = LogWriter::default();
    packed
        .physical(9, &7_u32.to_le_bytes())
        .record(b"packed")
        .record(&[1; 40_000]);
    let mut later = LogWriter::default();
    later.batch(90, 2, 10);
    let files = [
        (4, &plain.bytes[..]),
        (8, &packed.bytes[..]),
        (12, &later.bytes[..]),
    ];
    let summary = verify_files(&files).unwrap();
    assert_eq!(
        (summary.files, summary.batches, summary.unsequenced_files),
        (3, 4, 1)
    );
    assert_eq!(
        (summary.first_sequence, summary.last_sequence),
        (Some(1), Some(91))
    );

    assert_eq!(
        accepted_flip(packed.bytes[..200].to_vec(), |bytes| verify(bytes).is_ok()),
        None
    );
    let at = plain.bytes.len() as u64;
    plain.physical(9, &7_u32.to_le_bytes());
    assert_eq!(damage(verify(&plain.bytes)), (at, Fault::LateCompression));
}
