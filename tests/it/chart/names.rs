//! Names of Jobs: they change when what a Job runs changes, and only then.

use super::rendered::{Rendered, chart, copy_of_chart, render, render_chart};

const JOBS: [&str; 3] = ["plan", "shards", "finalize"];

fn names(rendered: &Rendered) -> [String; 3] {
    JOBS.map(|job| rendered.name(job))
}

#[test]
fn a_job_has_another_name_exactly_when_it_runs_something_else() {
    let everything = "plan shards finalize";
    let table = [
        ("shards.parallelism=7", ""),
        ("shards.suspend=true", ""),
        ("shards.maxFailed=2", ""),
        ("shards.queueMinParallelism=2 shards.queueName=", ""),
        ("shards.again=2", ""),
        // Given, it stands in the plan's pod, whatever the cluster says of an earlier one.
        ("shards.checkedParallelism=20", "plan"),
        ("shards.checkedParallelism=20 shards.parallelism=7", "plan"),
        (
            "plan.activeDeadlineSeconds=60 shards.activeDeadlineSeconds=60 finalize.activeDeadlineSeconds=60",
            "",
        ),
        ("plan.ttlSecondsAfterFinished=0 shards.ttlSecondsAfterFinished=9", ""),
        ("replaceRunning=true", ""),
        ("target.maxConnections=1000", ""),
        ("shards.only=3", ""),
        ("networkPolicy.enabled=true", ""),
        ("serviceAccount.annotations.a=b", ""),
        ("generation=2", everything),
        ("image.tag=other", everything),
        ("rules.ruleOwner=someone", everything),
        ("credentials.existingSecret=other", everything),
        ("run=other", everything),
        ("inputs.limit=5", everything),
        ("shards.count=9", everything),
        ("target.expectHost=db.example", everything),
        ("inputs.after={first}", everything),
        ("inputs.exclude=/v/e inputs.reason=why", everything),
        // A reason without a decision starts nothing anew; one for the shards leaves the plan alone.
        ("inputs.reason=why shards.reason=why", ""),
        ("shards.redo=lost shards.reason=why", "shards finalize"),
        // An additional Job alone has it: that of the whole run is neither replaced nor begun anew.
        ("shards.redo=lost shards.reason=why shards.only=1", ""),
        ("shards.redo=lost shards.reason=another shards.only=1-3", ""),
        ("shards.resources.memory=1Gi", "shards finalize"),
        ("finalize.resources.memory=1Gi", "finalize"),
        ("chartReference=other", "finalize"),
    ];
    let before = names(&render("").unwrap());
    for (set, expected) in table {
        let after = names(&render(set).unwrap());
        let changed: Vec<_> = (0..3).filter(|&job| before.get(job) != after.get(job)).collect();
        let changed: Vec<_> = changed.into_iter().filter_map(|job| JOBS.get(job).copied()).collect();
        assert_eq!(changed.join(" "), expected, "{set}");
    }
}

#[test]
fn neither_the_revision_nor_the_charts_version_changes_a_name_or_a_template() {
    let (_folder, copy) = copy_of_chart();
    let file = copy.join("Chart.yaml");
    let newer = std::fs::read_to_string(&file).unwrap().replace("\nversion: ", "\nversion: 9");
    std::fs::write(&file, newer).unwrap();

    let before = render("").unwrap();
    let after = render_chart(&copy, "r", "").unwrap();

    assert_ne!(before.field("shards", "metadata/labels"), after.field("shards", "metadata/labels"));
    for job in JOBS {
        assert_eq!(before.name(job), after.name(job));
        assert_eq!(before.field(job, "spec/template"), after.field(job, "spec/template"));
    }
}

#[test]
fn a_name_leaves_room_for_the_pods_and_stays_different() {
    let release = "release-"
        .repeat(7)
        .chars()
        .take(53)
        .collect::<String>()
        .replace("release-release", "release.release");
    let run = |end: &str| format!("run=a-name-of-thirty-characters-{end}");
    let name = |end: &str| render_chart(&chart(), &release, &run(end)).unwrap().name("shards");
    for end in ["01", "02"] {
        let name = name(end);
        // A pod's host name adds a dash and an index of five digits, and has 63 characters.
        assert!(name.len() <= 57, "{name}");
        let (slug, tail) = name.split_at(name.len() - 11);
        assert!(slug.len() <= 46 && tail.starts_with("-s-"), "{name}");
        assert!(
            !name.contains('.') && tail.chars().skip(3).all(|letter| letter.is_ascii_hexdigit()),
            "{name}"
        );
    }
    assert_ne!(name("01"), name("02"));
}

#[test]
fn the_epoch_is_one_for_all_jobs_and_another_after_each_new_start() {
    let epoch = |set: &str, job: &str| render(set).unwrap().field(job, "env/ROGO_EPOCH/value").cloned();
    let first = epoch("", "plan");
    assert!(first.is_some());
    for job in ["shards", "finalize", "test"] {
        assert_eq!(epoch("", job), first);
    }
    for set in ["generation=2", "credentials.existingSecret=other", "plan.resources.memory=1Gi"] {
        assert_ne!(epoch(set, "plan"), first, "{set}");
    }
    assert_eq!(epoch("shards.resources.memory=1Gi shards.parallelism=8", "plan"), first);
}

#[test]
fn a_rerun_of_shards_stands_beside_jobs_that_it_leaves_alone() {
    let before = render("").unwrap();
    let after = render("shards.only=3\\,6-7\\,5").unwrap();
    for job in JOBS {
        assert_eq!(before.find(job), after.find(job));
    }
    for none in ["", "shards.only=", "shards.only=null"] {
        assert!(render(none).unwrap().find("shards-again").is_none(), "{none}");
    }
    // Where Helm does not see the cluster, the same list once more needs another number.
    let once_more = render("shards.only=3\\,6-7\\,5 shards.again=2").unwrap();
    for job in ["shards-again", "finalize-again"] {
        assert_ne!(once_more.name(job), after.name(job));
    }
    let name = after.name("shards-again");
    assert_ne!(name, after.name("shards"));
    let named = after.field("finalize-again", "env/ROGO_SHARD_JOB/value").and_then(|value| value.as_str());
    assert_eq!(named, Some(name.as_str()));
}

/// Without the cluster, objects that stand must not need a change that Kubernetes refuses.
#[test]
fn with_a_given_parallelism_for_the_plan_a_throttled_run_differs_in_what_may_change() {
    let before = render("shards.checkedParallelism=8 shards.parallelism=8").unwrap();
    let after = render("shards.checkedParallelism=8 shards.parallelism=2 shards.suspend=true").unwrap();
    for job in JOBS {
        assert_eq!(before.name(job), after.name(job));
        assert_eq!(before.field(job, "spec/template"), after.field(job, "spec/template"), "{job}");
    }
    assert_eq!(before.find("plan"), after.find("plan"));
}

#[test]
fn test_pods_of_releases_whose_names_run_together_do_not_collide() {
    let name = |release: &str, run: &str| render_chart(&chart(), release, run).unwrap().name("test");
    let (one, other) = (name("a", "run=b-c"), name("a-b", "run=c"));
    assert_ne!(one, other);
    assert!(one.starts_with("a-b-c-t-") && one.len() <= 63, "{one}");
}
