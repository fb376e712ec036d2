//! Sources that give no answer while files are read, and targets whose folders hold more than the run's blobs: with the time and
//! the requests that each costs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rogo_migrate::{
    domain::{Digest, FileReceipt},
    exit::{Exit, Stop},
    ports::{BlobInfo, Blobs, FaultKind, Service, Source},
    run::{RunName, WriterId},
    verify::{
        blobs::{
            Storage,
            sources::SILENT_FOR,
            target::list_target,
            wanted::{Seen, WantedFile},
        },
        content::{Content, Reading},
        findings::Lack,
        table::CheckId,
    },
};
use tokio::time::{Instant, sleep};

use crate::support::fakes::{InMemoryBlobs, InMemorySource, Journal, attempt};

/// Files of each source below: more than are read at a time.
const FILES: u64 = 40;

struct Place {
    target: Arc<dyn Blobs>,
    source: Arc<dyn Source>,
    run: RunName,
}

impl Place {
    fn of(source: &InMemorySource) -> Self {
        let target = InMemoryBlobs::new("target", Service::TargetBlobs, Journal::default());
        for row in 1..=FILES {
            for host in ["gone", "here"] {
                target.insert(&format!("{host}/{row}"), format!("the file /box/{row}.pdf"));
            }
        }
        Self { target: Arc::new(target), source: Arc::new(source.clone()), run: RunName::default() }
    }

    fn reading(&self, silent_for: Duration) -> Reading<'_> {
        let content = Content { portion: None, only_unproven: false, manifest: None };
        let storage = Storage {
            target: &self.target,
            source: &self.source,
            run: &self.run,
            rows: FILES,
            most_looks: u64::MAX,
            silent_for,
            by_manifest: false,
            content: Some(content),
        };
        Reading::new(storage, content)
    }
}

/// The file of each row at this host.
fn files(host: &str) -> Vec<WantedFile> {
    let of = |row: u64| WantedFile {
        row,
        attempt: attempt(i32::try_from(row).unwrap()),
        order: if host == "gone" { 1 } else { 2 },
        blob: format!("{host}/{row}"),
        content_type: String::new(),
        is_markers: false,
        recorded: Some(FileReceipt::new(
            7,
            None,
            Some(Digest::of(format!("the file /box/{row}.pdf").as_bytes())),
        )),
        url: format!("https://{host}.example/box/{row}.pdf").parse().ok(),
        source: Seen::NotNamed,
    };
    (1..=FILES).map(of).collect()
}

/// What was counted of files that were read.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    compared: BTreeMap<CheckId, u64>,
    lacking: BTreeMap<(CheckId, Lack), u64>,
}

async fn read(reading: &mut Reading<'_>, files: Vec<WantedFile>) -> Result<Counted, Stop> {
    let mut counted = Counted::default();
    let mut each = |_, findings: rogo_migrate::verify::findings::Findings| {
        assert!(findings.differences.is_empty(), "{:?}", findings.differences);
        findings.all_compared().for_each(|check| *counted.compared.entry(check).or_default() += 1);
        findings.all_lacking().for_each(|lack| *counted.lacking.entry(lack).or_default() += 1);
    };
    reading.read(files, &mut each).await?;
    Ok(counted)
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_gone_is_waited_for_once_and_costs_only_what_compares_with_its_files() {
    let source = InMemorySource::default();
    source.fail("gone.example", FaultKind::Unavailable);
    let place = Place::of(&source);
    let mut reading = place.reading(SILENT_FOR);
    let began = Instant::now();
    let counted = read(&mut reading, [files("gone"), files("here")].concat()).await.unwrap();
    assert!(began.elapsed() <= SILENT_FOR + Duration::from_secs(5), "{:?}", began.elapsed());
    let expected = Counted {
        compared: BTreeMap::from([(CheckId::ContentSource, FILES), (CheckId::ContentReceipt, 2 * FILES)]),
        lacking: BTreeMap::from([((CheckId::ContentSource, Lack::SourceSilent), FILES)]),
    };
    assert_eq!(counted, expected);
    // Later rows do not wait for it again.
    let began = Instant::now();
    read(&mut reading, files("gone")).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_account_of_many_containers_is_waited_for_once() {
    let source = InMemorySource::default();
    source.fail("gone.example", FaultKind::Unavailable);
    let place = Place::of(&source);
    let mut reading = place.reading(SILENT_FOR);
    let mut all = files("gone");
    for (n, file) in all.iter_mut().enumerate() {
        file.url = format!("https://gone.example/box-{n}/{}.pdf", file.row).parse().ok();
    }
    let began = Instant::now();
    let counted = read(&mut reading, all).await.unwrap();
    assert!(began.elapsed() <= SILENT_FOR + Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(counted.lacking, BTreeMap::from([((CheckId::ContentSource, Lack::SourceSilent), FILES)]));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_was_away_for_less_and_one_that_answered_before_are_not_gone() {
    let source = InMemorySource::default();
    source.fail("gone.example", FaultKind::Unavailable);
    let place = Place::of(&source);
    // As in a pod, which waits for long.
    let mut reading = place.reading(Duration::from_mins(15));
    let back = async {
        sleep(Duration::from_mins(5)).await;
        source.mend();
    };
    let (counted, ()) = tokio::join!(read(&mut reading, files("gone")), back);
    let counted = counted.unwrap();
    assert_eq!((counted.lacking, counted.compared[&CheckId::ContentSource]), (BTreeMap::new(), FILES));

    source.fail("gone.example", FaultKind::Unavailable);
    let began = Instant::now();
    let stop = read(&mut reading, files("gone")).await.unwrap_err();
    assert_eq!(stop.exit, Exit::Temporary, "{stop}");
    assert!(began.elapsed() < SILENT_FOR, "{:?}", began.elapsed());
}

/// Prefixes that were listed, of a place that holds blobs of 100 writers beside those of another run, and how many blobs are theirs.
async fn listed(target: Arc<dyn Blobs>, journal: &Journal, writers: usize) -> (Vec<String>, u64) {
    let writers = (0..writers).map(|number| format!("{number:012x}").parse::<WriterId>().unwrap()).collect();
    let listed = list_target(&target, &writers, 10, 1).await.unwrap().unwrap();
    let prefixes =
        journal.entries().into_iter().filter_map(|entry| Some(entry.split_once(": list ")?.1.to_owned()));
    (prefixes.collect(), listed.count)
}

fn target(place: &'static str, journal: &Journal) -> InMemoryBlobs {
    let target = InMemoryBlobs::new(place, Service::TargetBlobs, journal.clone());
    target.insert("LTI_Uploads/000000000003/7_1_a.pdf", "x");
    (0..50).for_each(|n| target.insert(&format!("LTI_Uploads/ffffffffffff/{n}_1_a.pdf"), "x"));
    target
}

/// A folder gives all files below a prefix at once, and those of other runs may be many, or closed to this user.
#[tokio::test]
async fn in_a_folder_only_the_run_s_own_writers_are_listed_however_many_they_are() {
    let journal = Journal::default();
    let mut folder = target("folder", &journal);
    folder.is_folder = true;
    let (prefixes, blobs) = listed(Arc::new(folder), &journal, 100).await;
    assert_eq!((prefixes.len(), blobs), (200, 1));
    assert!(prefixes.iter().all(|prefix| prefix.split('/').count() == 3), "{prefixes:?}");
}

#[tokio::test]
async fn a_service_that_refuses_the_whole_folders_is_asked_for_the_writers_own() {
    let journal = Journal::default();
    let service = target("service", &journal);
    service.fail(Some(Arc::new(|verb, name| {
        (verb == "list" && name.matches('/').count() == 1).then_some(FaultKind::Denied)
    })));
    let (prefixes, blobs) = listed(Arc::new(service), &journal, 100).await;
    assert_eq!(blobs, 1);
    assert!(prefixes.len() > 200 && prefixes.len() <= 202, "{}", prefixes.len());
}

/// Which files lack what they are compared with: a source that was not seen may have an MD5.
#[test]
fn blob_md5_names_the_cause_for_which_the_source_was_not_seen() {
    use rogo_migrate::verify::{checks, findings::Findings, nothing::Nothing};
    let md5 = CheckId::BlobMd5;
    let blob = BlobInfo { name: "a".into(), size_bytes: 7, ..BlobInfo::default() };
    for (source, lack) in [
        (Seen::NotListed, Some(Lack::Sources)),
        (Seen::Gone, Some(Lack::SourceFile)),
        (Seen::NotNamed, Some(Lack::Inputs)),
        (Seen::NotAsked, None),
        (Seen::There { bytes: 7, md5: None, encoding: None }, None),
    ] {
        let file = WantedFile { recorded: None, source, ..files("gone").remove(0) };
        let mut findings = Findings::default();
        checks::blob(&file, &RunName::default(), Some(&blob), &mut findings);
        let found = findings.all_lacking().find(|(check, _)| *check == md5).map(|(_, lack)| lack);
        assert_eq!(found, lack, "{:?}", file.source);
        let nothing = findings.all_nothing().find(|(check, _)| *check == md5).map(|(_, nothing)| nothing);
        assert_eq!(nothing, lack.is_none().then_some(Nothing::Md5), "{:?}", file.source);
    }
}
