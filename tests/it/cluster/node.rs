//! What befalls a pod from outside Kubernetes, done by a privileged pod on the same node: its process is killed, or it gets too
//! little memory.

use serde_json::{Value, json};

use super::{kubectl::Kubectl, services::variable};
use crate::chart::rendered::text;

/// Of the container.
const NAME: &str = "node";

/// Sets `pid` to the program's process in the pod with the UID `$1`.
const FIND: &str = r#"
pid=
for file in /proc/[0-9]*/cgroup; do
    process=${file%/cgroup}
    if grep -q -e "$1" -e "${1//-/_}" "$file" 2>/dev/null && [[ $(<"$process/comm") == rogo-migrate ]]; then
        pid=${process#/proc/}
    fi
done
[[ -n $pid ]] || { echo "no process of the pod $1" >&2; exit 1; }"#;

const KILL: &str = r#"kill -KILL "$pid""#;

/// Takes away the memory that the process does not use now, and fills what may be left beside it: what it asks for next is too
/// much. Files in memory belong to no process, so that the biggest one is killed: the program (with cgroup v2 all of its container,
/// and who fills). A privileged container has no cgroup namespace of its own: the paths in `/proc` are those of the node.
const STARVE: &str = r#"
root=/cgroup
path=$(sed -n 's/^[0-9]*:memory://p' "/proc/$pid/cgroup")
if [[ -n $path ]]; then
    group=$root/memory$path used=memory.usage_in_bytes limit=memory.limit_in_bytes
else
    path=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
    group=$root$path used=memory.current limit=memory.max
fi
# It may need more now than a moment ago.
tries=0
until cat "$group/$used" >"$group/$limit"; do ((++tries < 50)) && sleep 0.1 || exit 1; done
(echo "$BASHPID" >"$group/cgroup.procs" && head -c 60M /dev/zero >/dev/shm/filled) || true
rm -f /dev/shm/filled"#;

/// A pod that may do everything on one node.
pub struct Node<'a> {
    kubectl: &'a Kubectl,
    /// Of the pod: one for each that a test begins with.
    name: String,
}

impl<'a> Node<'a> {
    /// On the node where this pod runs.
    pub fn of(kubectl: &'a Kubectl, pod: &Value) -> Self {
        let container = json!({
            "name": NAME, "image": variable("ROGO_TEST_TDS_IMAGE"), "imagePullPolicy": "IfNotPresent",
            "command": ["sleep", "infinity"], "securityContext": {"privileged": true, "runAsUser": 0},
            // Guaranteed: it is not the one that is killed where memory is short.
            "resources": {"limits": {"cpu": "50m", "memory": "128Mi"}},
            "volumeMounts": [{"name": "cgroup", "mountPath": "/cgroup"}],
        });
        let spec = json!({
            "nodeName": text(pod, "/spec/nodeName"), "hostPID": true, "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false, "tolerations": [{"operator": "Exists"}],
            "containers": [container],
            "volumes": [{"name": "cgroup", "hostPath": {"path": "/sys/fs/cgroup"}}],
        });
        let name = format!("{NAME}-of-{}", text(pod, "/metadata/name"));
        let own = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
        kubectl.give(&["create", "--filename=-"], &own);
        kubectl.run(&["wait", &format!("pod/{name}"), "--for=condition=Ready", "--timeout=120s"]);
        Self { kubectl, name }
    }

    /// SIGKILL.
    #[track_caller]
    pub fn kill(&self, pod: &Value) {
        self.run(KILL, pod);
    }

    /// The pod's process is killed for want of memory.
    #[track_caller]
    pub fn starve(&self, pod: &Value) {
        self.run(STARVE, pod);
    }

    #[track_caller]
    fn run(&self, script: &str, pod: &Value) {
        let script = format!("{FIND}\n{script}");
        self.kubectl.run(&[
            "exec",
            &self.name,
            "--",
            "bash",
            "-c",
            &script,
            "node",
            &text(pod, "/metadata/uid"),
        ]);
    }
}
