//! What holds for any snapshot and any bytes.

mod common;

use std::hash::Hasher as _;

use common::strategies::{
    content, counted_header, framing, mutated, record, sealed_header, sliced_file, slices, table,
};
use common::{Content, Refused, begin, decode, transcript};
use proptest::collection::vec;
use proptest::prelude::*;
use snapshot_format::{
    CountedHeader, CountingSink, Decoder, Encoder, EntryBlock, Epoch, EventId, Framing, Header,
    ObjectId, PerObjectBlobInfo, PerObjectPooledBlobInfo, PerTable, Record, SealedHeader,
    StoragePoolInfo, Table, ValueError, limits, max_size, size, validate,
};

/// A value as the `bcs` crate reads it.
fn by_bcs(table: Table, value: &[u8]) -> Option<Record> {
    match table {
        Table::PerObjectBlobInfo => bcs::from_bytes::<PerObjectBlobInfo>(value)
            .ok()
            .map(Record::PerObjectBlobInfo),
        Table::PerObjectPooledBlobInfo => bcs::from_bytes::<PerObjectPooledBlobInfo>(value)
            .ok()
            .map(Record::PerObjectPooledBlobInfo),
        Table::StoragePoolInfo => bcs::from_bytes::<StoragePoolInfo>(value)
            .ok()
            .map(Record::StoragePoolInfo),
    }
}

/// The counted header as serde sees it.
#[derive(serde::Deserialize)]
struct CountedBcs {
    epoch: Epoch,
    cursor: CursorBcs,
}

#[derive(serde::Deserialize)]
enum CursorBcs {
    V1 {
        event_id: EventId,
        next_event_index: u64,
    },
}

fn counted_by_bcs(bytes: &[u8]) -> Option<CountedHeader> {
    let CountedBcs { epoch, cursor } = bcs::from_bytes(bytes).ok()?;
    let CursorBcs::V1 {
        event_id,
        next_event_index,
    } = cursor;
    Some(CountedHeader {
        epoch,
        event_id,
        next_event_index,
    })
}

/// A table's value: sound, changed, or any bytes.
fn value_bytes() -> impl Strategy<Value = (Table, Vec<u8>)> {
    table().prop_flat_map(|table| {
        let changed = record(table).prop_flat_map(|record| mutated(record.encode()));
        let bytes = prop_oneof![4 => changed, 1 => vec(any::<u8>(), 0..130)];
        (Just(table), bytes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    // SF-070, one way.
    #[test]
    fn what_was_encoded_decodes_to_itself(content in content()) {
        let encoded = content.encode();
        let decoded = decode(&encoded.sink).unwrap();
        prop_assert_eq!(decoded.header, content.header);
        prop_assert_eq!(decoded.digest, encoded.digest);
        prop_assert_eq!(decoded.counts, content.counts());
        prop_assert_eq!(decoded.size, encoded.sink.len() as u64);
        prop_assert_eq!(Content::decode(&encoded.sink).unwrap(), content);
    }

    // SF-070, the other way: of all byte strings, changed ones included, one is accepted for a content.
    #[test]
    fn what_is_accepted_encodes_to_itself((file, _cuts) in sliced_file()) {
        if let Ok(content) = Content::decode(&file) {
            prop_assert_eq!(content.bytes(), file);
        }
    }

    // SF-091
    #[test]
    fn slices_do_not_matter((file, cuts) in sliced_file()) {
        let whole = transcript([file.as_slice()]);
        prop_assert_eq!(&transcript(slices(&file, cuts)), &whole);
        prop_assert_eq!(&transcript(file.chunks(1)), &whole);
    }

    // SF-092
    #[test]
    fn no_bytes_make_the_decoder_panic_and_an_error_stays(
        framing in framing(),
        begins_well in any::<bool>(),
        bytes in vec(any::<u8>(), 0..200),
    ) {
        let mut file = Vec::new();
        if begins_well {
            file.extend(limits::MAGIC.to_be_bytes());
            file.extend(limits::VERSION.to_be_bytes());
        }
        file.extend(&bytes);
        let mut decoder = Decoder::new();
        if let Err(error) = decoder.push(&file, |_event| {}) {
            prop_assert_eq!(decoder.push(&[], |_event| {}), Err(error.clone()));
            prop_assert_eq!(decoder.push(&file, |_event| {}), Err(error.clone()));
            prop_assert_eq!(decoder.end(), Err(error));
        }
        let mut decoder = Decoder::expecting(framing);
        let _ = decoder.push(&file, |_event| {});
        let _ = decoder.end();
    }

    // SF-060, SF-061: the strict reader and the `bcs` crate vouch for each other.
    #[test]
    fn values_are_read_as_bcs_reads_them((table, value) in value_bytes()) {
        let read = Record::decode(table, &value);
        prop_assert_eq!(validate(table, &value), read.clone().map(drop));
        prop_assert_eq!(read.clone().ok(), by_bcs(table, &value));
        if let Ok(record) = read {
            prop_assert_eq!(record.encode(), value);
        }
    }

    // SF-061
    #[test]
    fn variant_indexes_are_known_unknown_or_damage(table in table(), index in vec(any::<u8>(), 1..7)) {
        let value = [index.as_slice(), &[0; 200]].concat();
        let read = validate(table, &value);
        match minimal_uleb128(&value) {
            Some(0) => prop_assert!(
                !matches!(read, Err(ValueError::UnknownVariant { .. } | ValueError::InvalidVariantIndex)),
                "{:?}", read
            ),
            Some(got) => prop_assert_eq!(read, Err(ValueError::UnknownVariant { got })),
            None => prop_assert_eq!(read, Err(ValueError::InvalidVariantIndex)),
        }
    }

    // SF-040, SF-041
    #[test]
    fn sealed_headers_are_read_as_bcs_reads_them(
        bytes in sealed_header().prop_flat_map(|header| mutated(header.encode())),
    ) {
        let by_bcs = bcs::from_bytes::<SealedHeader>(&bytes).ok();
        let expected = by_bcs.filter(|header| header.chunk.index < header.chunk.count);
        prop_assert_eq!(SealedHeader::decode(&bytes).ok(), expected);
        if let Some(header) = expected {
            prop_assert_eq!(header.encode(), bytes);
        }
    }

    // SF-040
    #[test]
    fn counted_headers_are_read_as_bcs_reads_them(
        bytes in counted_header().prop_flat_map(|header| mutated(header.encode())),
    ) {
        let expected = counted_by_bcs(&bytes);
        prop_assert_eq!(CountedHeader::decode(&bytes).ok(), expected);
        if let Some(header) = expected {
            prop_assert_eq!(header.encode(), bytes);
        }
    }

    #[test]
    fn sizes_are_known_without_writing(content in content()) {
        let encoded = content.encode();
        let lengths = content.rows().map(|(_, record)| record.encode().len());
        prop_assert_eq!(size(&content.header, lengths), encoded.sink.len() as u64);
        prop_assert_eq!(encoded.size, encoded.sink.len() as u64);
        prop_assert!(max_size(content.framing(), &content.counts()) >= encoded.size);
        let mut encoder =
            begin(&content.header, content.counts(), CountingSink::default()).unwrap();
        for (key, record) in content.rows() {
            encoder.record(key, record).unwrap();
        }
        let counted = encoder.finish().unwrap();
        prop_assert_eq!(counted.sink.bytes, encoded.size);
        prop_assert_eq!(counted.digest, encoded.digest);
    }

    #[test]
    fn how_entries_are_cut_into_blocks_does_not_matter(
        content in content(),
        mut runs in vec((0..4_usize, any::<bool>()), 1..8),
    ) {
        let mut encoder = begin(&content.header, content.counts(), Vec::new()).unwrap();
        // Empty runs too, but not for ever.
        runs.push((1, true));
        let mut runs = runs.iter().cycle();
        for table in content.framing().tables() {
            let mut rows = content.tables[table].as_slice();
            while !rows.is_empty() {
                let &(len, as_block) = runs.next().unwrap();
                let (run, rest) = rows.split_at(len.min(rows.len()));
                append(&mut encoder, table, run, as_block).unwrap();
                rows = rest;
            }
        }
        let encoded = encoder.finish().unwrap();
        let expected = content.encode();
        prop_assert_eq!(encoded.sink, expected.sink);
        prop_assert_eq!(encoded.digest, expected.digest);
    }

    // SF-093: an encoder refuses exactly what a decoder would reject.
    #[test]
    fn the_encoder_refuses_what_the_decoder_rejects(
        header in common::strategies::header(),
        rows in vec(loose_row(), 0..5),
        sort in any::<bool>(),
        short in any::<bool>(),
    ) {
        let framing = header.framing();
        let mut rows = rows;
        rows.sort_by_key(|(table, _, _)| framing.tag(*table));
        if sort {
            rows.sort_by_key(|(table, key, _)| (framing.tag(*table), key.clone()));
        }
        // Sometimes the counts given in advance are one short.
        let less = |table: Table| u64::from(short && table == Table::StoragePoolInfo);
        let counts = PerTable::from_fn(|table| {
            let count = rows.iter().filter(|row| row.0 == table).count() as u64;
            count.saturating_sub(less(table))
        });
        let framed = frame(&header, &counts, &rows);
        match encode_rows(&header, counts, &rows) {
            Ok(bytes) => {
                prop_assert_eq!(&bytes, &framed);
                prop_assert!(decode(&bytes).is_ok());
            }
            Err(_refused) => prop_assert!(decode(&framed).is_err()),
        }
    }
}

/// The ULEB128 number in front of `bytes`, if it is minimal and fits into 32 bits.
fn minimal_uleb128(bytes: &[u8]) -> Option<u32> {
    let len = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let digits = bytes.get(..len).filter(|digits| digits.len() <= 5)?;
    let minimal = len == 1 || digits.last() != Some(&0);
    let number = digits
        .iter()
        .rfold(0_u64, |number, byte| number << 7 | u64::from(byte & 0x7f));
    u32::try_from(number).ok().filter(|_| minimal)
}

type Rows = [(ObjectId, Record)];

fn append(
    encoder: &mut Encoder<Vec<u8>>,
    table: Table,
    rows: &Rows,
    as_block: bool,
) -> Result<(), Refused> {
    if !as_block {
        for (key, record) in rows {
            encoder.record(key, record)?;
        }
        return Ok(());
    }
    let mut block = EntryBlock::new(encoder.framing(), table);
    for (key, record) in rows {
        block.push(key.as_bytes(), &record.encode())?;
    }
    encoder.append(&block)
}

/// An entry that may be good for nothing: a key of any length, a value that was changed.
fn loose_row() -> impl Strategy<Value = (Table, Vec<u8>, Vec<u8>)> {
    let key = prop_oneof![
        12 => any::<u8>().prop_map(|byte| vec![byte; 32]),
        1 => vec(any::<u8>(), 0..40),
    ];
    table().prop_flat_map(move |table| {
        let sound = record(table).prop_map(|record| record.encode());
        let changed = record(table).prop_flat_map(|record| mutated(record.encode()));
        let value = prop_oneof![4 => sound, 1 => changed];
        (Just(table), key.clone(), value)
    })
}

type LooseRow = (Table, Vec<u8>, Vec<u8>);

fn encode_rows(
    header: &Header,
    counts: PerTable<u64>,
    rows: &[LooseRow],
) -> Result<Vec<u8>, Refused> {
    let mut encoder = begin(header, counts, Vec::new())?;
    for (table, key, value) in rows {
        encoder.entry(*table, key, value)?;
    }
    encoder.finish().map(|encoded| encoded.sink)
}

/// The bytes of `docs/format.md` around rows that nobody checks.
fn frame(header: &Header, counts: &PerTable<u64>, rows: &[LooseRow]) -> Vec<u8> {
    let framing = header.framing();
    let mut file = Vec::new();
    let length = |file: &mut Vec<u8>, len: usize| match framing {
        Framing::Sealed => file.extend((len as u32).to_be_bytes()),
        // Nothing here is as long as 128 bytes but values that were changed.
        Framing::Counted if len < 0x80 => file.push(len as u8),
        Framing::Counted => file.extend([len as u8 | 0x80, (len >> 7) as u8]),
    };
    file.extend(limits::MAGIC.to_be_bytes());
    file.extend(limits::VERSION.to_be_bytes());
    let header = header.encode();
    length(&mut file, header.len());
    file.extend(&header);
    for table in framing.tables() {
        file.push(framing.tag(table));
        let rows: Vec<_> = rows.iter().filter(|row| row.0 == table).collect();
        if framing == Framing::Counted {
            file.extend(counts[table].to_be_bytes());
        }
        for (_, key, value) in &rows {
            if framing == Framing::Sealed {
                file.push(1);
            }
            length(&mut file, key.len());
            file.extend(key);
            length(&mut file, value.len());
            file.extend(value);
        }
        if framing == Framing::Sealed {
            file.push(0);
            file.extend((rows.len() as u64).to_be_bytes());
        }
    }
    if framing == Framing::Sealed {
        let mut hash = twox_hash::XxHash64::with_seed(0);
        hash.write(&file);
        file.extend(hash.finish().to_be_bytes());
    }
    file
}
