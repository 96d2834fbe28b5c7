//! The streaming merge of two snapshots: rows by table and key, one of each side at a time.

use std::cmp::Ordering;
use std::convert::Infallible;

use serde::Serialize;
use snapshot_format::{Entry, Framing, ObjectId, Record, Table, ValueError};

use super::Collector;
use crate::fields::{FieldChange, changes};
use crate::rows::Rows;
use crate::side::Side;

/// Why two snapshots cannot be compared row by row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError<E, F = Infallible> {
    /// The rows of one side cannot be read.
    #[error("the rows of {side} cannot be read")]
    Rows {
        /// The side.
        side: Side,
        /// Why.
        source: E,
    },
    /// A row's value is not canonical.
    #[error("{side}: the value of {key} in {table} cannot be read: {source}")]
    Value {
        /// The side.
        side: Side,
        /// The table.
        table: Table,
        /// The row's key.
        key: ObjectId,
        /// Why.
        source: ValueError,
    },
    /// Whoever takes the differences does not want any more.
    #[error("a difference cannot be handed on")]
    Consumer(F),
}

/// A row that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowDifference {
    /// The table.
    pub table: Table,
    /// The row's key.
    pub key: ObjectId,
    /// The fields that differ; none if one side alone has the row.
    pub fields: Vec<FieldChange>,
    /// The row on the first side, if it has it.
    #[serde(skip)]
    pub a: Option<Record>,
    /// The row on the second side, if it has it.
    #[serde(skip)]
    pub b: Option<Record>,
}

impl RowDifference {
    /// The side that alone has the row.
    #[must_use]
    pub const fn only(&self) -> Option<Side> {
        match (&self.a, &self.b) {
            (Some(_), None) => Some(Side::A),
            (None, Some(_)) => Some(Side::B),
            _ => None,
        }
    }

    /// The row on `side`.
    #[must_use]
    pub const fn row(&self, side: Side) -> Option<&Record> {
        match side {
            Side::A => self.a.as_ref(),
            Side::B => self.b.as_ref(),
        }
    }
}

/// Walks over two snapshots whose tables both come in the order of `order`; counts in `collector`, and hands
/// each difference to `on_difference` as it is met.
///
/// Time is linear and memory constant in the number of rows and of differences.
///
/// # Errors
///
/// If a side cannot be read to its end, a value is not canonical, or `on_difference` fails. What was handed
/// on by then stands between unsound snapshots, maybe.
pub fn diff<E, F>(
    a: &mut impl Rows<Error = E>,
    b: &mut impl Rows<Error = E>,
    order: Framing,
    collector: &mut Collector,
    mut on_difference: impl FnMut(&RowDifference) -> Result<(), F>,
) -> Result<(), DiffError<E, F>> {
    let fail = |side| move |source| DiffError::Rows { side, source };
    let mut table = None;
    loop {
        let left = a.current().map_err(fail(Side::A))?;
        let right = b.current().map_err(fail(Side::B))?;
        let next = match (&left, &right) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => place(left, order).cmp(&place(right, order)),
        };
        let here = if next.is_gt() { &right } else { &left };
        let here = here.as_ref().map(|row| row.table);
        if let (Some(before), true) = (table, table != here) {
            collector.end_runs(before);
        }
        table = here;
        let difference = match (left, right) {
            (Some(left), Some(right)) if next.is_eq() => both(&left, &right, collector)?,
            (Some(row), _) if next.is_lt() => Some(one(Side::A, &row, collector)?),
            (_, Some(row)) => Some(one(Side::B, &row, collector)?),
            _ => None,
        };
        if let Some(difference) = difference {
            on_difference(&difference).map_err(DiffError::Consumer)?;
        }
        if next.is_le() {
            a.advance();
        }
        if next.is_ge() {
            b.advance();
        }
    }
    if let Some(last) = table {
        collector.end_runs(last);
    }
    Ok(())
}

fn place<'a>(row: &Entry<'a>, order: Framing) -> (u8, ObjectId) {
    (order.tag(row.table), row.key)
}

fn one<E, F>(
    side: Side,
    row: &Entry<'_>,
    collector: &mut Collector,
) -> Result<RowDifference, DiffError<E, F>> {
    let record = Some(decode(side, row)?);
    let (a, b) = match side {
        Side::A => (record, None),
        Side::B => (None, record),
    };
    let difference = RowDifference {
        table: row.table,
        key: row.key,
        fields: Vec::new(),
        a,
        b,
    };
    collector.only(side, &difference);
    Ok(difference)
}

fn both<E, F>(
    left: &Entry<'_>,
    right: &Entry<'_>,
    collector: &mut Collector,
) -> Result<Option<RowDifference>, DiffError<E, F>> {
    let (table, key) = (left.table, left.key);
    if left.value == right.value {
        collector.same(table, &key);
        return Ok(None);
    }
    let (a, b) = (decode(Side::A, left)?, decode(Side::B, right)?);
    let difference = RowDifference {
        table,
        key,
        fields: changes(&a, &b),
        a: Some(a),
        b: Some(b),
    };
    let bits = differing_bits(left.value, right.value);
    collector.differs(&difference, &difference.fields, bits);
    Ok(Some(difference))
}

fn decode<E, F>(side: Side, row: &Entry<'_>) -> Result<Record, DiffError<E, F>> {
    row.record().map_err(|source| DiffError::Value {
        side,
        table: row.table,
        key: row.key,
        source,
    })
}

/// How many bits two values of the same length differ in; of values of different lengths, as many as can.
fn differing_bits(a: &[u8], b: &[u8]) -> u32 {
    if a.len() != b.len() {
        return u32::MAX;
    }
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}
