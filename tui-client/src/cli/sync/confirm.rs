//! The question before a sync that would remove surprisingly much.

use ferry_client::sync::Doubt;

use crate::{failure::Failure, human, terminal};

/// Asks whether to go on.
///
/// # Errors
/// [`Failure::Unconfirmed`] if the answer is no, or nobody can be asked.
pub(super) async fn confirm(doubt: Doubt, target: &str) -> Result<(), Failure> {
    let text = text(doubt, target);
    if !terminal::is_attended() {
        return Err(Failure::Unconfirmed(format!("{text}; nothing was changed{}", advice(doubt))));
    }
    let question = format!("{text}. Go on? [y/N] ");
    let answer = tokio::task::spawn_blocking(move || terminal::ask_line(&question)).await;
    match answer {
        Ok(Ok(answer)) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::Unconfirmed("not confirmed; nothing was changed".to_owned())),
    }
}

fn advice(doubt: Doubt) -> String {
    match doubt {
        Doubt::EmptySource { .. } => String::new(),
        Doubt::Many { deletions, .. } => format!("; --max-delete {deletions} allows it"),
    }
}

/// The reason of the question.
pub(super) fn text(doubt: Doubt, target: &str) -> String {
    let entries = |count| human::count(count, "entry", "entries");
    match doubt {
        Doubt::EmptySource { deletions } => {
            format!("there is no file at the source, and {} at {target} would be removed", entries(deletions))
        }
        Doubt::Many { deletions, of, most } => {
            format!("{} of {of} at {target} would be removed, more than {most}", entries(deletions))
        }
    }
}
