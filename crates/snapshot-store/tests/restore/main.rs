//! Restores over real files and databases, and checks of what came out.
//!
//! `common` has the databases; the other modules have one subject each.

mod aggregate;
mod check;
mod chunks;
#[path = "../common/mod.rs"]
mod common;
mod fixtures;
mod kills;
mod model;
mod names;
mod others;
mod refused;
mod replace;
mod support;
mod surroundings;
