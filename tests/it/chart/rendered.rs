//! Renders the chart and finds fields in what came out.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, OnceLock},
};

use serde_json::{Map, Value};

use crate::support::process;

/// A version that the chart takes; what `helm template` takes for granted differs from one Helm to the next.
pub const KUBERNETES: &str = "1.34.0";
const CONTAINER: &str = "/containers/rogo-migrate";

pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/rogo-migrate")
}

pub fn helm() -> Command {
    Command::new(std::env::var_os("HELM").unwrap_or_else(|| "helm".into()))
}

/// The objects that the chart renders, or Helm's refusal.
pub struct Rendered(Vec<Value>);

/// Renders with the minimal values and `set`, which is split at spaces: `a.b=1 c=x`.
pub fn render(set: &str) -> Result<Arc<Rendered>, String> {
    type Cache = HashMap<String, Result<Arc<Rendered>, String>>;
    static CACHE: OnceLock<Mutex<Cache>> = OnceLock::new();
    let cache = CACHE.get_or_init(Mutex::default);
    if let Some(known) = cache.lock().unwrap().get(set) {
        return known.clone();
    }
    let rendered = render_chart(&chart(), "r", set).map(Arc::new);
    cache.lock().unwrap().insert(set.to_owned(), rendered.clone());
    rendered
}

/// As [`render`], of a copy of the chart or for a release of another name.
pub fn render_chart(chart: &Path, release: &str, set: &str) -> Result<Rendered, String> {
    render_files(chart, release, &[&chart.join("ci/minimal-values.yaml")], set)
}

/// As [`render_chart`], with other values files.
pub fn render_files(chart: &Path, release: &str, values: &[&Path], set: &str) -> Result<Rendered, String> {
    let mut command = helm();
    command.arg("template").arg(release).arg(chart).args(["--namespace", "ns", "--kube-version", KUBERNETES]);
    for file in values {
        command.arg("--values").arg(file);
    }
    for pair in set.split_whitespace() {
        command.args(["--set", pair]);
    }
    let output = process::blocking(command);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("Helm writes YAML");
    Ok(Rendered(objects.into_iter().filter(Value::is_object).map(by_name).collect()))
}

/// A copy of the chart, to be changed.
pub fn copy_of_chart() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copied = process::blocking(Command::new("cp").arg("-r").arg(chart()).arg(folder.path()));
    assert!(copied.status.success());
    let copy = folder.path().join("rogo-migrate");
    (folder, copy)
}

/// What Helm says after an installation with `set`. Without a cluster it renders no notes: here they are an object.
pub fn notes(set: &str) -> String {
    let (_folder, copy) = copy_of_chart();
    let notes = copy.join("templates/NOTES.txt");
    let text = std::fs::read_to_string(&notes).unwrap();
    let object = format!(
        "{{{{- define \"notes\" -}}}}\n{text}{{{{- end -}}}}\nkind: Notes\ntext: {{{{ include \"notes\" . | toJson }}}}\n"
    );
    std::fs::write(copy.join("templates/notes.yaml"), object).unwrap();
    std::fs::remove_file(notes).unwrap();
    let rendered = render_chart(&copy, "r", set).unwrap();
    rendered.find("Notes").map(|notes| self::text(notes, "/text")).unwrap_or_default()
}

impl Rendered {
    pub fn objects(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    /// The object of this component, or of this kind where it belongs to none.
    pub fn find(&self, of: &str) -> Option<&Value> {
        self.0.iter().find(|object| component(object).unwrap_or_else(|| text(object, "/kind")) == of)
    }

    /// A field. `spec/…` and `metadata/…` are the object's; `pod/…`, `container/…`, `env/…` lead into the pod, and
    /// `template/…` to its metadata. Members of a list are found by their `name`.
    pub fn field(&self, of: &str, at: &str) -> Option<&Value> {
        let object = self.find(of)?;
        let pod = if text(object, "/kind") == "Pod" { "/spec" } else { "/spec/template/spec" };
        let (first, rest) = at.split_once('/').unwrap_or((at, ""));
        let start = match first {
            "pod" => pod.to_owned(),
            "container" => format!("{pod}{CONTAINER}"),
            "env" => format!("{pod}{CONTAINER}/env"),
            "template" => "/spec/template/metadata".to_owned(),
            other => format!("/{other}"),
        };
        object.pointer(if rest.is_empty() { start } else { format!("{start}/{rest}") }.as_str())
    }

    /// The name of this component's Job.
    pub fn name(&self, of: &str) -> String {
        self.find(of).map(|object| text(object, "/metadata/name")).unwrap_or_default()
    }
}

pub fn component(object: &Value) -> Option<String> {
    let labels = object.pointer("/metadata/labels")?;
    labels.get("app.kubernetes.io/component")?.as_str().map(str::to_owned)
}

pub fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Makes objects of lists whose members have names, so that a path finds them.
fn by_name(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, by_name(value))).collect(),
        Value::Array(items) => {
            let named: Option<Map<String, Value>> = items
                .iter()
                .map(|item| Some((item.get("name")?.as_str()?.to_owned(), by_name(item.clone()))))
                .collect();
            match named {
                Some(named) if !items.is_empty() && named.len() == items.len() => Value::Object(named),
                _ => items.into_iter().map(by_name).collect(),
            }
        }
        other => other,
    }
}
