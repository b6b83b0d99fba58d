//! From a pod's settings, or from what was remembered of them, to the rules in its network namespace.

use std::path::Path;

use super::decision::{Reason, by_name};
use super::netconf::NetConf;
use super::pod::{PodFacts, PodName};
use super::protocol::{Error, Invocation, code};
use super::sandboxes::Sandbox;
use super::settings::{NONE, Wanted, wanted};
use crate::backend::DetectError;
use crate::config::arguments::{self, Outcome};
use crate::config::problem::Problems;
use crate::config::settings::INTERCEPTION_MODE;
use crate::config::typed::Settings;
use crate::config::{Config, Dns, Options, Policy, lists};
use crate::exit::Exit;
use crate::interception::{Failure, Interception};
use crate::kernel::System;
use crate::kernel::files::Rooted;
use crate::kernel::lock::LockError;
use crate::kernel::netns::{Namespace, NamespaceError};

/// What is said of flags that no pod can have.
pub(super) const FLAGS_ARE_WRONG: &str = "the key flags of the plugin's configuration is wrong";

/// How the rules of a pod are asked for on this node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Flags of `init` that hold for every pod whose own settings do not say otherwise.
    flags: Settings,
    options: Options,
    excluded_namespaces: Vec<String>,
    agent_namespace: String,
    is_quiet: bool,
    files: Rooted,
}

impl Node {
    /// Reads what the plugin's configuration says for every pod.
    ///
    /// # Errors
    /// Everything that is wrong with its flags and with their values.
    pub fn of(conf: &NetConf) -> Result<Node, Problems> {
        Node::seen_at(conf, Path::new("/"))
    }

    /// The same for a program that sees the node's files in this folder.
    ///
    /// # Errors
    /// Everything that is wrong with its flags and with their values.
    pub fn seen_at(conf: &NetConf, root: &Path) -> Result<Node, Problems> {
        let files = Rooted::at(root);
        // The environment is the runtime's here, not the pod's: it says nothing.
        let nothing = |_: &str| Err(std::env::VarError::NotPresent);
        let words = [vec![String::new()], conf.flags.clone()].concat();
        let (mut flags, mut problems) = match arguments::parse("init", "", words, &nothing) {
            Outcome::Parsed(settings, problems) => (settings, problems),
            Outcome::Asked(_) => Default::default(),
        };
        problems.extend(lists::expand(&mut flags, &files));
        let options = Options::parse(&flags).map_err(|found| problems.extend(found));
        // Each pod's own settings come on top of them: what is wrong with the flags alone is wrong for every pod.
        if let Err(found) = Config::parse(&as_of_a_pod_with_rules(&flags), &files) {
            problems.extend(found);
        }
        let (Ok(mut options), true) = (options, problems.is_empty()) else { return Err(problems) };
        // A runtime may add a sandbox twice, and an agent finds what a plugin left half done.
        options.policy = Policy::Reconcile;
        options.backend = conf.backend;
        let release = conf.host_os_release.clone().filter(|path| path.exists());
        if let (Some(path), None) = (&conf.host_os_release, &release) {
            tracing::info!(
                "{} is not there: whether this is CentOS is told from the kernel alone",
                path.display()
            );
        }
        options.host_os_release = options.host_os_release.or(release);
        let (excluded_namespaces, agent_namespace) =
            (conf.excluded_namespaces.clone(), conf.agent_namespace.clone());
        Ok(Node { flags, options, excluded_namespaces, agent_namespace, is_quiet: false, files })
    }

    /// The same for a caller that says itself what came of a pod's rules: nothing is logged.
    #[must_use]
    pub fn quiet(self) -> Node {
        Node { is_quiet: true, ..self }
    }

    /// Is the pod left alone whatever it is?
    pub fn leaves_alone(&self, pod: &PodName) -> Option<Reason> {
        by_name(Some(pod), &self.excluded_namespaces, &self.agent_namespace)
    }

    /// The rules of a pod; nothing when it wants none.
    ///
    /// # Errors
    /// Everything that is wrong with its settings.
    pub fn rules_of(&self, facts: &PodFacts) -> Result<Option<Interception>, Problems> {
        let (settings, notes) = match wanted(facts, self.flags.clone())? {
            Wanted::Nothing => return Ok(None),
            Wanted::Rules(settings, notes) => (settings, notes),
        };
        let config = Config::parse(&settings, &self.files)?;
        let mut rules = self.interception(config);
        for note in notes {
            rules.warn(note);
        }
        Ok(Some(rules))
    }

    /// The rules as they were remembered; as they are recorded with the rules themselves when nothing else is.
    pub(super) fn remembered(&self, sandbox: Option<&Sandbox>) -> Interception {
        let parse = |flags: &String| Config::parse(&arguments::recorded(flags)?, &self.files).ok();
        let config = sandbox.and_then(|it| it.flags.as_ref()).and_then(parse);
        let is_configured = config.is_some();
        let config = config.unwrap_or_else(default_config);
        let mut interception = Interception { is_configured, ..self.interception(config) };
        if let Some(Ok(backend)) = sandbox.and_then(|it| it.backend.as_ref()).map(|name| name.parse()) {
            interception.options.backend = backend;
        }
        interception
    }

    fn interception(&self, mut config: Config) -> Interception {
        // The servers of resolv.conf cannot be known: there is no such file yet, but for the node's own.
        if config.dns == Dns::Resolvers {
            config.dns = Dns::All;
        }
        Interception { is_quiet: self.is_quiet, ..Interception::new(config, self.options.clone()) }
    }
}

/// What takes rules away, whatever they are and whatever the configuration says by now.
pub(super) fn removal() -> Interception {
    let options = Options::parse(&Settings::default());
    let mut options = options.unwrap_or_else(|_| unreachable!("defaults can be read"));
    options.policy = Policy::Reconcile;
    Interception { is_configured: false, ..Interception::new(default_config(), options) }
}

fn default_config() -> Config {
    let config = Config::parse(&Settings::default(), &Rooted::at(Path::new("/")));
    config.unwrap_or_else(|_| unreachable!("defaults can be read"))
}

/// The mode NONE, which `init` does not know, stands for no rules.
fn as_of_a_pod_with_rules(flags: &Settings) -> Settings {
    let mut settings = flags.clone();
    let mode = settings.get(&INTERCEPTION_MODE);
    if mode.text == NONE {
        settings.set(&INTERCEPTION_MODE, mode.origin, INTERCEPTION_MODE.default.to_owned());
    }
    settings
}

/// The kernel as a sandbox's namespace sees it.
///
/// # Errors
/// When there is no such namespace, or it is the node's own.
pub(super) fn kernel(path: &Path, may_be_own: bool) -> Result<System, NamespaceError> {
    Ok(namespace(path, may_be_own)?.map(System::inside).unwrap_or_default())
}

/// A sandbox's namespace; nothing for the process's own, where the runtime says that it is meant.
///
/// # Errors
/// When there is no such namespace, or it is the node's own.
pub(super) fn namespace(path: &Path, may_be_own: bool) -> Result<Option<Namespace>, NamespaceError> {
    match Namespace::open(path) {
        Ok(namespace) => Ok(Some(namespace)),
        Err(NamespaceError::Same { .. }) if may_be_own => Ok(None),
        Err(error) => Err(error),
    }
}

/// The pod that the runtime named, if it named one.
pub(super) fn pod_of(invocation: &Invocation) -> Option<PodName> {
    super::arguments::pod(&invocation.arguments).ok().flatten()
}

/// A failure in the runtime's terms.
pub(super) fn error(failure: &Failure) -> Error {
    let code = match failure {
        // Somebody else is at work in it: it will be over soon.
        Failure::Lock(LockError::Held { .. }) => code::TRY_AGAIN,
        Failure::Namespace(_) | Failure::Lock(LockError::Namespace(_)) => code::IO,
        Failure::Differs | Failure::NothingThere => code::DRIFT,
        Failure::Detect(DetectError::Elsewhere { .. } | DetectError::Ambient { .. }) => code::CONFLICT,
        failure => match failure.exit() {
            Exit::BadInput => code::POD_SETTINGS,
            Exit::ApplyFailed => code::NOT_APPLIED,
            Exit::Conflict => code::CONFLICT,
            _ => code::NODE,
        },
    };
    Error::new(code, failure.to_string())
}

/// What is wrong with a configuration or with a pod's settings, in the runtime's terms: the first on the line that events
/// show, all in the details.
pub(super) fn problems(code: u32, what: &str, problems: &Problems) -> Error {
    let mut said: Vec<String> =
        problems.iter().take(MOST_PROBLEMS).map(|it| cut(&it.to_string(), 300)).collect();
    let (first, count) = (said.first().cloned().unwrap_or_default(), problems.iter().count());
    let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    if count > said.len() {
        said.push(format!("and {} more", count - said.len()));
    }
    Error::new(code, format!("{what}: {first}{more}")).with_details(said.join("\n"))
}

/// More problems than this are counted: the text goes through the runtime into events and logs, at every try.
const MOST_PROBLEMS: usize = 20;

/// The beginning of a text.
pub(super) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
