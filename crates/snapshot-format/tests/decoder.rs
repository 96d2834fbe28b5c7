//! How the decoder is driven: framing, events, status, ends, chunks, and claims it does not believe.

mod common;

use common::{Owned, decode, transcript, vectors};
use snapshot_format::{
    ChunkPosition, DecodeError, Decoder, Event, Framing, Location, NotWhole, ObjectId, Section,
    Status, Table,
};

fn file(name: &str) -> Vec<u8> {
    vectors::bytes(&format!("accept/{name}.bin"))
}

// SF-010
#[test]
fn byte_8_tells_the_framing() {
    assert_eq!(Framing::from_byte_8(0), Framing::Sealed);
    for byte in 1..=255 {
        assert_eq!(Framing::from_byte_8(byte), Framing::Counted);
    }
    for vector in vectors::accepted() {
        let header = decode(&vector.bytes).unwrap().header;
        let framing = Framing::from_byte_8(vector.bytes[Framing::DETECTION_LEN - 1]);
        assert_eq!(header.framing(), framing, "{}", vector.file);
        assert_eq!(framing == Framing::Sealed, vector.is_sealed());
    }
}

#[test]
fn a_decoder_that_expects_a_framing_rejects_the_other() {
    let cases = [
        (Framing::Sealed, "counted-typical"),
        (Framing::Counted, "sealed-typical"),
    ];
    for (expected, other) in cases {
        let mut decoder = Decoder::expecting(expected);
        let error = decoder.push(&file(other)[..9], |_event| {}).unwrap_err();
        let got = decode(&file(other)).unwrap().header.framing();
        let at = Location {
            section: Section::Header,
            offset: 8,
        };
        assert_eq!(error, DecodeError::WrongFraming { at, expected, got });
        let mut decoder = Decoder::expecting(got);
        assert_eq!(
            decoder.push(&file(other), |_event| {}),
            Ok(Status::Complete)
        );
    }
}

#[test]
fn events_come_in_the_order_of_the_file() {
    let cases = [
        (
            "sealed-typical",
            [
                Table::PerObjectBlobInfo,
                Table::PerObjectPooledBlobInfo,
                Table::StoragePoolInfo,
            ],
        ),
        (
            "counted-typical",
            [
                Table::PerObjectBlobInfo,
                Table::StoragePoolInfo,
                Table::PerObjectPooledBlobInfo,
            ],
        ),
    ];
    for (name, tables) in cases {
        let (events, outcome) = transcript([file(name).as_slice()]);
        let decoded = outcome.unwrap();
        let mut events = events.into_iter();
        assert_eq!(events.next(), Some(Owned::Header(decoded.header)));
        for table in tables {
            assert_eq!(events.next(), Some(Owned::SectionStart(table)));
            for _ in 0..2 {
                let entry = events.next();
                assert!(
                    matches!(entry, Some(Owned::Entry(t, ..)) if t == table),
                    "{entry:?}"
                );
            }
            assert_eq!(events.next(), Some(Owned::SectionEnd(table)));
        }
        assert_eq!(events.next(), None);
    }
}

#[test]
fn a_section_without_entries_begins_and_ends() {
    for name in ["sealed-empty", "counted-empty"] {
        let (events, outcome) = transcript([file(name).as_slice()]);
        let sections = |events: &[Owned]| {
            let starts = events
                .iter()
                .filter(|e| matches!(e, Owned::SectionStart(_)))
                .count();
            let ends = events
                .iter()
                .filter(|e| matches!(e, Owned::SectionEnd(_)))
                .count();
            (starts, ends)
        };
        assert_eq!((events.len(), sections(&events)), (7, (3, 3)));
        assert_eq!(outcome.unwrap().counts.total(), 0);
    }
}

// SF-083, SF-084
#[test]
fn the_status_says_when_the_snapshot_is_complete() {
    for vector in vectors::accepted() {
        let (last, head) = vector.bytes.split_last().unwrap();
        let mut decoder = Decoder::new();
        assert_eq!(decoder.push(&[], |_event| {}), Ok(Status::NeedMore));
        assert_eq!(
            decoder.push(head, |_event| {}),
            Ok(Status::NeedMore),
            "{}",
            vector.file
        );
        let early = decoder.clone().end().unwrap_err();
        assert!(
            matches!(early, DecodeError::UnexpectedEnd { .. }),
            "{early}"
        );
        assert_eq!(early.location().offset, head.len() as u64);
        assert_eq!(
            decoder.push(&[*last], |_event| {}),
            Ok(Status::Complete),
            "{}",
            vector.file
        );
        assert_eq!(decoder.push(&[], |_event| {}), Ok(Status::Complete));
        assert!(decoder.clone().end().is_ok());
        let late = decoder.push(&[0], |_event| {}).unwrap_err();
        let at = Location {
            section: Section::End,
            offset: vector.bytes.len() as u64,
        };
        assert_eq!(late, DecodeError::TrailingBytes { at });
        assert_eq!(decoder.end(), Err(late));
    }
}

// SF-092
#[test]
fn a_decoder_that_failed_gives_its_error_again() {
    let sound = file("sealed-typical");
    for vector in vectors::rejected() {
        let mut decoder = Decoder::new();
        if let Err(error) = decoder.push(&vector.bytes, |_event| {}) {
            assert_eq!(decoder.push(&sound, |_event| {}), Err(error.clone()));
            assert_eq!(decoder.push(&[], |_event| {}), Err(error.clone()));
            assert_eq!(decoder.end(), Err(error));
        }
    }
}

// SF-091
#[test]
fn vectors_are_judged_the_same_in_slices_of_any_size() {
    for vector in vectors::all() {
        let whole = transcript([vector.bytes.as_slice()]);
        for len in [1, 2, 3, 7, 31, 64, 1000] {
            assert_eq!(
                transcript(vector.bytes.chunks(len)),
                whole,
                "{} by {len}",
                vector.file
            );
        }
    }
}

// SF-090: a length is refused when it has arrived, not when what it claims has.
#[test]
fn claimed_lengths_are_refused_at_once() {
    let mut refused = 0;
    for vector in vectors::rejected() {
        if vector.outcome != "LengthLimit" {
            continue;
        }
        let offset: usize = vector.offset.parse().unwrap();
        let len = if vector.bytes[8] == 0 { 4 } else { 5 };
        let mut decoder = Decoder::new();
        let error = decoder
            .push(&vector.bytes[..offset + len], |_event| {})
            .unwrap_err();
        assert!(
            matches!(error, DecodeError::LengthLimit { .. }),
            "{}: {error}",
            vector.file
        );
        refused += 1;
    }
    assert!(refused >= 12, "only {refused} vectors claim too much");
}

// SF-050
#[test]
fn a_chunk_is_decoded_but_is_not_a_whole_snapshot() {
    let decoded = decode(&file("sealed-chunk")).unwrap();
    let chunk = ChunkPosition { index: 1, count: 3 };
    assert_eq!(decoded.header.chunk(), chunk);
    assert!(!chunk.is_whole());
    let refused = decoded.header.require_whole();
    assert_eq!(refused, Err(NotWhole { chunk }));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "this is chunk 1 of 3 (counting from 0), not a whole snapshot: the other chunks are needed too"
    );
    for name in ["sealed-typical", "counted-typical"] {
        let header = decode(&file(name)).unwrap().header;
        assert_eq!(header.require_whole(), Ok(()));
        assert_eq!(header.chunk(), ChunkPosition::WHOLE);
    }
}

#[test]
fn headers_say_the_same_in_both_framings() {
    let sealed = decode(&file("sealed-with-cursor")).unwrap().header;
    let counted = decode(&file("counted-typical")).unwrap().header;
    assert_eq!(sealed.epoch(), counted.epoch());
    assert_eq!(sealed.event_cursor(), counted.event_cursor());
    let offline = decode(&file("sealed-typical")).unwrap().header;
    assert_eq!(offline.event_cursor().event_id, None);
    assert_eq!(offline.event_cursor().element_index, 0);
}

#[test]
fn entries_give_their_records() {
    let mut pools = Vec::new();
    let mut decoder = Decoder::new();
    let on_event = |event: Event<'_>| {
        if let Event::Entry(entry) = event
            && entry.table == Table::StoragePoolInfo
        {
            pools.push((
                entry.key,
                serde_json::to_value(entry.record().unwrap()).unwrap(),
            ));
        }
    };
    decoder.push(&file("sealed-by-hand"), on_event).unwrap();
    let expected = serde_json::json!({"V1": {"start_epoch": 2, "end_epoch": 28}});
    assert_eq!(pools, [(ObjectId::new([0x44; 32]), expected)]);
}
