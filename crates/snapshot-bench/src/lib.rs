//! What the programs of this project are measured with: databases to measure on, the baseline to beat,
//! and the table that says how they compare.
//!
//! Only the binary `snapshot-bench` runs [`steps`] and prints. Nothing here asserts a speed: a bar that
//! is missed is a line in the table, and a test that depends on time is no test.

pub mod baseline;
pub mod child;
pub mod database;
pub mod machine;
pub mod measure;
pub mod report;
pub mod steps;
