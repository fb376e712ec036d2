//! A private Prometheus for a test, which takes metrics by OTLP. It is built once per machine by `tests/need.sh`, and ends with the test.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    cache,
    port::Port,
    process::{Killed, until},
};

/// A running Prometheus.
pub struct Prometheus {
    _process: Killed,
    url: String,
    _port: Port,
    _data: TempDir,
}

impl Prometheus {
    /// Starts one on a free port, after building it if it is not there, which takes minutes.
    pub async fn start() -> Self {
        tokio::task::spawn_blocking(Self::begin).await.unwrap().ready().await
    }

    fn begin() -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = data.path().join("prometheus.yml");
        std::fs::write(&config, "global: {scrape_interval: 1m}\n").unwrap();
        let port = Port::hold();
        let address = port.address();
        let process = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-otlp-receiver")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { _process: Killed(process), url: format!("http://{address}"), _port: port, _data: data }
    }

    async fn ready(self) -> Self {
        let asked = || async {
            let answer = reqwest::get(format!("{}/-/ready", self.url)).await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        until("Prometheus is ready", asked).await;
        self
    }

    /// Where metrics are posted to.
    pub fn endpoint(&self) -> String {
        format!("{}/api/v1/otlp/v1/metrics", self.url)
    }

    /// What an expression is now: labels and value of each series.
    pub async fn query(&self, expression: &str) -> Vec<(Value, f64)> {
        let url =
            reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.url), [("query", expression)])
                .unwrap();
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let series = answer["data"]["result"].as_array().unwrap();
        series
            .iter()
            .map(|one| (one["metric"].clone(), one["value"][1].as_str().unwrap().parse().unwrap()))
            .collect()
    }
}

/// One test builds it, the others wait for that.
static BUILDING: Mutex<()> = Mutex::new(());

/// A program of Prometheus.
pub fn program(name: &str) -> PathBuf {
    cached(&format!("prometheus-{}", cache::version("PROMETHEUS_VERSION")), "need_prometheus", name)
}

/// A program in a folder of the tests' cache, which a function of `tests/need.sh` makes.
pub fn cached(folder: &str, need: &str, name: &str) -> PathBuf {
    let program = cache::folder(folder).join(name);
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if !program.exists() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/need.sh");
        let status = Command::new("bash")
            .args(["-c", ". \"$1\" && \"$2\"", "bash"])
            .arg(script)
            .arg(need)
            .stdin(Stdio::null())
            .status()
            .expect("bash starts");
        assert!(status.success(), "{name} cannot be built: see the lines above, and tests/need.sh");
    }
    program
}
