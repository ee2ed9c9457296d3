//! Test cases that every kind of site must pass. A new kind of site needs a function that creates a
//! [`Scene`](scene::Scene), and a line below.

mod files;
mod folders;
mod links;
#[cfg(unix)]
mod peers;
mod replacing;
pub(crate) mod scene;
mod streams;

/// Generates a module of tests for a site.
macro_rules! conformance {
    ($site:ident; $scene:expr; $($group:ident::{$($case:ident),* $(,)?}),* $(,)?) => {
        mod $site {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    let scene: Option<super::scene::Scene> = $scene.into();
                    // A server may be missing on this computer.
                    let Some(scene) = scene else { return };
                    super::$group::$case(&scene).await;
                }
            )*)*
        }
    };
}

/// Generates the tests of all sites, one site per line.
macro_rules! sites {
    ($($site:ident => $scene:expr;)*) => {$(
        conformance! { $site; $scene;
            files::{
                a_small_file_is_stored_and_read_back,
                an_empty_file_is_stored_and_read_back,
                many_small_files_are_all_answered,
                content_that_is_not_what_was_declared_is_never_stored,
                attributes_are_set_and_only_of_the_file_that_was_seen,
                a_digest_is_that_of_the_content_or_is_not_offered,
                missing_entries_are_reported_as_missing,
                a_file_of_more_than_a_block_is_reported_as_large,
                removal_obeys_its_condition,
            },
            folders::{
                folders_are_made_with_those_above_them_and_may_be_there,
                a_file_is_no_folder,
                only_empty_folders_are_removed,
                a_walk_reports_everything_and_each_folder_before_its_content,
                a_walk_ends_when_the_receiver_is_dropped,
                a_target_is_prepared_as_it_is_asked_for,
                the_content_of_a_target_is_found,
                missing_folders_are_made_only_on_demand,
            },
            links::{
                a_link_is_made_read_and_replaced_only_by_a_link,
                nothing_is_written_through_a_link_below_a_target,
            },
            replacing::{
                nothing_is_replaced_unasked,
                a_folder_is_never_replaced_by_a_file,
                any_file_is_replaced_on_demand,
                only_the_file_that_was_seen_is_replaced,
            },
            streams::{
                a_large_file_is_stored_and_read_back,
                a_file_whose_size_is_not_known_is_stored,
                a_large_file_with_another_digest_is_never_stored,
                an_interrupted_file_resumes,
                a_paused_file_keeps_the_blocks_that_were_begun,
                equal_blocks_of_a_replaced_file_are_not_sent,
                an_interrupted_file_is_not_seen_under_its_name,
                the_part_of_an_interrupted_file_is_discarded,
                a_stopped_file_is_not_published,
                reading_stops_when_the_receiver_is_dropped,
                a_session_whose_call_was_dropped_is_usable_or_reports_that_it_is_not,
            },
        }
    )*};
}

sites! {
    local => super::scene::local();
    memory => super::scene::memory(crate::site::Abilities::ALL);
    memory_like_sftp => super::scene::memory(super::scene::LIKE_SFTP);
    memory_like_a_bucket => super::scene::memory(super::scene::LIKE_A_BUCKET);
    memory_in_place => super::scene::memory(super::scene::IN_PLACE);
}

#[cfg(unix)]
sites! {
    sftp_of_openssh => super::peers::openssh();
    sftp_of_ferryd => super::peers::ferryd();
}
