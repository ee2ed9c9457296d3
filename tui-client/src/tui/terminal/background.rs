//! Asks the terminal for its background, so that the theme can be read on it.

/// Asks for the colour of the background.
#[cfg(unix)]
const QUESTION: &[u8] = b"\x1b]11;?\x1b\\";

/// Whether the background is light; `None` if the terminal does not tell. Must be called before keys are read.
#[cfg(unix)]
pub(crate) fn is_light() -> Option<bool> {
    use std::{
        io::{self, Write as _},
        time::Duration,
    };

    use crossterm::{
        event::{self, Event, KeyCode},
        terminal,
    };
    terminal::enable_raw_mode().ok()?;
    let mut stdout = io::stdout();
    let asked = stdout.write_all(QUESTION).and_then(|()| stdout.flush());
    // Terminals answer in order, and all of them answer this: afterwards, nothing of the first answer is missing.
    let answered = asked.and_then(|()| terminal::supports_keyboard_enhancement());
    let mut answer = String::new();
    while answered.is_ok() && event::poll(Duration::ZERO).unwrap_or(false) {
        match event::read() {
            // An unknown sequence arrives as the keys of its characters.
            Ok(Event::Key(key)) => answer.extend(if let KeyCode::Char(c) = key.code { Some(c) } else { None }),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    // A terminal that is gone is noticed by the next call.
    let _ = terminal::disable_raw_mode();
    light(&answer)
}

/// It is not asked for on this system.
#[cfg(not(unix))]
pub(crate) fn is_light() -> Option<bool> {
    None
}

/// Whether the answer names a light colour, as `]11;rgb:ffff/ffff/ffff`.
#[cfg(any(unix, test))]
fn light(answer: &str) -> Option<bool> {
    let (_, colour) = answer.split_once("]11;rgb:")?;
    let mut parts = colour.split('/').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_hexdigit).take(4).collect();
        let most = 16u32.checked_pow(u32::try_from(digits.len()).ok()?)?.checked_sub(1)?;
        u32::from_str_radix(&digits, 16).ok()?.checked_mul(1000)?.checked_div(most)
    });
    let (red, green, blue) = (parts.next()??, parts.next()??, parts.next()??);
    Some(red * 299 + green * 587 + blue * 114 > 500_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_terminal_tells_light_from_dark() {
        assert_eq!(light("]11;rgb:ffff/ffff/ffff\\"), Some(true));
        assert_eq!(light("x]11;rgb:00/00/00"), Some(false));
        assert_eq!(light("]11;rgb:fdf6/f6e3/e3d5\\"), Some(true));
        assert_eq!(light("]11;rgb:1e1e/1e1e/2e2e\\"), Some(false));
        for nothing in ["", "]11;rgb:", "]11;rgb:ff/ff", "]11;rgb://", "]11;rgb:zz/zz/zz", "jj"] {
            assert_eq!(light(nothing), None, "{nothing}");
        }
    }
}
