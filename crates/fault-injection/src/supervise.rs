//! Runs a program, counts its file operations over all threads and raw system calls, and lets one of
//! them fail, or ends the program there.
//!
//! What an operation is stands in `syscalls`; what must hold afterwards is the campaign's business.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::IoSliceMut;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::syscalls::{self, Call, Class, Place, Sight};

/// A program that takes longer hangs.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What happens at the chosen operation.
pub(crate) enum Fault<'a> {
    /// It fails with this error.
    Error(Errno),
    /// Half of it fits, and from then on nothing does.
    DiskFull,
    /// Half of it is written, and the program is killed.
    Torn,
    /// The program is killed before it.
    Kill,
    /// Another process acts, and then it happens.
    Meanwhile(&'a mut dyn FnMut() -> Result<()>),
}

/// What to run, and what to watch.
pub(crate) struct Plan<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: &'a [OsString],
    /// The working directory.
    pub(crate) dir: &'a Path,
    /// Operations on what begins with this path count.
    pub(crate) watched: &'a Path,
    /// Which of them.
    pub(crate) counts: &'a dyn Fn(Class) -> bool,
    /// Which it is stopped at: those that cannot count only take time.
    pub(crate) sight: Sight,
    /// Where output goes; nothing of it counts.
    pub(crate) output: &'a Path,
}

/// A file operation.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) path: PathBuf,
    /// Of a sync: the number of the file's inode, whatever its name is later.
    pub(crate) inode: Option<u64>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i32),
    Signal(Signal),
    /// It was killed since it took too long.
    Hangs,
}

/// What a program did.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) ended: Ended,
    /// All that counted.
    pub(crate) operations: Vec<Operation>,
    /// That which failed, if it came so far.
    pub(crate) hit: Option<Operation>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program, with the fault at the operation with this number, from 1.
///
/// # Errors
///
/// If it cannot be run or watched.
pub(crate) fn run(plan: &Plan<'_>, fault: Option<(usize, Fault<'_>)>) -> Result<Ran> {
    let [out, err] = ["out", "err"].map(|name| plan.output.join(name));
    let mut launcher = Command::new("/proc/self/exe");
    let sight = match plan.sight {
        Sight::Nothing => "nothing",
        Sight::Changes => "changes",
        Sight::All => "all",
    };
    launcher
        .args(["launch", "--sight", sight, "--"])
        .arg(plan.program)
        .args(plan.arguments);
    launcher.current_dir(plan.dir);
    launcher
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?);
    let child = launcher.spawn().context("cannot run the launcher")?;
    let pid = Pid::from_raw(child.id().try_into()?);
    let (done, waiting) = mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        let late = waiting.recv_timeout(TIME_LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
        late && kill(pid, Signal::SIGKILL).is_ok()
    });
    let mut watch = Watch {
        plan,
        pid,
        fault,
        full: false,
        operations: Vec::new(),
        hit: None,
    };
    let ended = watch.until_end();
    let _ = done.send(());
    let late = guard.join().unwrap_or(false);
    let text =
        |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Ran {
        ended: if late { Ended::Hangs } else { ended? },
        operations: watch.operations,
        hit: watch.hit,
        stdout: text(&out)?,
        stderr: text(&err)?,
    })
}

struct Watch<'a, 'b> {
    plan: &'a Plan<'a>,
    pid: Pid,
    fault: Option<(usize, Fault<'b>)>,
    /// The disk is full from now on.
    full: bool,
    operations: Vec<Operation>,
    hit: Option<Operation>,
}

impl Watch<'_, '_> {
    fn until_end(&mut self) -> Result<Ended> {
        let mut started = false;
        loop {
            // Only this thread's: others have programs of their own.
            match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == self.pid => {
                    return Ok(Ended::Code(code));
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.pid => {
                    return Ok(Ended::Signal(signal));
                }
                Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)) => {
                    if pid == self.pid && !started {
                        started = true;
                        let options = Options::PTRACE_O_EXITKILL
                            | Options::PTRACE_O_TRACESECCOMP
                            | Options::PTRACE_O_TRACESYSGOOD
                            | Options::PTRACE_O_TRACEEXEC
                            | Options::PTRACE_O_TRACECLONE
                            | Options::PTRACE_O_TRACEFORK
                            | Options::PTRACE_O_TRACEVFORK;
                        ptrace::setoptions(pid, options)?;
                    }
                    go_on(ptrace::cont(pid, None))?;
                }
                Ok(WaitStatus::Stopped(pid, signal)) => go_on(ptrace::cont(pid, signal))?,
                Ok(WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_SECCOMP)) => {
                    go_on(self.operation(pid))?;
                }
                Ok(WaitStatus::PtraceEvent(pid, ..)) => go_on(ptrace::cont(pid, None))?,
                // The end of a write that was cut short.
                Ok(WaitStatus::PtraceSyscall(_)) => kill(self.pid, Signal::SIGKILL)?,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context("cannot wait for the program"),
            }
        }
    }

    /// One system call is about to begin.
    fn operation(&mut self, thread: Pid) -> nix::Result<()> {
        let mut registers = ptrace::getregs(thread)?;
        let number = registers.orig_rax.cast_signed();
        let arguments = [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ];
        let Some(operation) =
            syscalls::find(number).and_then(|call| self.counted(thread, call, &arguments))
        else {
            return ptrace::cont(thread, None);
        };
        let class = operation.class;
        self.operations.push(operation.clone());
        let count = self.operations.len();
        let errno = match &mut self.fault {
            Some((at, fault)) if *at == count => {
                self.hit = Some(operation);
                let halved = class == Class::Write && arguments[2] > 1;
                match fault {
                    Fault::Error(errno) => Some(*errno),
                    Fault::DiskFull => {
                        self.full = true;
                        registers.rdx /= 2;
                        (!halved).then_some(Errno::ENOSPC)
                    }
                    Fault::Torn if halved => {
                        registers.rdx /= 2;
                        ptrace::setregs(thread, registers)?;
                        return ptrace::syscall(thread, None);
                    }
                    Fault::Torn | Fault::Kill => return kill(self.pid, Signal::SIGKILL),
                    Fault::Meanwhile(act) => {
                        if let Err(error) = act() {
                            eprintln!("error: what was to happen meanwhile: {error:#}");
                        }
                        return ptrace::cont(thread, None);
                    }
                }
            }
            _ if self.full && class.needs_space() => Some(Errno::ENOSPC),
            _ => return ptrace::cont(thread, None),
        };
        if let Some(errno) = errno {
            // No system call, and this for its result.
            registers.orig_rax = u64::MAX;
            registers.rax = i64::from(errno as i32).wrapping_neg().cast_unsigned();
        }
        ptrace::setregs(thread, registers)?;
        ptrace::cont(thread, None)
    }

    fn counted(&self, thread: Pid, call: &Call, arguments: &[u64; 6]) -> Option<Operation> {
        let class = call.class(arguments);
        if !(self.plan.counts)(class) {
            return None;
        }
        let argument = |number: usize| arguments.get(number).copied().unwrap_or(0);
        let paths = match call.place {
            Place::Descriptor(file) => [descriptor(thread, argument(file)), None],
            Place::Path(path) => [self.path(thread, None, argument(path)), None],
            Place::At(at, path) => [self.path(thread, Some(argument(at)), argument(path)), None],
            Place::Paths(first, second) => {
                [first, second].map(|path| self.path(thread, None, argument(path)))
            }
            Place::AtBoth(first, second) => [first, second]
                .map(|[at, path]| self.path(thread, Some(argument(at)), argument(path))),
        };
        let path = paths
            .into_iter()
            .flatten()
            .rev()
            .find(|path| path.starts_with(self.plan.watched))?;
        let name = call.name.strip_prefix("SYS_").unwrap_or(call.name);
        let inode = match call.place {
            Place::Descriptor(file) if class == Class::Sync => {
                let file = format!("/proc/{thread}/fd/{}", argument(file) as i32);
                fs::metadata(file).ok().map(|metadata| metadata.ino())
            }
            _ => None,
        };
        Some(Operation {
            name,
            class,
            path,
            inode,
        })
    }

    fn path(&self, thread: Pid, at: Option<u64>, address: u64) -> Option<PathBuf> {
        let path = string(thread, address)?;
        if path.is_absolute() {
            return Some(path);
        }
        let dir = match at {
            Some(at) if at as i32 != libc::AT_FDCWD => descriptor(thread, at)?,
            _ => self.plan.dir.to_path_buf(),
        };
        Some(if path.as_os_str().is_empty() {
            dir
        } else {
            dir.join(path)
        })
    }
}

/// A thread that is gone does not go on.
fn go_on(result: nix::Result<()>) -> Result<()> {
    match result {
        Err(Errno::ESRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error).context("cannot let the program go on"),
    }
}

fn descriptor(thread: Pid, file: u64) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{thread}/fd/{}", file as i32)).ok()
}

/// The text at an address of a program.
fn string(thread: Pid, address: u64) -> Option<PathBuf> {
    const PAGE: usize = 4096;
    let (mut text, mut from) = (Vec::new(), usize::try_from(address).ok()?);
    while from != 0 && text.len() <= PAGE {
        // Never over the end of a page, where the next may not be there.
        let mut bytes = vec![0; PAGE - from % PAGE];
        let remote = RemoteIoVec {
            base: from,
            len: bytes.len(),
        };
        let read = process_vm_readv(thread, &mut [IoSliceMut::new(&mut bytes)], &[remote]).ok()?;
        let bytes = bytes.get(..read)?;
        if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
            text.extend_from_slice(bytes.get(..end)?);
            return Some(PathBuf::from(OsString::from(String::from_utf8(text).ok()?)));
        }
        text.extend_from_slice(bytes);
        from += read;
    }
    None
}
