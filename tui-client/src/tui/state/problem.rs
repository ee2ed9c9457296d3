//! A problem as the browser shows it: the cause and what to do about it.

use std::fmt;

use ferry_client::ClientError;
use ferry_shared::refusal::{Code, Refusal, Unit};

use crate::{
    advice::{Advice, missing},
    fault::Kind,
};

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its kind.
    pub(crate) kind: Kind,
    /// The cause, in a sentence.
    pub(crate) text: String,
    /// The advice.
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// Problem of no special kind.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { kind: Kind::Other, text: text.into(), hint: None }
    }

    /// Of this kind.
    pub(crate) fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl From<&ClientError> for Problem {
    fn from(error: &ClientError) -> Self {
        Self { kind: Kind::of(error), text: text(error), hint: Advice::about(error).browser }
    }
}

/// The cause in a sentence, with figures in units that people read.
fn text(error: &ClientError) -> String {
    match error {
        ClientError::NoRoom { needed, available, .. } => {
            format!("no room on this computer: {}", missing(*needed, *available, Unit::Bytes))
        }
        ClientError::Refused(Refusal {
            code: Code::OverQuota,
            unit: Some(unit),
            needed: Some(needed),
            available: Some(available),
            ..
        }) => format!("over quota: {}", missing(*needed, *available, *unit)),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_over_quota_is_reported_in_units_and_once() {
        let told = |unit| {
            let refusal = Refusal {
                unit,
                needed: Some(2 << 30),
                available: Some(1 << 20),
                ..Refusal::new(Code::OverQuota, "over quota: so many")
            };
            Problem::from(&ClientError::from(refusal)).to_string()
        };
        assert!(told(Some(Unit::Bytes)).starts_with("over quota: 2.0 GiB needed, 1.0 MiB free; delete"));
        assert!(told(Some(Unit::Files)).starts_with("over quota: 2147483648 files needed, 1048576 free; delete"));
        assert!(told(None).starts_with("over quota: so many; delete"));
    }
}
