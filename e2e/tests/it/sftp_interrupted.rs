//! Uploads through the SFTP door that do not reach their end, and how they end as whole files.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::Path,
};

use ferry_e2e::{
    MIB, compare, material,
    proxy::{Direction, Proxy, Then},
    server::Server,
    sftp::{Kind, Op, SftpClient, figures_agree, server_with, used_as_counted, wait_for_end},
};
use rustix::process::Signal;

const SIZE: u64 = 24 * MIB;
/// The bytes that pass before the client is killed.
const CUT: u64 = 12 * MIB;
/// Bytes that may be sent again: in flight, and cut off by rounding.
const AGAIN: u64 = 4 * MIB;

const NAME: &str = "file";

fn name() -> &'static OsStr {
    NAME.as_ref()
}

/// A server, and a client that was killed while it uploaded a file. The proxy forwards again.
struct Killed {
    server: Server,
    proxy: Proxy,
    client: SftpClient,
    keys: tempfile::TempDir,
}

fn kill_upload(kind: Kind) -> Killed {
    let (server, keys) = server_with(&[]);
    let proxy = Proxy::new(server.sftp().0);
    let client = SftpClient::at(kind, proxy.address(), keys.path());
    let source = client.local().join(NAME);
    material::random_file(&source, SIZE, 1);
    proxy.after(Direction::Up, CUT, Then::Hold);
    let running = client.start(Op::Put(&source, name()));
    proxy.wait_tripped(Direction::Up);
    client.kill(running);
    proxy.cut();
    proxy.release();
    wait_for_end(&server);
    assert!(!server.home("anna").join(NAME).exists(), "half a file has no name");
    Killed { server, proxy, client, keys }
}

#[tokio::test]
async fn an_upload_whose_client_was_killed_is_continued_or_sent_again_and_is_whole() {
    for kind in Kind::all() {
        let Killed { server, proxy, client, keys } = kill_upload(kind);
        let kept = used_as_counted(&server).await;
        assert!(kept > CUT - AGAIN, "{kept} bytes were kept");
        proxy.reset_counters();
        let again = SftpClient::at(kind, proxy.address(), keys.path());
        let source = client.local().join(NAME);
        drop(again.run(Op::Resume(&source, name())).ok());
        again.has_stored(&source, &server.home("anna").join(NAME));
        let (sent, most) = (proxy.counted(Direction::Up), if kind.resumes() { SIZE - CUT + AGAIN } else { SIZE + MIB });
        assert!(sent < most, "{sent} bytes were sent");
        figures_agree(&server, again).await;
    }
}

#[tokio::test]
async fn an_unfinished_upload_is_shown_shorter_than_it_is_and_cannot_be_read() {
    if !Kind::OpenSsh.is_there() {
        return;
    }
    let Killed { server, proxy: _proxy, client, keys: _keys } = kill_upload(Kind::OpenSsh);
    let listed = client.batch(b"ls -ln\n").wait().ok().text();
    let line = listed.lines().find(|line| line.ends_with(NAME)).unwrap_or_else(|| panic!("{listed}"));
    let size: u64 = line.split_whitespace().nth(4).and_then(|size| size.parse().ok()).unwrap();
    assert!(size > CUT - AGAIN && size < CUT && size.is_multiple_of(MIB), "{line}");
    assert!(line.contains("1970"), "{line}");
    let back = client.local().join("back");
    drop(client.run(Op::Get(name(), &back)).code(1).says("permission denied"));
    drop(client.run(Op::Rename(name(), OsStr::new("other"))).code(1));
    drop(client.run(Op::Remove(name())).ok());
    figures_agree(&server, client).await;
}

/// Every byte was sent, but the file was never closed: it ends as a whole file all the same.
async fn an_unclosed_upload_ends_as_a_whole_file(kind: Kind, finish: impl Fn(&SftpClient, &Path)) {
    if !kind.is_there() || !Kind::Paramiko.is_there() {
        return;
    }
    // Of whole blocks, so that nothing but the missing CLOSE tells; and with a rest.
    for size in [8 * MIB, 8 * MIB + 5] {
        let (server, keys) = server_with(&[]);
        let unclosed = SftpClient::new(Kind::Paramiko, &server, keys.path());
        let client = SftpClient::new(kind, &server, keys.path());
        let tree = client.local().join("tree");
        fs::create_dir(&tree).unwrap();
        let source = tree.join(NAME);
        material::random_file(&source, size, 1);
        drop(unclosed.paramiko(&["unclosed".as_ref(), source.as_os_str(), name()]).wait().code(9));
        wait_for_end(&server);
        assert!(!server.home("anna").join(NAME).exists());
        finish(&client, &tree);
        compare::same_file(&source, &server.home("anna").join(NAME));
        figures_agree(&server, client).await;
    }
}

#[tokio::test]
async fn reput_of_openssh_completes_an_unclosed_upload() {
    an_unclosed_upload_ends_as_a_whole_file(Kind::OpenSsh, |client, tree| {
        drop(client.run(Op::Resume(&tree.join(NAME), name())).ok());
    })
    .await;
}

#[tokio::test]
async fn sync_of_rclone_completes_an_unclosed_upload() {
    an_unclosed_upload_ends_as_a_whole_file(Kind::Rclone, |client, tree| {
        let words = ["sync".into(), tree.as_os_str().to_owned(), OsString::from(client.rclone_root())];
        drop(client.rclone(&words).wait().ok());
    })
    .await;
}

#[tokio::test]
async fn mirror_of_lftp_completes_an_unclosed_upload() {
    an_unclosed_upload_ends_as_a_whole_file(Kind::Lftp, |client, tree| {
        drop(client.lftp(format!("mirror -R -c {} /", tree.display()).as_bytes()).wait().ok());
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_a_person_cancels_in_openssh_is_stored_as_far_as_it_got() {
    if !Kind::OpenSsh.is_there() {
        return;
    }
    let (server, keys) = server_with(&[]);
    let proxy = Proxy::new(server.sftp().0);
    let client = SftpClient::at(Kind::OpenSsh, proxy.address(), keys.path());
    let source = client.local().join(NAME);
    material::random_file(&source, SIZE, 1);
    proxy.after(Direction::Up, CUT, Then::Hold);
    let running = client.start(Op::Put(&source, name()));
    proxy.wait_tripped(Direction::Up);
    running.signal(Signal::INT);
    proxy.release();
    let _ = running.wait();
    wait_for_end(&server);
    let (stored, sent) = (fs::read(server.home("anna").join(NAME)).unwrap(), fs::read(&source).unwrap());
    assert!(sent.starts_with(&stored) && stored.len() < sent.len(), "{} bytes are stored", stored.len());
    figures_agree(&server, client).await;
}
