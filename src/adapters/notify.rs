//! Tells an address how a run ended. A receiver that fails changes nothing.

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect::Policy};
use url::Url;

use crate::{
    ports::{Backoff, pause},
    run::Ending,
};

const TRIES: u32 = 3;
/// Of one try; three of them and the pauses take less than 30 s.
const ANSWER: Duration = Duration::from_secs(8);
const PAUSES: Backoff = Backoff::steady(Duration::from_secs(2));

/// Sends the ending, at most three times. `Err` says why it did not arrive, without the address's path, which may be a
/// secret.
pub async fn send(to: &Url, ending: &Ending) -> Result<(), String> {
    let body = serde_json::to_vec(ending).map_err(|error| error.to_string())?;
    let client = Client::builder()
        .timeout(ANSWER)
        .redirect(Policy::none())
        .user_agent(concat!("rogo-migrate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.without_url().to_string())?;
    let mut why = String::new();
    for failures in 0..TRIES {
        if failures > 0 {
            pause(PAUSES.pause(failures)).await;
        }
        why = match try_once(&client, to, body.clone()).await {
            Ok(status) if status.is_success() => return Ok(()),
            Ok(status) => format!("it answered {status}"),
            Err(error) => told(error),
        };
    }
    Err(format!(
        "{} was not told how the run ended in {TRIES} tries: {why}",
        to.host_str().unwrap_or("the address")
    ))
}

async fn try_once(client: &Client, to: &Url, body: Vec<u8>) -> reqwest::Result<StatusCode> {
    let request = client.post(to.clone()).header("content-type", "application/json").body(body);
    Ok(request.send().await?.status())
}

/// The chain of causes, without the address.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
