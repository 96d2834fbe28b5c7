//! The merge operators as RocksDB calls them: the only file of this module that knows RocksDB.
//!
//! RocksDB takes no cause, only "it failed", and answers the read with a corruption status that names
//! neither row nor cause; those go to [`MergeFailures`]. No panic may pass, since the caller is C++.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rocksdb::{MergeOperands, Options};

use super::{
    MergeError, MergeFailure, MergeFailures, aggregate, cursor, per_object, pooled, storage_pool,
};
use crate::schema::ColumnFamily;

/// Gives `options` the merge operator of `column_family`, if it has one; what fails goes to
/// `failures`.
pub fn register(options: &mut Options, column_family: ColumnFamily, failures: &MergeFailures) {
    let failures = failures.clone();
    match column_family {
        ColumnFamily::PerObjectBlobInfo => {
            set(options, column_family, failures, |old, new| {
                per_object::merge(old, new)
            });
        }
        ColumnFamily::PerObjectPooledBlobInfo => {
            set(options, column_family, failures, |old, new| {
                pooled::merge(old, new)
            });
        }
        ColumnFamily::StoragePoolInfo => {
            set(options, column_family, failures, |old, new| {
                storage_pool::merge(old, new)
            });
        }
        ColumnFamily::AggregateBlobInfo => {
            set(options, column_family, failures, |old, new| {
                aggregate::merge(old, new)
            });
        }
        ColumnFamily::EventCursor => {
            set(options, column_family, failures, |old, new| {
                cursor::merge(old, new)
            });
        }
        ColumnFamily::LatestHandledEventIndex => {}
    }
}

fn set<F>(options: &mut Options, column_family: ColumnFamily, failures: MergeFailures, merge: F)
where
    F: Fn(Option<&[u8]>, &MergeOperands) -> Result<Vec<u8>, MergeError> + Send + Sync + 'static,
{
    let Some(name) = column_family.merge_operator_name() else {
        return;
    };
    let full_merge = move |key: &[u8], existing: Option<&[u8]>, operands: &MergeOperands| {
        // A merge shares nothing with the next one, so a panic leaves nothing half done.
        let merged =
            catch_unwind(AssertUnwindSafe(|| merge(existing, operands))).unwrap_or_else(|panic| {
                Err(MergeError::Panicked {
                    message: message(&*panic),
                })
            });
        merged
            .map_err(|cause| {
                failures.record(MergeFailure {
                    column_family,
                    key: key.to_vec(),
                    cause,
                });
            })
            .ok()
    };
    // Operands mean something only in order and on a row, so RocksDB is to keep them as they are.
    options.set_merge_operator(name, full_merge, |_, _, _| None);
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use rocksdb::DB;

    use super::*;

    /// No operator can be made to panic from outside, so this one is made for it.
    #[test]
    fn a_panic_fails_the_row_and_stops_there() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let failures = MergeFailures::new();
        let mut options = Options::default();
        options.create_if_missing(true);
        set(
            &mut options,
            ColumnFamily::StoragePoolInfo,
            failures.clone(),
            |_, operands| {
                let text = operands
                    .iter()
                    .map(|operand| String::from_utf8_lossy(operand))
                    .collect();
                std::panic::panic_any::<String>(text)
            },
        );
        let db = DB::open(&options, dir.path()).expect("the database opens");
        db.merge(b"row", b"out of ").expect("the merge is written");
        db.merge(b"row", b"luck").expect("the merge is written");
        let read = db.get(b"row");
        assert!(read.is_err(), "{read:?}");
        let cause = MergeError::Panicked {
            message: "out of luck".to_owned(),
        };
        assert_eq!(failures.last().map(|failure| failure.cause), Some(cause));
    }
}
