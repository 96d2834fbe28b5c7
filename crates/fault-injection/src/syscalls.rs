//! Which system calls are file operations, what they do, and where their paths are.
//!
//! Only tables: nothing is traced or decided here.

use clap::ValueEnum;
use nix::libc;

/// Which operations a program is stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sight {
    /// None.
    Nothing,
    /// Those that change something, and opens.
    Changes,
    /// Reads, too.
    All,
}

/// What a system call does to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Writes bytes; may be cut short.
    Write,
    /// Changes what is in a file, or how long it is, in another way.
    Change,
    /// Makes bytes or names durable.
    Sync,
    /// Makes a name.
    Make,
    /// Changes or removes a name, or what stands beside it.
    Name,
    /// Opens, which counts by its flags.
    Open,
    /// Reads.
    Read,
}

/// Where the paths are, as numbers of arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// An open file.
    Descriptor(usize),
    /// A path.
    Path(usize),
    /// A path, relative to an open directory.
    At(usize, usize),
    /// Two paths.
    Paths(usize, usize),
    /// Two paths, each relative to an open directory.
    AtBoth([usize; 2], [usize; 2]),
}

/// A system call that is a file operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) number: i64,
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) place: Place,
    /// The argument that holds the flags of an open.
    pub(crate) flags: usize,
}

macro_rules! calls {
    ($($number:ident $class:ident $place:expr $(, flags $flags:literal)?;)+) => {
        &[$(Call {
            number: libc::$number,
            name: stringify!($number),
            class: Class::$class,
            place: $place,
            flags: 0 $(+ $flags)?,
        },)+]
    };
}

use Place::{At, AtBoth, Descriptor, Path, Paths};

/// Those that change something, and those that open.
#[rustfmt::skip]
const CHANGES: &[Call] = calls! {
    SYS_open Open Path(0), flags 1;
    SYS_openat Open At(0, 1), flags 2;
    SYS_creat Make Path(0);
    SYS_write Write Descriptor(0);
    SYS_pwrite64 Write Descriptor(0);
    SYS_writev Change Descriptor(0);
    SYS_pwritev Change Descriptor(0);
    SYS_pwritev2 Change Descriptor(0);
    SYS_ftruncate Change Descriptor(0);
    SYS_truncate Change Path(0);
    SYS_fallocate Change Descriptor(0);
    SYS_copy_file_range Change Descriptor(2);
    SYS_sendfile Change Descriptor(0);
    SYS_fsync Sync Descriptor(0);
    SYS_fdatasync Sync Descriptor(0);
    SYS_sync_file_range Sync Descriptor(0);
    SYS_syncfs Sync Descriptor(0);
    SYS_mkdir Make Path(0);
    SYS_mkdirat Make At(0, 1);
    SYS_link Make Paths(0, 1);
    SYS_linkat Make AtBoth([0, 1], [2, 3]);
    SYS_symlink Make Path(1);
    SYS_symlinkat Make At(1, 2);
    SYS_rename Name Paths(0, 1);
    SYS_renameat Name AtBoth([0, 1], [2, 3]);
    SYS_renameat2 Name AtBoth([0, 1], [2, 3]);
    SYS_unlink Name Path(0);
    SYS_unlinkat Name At(0, 1);
    SYS_rmdir Name Path(0);
    SYS_chmod Name Path(0);
    SYS_fchmod Name Descriptor(0);
    SYS_fchmodat Name At(0, 1);
    SYS_chown Name Path(0);
    SYS_lchown Name Path(0);
    SYS_fchown Name Descriptor(0);
    SYS_fchownat Name At(0, 1);
    SYS_utimensat Name At(0, 1);
};

/// Those that read.
#[rustfmt::skip]
const READS: &[Call] = calls! {
    SYS_read Read Descriptor(0);
    SYS_pread64 Read Descriptor(0);
    SYS_readv Read Descriptor(0);
    SYS_preadv Read Descriptor(0);
    SYS_getdents64 Read Descriptor(0);
    SYS_fstat Read Descriptor(0);
    SYS_fcntl Read Descriptor(0);
    SYS_flock Read Descriptor(0);
    SYS_stat Read Path(0);
    SYS_lstat Read Path(0);
    SYS_access Read Path(0);
    SYS_readlink Read Path(0);
    SYS_newfstatat Read At(0, 1);
    SYS_statx Read At(0, 1);
    SYS_faccessat Read At(0, 1);
    SYS_readlinkat Read At(0, 1);
};

/// All that are watched.
pub(crate) fn watched(sight: Sight) -> impl Iterator<Item = &'static Call> {
    let changes = CHANGES.iter().filter(move |_| sight != Sight::Nothing);
    changes.chain(READS.iter().filter(move |_| sight == Sight::All))
}

/// The system call with this number.
pub(crate) fn find(number: i64) -> Option<&'static Call> {
    watched(Sight::All).find(|call| call.number == number)
}

impl Call {
    /// What a call with these arguments does: an open that changes nothing is a read, one that creates
    /// makes a name.
    pub(crate) fn class(&self, arguments: &[u64; 6]) -> Class {
        if self.class != Class::Open {
            return self.class;
        }
        let flags = arguments.get(self.flags).copied().unwrap_or(0);
        let has = |flag: libc::c_int| flags & u64::from(flag.unsigned_abs()) != 0;
        if has(libc::O_CREAT) && !has(libc::O_DIRECTORY) {
            Class::Make
        } else if has(libc::O_TRUNC | libc::O_WRONLY | libc::O_RDWR) {
            Class::Open
        } else {
            Class::Read
        }
    }
}

impl Class {
    /// Whether it needs space on the disk.
    pub(crate) const fn needs_space(self) -> bool {
        matches!(self, Self::Write | Self::Change | Self::Make)
    }
}
