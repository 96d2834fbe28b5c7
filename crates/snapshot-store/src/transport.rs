//! Zstandard around snapshots: compressed input is recognised and decompressed while it is read, output
//! whose name ends in `.zst` is compressed while it is written.
//!
//! Compression is transport: digests and sizes are of the bytes inside. What those bytes are is none of
//! this module's business, and how a file appears is that of `publish`.

mod foreign;

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use zstd::stream::{read, write};

pub use self::foreign::Foreign;
use crate::publish::{AtomicFile, PublishError, PublishWarning, Replace};

/// What the name of a compressed file ends in, after a dot.
pub const EXTENSION: &str = "zst";

/// Log2 of the longest window in bytes that is decompressed: 8 MiB, what every level up to 19 needs. A
/// frame that claims more would have its reader allocate as much.
pub const MAX_WINDOW_LOG: u32 = 23;

/// Bytes that tell compressed input.
const MAGIC_LEN: usize = 4;

/// The magic number of a frame.
const FRAME: u32 = 0xfd2f_b528;

/// The magic numbers of frames that decompress to nothing; parallel compressors begin with one.
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;

/// Why compressed input could not be decompressed. Offsets count bytes of content, before compression.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZstdError {
    /// It ends within a frame.
    #[error(
        "the Zstandard data ends early, after {offset} bytes of content: the file is truncated or still \
         being written; copy it again"
    )]
    Truncated {
        /// Bytes decompressed before.
        offset: u64,
    },
    /// It is not what the compressor wrote.
    #[error(
        "the Zstandard data is damaged behind {offset} bytes of content: {source}; copy the file again"
    )]
    Damaged {
        /// Bytes decompressed before.
        offset: u64,
        /// What the decompressor says.
        source: io::Error,
    },
    /// Decompressing it takes more memory than is granted.
    #[error(
        "the Zstandard data needs a window of more than {} MiB, as zstd's long and ultra modes make it: give \
         it decompressed, as a file or through a pipe",
        (1_u64 << MAX_WINDOW_LOG) >> 20
    )]
    Window {
        /// What the decompressor says.
        source: io::Error,
    },
}

impl ZstdError {
    /// Whether the input is at fault, as against the memory granted.
    #[must_use]
    pub const fn is_verdict(&self) -> bool {
        !matches!(self, Self::Window { .. })
    }

    fn new(offset: u64, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            Self::Truncated { offset }
        } else if source.to_string().contains("too much memory") {
            Self::Window { source }
        } else {
            Self::Damaged { offset, source }
        }
    }
}

/// What was compressed, or plain bytes as they are.
///
/// Errors of the decompressor are [`io::Error`]s that hold a [`ZstdError`].
pub struct Transport<R: Read>(Form<R>);

/// What was read of it already, and the rest.
type Begun<R> = Chain<Cursor<Vec<u8>>, R>;

enum Form<R: Read> {
    Plain(Begun<R>),
    Zstd {
        decoder: Box<read::Decoder<'static, BufReader<Tapped<Begun<R>>>>>,
        /// Bytes decompressed.
        offset: u64,
    },
}

/// A file to be read from its start.
///
/// # Errors
///
/// If it cannot be opened.
pub fn open(path: &Path) -> io::Result<Transport<File>> {
    Transport::file(File::open(path)?)
}

impl<R: Read> Transport<R> {
    /// Tells from its first bytes whether `reader` is compressed. If they cannot be read, the error shows when
    /// it is read for good.
    ///
    /// # Errors
    ///
    /// If there is no memory for a decompressor.
    pub fn new(mut reader: R) -> io::Result<Self> {
        let mut begin = Vec::new();
        // What was read before an error is in the vector.
        let _ = (&mut reader).take(MAGIC_LEN as u64).read_to_end(&mut begin);
        let compressed = is_compressed(&begin);
        Self::begun(begin, reader, compressed)
    }

    /// Whether it is compressed.
    #[must_use]
    pub const fn is_compressed(&self) -> bool {
        matches!(self.0, Form::Zstd { .. })
    }

    fn begun(begin: Vec<u8>, reader: R, compressed: bool) -> io::Result<Self> {
        let reader = Cursor::new(begin).chain(reader);
        if !compressed {
            return Ok(Self(Form::Plain(reader)));
        }
        let mut decoder = Box::new(read::Decoder::new(Tapped(reader))?);
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        Ok(Self(Form::Zstd { decoder, offset: 0 }))
    }
}

impl Transport<File> {
    /// As [`Self::new`]. Where the file has places, its first bytes are looked at and not taken, so that
    /// reads stay aligned.
    pub(crate) fn file(file: File) -> io::Result<Self> {
        let mut begin = [0; MAGIC_LEN];
        match file.read_at(&mut begin, 0) {
            Ok(MAGIC_LEN) => Self::begun(Vec::new(), file, is_compressed(&begin)),
            Ok(_) => Self::begun(Vec::new(), file, false),
            Err(_) => Self::new(file),
        }
    }

    /// The plain file, which can be read from anywhere.
    pub(crate) fn as_plain_mut(&mut self) -> Option<&mut File> {
        match &mut self.0 {
            Form::Plain(reader) => Some(reader.get_mut().1),
            Form::Zstd { .. } => None,
        }
    }
}

impl<R: Read> Read for Transport<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Plain(reader) => reader.read(buffer),
            Form::Zstd { decoder, offset } => match decoder.read(buffer) {
                Ok(read) => {
                    *offset += read as u64;
                    Ok(read)
                }
                Err(error) => Err(match error.downcast::<TappedError>() {
                    Ok(TappedError(source)) => source,
                    Err(error) => {
                        let error = ZstdError::new(*offset, error);
                        io::Error::new(io::ErrorKind::InvalidData, error)
                    }
                }),
            },
        }
    }
}

fn is_compressed(begin: &[u8]) -> bool {
    begin.first_chunk().is_some_and(|magic| {
        let magic = u32::from_le_bytes(*magic);
        magic == FRAME || SKIPPABLE.contains(&magic)
    })
}

/// Marks errors of what is read, so that they are told from those of the decompressor.
struct Tapped<R>(R);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct TappedError(io::Error);

impl<R: Read> Read for Tapped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    return result
                        .map_err(|error| io::Error::new(error.kind(), TappedError(error)));
                }
            }
        }
    }
}

/// An output file that appears whole and durable, or not at all, compressed if its name says so.
pub struct OutputFile(Written);

enum Written {
    Plain(AtomicFile),
    Zstd(Box<write::Encoder<'static, AtomicFile>>),
}

impl OutputFile {
    /// Starts to write the file at `path`, as [`AtomicFile::create`] does.
    ///
    /// # Errors
    ///
    /// Those of [`AtomicFile::create`], or if there is no memory for a compressor.
    pub fn create(path: &Path, replace: Replace) -> Result<Self, PublishError> {
        Self::over(
            AtomicFile::create(path, replace)?,
            is_named_compressed(path),
        )
    }

    /// Writes to `file`, compressed or not.
    ///
    /// # Errors
    ///
    /// If there is no memory for a compressor.
    pub fn over(file: AtomicFile, compressed: bool) -> Result<Self, PublishError> {
        if !compressed {
            return Ok(Self(Written::Plain(file)));
        }
        let path = file.path().to_path_buf();
        let encoder = write::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)
            .and_then(|mut encoder| {
                encoder.include_checksum(true)?;
                Ok(encoder)
            })
            .map_err(|source| PublishError::Io {
                action: "compress",
                path,
                source,
            })?;
        Ok(Self(Written::Zstd(Box::new(encoder))))
    }

    /// Ends what is compressed, and returns the file that has all bytes but is not published.
    ///
    /// # Errors
    ///
    /// Those of writing it.
    pub fn finish(self) -> Result<AtomicFile, PublishError> {
        match self.0 {
            Written::Plain(file) => Ok(file),
            Written::Zstd(encoder) => encoder.finish().map_err(published),
        }
    }

    /// Makes the output durable and visible under its final name.
    ///
    /// # Errors
    ///
    /// As [`AtomicFile::commit`].
    pub fn commit(self) -> Result<Vec<PublishWarning>, PublishError> {
        self.finish()?.commit()
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Written::Plain(file) => file.write(bytes),
            Written::Zstd(encoder) => encoder.write(bytes),
        }
    }

    /// What is compressed goes on its way when a block is full, so that the bytes do not depend on flushes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a file of this name is written compressed. Case does not matter.
#[must_use]
pub fn is_named_compressed(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end.eq_ignore_ascii_case(EXTENSION))
}

/// The output says itself what went wrong with it.
fn published(error: io::Error) -> PublishError {
    error
        .downcast::<PublishError>()
        .unwrap_or_else(|source| PublishError::Io {
            action: "compress",
            path: "the output".into(),
            source,
        })
}
