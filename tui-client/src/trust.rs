//! Asks the user on the terminal whether a server's key is right.

use std::io;

use ferry_client::trust::{BoxFuture, TrustPrompt, TrustQuestion};

use crate::terminal;

/// Shows the key and asks on the terminal.
pub(crate) struct AskOnTerminal;

impl TrustPrompt for AskOnTerminal {
    fn accept<'a>(&'a self, question: &'a TrustQuestion) -> BoxFuture<'a, bool> {
        let text = text(question);
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || ask(&text, terminal::ask_line)).await;
            matches!(asked, Ok(Ok(true)))
        })
    }
}

fn text(question: &TrustQuestion) -> String {
    format!(
        "{} is not known yet. Its key is\n\n    {}\n\nCompare it with what `ferryd identity` prints there.\n\
         Is it the right one? [yes/no] ",
        question.host, question.fingerprint
    )
}

/// Asks until there is an answer; Enter alone is not an answer.
fn ask(text: &str, mut line: impl FnMut(&str) -> io::Result<String>) -> io::Result<bool> {
    let mut answer = line(text)?;
    loop {
        match answer.trim().to_ascii_lowercase().as_str() {
            "yes" | "y" => return Ok(true),
            "no" | "n" => return Ok(false),
            _ => answer = line("Please type yes or no: ")?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(lines: &[&str]) -> io::Result<bool> {
        let mut lines = lines.iter();
        ask("?", |_| lines.next().map(|line| (*line).to_owned()).ok_or(io::ErrorKind::UnexpectedEof.into()))
    }

    #[test]
    fn only_yes_accepts_a_key() {
        assert!(answer(&["yes"]).unwrap());
        assert!(answer(&["", "what", " Y "]).unwrap());
        assert!(!answer(&["no"]).unwrap());
        assert!(answer(&[""]).is_err());
    }
}
