//! Bandwidth limits apply to one user and to all users, in both directions; a changed limit also affects transfers in
//! progress.

use ferry_e2e::{
    MIB, compare, material,
    server::{Server, Setup},
    wait,
};

/// At [`RATE`] this would take hours.
const SIZE: u64 = 64 * MIB;
const RATE: &str = "8KiB";

/// Sets anna's rates.
fn limit(server: &Server, bandwidth: &str) {
    let (status, said) = server.ferryd(&["user", "set", "anna", "--bandwidth", bandwidth], "");
    assert!(status.success(), "{said}");
}

#[test]
fn an_upload_held_back_for_its_user_goes_on_once_the_operator_lets_it() {
    let server = Setup::new().user("anna", &[]).user("bert", &[]).start();
    limit(&server, &format!("{RATE}:none"));
    let (anna, bert) = (server.client("anna"), server.client("bert"));
    let file = anna.scratch("files").join("file");
    material::random_file(&file, SIZE, 1);
    let mut slow = anna.start(&[&"put", &file, &anna.at("file")]);
    wait::until("the upload to begin", || !server.staged_parts("anna").is_empty());
    bert.put(&file, "file").ok();
    bert.get("file", &bert.scratch("back").join("file")).ok();
    assert!(!slow.ended(), "anna's upload was as fast as bert's");
    limit(&server, "none");
    slow.wait().ok();
    compare::same_file(&file, &server.home("anna").join("file"));
}

#[test]
fn downloads_of_all_are_held_back_together_until_the_configuration_says_otherwise() {
    let limit = format!("[bandwidth]\ndown = \"{RATE}\"\n");
    let server = Setup::new().user("anna", &[]).user("bert", &[]).config(&limit).start();
    let mut held = ["anna", "bert"].map(|user| {
        material::random_file(&server.home(user).join("file"), SIZE, 2);
        let client = server.client(user);
        let to = client.scratch("files").join("file");
        (user, client.start(&[&"get", &client.at("file"), &to]), to, client)
    });
    // Uploads are not limited, even for the same user.
    let client = server.client("anna");
    client.put(&server.home("bert").join("file"), "other").ok();
    assert!(held.iter_mut().all(|(_, running, ..)| !running.ended()), "a download was not held back");
    server.reconfigure("");
    let (status, said) = server.ferryd(&["reload"], "");
    assert!(status.success(), "{said}");
    for (user, running, to, _client) in held {
        running.wait().ok();
        compare::same_file(&to, &server.home(user).join("file"));
    }
}
