//! Saving, finding and forgetting servers.

use std::ffi::OsStr;

use super::*;

fn sites(text: &str) -> (tempfile::TempDir, Result<Sites, SitesError>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sites.toml");
    fs::write(&file, text).unwrap();
    let sites = Sites::load(file);
    (folder, sites)
}

fn place(sites: &Sites, text: &str) -> Result<Place, SitesError> {
    sites.resolve(&Address::remote(OsStr::new(text)).unwrap())
}

const WORK: &str = "# mine\n[sites.work]\naddress = \"[::1]:9000\"\nuser = \"al\" # me\npath = \"projects/x\"\n";

#[test]
fn relative_paths_start_at_the_sites_folder() {
    let (_folder, sites) = sites(WORK);
    let sites = sites.unwrap();
    let path = |text: &str| place(&sites, text).unwrap().path.display().to_string();
    assert_eq!(path("work:"), "/projects/x");
    assert_eq!(path("work:a/b"), "/projects/x/a/b");
    assert_eq!(path("work:../y"), "/projects/y");
    assert_eq!(path("work:/a"), "/a");
    let target = place(&sites, "work:").unwrap().target;
    assert_eq!((target.host.as_str(), target.port, target.user.as_str()), ("::1", 9000, "al"));
}

#[test]
fn no_path_leads_above_the_home() {
    let (_folder, sites) = sites(WORK);
    let sites = sites.unwrap();
    assert!(matches!(place(&sites, "work:../../.."), Err(SitesError::Path(_))));
    assert!(matches!(place(&sites, "al@host:.."), Err(SitesError::Path(_))));
}

#[test]
fn an_unknown_site_is_told_by_name() {
    let (_folder, sites) = sites("");
    assert!(matches!(place(&sites.unwrap(), "home:x"), Err(SitesError::Unknown(name)) if name == "home"));
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_line() {
    let (_folder, sites) = sites("[sites.a]\naddress = \"h\"\nuser = \"u\"\npassword = \"x\"\n");
    let error = sites.unwrap_err().to_string();
    assert!(error.contains("password") && error.contains('4'), "{error}");
    let (_folder, sites) = self::sites("[sites.\"a b\"]\naddress = \"h\"\nuser = \"u\"\n");
    assert!(sites.is_err());
}

#[test]
fn adding_and_removing_keep_comments_and_other_sites() {
    let (_folder, loaded) = sites(WORK);
    let mut sites = loaded.unwrap();
    let site = Site {
        kind: crate::sites::Kind::Ferry,
        address: "host".into(),
        user: "bo".into(),
        path: None,
        server_key: None,
        identity: None,
        seal: None,
        links: None,
        keyring: false,
    };
    sites.add("new", site.clone()).unwrap();
    assert!(matches!(sites.add("new", site.clone()), Err(SitesError::Exists(_))));
    assert!(matches!(sites.add("a b", site.clone()), Err(SitesError::BadName(_))));
    let text = fs::read_to_string(&sites.file).unwrap();
    assert!(text.starts_with(WORK), "{text}");

    let mut again = Sites::load(sites.file.clone()).unwrap();
    assert_eq!(again.sites.get("new"), Some(&site));
    again.remove("work").unwrap();
    assert!(matches!(again.remove("work"), Err(SitesError::Unknown(_))));
    let left = Sites::load(sites.file.clone()).unwrap();
    assert_eq!(left.sites.keys().collect::<Vec<_>>(), ["new"]);
}

#[test]
fn a_file_that_cannot_be_read_is_never_written_over() {
    let (folder, loaded) = sites("not toml at all [");
    assert!(loaded.is_err());
    let mut sites = Sites { file: folder.path().join("sites.toml"), sites: BTreeMap::new() };
    let site = Site {
        kind: crate::sites::Kind::Ferry,
        address: "host".into(),
        user: "bo".into(),
        path: None,
        server_key: None,
        identity: None,
        seal: None,
        links: None,
        keyring: false,
    };
    assert!(sites.add("new", site).is_err());
    assert_eq!(fs::read_to_string(&sites.file).unwrap(), "not toml at all [");
}

#[test]
fn the_first_site_makes_file_and_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/er/sites.toml");
    let mut sites = Sites::load(file.clone()).unwrap();
    sites
        .add(
            "one",
            Site {
                kind: crate::sites::Kind::Ferry,
                address: "h:1".into(),
                user: "u".into(),
                path: Some("p".into()),
                server_key: None,
                identity: None,
                seal: None,
                links: None,
                keyring: false,
            },
        )
        .unwrap();
    assert!(fs::read_to_string(&file).unwrap().starts_with("# ferry's saved servers"));
    assert_eq!(Sites::load(file).unwrap().sites.len(), 1);
}
