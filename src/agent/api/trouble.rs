//! What can be wrong with the API server, and what the operator can do about it.

use std::error::Error as StdError;
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{InClusterError, KubeconfigError};

/// What is wrong with the API server, or with the way to it.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Outside of a cluster, or without a service account.
    #[error(
        "the service account of the agent's pod cannot be used: {}. Outside of a pod, give --kubeconfig", chain(.0)
    )]
    ServiceAccount(#[source] InClusterError),
    /// The kubeconfig file is not there or wrong.
    #[error("cannot use the kubeconfig file {path}: {}", chain(source), path = .path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<KubeconfigError>,
    },
    /// 401.
    #[error(
        "the API server does not accept the agent's token (401): is its service account still there, and the clock right?"
    )]
    Unauthorized,
    /// 403.
    #[error(
        "the agent may not read pods (403: {0}): bind its service account to a ClusterRole with get, list and watch on \
         pods"
    )]
    Forbidden(String),
    /// 410: what was read is older than what the server remembers.
    #[error("the API server has forgotten the version that was read (410)")]
    Outdated,
    /// 429.
    #[error("the API server has too much to do (429)")]
    Throttled {
        /// How long it wants to be left alone.
        pause: Option<Duration>,
    },
    /// Another answer that is an error.
    #[error("the API server answers {code}: {message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// What it says.
        message: String,
        /// How long it wants to be left alone.
        pause: Option<Duration>,
    },
    /// No answer, or none that can be read.
    #[error("cannot talk to the API server: {}", chain(.0))]
    Unreachable(#[source] Box<kube::Error>),
    /// The answer breaks off, or is no answer of an API server.
    #[error("cannot read the API server's answer: {}", chain(.0))]
    Unreadable(#[source] serde_json::Error),
    /// It takes connections, and says nothing.
    #[error("the API server does not answer in time")]
    Silent,
    /// A list or an event without a version: nothing to go on from.
    #[error("the API server sends pods without a resource version: is that really an API server?")]
    NoVersion,
}

impl Trouble {
    pub(super) fn service_account(error: InClusterError) -> Trouble {
        Trouble::ServiceAccount(error)
    }

    pub(super) fn kubeconfig(path: &Path, error: KubeconfigError) -> Trouble {
        Trouble::Kubeconfig { path: path.to_owned(), source: Box::new(error) }
    }

    pub(super) fn unreadable(error: serde_json::Error) -> Trouble {
        Trouble::Unreadable(error)
    }

    /// The HTTP status of an answer that is an error; `None` if there was no answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Trouble::Unauthorized => Some(401),
            Trouble::Forbidden(_) => Some(403),
            Trouble::Outdated => Some(410),
            Trouble::Throttled { .. } => Some(429),
            Trouble::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Returns `true` if both are of a kind, so that the operator need not hear of the second.
    pub(in crate::agent) fn is_like(&self, other: &Trouble) -> bool {
        match (self, other) {
            (Trouble::Refused { code: one, .. }, Trouble::Refused { code: other, .. }) => one == other,
            _ => discriminant(self) == discriminant(other),
        }
    }

    /// Returns `true` if the pods only have to be read again.
    pub(in crate::agent) fn is_outdated(&self) -> bool {
        matches!(self, Trouble::Outdated)
    }

    /// How long the server wants to be left alone, if it says so; never longer than a minute.
    pub(in crate::agent) fn pause(&self) -> Option<Duration> {
        match self {
            Trouble::Throttled { pause } | Trouble::Refused { pause, .. } => {
                pause.map(|pause| pause.min(Duration::from_secs(60)))
            }
            _ => None,
        }
    }
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Trouble {
        let status = match error {
            kube::Error::Api(status) => status,
            error => return Trouble::Unreachable(Box::new(error)),
        };
        let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let pause = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        // A proxy in between may send a page of HTML.
        let message: String = status.message.lines().next().unwrap_or_default().chars().take(200).collect();
        match status.code {
            401 => Trouble::Unauthorized,
            403 => Trouble::Forbidden(message),
            410 => Trouble::Outdated,
            429 => Trouble::Throttled { pause },
            code => Trouble::Refused { code, message, pause },
        }
    }
}

/// An error with its causes, as far as it does not repeat them itself.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(code: u16, retry_after_seconds: u32) -> Trouble {
        let details = json!({"retryAfterSeconds": retry_after_seconds});
        let status = json!({"code": code, "message": "why\n<html>", "details": details});
        let status = serde_json::from_value(status).unwrap();
        kube::Error::Api(Box::new(status)).into()
    }

    #[test]
    fn an_answer_of_the_server_is_said_with_what_to_do() {
        assert!(answer(401, 0).to_string().contains("service account"));
        assert!(answer(403, 0).to_string().contains("(403: why): bind its service account to a ClusterRole"));
        assert!(answer(410, 0).is_outdated());
        assert_eq!(answer(503, 0).to_string(), "the API server answers 503: why");
    }

    #[test]
    fn the_server_says_how_long_it_is_left_alone_within_reason() {
        assert_eq!(answer(429, 3).pause(), Some(Duration::from_secs(3)));
        assert_eq!(answer(503, 86400).pause(), Some(Duration::from_secs(60)));
        assert_eq!(answer(429, 0).pause(), None);
    }

    #[test]
    fn the_same_is_not_said_twice() {
        assert!(answer(500, 0).is_like(&answer(500, 2)) && !answer(500, 0).is_like(&answer(503, 0)));
        assert!(answer(401, 0).is_like(&answer(401, 0)) && !answer(401, 0).is_like(&Trouble::Silent));
    }
}
