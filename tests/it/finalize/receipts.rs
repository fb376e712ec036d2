//! The root of a run depends on every row, in the input's order, and on nothing else.

use rogo_migrate::{
    domain::{
        Digest, FailCode, Fate, FileReceipt, Migrated, Outcome, Receipt, ReceiptFrom, ShardIndex,
        SourceDigest,
    },
    run::{
        Plan,
        receipts::{Folding, Receipts},
    },
};

use crate::support::world::{World, failed, migrated, skipped};

fn program() -> Digest {
    Digest::of(b"program")
}

fn fold<'o>(plan: &Plan, outcomes: impl IntoIterator<Item = (u32, &'o Outcome)>) -> Receipts {
    let mut folding = Folding::begin(plan, program());
    for (shard, outcome) in outcomes {
        folding.add(ShardIndex(shard), outcome, false);
    }
    folding.finish()
}

/// Three outcomes, each with everything that enters.
fn outcomes() -> Vec<Outcome> {
    let mut rows = vec![migrated(1, 1), failed(2, 1, FailCode::NoFiles), skipped(3, 1)];
    for outcome in &mut rows {
        outcome.source =
            Some(SourceDigest { sha256: Digest::of(&outcome.row.to_be_bytes()), facts: true, parts: None });
        if let Fate::Migrated(migrated) = &mut outcome.fate {
            migrated.receipt = Some(Box::new(Receipt {
                sha256: Digest::of(b"rows"),
                from: ReceiptFrom::Sent,
                enforcement: Some(Digest::of(b"rule")),
                transaction: Some(7),
            }));
            migrated.file_receipts = vec![FileReceipt::new(3, Some([7; 16]), Some(Digest::of(b"abc")))];
        }
    }
    rows
}

fn changed(change: impl Fn(&mut Outcome, &mut Migrated)) -> Vec<Outcome> {
    let mut rows = outcomes();
    let mut first = rows[0].clone();
    let Fate::Migrated(mut migrated) = first.fate.clone() else { unreachable!() };
    change(&mut first, &mut migrated);
    if matches!(first.fate, Fate::Migrated(_)) {
        first.fate = Fate::Migrated(migrated);
    }
    rows[0] = first;
    rows
}

#[test]
fn whatever_enters_a_row_changes_the_root() {
    let plan = World::new(3, 1).plan;
    let of = |rows: &[Outcome]| fold(&plan, rows.iter().map(|row| (0, row)));
    let expected = of(&outcomes());
    assert_eq!(expected.count, 3);
    for (what, rows) in [
        ("the attempt", changed(|row, _| row.attempt = "99".parse().ok())),
        ("the source", changed(|row, _| row.source.as_mut().unwrap().sha256 = Digest::of(b"x"))),
        ("the kind", changed(|row, _| row.fate = skipped(1, 1).fate)),
        ("the receipt", changed(|_, it| it.receipt.as_mut().unwrap().sha256 = Digest::of(b"x"))),
        ("the rule", changed(|_, it| it.receipt.as_mut().unwrap().enforcement = None)),
        ("a file's length", changed(|_, it| it.file_receipts[0].bytes = 4)),
        ("a file's MD5", changed(|_, it| it.file_receipts[0].md5 = None)),
        ("a file more", changed(|_, it| it.file_receipts.push(FileReceipt::default()))),
        ("the order", outcomes().into_iter().rev().collect()),
        ("a row less", outcomes().into_iter().take(2).collect()),
    ] {
        let found = of(&rows);
        assert_ne!(found.root, expected.root, "{what}");
        assert_ne!(found.shards, expected.shards, "{what}");
    }
    let code = {
        let mut rows = outcomes();
        rows[1].fate = failed(2, 1, FailCode::ReportMissing).fate;
        of(&rows)
    };
    assert_ne!(code.root, expected.root);
}

#[test]
fn who_moved_a_row_and_when_changes_nothing() {
    let plan = World::new(3, 1).plan;
    let of = |rows: &[Outcome]| fold(&plan, rows.iter().map(|row| (0, row)));
    let recovered = changed(|row, it| {
        (row.worker, row.milliseconds, row.at) = (4, 9, migrated(1, 60).at);
        it.recovered = true;
        it.file_receipts[0].sha256 = None;
        let receipt = it.receipt.as_mut().unwrap();
        (receipt.from, receipt.transaction) = (ReceiptFrom::Decided, None);
    });
    assert_eq!(of(&recovered), of(&outcomes()));
    let sharded = World::new(3, 3).plan;
    let found = fold(&sharded, outcomes().iter().zip([2, 0, 1]).map(|(row, shard)| (shard, row)));
    assert_eq!(found.root, of(&outcomes()).root);
    assert_eq!(found.shards.len(), 3);
}

#[test]
fn inputs_settings_and_program_change_the_root_and_no_shard() {
    let plan = World::new(3, 1).plan;
    let of = |plan: &Plan| fold(plan, outcomes().iter().map(|row| (0, row)));
    let expected = of(&plan);
    let altered = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        of(&plan)
    };
    for (what, found) in [
        ("the submissions", altered(&|plan| plan.submissions.sha256 = Digest::of(b"x").to_string())),
        ("the mapping", altered(&|plan| plan.mapping.sha256 = Digest::of(b"x").to_string())),
        ("a setting", altered(&|plan| drop(plan.settings.insert("lms-name".into(), "Another".into())))),
        ("the rules", altered(&|plan| plan.rules_version += 1)),
    ] {
        assert_ne!(found.root, expected.root, "{what}");
        assert_eq!(found.shards, expected.shards, "{what}");
    }
    let salted = altered(&|plan| drop(plan.settings.insert("consumer-key".into(), "sha256 0123".into())));
    assert_eq!(salted.root, expected.root, "its digest is salted: the rows hold it");
    assert_ne!(
        Folding::begin(&plan, Digest::of(b"x")).finish().root,
        Folding::begin(&plan, program()).finish().root
    );
}
