//! The first stage of a program that is watched: has itself traced, asks the kernel to stop at file
//! operations, and becomes the program.
//!
//! A process of its own, since nothing can be done between fork and exec without `unsafe`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::syscalls::{self, Sight};

/// Becomes the program, and stops at file operations.
///
/// # Errors
///
/// If the system refuses any of it.
pub(crate) fn launch(sight: Sight, program: &[OsString]) -> Result<()> {
    let [name, arguments @ ..] = program else {
        bail!("no program to launch");
    };
    let rules: BTreeMap<i64, Vec<_>> = syscalls::watched(sight)
        .map(|call| (call.number, Vec::new()))
        .collect();
    let architecture = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Trace(0),
        architecture,
    )?;
    let filter: BpfProgram = filter.try_into()?;
    ptrace::traceme().context("cannot be traced")?;
    // The supervisor says what it wants to see before it goes on.
    raise(Signal::SIGSTOP)?;
    seccompiler::apply_filter(&filter)?;
    Err(Command::new(name).args(arguments).exec()).context("cannot run the program")
}
