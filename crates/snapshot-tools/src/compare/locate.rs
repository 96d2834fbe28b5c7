//! Where two fingerprints of one table differ, as far as they tell.

use serde::Serialize;
use snapshot_format::{ObjectId, Record, Table};

use crate::fields::{FieldChange, changes};
use crate::fingerprint::{Fingerprint, Part, Prefix, RangePrint, RowPrint, ShortDigest, SubRange};
use crate::side::Sides;

/// Where two tables differ. `a` is the first group, `b` the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "snake_case")]
pub enum Located {
    /// The fingerprints do not look at the same range of the table.
    Unknown,
    /// They look at the same range, and there is nothing that differs in it.
    Elsewhere {
        /// The range.
        prefix: Prefix,
    },
    /// In these ranges of keys.
    Ranges {
        /// The range that they are parts of.
        prefix: Prefix,
        /// The ranges. (None are left if the digests of parts agree by chance, or were made to.)
        differing: Vec<RangeDifference>,
    },
    /// In the rows of these keys.
    Keys {
        /// Keys that one of them alone has.
        only: Sides<Vec<ObjectId>>,
        /// Keys whose rows differ.
        differ: Vec<ObjectId>,
    },
    /// In this row.
    Row {
        /// Its key.
        key: ObjectId,
        /// The fields that differ.
        fields: Vec<FieldChange>,
    },
}

/// A range of keys that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RangeDifference {
    /// What the keys begin with.
    pub prefix: Prefix,
    /// Rows.
    pub rows: Sides<u64>,
}

/// What two groups' fingerprints say about a table that differs, by the two that look closest.
pub(super) fn best(
    table: Table,
    first: &[(usize, &Fingerprint)],
    others: &[(usize, &Fingerprint)],
) -> Option<(Sides<usize>, Located)> {
    let pairs = first.iter().flat_map(|(a, one)| {
        others
            .iter()
            .map(move |(b, other)| (Sides { a: *a, b: *b }, *one, *other))
    });
    let located = pairs.map(|(inputs, one, other)| {
        let ranges = one.tables[table]
            .range
            .as_ref()
            .zip(other.tables[table].range.as_ref());
        let located = match ranges {
            Some((one, other)) if one.prefix == other.prefix => within(table, one, other),
            _ => Located::Unknown,
        };
        (inputs, located)
    });
    // The first of those that say most.
    located.reduce(|best, next| {
        if rank(&next.1) > rank(&best.1) {
            next
        } else {
            best
        }
    })
}

/// How much a finding says.
fn rank(located: &Located) -> (u8, u8) {
    match located {
        Located::Unknown => (0, 0),
        Located::Elsewhere { .. } => (1, 0),
        Located::Ranges { prefix, .. } => (2, prefix.level()),
        Located::Keys { .. } => (3, 0),
        Located::Row { .. } => (4, 0),
    }
}

/// Where the same range differs.
fn within(table: Table, one: &RangePrint, other: &RangePrint) -> Located {
    let prefix = one.prefix;
    if (one.rows, one.digest) == (other.rows, other.digest) {
        return Located::Elsewhere { prefix };
    }
    match (&one.part, &other.part) {
        (Part::Row(a), Part::Row(b)) => row(table, prefix, a, b),
        (Part::Row(_), _) | (_, Part::Row(_)) => one_row(prefix, one.rows, other.rows),
        (Part::Keys(a), Part::Keys(b)) => keys(a, b),
        (Part::Ranges(a), Part::Ranges(b)) => ranges(prefix, a, b, |a, b| a == b),
        // One side has a few rows more than are shown key by key; so the numbers of rows differ somewhere.
        (Part::Keys(a), Part::Ranges(b)) => {
            ranges(prefix, &counted(prefix, a), b, |a, b| rows(a) == rows(b))
        }
        (Part::Ranges(a), Part::Keys(b)) => {
            ranges(prefix, a, &counted(prefix, b), |a, b| rows(a) == rows(b))
        }
    }
}

/// A row that both have.
fn row(table: Table, prefix: Prefix, a: &[u8], b: &[u8]) -> Located {
    let records = Record::decode(table, a).and_then(|a| Ok((a, Record::decode(table, b)?)));
    match (records, prefix.as_key()) {
        (Ok((a, b)), Some(key)) => Located::Row {
            key,
            fields: changes(&a, &b),
        },
        // A fingerprint that exists has a whole key and canonical values here.
        _ => Located::Unknown,
    }
}

/// A row that one of them alone has.
fn one_row(prefix: Prefix, a: u64, b: u64) -> Located {
    let key = || prefix.as_key().into_iter().collect();
    Located::Keys {
        only: Sides {
            a: if a > b { key() } else { Vec::new() },
            b: if b > a { key() } else { Vec::new() },
        },
        differ: Vec::new(),
    }
}

fn keys(a: &[RowPrint], b: &[RowPrint]) -> Located {
    let find = |key: &ObjectId, rows: &[RowPrint]| {
        let place = rows.binary_search_by_key(key, |row| row.key).ok()?;
        rows.get(place).copied()
    };
    let lacking = |of: &[RowPrint], others: &[RowPrint]| -> Vec<ObjectId> {
        let keys = of.iter().map(|row| row.key);
        keys.filter(|key| find(key, others).is_none()).collect()
    };
    let differ = a
        .iter()
        .filter(|row| find(&row.key, b).is_some_and(|other| other.digest != row.digest))
        .map(|row| row.key)
        .collect();
    Located::Keys {
        only: Sides {
            a: lacking(a, b),
            b: lacking(b, a),
        },
        differ,
    }
}

fn ranges(
    prefix: Prefix,
    a: &[SubRange],
    b: &[SubRange],
    same: impl Fn(Option<&SubRange>, Option<&SubRange>) -> bool,
) -> Located {
    let mut differing = Vec::new();
    for byte in 0..=u8::MAX {
        let of = |parts: &[SubRange]| parts.iter().copied().find(|part| part.byte == byte);
        let (a, b) = (of(a), of(b));
        if !same(a.as_ref(), b.as_ref())
            && let Some(prefix) = prefix.child(byte)
        {
            differing.push(RangeDifference {
                prefix,
                rows: Sides {
                    a: rows(a.as_ref()),
                    b: rows(b.as_ref()),
                },
            });
        }
    }
    Located::Ranges { prefix, differing }
}

fn rows(part: Option<&SubRange>) -> u64 {
    part.map_or(0, |part| part.rows)
}

/// The parts that keys are in, as far as their numbers go.
fn counted(prefix: Prefix, keys: &[RowPrint]) -> Vec<SubRange> {
    let mut parts: Vec<SubRange> = Vec::new();
    for row in keys {
        let Some(byte) = prefix.next_byte(&row.key) else {
            continue;
        };
        match parts.last_mut() {
            Some(part) if part.byte == byte => part.rows += 1,
            _ => parts.push(SubRange {
                byte,
                rows: 1,
                digest: ShortDigest([0; 4]),
            }),
        }
    }
    parts
}
