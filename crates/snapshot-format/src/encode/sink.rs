//! Where an encoder's bytes go.

use std::convert::Infallible;

/// Takes bytes in order, all of them or none: there are no short writes.
pub trait Sink {
    /// Why a write can fail.
    type Error;

    /// Takes all of `bytes`.
    ///
    /// # Errors
    ///
    /// If they could not all be taken; what was taken before is then of no use.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl Sink for Vec<u8> {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    type Error = S::Error;

    fn write(&mut self, bytes: &[u8]) -> Result<(), S::Error> {
        (**self).write(bytes)
    }
}

/// A sink that keeps nothing, for estimating a size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountingSink {
    /// Bytes so far.
    pub bytes: u64,
}

impl Sink for CountingSink {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}
