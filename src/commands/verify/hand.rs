//! By another hand: who verified, and whether they could have written what they compare.

use std::path::PathBuf;

use super::{Asked, Known};
use crate::{
    adapters::blobs::{MayWrite, may_write},
    domain::FileKind,
    ports::{Fault, Service},
    run::{Verification, names},
    settings::Place,
};

impl Asked<'_> {
    /// Names the role and the database, and why the verification is not independent of the run, if it is not.
    pub(super) async fn sign(&self, verification: &mut Verification, known: &Known<'_>) -> Result<(), Fault> {
        let role = &known.role;
        verification.role.clone_from(&role.name);
        verification.database = known.identity.to_string();
        let mut reasons = Vec::new();
        if !role.may_write.is_empty() {
            reasons.push(format!("its role may write {}", role.may_write.join(", ")));
        }
        let files = FileKind::ALL.map(|kind| PathBuf::from(kind.folder())).to_vec();
        let target = (&self.settings.target, Service::TargetBlobs, "the blobs of the target", files);
        reasons.extend(self.could_write(target).await?);
        if self.is_in_the_run_store() {
            reasons.push("it writes to the run store, which holds the outcomes".to_owned());
        } else {
            let run = PathBuf::from(self.plan.run.as_str());
            let summary = run.join(names::result(names::SUMMARY));
            let within = vec![run.join(names::SEGMENTS), summary, run];
            let outcomes =
                (&self.settings.run_store, Service::RunStore, "the outcomes in the run store", within);
            reasons.extend(self.could_write(outcomes).await?);
        }
        verification.independent = reasons.is_empty();
        verification.not_independent = reasons;
        Ok(())
    }

    /// Why it is not certain that this process could not write to the place.
    async fn could_write(
        &self,
        (place, service, what, within): (&Place, Service, &str, Vec<PathBuf>),
    ) -> Result<Option<String>, Fault> {
        Ok(match may_write(place, &self.settings.account, service, within).await? {
            MayWrite::No => None,
            MayWrite::Yes(why) => Some(format!("it could write {what} ({place}): {why}")),
            MayWrite::Unknown(why) => {
                Some(format!("whether it could write {what} ({place}) could not be found out: {why}"))
            }
        })
    }
}
