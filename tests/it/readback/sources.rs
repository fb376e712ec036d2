//! Codes that data alone cannot cause: a source that refuses, changes, lies or fails for one file, and a target
//! that refuses one row. The other rows migrate, and nothing of the refused ones stays.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};
use percent_encoding::percent_decode_str;

use super::{Finished, Target, folder_sample, inputs, oracle};
use crate::support::{
    app::TestApp,
    http_stub::{HttpStub, Request, Response},
};

const ROWS: u64 = 40;
const CONSTRAINT: &str = "no_one_of_this_name";

/// What the source does with the files of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    /// 404 for the marker's file: the learner's, copied before, do not stay.
    Misses,
    Refuses,
    /// Another file stands there once half of it was read.
    Changes,
    /// Its MD5 is that of other bytes.
    Lies,
    /// Always 500 for the marker's file.
    Fails,
}

/// The files of a folder, over HTTP, with an ETag and an MD5 each.
fn answer(folder: &Path, faults: &BTreeMap<String, Source>, request: &Request) -> Response {
    let path = request.target.split('?').next().unwrap();
    let path = percent_decode_str(path).decode_utf8().unwrap().into_owned();
    let name = path.strip_prefix("/files/").unwrap();
    let Ok(bytes) = std::fs::read(folder.join(name)) else { return Response::new(404) };
    let half = bytes.len() / 2;
    let md5 = BASE64_STANDARD.encode(Md5::digest(&bytes));
    let sound =
        |md5: &str| Response::new(200).header("etag", "\"1\"").header("content-md5", md5).body(bytes.clone());
    let attempt = name.split('/').nth(1).unwrap();
    match faults.get(attempt) {
        Some(Source::Misses) if name.starts_with("marker/") => Response::new(404),
        Some(Source::Fails) if name.starts_with("marker/") => Response::new(500),
        None | Some(Source::Misses | Source::Fails) => sound(&md5),
        Some(Source::Refuses) => Response::new(403),
        Some(Source::Changes) if request.header("if-match").is_some() => Response::new(412),
        Some(Source::Changes) => sound(&md5).cut_at(half),
        Some(Source::Lies) => sound(&BASE64_STANDARD.encode(Md5::digest(b"others"))),
    }
}

#[tokio::test]
async fn a_file_or_a_row_that_is_refused_fails_alone_under_its_own_code() {
    let faults = Arc::new(Mutex::new(BTreeMap::new()));
    let folder = Arc::new(Mutex::new(PathBuf::new()));
    let (of_stub, read_from) = (faults.clone(), folder.clone());
    let stub = HttpStub::start(move |request, _| {
        answer(&read_from.lock().unwrap(), &of_stub.lock().unwrap(), request)
    })
    .await;
    let base = format!("{}/files", stub.endpoint);
    let url = base.parse().unwrap();
    let sample = folder_sample(
        |options| {
            options.plain = true;
            options.source_url = Some(url);
        },
        ROWS,
        |_| {},
    )
    .await;
    *folder.lock().unwrap() = sample.path("files");
    let rows = inputs::Inputs::read(&sample.path(""));
    // The first is the newest, so that other rows get answers meanwhile.
    let promised = [
        (40, Source::Fails, "unavailable"),
        (36, Source::Refuses, "file_forbidden"),
        (33, Source::Changes, "file_changed"),
        (30, Source::Lies, "file_corrupt"),
        (27, Source::Misses, "file_missing"),
    ];
    for (row, source, _) in promised {
        faults.lock().unwrap().insert(rows.row(row)["Attempt ID"].clone(), source);
    }

    let mut app = TestApp::new(&sample).await;
    app.unset("SOURCE_STORAGE_CONNECTION_STRING");
    app.set("ROGO_SOURCE_AUTH", "anonymous");
    app.set("ROGO_SOURCE_ALLOW", &*base);
    let refused = 24;
    let email = &rows.row(refused)["Learner Email"];
    let attempt = &rows.row(refused)["Attempt ID"];
    let add = format!(
        "alter table lti_session_records add constraint {CONSTRAINT} check (launch_id not like 'rogo\\_{attempt}\\_%')"
    );
    app.database.run(&add).await;
    let target = Target::azure(&app).await;
    let run = Finished::run(&app, &[]).await;

    let mut failing: BTreeMap<u64, &str> = promised.iter().map(|(row, _, code)| (*row, *code)).collect();
    failing.insert(refused, "target_rejected");
    let failed: BTreeMap<u64, String> = app
        .outcomes()
        .into_iter()
        .filter(|(_, (kind, _))| kind == "failed")
        .map(|(row, (_, code))| (row, code))
        .collect();
    assert!(failed.iter().map(|(row, code)| (*row, &**code)).eq(failing.clone()), "{failed:?}");
    let expected = run.expected((1..=ROWS).filter(|row| !failing.contains_key(row)), &oracle::utc, &target);
    run.assert_equals(&expected);

    let result = app.result("submissions_failed_migration.csv");
    let mut reader = csv::Reader::from_reader(result.as_bytes());
    for line in reader.deserialize::<inputs::Record>() {
        let line = line.unwrap();
        let (code, message) = line["Error"].split_once(": ").unwrap();
        assert!(!message.contains(email.as_str()), "a value of the row: {message}");
        assert!(!message.contains(&line["Surname"]), "a value of the row: {message}");
        assert!(code != "target_rejected" || message.contains(CONSTRAINT), "{message}");
    }
}

/// Files that were copied by another system than the one that made the export may have names in another Unicode form.
#[tokio::test]
async fn a_file_that_is_there_in_another_unicode_form_is_missing_and_the_row_says_why() {
    let mut attempt = String::new();
    let sample = folder_sample(
        |options| options.plain = true,
        6,
        |out| {
            let learners = out.join("files/learner");
            let folder = std::fs::read_dir(&learners).unwrap().next().unwrap().unwrap();
            attempt = folder.file_name().into_string().unwrap();
            std::fs::rename(folder.path(), learners.join(format!("{attempt}-Zoe\u{308}"))).unwrap();
            let export = out.join("submission_files.csv");
            let text = std::fs::read_to_string(&export).unwrap();
            let (named, renamed) = (format!("/learner/{attempt}/"), format!("/learner/{attempt}-Zo%C3%AB/"));
            assert!(text.contains(&named));
            std::fs::write(&export, text.replace(&named, &renamed)).unwrap();
        },
    );
    let sample = sample.await;
    let mut app = TestApp::without_cluster(&sample).await;
    Target::folder(&mut app);
    app.run(&["run", "--warehouse", &format!("file://{}", sample.path("warehouse").display())])
        .await
        .expect(0);
    let outcomes = app.outcomes();
    let failed: Vec<_> = outcomes.values().filter(|(kind, _)| kind != "migrated").collect();
    assert!(matches!(failed.as_slice(), [(_, code)] if code == "file_missing"), "{outcomes:?}");
    let result = app.result("submissions_failed_migration.csv");
    let line =
        csv::Reader::from_reader(result.as_bytes()).deserialize::<inputs::Record>().next().unwrap().unwrap();
    assert_eq!(line["Attempt ID"], attempt);
    let error = &line["Error"];
    assert!(error.contains("a name there looks the same but writes its accents in another way"), "{error}");
    assert!(!error.contains("Zo"), "{error}");
}
