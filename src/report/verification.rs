//! A verification as people read it.

use std::fmt::Write as _;

use super::grid::{Align, Grid, count};
use crate::run::{Verification, VerifiedContent, VerifiedFiles, VerifyCheck, VerifyResult};

impl VerifyCheck {
    /// What it did not compare, in a cell.
    pub(super) fn left_out(&self) -> String {
        let nothing = self.nothing_to_compare_with;
        let nothing = (nothing > 0).then(|| format!("nothing to compare with in {}", count(nothing)));
        self.not_possible.iter().cloned().chain(nothing).collect::<Vec<_>>().join("; ")
    }
}

impl VerifiedFiles {
    /// Which files were compared with what; `listed` is the check for which the blobs are listed.
    fn sentence(&self, listed: Option<&VerifyCheck>) -> String {
        if let Some(content) = &self.content {
            return content.sentence();
        }
        let (named, blobs) = (count(self.named), count(self.blobs));
        match listed.filter(|check| check.not_possible.is_some()) {
            None => format!("{named} files compared with {blobs} blobs"),
            Some(check) => format!("{} of {named} files compared with {blobs} blobs", count(check.compared)),
        }
    }
}

impl VerifiedContent {
    /// Which bytes were read, and with what they were compared.
    fn sentence(&self) -> String {
        let with = if self.by_manifest { "the manifest" } else { "their sources" };
        let (read, files) = (count(self.read), count(self.files));
        let read = if self.compared == self.read {
            format!("the bytes of {read} of {files} files compared with {with}")
        } else {
            format!(
                "the bytes of {read} of {files} files read, {} of them compared with {with} and {} with their receipts",
                count(self.compared),
                count(self.with_receipts)
            )
        };
        let mut text =
            format!("{read}, {} were proven when they were copied", count(self.proven_when_copied));
        if let Some((part, of)) = self.part {
            let verified = self.parts_verified.len();
            let _ = write!(text, "; part {part} of {of}, {verified} of them verified");
        }
        text
    }
}

impl Verification {
    /// The result in a sentence: what was compared, at which level, and what was found.
    pub fn sentence(&self) -> String {
        let rows = format!(
            "{} rows ({} migrated, {} failed, {} skipped)",
            count(self.rows_compared),
            count(self.migrated),
            count(self.failed),
            count(self.skipped)
        );
        let mut text = match self.result {
            VerifyResult::Verified => format!("VERIFIED at level {}: {rows}, nothing differs", self.level),
            VerifyResult::ToTheByte => format!("VERIFIED TO THE BYTE: {rows}, nothing differs"),
            VerifyResult::InPart => {
                let (open, all) = (self.checks_not_possible(), self.checks.len());
                let but = format!(", but {open} of {all} checks could not compare everything");
                format!(
                    "VERIFIED IN PART at level {}: {rows}, nothing differs{}",
                    self.level,
                    if open > 0 { but.as_str() } else { "" }
                )
            }
            VerifyResult::Differences => format!(
                "{} DIFFERENCES in {} attempts or rows at level {}: {rows}",
                count(self.differences),
                count(self.rows_different),
                self.level
            ),
        };
        if let Some(first) = self.examples.first() {
            let rest = if self.differences > 1 { ", …" } else { "" };
            let _ = write!(text, " ({first}{rest})");
        }
        if let Some(files) = &self.files {
            let listed = self.checks.iter().find(|check| check.name == "blob_present");
            let _ = write!(text, "; {}", files.sentence(listed));
        }
        if self.accepted > 0 {
            let _ = write!(text, "; {} accepted", count(self.accepted));
        }
        for remark in &self.remarks {
            let _ = write!(text, "; {remark}");
        }
        text
    }

    fn checks_not_possible(&self) -> usize {
        self.checks.iter().filter(|check| check.not_possible.is_some()).count()
    }

    /// What differs, as far as a screen holds it, and where the rest is.
    fn first_differences(&self) -> String {
        let mut text = format!("{}\n", self.examples.join("\n"));
        let more = self.differences.saturating_sub(self.examples.len() as u64);
        if more > 0 {
            let _ = writeln!(text, "and {} more, in verification_failures.csv", count(more));
        }
        text.push_str("`rogo-migrate explain CHECK` says what to do about each\n");
        text
    }

    /// The verdict, the first differences, a line for each check, and where the results are.
    pub fn grid(&self) -> String {
        let mut grid = Grid::new([
            ("check", Align::Left),
            ("compared", Align::Right),
            ("different", Align::Right),
            ("not possible", Align::Left),
        ]);
        for check in &self.checks {
            grid.row([check.name.clone(), count(check.compared), count(check.different), check.left_out()]);
        }
        let mut text = format!("{}\nrun {} (plan {})\n", self.verdict, self.run, self.plan);
        if !self.examples.is_empty() {
            let _ = write!(text, "\n{}", self.first_differences());
        }
        let _ = write!(text, "\n{}", grid.render());
        if !self.unknown_attempts.is_empty() {
            let ids: Vec<String> = self.unknown_attempts.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "\nattempts that this run does not know: {}", ids.join(", "));
        }
        for why in &self.not_independent {
            let _ = write!(text, "\nnot independent: {why}");
        }
        if self.independent {
            let _ = write!(
                text,
                "\nindependent: role {} may not write the target's tables, nor its storage credential blobs or outcomes, \
                 and the verify store lies apart",
                self.role
            );
        }
        text.push('\n');
        for place in &self.results {
            let _ = write!(text, "\n{place}");
        }
        text
    }
}
