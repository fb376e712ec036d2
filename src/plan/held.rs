//! The planned attempts that the target held when the plan was made.

use crate::{
    domain::{AttemptId, SubmissionIds, attempt_of_launch_id},
    ports::{Fault, StandingSubmission, TargetReader},
};

/// Attempts that the target holds, by the launch id under which it holds them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HeldAttempts {
    lms_instance: String,
    /// Under the launch id that this program gives, sorted.
    own: Vec<AttemptId>,
    /// Under another one, by attempt.
    otherwise: Vec<HeldOtherwise>,
}

/// An attempt that the target holds under a launch id of another program.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HeldOtherwise {
    attempt: AttemptId,
    launch_id: Box<str>,
    /// `None` if there are several of the attempt: it is not enough that this one is gone.
    submission_id: Option<Box<str>>,
}

impl HeldAttempts {
    /// Asks the target once about all attempts, and keeps those that are planned.
    pub async fn read(
        target: &dyn TargetReader,
        lms_instance: &str,
        is_planned: impl Fn(AttemptId) -> bool + Send + Sync,
    ) -> Result<Self, Fault> {
        let mut own = Vec::new();
        let mut otherwise: Vec<HeldOtherwise> = Vec::new();
        target
            .launch_ids(&mut |submissions| {
                for StandingSubmission { launch_id, id } in submissions {
                    let Some(attempt) = attempt_of_launch_id(&launch_id) else { continue };
                    if !is_planned(attempt) {
                        continue;
                    }
                    if launch_id == SubmissionIds::new(lms_instance, attempt).launch_id() {
                        own.push(attempt);
                    } else {
                        let (launch_id, submission_id) =
                            (launch_id.into_boxed_str(), Some(id.into_boxed_str()));
                        otherwise.push(HeldOtherwise { attempt, launch_id, submission_id });
                    }
                }
            })
            .await?;
        own.sort_unstable();
        otherwise.sort_unstable();
        otherwise.dedup_by(|another, kept| {
            let is_another = another.attempt == kept.attempt;
            if is_another {
                kept.submission_id = None;
            }
            is_another
        });
        Ok(Self { lms_instance: lms_instance.to_owned(), own, otherwise })
    }

    /// A launch id of the attempt; another program's before this one's, which is looked up for every row in any case.
    pub fn launch_id(&self, attempt: AttemptId) -> Option<String> {
        if let Some(otherwise) = self.otherwise(attempt) {
            return Some((*otherwise.launch_id).to_owned());
        }
        let is_held = self.own.binary_search(&attempt).is_ok();
        is_held.then(|| SubmissionIds::new(&self.lms_instance, attempt).launch_id())
    }

    /// The attempt's only submission of another program.
    pub fn submission_id(&self, attempt: AttemptId) -> Option<String> {
        self.otherwise(attempt)?.submission_id.as_deref().map(str::to_owned)
    }

    fn otherwise(&self, attempt: AttemptId) -> Option<&HeldOtherwise> {
        let at = self.otherwise.binary_search_by_key(&attempt, |held| held.attempt).ok()?;
        self.otherwise.get(at)
    }
}
