//! The lower bound: the same files, read and written by a plain HTTP client, without checks or records.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use reqwest::{Body, Client, header::CONTENT_LENGTH};

use super::support::{app::Sample, azurite::Azurite};

/// Copies these source files into a new container, `width` at a time.
pub async fn pass(sample: &Sample, files: &[(String, String)], width: usize) -> Duration {
    let azurite = Azurite::shared().await;
    let container = azurite.container().await;
    let client = Client::new();
    let began = Instant::now();
    futures_util::stream::iter(files.iter().enumerate())
        .map(|(number, (_, name))| {
            copy(
                &client,
                azurite.signed_url(&sample.source, name),
                azurite.signed_url(&container, &number.to_string()),
            )
        })
        .buffer_unordered(width)
        .try_collect::<()>()
        .await
        .unwrap();
    let elapsed = began.elapsed();
    azurite.discard(&container).await;
    elapsed
}

/// Once more if Azurite closed the connection just then.
async fn copy(client: &Client, from: url::Url, to: url::Url) -> reqwest::Result<()> {
    match copy_once(client, from.clone(), to.clone()).await {
        Err(error) if error.is_request() => copy_once(client, from, to).await,
        settled => settled,
    }
}

async fn copy_once(client: &Client, from: url::Url, to: url::Url) -> reqwest::Result<()> {
    let answer = client.get(from).send().await?.error_for_status()?;
    let length = answer.content_length().unwrap();
    let body = Body::wrap_stream(answer.bytes_stream());
    let put = client.put(to).header("x-ms-blob-type", "BlockBlob").header(CONTENT_LENGTH, length).body(body);
    put.send().await?.error_for_status()?;
    Ok(())
}
