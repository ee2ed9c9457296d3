//! Key names, as the bytes that an xterm sends.

/// The bytes of a key, with the names of `keys.toml`.
///
/// # Panics
/// If the name is unknown.
pub(super) fn bytes(name: &str) -> Vec<u8> {
    if let Some(letter) = name.strip_prefix("ctrl-").and_then(|rest| rest.bytes().next()) {
        return vec![letter.to_ascii_lowercase() & 0x1f];
    }
    if let Some(rest) = name.strip_prefix("alt-").filter(|rest| rest.len() == 1) {
        return [b"\x1b", rest.as_bytes()].concat();
    }
    let text = match name {
        "enter" => "\r",
        "esc" => "\x1b",
        "tab" => "\t",
        "backtab" => "\x1b[Z",
        "space" => " ",
        "backspace" => "\x7f",
        "up" => "\x1b[A",
        "down" => "\x1b[B",
        "right" => "\x1b[C",
        "left" => "\x1b[D",
        "home" => "\x1b[H",
        "end" => "\x1b[F",
        "insert" => "\x1b[2~",
        "delete" => "\x1b[3~",
        "pageup" => "\x1b[5~",
        "pagedown" => "\x1b[6~",
        "f1" => "\x1bOP",
        "f2" => "\x1bOQ",
        "f3" => "\x1bOR",
        "f4" => "\x1bOS",
        "f5" => "\x1b[15~",
        "f6" => "\x1b[17~",
        "f7" => "\x1b[18~",
        "f8" => "\x1b[19~",
        "f9" => "\x1b[20~",
        "f10" => "\x1b[21~",
        one if one.chars().count() == 1 => one,
        other => panic!("no key is named {other:?}"),
    };
    text.as_bytes().to_vec()
}
