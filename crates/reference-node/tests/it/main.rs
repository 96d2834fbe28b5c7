//! The reference node, tested through its public API on real databases.
//!
//! One program for all of it, since each would link RocksDB again.

mod bench_db;
mod boundary;
mod cli;
mod cluster;
mod events;
mod killed;
mod make_db;
mod recount;
mod replay;
mod support;
mod timing;
mod workload;
