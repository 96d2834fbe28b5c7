//! Damaged preambles and headers.

use anyhow::Result;

use super::{Cases, at, verdict};
use crate::golden::mutant::Place;

const HEADER: &[&str] = &["SF-073", "SF-040"];
const CHUNK: &[&str] = &["SF-073", "SF-041"];
const LIMIT: &[&str] = &["SF-079"];
const ULEB128: &[&str] = &["SF-082", "SF-031"];

/// The field that every header begins with.
const START: &str = "header.epoch";
const LEN: &str = "header.header_len";

pub(super) fn add(cases: &mut Cases<'_>) -> Result<()> {
    preamble(cases)?;
    length(cases)?;
    ends(cases)?;
    digest_length(cases)?;
    if cases.is_sealed() {
        sealed_lengths(cases)?;
        event_option(cases)?;
        chunks(cases)
    } else {
        counted_lengths(cases)?;
        variant(cases)
    }
}

fn preamble(cases: &mut Cases<'_>) -> Result<()> {
    let magics: [(&str, &str, &[u8]); 2] = [
        (
            "magic-bit",
            "a magic with one bit wrong",
            &[0xb1, 0x0b, 0x1f, 0x04],
        ),
        (
            "magic-reversed",
            "a little-endian magic",
            &[0x05, 0x1f, 0x0b, 0xb1],
        ),
    ];
    for (name, about, magic) in magics {
        let mutant = cases.typical()?.set("preamble.magic", magic);
        let verdict = verdict("WrongMagic", at("preamble.magic"), &["SF-071"]);
        cases.add(mutant, name, about, verdict)?;
    }
    let versions: [(&str, &str, u32); 3] = [
        ("version-0", "a version before the first", 0),
        ("version-2", "a version that is not known", 2),
        ("version-reversed", "a little-endian version", 0x0100_0000),
    ];
    for (name, about, version) in versions {
        let mutant = cases
            .typical()?
            .set("preamble.version", &version.to_be_bytes());
        let verdict = verdict("UnknownVersion", at("preamble.version"), &["SF-072"]);
        cases.add(mutant, name, about, verdict)?;
    }
    Ok(())
}

fn length(cases: &mut Cases<'_>) -> Result<()> {
    let mutant = cases.typical()?.set(LEN, &cases.length(1025));
    cases.add(
        mutant,
        "header-length-1025",
        "a header one byte longer than any may be",
        verdict("LengthLimit", at(LEN), LIMIT),
    )?;
    let mutant = cases.typical()?;
    let header = mutant.between(START, Some("per_object_blob_info.tag"))?;
    let mut padded = header.to_vec();
    padded.resize(1024, 0);
    let mutant =
        mutant
            .set(LEN, &cases.length(1024))
            .replace(START, "per_object_blob_info.tag", &padded);
    cases.add(
        mutant,
        "header-1024-bytes",
        "a header as long as any may be, with zeros behind its last field",
        verdict("InvalidHeader/TrailingBytes", at(START), HEADER),
    )
}

/// One byte too few and one too many, the length being that of the bytes.
fn ends(cases: &mut Cases<'_>) -> Result<()> {
    let last = if cases.is_sealed() {
        "header.chunk_count"
    } else {
        "header.next_event_index"
    };
    let mutant = cases.typical()?;
    let len = mutant
        .between(START, Some("per_object_blob_info.tag"))?
        .len() as u32;
    let mut bytes = mutant.bytes(last)?.to_vec();
    bytes.push(0);
    cases.add(
        mutant.set(LEN, &cases.length(len + 1)).set(last, &bytes),
        "header-trailing-byte",
        "a byte behind the last field of the header, and counted in its length",
        verdict("InvalidHeader/TrailingBytes", at(START), HEADER),
    )?;
    bytes.truncate(bytes.len() - 2);
    let mutant = cases
        .typical()?
        .set(LEN, &cases.length(len - 1))
        .set(last, &bytes);
    cases.add(
        mutant,
        "header-short",
        "a header without the last byte of its last field",
        verdict("InvalidHeader/TooShort", at(START), HEADER),
    )
}

fn digest_length(cases: &mut Cases<'_>) -> Result<()> {
    let base = if cases.is_sealed() {
        "with-cursor"
    } else {
        "typical"
    };
    for (name, len) in [
        ("header-digest-31-bytes", 31),
        ("header-digest-33-bytes", 33),
    ] {
        let mutant = cases.base(base)?;
        let header = mutant
            .between(START, Some("per_object_blob_info.tag"))?
            .len() as u32;
        let mut digest = mutant.bytes("header.tx_digest")?.to_vec();
        digest.resize(len as usize, 0xf4);
        let mutant = mutant
            .set(LEN, &cases.length(header + len - 32))
            .set("header.tx_digest.len", &[len as u8])
            .set("header.tx_digest", &digest);
        cases.add(
            mutant,
            name,
            "a transaction digest of another length than 32 bytes",
            verdict("InvalidHeader/InvalidDigestLength", at(START), HEADER),
        )?;
    }
    Ok(())
}

fn sealed_lengths(cases: &mut Cases<'_>) -> Result<()> {
    cases.add(
        cases.typical()?.set(LEN, &[0x00, 0xff, 0xff, 0xff]),
        "header-length-16-mib-less-one",
        "the longest header that byte 8 lets pass for the sealed framing",
        verdict("LengthLimit", at(LEN), LIMIT),
    )?;
    cases.add(
        cases.typical()?.set(LEN, &[0x01, 0x00, 0x00, 0x00]),
        "header-length-16-mib",
        "byte 8 makes this the counted framing, with a header of one byte",
        verdict(
            "InvalidHeader/TooShort",
            Place::Within(LEN.to_owned(), 1),
            &["SF-073", "SF-010"],
        ),
    )?;
    cases.add(
        cases.typical()?.set(LEN, &[0xff, 0xff, 0xff, 0xff]),
        "header-length-4-gib",
        "byte 8 makes this the counted framing, with a length of more than 32 bits",
        verdict("OversizedUleb128", at(LEN), &["SF-082", "SF-010"]),
    )?;
    cases.add(
        cases.typical()?.set(LEN, &[0x00, 0x00, 0x00, 0x00]),
        "header-length-0",
        "a header without bytes",
        verdict("InvalidHeader/TooShort", at(START), HEADER),
    )
}

fn counted_lengths(cases: &mut Cases<'_>) -> Result<()> {
    let limits: [(&str, &str, &[u8]); 2] = [
        (
            "header-length-16-mib",
            "a header of 16 MiB",
            &[0x80, 0x80, 0x80, 0x08],
        ),
        (
            "header-length-4-gib",
            "the longest header that 32 bits can say",
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
        ),
    ];
    for (name, about, bytes) in limits {
        let mutant = cases.typical()?.set(LEN, bytes);
        cases.add(mutant, name, about, verdict("LengthLimit", at(LEN), LIMIT))?;
    }
    cases.add(
        cases.typical()?.set(LEN, &[0x00]),
        "header-length-0",
        "byte 8 makes this the sealed framing, with a header of more than 1 MiB",
        verdict("LengthLimit", at(LEN), &["SF-079", "SF-010"]),
    )?;
    let lengths: [(&str, &str, &str, &[u8]); 3] = [
        (
            "header-length-not-minimal",
            "a length with a superfluous byte",
            "NonMinimalUleb128",
            &[0xb6, 0x00],
        ),
        (
            "header-length-33-bits",
            "a length that does not fit into 32 bits",
            "OversizedUleb128",
            &[0xb6, 0x80, 0x80, 0x80, 0x10],
        ),
        (
            "header-length-six-bytes",
            "a length of more bytes than 32 bits take",
            "OversizedUleb128",
            &[0xb6, 0x80, 0x80, 0x80, 0x80, 0x00],
        ),
    ];
    for (name, about, error, bytes) in lengths {
        let mutant = cases.typical()?.set(LEN, bytes);
        cases.add(mutant, name, about, verdict(error, at(LEN), ULEB128))?;
    }
    Ok(())
}

fn event_option(cases: &mut Cases<'_>) -> Result<()> {
    let tag = "header.event_cursor.event_id";
    cases.add(
        cases.base("with-cursor")?.set(tag, &[2]),
        "header-option-2",
        "an option tag that is neither 0 nor 1",
        verdict("InvalidHeader/InvalidOptionTag", at(START), HEADER),
    )?;
    cases.add(
        cases.base("with-cursor")?.set(tag, &[0]),
        "header-option-without-tag",
        "an event ID behind an option tag that says there is none",
        verdict("InvalidHeader/TrailingBytes", at(START), HEADER),
    )?;
    cases.add(
        cases.typical()?.set(tag, &[1]),
        "header-option-without-event",
        "an option tag that promises an event ID, and none behind it",
        verdict("InvalidHeader/InvalidDigestLength", at(START), HEADER),
    )
}

fn chunks(cases: &mut Cases<'_>) -> Result<()> {
    let (index, count) = ("header.chunk_index", "header.chunk_count");
    cases.add(
        cases.typical()?.set(count, &0_u32.to_le_bytes()),
        "chunk-0-of-0",
        "no chunks at all",
        verdict("InvalidHeader/Invalid", at(START), CHUNK),
    )?;
    cases.add(
        cases.typical()?.set(index, &1_u32.to_le_bytes()),
        "chunk-1-of-1",
        "a chunk index that is the chunk count",
        verdict("InvalidHeader/Invalid", at(START), CHUNK),
    )?;
    cases.add(
        cases.base("chunk")?.set(index, &3_u32.to_le_bytes()),
        "chunk-3-of-3",
        "a chunk index that is the chunk count",
        verdict("InvalidHeader/Invalid", at(START), CHUNK),
    )
}

fn variant(cases: &mut Cases<'_>) -> Result<()> {
    let field = "header.variant";
    cases.add(
        cases.typical()?.set(field, &[1]),
        "header-variant-1",
        "a cursor of a version that is not known",
        verdict("InvalidHeader/UnknownVariant", at(START), HEADER),
    )?;
    cases.add(
        cases.typical()?.set(LEN, &[55]).set(field, &[0x80, 0x00]),
        "header-variant-not-minimal",
        "the cursor's version with a superfluous byte",
        verdict("InvalidHeader/InvalidVariantIndex", at(START), HEADER),
    )
}
