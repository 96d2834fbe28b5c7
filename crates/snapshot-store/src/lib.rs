//! Blob info snapshots from and to the RocksDB tables of a Walrus storage node.
//!
//! This crate knows the tables (`docs/tables.md`) and no byte of the framings, which belong to
//! [`snapshot_format`]. One row's way from a database to a file: [`open`] refuses what is not whole,
//! `scan` reads a consistent view, [`mod@create`] lets threads fill blocks and one writer join them,
//! [`publish`] makes the file appear whole or not at all. The way back begins with [`verify`], goes on
//! with [`mod@restore`], and [`mod@check`] says whether the tables of a database agree.

pub mod aggregate;
pub mod check;
pub mod chunks;
pub mod create;
pub mod cursor;
pub mod limits;
pub mod load;
pub mod lock;
pub mod merge;
pub mod naming;
pub mod node;
pub mod open;
pub mod options_file;
mod plan;
pub mod progress;
pub mod publish;
pub mod read_back;
pub mod restore;
mod scan;
pub mod schema;
pub mod space;
pub mod summary;

pub mod transport;
pub mod verify;
pub mod wal;

pub use create::{CreateError, CreateOptions, create, create_file};
pub use open::{Database, OpenError, OpenOptions, OpenWarning, WalRecovery};
pub use progress::Progress;
pub use restore::{RestoreError, RestoreOptions, RestoreReport, restore};
pub use scan::ScanError;
pub use summary::SnapshotSummary;
pub use verify::{ReadError, VerifyError, verify_file};
