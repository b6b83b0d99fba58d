//! What the plugin and the node agent say to each other over the agent's Unix socket: one JSON object a line, one question a
//! connection, one answer. docs/cni.md describes it; [`VERSION`] is its version.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::pod::{PodFacts, PodName};

/// The version of the protocol. An agent answers questions of this version and of earlier ones; to a later one it
/// says [`Refusal::Version`].
pub const VERSION: u32 = 1;

/// The socket's name in the agent's run directory.
pub const SOCKET: &str = "mesh-intercept-agent.sock";

/// The longest line that either side reads, in bytes: a pod's object in the API is smaller than 1.5 MiB (etcd's limit).
pub const LONGEST_LINE: u64 = 2 << 20;

/// The longest question, in bytes: one that brings the log of a call is the largest.
pub const LONGEST_QUESTION: u64 = 128 << 10;
/// An agent writes at most so many lines of one call.
pub const MOST_LINES: usize = 1000;
/// At most so many warnings of an installation are told.
pub const MOST_WARNINGS: usize = 16;
/// The longest of them, in characters.
pub const LONGEST_WARNING: usize = 500;

/// What the plugin sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The version that the plugin speaks.
    pub version: u32,
    /// What it wants.
    #[serde(flatten)]
    pub question: Question,
}

/// What the plugin wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Question {
    /// What is known of a pod? The agent waits for a pod that it has not seen yet, as long as it is told to.
    Pod {
        /// Which pod.
        #[serde(flatten)]
        pod: PodName,
        /// How long the agent may wait for it to appear, in milliseconds.
        #[serde(default)]
        wait_ms: u64,
    },
    /// Is the agent ready to answer for pods?
    Ready,
    /// How an ADD ended, and what was logged about it.
    Report(Report),
    /// What another call has logged.
    Log(CallLog),
}

/// What the plugin has logged in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLog {
    /// The lines, with the fields of docs/logs.md.
    pub lines: Vec<Map<String, Value>>,
    /// So many lines before them were too much.
    #[serde(default)]
    pub left_out: u64,
}

/// Why an ADD ended as it did: words fit for a metric's label. An agent may meet a plugin that knows more.
pub const REASONS: [&str; 20] = [
    INSTALLED,
    "not_kubernetes",
    "excluded_namespace",
    "host_network",
    "own_agent",
    "no_proxy_container",
    "istio_init_present",
    "proxy_disabled",
    "not_a_sidecar",
    "inject_false",
    "no_status_annotation",
    "mode_none",
    "no_facts",
    "bad_configuration",
    "bad_settings",
    "node",
    "not_applied",
    "conflict",
    "io",
    "other",
];
/// The reason of an ADD that put rules in.
pub const INSTALLED: &str = "installed";

/// How an ADD ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which pod.
    #[serde(flatten)]
    pub pod: PodName,
    /// The container (sandbox) that the runtime named.
    pub container_id: String,
    /// How it ended.
    pub result: AddResult,
    /// Which rule decided, or why it failed: one of [`REASONS`].
    pub reason: String,
    /// The same in words, for the log.
    #[serde(default)]
    pub message: String,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What the installation warned of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What was logged; nothing from a plugin that does not hand it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<CallLog>,
}

/// How an ADD ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddResult {
    /// The rules are in the kernel.
    Installed,
    /// The pod is none of the mesh.
    Skipped,
    /// It failed: the runtime will try again.
    Failed,
}

/// What the agent answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The version that the agent speaks.
    pub version: u32,
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The pod.
    Pod(PodFacts),
    /// Yes, or taken note of.
    Ok(bool),
    /// No answer.
    Error {
        /// Why not.
        code: Refusal,
        /// The same in words.
        message: String,
    },
}

/// Why the agent does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It knows no such pod on its node, or not yet.
    NotFound,
    /// It knows another pod under that name: the UIDs differ.
    OtherUid,
    /// It has not read the pods of its node yet, or cannot read this one now.
    NotReady,
    /// The pod says more than is read of it.
    TooLarge,
    /// It does not speak this version.
    Version,
    /// It does not understand the question.
    BadRequest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_are_lines_of_plain_json() {
        let pod = PodName { namespace: "shop".into(), name: "web-1".into(), uid: Some("u-1".into()) };
        let request = Request { version: VERSION, question: Question::Pod { pod, wait_ms: 250 } };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(
            line,
            r#"{"version":1,"request":"pod","namespace":"shop","name":"web-1","uid":"u-1","wait_ms":250}"#
        );
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        let refused = Response {
            version: VERSION,
            answer: Answer::Error { code: Refusal::NotFound, message: "no such pod".into() },
        };
        let line = serde_json::to_string(&refused).unwrap();
        assert_eq!(line, r#"{"version":1,"error":{"code":"not_found","message":"no such pod"}}"#);
        assert_eq!(serde_json::from_str::<Response>(&line).unwrap(), refused);
    }
}
