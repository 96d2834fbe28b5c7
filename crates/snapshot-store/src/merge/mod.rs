//! The five merge operators of a node's tables (`docs/tables.md`, "Merge operands").
//!
//! One operator per file. Each is a pure function `apply` of a row and an operand, a `merge` of a
//! stored value and any number of operands over bytes, and nothing else: no database, no log. Only
//! `callback` knows RocksDB.
//!
//! A node's own operators skip an operand they cannot read, and panic at one that does not fit. A
//! reader must do neither: here both fail the read of that row, and [`MergeFailures`] says which row
//! and why.

pub mod aggregate;
mod callback;
mod counts;
pub mod cursor;
mod error;
mod failures;
mod operand;
pub mod per_object;
pub mod pooled;
pub mod storage_pool;

pub use callback::register;
pub use error::{ApplyError, MergeError};
pub use failures::{MergeFailure, MergeFailures};
pub use operand::{
    BlobInfoOperand, ChangeInfo, ChangeType, CursorOperand, PerObjectOperand, PooledInfo,
    PooledOperand, StoragePoolOperand,
};

use snapshot_format::ValueError;

/// Applies encoded operands, the oldest first, to an encoded row: each is decoded once, and the row
/// is neither encoded nor decoded in between.
#[inline]
fn fold<'a, Row, Operand>(
    existing: Option<&[u8]>,
    operands: impl IntoIterator<Item = &'a [u8]>,
    decode_row: impl FnOnce(&[u8]) -> Result<Row, ValueError>,
    decode_operand: impl Fn(&[u8]) -> Result<Operand, ValueError>,
    apply: impl Fn(Option<Row>, &Operand) -> Result<Row, ApplyError>,
) -> Result<Row, MergeError> {
    let mut row = existing
        .map(decode_row)
        .transpose()
        .map_err(|source| MergeError::StoredValue { source })?;
    for (index, operand) in operands.into_iter().enumerate() {
        let operand =
            decode_operand(operand).map_err(|source| MergeError::Operand { index, source })?;
        row = Some(apply(row, &operand).map_err(|source| MergeError::Apply { index, source })?);
    }
    row.ok_or(MergeError::Nothing)
}
