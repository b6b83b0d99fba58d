//! Learns about a pod from those who know it, within a budget of time.

mod agent;
mod kubeconfig;

pub use agent::Agent;

use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

use super::decision::{Decision, by_facts};
use super::netconf::{NetConf, Source};
use super::pod::{PodFacts, PodName};

/// How long to rest between two rounds.
const PAUSE: Duration = Duration::from_millis(50);

/// Nothing is known of the pod, or too little.
#[derive(Debug, thiserror::Error)]
#[error("nothing is known of the pod {namespace}/{name} after {budget:?}: {}", .answers.join("; "))]
pub struct Unknown {
    namespace: String,
    name: String,
    budget: Duration,
    /// What each source said in the end.
    answers: Vec<String>,
}

/// Everything that an ADD has to know about its pod.
#[derive(Clone, Debug)]
pub struct Learned {
    /// What is known.
    pub facts: PodFacts,
    /// What follows: rules or none.
    pub decision: Decision,
    /// Who knew it.
    pub source: &'static str,
}

/// Asks the sources in their order, again and again until one knows enough or the time is over.
///
/// Annotations say less than the others: not who the proxy runs as, nor what its variables are. Where somebody else could
/// say it, rules are made of annotations alone only when the time is over.
///
/// # Errors
/// When no source knows enough in time; what each said is named.
pub fn learn(pod: &PodName, conf: &NetConf, start: Instant) -> Result<Learned, Unknown> {
    let deadline = start + conf.time_budget;
    let rest = || deadline.saturating_duration_since(Instant::now());
    loop {
        let mut answers = Vec::new();
        let mut second_best = None;
        for (place, source) in conf.sources.iter().enumerate() {
            // Of what is left, each gets a share who may have to be waited for.
            let waiting = conf.sources[place..].iter().filter(|it| **it != Source::Runtime).count();
            let share = rest().saturating_sub(PAUSE) / u32::try_from(waiting.max(1)).unwrap_or(1);
            let answer = match source {
                Source::Agent => Agent::new(&conf.agent_socket).pod(pod, share),
                Source::Runtime => from_runtime(conf),
                Source::Kubeconfig => kubeconfig::pod(&conf.kubeconfig, pod, share),
            };
            let answer = answer.and_then(|facts| match (by_facts(&facts), is_the_same(pod, &facts)) {
                (_, Err(reason)) => Err(reason),
                (Decision::Unknown, Ok(())) => {
                    Err("what it says of the pod is not enough to decide".to_owned())
                }
                (decision, Ok(())) => Ok(Learned { facts, decision, source: name(*source) }),
            });
            match answer {
                Ok(learned) if is_second_best(&learned, *source, conf) => second_best = Some(learned),
                Ok(learned) => return Ok(learned),
                Err(reason) => answers.push(format!("{}: {reason}", name(*source))),
            }
        }
        if rest() <= PAUSE {
            if let Some(learned) = second_best {
                warn!(
                    "the rules are made of annotations alone, which do not say who the proxy runs as, nor what its variables \
                     are: {}",
                    answers.join("; ")
                );
                return Ok(learned);
            }
            let PodName { namespace, name, .. } = pod.clone();
            return Err(Unknown { namespace, name, budget: conf.time_budget, answers });
        }
        thread::sleep(PAUSE);
    }
}

/// Could somebody else say more?
fn is_second_best(learned: &Learned, source: Source, conf: &NetConf) -> bool {
    source == Source::Runtime && learned.decision == Decision::Intercept && conf.sources.len() > 1
}

/// A source's name, as in the configuration.
fn name(source: Source) -> &'static str {
    match source {
        Source::Agent => "agent",
        Source::Runtime => "runtime",
        Source::Kubeconfig => "kubeconfig",
    }
}

/// A pod of the same name that was there before has another UID.
fn is_the_same(pod: &PodName, facts: &PodFacts) -> Result<(), String> {
    match (&pod.uid, &facts.uid) {
        (Some(asked), Some(known)) if asked != known => {
            Err(format!("it knows a pod of that name with the UID {known}, and not {asked}"))
        }
        _ => Ok(()),
    }
}

/// What the runtime handed over.
fn from_runtime(conf: &NetConf) -> Result<PodFacts, String> {
    match &conf.pod_annotations {
        Some(annotations) => Ok(PodFacts { annotations: Some(annotations.clone()), ..PodFacts::default() }),
        None if conf.has_annotations_capability => Err("it handed over no annotations".to_owned()),
        None => Err(format!("the capability {} is not declared", super::netconf::POD_ANNOTATIONS)),
    }
}

/// What is known without asking anybody.
pub fn at_hand(conf: &NetConf) -> Option<PodFacts> {
    conf.sources.contains(&Source::Runtime).then(|| from_runtime(conf).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::cni::agent_protocol::{Answer, Refusal, Request, Response, VERSION};
    use crate::cni::decision::Reason;

    fn pod(uid: &str) -> PodName {
        PodName { namespace: "shop".into(), name: "web".into(), uid: Some(uid.into()) }
    }

    fn conf(socket: &std::path::Path, more: &str) -> NetConf {
        NetConf::parse(&format!(
            r#"{{"cniVersion":"1.0.0","name":"n","type":"t","time_budget":"400ms","agent_socket":"{}"{more}}}"#,
            socket.display()
        ))
        .unwrap()
    }

    /// Answers as many questions as there are answers.
    fn agent(folder: &tempfile::TempDir, answers: Vec<String>) -> std::path::PathBuf {
        let path = folder.path().join("agent.sock");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut question = String::new();
                BufReader::new(&stream).read_line(&mut question).unwrap();
                serde_json::from_str::<Request>(&question).unwrap();
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        path
    }

    fn line(answer: Answer) -> String {
        serde_json::to_string(&Response { version: VERSION, answer }).unwrap() + "\n"
    }

    fn known(uid: &str) -> String {
        let facts = PodFacts { uid: Some(uid.into()), host_network: Some(true), ..PodFacts::default() };
        line(Answer::Pod(facts))
    }

    #[test]
    fn the_agent_is_asked_again_until_it_knows() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Answer::Error { code: Refusal::NotReady, message: "starting".into() };
        let socket = agent(&folder, vec![line(refused), "garbage\n".into(), String::new(), known("1")]);
        let Learned { facts, decision, source } =
            learn(&pod("1"), &conf(&socket, ""), Instant::now()).unwrap();
        assert_eq!(source, "agent");
        assert_eq!(facts.uid.as_deref(), Some("1"));
        assert_eq!(decision, Decision::Skip(Reason::HostNetwork));
    }

    #[test]
    fn facts_of_another_pod_of_the_same_name_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let socket = agent(&folder, vec![known("0"); 100]);
        let error = learn(&pod("1"), &conf(&socket, ""), Instant::now()).unwrap_err().to_string();
        assert!(error.contains("UID 0") && error.contains("shop/web"), "{error}");
    }

    #[test]
    fn without_an_agent_the_runtimes_annotations_are_enough() {
        let folder = tempfile::tempdir().unwrap();
        let more = r#","runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"a":"b"}}"#;
        let conf = conf(&folder.path().join("none"), more);
        let learned = learn(&pod("1"), &conf, Instant::now()).unwrap();
        assert_eq!(learned.decision, Decision::Skip(Reason::NoStatus));
    }

    #[test]
    fn rules_of_annotations_alone_wait_for_somebody_who_knows_more() {
        let folder = tempfile::tempdir().unwrap();
        let status = r#"{\"containers\":[\"istio-proxy\"]}"#;
        let more = format!(
            r#","runtimeConfig":{{"io.kubernetes.cri.pod-annotations":{{"sidecar.istio.io/status":"{status}"}}}}"#
        );
        let refused = || line(Answer::Error { code: Refusal::NotReady, message: "starting".into() });
        let socket = agent(&folder, vec![refused(), refused(), known("1")]);
        assert_eq!(learn(&pod("1"), &conf(&socket, &more), Instant::now()).unwrap().source, "agent");
        let alone = learn(&pod("1"), &conf(&folder.path().join("none"), &more), Instant::now()).unwrap();
        assert_eq!((alone.source, alone.decision), ("runtime", Decision::Intercept));
    }

    #[test]
    fn a_queue_that_is_full_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        listener.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = Agent::new(&path).connect() {
            waiting.push(stream);
            assert!(waiting.len() < 10_000);
        }
        let error = learn(&pod("1"), &conf(&path, ""), Instant::now()).unwrap_err();
        assert!(error.to_string().contains("agent: "), "{error}");
    }

    #[test]
    fn when_nobody_knows_everybody_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = learn(&pod("1"), &conf(&folder.path().join("none"), ""), Instant::now()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("agent: ") && text.contains("runtime: ") && text.contains("400ms"), "{text}");
    }
}
