//! The tasks, one file each. A task may call another; `main.rs` only dispatches.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod faults;
pub(crate) mod second_opinion;
pub(crate) mod setup;
pub(crate) mod simulate;
pub(crate) mod structure;
pub(crate) mod test;
