//! Whole numbers as floating-point numbers, for rates and shares.

/// The nearest floating-point number: close enough for a rate or a share.
#[expect(clippy::cast_precision_loss, reason = "rates and shares are shown with a few digits")]
pub(crate) fn as_float(number: u64) -> f64 {
    number as f64
}
