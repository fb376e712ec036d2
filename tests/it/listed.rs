//! What a plan learns by listing the sources, and what its shards then need not ask: whole commands against a service that
//! copies by itself.

use std::{collections::BTreeMap, fs};

use md5::{Digest, Md5};
use rogo_migrate::{
    domain::{FailCode, md5_hex},
    run::Prediction,
};
use serde_json::Value;

use crate::support::{
    app::{Ended, Sample, TestApp},
    blob_service::{Blob, BlobService, Habit, app_in, sample_in},
};

/// Rows of every sample here, of three files each.
const ROWS: u64 = 20;
const FILES: usize = 60;
/// Files that a plan's pre-flight looks at, as a sample.
const SAMPLED: usize = 8;

/// A service that copies by itself, with a sample's files.
async fn world(seed: u64) -> (BlobService, Sample) {
    let service = BlobService::start(&[Habit::Copies]).await;
    let sample = sample_in(&service, ROWS, seed, |options| options.plain = true).await;
    (service, sample)
}

fn blob(bytes: &[u8]) -> Blob {
    Blob { bytes: bytes.to_vec(), content_type: "application/octet-stream".into(), ..Blob::default() }
}

/// What a command asked of the source and of the copies, by kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    listings: usize,
    looks: usize,
    reads: usize,
    copies: usize,
}

async fn asked(service: &BlobService, app: &TestApp<'_>, arguments: &[&str]) -> (Ended, Asked) {
    let before = service.requests().len();
    let ended = app.run(arguments).await.expect(0);
    let mut asked = Asked::default();
    for (method, target) in service.requests().split_off(before) {
        let of_source = target.starts_with("/acc/source");
        match method.as_str() {
            "GET" if of_source && target.contains("comp=list") => asked.listings += 1,
            "HEAD" if of_source => asked.looks += 1,
            "GET" if of_source => asked.reads += 1,
            "PUT"
                if target.starts_with("/acc/files/LTI_Uploads/")
                    || target.starts_with("/acc/files/Marker_files/") =>
            {
                asked.copies += 1;
            }
            _ => {}
        }
    }
    (ended, asked)
}

/// Every row of the plan's only queue.
fn queue(app: &TestApp<'_>) -> Vec<Value> {
    let queues = app.out.path().join("runs/rogo/queues");
    let plan = fs::read_dir(queues).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(plan.join("0")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_listed_source_is_asked_for_one_request_a_file() {
    let (service, sample) = world(301).await;
    let app = app_in(&service, &sample).await;
    let (ended, plan) = asked(&service, &app, &["plan"]).await;
    assert_eq!(plan, Asked { listings: 1, looks: SAMPLED, ..Asked::default() });
    assert!(ended.stdout.contains("60 of 60 files are listed"), "{}", ended.stdout);
    for row in queue(&app) {
        let orders: Vec<_> =
            row["listed"].as_array().unwrap().iter().map(|file| file["order"].as_i64().unwrap()).collect();
        assert_eq!(orders, [1, 2, 3], "{row}");
    }
    let (_, shard) = asked(&service, &app, &["shard", "--shard", "0"]).await;
    assert_eq!(shard, Asked { copies: FILES, ..Asked::default() });
    app.run(&["finalize"]).await.expect(0);
    assert!(app.outcomes().values().all(|(kind, _)| kind == "migrated"), "{:?}", app.outcomes());
    app.run(&["verify", "--level", "content"]).await.expect(0);
    let (_, again) = asked(&service, &app, &["plan"]).await;
    assert_eq!(again, Asked::default(), "a plan that stands lists nothing");
}

#[tokio::test]
async fn what_changed_since_the_plan_is_mended_by_a_look_at_that_file_alone() {
    let (service, sample) = world(302).await;
    let names: Vec<String> = sample.files().into_iter().map(|(_, name)| name).collect();
    let app = app_in(&service, &sample).await;
    let late = service.blob("source", &names[7]).unwrap();
    service.remove("source", &names[7]);
    let (ended, _) = asked(&service, &app, &["plan"]).await;
    assert!(ended.stdout.contains("59 of 60 files are listed"), "{}", ended.stdout);
    service.insert("source", &names[7], late);
    service.insert("source", &names[20], blob(b"replaced after the plan"));
    service.remove("source", &names[40]);
    let (_, shard) = asked(&service, &app, &["shard", "--shard", "0"]).await;
    assert_eq!((shard.looks, shard.reads), (3, 0), "{shard:?}");
    app.run(&["finalize"]).await.expect(0);
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for outcome in app.outcomes().into_values() {
        *counts.entry(outcome).or_default() += 1;
    }
    let outcome = |kind: &str, code: &str| (kind.to_owned(), code.to_owned());
    let expected = [(outcome("failed", "file_missing"), 1), (outcome("migrated", ""), 19)];
    assert_eq!(counts, expected.into());
    let replaced = service
        .names("files")
        .into_iter()
        .filter(|name| service.blob("files", name).unwrap().bytes == b"replaced after the plan");
    assert_eq!(replaced.count(), 1);
    let now = md5_hex(Md5::digest(b"replaced after the plan").into());
    let segments = fs::read_dir(app.out.path().join("runs/rogo/segments/0")).unwrap();
    let recorded = segments.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect::<String>();
    assert!(recorded.contains(&now), "its receipt is of the bytes that were copied");
    app.run(&["verify", "--level", "content"]).await.expect(0);
}

#[tokio::test]
async fn a_snapshot_or_version_of_a_file_gets_no_hint_of_what_the_container_shows() {
    let (service, sample) = world(308).await;
    let place = sample.path("submission_files.csv");
    let text = fs::read_to_string(&place).unwrap();
    let tails: Vec<&str> =
        text.split("/source/").skip(1).map(|rest| rest.split([',', '"']).next().unwrap()).collect();
    let mut changed = text.clone();
    for (tail, query) in
        [(tails[0], "snapshot=2024-01-01T00:00:00.0000000Z"), (tails[tails.len() - 1], "versionid=2024")]
    {
        changed = changed.replace(&format!("/source/{tail}"), &format!("/source/{tail}?{query}"));
    }
    fs::write(&place, changed).unwrap();
    let app = app_in(&service, &sample).await;
    let (ended, _) = asked(&service, &app, &["plan"]).await;
    assert!(ended.stdout.contains("58 of 58 files are listed"), "{}", ended.stdout);
    let hints = |row: &Value| row["listed"].as_array().map_or(0, Vec::len);
    assert_eq!(queue(&app).iter().map(hints).sum::<usize>(), 58);
}

#[tokio::test]
async fn without_the_right_to_list_or_with_more_pages_than_files_each_file_is_looked_at() {
    let (service, sample) = world(303).await;
    service.refuse_listing("source", (403, "AuthorizationPermissionMismatch"));
    let app = app_in(&service, &sample).await;
    let (ended, plan) = asked(&service, &app, &["plan"]).await;
    assert_eq!(plan, Asked { listings: 1, looks: SAMPLED, ..Asked::default() });
    assert!(
        ended.stdout.contains("0 of 60 files are listed") && ended.stdout.contains("could not be listed"),
        "{}",
        ended.stdout
    );
    let (_, shard) = asked(&service, &app, &["shard", "--shard", "0"]).await;
    assert_eq!(shard, Asked { looks: FILES, copies: FILES, ..Asked::default() });

    let (service, sample) = world(304).await;
    for number in 0..FILES {
        service.insert("source", &format!("other/{number}"), blob(b"x"));
    }
    service.set_page_size(2);
    let app = app_in(&service, &sample).await;
    let (ended, plan) = asked(&service, &app, &["plan"]).await;
    assert_eq!(plan, Asked { listings: FILES, looks: SAMPLED, ..Asked::default() });
    assert!(ended.stdout.contains("as many requests as looking at each file"), "{}", ended.stdout);
    assert!(queue(&app).iter().any(|row| row["listed"].is_array()), "what was seen on the way is of use");
}

/// As Azure Storage answers requests without credentials.
#[tokio::test]
async fn a_container_whose_blobs_are_public_and_not_listed_is_told_from_one_that_is_gone() {
    let refusals =
        [(404, "ResourceNotFound"), (409, "PublicAccessNotPermitted"), (401, "NoAuthenticationInformation")];
    let (service, sample) = world(309).await;
    let mut app = app_in(&service, &sample).await;
    app.unset("SOURCE_STORAGE_CONNECTION_STRING");
    app.set("ROGO_SOURCE_AUTH", "anonymous");
    let missing = sample.files()[7].1.clone();
    service.remove("source", &missing);
    for refusal in refusals {
        service.refuse_listing("source", refusal);
        let (ended, _) = asked(&service, &app, &["plan", "--predict", "--dry-run", "--json"]).await;
        let prediction: Prediction = serde_json::from_str(&ended.stdout).unwrap();
        let source = &prediction.files.sources[0];
        assert_eq!((source.looked_at, source.missing), (FILES as u64, 1), "{refusal:?}: {source:?}");
        assert!(source.way.contains("answered one by one"), "{source:?}");
        assert_eq!(prediction.outcomes.failed[&FailCode::FileMissing].rows, 1);
    }
    let (ended, _) = asked(&service, &app, &["plan"]).await;
    assert!(ended.stdout.contains("0 of 60 files are listed"), "{}", ended.stdout);
    app.run(&["run"]).await.expect(0);
    let failed: Vec<String> =
        app.outcomes().into_values().filter(|(kind, _)| kind == "failed").map(|(_, code)| code).collect();
    assert_eq!(failed, ["file_missing"]);
    for refusal in refusals {
        service.refuse_listing("source", refusal);
        let (_, looked) = asked(&service, &app, &["verify", "--level", "blobs"]).await;
        assert!(looked.looks > FILES - 3, "{looked:?}");
        let ended = app.run(&["verify", "--level", "content"]).await.expect(0);
        assert!(ended.stdout.starts_with("VERIFIED TO THE BYTE"), "{refusal:?}: {}", ended.stdout);
    }

    // The same answers for each of its blobs: no file is to blame, and none is looked at after the first.
    service.refuse_container("source", Some(refusals[0]));
    let before = service.requests().len();
    app.run(&["verify", "--level", "blobs", "--recheck", "0s"]).await.expect(69);
    let requests = service.requests().split_off(before);
    let looks = requests.iter().filter(|(method, to)| method == "HEAD" && to.starts_with("/acc/source"));
    assert_eq!(looks.count(), 1, "{requests:?}");
    app.set("ROGO_RUN", "second");
    let ended = app.run(&["plan", "--predict", "--dry-run"]).await.expect(78);
    let said = [ended.stdout, ended.stderr].concat();
    assert!(said.contains("may not be read without credentials") && !said.contains("file_missing"), "{said}");
}

#[tokio::test]
async fn a_listing_of_several_pages_reaches_every_row_in_every_shard() {
    let (service, sample) = world(305).await;
    service.set_page_size(7);
    let app = app_in(&service, &sample).await;
    let (ended, plan) = asked(&service, &app, &["plan", "--shards", "3"]).await;
    assert_eq!(plan.listings, FILES.div_ceil(7));
    assert!(ended.stdout.contains("60 of 60 files are listed"), "{}", ended.stdout);
    let mut copies = 0;
    for shard in ["0", "1", "2"] {
        let (_, asked) = asked(&service, &app, &["shard", "--shard", shard]).await;
        assert_eq!((asked.looks, asked.reads), (0, 0), "shard {shard}: {asked:?}");
        copies += asked.copies;
    }
    assert_eq!(copies, FILES, "each hint is that of its file: no condition failed");
}

#[tokio::test]
async fn a_prediction_and_its_plan_list_the_sources_once() {
    let (service, sample) = world(306).await;
    service.insert("source", "nobody/names.docx", blob(b"x"));
    service.remove("source", &sample.files()[5].1);
    let app = app_in(&service, &sample).await;
    let predicted = |ended: &Ended| serde_json::from_str::<Prediction>(&ended.stdout).unwrap();
    let (ended, dry) = asked(&service, &app, &["plan", "--predict", "--dry-run", "--json"]).await;
    let alone = predicted(&ended);
    assert_eq!(dry.listings, 1, "{dry:?}");
    let (ended, both) = asked(&service, &app, &["plan", "--predict", "--json"]).await;
    let with_plan = predicted(&ended);
    assert_eq!(both, dry, "the plan's listing serves both");
    assert_eq!((&alone.files, &alone.outcomes), (&with_plan.files, &with_plan.outcomes));
    assert_eq!(with_plan.not_in_input.blobs, Some(1), "{:?}", with_plan.files);
    assert!(with_plan.files.exact);
    let (_, stands) = asked(&service, &app, &["plan", "--predict"]).await;
    let missing = Asked { listings: 1, looks: 1, ..Asked::default() };
    assert_eq!(stands, missing, "of a plan that stands the prediction lists for itself");
    let (_, shard) = asked(&service, &app, &["shard", "--shard", "0"]).await;
    assert_eq!((shard.looks, shard.reads), (1, 0), "only the file that is missing: {shard:?}");
}

#[tokio::test]
async fn nothing_is_listed_for_a_target_to_which_no_service_copies() {
    let (service, sample) = world(307).await;
    let mut app = app_in(&service, &sample).await;
    fs::create_dir(app.out.path().join("target")).unwrap();
    app.set("ROGO_TARGET", format!("file://{}/target", app.out.path().display()));
    let (ended, run) = asked(&service, &app, &["run"]).await;
    assert_eq!(run, Asked { looks: SAMPLED, reads: FILES, ..Asked::default() });
    assert!(!ended.stdout.contains("files are listed"), "{}", ended.stdout);
}

#[tokio::test]
async fn a_hint_that_was_changed_is_refused_like_any_line_of_a_queue() {
    let (service, sample) = world(308).await;
    let app = app_in(&service, &sample).await;
    app.run(&["plan"]).await.expect(0);
    let queues = app.out.path().join("runs/rogo/queues");
    let path = fs::read_dir(queues).unwrap().next().unwrap().unwrap().path().join("0");
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.replacen("\"order\":2,\"bytes\":", "\"order\":2,\"bytes\":1", 1);
    assert_ne!(text, changed);
    fs::write(path, changed).unwrap();
    let ended = app.run(&["shard", "--shard", "0"]).await.expect(65);
    assert!(ended.stderr.contains("not what was written"), "{}", ended.stderr);
}
