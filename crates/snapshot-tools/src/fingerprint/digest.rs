//! The digests in a fingerprint, as bytes and as text. What they are digests of is in `tree`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The digest of rows: 32 bytes, printed as hex. Whether two ranges agree is decided by it alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RangeDigest(pub [u8; 32]);

/// The first bytes of a digest, for finding a difference that is known to be there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortDigest<const LEN: usize>(pub [u8; LEN]);

/// Of a part of a range. There are up to 256 in a range, so that each byte more would make an exchange a KiB
/// longer; one in 2^32 differences does not show in its part.
pub type PartDigest = ShortDigest<4>;

/// Of a row.
pub type RowDigest = ShortDigest<8>;

impl fmt::Display for RangeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RangeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const LEN: usize> fmt::Debug for ShortDigest<LEN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for RangeDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RangeDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| serde::de::Error::custom("a digest of rows has 64 hex digits"))?;
        Ok(Self(bytes))
    }
}
