//! The members of the JSON document as they stand there, and the way from and to what they mean.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use snapshot_format::{Header, PerTable, Table};

use super::{
    Contradiction, Digests, Fingerprint, InputKind, Part, RangePrint, TablePrint, VERSION,
    content_of,
};
use crate::fingerprint::digest::{RangeDigest, ShortDigest};
use crate::fingerprint::prefix::Prefix;
use crate::fingerprint::tree::{RowPrint, SubRange};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    fingerprint: u32,
    input: String,
    kind: InputKind,
    header: Header,
    digests: Digests,
    rows: u64,
    content: RangeDigest,
    tables: Tables,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    per_object_blob_info: TableMembers,
    per_object_pooled_blob_info: TableMembers,
    storage_pool_info: TableMembers,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableMembers {
    rows: u64,
    digest: RangeDigest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    range: Option<RangeMembers>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeMembers {
    prefix: Prefix,
    rows: u64,
    digest: RangeDigest,
    /// Rows of the 256 ranges that are one byte longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts: Option<Vec<u64>>,
    /// The digests of those that are not empty, one after the other, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digests: Option<String>,
    /// Each a key, a blank, and 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<String>>,
    /// The value of the one row, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

impl From<Fingerprint> for Document {
    fn from(print: Fingerprint) -> Self {
        let rows = print.rows();
        let PerTable {
            per_object_blob_info,
            per_object_pooled_blob_info,
            storage_pool_info,
        } = print.tables;
        Self {
            fingerprint: VERSION,
            input: print.input,
            kind: print.kind,
            header: print.header,
            digests: print.digests,
            rows,
            content: print.content,
            tables: Tables {
                per_object_blob_info: per_object_blob_info.into(),
                per_object_pooled_blob_info: per_object_pooled_blob_info.into(),
                storage_pool_info: storage_pool_info.into(),
            },
        }
    }
}

impl From<TablePrint> for TableMembers {
    fn from(print: TablePrint) -> Self {
        Self {
            rows: print.rows,
            digest: print.digest,
            range: print.range.map(RangeMembers::from),
        }
    }
}

impl From<RangePrint> for RangeMembers {
    fn from(range: RangePrint) -> Self {
        let mut members = Self {
            prefix: range.prefix,
            rows: range.rows,
            digest: range.digest,
            counts: None,
            digests: None,
            keys: None,
            value: None,
        };
        match range.part {
            Part::Ranges(parts) => {
                let rows_of = |byte| {
                    let part = parts.iter().find(|part| part.byte == byte);
                    part.map_or(0, |part| part.rows)
                };
                members.counts = Some((0..=u8::MAX).map(rows_of).collect());
                let digests: Vec<u8> = parts.iter().flat_map(|part| part.digest.0).collect();
                members.digests = Some(URL_SAFE_NO_PAD.encode(digests));
            }
            Part::Keys(keys) => {
                let text = |row: &RowPrint| format!("{} {}", row.key, hex::encode(row.digest.0));
                members.keys = Some(keys.iter().map(text).collect());
            }
            Part::Row(value) => members.value = Some(hex::encode(value)),
        }
        members
    }
}

impl TryFrom<Document> for Fingerprint {
    type Error = Contradiction;

    fn try_from(document: Document) -> Result<Self, Contradiction> {
        if document.fingerprint != VERSION {
            return Err(Contradiction::Version(document.fingerprint));
        }
        let tables = document.tables;
        let [objects, pooled, pools] = Table::ALL;
        let tables = PerTable {
            per_object_blob_info: table_print(objects, tables.per_object_blob_info)?,
            per_object_pooled_blob_info: table_print(pooled, tables.per_object_pooled_blob_info)?,
            storage_pool_info: table_print(pools, tables.storage_pool_info)?,
        };
        let sum = tables
            .iter()
            .try_fold(0_u64, |sum, (_, table)| sum.checked_add(table.rows))
            .unwrap_or(u64::MAX);
        if sum != document.rows {
            return Err(Contradiction::Rows {
                tables: sum,
                document: document.rows,
            });
        }
        if content_of(&tables) != document.content {
            return Err(Contradiction::Content);
        }
        let print = Self {
            input: document.input,
            kind: document.kind,
            header: document.header,
            digests: document.digests,
            content: document.content,
            tables,
        };
        let focus = print.focus();
        let looked_at = |table| print.tables[table].range.as_ref().map(|range| range.prefix);
        if Table::ALL
            .into_iter()
            .all(|table| looked_at(table) == focus.of(table))
        {
            Ok(print)
        } else {
            Err(Contradiction::Focus)
        }
    }
}

fn table_print(table: Table, members: TableMembers) -> Result<TablePrint, Contradiction> {
    let range = members.range.map(|range| range_print(table, range));
    let print = TablePrint {
        rows: members.rows,
        digest: members.digest,
        range: range.transpose()?,
    };
    print.check(table)?;
    Ok(print)
}

fn range_print(table: Table, members: RangeMembers) -> Result<RangePrint, Contradiction> {
    let part = match (members.counts, members.digests, members.keys, members.value) {
        (Some(counts), Some(digests), None, None) => {
            Part::Ranges(sub_ranges(&counts, &digests).ok_or(Contradiction::Counts(table))?)
        }
        (None, None, Some(keys), None) => {
            let row = |text: String| row_print(&text).ok_or(Contradiction::Key { table, text });
            Part::Keys(keys.into_iter().map(row).collect::<Result<_, _>>()?)
        }
        (None, None, None, Some(value)) => {
            Part::Row(hex::decode(value).map_err(|_| Contradiction::Row(table))?)
        }
        _ => return Err(Contradiction::Parts(table)),
    };
    Ok(RangePrint {
        prefix: members.prefix,
        rows: members.rows,
        digest: members.digest,
        part,
    })
}

fn sub_ranges(counts: &[u64], digests: &str) -> Option<Vec<SubRange>> {
    let bytes = URL_SAFE_NO_PAD.decode(digests).ok()?;
    let (digests, rest) = bytes.as_chunks::<4>();
    let filled: Vec<(u8, u64)> = (0..=u8::MAX)
        .zip(counts.iter().copied())
        .filter(|(_, rows)| *rows > 0)
        .collect();
    if counts.len() != 256 || !rest.is_empty() || digests.len() != filled.len() {
        return None;
    }
    let part = |((byte, rows), digest): ((u8, u64), &[u8; 4])| SubRange {
        byte,
        rows,
        digest: ShortDigest(*digest),
    };
    Some(filled.into_iter().zip(digests).map(part).collect())
}

fn row_print(text: &str) -> Option<RowPrint> {
    let (key, digits) = text.split_once(' ')?;
    let mut digest = [0; 8];
    hex::decode_to_slice(digits, &mut digest).ok()?;
    Some(RowPrint {
        key: key.parse().ok()?,
        digest: ShortDigest(digest),
    })
}
