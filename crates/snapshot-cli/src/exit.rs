//! The exit codes, which scripts rely on. What leads to which stands with the errors and commands.

/// How a command ended. When a command has several inputs, the highest code wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done, and the answer, if one was asked for, is yes.
    Ok = 0,
    /// The answer is no: not sound, not as expected, digests differ, tables disagree.
    No = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// An input cannot be used, or an output cannot be written.
    Unusable = 3,
}

impl Exit {
    /// The number the process ends with.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

/// The exit codes as every command's `--help` explains them.
macro_rules! with_exit_codes {
    ($($text:expr),+ $(,)?) => {
        concat!(
            $($text,)+
            "\n\nExit codes:\n",
            "  0  done, and the answer is yes\n",
            "  1  the answer is no: not sound, not as expected, digests differ, or tables disagree\n",
            "  2  the command line is wrong\n",
            "  3  an input cannot be used, or an output cannot be written"
        )
    };
}
pub(crate) use with_exit_codes;
