//! The real binary over real files and databases: what it prints, what it writes, how it ends.
//!
//! One test program, since each would link RocksDB anew. `common` runs the binary and judges how it
//! ended; the other modules have one subject each.

mod advice;
mod bench;
mod bits;
mod check;
mod common;
mod compare;
mod create;
mod database;
mod destinations;
mod diff;
mod digest;
mod divergence;
mod file;
mod fingerprint;
mod help;
mod inspect;
mod interrupted;
mod limits;
mod locked;
mod look;
mod operations;
mod outlets;
mod output;
mod printing;
mod replace;
mod report;
mod restore;
mod shell;
mod verify;
mod zst;
