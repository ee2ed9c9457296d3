//! A change of permission bits, as `chmod` writes it: `644`, `u=rw,go=r`, `a+rX`.

/// The permission bits, with those that run a program as its owner or group, and the sticky bit.
const ALL: u32 = 0o7777;
const X: u32 = 0o111;

/// A change of permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// These bits, whatever there was before.
    Exactly(u32),
    /// Steps, one after the other.
    Steps(Vec<Step>),
}

/// A step of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// The bits of those whom it is about.
    who: u32,
    op: Op,
    /// The bits it names, for everybody.
    bits: u32,
    /// `X`: execution, of folders and of what somebody may execute already.
    search: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Set,
}

impl Change {
    /// Parses an octal number of at most four digits, or steps that are separated by commas.
    ///
    /// # Errors
    /// A message, if it is neither.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
            let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= ALL);
            return bits.map(Self::Exactly).ok_or_else(|| format!("{text} is not an octal mode like 644 or 0755"));
        }
        let steps = text.split(',').map(step).collect::<Option<_>>();
        steps.map(Self::Steps).ok_or_else(|| format!("`{text}` is not a mode; write 644, u=rw,go=r or a+rX"))
    }

    /// The bits of an entry that had `mode`.
    ///
    /// Below a folder, a number is meant for files: folders can also be entered by those who may read them.
    pub(crate) fn apply(&self, mode: u32, is_folder: bool, is_below: bool) -> u32 {
        match self {
            Self::Exactly(bits) if is_folder && is_below => bits | (bits & 0o444) >> 2,
            Self::Exactly(bits) => *bits,
            Self::Steps(steps) => steps.iter().fold(mode & ALL, |mode, step| step.apply(mode, is_folder)),
        }
    }
}

impl Step {
    fn apply(self, mode: u32, is_folder: bool) -> u32 {
        let search = if self.search && (is_folder || mode & X != 0) { X } else { 0 };
        let bits = (self.bits | search) & self.who;
        match self.op {
            Op::Add => mode | bits,
            Op::Remove => mode & !bits,
            // The special bits of folders stay unless they are named, as with chmod.
            Op::Set => mode & !(self.who & if is_folder { 0o1777 } else { ALL }) | bits,
        }
    }
}

/// Parses a step such as `u+rw`.
fn step(text: &str) -> Option<Step> {
    let at = text.find(['+', '-', '='])?;
    let (who, rest) = text.split_at(at);
    let mut step = Step { who: 0, op: Op::Add, bits: 0, search: false };
    for who in who.chars() {
        step.who |= match who {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => ALL,
            _ => return None,
        };
    }
    if step.who == 0 {
        step.who = ALL;
    }
    let mut rest = rest.chars();
    step.op = match rest.next()? {
        '+' => Op::Add,
        '-' => Op::Remove,
        _ => Op::Set,
    };
    for bit in rest {
        step.bits |= match bit {
            'r' => 0o444,
            'w' => 0o222,
            'x' => X,
            's' => 0o6000,
            't' => 0o1000,
            'X' => {
                step.search = true;
                0
            }
            _ => return None,
        };
    }
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_chmod_reads_them() {
        let table = [
            ("644", 0o755, false, 0o644),
            ("0755", 0o600, true, 0o755),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("go-rwx", 0o755, false, 0o700),
            ("a=r", 0o777, false, 0o444),
            ("u=rw,go=r", 0o777, false, 0o644),
            ("a+X", 0o644, false, 0o644),
            ("a+X", 0o744, false, 0o755),
            ("a+X", 0o600, true, 0o711),
            ("u+s,+t", 0o755, false, 0o5755),
            ("g+s", 0o755, true, 0o2755),
            ("g=rx", 0o2750, true, 0o2750),
            ("g=rx", 0o2750, false, 0o750),
            ("o=", 0o757, false, 0o750),
        ];
        for (text, before, is_folder, after) in table {
            let mode = Change::parse(text).unwrap().apply(before, is_folder, false);
            assert_eq!(mode, after, "{text} of {before:o}: {mode:o}");
        }
    }

    #[test]
    fn a_number_for_everything_below_leaves_folders_open_to_those_who_may_read_them() {
        let mode = Change::parse("640").unwrap();
        assert_eq!(mode.apply(0o777, true, true), 0o750);
        assert_eq!(mode.apply(0o777, false, true), 0o640);
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        for text in ["", "8", "17777", "u", "x+r", "u+q", "u=rw,", "rw", "-rw-r--r--"] {
            assert!(Change::parse(text).is_err(), "{text}");
        }
    }
}
