//! FileZilla's site manager.

use std::io;

use roxmltree::{Document, Node};

use super::{
    Found,
    entry::{Account, Entry},
    invalid,
};

/// The names of FileZilla's protocols by their numbers.
const PROTOCOLS: [&str; 16] = [
    "FTP",
    "SFTP",
    "HTTP",
    "FTPS",
    "FTPS",
    "HTTPS",
    "FTP",
    "S3",
    "Storj",
    "WebDAV",
    "Azure Files",
    "Azure Blob",
    "Swift",
    "Google Cloud",
    "Google Drive",
    "Dropbox",
];

/// Reads the servers in `text`, in all folders of the site manager. Passwords stay where they are.
pub(super) fn read(text: &str) -> io::Result<Found> {
    // The message may repeat a part of the file; a document type is refused, so that no entity expands.
    let document = Document::parse(text).map_err(|error| invalid(format!("it is not valid XML at {}", error.pos())))?;
    let root = document.root_element();
    if !root.has_tag_name("FileZilla3") {
        return Err(invalid("it is not a file of FileZilla's site manager"));
    }
    let servers = root.descendants().filter(|node| node.has_tag_name("Server"));
    Ok(Found { entries: servers.map(entry).collect(), notes: Vec::new() })
}

fn entry(server: Node<'_, '_>) -> Entry {
    let text = |tag| server.children().find(|node| node.has_tag_name(tag)).and_then(|node| node.text()).map(str::trim);
    let given = |tag| text(tag).filter(|text| !text.is_empty()).map(str::to_owned);
    // Old versions write the name behind the other elements.
    let behind = || server.children().filter(Node::is_text).filter_map(|node| node.text()).collect::<String>();
    let name = given("Name").unwrap_or_else(|| behind().trim().to_owned());
    let account = match given("Protocol").as_deref().unwrap_or("0").parse::<usize>() {
        Ok(1) => Ok(Account { host: given("Host").unwrap_or_default(), user: given("User"), port: given("Port") }),
        Ok(number) => Err(match PROTOCOLS.get(number) {
            Some(protocol) => format!("ferry cannot open servers of {protocol}"),
            None => format!("ferry does not know FileZilla's protocol {number}"),
        }),
        Err(_) => Err("its protocol is invalid".to_owned()),
    };
    Entry { name, account }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(servers: &str) -> String {
        format!("<?xml version=\"1.0\"?><FileZilla3><Servers>{servers}</Servers></FileZilla3>")
    }

    #[test]
    fn servers_are_read_from_all_folders_and_other_protocols_are_named() {
        let found = read(&document(
            "<Server><Host>box.example.org</Host><Port>2222</Port><Protocol>1</Protocol><User>al</User>\
             <Pass encoding=\"base64\">aHVudGVyMg==</Pass><Name>R&amp;D box</Name></Server>\
             <Folder>Work<Server><Host>h</Host><Protocol>1</Protocol><Pass>hunter2</Pass>old name</Server>\
             <Server><Host>ftp.example.org</Host><Protocol>0</Protocol><Pass>hunter2</Pass><Name>f</Name></Server>\
             <Server><Host>x</Host><Protocol>99</Protocol><Name>g</Name></Server></Folder>",
        ))
        .unwrap();
        let names = found.entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names, ["R&D box", "old name", "f", "g"]);
        let first = Account { host: "box.example.org".into(), user: Some("al".into()), port: Some("2222".into()) };
        assert_eq!(found.entries[0].account, Ok(first));
        assert_eq!(found.entries[1].account, Ok(Account { host: "h".into(), user: None, port: None }));
        assert!(found.entries[2].account.as_ref().is_err_and(|why| why.contains("FTP")));
        assert!(found.entries[3].account.as_ref().is_err_and(|why| why.contains("99")));
        let shown = format!("{found:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
    }

    #[test]
    fn a_damaged_or_hostile_file_is_refused_without_its_content() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"hunter2\"><!ENTITY b \"&a;&a;\">]><FileZilla3>&b;</FileZilla3>";
        let deep = "<hunter2>".repeat(100_000);
        for text in [bomb, &deep, "", "<FileZilla3><Pass>x</hunter2>", "<x/>"] {
            let error = read(text).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
