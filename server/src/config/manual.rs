//! The man page of `ferryd.toml`, generated from the table of keys.

use roff::{Inline, Roff, bold, italic, roman};

use super::{
    Config,
    keys::{KEYS, Key, SECTIONS},
};

/// The file name of the page.
pub const PAGE: &str = "ferryd.toml.5";

const DESCRIPTION: &str = "The configuration of the ferry server, as TOML: keys in sections. Every key is optional. \
    A key is also taken from the environment, and there wins over the file; the command line wins over both. Sizes \
    are written 16KiB, 10GiB or 500MB. 'ferryd config default' prints a commented file, 'ferryd check' finds mistakes, \
    and 'ferryd config show' prints each value in force and where it came from. 'systemctl reload ferryd' has a running \
    server read the file again, and the log names the keys that only a start reads.";

/// The page.
#[must_use]
pub fn page() -> String {
    let mut page = Roff::new();
    page.control("TH", ["ferryd.toml", "5", "", concat!("ferryd ", env!("CARGO_PKG_VERSION"))]);
    page.control("SH", ["NAME"]).text([roman("ferryd.toml - configuration of the ferry server")]);
    page.control("SH", ["SYNOPSIS"]).text([italic("/etc/ferryd/ferryd.toml")]);
    page.control("SH", ["DESCRIPTION"]).text([roman(DESCRIPTION)]);
    for (section, about) in SECTIONS {
        page.control("SH", [format!("SECTION [{section}]").as_str()]).text([roman(about)]);
        for key in KEYS.iter().filter(|key| key.section == section) {
            page.control("TP", []).text(title(key)).text([roman(key.about)]);
            page.control("br", []).text([roman(format!("In the environment: {}", key.variable()))]);
        }
    }
    page.control("SH", ["SEE ALSO"]).text([bold("ferryd"), roman("(1), "), bold("ferryd-config"), roman("(1)")]);
    page.to_roff()
}

/// The key with its default, or with an example if it has none.
fn title(key: &Key) -> Vec<Inline> {
    let mut title = vec![bold(key.name), roman(" = "), italic(key.example())];
    if key.value(&Config::default()).is_none() {
        title.push(roman(" (an example; not set by default)"));
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_key_with_its_default_or_an_example() {
        // The text as people read it, without markup.
        let text = page().replace("\\-", "-").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "");
        for key in KEYS {
            let example = key.value(&Config::default()).is_none();
            let mark = if example { " (an example; not set by default)" } else { "" };
            let title = format!("\n{} = {}{mark}\n", key.name, key.example());
            assert!(text.contains(&title), "{title:?} is not in {text}");
            assert!(text.contains(&format!("In the environment: {}\n", key.variable())), "{}", key.variable());
        }
    }
}
