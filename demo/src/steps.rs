//! The main job, step by step; each step prints what it observed, and fails if that differs from its claim.

use std::fs;

use anyhow::{Context as _, ensure};
use ferry_client::ClientError;
use ferry_shared::{digest::Digest, message::request::Algorithm, path::RemotePath, refusal::Code};

use crate::{samples, say, scene::Scene};

const MIB: u64 = 1 << 20;

/// Plays all steps.
pub(crate) async fn all(scene: &Scene) -> anyhow::Result<()> {
    upload_a_tree(scene).await.context("step 1")?;
    break_an_upload(scene).await.context("step 2")?;
    resume_it(scene).await.context("step 3")?;
    download_and_compare(scene).await.context("step 4")?;
    exceed_the_quota(scene).await.context("step 5")?;
    say("\nAll five steps were as claimed.");
    Ok(())
}

fn remote(text: &str) -> anyhow::Result<RemotePath> {
    Ok(RemotePath::from_typed(text.as_bytes())?)
}

async fn upload_a_tree(scene: &Scene) -> anyhow::Result<()> {
    say("\n1. Upload a folder with subfolders, an empty folder and 205 files");
    let work = scene.upload(scene.local("samples"), remote("samples")?);
    let ran = scene.run(work, 0).await;
    let summary = ran.summaries.first().context("the job ended")?;
    ensure!(ran.failures.is_empty() && summary.files == 205, "{summary:?} {:?}", ran.failures);
    ensure!(samples::same(&scene.local("samples"), &scene.on_server("samples"))?, "the trees differ");
    say(&format!("   {} files, {} bytes: each verified; both trees are equal", summary.files, summary.bytes));
    Ok(())
}

async fn break_an_upload(scene: &Scene) -> anyhow::Result<()> {
    let size = samples::LARGE as u64;
    say(&format!("\n2. Upload a file of {} MiB and pull the cable half way", size / MIB));
    scene.cable.cut_after(size / 2);
    let work = scene.upload(scene.local("large.bin"), remote("large.bin")?);
    let ran = scene.run(work, 0).await;
    let error = ran.failures.first().context("the upload failed")?;
    ensure!(error.is_transient(), "worth trying again: {error}");
    ensure!(!scene.on_server("large.bin").exists(), "nothing may stand under the name yet");
    let uploads = scene.remote.uploads().await?;
    let staged = uploads.first().context("the part is kept")?;
    say(&format!("   it failed: {error}"));
    say(&format!("   nothing stands under its name; {} MiB of it are kept on the server", staged.received / MIB));
    Ok(())
}

async fn resume_it(scene: &Scene) -> anyhow::Result<()> {
    say("\n3. Run the same command again");
    let size = samples::LARGE as u64;
    scene.cable.bytes_up();
    let work = scene.upload(scene.local("large.bin"), remote("large.bin")?);
    let ran = scene.run(work, 0).await;
    let sent = scene.cable.bytes_up();
    let summary = ran.summaries.first().context("the job ended")?;
    ensure!(summary.files == 1 && ran.failures.is_empty(), "{summary:?} {:?}", ran.failures);
    ensure!(summary.reused >= size / 4, "only {} bytes were not sent again", summary.reused);
    ensure!(sent < size - summary.reused + 2 * MIB, "{sent} bytes went over the cable");
    let local = Digest::of(&fs::read(scene.local("large.bin"))?).to_string();
    let stored = scene.remote.hash(remote("large.bin")?, Algorithm::Blake3).await?;
    ensure!(stored == local, "digests differ: {stored} {local}");
    let (reused, sent) = (summary.reused / MIB, sent.div_ceil(MIB));
    say(&format!("   {reused} MiB already existed and were verified by digest; {sent} MiB were sent"));
    say(&format!("   both sides have BLAKE3 {local}"));
    Ok(())
}

async fn download_and_compare(scene: &Scene) -> anyhow::Result<()> {
    say("\n4. Download both and compare");
    for name in ["samples", "large.bin"] {
        let to = scene.local("back").join(name);
        fs::create_dir_all(scene.local("back"))?;
        let ran = scene.run(scene.download(remote(name)?, to.clone()), 0).await;
        ensure!(ran.failures.is_empty(), "{:?}", ran.failures);
        ensure!(samples::same(&scene.local(name), &to)?, "{name} differs");
        say(&format!("   {name}: equal, byte for byte"));
    }
    Ok(())
}

async fn exceed_the_quota(scene: &Scene) -> anyhow::Result<()> {
    say("\n5. Replace the large file by one that does not fit the quota");
    let before = scene.remote.usage().await?;
    fs::write(scene.local("too-large.bin"), samples::noise(2 * samples::LARGE + (8 << 20), 2))?;
    let rename = scene.local("too-large").join("large.bin");
    fs::create_dir_all(scene.local("too-large"))?;
    fs::rename(scene.local("too-large.bin"), &rename)?;
    let work = scene.upload(rename, remote("new/large.bin")?);
    scene.remote.make_dir(remote("new")?, true).await?;
    scene.cable.bytes_up();
    let ran = scene.run(work, 3).await;
    let sent = scene.cable.bytes_up();
    match ran.failures.first().context("the upload is refused")? {
        ClientError::Refused(refusal) if refusal.code == Code::OverQuota => say(&format!("   refused: {refusal}")),
        other => anyhow::bail!("refused for another reason: {other}"),
    }
    ensure!(sent < MIB, "it is refused before the data: {sent} bytes went over the cable");
    ensure!(samples::same(&scene.local("large.bin"), &scene.on_server("large.bin"))?, "the old file was touched");
    let after = scene.remote.usage().await?;
    ensure!(before.used == after.used && after.reserved == 0, "{before:?} became {after:?}");
    say(&format!("   nothing was lost: {} of {} bytes are used, as before", after.used, after.limit.unwrap_or(0)));
    Ok(())
}
