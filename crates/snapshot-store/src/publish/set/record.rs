//! What the files of a set are, written down beside them.
//!
//! A line says what it is, then come one line for each file and one that ends it, without which it is not
//! complete: `<inode> <length> <name in hex>`.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

const FIRST: &str = "files of a set, 1";
const LAST: &str = "end";

/// A file of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: OsString,
    pub(super) inode: u64,
    pub(super) length: u64,
}

impl Member {
    /// Whether this very file is at `path`.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| {
            found.is_file() && (found.ino(), found.len()) == (self.inode, self.length)
        })
    }
}

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing yet.
    Incomplete,
    Members(Vec<Member>),
    /// It is not one.
    Foreign,
}

/// Writes a record and makes it durable.
pub(super) fn write(file: &File, members: &[Member]) -> io::Result<()> {
    let mut text = format!("{FIRST}\n");
    for Member {
        name,
        inode,
        length,
    } in members
    {
        // Writing to a string cannot fail.
        let _ = write!(text, "{inode} {length} ");
        for byte in name.as_bytes() {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text.push_str(LAST);
    text.push('\n');
    file.set_len(0)?;
    file.write_all_at(text.as_bytes(), 0)?;
    file.sync_all()
}

/// Reads a record.
pub(super) fn read(file: &File) -> io::Result<Found> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length.min(FIRST.len())];
    file.read_exact_at(&mut bytes, 0)?;
    // After a crash of the machine, what was not synced may be zeros.
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(Found::Incomplete);
    }
    if !FIRST.as_bytes().starts_with(&bytes) {
        return Ok(Found::Foreign);
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let complete = text.ends_with('\n') && lines.next_back() == Some(LAST);
    if !complete || lines.next() != Some(FIRST) {
        return Ok(Found::Incomplete);
    }
    let members = lines.map(member).collect::<Option<_>>();
    Ok(members.map_or(Found::Foreign, Found::Members))
}

fn member(line: &str) -> Option<Member> {
    let mut fields = line.split(' ');
    let inode = fields.next()?.parse().ok()?;
    let length = fields.next()?.parse().ok()?;
    let hex = fields.next()?.as_bytes();
    let bytes = hex.chunks(2).map(|pair| {
        let pair = str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    let name = OsString::from_vec(bytes.collect::<Option<_>>()?);
    // A name, not a path to somewhere else.
    (Path::new(&name).file_name() == Some(OsStr::new(&name))).then_some(Member {
        name,
        inode,
        length,
    })
}
