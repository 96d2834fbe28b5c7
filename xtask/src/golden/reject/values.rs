//! Values that are not the canonical BCS of a known variant, each under a length that fits it.

use anyhow::Result;
use snapshot_format::Table;

use super::{Cases, at, short, verdict};
use crate::golden::mutant::{Mutant, Place};

const VALUE: &[&str] = &["SF-080", "SF-060"];
const VARIANT: &[&str] = &["SF-080", "SF-061"];
const UNKNOWN: &[&str] = &["SF-081", "SF-061"];

pub(super) fn add(cases: &mut Cases<'_>) -> Result<()> {
    for table in cases.tables() {
        ends(cases, table)?;
        variants(cases, table)?;
    }
    for table in [Table::PerObjectBlobInfo, Table::PerObjectPooledBlobInfo] {
        options(cases, table)?;
        digests(cases, table)?;
    }
    booleans(cases)
}

/// The last field of a value.
fn last_field(table: Table) -> &'static str {
    match table {
        Table::PerObjectBlobInfo => "deleted",
        Table::PerObjectPooledBlobInfo => "event.event_seq",
        Table::StoragePoolInfo => "end_epoch",
    }
}

/// The first entry's value with one field replaced, and its length made to fit.
fn fitted<'a>(cases: &Cases<'a>, table: Table, field: &str, bytes: &[u8]) -> Result<Mutant<'a>> {
    let mutant = cases.typical()?;
    let field = format!("{table}[0].{field}");
    let new_len = value_len(cases, &mutant, table)? + bytes.len() - mutant.bytes(&field)?.len();
    let len = cases.length(new_len as u32);
    Ok(mutant
        .set(&format!("{table}[0].value_len"), &len)
        .set(&field, bytes))
}

/// Length of the first entry's value.
fn value_len(cases: &Cases<'_>, mutant: &Mutant<'_>, table: Table) -> Result<usize> {
    let next = if cases.is_sealed() {
        "marker"
    } else {
        "key_len"
    };
    let value = mutant.between(
        &format!("{table}[0].variant"),
        Some(&format!("{table}[1].{next}")),
    )?;
    Ok(value.len())
}

fn ends(cases: &mut Cases<'_>, table: Table) -> Result<()> {
    let variant = format!("{table}[0].variant");
    let name = |what: &str| format!("{}-{what}", short(table));
    let last = last_field(table);
    let bytes = cases
        .typical()?
        .bytes(&format!("{table}[0].{last}"))?
        .to_vec();
    let longer = [bytes.as_slice(), &[0]].concat();
    let shorter = bytes.split_last().map_or(&[] as &[u8], |(_, head)| head);
    cases.add(
        fitted(cases, table, last, shorter)?,
        &name("short"),
        "a value without its last byte",
        verdict("InvalidValue/TooShort", at(&variant), VALUE),
    )?;
    cases.add(
        fitted(cases, table, last, &longer)?,
        &name("trailing-byte"),
        "a byte behind the last field of a value",
        verdict("InvalidValue/TrailingBytes", at(&variant), VALUE),
    )?;
    let mutant = cases.typical()?;
    let len = value_len(cases, &mutant, table)?;
    let mut padded = bytes.clone();
    padded.resize(bytes.len() + 1024 - len, 0);
    cases.add(
        fitted(cases, table, last, &padded)?,
        &name("1024-bytes"),
        "a value as long as any may be, with zeros behind its last field",
        verdict("InvalidValue/TrailingBytes", at(&variant), VALUE),
    )?;
    let value_len = format!("{table}[0].value_len");
    cases.add(
        mutant
            .clone()
            .set(&value_len, &cases.length(len as u32 + 1)),
        &name("length-off-by-one"),
        "a value's length that takes in the first byte behind it",
        verdict("InvalidValue/TrailingBytes", at(&variant), VALUE),
    )?;
    let next = if cases.is_sealed() {
        "marker"
    } else {
        "key_len"
    };
    let zero = cases.length(0);
    cases.add(
        mutant
            .set(&value_len, &zero)
            .replace(&variant, &format!("{table}[1].{next}"), &[]),
        &name("empty"),
        "a value without bytes",
        verdict(
            "InvalidValue/TooShort",
            Place::Within(value_len, zero.len()),
            VALUE,
        ),
    )
}

fn variants(cases: &mut Cases<'_>, table: Table) -> Result<()> {
    type Row = (
        &'static str,
        &'static str,
        &'static str,
        &'static [&'static str],
        &'static [u8],
    );
    let rows: [Row; 6] = [
        (
            "variant-1",
            "a variant that is not known",
            "UnknownVariant",
            UNKNOWN,
            &[1],
        ),
        (
            "variant-128",
            "a variant that is not known, of two bytes",
            "UnknownVariant",
            UNKNOWN,
            &[0x80, 0x01],
        ),
        (
            "variant-maximal",
            "the highest variant there can be",
            "UnknownVariant",
            UNKNOWN,
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
        ),
        (
            "variant-not-minimal",
            "a known variant with a superfluous byte",
            "InvalidValue/InvalidVariantIndex",
            VARIANT,
            &[0x80, 0x00],
        ),
        (
            "variant-33-bits",
            "a variant that does not fit into 32 bits",
            "InvalidValue/InvalidVariantIndex",
            VARIANT,
            &[0x80, 0x80, 0x80, 0x80, 0x10],
        ),
        (
            "variant-six-bytes",
            "a variant of more bytes than 32 bits take",
            "InvalidValue/InvalidVariantIndex",
            VARIANT,
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        ),
    ];
    let variant = format!("{table}[0].variant");
    for (name, about, error, ids, bytes) in rows {
        let name = format!("{}-{name}", short(table));
        let mutant = fitted(cases, table, "variant", bytes)?;
        cases.add(mutant, &name, about, verdict(error, at(&variant), ids))?;
    }
    let next = if cases.is_sealed() {
        "marker"
    } else {
        "key_len"
    };
    let mutant = cases
        .typical()?
        .set(&format!("{table}[0].value_len"), &cases.length(1))
        .replace(&variant, &format!("{table}[1].{next}"), &[0x80]);
    cases.add(
        mutant,
        &format!("{}-variant-cut", short(table)),
        "a value that ends within its variant",
        verdict("InvalidValue/TooShort", at(&variant), VARIANT),
    )
}

fn options(cases: &mut Cases<'_>, table: Table) -> Result<()> {
    let name = |what: &str| format!("{}-{what}", short(table));
    let tag = |entry: u8| format!("{table}[{entry}].certified_epoch");
    cases.add(
        cases.typical()?.set(&tag(0), &[2]),
        &name("option-2"),
        "an option tag that is neither 0 nor 1",
        verdict(
            "InvalidValue/InvalidOptionTag",
            at(format!("{table}[0].variant")),
            VALUE,
        ),
    )?;
    // The fields behind the tag are read four bytes off, until one of them cannot be.
    let error = match table {
        Table::PerObjectBlobInfo => "InvalidValue/InvalidBool",
        _ => "InvalidValue/InvalidDigestLength",
    };
    cases.add(
        cases.typical()?.set(&tag(0), &[0]),
        &name("option-without-tag"),
        "an epoch behind an option tag that says there is none",
        verdict(error, at(format!("{table}[0].variant")), VALUE),
    )?;
    cases.add(
        cases.typical()?.set(&tag(1), &[1]),
        &name("option-without-epoch"),
        "an option tag that promises an epoch, and none behind it",
        verdict(error, at(format!("{table}[1].variant")), VALUE),
    )
}

fn digests(cases: &mut Cases<'_>, table: Table) -> Result<()> {
    for len in [31_u8, 33] {
        let digest = format!("{table}[0].event.tx_digest");
        let mutant = cases.typical()?;
        let mut bytes = mutant.bytes(&digest)?.to_vec();
        bytes.resize(usize::from(len), 0);
        let mutant = fitted(cases, table, "event.tx_digest", &bytes)?;
        cases.add(
            mutant.set(&format!("{digest}.len"), &[len]),
            &format!("{}-digest-{len}-bytes", short(table)),
            "a transaction digest of another length than 32 bytes",
            verdict(
                "InvalidValue/InvalidDigestLength",
                at(format!("{table}[0].variant")),
                VALUE,
            ),
        )?;
    }
    Ok(())
}

fn booleans(cases: &mut Cases<'_>) -> Result<()> {
    for (field, byte) in [("deletable", 0x02), ("deletable", 0xff), ("deleted", 0x02)] {
        cases.add(
            cases
                .typical()?
                .set(&format!("per_object_blob_info[0].{field}"), &[byte]),
            &format!("object-{field}-{byte}"),
            "a boolean that is neither 0 nor 1",
            verdict(
                "InvalidValue/InvalidBool",
                at("per_object_blob_info[0].variant"),
                VALUE,
            ),
        )?;
    }
    Ok(())
}
