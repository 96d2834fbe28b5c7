//! The merge operators, through bytes and through RocksDB (`docs/tables.md`, "Merge operands").

mod aggregate;
mod aggregate_objects;
mod aggregate_pooled;
mod common;
mod cursor;
mod database;
mod failures;
mod fixtures;
mod operands;
mod per_object;
mod pooled;
mod storage_pool;
mod values;
