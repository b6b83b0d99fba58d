//! What an operator applies and reads: the manifests ask for no more than is needed and fit the programs' defaults, and
//! the documentation names everything that the programs know.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mesh_intercept::cni::agent_protocol::{REASONS, Request, Response};
use mesh_intercept::cni::netconf::{NetConf, RUN_DIRECTORY, Source, TIME_BUDGET, WithoutFacts};
use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlLoader};

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    let path = top().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn value(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) | Yaml::Real(text) => json!(text),
        Yaml::Integer(number) => json!(number),
        Yaml::Boolean(value) => json!(value),
        Yaml::Array(items) => items.iter().map(value).collect(),
        Yaml::Hash(keys) => {
            keys.iter().map(|(key, it)| (key.as_str().unwrap().to_owned(), value(it))).collect()
        }
        Yaml::Null => Value::Null,
        Yaml::Alias(_) | Yaml::BadValue => panic!("{yaml:?}"),
    }
}

fn parse(name: &str, text: &str) -> Value {
    let mut documents = YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(documents.len(), 1, "{name}: one document a file");
    value(&documents.remove(0))
}

const FOLDER: &str = "container/deploy";

/// A file of the base.
fn manifest(name: &str) -> Value {
    parse(name, &text(&format!("{FOLDER}/cni/{name}")))
}

/// The names of what is in a folder.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(top().join(FOLDER).join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The objects that are applied: as they are, or with the patches of a component or an overlay.
struct Applied {
    role: Value,
    daemon: Value,
}

impl Applied {
    fn new() -> Applied {
        Applied { role: manifest("clusterrole.yaml"), daemon: manifest("daemonset.yaml") }
    }

    fn with(component: &str) -> Applied {
        let mut applied = Applied::new();
        let component = manifest(&format!("components/{component}/kustomization.yaml"));
        assert_eq!(component["kind"], "Component");
        applied.patch(&component);
        applied
    }

    /// What a platform gets.
    fn on(platform: &str) -> Applied {
        let mut applied = Applied::new();
        let path = format!("{FOLDER}/overlays/{platform}/kustomization.yaml");
        applied.patch(&parse(&path, &text(&path)));
        applied
    }

    fn patch(&mut self, kustomization: &Value) {
        for patch in kustomization["patches"].as_array().unwrap_or(&Vec::new()) {
            let object = match patch["target"]["kind"].as_str().unwrap() {
                "ClusterRole" => &mut self.role,
                "DaemonSet" => &mut self.daemon,
                kind => panic!("{kind}"),
            };
            assert_eq!(patch["target"]["name"], object["metadata"]["name"]);
            for step in parse("patch", patch["patch"].as_str().unwrap()).as_array().unwrap() {
                change(object, step);
            }
        }
    }

    /// Each rule as `group/resource: verbs`.
    fn permissions(&self) -> Vec<String> {
        let words = |value: &Value| {
            value.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect::<Vec<_>>().join(",")
        };
        let rules = self.role["rules"].as_array().unwrap().iter();
        rules
            .map(|rule| {
                let keys: Vec<&String> = rule.as_object().unwrap().keys().collect();
                assert_eq!(keys, ["apiGroups", "resources", "verbs"]);
                format!(
                    "{}/{}: {}",
                    words(&rule["apiGroups"]),
                    words(&rule["resources"]),
                    words(&rule["verbs"])
                )
            })
            .collect()
    }

    fn pod(&self) -> &Value {
        &self.daemon["spec"]["template"]["spec"]
    }

    fn agent(&self) -> &Value {
        let containers = self.pod()["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1);
        assert!(self.pod().get("initContainers").is_none());
        &containers[0]
    }

    /// Where each folder of the node is mounted, and whether it may be written to.
    fn mounts(&self) -> Vec<(String, String, bool)> {
        let volumes = self.pod()["volumes"].as_array().unwrap();
        let mounts = self.agent()["volumeMounts"].as_array().unwrap();
        assert_eq!(volumes.len(), mounts.len(), "every volume is mounted once");
        let of = |mount: &Value| {
            let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let is_writable = mount.get("readOnly") != Some(&json!(true));
            (text(&volume["hostPath"]["path"]), text(&mount["mountPath"]), is_writable)
        };
        mounts.iter().map(of).collect()
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        self.agent()["env"].as_array().unwrap().iter().find(|variable| variable["name"] == name)
    }
}

/// One step of a JSON patch (RFC 6902), as far as they are used.
fn change(object: &mut Value, step: &Value) {
    let path = step["path"].as_str().unwrap();
    let found = object.pointer(path).cloned();
    let (parent, last) = path.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("{path} is not there"));
    match (step["op"].as_str().unwrap(), parent) {
        ("test", _) => assert_eq!(found.as_ref(), Some(&step["value"]), "{path}"),
        ("remove", Value::Array(items)) => drop(items.remove(last.parse().unwrap())),
        ("remove", Value::Object(keys)) => drop(keys.shift_remove(last).unwrap()),
        ("replace", Value::Object(keys)) => *keys.get_mut(last).unwrap() = step["value"].clone(),
        ("add", Value::Array(items)) if last == "-" => items.push(step["value"].clone()),
        ("add", Value::Object(keys)) => {
            let last = last.replace("~1", "/");
            assert_eq!(keys.insert(last, step["value"].clone()), None, "{path}");
        }
        (op, _) => panic!("{op} {path}"),
    }
}

#[test]
fn every_manifest_is_yaml_and_named_by_its_kustomization() {
    fn visit(folder: &Path) {
        let mut files = BTreeSet::new();
        let mut folders = BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                visit(&path);
                folders.insert(name);
            } else if path.extension().is_some_and(|it| it == "yaml") {
                parse(&name, &fs::read_to_string(&path).unwrap());
                files.insert(name);
            }
        }
        // Values for Helm are no manifests.
        files.retain(|name| !name.ends_with("-values.yaml"));
        if !files.remove("kustomization.yaml") {
            assert!(files.is_empty(), "{} has no kustomization.yaml", folder.display());
            return;
        }
        let kustomization = fs::read_to_string(folder.join("kustomization.yaml")).unwrap();
        let resources = &parse("kustomization.yaml", &kustomization)["resources"];
        let resources = resources.as_array().cloned().unwrap_or_default();
        let named = resources.iter().map(|it| it.as_str().unwrap().to_owned());
        let (bases, named): (BTreeSet<String>, BTreeSet<String>) =
            named.partition(|it| it.starts_with("../"));
        assert_eq!(named, files, "{}", folder.display());
        assert!(bases.iter().all(|base| base == "../../cni"), "{bases:?}");
        if folders.contains("components") {
            for entry in fs::read_dir(folder.join("components")).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let line = format!("- components/{name}");
                assert!(kustomization.contains(&line), "{line} is not in {}", folder.display());
            }
        }
    }
    for folder in names("") {
        // Templates are no YAML before they are rendered: scripts/check-manifests looks at those.
        if folder != "chart" {
            visit(&top().join(FOLDER).join(folder));
        }
    }
}

#[test]
fn every_overlay_changes_the_folders_that_the_documentation_names() {
    let mut documented = BTreeSet::new();
    for row in rows("### Where the folders are") {
        for overlay in words(&row[1]) {
            let platform = overlay.strip_prefix("overlays/").unwrap().to_owned();
            let applied = Applied::on(&platform);
            let nodes: Vec<String> = applied.mounts().into_iter().map(|(node, ..)| node).collect();
            assert_eq!(nodes[1..3], [words(&row[2]), words(&row[3])].concat(), "{platform}");
            // What the agent may do is the same everywhere.
            assert_eq!(applied.permissions(), Applied::new().permissions(), "{platform}");
            let capabilities = |applied: &Applied| applied.agent()["securityContext"]["capabilities"].clone();
            assert_eq!(capabilities(&applied), capabilities(&Applied::new()), "{platform}");
            documented.insert(platform);
        }
    }
    assert_eq!(documented, names("overlays"));
}

#[test]
fn the_constraints_of_openshift_allow_what_the_agent_is_and_no_more() {
    let path = format!("{FOLDER}/overlays/openshift/securitycontextconstraints.yaml");
    let constraints = parse(&path, &text(&path));
    let applied = Applied::on("openshift");
    assert_eq!(constraints["allowedCapabilities"], applied.agent()["securityContext"]["capabilities"]["add"]);
    assert_eq!(constraints["allowHostNetwork"], true);
    for not in ["allowPrivilegedContainer", "allowPrivilegeEscalation", "allowHostPID", "allowHostIPC"] {
        assert_eq!(constraints[not], false, "{not}");
    }
    for everybody in ["users", "groups"] {
        assert_eq!(constraints[everybody], json!([]), "{everybody}");
    }
}

#[test]
fn every_value_of_the_chart_is_documented_and_no_other() {
    let values = parse("values.yaml", &text(&format!("{FOLDER}/chart/values.yaml")));
    let mut known = BTreeSet::new();
    for (name, value) in values.as_object().unwrap() {
        match value.as_object() {
            // Objects that are handed on as they are: what is in them is Kubernetes'.
            Some(keys) if !["resources", "nodeSelector"].contains(&name.as_str()) && !keys.is_empty() => {
                known.extend(keys.keys().map(|key| format!("{name}.{key}")));
            }
            _ => drop(known.insert(name.clone())),
        }
    }
    assert!(known.len() > 20, "{known:?}");
    let documented: BTreeSet<String> =
        rows_of("docs/install.md", "### The chart's values").iter().flat_map(|row| words(&row[0])).collect();
    assert_eq!(documented, known);
}

#[test]
fn the_chart_and_the_manifests_have_the_version_of_the_program() {
    let chart = parse("Chart.yaml", &text(&format!("{FOLDER}/chart/Chart.yaml")));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((&chart["version"], &chart["appVersion"]), (&json!(version), &json!(version)));
    assert_eq!(manifest("kustomization.yaml")["images"][0]["newTag"], version);
    for values in ["istiod-values.yaml", "istiod-template-values.yaml"] {
        let image = format!("image: registry.example/mesh-intercept:{version}\n");
        assert!(text(&format!("{FOLDER}/init/{values}")).contains(&image), "{values}");
    }
}

#[test]
fn the_agent_has_three_capabilities_and_no_other_privilege() {
    let applied = Applied::new();
    let context = &applied.agent()["securityContext"];
    assert_eq!(context["privileged"], false);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
    assert_eq!(context["capabilities"]["add"], json!(["NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"]));
    assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}));
    assert_eq!(context["appArmorProfile"], json!({"type": "Unconfined"}));
    let pod = applied.pod();
    for absent in ["hostPID", "hostIPC", "hostUsers", "securityContext", "shareProcessNamespace"] {
        assert!(pod.get(absent).is_none(), "{absent}");
    }
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(applied.permissions(), ["/pods: list,watch", "/events: create"]);
    let writable: Vec<_> =
        applied.mounts().into_iter().filter(|(.., writable)| *writable).map(|(node, ..)| node).collect();
    assert_eq!(writable, ["/var/run/mesh-intercept", "/opt/cni/bin", "/etc/cni/net.d"]);
}

#[test]
fn who_does_not_repair_needs_no_capability() {
    let cases: [(&str, &[&str]); 3] = [
        ("delete", &["/pods: list,watch", "/events: create", "/pods: delete"]),
        ("label", &["/pods: list,watch", "/events: create", "/pods/status: patch"]),
        ("no-repair", &["/pods: list,watch"]),
    ];
    for (component, permissions) in cases {
        let applied = Applied::with(component);
        assert_eq!(applied.permissions(), permissions, "{component}");
        let context = &applied.agent()["securityContext"];
        assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{component}");
        assert!(context.get("appArmorProfile").is_none(), "{component}");
        assert!(applied.mounts().iter().all(|(node, ..)| node != "/proc"), "{component}");
    }
    let before = Applied::new();
    let after = Applied::with("uninstall");
    assert_eq!(after.permissions(), before.permissions());
    assert_eq!(after.agent()["securityContext"], before.agent()["securityContext"]);
    assert_eq!(after.variable("UNINSTALL").unwrap()["value"], "true");
}

#[test]
fn names_and_labels_are_those_that_others_look_for() {
    let applied = Applied::new();
    let name = "mesh-intercept-agent";
    for object in [&applied.daemon, &applied.role, &manifest("serviceaccount.yaml")] {
        assert_eq!(object["metadata"]["name"], name);
    }
    // The plugin lets pods with this prefix start without the agent.
    let source = text("src/cni/decision.rs");
    assert!(source.contains(&format!("\"{name}-\"")), "{name}- is not exempt");
    let labels = &applied.daemon["spec"]["template"]["metadata"]["labels"];
    for (key, value) in applied.daemon["spec"]["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&labels[key], value);
    }
    assert_eq!(labels["k8s-app"], "istio-cni-node");
    assert_eq!(applied.pod()["serviceAccountName"], name);
    assert_eq!(applied.pod()["priorityClassName"], "system-node-critical");
    assert_eq!(applied.pod()["tolerations"], json!([{"operator": "Exists"}]));
    let binding = manifest("clusterrolebinding.yaml");
    assert_eq!(binding["roleRef"]["name"], name);
    let namespace = manifest("namespace.yaml");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "privileged");
    let kustomization = manifest("kustomization.yaml");
    let everywhere =
        [&namespace["metadata"]["name"], &binding["subjects"][0]["namespace"], &kustomization["namespace"]];
    assert!(everywhere.iter().all(|it| *it == "mesh-intercept"), "{everywhere:?}");
    assert_eq!(kustomization["images"][0]["name"], applied.agent()["image"]);
    assert_eq!(kustomization["components"], json!([]));
}

#[test]
fn the_run_directory_is_the_plugins_and_the_same_on_both_sides() {
    let run = (RUN_DIRECTORY.to_owned(), RUN_DIRECTORY.to_owned(), true);
    assert!(Applied::new().mounts().contains(&run));
}

#[cfg(feature = "agent")]
mod agent {
    use std::ffi::OsString;

    use mesh_intercept::agent::installation::InstallResult;
    use mesh_intercept::agent::metrics::{Metrics, RepairResult, RepairType};
    use mesh_intercept::agent::options::{Options, Outcome, RepairMode, Surroundings};

    use mesh_intercept::cni::agent_protocol::Question;

    use super::*;

    /// What the agent reads out of the manifests.
    fn options(applied: &Applied) -> Options {
        let variable = |name: &str| {
            let variable = applied.variable(name)?;
            let of_field = |field: &str| match field {
                "spec.nodeName" => "node-1",
                "metadata.namespace" => "mesh-intercept",
                "status.hostIP" => "192.0.2.1",
                other => panic!("{other}"),
            };
            let field = variable.pointer("/valueFrom/fieldRef/fieldPath").and_then(Value::as_str);
            Some(Ok(field.map_or_else(|| variable["value"].as_str().unwrap(), of_field).to_owned()))
        };
        let arguments = applied.agent().get("args").and_then(Value::as_array).cloned().unwrap_or_default();
        let arguments = arguments.iter().map(|it| it.as_str().unwrap());
        let arguments = ["agent"].into_iter().chain(arguments).map(OsString::from).collect();
        match Options::parse(arguments, &Surroundings { variable: &variable, hostname: "wrong" }) {
            Ok(Outcome::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_agent_understands_its_manifest_and_finds_the_folders() {
        let applied = Applied::new();
        let options = options(&applied);
        assert_eq!(options.node, "node-1");
        assert_eq!(options.install.pod_namespace.as_deref(), Some("mesh-intercept"));
        assert_eq!(options.install.excluded_namespaces, ["kube-system"]);
        assert!(options.warnings.is_empty() && !options.install.uninstall);
        assert_eq!(options.endpoints.address, Some("192.0.2.1".parse().unwrap()));
        let mounted: Vec<PathBuf> = applied.mounts().into_iter().map(|(_, agent, _)| agent.into()).collect();
        let known = [
            &options.run_directory,
            &options.install.bin_directory,
            &options.install.net_directory,
            &options.host_proc,
        ];
        assert_eq!(mounted.iter().collect::<Vec<_>>(), known);
        let ports = applied.agent()["ports"].as_array().unwrap().clone();
        let numbers: Vec<_> = ports.iter().map(|port| port["containerPort"].as_u64().unwrap()).collect();
        let known = [options.endpoints.health, options.endpoints.monitoring];
        assert_eq!(numbers, known.map(|port| u64::from(port.unwrap())));
        assert!(ports.iter().all(|port| port["hostPort"] == port["containerPort"]));
        for (probe, path) in
            [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
        {
            assert_eq!(applied.agent()[probe]["httpGet"], json!({"path": path, "port": "health"}));
        }
    }

    /// Each start was an event of the kind Warning: kubelet asked before the agent could be ready, and was told no.
    #[test]
    fn a_start_in_order_is_asked_nothing_that_is_answered_with_no() {
        for applied in [Applied::new(), Applied::with("delete"), Applied::with("uninstall")] {
            let seconds = |probe: &str, key: &str| applied.agent()[probe][key].as_u64().unwrap_or_default();
            assert!(seconds("startupProbe", "initialDelaySeconds") >= 1, "the agent has to listen before");
            // Unready answers are held back for 3 seconds.
            assert!(seconds("readinessProbe", "timeoutSeconds") > 3);
            // Others may have a busy node.
            assert!(
                seconds("startupProbe", "periodSeconds") * seconds("startupProbe", "failureThreshold") >= 60
            );
        }
    }

    #[test]
    fn each_component_chooses_its_mode() {
        let mode = |applied: &Applied| options(applied).repair.mode;
        assert_eq!(mode(&Applied::new()), RepairMode::Repair);
        assert_eq!(mode(&Applied::with("delete")), RepairMode::Delete);
        assert_eq!(mode(&Applied::with("label")), RepairMode::Label);
        assert_eq!(mode(&Applied::with("no-repair")), RepairMode::Off);
        assert!(options(&Applied::with("uninstall")).install.uninstall);
    }

    #[test]
    fn every_event_of_a_pod_is_documented() {
        let document = text("docs/cni.md");
        for (_, name, kind) in mesh_intercept::agent::events::EventReason::ALL {
            let line =
                document.lines().find(|line| line.starts_with("| `") && line.contains(&format!("`{name}`")));
            assert!(line.is_some_and(|line| line.contains(&format!("| {kind} |"))), "{name} {kind}");
        }
    }

    #[test]
    fn the_agent_understands_every_overlay() {
        for platform in names("overlays") {
            let options = options(&Applied::on(&platform));
            assert!(options.warnings.is_empty(), "{platform}: {:?}", options.warnings);
            let is_multus = platform == "openshift";
            assert_eq!(options.install.chained, !is_multus, "{platform}");
            // The network that istio's injector asks Multus for.
            let name = options.install.plugin_config.get("name");
            assert_eq!(name, is_multus.then(|| json!("istio-cni")).as_ref(), "{platform}");
        }
    }

    #[test]
    fn every_flag_of_the_agent_is_documented_and_no_other() {
        let arguments = ["agent", "--help"].map(OsString::from).to_vec();
        let Ok(Outcome::Show(help)) =
            Options::parse(arguments, &Surroundings { variable: &|_| None, hostname: "" })
        else {
            panic!("no help");
        };
        let name = |line: &str| {
            let flag = line.trim_start().strip_prefix("--")?;
            Some(flag.split([' ', '[', '=']).next()?.to_owned())
        };
        let known: BTreeSet<String> = help.lines().filter_map(name).collect();
        assert!(known.len() > 20, "{help}");
        let documented: BTreeSet<String> = rows("## The node agent")
            .iter()
            .flat_map(|row| words(&row[0]))
            .filter_map(|word| word.strip_prefix("--").map(str::to_owned))
            .collect();
        assert_eq!(documented, known);
    }

    #[test]
    fn every_metric_is_documented_and_no_other() {
        let metrics = Metrics::default();
        // What has labels shows from its first time on.
        metrics.install(InstallResult::Success);
        metrics.repair(RepairType::Repair, RepairResult::Success);
        let report = blocks(&section("### The agent's protocol, version 1"), "jsonl");
        let report =
            report.iter().flat_map(|block| block.lines()).find(|line| line.contains("report")).unwrap();
        match serde_json::from_str::<Request>(report).unwrap().question {
            Question::Report(report) => metrics.add(&report),
            other => panic!("{other:?}"),
        }
        let text = metrics.text();
        let known: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .map(|line| match line.split_once(' ').unwrap() {
                (name, "counter") => format!("{name}_total"),
                (name, _) => name.to_owned(),
            })
            .collect();
        let documented = rows("### Metrics").iter().flat_map(|row| words(&row[0])).collect::<BTreeSet<_>>();
        assert_eq!(documented, known);
    }
}

/// The part of docs/cni.md under a heading.
fn section(heading: &str) -> String {
    section_of("docs/cni.md", heading)
}

/// The part of a document under a heading, up to the next of the same rank or a higher one.
fn section_of(path: &str, heading: &str) -> String {
    let document = text(path);
    let rank = heading.split(' ').next().unwrap().len();
    let mut is_code = false;
    let mut ends = |line: &&str| {
        is_code ^= line.starts_with("```");
        let marks = line.len() - line.trim_start_matches('#').len();
        !is_code && (1..=rank).contains(&marks)
    };
    let mut lines = document.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "{path} has no {heading:?}");
    lines.take_while(|line| !ends(line)).fold(String::new(), |text, line| text + line + "\n")
}

/// The rows of the tables of docs/cni.md under a heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    rows_of("docs/cni.md", heading)
}

/// The rows of the tables under a heading and above its first subheading, without their heads.
fn rows_of(path: &str, heading: &str) -> Vec<Vec<String>> {
    let section = section_of(path, heading);
    let own: Vec<&str> = section.lines().take_while(|line| !line.starts_with('#')).collect();
    let is_row = |line: &&str| line.starts_with('|');
    let is_head = |place: usize| own.get(place + 1).is_some_and(|next| next.starts_with("|---"));
    own.iter()
        .enumerate()
        .filter(|(place, line)| is_row(line) && !line.starts_with("|---") && !is_head(*place))
        .map(|(_, line)| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// What stands in backquotes.
fn words(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The blocks of code in a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_key_of_the_plugins_configuration_is_documented_and_no_other() {
    let known: BTreeSet<String> = NetConf::keys().into_iter().map(str::to_owned).collect();
    assert!(known.len() > 15, "{known:?}");
    let documented: BTreeSet<String> =
        rows("## The plugin's configuration").iter().flat_map(|row| words(&row[0])).collect();
    assert_eq!(documented, known);
}

#[test]
fn the_configuration_in_the_documentation_is_one_of_defaults() {
    let section = section("## The plugin's configuration");
    let conf = NetConf::parse(&blocks(&section, "json")[0]).unwrap();
    assert_eq!(conf.doubts, Vec::<String>::new());
    assert_eq!((conf.time_budget, conf.without_facts), (TIME_BUDGET, WithoutFacts::Fail));
    assert_eq!(conf.sources, [Source::Agent, Source::Runtime]);
    assert_eq!(conf.run_directory, Path::new(RUN_DIRECTORY));
    assert!(conf.has_annotations_capability);
    assert_eq!(
        (conf.agent_namespace.as_str(), &conf.excluded_namespaces[..]),
        ("mesh-intercept", &["kube-system".to_owned()][..])
    );
}

#[test]
fn every_annotation_and_variable_is_documented_and_no_other() {
    // Comments hold no quotation marks, or what follows them would be taken for a literal.
    let product = |path| text(path).split("#[cfg(test)]").next().unwrap().to_owned();
    let (settings, decision) = (product("src/cni/settings.rs"), product("src/cni/decision.rs"));
    let literals: BTreeSet<&str> =
        [&settings, &decision].into_iter().flat_map(|source| source.split('"').skip(1).step_by(2)).collect();
    let is_annotation = |text: &str| text.contains("istio.io/") && !text.contains(' ');
    let known: BTreeSet<String> =
        literals.iter().filter(|it| is_annotation(it)).map(|it| (*it).to_owned()).collect();
    assert!(known.len() > 10, "{known:?}");
    let documented: BTreeSet<String> = rows("## Its settings")
        .iter()
        .flat_map(|row| words(&row[0]))
        .filter(|word| is_annotation(word))
        .collect();
    assert_eq!(documented, known);
    let is_variable = |text: &str| {
        text.len() > 4
            && text.contains('_')
            && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let document = section("## Its settings") + &section("## Which pods get rules");
    for variable in literals.iter().filter(|it| is_variable(it)) {
        assert!(document.contains(&format!("`{variable}`")), "{variable}");
    }
}

#[test]
fn every_error_code_is_documented_and_no_other() {
    let source = text("src/cni/protocol.rs");
    let codes = source.split_once("pub mod code {").unwrap().1.split_once("\n}").unwrap().0;
    let known: Vec<String> = codes
        .lines()
        .filter_map(|line| line.split_once(": u32 = "))
        .map(|(_, number)| number.trim_end_matches(';').to_owned())
        .collect();
    assert!(known.len() > 10, "{known:?}");
    let rows = rows("## What the plugin answers");
    let documented: Vec<&String> =
        rows.iter().map(|row| &row[0]).filter(|cell| cell.parse::<u32>().is_ok()).collect();
    assert_eq!(documented, known.iter().collect::<Vec<_>>());
}

#[test]
fn every_reason_is_documented() {
    let document = text("docs/cni.md");
    for reason in REASONS {
        assert!(document.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[test]
fn the_messages_in_the_documentation_are_messages() {
    let section = section("### The agent's protocol, version 1");
    let lines: Vec<String> = blocks(&section, "jsonl")
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(lines.len() > 5);
    for line in lines {
        // Written again they are the same: no field is misspelt, or unknown.
        let again = if line.contains("\"request\"") {
            serde_json::from_str::<Request>(&line).map(|it| serde_json::to_string(&it).unwrap())
        } else {
            serde_json::from_str::<Response>(&line).map(|it| serde_json::to_string(&it).unwrap())
        };
        assert_eq!(again.unwrap_or_else(|error| panic!("{line}: {error}")), line);
    }
}

#[test]
fn tests_that_the_documentation_names_are_there() {
    // Where no file is named.
    const HOME: &str = "tests/cni.rs";
    let rows = rows("## Next to istio-cni");
    assert_eq!(rows.len(), 16);
    for row in rows {
        let words = words(row.last().unwrap());
        let (files, names): (Vec<String>, Vec<String>) =
            words.into_iter().partition(|word| word.ends_with(".rs"));
        let sources: String = files.iter().map(String::as_str).chain([HOME]).map(text).collect();
        for name in names {
            assert!(sources.contains(&format!("fn {name}()")), "row {}: {name}", row[0]);
        }
    }
}
