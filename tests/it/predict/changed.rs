//! What changes between the prediction and the run: an input refuses the run, anything else is a difference that is named.

use std::fs;

use futures_util::TryStreamExt;
use rogo_migrate::{domain::FailCode, ports::PutOptions, sample::SampleOptions};

use super::{counts, predicted, summary};
use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
};

#[tokio::test]
async fn an_input_that_changed_since_the_prediction_refuses_the_run() {
    let sample = Sample::with(12, 71, |options| options.plain = true).await;
    let mut app = TestApp::without_cluster(&sample).await;
    let prediction = predicted(&app, &[]).await;
    assert!(prediction.plan.is_some());
    for (variable, input) in
        [("ROGO_SUBMISSIONS", "submission_files.csv"), ("ROGO_MAPPING", "attempt_number_mapping.csv")]
    {
        let planned = app.variable(variable).to_owned();
        let folder = app.out.path().join(variable);
        fs::create_dir(&folder).unwrap();
        let text = fs::read_to_string(sample.path(input)).unwrap();
        fs::write(folder.join(input), text.trim_end().rsplit_once('\n').unwrap().0).unwrap();
        app.set(variable, folder.join(input).display().to_string());
        for command in [&["run"][..], &["plan", "--predict"]] {
            let said = app.run(command).await.expect(78);
            let names = format!("{input} changed since the run began");
            assert!(said.stderr.contains(&names), "{command:?}: {}", said.stderr);
        }
        app.set(variable, planned);
    }
    app.run(&["run"]).await.expect(0);
    assert!(summary(&app).prediction.unwrap().same, "what was predicted is what was planned");
}

#[tokio::test]
async fn sources_that_changed_since_the_prediction_are_differences_that_say_so() {
    let sample = Sample::with(12, 72, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    let prediction = predicted(&app, &[]).await;
    assert!(prediction.files.exact && prediction.outcomes.failed.is_empty(), "{:?}", prediction.outcomes);
    let azurite = Azurite::shared().await;
    let files = sample.files();
    azurite.blob(&sample.source, &files[0].1).delete(None).await.unwrap();
    azurite
        .put(&sample.source, &files[30].1, "another file, longer than it was when it was listed".repeat(99))
        .await;
    let said = app.run(&["run"]).await.expect(0);
    let compared = summary(&app).prediction.unwrap();
    let named: Vec<(&str, u64, u64)> =
        counts(&compared).into_iter().map(|one| (&*one.what, one.predicted, one.outcome)).collect();
    let [missing, migrated, files, bytes] = named.as_slice() else { panic!("{named:?}") };
    assert_eq!(*missing, ("failed file_missing", 0, 1));
    assert_eq!(*migrated, ("migrated", 12, 11));
    assert_eq!((files.0, files.1 - files.2, bytes.0), ("files", 3, "bytes"));
    for one in counts(&compared) {
        assert!(one.why.contains("changed between prediction and run"), "{one:?}");
        assert!(said.stdout.contains(&one.what), "{}: {}", one.what, said.stdout);
    }
}

#[tokio::test]
async fn rows_that_exchange_their_codes_are_a_difference_although_every_count_is_as_predicted() {
    let of_one_length = |options: &mut SampleOptions| {
        options.plain = true;
        options.file_bytes = "10".parse().unwrap();
    };
    let sample = Sample::with(12, 73, of_one_length).await;
    let app = TestApp::without_cluster(&sample).await;
    let azurite = Azurite::shared().await;
    let files = sample.files();
    let [one, other] = [&files.first().unwrap().1, &files.last().unwrap().1];
    let bytes = azurite.read(&sample.source, one).await;
    azurite.blob(&sample.source, one).delete(None).await.unwrap();
    let prediction = predicted(&app, &[]).await;
    let missing = &prediction.outcomes.failed[&FailCode::FileMissing];
    let [attempt] = missing.examples.as_slice() else { panic!("{missing:?}") };
    azurite.put(&sample.source, one, bytes).await;
    azurite.blob(&sample.source, other).delete(None).await.unwrap();

    let said = app.run(&["run"]).await.expect(0);
    assert_eq!(app.failed_in(".").len(), 1);
    let compared = summary(&app).prediction.unwrap();
    let named = counts(&compared);
    let [difference] = named.as_slice() else { panic!("{named:?}") };
    assert_eq!(difference.what, "examples of failed file_missing");
    assert_eq!((difference.predicted, difference.outcome), (1, 0));
    assert!(difference.why.contains(&format!("({attempt} came otherwise)")), "{difference:?}");
    assert!(!compared.same && said.stdout.contains(&difference.what), "{}", said.stdout);
}

/// No result depends on it: it is only compared.
#[tokio::test]
async fn a_prediction_that_cannot_be_read_is_a_warning_and_stops_no_result() {
    let sample = Sample::with(12, 73, |options| options.plain = true).await;
    let app = TestApp::without_cluster(&sample).await;
    predicted(&app, &[]).await;
    let (name, options) = ("rogo/prediction.json", PutOptions::replace("application/json"));
    let whole = app.run_blobs().get(name).await.unwrap().unwrap();
    let mut body = whole.body;
    let mut text = Vec::new();
    while let Some(part) = body.try_next().await.unwrap() {
        text.extend_from_slice(&part);
    }
    let half = text[..text.len() / 2].to_vec();
    let of_newer = String::from_utf8(text.clone()).unwrap().replacen("\"outcomes\"", "\"outcomes_2\"", 1);
    for unreadable in [half, of_newer.into_bytes()] {
        app.run_blobs().put(name, unreadable.into(), &options).await.unwrap();
        let said = app.run(&["run"]).await.expect(0);
        assert!(said.stderr.contains("the run is not compared with it"), "{}", said.stderr);
        let summary = summary(&app);
        let [warning] = summary.warnings.as_slice() else { panic!("{:?}", summary.warnings) };
        assert_eq!(warning.code.code(), "prediction_not_compared");
        assert!(warning.detail.contains("prediction.json"), "{warning:?}");
        assert_eq!((summary.prediction, summary.books.migrated), (None, 12));
        assert_eq!(app.result("migrated.csv").lines().count(), 13);
    }
    app.run_blobs().put(name, text.into(), &options).await.unwrap();
    app.run(&["finalize"]).await.expect(0);
    assert!(summary(&app).prediction.unwrap().same);
}
