//! Documents of a run whose connection breaks while they are written.

use rogo_migrate::{
    ports::FaultKind,
    run::{RunName, RunStore, lines},
};
use serde_json::json;

use super::open;
use crate::support::{
    azurite::Azurite,
    proxy::{Cut, Proxy},
};

#[tokio::test]
async fn a_broken_connection_stops_nobody_and_writes_nothing_over_the_document_of_another() {
    let azurite = Azurite::shared().await;
    let proxy = Proxy::start(azurite.address()).await;
    let through =
        azurite.connection_string().replace(&azurite.address().to_string(), &proxy.address().to_string());
    let blobs = open(&through, &azurite.container().await, "").unwrap();
    let store = RunStore::new(blobs, &RunName::default());
    let (ours, others) = (json!({ "by": "this process" }), json!({ "by": "another process" }));
    let moments = [Cut::BeforeRequest as fn(Vec<u8>) -> Cut, Cut::BeforeAnswerTo];
    for (number, cut) in moments.into_iter().enumerate() {
        let name = |what: &str| format!("{what}-{number}.json");
        for (what, times) in [("created", 1), ("replaced", 2), ("lines", 3)] {
            proxy.cut(cut(b"PUT /".to_vec()));
            match what {
                "created" => store.create(&name(what), &ours).await.unwrap(),
                "replaced" => store.replace(&name("created"), &ours).await.unwrap(),
                _ => {
                    let two = [ours.clone(), ours.clone()].into_iter().map(Ok);
                    lines::create(&store, &name(what), two).await.map(drop).unwrap();
                }
            }
            assert_eq!(proxy.cuts(), number * 4 + times, "{what}: the connection broke once");
        }
        let read: Option<serde_json::Value> = store.read(&name("created")).await.unwrap();
        assert_eq!(read, Some(ours.clone()));

        store.create(&name("others"), &others).await.unwrap();
        proxy.cut(cut(b"PUT /".to_vec()));
        let fault = store.create(&name("others"), &ours).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Exists, "{fault}");
        assert_eq!(proxy.cuts(), number * 4 + 4);
        let read: Option<serde_json::Value> = store.read(&name("others")).await.unwrap();
        assert_eq!(read, Some(others.clone()));
    }
}
