//! The budget of one connection before login.

use crate::config::Login;

/// The remaining bytes, frames and proofs of a connection before login.
#[derive(Debug, Clone)]
pub struct Budget {
    bytes: u64,
    frames: u32,
    proofs: u32,
}

/// The budget that was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    /// Too many bytes.
    #[error("too many bytes before login")]
    Bytes,
    /// Too many frames.
    #[error("too many messages before login")]
    Frames,
    /// Too many proofs.
    #[error("too many attempts to log in")]
    Proofs,
}

impl Budget {
    /// A full budget.
    #[must_use]
    pub fn new(login: &Login) -> Self {
        Self { bytes: login.bytes.0, frames: login.frames, proofs: login.proofs }
    }

    /// Takes a frame; `received` is the total number of bytes received by the connection.
    ///
    /// # Errors
    /// [`OverBudget`]: close the connection.
    pub fn frame(&mut self, received: u64) -> Result<(), OverBudget> {
        if received > self.bytes {
            return Err(OverBudget::Bytes);
        }
        self.frames = self.frames.checked_sub(1).ok_or(OverBudget::Frames)?;
        Ok(())
    }

    /// Takes a proof, valid or not; call this before checking it.
    ///
    /// # Errors
    /// [`OverBudget`]: close the connection.
    pub fn proof(&mut self) -> Result<(), OverBudget> {
        self.proofs = self.proofs.checked_sub(1).ok_or(OverBudget::Proofs)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ninth_frame_or_a_fourth_proof_is_too_many() {
        let mut budget = Budget::new(&Login::default());
        for _ in 0..8 {
            budget.frame(100).unwrap();
        }
        assert_eq!(budget.frame(100), Err(OverBudget::Frames));
        for _ in 0..3 {
            budget.proof().unwrap();
        }
        assert_eq!(budget.proof(), Err(OverBudget::Proofs));
    }

    #[test]
    fn bytes_are_counted_over_all_frames() {
        let mut budget = Budget::new(&Login::default());
        budget.frame(16 << 10).unwrap();
        assert_eq!(budget.frame((16 << 10) + 1), Err(OverBudget::Bytes));
    }
}
