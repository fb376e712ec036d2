//! Secrets and personal data: whatever the program writes at the highest log level, on good days and bad ones, none of
//! what was planted is in it.

use std::{fmt::Write as _, fs};

use futures_util::TryStreamExt;

use super::{plain_sample, run_store};
use crate::support::{
    app::{Ended, Sample, TestApp},
    azurite::Azurite,
    csv::Csv,
    http_stub::{HttpStub, Response},
    postgres::TestServer,
    process::output,
    proxy::{Cut, Proxy},
    results::{self, entries},
    tds::{Options, TdsServer, data::Data},
};

/// What belongs to learners: in cells, in file names, in URLs' paths and in the warehouse.
const PERSONAL: &[&str] = &[
    "Plantedfirst",
    "Plantedsurname",
    "plantedmail",
    "PlantedFile",
    "plantedpath",
    "plantedsig",
    "plantednote",
    "PlantedUser",
];
/// What opens doors, beside the storage account's key and signature.
const SECRETS: &[&str] = &["planted-consumer", "planted-database", "planted-warehouse", "planted-otlp"];
/// User name of a member of staff: `plan.json` keeps it, to see that the setting does not change.
const OWNER: &str = "planted-owner";

/// Rows of people who are easily recognised; the first ten fail, in the rules or later.
async fn planted_sample() -> Sample {
    let mut sample = plain_sample(24).await;
    let azurite = Azurite::shared().await;
    let path = sample.path("submission_files.csv");
    let mut submissions = Csv::read(&path);
    let header = submissions.header.clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let rows = &mut submissions.rows;
    for (number, row) in rows.iter_mut().enumerate() {
        let blob = format!("plantedpath/PlantedFile {number}.docx");
        azurite.put(&sample.source, &blob, format!("file {number}").into_bytes()).await;
        let url = format!("{}/{}/{blob}", azurite.endpoint(), sample.source);
        let mut set = |column: &str, text: &str| text.clone_into(&mut row[at(column)]);
        set("First Name", "Plantedfirst");
        set("Surname", "Plantedsurname");
        set("Rogo User Name", "PlantedUser");
        set("Learner Email", &format!("plantedmail{number}@learners.example"));
        set("Learner File Names", "PlantedFile.docx");
        set("Learner Azure Blob URLs", &url.replace(' ', "%20"));
        match number {
            0 => set("Learner Azure Blob URLs", &url.replace("PlantedFile", "PlantedFile-none")),
            1 => set(
                "Learner Azure Blob URLs",
                "https://elsewhere.example/plantedmail/plantedpath?sig=plantedsig",
            ),
            2 => set("Surname", "Plantedsurname\0"),
            3 => set(
                "Learner Azure Blob URLs",
                &format!("{url}?sv=2020-08-04&se=2020-01-01&sr=b&sp=r&sig=plantedsig"),
            ),
            4 => set("Attempt ID", "Plantedfirst"),
            5 => set("Learner Azure Blob URLs", "PlantedFile.docx"),
            6 => set("Learner Email", " "),
            _ => {}
        }
    }
    // A title beyond what its index holds: the database refuses the row.
    let title = |title: String, n: u32| title + &format!("Plantedsurname{}", n * 7_919 % 10_007);
    rows[7][at("Course Title")] = (0..4_000).fold(String::new(), title);
    submissions.write(&path);
    let mut data = Data::load(&sample.path("warehouse")).unwrap();
    let notes = data.tables[0].column("MarkerNotes").unwrap();
    for row in &mut data.tables[0].rows {
        row[notes] = crate::support::tds::cells::Cell::Text("plantednote about Plantedfirst".into());
    }
    let options = Options { password: "planted-warehouse".into(), ..Options::default() };
    sample.tds = TdsServer::start(data, options).await.unwrap();
    sample
}

/// An app all of whose secrets were planted, with every word logged.
async fn loud<'sample>(sample: &'sample Sample, log: &str) -> TestApp<'sample> {
    let mut app = TestApp::new(sample).await;
    let name = app.database.name().to_owned();
    app.database.run(&format!("create role loud_{name} superuser login password 'planted-database'")).await;
    let server = TestServer::get().address();
    app.set("DATABASE_URL", TestServer::url_as(&format!("loud_{name}"), "planted-database", server, &name));
    app.set("ROGO_CONSUMER_KEY", "planted-consumer");
    app.database.run(&format!("update users set username = '{OWNER}' where username = 'admin.a'")).await;
    app.set("ROGO_RULE_OWNER", OWNER);
    app.set("SOURCE_STORAGE_CONNECTION_STRING", Azurite::shared().await.sas_connection_string());
    app.set("RUST_LOG", log);
    app.set("ROGO_LOG_FORMAT", "json");
    app
}

/// The storage account's key, and the signature of its SAS as it stands in a URL and decoded.
async fn storage_secrets() -> Vec<String> {
    let azurite = Azurite::shared().await;
    let value = |text: &str, name: &str| {
        let rest = text.split_once(name).unwrap().1;
        rest.split([';', '&']).next().unwrap().to_owned()
    };
    let signature = value(&azurite.sas_connection_string(), "sig=");
    let decoded = percent_encoding::percent_decode_str(&signature).decode_utf8().unwrap().into_owned();
    vec![value(&azurite.connection_string(), "AccountKey="), signature, decoded]
}

/// All that a run leaves to be read: the documents of its store but queues, facts and the CSVs that are meant to name
/// rows and files, and what it said.
async fn written(app: &TestApp<'_>, said: &[Ended]) -> String {
    let mut text = String::new();
    for Ended { stdout, stderr, .. } in said {
        writeln!(text, "{stdout}\n{stderr}").unwrap();
    }
    let store = run_store(app);
    let names: Vec<String> = store.list("").map_ok(|info| info.name).try_collect().await.unwrap();
    for name in names {
        let private = [
            "/queues/",
            "/facts/",
            "submissions_failed_migration.csv",
            "verification_failures.csv",
            "not_in_input.csv",
        ];
        if private.iter().any(|part| name.contains(part)) {
            continue;
        }
        let bytes = results::read(&*store, &name).await;
        writeln!(text, "{name}\n{}", String::from_utf8_lossy(&bytes)).unwrap();
    }
    let predicted = ["transformations.csv", "controls.csv", "controls.sql"];
    for file in ["summary.json", "skipped.csv", "notes.csv", "migrated.csv"].into_iter().chain(predicted) {
        text.push_str(&fs::read_to_string(app.out.path().join(file)).unwrap_or_default());
    }
    text
}

#[track_caller]
fn assert_absent<'word>(text: &str, words: impl IntoIterator<Item = &'word str>) {
    for word in words {
        let found = text.lines().find(|line| line.contains(word));
        assert!(found.is_none(), "{word} is in {:.600}", found.unwrap_or_default());
    }
}

#[tokio::test]
async fn no_secret_and_no_name_is_in_what_the_program_writes() {
    let sample = planted_sample().await;
    let mut app = loud(&sample, "trace").await;
    let azurite = Azurite::shared().await;
    let address = azurite.endpoint().split('/').nth(2).unwrap().parse().unwrap();
    let proxy = Proxy::start(address).await;
    let through = azurite.connection_string().replace(&format!("{address}"), &proxy.address().to_string());
    let mut said = Vec::new();
    for arguments in [&["settings"][..], &["plan", "--dry-run"], &["plan", "--json"]] {
        said.push(app.run(arguments).await.expect(0));
    }
    let predicted = app.run(&["plan", "--predict", "--json", "--run", "predicted"]).await.expect(0);
    assert!(
        app.has_document("predicted/prediction.json").await && !app.result("transformations.csv").is_empty()
    );
    said.push(predicted);
    let receiver = HttpStub::start(|_, _| Response::new(204)).await;
    app.set("ROGO_NOTIFY", format!("{}/plantedpath?sig=plantedsig", receiver.endpoint));
    let telemetry = HttpStub::start(|_, _| Response::new(200)).await;
    app.set("OTEL_EXPORTER_OTLP_ENDPOINT", &telemetry.endpoint);
    app.set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=planted-otlp");
    app.set("ROGO_TRACE_SAMPLE", "1");
    // An upload that breaks on its way, so that a fault names its blob.
    app.set("AZURE_STORAGE_CONNECTION_STRING", through);
    proxy.cut(Cut::BeforeRequest(b"/LTI_Uploads/".to_vec()));
    said.push(app.run(&["run"]).await.expect(0));
    assert_eq!(proxy.cuts(), 1);
    app.set("KUBECONFIG", "/dev/null");
    let last_word = app.out.path().join("termination-log");
    app.set("ROGO_TERMINATION_LOG", last_word.display().to_string());
    let mut last_words = String::new();
    for arguments in [
        &["run"][..],
        &["run", "--run", "again"],
        &["orphans"],
        &["orphans", "--delete", "--reason", "a test"],
        &["finalize"],
        &["status"],
        &["status", "--json"],
        &["resume"],
        &["results", "--to", "fetched"],
        &["results", "--bundle", "run.zip"],
        &["report", "--out", "again"],
    ] {
        fs::write(&last_word, "").unwrap();
        said.push(app.run(arguments).await.expect(0));
        last_words += &fs::read_to_string(&last_word).unwrap();
    }
    assert!(last_words.contains("\"exit_code\":0"), "{last_words}");
    // A grade that is not what the rules make of it, and whose text is the marker's note.
    app.database.run("update submission_grades set overall_summary = concat(overall_summary, 'x')").await;
    for arguments in
        [&["verify", "--recheck", "0s", "--level", "content"][..], &["verify", "--json", "--recheck", "0s"]]
    {
        said.push(app.run(arguments).await.expect(1));
    }
    assert!(app.has_document("rogo/results/verification.json").await);
    let failed = app.result("submissions_failed_migration.csv");
    for code in [
        "file_missing",
        "file_url_foreign",
        "row_invalid",
        "file_forbidden",
        "attempt_id_invalid",
        "target_rejected",
    ] {
        assert!(failed.contains(code), "{code}: {failed}");
    }
    // Services that fail.
    for (name, value) in [
        ("DATABASE_URL", app.variable("DATABASE_URL").replace("planted-database", "planted-database-old")),
        (
            "DATA_WAREHOUSE_CONNECTION_STRING",
            sample.tds.connection_string().replace("planted-warehouse", "planted-warehouse-old"),
        ),
        ("DATABASE_URL", "Server=db;Password=planted-database".into()),
        ("DATA_WAREHOUSE_CONNECTION_STRING", "postgres://me:planted-warehouse@db/app".into()),
        (
            "AZURE_STORAGE_CONNECTION_STRING",
            azurite.connection_string().replace("BlobEndpoint", "BlobEndpoints"),
        ),
        ("ROGO_SOURCE_ALLOW", "https://a.example/box?sig=plantedsig".into()),
        ("ROGO_TARGET", "https://a.example/box?sig=plantedsig".into()),
    ] {
        let mut command = app.command(&["run", "--run", "bad"]);
        command.env(name, value);
        let ended = output(command).await;
        assert_ne!(ended.code, Some(0), "{name}");
        said.push(ended);
    }
    let told = receiver.requests().into_iter().map(|told| String::from_utf8(told.body).unwrap());
    let exported = telemetry.requests();
    for signal in ["/v1/metrics", "/v1/traces"] {
        let sent = exported.iter().filter(|request| request.target == signal);
        assert!(sent.clone().count() > 0, "{signal}");
        assert!(sent.clone().all(|request| request.header("authorization") == Some("planted-otlp")));
    }
    let exported = exported.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned());
    let told = told.chain(exported);
    let bundled = entries(&app.out.path().join("run.zip")).into_iter().map(|(_, text)| text);
    let elsewhere: Vec<String> = told.chain(bundled).collect();
    assert!(elsewhere.len() > 8, "the run's end was told, and the bundle holds its documents");
    let text = written(&app, &said).await + &last_words + &elsewhere.join("\n");
    assert!(
        text.contains("\"level\":\"TRACE\"") || text.contains("\"level\":\"DEBUG\""),
        "every word is logged"
    );
    assert!(text.contains("all files are streamed"));
    assert!(text.contains("trying again") && text.contains("_…"), "the broken upload is told");
    assert_absent(&text, PERSONAL.iter().chain(SECRETS).copied());
    let logs: Vec<&str> = said.iter().map(|ended| ended.stderr.as_str()).collect();
    assert_absent(&(elsewhere.join("\n") + &logs.join("\n")), [OWNER]);
    assert!(elsewhere.iter().any(|text| text.contains("\"rule-owner\": \"set (hidden)\"")));
    assert_absent(&text, storage_secrets().await.iter().map(String::as_str));
    let once = said[4].stderr.matches("all files are streamed").count();
    assert_eq!(once, 1, "that all is streamed is said once a process");
}

#[tokio::test]
async fn not_even_the_crates_it_is_made_of_tell_a_secret() {
    let sample = planted_sample().await;
    let crates = [
        "azure_core",
        "azure_storage_blob",
        "typespec_client_core",
        "reqwest",
        "hyper",
        "hyper_util",
        "h2",
        "rustls",
        "sqlx",
        "tiberius",
    ];
    let log = crates.iter().fold("trace".to_owned(), |log, name| format!("{log},{name}=trace"));
    let app = loud(&sample, &log).await;
    let said = [app.run(&["run"]).await.expect(0)];
    let text = written(&app, &said).await;
    assert!(text.contains("\"target\":\"hyper"), "others are heard when they are named");
    assert_absent(&text, SECRETS.iter().copied().chain(["plantedsig"]));
    assert_absent(&text, storage_secrets().await.iter().map(String::as_str));
}
