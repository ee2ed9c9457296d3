//! Splits a command line into words without a shell: nothing is expanded, redirected or chained.

/// A command line that cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Usage {
    /// A character that would mean something to a shell.
    #[error(
        "{0:?} has no meaning here, because commands run without a shell; write it between '…' if it is part of a name"
    )]
    NoShell(char),
    /// A quote without its end.
    #[error("the {0} that begins a quotation has no counterpart")]
    Quote(char),
    /// A backslash at the end.
    #[error("a \\ at the end has nothing to quote; write it twice if it is part of a name")]
    Backslash,
}

/// Characters that have a meaning in a shell wherever they are outside of quotes.
const SPECIAL: &[u8] = b";|&<>()$`*?[]{}\n";
/// The same at the beginning of a word.
const SPECIAL_FIRST: &[u8] = b"~#!";

/// Splits a command line: blanks end words; `'…'`, `"…"` and `\` quote.
///
/// # Errors
/// [`Usage`], also where a shell would do more than split.
pub(crate) fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Usage> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut rest = line.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or(Usage::Quote('\''))? {
                        b'\'' => break,
                        byte => word.push(byte),
                    }
                }
            }
            b'"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            b'\\' => match rest.next().ok_or(Usage::Backslash)? {
                // A line that goes on.
                b'\n' => {}
                byte => word.get_or_insert_default().push(byte),
            },
            byte if SPECIAL.contains(&byte) || word.is_none() && SPECIAL_FIRST.contains(&byte) => {
                return Err(Usage::NoShell(char::from(byte)));
            }
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    Ok(words)
}

fn double_quoted(rest: &mut impl Iterator<Item = u8>, word: &mut Vec<u8>) -> Result<(), Usage> {
    let mut next = || rest.next().ok_or(Usage::Quote('"'));
    loop {
        match next()? {
            b'"' => return Ok(()),
            byte @ (b'$' | b'`') => return Err(Usage::NoShell(char::from(byte))),
            b'\\' => match next()? {
                b'\n' => {}
                byte @ (b'"' | b'\\' | b'$' | b'`') => word.push(byte),
                byte => word.extend([b'\\', byte]),
            },
            byte => word.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        for line in [
            "md5sum /a/b",
            "  cp\t-r a  b ",
            r"md5sum /with\ space/a\'b\\c",
            r#"x 'single "x" \n' "double 'y' \n \" \\ \$" "#,
            r#"x '' "" a''b"" 'a'"b"\c"#,
            "x 'new\nline' \"new\nline\" a'\n'b a\\\nb",
            "x a~b a#b a!b a=b %+,-./:@^_",
            "x \u{e4}\u{1f980} '\u{e4}'",
            "",
            "   ",
        ] {
            let ours = split(line.as_bytes()).unwrap();
            let script = format!("set -- {line}\nfor word; do printf '<%s>' \"$word\"; done");
            let shell = Command::new("sh").args(["-c", &script]).output().unwrap();
            let ours: Vec<u8> = ours.iter().flat_map(|word| [b"<", &word[..], b">"].concat()).collect();
            assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&shell.stdout), "{line}");
        }
        assert_eq!(split(b"x \xff'\xfe'"), Ok(vec![b"x".to_vec(), b"\xff\xfe".to_vec()]));
    }

    #[test]
    fn a_name_that_rclone_quotes_is_itself_again() {
        assert_eq!(
            split(
                br"md5sum /a\ \(1\)\&\;\$\'\`x\*'
'b"
            )
            .unwrap()[1],
            b"/a (1)&;$'`x*\nb"
        );
    }

    #[test]
    fn what_only_a_shell_could_do_is_refused() {
        for (line, why) in [
            ("echo 'abc' | md5sum", '|'),
            ("echo ${ShellId}%ComSpec%", '$'),
            ("a; b", ';'),
            ("a > b", '>'),
            ("a &", '&'),
            ("a *", '*'),
            ("a `b`", '`'),
            ("a \"`b`\"", '`'),
            ("a \"$b\"", '$'),
            ("a ~", '~'),
            ("a #b", '#'),
            ("a {b,c}", '{'),
            ("a\nb", '\n'),
        ] {
            assert_eq!(split(line.as_bytes()), Err(Usage::NoShell(why)), "{line}");
        }
        assert_eq!(split(b"a 'b"), Err(Usage::Quote('\'')));
        assert_eq!(split(b"a \"b\\\""), Err(Usage::Quote('"')));
        assert_eq!(split(b"a \\"), Err(Usage::Backslash));
    }
}
