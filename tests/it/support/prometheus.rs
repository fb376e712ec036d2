//! A private Prometheus for a test, which takes metrics by OTLP. It is built once per machine by `tests/need.sh`, and ends with the test.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

const VERSION: &str = "0.316.0";

/// A running Prometheus.
pub struct Prometheus {
    process: Child,
    url: String,
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
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
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
        Self { process, url: format!("http://{address}"), _data: data }
    }

    async fn ready(self) -> Self {
        let asked = || async {
            let answer = reqwest::get(format!("{}/-/ready", self.url)).await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        let waiting = async {
            while !asked().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("Prometheus starts");
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

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One test builds it, the others wait for that.
static BUILDING: Mutex<()> = Mutex::new(());

/// A program of Prometheus.
pub fn program(name: &str) -> PathBuf {
    cached(&format!("prometheus-{VERSION}"), "need_prometheus", name)
}

/// A program in a folder of the tests' cache, which a function of `tests/need.sh` makes.
pub fn cached(folder: &str, need: &str, name: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    let program = cache.join(format!("rogo-migrate/{folder}/{name}"));
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
