//! Records a terminal's screen as an animated SVG picture, for the documents.
//!
//! Each line of the screen is drawn once for each time that it looks different, and shown while it looks so (SMIL,
//! <https://www.w3.org/TR/SVG11/animate.html>). Where nothing is animated, the last screen is seen.

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use vt100::Screen as Shown;

use crate::{picture, screen::Screen};

/// The time between two looks at a screen that changes.
const LOOK: Duration = Duration::from_millis(120);

/// Screens, each with the time for which it is shown.
#[derive(Default)]
pub struct Recording {
    frames: Vec<(Shown, Duration)>,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recording of {} screens", self.frames.len())
    }
}

impl Recording {
    /// Shows the present screen for some time.
    pub fn hold(&mut self, screen: &Screen, time: Duration) {
        self.frames.push((screen.snapshot(), time));
    }

    /// Types a text; each character is shown for a moment.
    pub fn types(&mut self, screen: &mut Screen, text: &str) {
        for c in text.chars() {
            screen.type_text(c.encode_utf8(&mut [0; 4]));
            thread::sleep(LOOK);
            self.hold(screen, LOOK);
        }
    }

    /// Shows the screen as it changes until it shows `text`.
    ///
    /// # Panics
    /// If it does not within a minute.
    pub fn watch(&mut self, screen: &Screen, text: &str) {
        let begun = Instant::now();
        while !screen.text().contains(text) {
            assert!(begun.elapsed() < Duration::from_mins(1), "{text:?} never came:\n{}", screen.text());
            thread::sleep(LOOK);
            self.hold(screen, LOOK);
        }
    }

    /// The animated picture, with `title` for people who cannot see it.
    #[must_use]
    pub fn svg(&self, title: &str) -> String {
        let Some((last, _)) = self.frames.last() else { return String::new() };
        let total: Duration = self.frames.iter().map(|(_, time)| *time).sum();
        let (lines, _) = last.size();
        let mut body = String::new();
        for line in 0..lines.get() {
            let drawn: Vec<String> = self.frames.iter().map(|(screen, _)| picture::line(screen, line)).collect();
            let mut at = Duration::ZERO;
            let mut first = 0;
            while first < drawn.len() {
                let same = drawn[first..].iter().take_while(|other| **other == drawn[first]).count();
                let from = at;
                at += self.frames[first..first + same].iter().map(|(_, time)| *time).sum::<Duration>();
                body += &shown_while(&drawn[first], from, at, total);
                first += same;
            }
        }
        picture::whole(last, title, &body)
    }
}

/// A drawing that is seen only between two times of a loop.
fn shown_while(drawn: &str, from: Duration, to: Duration, total: Duration) -> String {
    if drawn.is_empty() || (from.is_zero() && to >= total) {
        return drawn.to_owned();
    }
    let part = |time: Duration| time.as_secs_f64() / total.as_secs_f64();
    let mut times = Vec::new();
    let mut values = Vec::new();
    if !from.is_zero() {
        times.push("0".to_owned());
        values.push("hidden");
    }
    times.push(format!("{:.4}", part(from)));
    values.push("visible");
    if to < total {
        times.push(format!("{:.4}", part(to)));
        values.push("hidden");
    }
    let at_rest = if to >= total { "visible" } else { "hidden" };
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<g visibility=\"{at_rest}\"><animate attributeName=\"visibility\" calcMode=\"discrete\" values=\"{}\" \
         keyTimes=\"{}\" dur=\"{:.2}s\" repeatCount=\"indefinite\"/>\n{drawn}</g>",
        values.join(";"),
        times.join(";"),
        total.as_secs_f64()
    );
    out
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;

    fn screen(text: &str) -> Shown {
        let mut terminal = vt100::Parser::new(NonZero::new(2).unwrap(), NonZero::new(10).unwrap(), 0);
        terminal.process(text.as_bytes());
        terminal.screen().clone()
    }

    #[test]
    fn a_line_is_drawn_once_for_each_time_that_it_changes() {
        let second = Duration::from_secs(1);
        let frames =
            vec![(screen("same\r\nold"), second), (screen("same\r\nold"), second), (screen("same\r\nnew"), second)];
        let svg = Recording { frames }.svg("a & b");
        assert_eq!((svg.matches("same").count(), svg.matches("old").count(), svg.matches("new").count()), (1, 1, 1));
        assert!(svg.contains("values=\"visible;hidden\" keyTimes=\"0.0000;0.6667\" dur=\"3.00s\""), "{svg}");
        assert!(svg.contains("values=\"hidden;visible\" keyTimes=\"0;0.6667\""), "{svg}");
        assert!(svg.contains("<title>a &amp; b</title>"));
    }
}
