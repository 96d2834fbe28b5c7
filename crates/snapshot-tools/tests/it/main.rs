//! The public interface: fingerprints, their comparison, and the walk over two snapshots.

mod causes;
mod compare;
mod diff;
mod document;
mod fingerprint;
mod large;
mod overview;
mod support;
mod vectors;
