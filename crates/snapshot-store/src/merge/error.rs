//! Why a merge fails. What is done about it stands in `failures`.

use snapshot_format::{BlobId, Epoch, ValueError};

use super::operand::ChangeType;

/// Why an operand does not fit the row it is applied to.
///
/// Source: `docs/tables.md`, "Merge operands".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// There is no row, and only a registration creates one.
    #[error("cannot {change} an object that is not registered")]
    NotRegistered {
        /// What the operand does.
        change: ChangeType,
    },
    /// There is a row already.
    #[error("cannot register an object twice")]
    AlreadyRegistered,
    /// The operand is about another blob than the row.
    #[error("blob ID is {got}, but the object is registered for {expected}")]
    BlobIdMismatch {
        /// That of the row.
        expected: BlobId,
        /// That of the operand.
        got: BlobId,
    },
    /// Operand and row disagree on whether the object is deletable.
    #[error("deletable is {got}, but the object is registered with {expected}")]
    DeletableMismatch {
        /// As the row has it.
        expected: bool,
        /// As the operand has it.
        got: bool,
    },
    /// The object was deleted.
    #[error("cannot {change} a deleted object")]
    Deleted {
        /// What the operand does.
        change: ChangeType,
    },
    /// The object is certified already.
    #[error("cannot certify an object twice: it was certified in epoch {certified_epoch}")]
    AlreadyCertified {
        /// Since when.
        certified_epoch: Epoch,
    },
    /// The object is not certified.
    #[error("cannot {change} an object that is not certified")]
    NotCertified {
        /// What the operand does.
        change: ChangeType,
    },
    /// Operand and row disagree on whether the object was certified.
    #[error("cannot delete: was_certified is {got}, but must be {expected} for this object")]
    WasCertifiedMismatch {
        /// As the row has it.
        expected: bool,
        /// As the operand has it.
        got: bool,
    },
    /// A pooled object lives and dies with its pool; its row is deleted, not merged.
    #[error("cannot {change} a pooled object by a merge")]
    NotForPooled {
        /// What the operand does.
        change: ChangeType,
    },
    /// The pool exists.
    #[error("cannot create a storage pool twice")]
    PoolExists,
    /// The pool does not exist.
    #[error("cannot extend a storage pool that does not exist")]
    NoPool,
    /// The blob ID has no row, and this operand creates none.
    #[error("{operand} cannot be the first operand of a blob ID")]
    NoBlob {
        /// The operand's name.
        operand: &'static str,
    },
    /// A number would not fit its type any more.
    #[error("{field} overflows")]
    Overflow {
        /// The number.
        field: &'static str,
    },
}

/// Why a row cannot be made of its stored value and its operands.
///
/// Operands count from 0, the oldest, among those that RocksDB has not merged yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// The stored value is not the canonical BCS of a known variant.
    #[error("stored value cannot be read: {source}")]
    StoredValue {
        /// What is wrong with it.
        source: ValueError,
    },
    /// An operand is not the canonical BCS of a known variant.
    #[error("operand {index} cannot be read: {source}")]
    Operand {
        /// Which operand.
        index: usize,
        /// What is wrong with it.
        source: ValueError,
    },
    /// An operand does not fit the row the operands before it have made.
    #[error("operand {index} cannot be applied: {source}")]
    Apply {
        /// Which operand.
        index: usize,
        /// Why.
        source: ApplyError,
    },
    /// There is neither a stored value nor an operand.
    #[error("there is nothing to merge")]
    Nothing,
    /// The operator panicked, which is a bug in it.
    #[error("the merge operator panicked: {message}; this is a bug, please report it")]
    Panicked {
        /// The message of the panic.
        message: String,
    },
}
