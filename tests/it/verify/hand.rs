//! By another hand: whether who verified could have written what is compared.

use serde_json::{Value, json};

use super::{small, verification, verify};
use crate::support::{
    app::{Sample, TestApp},
    azurite::Azurite,
    blob_service::{BlobService, app_in, sample_in},
};

/// Verifies into a store of its own with this credential of the storage account; whether that is independent, and what is said.
async fn reasons(app: &mut TestApp<'_>, credential: String) -> (Value, Vec<String>) {
    app.set("AZURE_STORAGE_CONNECTION_STRING", credential);
    let store = format!("file://{}", app.out.path().join("verify").display());
    let ended = verify(app, &["--verify-store", &store]).await.expect(0);
    let result = verification(app);
    let reasons: Vec<String> = serde_json::from_value(result["not_independent"].clone()).unwrap_or_default();
    let lines = |start: &str| ended.stdout.lines().filter(|line| line.starts_with(start)).count();
    let is_independent = usize::from(result["independent"] == true);
    assert_eq!((lines("independent: "), lines("not independent: ")), (is_independent, reasons.len()));
    (result["independent"].clone(), reasons)
}

#[tokio::test]
async fn only_a_credential_that_may_write_neither_blobs_nor_outcomes_is_independent() {
    let sample = Sample::with(4, 95, small).await;
    let mut app = TestApp::new(&sample).await;
    app.run(&["run"]).await.expect(0);
    let azurite = Azurite::shared().await;
    assert_eq!(reasons(&mut app, azurite.read_only_connection_string()).await, (json!(true), Vec::new()));
    for (credential, is) in [
        (azurite.connection_string(), "its storage credential is the account's key"),
        (azurite.sas_connection_string(), "its storage credential is a SAS with the rights rwdlacupx (sp)"),
    ] {
        let places =
            [("the blobs of the target", "ROGO_TARGET"), ("the outcomes in the run store", "ROGO_RUN_STORE")];
        let expected =
            places.map(|(what, place)| format!("it could write {what} ({}): {is}", app.variable(place)));
        assert_eq!(reasons(&mut app, credential).await, (json!(false), expected.to_vec()));
    }
}

#[tokio::test]
async fn what_a_credential_does_not_say_the_service_does_and_nothing_is_written() {
    let service = BlobService::start(&[]).await;
    let sample = sample_in(&service, 4, 96, small).await;
    let mut app = app_in(&service, &sample).await;
    app.run(&["run"]).await.expect(0);
    let before = service.names("files");
    let policy = format!("SharedAccessSignature=sv=1&si=policy&sig=x;BlobEndpoint={}", service.endpoint());
    // The run store is a folder of the user who runs the tests.
    let (_, may) = reasons(&mut app, policy.clone()).await;
    let [target, store] = may.as_slice() else { panic!("two reasons: {may:?}") };
    assert!(
        target.contains("the target (az://files): the service would let its storage credential write"),
        "{target}"
    );
    assert!(store.contains("the user of this process has the right to write"), "{store}");
    service.refuse_writing("files", (500, "InternalError"));
    let (_, unknown) = reasons(&mut app, policy.clone()).await;
    assert!(unknown[0].contains("could not be found out: ") && unknown[0].contains("500"), "{unknown:?}");
    service.refuse_writing("files", (403, "AuthorizationPermissionMismatch"));
    assert_eq!(reasons(&mut app, policy).await, (json!(false), vec![store.clone()]));
    assert_eq!(service.names("files"), before);
}
