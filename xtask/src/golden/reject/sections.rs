//! Sections that are missing, in another order, or say wrong counts.

use anyhow::Result;
use snapshot_format::Table;

use super::{Cases, at, short, verdict};
use crate::golden::mutant::{Mutant, Place};

const TAG: &[&str] = &["SF-074"];
const COUNT: &[&str] = &["SF-076"];

pub(super) fn add(cases: &mut Cases<'_>) -> Result<()> {
    for (index, table) in (1_u8..).zip(cases.tables()) {
        let tag = format!("{table}.tag");
        cases.add(
            cases.typical()?.set(&tag, &[index + 1]),
            &format!("tag-{}", short(table)),
            "a section with the tag of the one after it",
            verdict("WrongTag", at(&tag), TAG),
        )?;
    }
    missing(cases)?;
    moved(cases)?;
    if cases.is_sealed() {
        markers(cases)?;
        sealed_counts(cases)
    } else {
        counted_counts(cases)
    }
}

/// Where a section begins, and what begins behind it, if anything does.
fn bounds(cases: &Cases<'_>, table: Table) -> (String, Option<String>) {
    let mut behind = cases
        .tables()
        .into_iter()
        .skip_while(|other| *other != table)
        .skip(1);
    let next = match behind.next() {
        Some(next) => Some(format!("{next}.tag")),
        None => cases.is_sealed().then(|| "trailer.checksum".to_owned()),
    };
    (format!("{table}.tag"), next)
}

fn missing(cases: &mut Cases<'_>) -> Result<()> {
    for table in cases.tables() {
        let name = format!("section-missing-{}", short(table));
        let about = "a file without one of its sections";
        match bounds(cases, table) {
            (from, Some(to)) => cases.add(
                cases.typical()?.replace(&from, &to, &[]),
                &name,
                about,
                verdict("WrongTag", Place::Edit, TAG),
            )?,
            (from, None) => cases.add(
                cases.typical()?.cut(&from, 0),
                &name,
                about,
                verdict("UnexpectedEnd", Place::Cut(from), &["SF-083"]),
            )?,
        }
    }
    Ok(())
}

fn moved(cases: &mut Cases<'_>) -> Result<()> {
    let [first, second, third] = cases.tables();
    let section = |cases: &Cases<'_>, table| -> Result<Vec<u8>> {
        let (from, to) = bounds(cases, table);
        Ok(cases.typical()?.between(&from, to.as_deref())?.to_vec())
    };
    let (one, two, three) = (
        section(cases, first)?,
        section(cases, second)?,
        section(cases, third)?,
    );
    let second_tag = format!("{second}.tag");
    cases.add(
        cases.typical()?.insert(&second_tag, &one),
        "section-repeated",
        "the first section twice",
        verdict("WrongTag", Place::Edit, TAG),
    )?;
    let swapped = [three.as_slice(), two.as_slice()].concat();
    let replaced = replace_from(cases, &second_tag, &swapped)?;
    cases.add(
        replaced,
        "sections-swapped",
        "the second and third section in the order of the other framing, tags included",
        verdict("WrongTag", at(&second_tag), TAG),
    )?;
    let retagged: Vec<u8> = [&[2], three.split_at(1).1, &[3], two.split_at(1).1].concat();
    let (error, value, ids): (_, _, &[&str]) = if cases.is_sealed() {
        (
            "InvalidValue/TooShort",
            1 + 1 + 4 + 32 + 4,
            &["SF-080", "SF-020"],
        )
    } else {
        (
            "InvalidValue/TrailingBytes",
            1 + 8 + 1 + 32 + 1,
            &["SF-080", "SF-030"],
        )
    };
    let replaced = replace_from(cases, &second_tag, &retagged)?;
    cases.add(
        replaced,
        "sections-of-the-other-framing",
        "the second and third section in the order of the other framing, under the tags of this one",
        verdict(error, Place::Within(second_tag, value), ids),
    )
}

/// Replaces the sections from `tag` on.
fn replace_from<'a>(cases: &Cases<'a>, tag: &str, bytes: &[u8]) -> Result<Mutant<'a>> {
    let mutant = cases.typical()?;
    Ok(if cases.is_sealed() {
        mutant.replace(tag, "trailer.checksum", bytes)
    } else {
        mutant.replace_to_end(tag, bytes)
    })
}

fn markers(cases: &mut Cases<'_>) -> Result<()> {
    let [first, ..] = cases.tables();
    let fields = [
        ("marker-2", format!("{first}[0].marker"), 0x02),
        ("marker-255", format!("{first}[1].marker"), 0xff),
        ("marker-at-end", format!("{first}.end"), 0x02),
    ];
    for (name, field, byte) in fields {
        cases.add(
            cases.typical()?.set(&field, &[byte]),
            name,
            "a marker that is neither an entry nor the end of the section",
            verdict("UnknownMarker", at(&field), &["SF-075"]),
        )?;
    }
    let field = format!("{first}[1].marker");
    cases.add(
        cases.typical()?.remove(&field),
        "marker-missing",
        "without the marker, the key's length passes for the end of the section",
        verdict("CountMismatch", Place::Within(field, 1), COUNT),
    )
}

fn sealed_counts(cases: &mut Cases<'_>) -> Result<()> {
    for table in cases.tables() {
        let field = format!("{table}.count");
        for (name, count) in [("small", 1_u64), ("large", 3)] {
            cases.add(
                cases.typical()?.set(&field, &count.to_be_bytes()),
                &format!("count-too-{name}-{}", short(table)),
                "a count that is not the number of entries",
                verdict("CountMismatch", at(&field), COUNT),
            )?;
        }
    }
    let field = "per_object_blob_info.count";
    let others = [
        ("count-maximal", "the highest count there is", u64::MAX),
        (
            "count-reversed",
            "a little-endian count",
            2_u64.swap_bytes(),
        ),
    ];
    for (name, about, count) in others {
        let mutant = cases.typical()?.set(field, &count.to_be_bytes());
        cases.add(
            mutant,
            name,
            about,
            verdict("CountMismatch", at(field), COUNT),
        )?;
    }
    cases.add(
        cases.base("empty")?.set(field, &1_u64.to_be_bytes()),
        "count-of-nothing",
        "an empty section that counts one entry",
        verdict("CountMismatch", at(field), COUNT),
    )
}

fn counted_counts(cases: &mut Cases<'_>) -> Result<()> {
    let [first, second, third] = cases.tables();
    let small = "a count below the number of entries";
    let large = "a count above the number of entries";
    let next = [
        (first, Some(second), "WrongTag", TAG),
        (second, Some(third), "WrongTag", TAG),
        (third, None, "TrailingBytes", &["SF-084"]),
    ];
    for (table, next, error, ids) in next {
        let second_entry = Place::Taken {
            field: format!("{table}[1].key_len"),
            section: next.map_or("end", Table::name),
        };
        cases.add(
            cases
                .typical()?
                .set(&format!("{table}.count"), &1_u64.to_be_bytes()),
            &format!("count-too-small-{}", short(table)),
            small,
            verdict(error, second_entry, ids),
        )?;
        for (name, count) in [("too-large", 3), ("maximal", u64::MAX)] {
            let (error, place, ids): (_, _, &[&str]) = match next {
                Some(next) => {
                    let (field, section) = (format!("{next}.tag"), table.name());
                    ("KeyLength", Place::Taken { field, section }, &["SF-078"])
                }
                None => ("UnexpectedEnd", Place::Cut(table.to_string()), &["SF-083"]),
            };
            cases.add(
                cases
                    .typical()?
                    .set(&format!("{table}.count"), &count.to_be_bytes()),
                &format!("count-{name}-{}", short(table)),
                large,
                verdict(error, place, ids),
            )?;
        }
    }
    Ok(())
}
