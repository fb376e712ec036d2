//! What stands under the key of one rule.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::{Key, Rule, StandingRow, text};
use crate::{
    domain::enforcement_id,
    ports::{Cell, StoredRow, Table},
    verify::{
        checks::Ground,
        expect::{grades::most_attempts, text::trim},
        findings::{Findings, Kind, Lack, Place, Want},
        surplus::KnownSubmissions,
        table::CheckId,
    },
};

fn cell<'r>(row: &'r StoredRow, column: &str) -> &'r Cell {
    Table::Enforcements.place(column).map_or(&Cell::Null, |place| row.at(place))
}

/// The submissions of this run.
#[derive(Clone, Copy)]
pub(super) struct Ours<'a> {
    /// All of them.
    pub known: &'a KnownSubmissions,
    /// Keys of those whose rule is the newest under it, by id.
    pub rules: &'a HashMap<&'a str, &'a Key>,
}

impl Ours<'_> {
    /// Whether the row cannot be newer than this rule, although its date is: it names an older attempt of this run, or one
    /// whose rule has another key.
    fn contradict(&self, (key, rule): (&Key, &Rule), named: &str, date: DateTime<Utc>) -> bool {
        let is_older =
            self.known.attempt(named).is_some_and(|attempt| (date, attempt) < (rule.inserted, rule.attempt));
        is_older || self.rules.get(named).is_some_and(|of_named| *of_named != key)
    }
}

/// Of several rows under one key the newest is compared, the others are left.
pub(super) fn one(
    (key, rule): (&Key, &Rule),
    rows: &[StandingRow],
    ground: &Ground<'_>,
    ours: Ours<'_>,
    images: &BTreeSet<String>,
    findings: &mut Findings,
) {
    let check = CheckId::EnforcementNewest;
    let date = |(row, named_at): &StandingRow| {
        let applied = match cell(row, "rule_applied_at") {
            Cell::Time(at) => Some(*at),
            _ => None,
        };
        named_at.or(applied).unwrap_or(DateTime::<Utc>::MAX_UTC)
    };
    let newest = rows.iter().max_by_key(|row| (date(row), text(&row.0, "submission_id") != rule.submission));
    let Some(newest) = newest else {
        return findings.holds(check, false, Kind::Absent, || {
            "malpractice_enforcements has no row of the learner".to_owned()
        });
    };
    let row = &newest.0;
    if text(row, "submission_id") != rule.submission {
        // A newer attempt, or a live row of the same date, may have replaced it.
        let is_refuted = ours.contradict((key, rule), text(row, "submission_id"), date(newest));
        let holds = date(newest) >= rule.inserted && !is_refuted;
        return findings.holds(check, holds, Kind::Changed, || {
            "malpractice_enforcements holds the rule of an older attempt, of another learner's, or of none".to_owned()
        });
    }
    let (user, code, context) = key;
    let is_derived = row.id() == enforcement_id(user, code, context);
    let id = (Table::Enforcements, "id");
    findings.column_holds(check, id, is_derived || images.contains(row.id()), || {
        "malpractice_enforcements.id is not derived from learner, assessment and context".to_owned()
    });
    values(rule, row, ground, findings);
}

/// Compares the values of the row that holds the rule of our own submission.
fn values(rule: &Rule, row: &StoredRow, ground: &Ground<'_>, findings: &mut Findings) {
    let check = CheckId::EnforcementNewest;
    let at = |column| Place { table: Table::Enforcements, column, n: 0 };
    let mut compare = |column, want| findings.value(check, &at(column), want, cell(row, column));
    let inputs = Want::Unknown(Lack::Inputs);
    compare("context_title", rule.context_title.as_deref().map_or(inputs.clone(), Want::text));
    compare("attempt_number", rule.attempt_number.map_or(inputs.clone(), |number| Want::Int(number.into())));
    if !ground.catalogue_is_known {
        return findings.lacking(check, Lack::Catalogue);
    }
    let owner = ground.catalogue.rule_owner.as_deref();
    compare("rule_applied_by", owner.map_or(Want::Unknown(Lack::Catalogue), Want::text));
    let level = ground.catalogue.levels.get(text(row, "malpractice_level_id"));
    let is_known = ground.lacks(Table::Enforcements, "malpractice_level_id").is_none();
    let limit = level
        .filter(|_| is_known)
        .zip(rule.attempt_number)
        .map(|(level, number)| most_attempts(level, number));
    compare(
        "enforced_max_attempts",
        match limit {
            None => Want::Anything,
            Some(None) => Want::Null,
            Some(Some(most)) => Want::Int(most.into()),
        },
    );
    let is_named = level.is_some_and(|level| trim(level) == rule.level);
    findings.column_holds(check, (Table::Enforcements, "malpractice_level_id"), is_named, || {
        format!("{} is not the level that the grade names", at("malpractice_level_id"))
    });
}
