//! Compression that is neither read nor written, known by its first bytes and by names of files, so that a message
//! can say what it is.

use std::path::Path;

/// A compression other than Zstandard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// gzip
    Gzip,
    /// bzip2
    Bzip2,
    /// xz
    Xz,
    /// LZ4
    Lz4,
    /// A ZIP archive
    Zip,
}

impl Foreign {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Gzip, Self::Bzip2, Self::Xz, Self::Lz4, Self::Zip];

    /// What begins with these four bytes.
    #[must_use]
    pub fn of_magic(magic: [u8; 4]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|foreign| magic.starts_with(foreign.magic()))
    }

    /// What a file's name promises, in upper or lower case.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Self> {
        let end = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|foreign| foreign.extensions().contains(&end.as_str()))
    }

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Zip => "zip",
        }
    }

    /// The command that writes a file decompressed to standard output.
    #[must_use]
    pub const fn decompressor(self) -> &'static str {
        match self {
            Self::Gzip => "gzip -dc",
            Self::Bzip2 => "bzip2 -dc",
            Self::Xz => "xz -dc",
            Self::Lz4 => "lz4 -dc",
            Self::Zip => "unzip -p",
        }
    }

    const fn magic(self) -> &'static [u8] {
        match self {
            // The third byte is its only method, deflate.
            Self::Gzip => b"\x1f\x8b\x08",
            Self::Bzip2 => b"BZh",
            Self::Xz => b"\xfd7zX",
            Self::Lz4 => b"\x04\x22\x4d\x18",
            Self::Zip => b"PK\x03\x04",
        }
    }

    const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Gzip => &["gz", "gzip", "tgz"],
            Self::Bzip2 => &["bz2", "bzip2"],
            Self::Xz => &["xz", "lzma"],
            Self::Lz4 => &["lz4"],
            Self::Zip => &["zip"],
        }
    }
}
