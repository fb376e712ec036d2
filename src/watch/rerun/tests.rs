//! The lines as they are typed.

use super::*;

fn at(run_store: &str) -> Whereabouts {
    Whereabouts { run_store: run_store.into(), ..Whereabouts::default() }
}

#[test]
fn a_release_is_told_only_lines_of_helm() {
    let release = HelmRelease {
        name: "r".into(),
        namespace: "ns".into(),
        chart: "parent".into(),
        values_prefix: "mover.".into(),
    };
    let rerun = Rerun::of(Some(&release), &at("az://runs"), " --out x");
    let line = "helm upgrade r parent --namespace ns --reset-then-reuse-values --set";
    assert_eq!(rerun.finalize(&RunName::default()), format!("{line}-literal mover.shards.only=0"));
    assert_eq!(
        rerun.failed_rows("az://runs/rogo/results/failed,1.csv"),
        format!(
            "{line} mover.run='<another name>' --set-literal \
             mover.inputs.submissions='az://runs/rogo/results/failed,1.csv'"
        )
    );
    let by_hand = Rerun::of(None, &at("az://runs"), " --out x");
    let line = "rogo-migrate finalize --run rogo --run-store az://runs --out x";
    assert_eq!(by_hand.finalize(&RunName::default()), line);
}

#[test]
fn the_line_runs_as_it_stands() {
    let release = |chart: &str| HelmRelease {
        name: "r".into(),
        namespace: "ns".into(),
        chart: chart.into(),
        values_prefix: String::new(),
    };
    let shards = [9, 3, 8, 7, 3].map(ShardIndex);
    assert_eq!(
        Rerun::of(Some(&release("oci://a.example/charts/rogo-migrate")), &at(""), "")
            .command(&RunName::default(), &shards),
        "helm upgrade r oci://a.example/charts/rogo-migrate --namespace ns --reset-then-reuse-values \
         --set-literal shards.only=3,7-9"
    );
    let subchart = HelmRelease { values_prefix: "mover.".into(), ..release("parent") };
    let line = Rerun::of(Some(&subchart), &at(""), "").command(&RunName::default(), &shards);
    assert!(line.ends_with(" --set-literal mover.shards.only=3,7-9"), "{line}");
    assert_eq!(
        Rerun::of(Some(&subchart), &at(""), "").redo(&RunName::default(), &[ShardIndex(3)]),
        "helm upgrade r parent --namespace ns --reset-then-reuse-values --set mover.shards.redo=lost \
         --set-literal mover.shards.reason='<why>' --set-literal mover.shards.only=3"
    );
    let odd = Rerun::of(Some(&release("/home/o'neil/my charts")), &at(""), "");
    assert!(odd.command(&RunName::default(), &shards).contains(r" '/home/o'\''neil/my charts' --namespace"));
    assert_eq!(
        Rerun::of(None, &at("file:///my runs"), " --out second").command(&RunName::default(), &shards),
        "rogo-migrate resume --run rogo --run-store 'file:///my runs' --out second"
    );
}

#[test]
fn a_line_says_where_the_run_is_and_is_one_command_even_with_its_placeholders() {
    let at = Whereabouts { account_url: Some("https://acc.blob.example".into()), ..at("az://runs") };
    let at_account = "--run-store az://runs --account-url https://acc.blob.example";
    assert_eq!(
        by_hand("status", &RunName::default(), &at),
        format!("rogo-migrate status --run rogo {at_account}")
    );
    assert_eq!(
        Rerun::of(None, &at, "").failed_rows("/my results/failed.csv"),
        format!(
            "rogo-migrate run --run '<another name>' {at_account} --submissions '/my results/failed.csv' --out \
             '<another folder>'"
        )
    );
}

#[test]
fn a_line_puts_the_results_where_those_of_the_run_are() {
    assert_eq!(into(Path::new(".")), "");
    assert_eq!(into(Path::new("my results")), " --out 'my results'");
}
