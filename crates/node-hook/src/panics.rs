//! Panics become errors: none may reach the node.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::HookError;

/// Runs `work`, turning a panic into an error.
///
/// What `work` had changed when it panicked stays changed: its callers keep nothing but what is on
/// disk, and that is checked before it is used.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, HookError>) -> Result<T, HookError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(error_of(&*panic)))
}

/// The error for what a panic carries.
pub(crate) fn error_of(panic: &(dyn Any + Send)) -> HookError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    HookError::Panicked(text.unwrap_or("without a message").to_owned())
}
