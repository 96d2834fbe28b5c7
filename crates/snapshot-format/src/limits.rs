//! The numbers of the format, each with its unit and reason (`docs/format.md`, "Limits").

/// The first four bytes of every snapshot, big-endian.
pub const MAGIC: u32 = 0xb10b_1f05;

/// The format version this crate writes, and the only one there is so far.
pub const VERSION: u32 = 1;

/// Longest header in bytes that is read: the longest known has 94, and a claimed length must not
/// make the reader allocate.
pub const MAX_HEADER_LEN: usize = 1024;

/// Longest key or value in bytes that is read: the longest known value has 115, and 1 KiB leaves
/// room for variants to come.
pub const MAX_FIELD_LEN: usize = 1024;

/// Length in bytes of every key: an object ID.
pub const KEY_LEN: usize = 32;

/// Bytes that a [`crate::Encoder`] collects before it hands them to its sink: enough to make the
/// call per entry vanish, small enough to stay in the cache.
pub(crate) const ENCODE_BUFFER: usize = 64 * 1024;
