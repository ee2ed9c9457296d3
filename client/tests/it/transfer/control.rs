//! Pausing, cancelling, moving, and stopping in the middle.

use std::fs;

use ferry_client::{
    ClientError,
    transfer::{ConflictRule, Event, ItemId, ItemState, JobOptions, LinkEvent, Outcome, Selected, Settings, Skip},
};
use ferry_shared::limits::BLOCK_LEN;

use super::{
    Rig, bytes,
    memory_server::{File, LARGE},
    tree, write,
};

/// Starts a large transfer that stops after its first block; returns its item.
async fn held_up(rig: &mut Rig, upload: bool) -> ItemId {
    rig.server.open_gate(false);
    let state = if upload { ItemState::Sending } else { ItemState::Receiving };
    match upload {
        true => {
            write(&rig.local("x"), &bytes(LARGE, 0));
            rig.upload("x", "x", JobOptions::default());
        }
        false => {
            rig.server.state().put("x", &bytes(LARGE, 0));
            rig.download("x", "x", JobOptions::default());
        }
    }
    rig.until(|event| match event {
        Event::ItemState { item, state: found } if *found == state => Some(*item),
        _ => None,
    })
    .await
}

async fn state(rig: &mut Rig, wanted: ItemState) {
    rig.until(|event| matches!(event, Event::ItemState { state, .. } if *state == wanted).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_file_continues_when_it_is_resumed() {
    for upload in [true, false] {
        let mut rig = Rig::new().await;
        let item = held_up(&mut rig, upload).await;
        rig.engine.pause(item);
        state(&mut rig, ItemState::Paused).await;
        rig.server.open_gate(true);
        rig.engine.drained().await;
        rig.engine.resume(item);
        assert_eq!(rig.job_done().await.files, 1);
        assert!(rig.server.state().bytes("x") == fs::read(rig.local("x")).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_pauses_active_files_too() {
    let mut rig = Rig::new().await;
    held_up(&mut rig, true).await;
    let job = rig.engine.progress().jobs[0].job;
    rig.engine.pause(job);
    rig.server.open_gate(true);
    rig.engine.drained().await;
    assert!(rig.engine.progress().active.is_empty() && rig.engine.progress().jobs[0].paused);
    rig.engine.resume(job);
    assert_eq!(rig.job_done().await.files, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_file_keeps_or_discards_its_part_as_requested() {
    for (upload, keep) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut rig = Rig::new().await;
        if upload {
            rig.server.state().staged.insert(b"x".to_vec(), bytes(BLOCK_LEN, 0));
        }
        let item = held_up(&mut rig, upload).await;
        rig.server.state().staged.insert(b"x".to_vec(), bytes(BLOCK_LEN, 0));
        rig.engine.cancel(item, keep);
        let summary = rig.job_done().await;
        assert_eq!((summary.skipped, summary.failed), (1, 0));
        assert!(matches!(rig.outcomes()["x"], Outcome::Skipped(Skip::Cancelled)));
        match upload {
            true => assert_eq!(rig.server.state().staged.contains_key(&b"x"[..]), keep),
            false => assert_eq!(rig.local(".x.ferry-part").exists(), keep),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_ends_and_is_reported() {
    let mut rig = Rig::new().await;
    held_up(&mut rig, true).await;
    let job = rig.engine.progress().jobs[0].job;
    rig.engine.cancel(job, true);
    assert!(rig.job_done().await.cancelled);
    rig.engine.drained().await;
    assert!(rig.engine.progress().jobs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_right_after_a_pause_leaves_both_sides_as_they_were() {
    // More data than the network buffers: a commit that was sent cannot be cancelled.
    let (near, far) = (bytes(4 * LARGE, 1), bytes(4 * LARGE, 2));
    for (upload, whole_job) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut rig = Rig::new().await;
        rig.server.open_gate(false);
        write(&rig.local("x"), &near);
        rig.server.state().put("x", &far);
        let replace = JobOptions { conflict: ConflictRule::Different, ..JobOptions::default() };
        match upload {
            true => rig.upload("x", "x", replace),
            false => rig.download("x", "x", replace),
        }
        let state = if upload { ItemState::Sending } else { ItemState::Receiving };
        let item = rig.until(|event| match event {
            Event::ItemState { item, state: found } if *found == state => Some(*item),
            _ => None,
        });
        let item = item.await;
        let job = rig.engine.progress().jobs[0].job;
        let what = if whole_job { Selected::Job(job) } else { Selected::Item(item) };
        rig.engine.pause(what);
        rig.engine.cancel(what, false);
        rig.server.open_gate(true);
        let summary = rig.job_done().await;
        assert_eq!((summary.files, summary.failed, summary.cancelled), (0, 0, whole_job));
        assert!(fs::read(rig.local("x")).unwrap() == near, "the local file stays");
        assert!(rig.server.state().bytes("x") == far, "the remote file stays");
        rig.engine.drained().await;
        assert!(!rig.local(".x.ferry-part").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_in_the_middle_is_prompt_and_leaves_the_part() {
    for upload in [true, false] {
        let mut rig = Rig::new().await;
        held_up(&mut rig, upload).await;
        for number in 0..2000 {
            write(&rig.local(&format!("many/{number}")), b"x");
        }
        rig.upload("many", "many", JobOptions::default());
        rig.engine.shutdown().await;
        assert!(upload || rig.folder.path().join(".x.ferry-part").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_a_receiver_still_shuts_down() {
    let rig = Rig::new().await;
    for number in 0..3000 {
        write(&rig.local(&format!("src/{number}")), b"x");
    }
    rig.upload("src", "dst", JobOptions::default());
    while rig.server.state().files.len() < 500 {
        tokio::task::yield_now().await;
    }
    rig.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_removes_transferred_files_and_empty_folders() {
    let mut rig = Rig::new().await;
    write(&rig.local("src/a/small"), b"1");
    write(&rig.local("src/a/large"), &bytes(LARGE, 0));
    write(&rig.local("src/b/kept"), b"2");
    rig.server.state().put("dst/b/kept", b"other");
    let moving = JobOptions { remove_source: true, ..JobOptions::default() };
    let summary = rig.uploaded("src", "dst", moving.clone()).await;
    assert_eq!((summary.files, summary.failed), (2, 1));
    assert_eq!(tree(&rig.local("src")).into_keys().collect::<Vec<_>>(), ["b/kept"]);
    let summary = rig.downloaded("dst", "back", moving).await;
    assert_eq!((summary.files, summary.failed), (3, 0));
    assert!(rig.server.state().files.is_empty() && rig.server.state().folders.is_empty());
    assert!(fs::read(rig.local("back/a/large")).unwrap() == bytes(LARGE, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_leaves_a_source_that_is_newer_than_what_arrived() {
    // The last file already exists here with equal content, so that it only needs to be removed there.
    for (size, equal) in [(1000, false), (LARGE, false), (1000, true)] {
        let mut rig = Rig::new().await;
        rig.server.state().put("x", &bytes(size, 1));
        if equal {
            write(&rig.local("x"), &bytes(size, 1));
        }
        rig.server.state().meanwhile = Some(("remove", "x", File::new(&bytes(size, 2), 1_000)));
        let moving = JobOptions { remove_source: true, ..JobOptions::default() };
        let summary = rig.downloaded("x", "x", moving).await;
        assert_eq!((summary.files, summary.failed), (0, 1));
        let Outcome::Failed(failure) = &rig.outcomes()["x"] else { panic!("not failed") };
        assert!(matches!(failure.error, ClientError::SourceChanged), "{failure:?}");
        assert!(rig.server.state().bytes("x") == bytes(size, 2), "the newer version stays");
        assert!(fs::read(rig.local("x")).unwrap() == bytes(size, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_reads_the_result_again() {
    let mut rig = Rig::new().await;
    write(&rig.local("src/small"), b"1");
    write(&rig.local("src/large"), &bytes(LARGE, 0));
    let verify = JobOptions { verify: true, ..JobOptions::default() };
    assert_eq!(rig.uploaded("src", "dst", verify.clone()).await.files, 2);
    assert_eq!(rig.server.state().requests.iter().filter(|name| **name == "hash").count(), 2);
    assert_eq!(rig.downloaded("dst", "back", verify).await.files, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_reached_fails_everything_once() {
    let rig = Rig::with(Settings { retries: 0, ..Settings::default() }).await;
    write(&rig.local("src/a"), b"1");
    let (address, folder) = (rig.server.fake.address, rig.folder);
    drop(rig.server);
    let options = ferry_client::ConnectOptions::new(ferry_client::Trust::AcceptNew, folder.path().join("known"));
    let connector = crate::fake::connector(address, options);
    let (engine, mut events) = ferry_client::transfer::Engine::start(Settings { retries: 0, ..Settings::default() });
    let from = folder.path().join("src");
    for to in ["one", "two"] {
        let work = super::upload(connector.clone(), from.clone(), super::remote(to));
        engine.add(ferry_client::transfer::Job { work, options: JobOptions::default() });
    }
    let mut done = 0;
    while done < 2 {
        if let Event::JobDone { summary, .. } = events.recv().await.unwrap() {
            assert!(summary.error.is_some() || summary.failed > 0);
            done += 1;
        }
    }
    engine.drained().await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_return_is_reported_also_after_retrying_was_given_up() {
    let mut rig = Rig::with(Settings { retries: 1, ..Settings::default() }).await;
    write(&rig.local("a"), b"1");
    rig.server.state().shut = true;
    rig.upload("a", "a", JobOptions::default());
    rig.until(|event| matches!(event, Event::Link(LinkEvent::Lost { .. })).then_some(())).await;
    assert_eq!(rig.job_done().await.failed, 1);
    rig.engine.drained().await;
    rig.server.state().shut = false;
    rig.upload("a", "a", JobOptions::default());
    assert_eq!(rig.job_done().await.files, 1);
    assert!(rig.told.iter().any(|event| matches!(event, Event::Link(LinkEvent::Restored { .. }))));
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_ends_at_the_totals() {
    let mut rig = Rig::new().await;
    write(&rig.local("src/small"), &bytes(1000, 0));
    write(&rig.local("src/large"), &bytes(LARGE, 0));
    let item = {
        rig.server.open_gate(false);
        rig.upload("src", "dst", JobOptions::default());
        rig.until(|event| match event {
            Event::ItemState { item, state: ItemState::Sending } => Some(*item),
            _ => None,
        })
        .await
    };
    let progress = rig.engine.progress();
    assert_eq!((progress.active.len(), progress.active[0].item), (1, item));
    assert!(progress.jobs[0].bytes_done <= progress.jobs[0].bytes);
    rig.server.open_gate(true);
    assert_eq!(rig.job_done().await.bytes, (LARGE + 1000) as u64);
    rig.until(|event| matches!(event, Event::Idle).then_some(())).await;
    assert!(rig.engine.progress().jobs.is_empty() && rig.engine.progress().active.is_empty());
}
