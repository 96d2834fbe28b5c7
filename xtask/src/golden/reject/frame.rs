//! Files that end early or late, and wrong checksums.

use anyhow::{Context as _, Result};

use super::{Cases, at, verdict};
use crate::golden::mutant::Place;

const END: &[&str] = &["SF-083"];
const BEHIND: &[&str] = &["SF-084"];
const CHECKSUM: &[&str] = &["SF-085"];

pub(super) fn add(cases: &mut Cases<'_>) -> Result<()> {
    let places = if cases.is_sealed() { SEALED } else { COUNTED };
    for (name, field, keep) in COMMON.iter().chain(places) {
        cases.add(
            cases.typical()?.cut(field, *keep),
            &format!("cut-{name}"),
            "a file that ends early",
            verdict("UnexpectedEnd", Place::Cut((*field).to_owned()), END),
        )?;
    }
    behind(cases)?;
    if cases.is_sealed() {
        checksums(cases)
    } else {
        Ok(())
    }
}

/// Name of the vector, field within which the file ends, and bytes that are left of the field.
type Cut = (&'static str, &'static str, usize);

const COMMON: &[Cut] = &[
    ("to-nothing", "preamble.magic", 0),
    ("in-magic", "preamble.magic", 2),
    ("in-version", "preamble.version", 3),
    ("before-header-length", "header.header_len", 0),
    ("before-header", "header.epoch", 0),
    ("in-header", "header.epoch", 2),
    ("before-first-section", "per_object_blob_info.tag", 0),
    ("in-count", "per_object_blob_info.count", 3),
    ("before-key-length", "per_object_blob_info[0].key_len", 0),
    ("before-key", "per_object_blob_info[0].key", 0),
    ("in-key", "per_object_blob_info[0].key", 31),
    (
        "before-value-length",
        "per_object_blob_info[0].value_len",
        0,
    ),
    ("before-value", "per_object_blob_info[0].variant", 0),
    ("in-value", "per_object_blob_info[0].blob_id", 5),
    (
        "in-last-byte-of-value",
        "per_object_blob_info[0].deleted",
        0,
    ),
    ("before-count", "per_object_blob_info.count", 0),
    (
        "before-second-key-length",
        "per_object_blob_info[1].key_len",
        0,
    ),
];

const SEALED: &[Cut] = &[
    ("in-header-length", "header.header_len", 1),
    ("in-last-byte-of-header", "header.chunk_count", 3),
    ("before-first-entry", "per_object_blob_info[0].marker", 0),
    ("in-key-length", "per_object_blob_info[0].key_len", 2),
    ("in-value-length", "per_object_blob_info[0].value_len", 3),
    ("between-entries", "per_object_blob_info[1].marker", 0),
    ("before-end-of-section", "per_object_blob_info.end", 0),
    ("between-sections", "per_object_pooled_blob_info.tag", 0),
    ("before-last-section", "storage_pool_info.tag", 0),
    ("before-checksum", "trailer.checksum", 0),
    ("in-checksum", "trailer.checksum", 7),
];

const COUNTED: &[Cut] = &[
    ("in-last-byte-of-header", "header.next_event_index", 7),
    ("between-sections", "storage_pool_info.tag", 0),
    ("before-last-section", "per_object_pooled_blob_info.tag", 0),
    (
        "in-last-byte",
        "per_object_pooled_blob_info[1].event.event_seq",
        7,
    ),
];

fn behind(cases: &mut Cases<'_>) -> Result<()> {
    let whole = cases.typical()?.between("preamble.magic", None)?;
    let appended: [(&str, &str, &[u8]); 3] = [
        ("appended-0", "a zero byte behind the file", &[0x00]),
        ("appended-255", "a byte 0xff behind the file", &[0xff]),
        ("doubled", "the file twice", whole),
    ];
    for (name, about, bytes) in appended {
        let mutant = cases.typical()?.append(bytes);
        cases.add(
            mutant,
            name,
            about,
            verdict("TrailingBytes", Place::Behind, BEHIND),
        )?;
    }
    let about = "a fourth section";
    if cases.is_sealed() {
        // It stands where the checksum must, and cannot be one.
        let section = [4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mutant = cases.typical()?.insert("trailer.checksum", &section);
        cases.add(
            mutant,
            "fourth-section",
            about,
            verdict("ChecksumMismatch", Place::Edit, &["SF-085", "SF-020"]),
        )
    } else {
        let mutant = cases.typical()?.append(&[4, 0, 0, 0, 0, 0, 0, 0, 0]);
        cases.add(
            mutant,
            "fourth-section",
            about,
            verdict("TrailingBytes", Place::Behind, &["SF-084", "SF-030"]),
        )
    }
}

fn checksums(cases: &mut Cases<'_>) -> Result<()> {
    let field = "trailer.checksum";
    let mutant = cases.typical()?;
    let checksum: [u8; 8] = mutant.bytes(field)?.try_into().context("8 bytes")?;
    let checksum = u64::from_be_bytes(checksum);
    let wrong = [
        (
            "checksum-bit",
            "a checksum with one bit wrong",
            checksum ^ 1,
        ),
        (
            "checksum-reversed",
            "a little-endian checksum",
            checksum.swap_bytes(),
        ),
        ("checksum-0", "a checksum left blank", 0),
    ];
    for (name, about, checksum) in wrong {
        let mutant = mutant.clone().set(field, &checksum.to_be_bytes());
        cases.add(
            mutant.with_checksum_as_it_was(),
            name,
            about,
            verdict("ChecksumMismatch", at(field), CHECKSUM),
        )?;
    }
    let damaged = [
        ("damaged-epoch", "header.epoch", "an epoch"),
        ("damaged-key", "storage_pool_info[1].key", "a key"),
        (
            "damaged-value",
            "per_object_blob_info[1].end_epoch",
            "a value",
        ),
    ];
    for (name, damaged, what) in damaged {
        let mut bytes = mutant.bytes(damaged)?.to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= 0x80;
        }
        let mutant = mutant
            .clone()
            .set(damaged, &bytes)
            .with_checksum_as_it_was();
        cases.add(
            mutant,
            name,
            &format!("one bit of {what} wrong, which nothing but the checksum can tell"),
            verdict("ChecksumMismatch", at(field), CHECKSUM),
        )?;
    }
    Ok(())
}
