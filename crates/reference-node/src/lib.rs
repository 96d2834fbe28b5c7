//! A small stand-in for a storage node's tables: the demo, the tests and the benchmarks run on it.
//!
//! Everything is as in a node as far as snapshots can tell: the column families, the merge operands in
//! the write path, garbage collection, the order of things at an epoch boundary. Everything else a
//! node does is left out: no network, no committee, no blobs.
//!
//! - [`workload`] makes events, [`event`] says what they are;
//! - [`node`] follows them, [`tables`] applies them, [`gc`] collects what has ended;
//! - [`follow`] runs a node as a process of its own, [`simulation`] clusters of them;
//! - [`make_db`] makes a realistic database, [`bench_db`] a large one.

pub mod bench_db;
mod checkpoint;
pub mod error;
pub mod event;
pub mod families;
pub mod follow;
pub mod gc;
mod later;
pub mod make;
pub mod make_db;
pub mod node;
pub mod point;
pub mod simulation;
pub mod storage;
pub mod tables;
pub mod workload;
mod writes;

pub use error::NodeError;
pub use make::MakeError;
pub use node::{Boundary, Handled, Instruments, NodeConfig, ReferenceNode};
