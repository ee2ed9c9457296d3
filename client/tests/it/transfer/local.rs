//! Jobs within this computer.

use ferry_client::Obstacle;

use super::*;

impl Rig {
    /// Carries something from one local path to another.
    async fn within(&mut self, from: &str, to: &str, options: JobOptions) -> Summary {
        let (from, to) = (self.local(from).into(), self.local(to).into());
        self.engine.add(Job { work: copy(Arc::new(Local), from, Arc::new(Local), to), options });
        self.job_done().await
    }

    fn tree(&self) {
        fs::create_dir_all(self.local("a/empty")).unwrap();
        fs::create_dir_all(self.local("a/b")).unwrap();
        fs::write(self.local("a/x"), b"small").unwrap();
        fs::write(self.local("a/b/large"), vec![7; BLOCK_LEN + 1]).unwrap();
    }

    fn has_tree(&self, top: &str) -> bool {
        let read = |name: &str| fs::read(self.local(top).join(name)).unwrap_or_default();
        read("x") == b"small" && read("b/large") == vec![7; BLOCK_LEN + 1] && self.local(top).join("empty").is_dir()
    }
}

fn moves() -> JobOptions {
    JobOptions { remove_source: true, ..JobOptions::default() }
}

#[tokio::test]
async fn a_tree_is_copied_within_this_computer() {
    let mut rig = Rig::new().await;
    rig.tree();
    let summary = rig.within("a", "c", JobOptions::default()).await;
    assert_eq!((summary.files, summary.failed), (2, 0));
    assert!(rig.has_tree("a") && rig.has_tree("c"));
}

#[tokio::test]
async fn a_tree_is_moved_within_this_computer() {
    let mut rig = Rig::new().await;
    rig.tree();
    let summary = rig.within("a", "c", moves()).await;
    assert_eq!((summary.files, summary.failed), (2, 0));
    assert!(!rig.local("a").exists() && rig.has_tree("c"));
}

#[tokio::test]
async fn a_tree_is_not_carried_onto_or_into_itself() {
    let mut rig = Rig::new().await;
    rig.tree();
    for to in ["a", "a/b/c"] {
        let summary = rig.within("a", to, moves()).await;
        assert_eq!(summary.error.map(|error| error.obstacle()), Some(Obstacle::BadPath), "{to}");
        assert!(rig.has_tree("a") && !rig.local("a/b/c").exists());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_its_own_target_by_another_path_is_not_removed() {
    let mut rig = Rig::new().await;
    rig.tree();
    std::os::unix::fs::symlink(rig.local("a"), rig.local("link")).unwrap();
    let replacing = JobOptions { conflict: ferry_client::transfer::ConflictRule::Replace, ..moves() };
    rig.within("a/x", "link/x", replacing.clone()).await;
    assert!(rig.has_tree("a"));
    // Two names of one file.
    fs::hard_link(rig.local("a/x"), rig.local("same")).unwrap();
    rig.within("same", "a/x", moves()).await;
    assert!(rig.has_tree("a"));
}
