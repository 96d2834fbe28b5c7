//! What differs between blob info snapshots, and what it means: for operators on the day two digests
//! disagree.
//!
//! - [`fingerprint`] is a small document about one snapshot: digests of key ranges, by which nodes find
//!   the row that differs without shipping tables around (`docs/fingerprint.md`);
//! - [`compare`] says who of many agrees, who does not, and where to look next;
//! - [`diff`] walks over two snapshots at once and names each row and field that differs, and the likely
//!   cause;
//! - [`overview`] is what a person wants to see of snapshots at a glance, and [`statistics`] the counts it
//!   is made of.
//!
//! Everything here works on rows as they pass, in bounded memory. Nothing here opens a file or a
//! database, prints, or knows a byte of a framing: rows come as events of
//! [`snapshot_format::Decoder`], or from anything that implements [`rows::Rows`].
//!
//! ```
//! use snapshot_format::{Decoder, Encoder, Epoch, SealedHeader};
//! use snapshot_tools::fingerprint::{Fingerprinter, Focus};
//!
//! let file = Encoder::sealed(Vec::new(), &SealedHeader::offline(Epoch(7)))?.finish()?.sink;
//! let mut fingerprinter = Fingerprinter::new(Focus::All);
//! let mut decoder = Decoder::new();
//! decoder.push(&file, |event| fingerprinter.event(&event))?;
//! decoder.end()?;
//! println!("{}", fingerprinter.finish().content);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

pub mod columns;
pub mod compare;
pub mod diff;
pub mod fields;
pub mod filter;
pub mod fingerprint;
pub mod header;
pub mod overview;
pub mod rows;
pub mod side;
pub mod statistics;
mod text;
