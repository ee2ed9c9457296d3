//! The configuration of rclone: sections with a type.

use std::io;

use super::{
    Found,
    entry::{Account, Entry},
    invalid,
};

/// Reads the remotes in `text`. Passwords, even those that are only obscured, stay where they are.
pub(super) fn read(text: &str) -> io::Result<Found> {
    if text.lines().any(|line| line.trim().starts_with("RCLONE_ENCRYPT_")) {
        return Err(invalid("it is encrypted; import from a file with the output of `rclone config show`"));
    }
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push(Section { name: name.trim(), ..Section::default() });
            continue;
        }
        // The line itself may be secret.
        let strange = || invalid(format!("line {number} is not one of rclone's"));
        let (key, value) = line.split_once('=').ok_or_else(strange)?;
        sections.last_mut().ok_or_else(strange)?.take(key.trim(), value.trim());
    }
    Ok(Found { entries: sections.iter().map(Section::entry).collect(), notes: Vec::new() })
}

#[derive(Default)]
struct Section<'a> {
    name: &'a str,
    kind: &'a str,
    host: &'a str,
    user: &'a str,
    port: &'a str,
    /// Whether a program makes the connection.
    is_external: bool,
}

impl<'a> Section<'a> {
    fn take(&mut self, key: &str, value: &'a str) {
        match key {
            "type" => self.kind = value,
            "host" => self.host = value,
            "user" => self.user = value,
            "port" => self.port = value,
            "ssh" => self.is_external = !value.is_empty(),
            _ => {}
        }
    }

    fn entry(&self) -> Entry {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        match self.kind {
            "sftp" if self.is_external => {
                Entry::of_other_kind(self.name, "it connects with a program, which ferry does not run")
            }
            "sftp" => {
                let account = Account { host: self.host.into(), user: given(self.user), port: given(self.port) };
                Entry { name: self.name.into(), account: Ok(account) }
            }
            // The text is free, so only what is certainly a word is repeated.
            kind if kind.len() <= 20 && kind.bytes().all(|b| b.is_ascii_alphanumeric()) && !kind.is_empty() => {
                Entry::of_other_kind(self.name, format!("ferry cannot open servers of the type {kind}"))
            }
            _ => Entry::of_other_kind(self.name, "it has no type"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_of_sftp_are_read_and_others_are_named() {
        let text = "# c\n[box]\ntype = sftp\nhost = box.example.org\nuser = al\nport = 2222\npass = hunter2\n\n\
                    [own]\ntype=sftp\nhost=h\n[bucket]\ntype = s3\nsecret_access_key = hunter2\n\
                    [odd]\ntype = sftp\nssh = ssh -p 1 hunter2\n";
        let found = read(text).unwrap();
        let names = found.entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names, ["box", "own", "bucket", "odd"]);
        let account = |host: &str, user: Option<&str>, port: Option<&str>| {
            Ok(Account { host: host.into(), user: user.map(Into::into), port: port.map(Into::into) })
        };
        assert_eq!(found.entries[0].account, account("box.example.org", Some("al"), Some("2222")));
        assert_eq!(found.entries[1].account, account("h", None, None));
        assert!(found.entries[2].account.as_ref().is_err_and(|why| why.contains("s3")));
        assert!(found.entries[3].account.is_err());
        assert!(!format!("{found:?}").contains("hunter2"));
    }

    #[test]
    fn an_encrypted_or_strange_file_is_refused_without_its_content() {
        for text in
            ["# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nhunter2=\n", "hunter2\n", "a = hunter2"]
        {
            let error = read(text).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
