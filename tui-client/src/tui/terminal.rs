//! The terminal: taken over, and always given back, however the program ends.

mod announce;
mod background;

use std::{
    io::{self, Stdout, Write as _},
    panic,
    sync::{
        Once, OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crossterm::{
    cursor,
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    execute,
    terminal::{self, EnterAlternateScreen, LeaveAlternateScreen},
};
use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    layout::{Position, Rect},
};

use super::{
    contain,
    event::{Event, Mouse, MouseAct},
    keymap::{Code, Key},
    state::{
        State,
        appearance::{Depth, Images},
        hits::Hits,
    },
    view,
};

use announce::Announcer;
pub(crate) use announce::Announces;
pub(crate) use background::is_light;

/// Whether this program has the terminal now, so that it is given back exactly once.
static OURS: AtomicBool = AtomicBool::new(false);
/// The bytes that take back what was announced outside of the screen.
static TAKE_BACK: OnceLock<String> = OnceLock::new();

/// The most bytes for the clipboard; terminals ignore longer ones.
pub(crate) const CLIPBOARD: usize = 48 << 10;

/// The terminal while it is ours.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    mouse: bool,
    announces: Announces,
    announcer: Announcer,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// The terminal's.
    pub(crate) fn take(mouse: bool, announces: Announces) -> io::Result<Self> {
        restore_on_panic();
        TAKE_BACK.get_or_init(|| announces.end());
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        let mut screen = Self { terminal, mouse, announces, announcer: Announcer::new(announces) };
        screen.enter()?;
        Ok(screen)
    }

    /// Takes it over again, after [`Screen::leave`].
    ///
    /// # Errors
    /// The terminal's.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        OURS.store(true, SeqCst);
        terminal::enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        write(self.announces.begin())?;
        self.announcer.forget();
        if self.mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        self.forget()
    }

    /// Gives it back for a while.
    pub(crate) fn leave(&mut self) {
        restore();
    }

    /// Redraws everything the next time.
    ///
    /// # Errors
    /// The terminal's.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        // `clear` would ask the terminal where its cursor is, and wait for the answer among the keys.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect { x: 0, y: 0, width: size.width, height: size.height })
    }

    /// Draws the state. Returns what can be clicked on the screen.
    ///
    /// # Errors
    /// The terminal's.
    pub(crate) fn draw(&mut self, state: &State) -> io::Result<Hits> {
        let mut hits = Hits::default();
        self.terminal.draw(|frame| hits = view::draw(frame, state))?;
        write(&self.announcer.look(state))?;
        Ok(hits)
    }

    /// Gives a text to the clipboard of the terminal (OSC 52), which works over SSH too. Whether the terminal takes it
    /// is not known.
    ///
    /// # Errors
    /// The terminal's.
    pub(crate) fn clipboard(&self, text: &[u8]) -> io::Result<()> {
        write(&format!("\x1b]52;c;{}\x1b\\", STANDARD.encode(text)))
    }

    /// Columns and lines.
    ///
    /// # Errors
    /// The terminal's.
    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn write(bytes: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    if !bytes.is_empty() {
        stdout.write_all(bytes.as_bytes())?;
        stdout.flush()?;
    }
    Ok(())
}

/// Gives the terminal back, once. Nothing can be done about a terminal that is gone.
fn restore() {
    if !OURS.swap(false, SeqCst) {
        return;
    }
    let mut stdout = io::stdout();
    let _ = write(TAKE_BACK.get().map_or("", String::as_str));
    let _ = execute!(stdout, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = stdout.flush();
    let _ = terminal::disable_raw_mode();
}

/// Restore the terminal before a panic prints its message.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if contain::is_contained() {
                return;
            }
            restore();
            before(info);
        }));
    });
}

/// Takes the wake-up that a dropped `EventStream` leaves in crossterm's reader. When that is reported together with a key,
/// the reader forgets that the key is there until the next one comes. To be called before [`Screen::enter`], whose change of
/// the terminal's mode reports again what is waiting.
pub(crate) fn forget_wake() {
    let _ = crossterm::event::poll(std::time::Duration::ZERO);
}

/// Stops this program until the shell's `fg`. The terminal must have been given back.
#[cfg(unix)]
pub(crate) fn stop_until_fg() {
    use rustix::process::{Signal, kill_current_process_group};
    // As the terminal does on Ctrl-Z: stop the whole process group. An orphan is not stopped by this.
    let _ = kill_current_process_group(Signal::TSTP);
}

/// There is nothing like it on this system.
#[cfg(not(unix))]
pub(crate) fn stop_until_fg() {}

/// Translates an event of the terminal; `None` if it does not matter.
pub(crate) fn event_of(event: crossterm::event::Event) -> Option<Event> {
    use crossterm::event::{Event as Told, KeyEventKind};
    match event {
        Told::Key(key) if key.kind != KeyEventKind::Release => key_of(key).map(Event::Key),
        Told::Mouse(mouse) => mouse_of(mouse).map(Event::Mouse),
        Told::Paste(text) => Some(Event::Paste(text)),
        Told::Resize(width, height) => Some(Event::Resize(width, height)),
        _ => None,
    }
}

fn key_of(key: crossterm::event::KeyEvent) -> Option<Key> {
    use crossterm::event::{KeyCode, KeyModifiers};
    let code = match key.code {
        KeyCode::Char(c) => Code::Char(c),
        KeyCode::F(n) => Code::Function(n),
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::Insert => Code::Insert,
        KeyCode::Delete => Code::Delete,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Enter => Code::Enter,
        KeyCode::Tab => Code::Tab,
        KeyCode::BackTab => Code::BackTab,
        KeyCode::Esc => Code::Escape,
        _ => return None,
    };
    let held = |modifier| key.modifiers.contains(modifier);
    let is_char = matches!(code, Code::Char(_));
    let code = match code {
        Code::Char(c) if held(KeyModifiers::CONTROL) => Code::Char(c.to_ascii_lowercase()),
        code => code,
    };
    Some(Key {
        code,
        ctrl: held(KeyModifiers::CONTROL),
        alt: held(KeyModifiers::ALT),
        shift: held(KeyModifiers::SHIFT) && !is_char && code != Code::BackTab,
    })
}

fn mouse_of(mouse: crossterm::event::MouseEvent) -> Option<Mouse> {
    use crossterm::event::{MouseButton, MouseEventKind};
    let did = match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => MouseAct::Press,
        MouseEventKind::Down(MouseButton::Right) => MouseAct::Mark,
        MouseEventKind::Drag(MouseButton::Left) => MouseAct::Drag,
        MouseEventKind::Up(MouseButton::Left) => MouseAct::Release,
        MouseEventKind::ScrollUp => MouseAct::WheelUp,
        MouseEventKind::ScrollDown => MouseAct::WheelDown,
        _ => return None,
    };
    Some(Mouse { did, at: Position { x: mouse.column, y: mouse.row } })
}

/// The environment's description of the terminal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `NO_COLOR` is set and not empty.
    pub(crate) no_color: bool,
    /// `COLORTERM`.
    pub(crate) colorterm: String,
    /// `TERM`.
    pub(crate) term: String,
    /// `TERM_PROGRAM`.
    pub(crate) program: String,
    /// Whether tmux or screen is between ferry and the terminal.
    pub(crate) multiplexed: bool,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set.
    pub(crate) language: String,
}

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        let language = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().map(var).find(|value| !value.is_empty());
        Self {
            no_color: !var("NO_COLOR").is_empty(),
            colorterm: var("COLORTERM"),
            term: var("TERM"),
            program: var("TERM_PROGRAM"),
            multiplexed: !var("TMUX").is_empty() || ["tmux", "screen"].iter().any(|name| var("TERM").starts_with(name)),
            language: language.unwrap_or_default(),
        }
    }

    /// How many colours the terminal has.
    pub(crate) fn depth(&self) -> Depth {
        if self.no_color || self.is_dumb() || self.term.starts_with("vt1") || self.term.starts_with("vt2") {
            Depth::None
        } else if matches!(self.colorterm.as_str(), "truecolor" | "24bit") {
            Depth::All
        } else if self.term.contains("256") {
            Depth::Many
        } else {
            Depth::Sixteen
        }
    }

    /// How the terminal draws images, where it is known to have graphics. Asking it would make the start wait for terminals
    /// that do not answer.
    pub(crate) fn images(&self) -> Images {
        let term = |names: &[&str]| names.iter().any(|name| self.term.starts_with(name));
        match self.program.as_str() {
            _ if self.multiplexed => Images::Blocks,
            "ghostty" => Images::Kitty,
            "iTerm.app" | "WezTerm" => Images::Iterm,
            _ if term(&["xterm-kitty", "xterm-ghostty"]) => Images::Kitty,
            _ if term(&["foot", "contour", "mlterm"]) => Images::Sixel,
            _ => Images::Blocks,
        }
    }

    /// Whether the terminal can only print lines.
    pub(crate) fn is_dumb(&self) -> bool {
        self.term == "dumb"
    }

    /// Whether the terminal shows Unicode.
    pub(crate) fn is_unicode(&self) -> bool {
        let language = self.language.to_ascii_lowercase();
        // Without any setting, assume a modern terminal.
        let says = language.contains("utf-8") || language.contains("utf8") || language.is_empty();
        says && self.term != "linux" && !self.term.starts_with("vt1") && !self.term.starts_with("vt2")
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;

    #[test]
    fn keys_of_the_terminal_are_ours() {
        let key = |code, modifiers| key_of(KeyEvent::new(code, modifiers)).unwrap().to_string();
        assert_eq!(key(KeyCode::Char('A'), KeyModifiers::SHIFT), "A");
        assert_eq!(key(KeyCode::Char('A'), KeyModifiers::CONTROL | KeyModifiers::SHIFT), "ctrl-a");
        assert_eq!(key(KeyCode::F(6), KeyModifiers::SHIFT), "shift-f6");
        assert_eq!(key(KeyCode::BackTab, KeyModifiers::SHIFT), "backtab");
        assert_eq!(key(KeyCode::Left, KeyModifiers::ALT), "alt-left");
        assert_eq!(key_of(KeyEvent::new(KeyCode::CapsLock, KeyModifiers::NONE)), None);
    }

    #[test]
    fn graphics_are_used_where_the_terminal_is_known_to_have_them() {
        let of = |term: &str, program: &str, multiplexed| {
            let (term, program) = (term.to_owned(), program.to_owned());
            Environment { term, program, multiplexed, ..Environment::default() }.images()
        };
        assert_eq!(of("xterm-kitty", "", false), Images::Kitty);
        assert_eq!(of("xterm-256color", "WezTerm", false), Images::Iterm);
        assert_eq!(of("foot-extra", "", false), Images::Sixel);
        assert_eq!(of("xterm-256color", "", false), Images::Blocks);
        assert_eq!(of("tmux-256color", "WezTerm", true), Images::Blocks);
    }

    #[test]
    fn the_environment_says_what_the_terminal_can() {
        let of = |no_color, colorterm: &str, term: &str, language: &str| Environment {
            no_color,
            colorterm: colorterm.into(),
            term: term.into(),
            language: language.into(),
            ..Environment::default()
        };
        assert_eq!(of(true, "truecolor", "xterm", "").depth(), Depth::None);
        assert_eq!(of(false, "truecolor", "xterm", "").depth(), Depth::All);
        assert_eq!(of(false, "", "screen-256color", "").depth(), Depth::Many);
        assert_eq!(of(false, "", "xterm", "").depth(), Depth::Sixteen);
        assert!(of(false, "", "dumb", "").is_dumb() && !of(false, "", "xterm", "").is_dumb());
        assert!(of(false, "", "xterm", "de_DE.UTF-8").is_unicode());
        assert!(!of(false, "", "xterm", "C").is_unicode());
        assert!(!of(false, "", "linux", "C.UTF-8").is_unicode());
    }
}
