//! The server is stopped, or its disk fails, at each step of writing its own files and of starting.

use std::fs;

use ferry_e2e::{
    PASSWORD, compare,
    failpoints::{Failpoints, Fault},
    peer::{self, Peer},
    server::{Server, Setup},
    wait,
};
use ferry_shared::{
    message::{Reply, Request},
    secret::Secret,
};
use rustix::process::Signal;

const FAULTS: [Fault; 3] = [Fault::Crash, Fault::Broken, Fault::Full];

fn server() -> Option<(Server, Failpoints)> {
    let server = Setup::new().user("anna", &[]).config("[login]\nallow = [\"127.0.0.0/8\"]");
    let mut server = Failpoints::setup(server).start();
    let points = Failpoints::of(&mut server)?;
    Some((server, points))
}

async fn can_log_in(server: &Server, password: &str) -> bool {
    let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
    matches!(peer.ask(&peer::login("anna", password)).await.unwrap(), Reply::LoggedIn(_))
}

async fn assert_figures(server: &Server, what: &str) {
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    let Reply::Usage(usage) = peer.ask(&Request::Usage).await.unwrap() else { panic!("{what}: no usage") };
    let home = server.home("anna");
    let there = (compare::bytes_below(&home), compare::count_below(&home));
    assert_eq!((usage.used, usage.files), there, "{what}: used is not what is there");
}

/// The user store, changed by setting a password: it is the old or the new one, and an acknowledged change is new.
#[tokio::test]
async fn a_user_store_is_old_or_new() {
    let Some((mut server, mut points)) = server() else { return };
    let mut passwords = (PASSWORD.to_owned(), "a new password of 1".to_owned());
    let mut turns = 1;
    for fault in FAULTS {
        for number in 1.. {
            let (mut peer, _) = Peer::welcomed(server.address()).await.unwrap();
            let logged_in = peer.ask(&peer::login("anna", &passwords.0)).await.unwrap();
            assert!(matches!(logged_in, Reply::LoggedIn(_)), "{logged_in:?}");
            let (old, new) = (Secret::new(passwords.0.clone()), Secret::new(passwords.1.clone()));
            points.arm(fault, number);
            let reply = peer.ask(&Request::ChangePassword { old, new }).await.ok();
            let steps = points.end();
            let what = format!("{fault} at step {number} of {steps:?}");
            if fault == Fault::Crash && steps.len() >= number {
                wait::until("the server to die", || !server.is_running());
            }
            // If the folder of a new file could not be flushed, the file takes effect shortly after the refusal; a
            // restart makes its state certain.
            server.kill();
            server.start_again();
            let (was, is) = (can_log_in(&server, &passwords.0).await, can_log_in(&server, &passwords.1).await);
            assert!(was != is, "{what}: old {was}, new {is}");
            match &reply {
                Some(Reply::Done) => assert!(is, "{what}: acknowledged and not changed"),
                Some(Reply::Refused(_)) | None => assert!(steps.len() >= number, "{what}: {reply:?}"),
                other => panic!("{what}: {other:?}"),
            }
            if is {
                turns += 1;
                passwords = (passwords.1, format!("a new password of {turns}"));
            }
            if steps.len() < number {
                assert!(number > 4, "too few steps: {steps:?}");
                break;
            }
        }
    }
    let left = |name: &str| name.contains(".new");
    let names = fs::read_dir(server.data()).unwrap().flatten().map(|entry| entry.file_name());
    let names: Vec<_> = names.filter(|name| left(&name.to_string_lossy())).collect();
    assert!(names.is_empty(), "temporary files stay: {names:?}");
}

/// The ledger, written at an orderly stop: it is believed as a whole, or the home is counted.
#[tokio::test]
async fn a_ledger_is_right_or_counted_again() {
    let Some((mut server, mut points)) = server() else { return };
    for fault in FAULTS {
        for number in 1.. {
            let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
            let put = peer::put(&format!("{fault}-{number}"), Some(1000));
            assert!(matches!(peer.upload(&put, &[1; 1000]).await.unwrap(), Reply::Stored { .. }));
            drop(peer);
            points.arm(fault, number);
            server.signal(Signal::TERM);
            let _ = server.wait_end();
            let steps = points.end();
            server.start_again();
            assert_figures(&server, &format!("{fault} at step {number} of {steps:?}")).await;
            if steps.len() < number {
                assert!(number > 4, "too few steps: {steps:?}");
                break;
            }
        }
    }
}

/// A start with a valid ledger and leftovers in staging; after a failure the next start repairs everything.
#[tokio::test]
async fn a_start_that_is_cut_short_is_made_good_by_the_next() {
    let Some((mut server, mut points)) = server() else { return };
    let (mut peer, _) = Peer::logged_in(server.address(), "anna").await.unwrap();
    assert!(matches!(peer.upload(&peer::put("file", Some(1000)), &[1; 1000]).await.unwrap(), Reply::Stored { .. }));
    drop(peer);
    for fault in FAULTS {
        for number in 1.. {
            server.signal(Signal::TERM);
            let _ = server.wait_end();
            fs::write(server.staging("anna").join("7.tmp"), "left over").unwrap();
            points.arm(fault, number);
            if server.can_start_again() {
                // After a login the home is open, or the server has died, or this login met the fault.
                let _ = Peer::logged_in(server.address(), "anna").await;
            }
            let steps = points.end();
            let what = format!("{fault} at step {number} of {steps:?}");
            server.kill();
            server.start_again();
            assert_figures(&server, &what).await;
            let left = fs::read_dir(server.staging("anna")).unwrap().count();
            assert_eq!(left, 0, "{what}: staging is not clean");
            if steps.len() < number {
                assert!(number > 4, "too few steps: {steps:?}");
                break;
            }
        }
    }
}
