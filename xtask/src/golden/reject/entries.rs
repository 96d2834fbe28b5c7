//! Keys out of order, and keys and values of wrong lengths.

use anyhow::Result;

use super::{Cases, at, short, verdict};

const ORDER: &[&str] = &["SF-077"];
const KEY: &[&str] = &["SF-078"];
const LIMIT: &[&str] = &["SF-079"];
const ULEB128: &[&str] = &["SF-082", "SF-031"];

const KEY_LEN: &str = "per_object_blob_info[0].key_len";
const VALUE_LEN: &str = "per_object_blob_info[0].value_len";

pub(super) fn add(cases: &mut Cases<'_>) -> Result<()> {
    order(cases)?;
    keys(cases)?;
    lengths(cases)?;
    if cases.is_sealed() {
        Ok(())
    } else {
        uleb128(cases)
    }
}

fn order(cases: &mut Cases<'_>) -> Result<()> {
    for table in cases.tables() {
        let (first, second) = (format!("{table}[0].key"), format!("{table}[1].key"));
        let mutant = cases.typical()?;
        let (low, high) = (mutant.bytes(&first)?, mutant.bytes(&second)?);
        cases.add(
            mutant.clone().set(&second, low),
            &format!("keys-equal-{}", short(table)),
            "a key that is the one before it",
            verdict("KeysNotIncreasing", at(&second), ORDER),
        )?;
        cases.add(
            mutant.set(&first, high).set(&second, low),
            &format!("keys-descending-{}", short(table)),
            "a key below the one before it",
            verdict("KeysNotIncreasing", at(&second), ORDER),
        )?;
    }
    Ok(())
}

/// Keys of another length, which the length in front of them says.
fn keys(cases: &mut Cases<'_>) -> Result<()> {
    for len in [0, 31, 33, 1024] {
        let field = "per_object_blob_info[0].key";
        let mutant = cases.typical()?;
        let mut key = mutant.bytes(field)?.to_vec();
        key.resize(len, 0);
        cases.add(
            mutant
                .set(KEY_LEN, &cases.length(len as u32))
                .set(field, &key),
            &format!("key-{len}-bytes"),
            "a key that does not have 32 bytes",
            verdict("KeyLength", at(KEY_LEN), KEY),
        )?;
    }
    Ok(())
}

/// Lengths that claim what is not there.
fn lengths(cases: &mut Cases<'_>) -> Result<()> {
    for (what, field) in [("key", KEY_LEN), ("value", VALUE_LEN)] {
        for (name, len) in [("1025", 1025), ("4-gib", u32::MAX)] {
            cases.add(
                cases.typical()?.set(field, &cases.length(len)),
                &format!("{what}-length-{name}"),
                "a length above 1 KiB",
                verdict("LengthLimit", at(field), LIMIT),
            )?;
        }
    }
    Ok(())
}

fn uleb128(cases: &mut Cases<'_>) -> Result<()> {
    for (what, field) in [("key", KEY_LEN), ("value", VALUE_LEN)] {
        let mutant = cases.typical()?;
        let low = mutant
            .bytes(field)?
            .iter()
            .fold(0x80, |low, byte| low | byte);
        let numbers: [(&str, &str, &str, &[u8]); 3] = [
            (
                "not-minimal",
                "a length with a superfluous byte",
                "NonMinimalUleb128",
                &[low, 0x00],
            ),
            (
                "33-bits",
                "a length that does not fit into 32 bits",
                "OversizedUleb128",
                &[low, 0x80, 0x80, 0x80, 0x10],
            ),
            (
                "six-bytes",
                "a length of more bytes than 32 bits take",
                "OversizedUleb128",
                &[low, 0x80, 0x80, 0x80, 0x80, 0x00],
            ),
        ];
        for (name, about, error, bytes) in numbers {
            cases.add(
                mutant.clone().set(field, bytes),
                &format!("{what}-length-{name}"),
                about,
                verdict(error, at(field), ULEB128),
            )?;
        }
    }
    Ok(())
}
