//! The controls from the target: the sums that `plan --predict` wrote for the run, counted in what it stored.

use super::{Asked, Known};
use crate::{
    exit::Stop,
    ports::{ControlSums, StoredTarget},
    run::{
        Verification, WriterId,
        lines::no_room,
        names,
        results::{self, BYTE_ORDER_MARK, CSV, CsvDraft},
    },
};

impl Asked<'_> {
    /// Writes the sums, and beside them the statement that made them; not of some attempts only, nor if a table may not be
    /// read. In the run's own store those that were predicted stay. Without an answer to that one statement the verdict
    /// stands, and says so.
    pub(super) async fn publish_controls(
        &self,
        known: &Known<'_>,
        verification: &mut Verification,
    ) -> Result<(), Stop> {
        if self.attempts.is_some() || !known.absent.tables.is_empty() {
            return Ok(());
        }
        if known.has_altered_sums() {
            verification.remarks.push(format!(
                "{} and {} are not of this verification: --target-alters leaves out a column by which they count",
                names::CONTROLS,
                names::CONTROLS_SQL
            ));
            return Ok(());
        }
        let writers: Vec<&str> = known.writers.iter().map(WriterId::as_str).collect();
        let ControlSums { sql, rows } = match known.target.control_sums(&writers).await {
            Ok(sums) => sums,
            Err(fault) => {
                tracing::warn!(fault = %fault.chain(), "the target did not count the sums of {}", names::CONTROLS);
                verification.remarks.push(format!(
                    "{} and {} are not of this verification: the target did not answer their statement ({fault})",
                    names::CONTROLS,
                    names::CONTROLS_SQL
                ));
                return Ok(());
            }
        };
        let folder = tempfile::tempdir().map_err(no_room)?;
        let path = folder.path().join(names::CONTROLS);
        let mut draft = CsvDraft::create(&path, BYTE_ORDER_MARK, ControlSums::COLUMNS)?;
        rows.iter().try_for_each(|row| draft.row(row))?;
        draft.finish()?;
        let out = self.settings.out.as_path();
        let store = (!self.is_in_the_run_store()).then_some(self.results);
        results::publish(store, Some(out), names::CONTROLS, &path, CSV).await?;
        results::publish_document(store, Some(out), names::CONTROLS_SQL, &sql, "application/sql").await?;
        for file in [names::CONTROLS, names::CONTROLS_SQL] {
            verification.results.push(out.join(file).display().to_string());
            verification.results.extend(store.map(|store| store.describe(&names::result(file))));
        }
        Ok(())
    }
}
