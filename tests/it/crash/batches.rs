//! The same promises where commits share statements.

use super::{Dice, answers_lost_are_settled, killed_again_and_again, two_processes_end_like_one};
use crate::support::app::Sample;

#[tokio::test]
async fn a_run_that_is_killed_while_its_commits_share_statements_ends_like_one_that_was_not() {
    let sample = Sample::with(200, 121, |options| options.file_bytes = "100-3000".parse().unwrap()).await;
    killed_again_and_again(&sample, 6, &mut Dice(7), async |app| Some(app.force_batches().await)).await;
}

#[tokio::test]
async fn two_processes_whose_commits_share_statements_end_like_one() {
    let sample = Sample::new(160, 130).await;
    two_processes_end_like_one(&sample, async |two| Some(two.force_batches().await)).await;
}

#[tokio::test]
async fn an_answer_that_several_commits_wait_for_is_settled_right_when_it_is_lost() {
    let sample = Sample::new(150, 132).await;
    answers_lost_are_settled(&sample, 4, true).await;
}
