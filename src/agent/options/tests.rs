//! What arguments and variables mean, and everything that is wrong with them at once.

use super::flags::{ALL, Flag, Kind};
use super::*;

fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Outcome, Problems> {
    let arguments = [&["agent"], arguments].concat().into_iter().map(OsString::from).collect();
    let variable = |name: &str| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, text)| Ok((*text).to_owned()))
    };
    Options::parse(arguments, &Surroundings { variable: &variable, hostname: "machine" })
}

fn options(arguments: &[&str], variables: &[(&str, &str)]) -> Options {
    match read(arguments, variables) {
        Ok(Outcome::Run(options)) => *options,
        other => panic!("{other:?}"),
    }
}

fn problems(arguments: &[&str]) -> String {
    read(arguments, &[]).unwrap_err().to_string()
}

#[test]
fn without_arguments_every_default_holds() {
    let options = options(&[], &[]);
    assert_eq!(options.node, "machine");
    assert_eq!(options.run_directory, PathBuf::from("/var/run/mesh-intercept"));
    assert!(options.install.chained && !options.install.owned_config && !options.install.uninstall);
    assert_eq!(options.install.native_nftables, None);
    assert_eq!(options.repair.mode, RepairMode::Repair);
    assert_eq!((options.repair.exit_code, options.reconcile_interval), (Some(126), None));
    assert_eq!((options.endpoints.health, options.endpoints.monitoring), (Some(8000), Some(15014)));
    assert_eq!(options.logs, Logs { level: LevelFilter::INFO, json: false });
    assert!(options.warnings.is_empty());
}

#[test]
fn a_flag_beats_a_variable_and_an_empty_variable_is_not_set() {
    let variables = [
        ("KUBERNETES_NODE_NAME", ""),
        ("NODE_NAME", "node-1"),
        ("EXCLUDE_NAMESPACES", "kube-system, monitoring,"),
        ("MONITORING_PORT", "1"),
        ("NATIVE_NFTABLES", "false"),
    ];
    let options = options(&["--monitoring-port=-1", "--cni-conf-name", "10-a.conflist"], &variables);
    assert_eq!(options.node, "node-1");
    assert_eq!(options.install.excluded_namespaces, ["kube-system", "monitoring"]);
    assert_eq!(options.endpoints.monitoring, None);
    assert_eq!(options.install.conf_name.as_deref(), Some("10-a.conflist"));
    assert_eq!(options.install.native_nftables, Some(false));
}

#[test]
fn istio_s_names_are_understood() {
    let flags = ["--istio-owned-cni-config", "--log_output_level", "default:debug,cni:none", "--log-as-json"];
    let options = options(&flags, &[("ISTIO_OWNED_CNI_CONF_FILENAME", "01-own.conflist")]);
    assert!(options.install.owned_config);
    assert_eq!(options.install.copy_name.as_deref(), Some("01-own.conflist"));
    assert_eq!(options.logs, Logs { level: LevelFilter::DEBUG, json: true });
    assert_eq!(options.install.plugin_log_level, "debug");
}

#[test]
fn what_istio_knows_and_nobody_needs_is_a_warning_and_no_error() {
    let flags =
        ["--ztunnel-uds-address", "/var/run/ztunnel/ztunnel.sock", "--skip-tls-verify", "--uninstall"];
    let options = options(&flags, &[("AMBIENT_ENABLED", "false"), ("KUBECONFIG_MODE", "0600")]);
    assert!(options.install.uninstall);
    let warned: Vec<_> = options.warnings.iter().map(|it| it.split(' ').next().unwrap()).collect();
    assert_eq!(warned, ["--ztunnel-uds-address", "--skip-tls-verify", "KUBECONFIG_MODE"]);
}

#[test]
fn the_mode_of_repair_is_the_strongest_that_is_asked_for() {
    let mode = |variables: &[(&str, &str)]| options(&[], variables).repair.mode;
    assert_eq!(mode(&[("REPAIR_ENABLED", "false")]), RepairMode::Off);
    assert_eq!(mode(&[("REPAIR_REPAIR_PODS", "false")]), RepairMode::Off);
    assert_eq!(mode(&[("REPAIR_DELETE_PODS", "true")]), RepairMode::Delete);
    assert_eq!(mode(&[("REPAIR_LABEL_PODS", "true")]), RepairMode::Label);
    assert_eq!(mode(&[("REPAIR_LABEL_PODS", "true"), ("REPAIR_DELETE_PODS", "true")]), RepairMode::Delete);
    assert_eq!(mode(&[("REPAIR_REPAIR_PODS", "true"), ("REPAIR_DELETE_PODS", "true")]), RepairMode::Repair);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let flags = [
        "--node-name=a,b",
        "--nod-name=x",
        "extra",
        "--cni-agent-run-dir=run",
        "--cni-conf-name=/etc/cni/net.d/a.conf",
        "--owned-config=perhaps",
        "--owned-config-filename=own.json",
        "--health-port=65536",
        "--listen-address=localhost",
        "--reconcile-interval=5",
        "--repair-init-container-exit-code=256",
        "--repair-sidecar-annotation=",
        "--log-level=loud",
        "--kubeconfig",
    ];
    let text = problems(&flags);
    for line in [
        r#"--node-name: "a,b": not the name of a node"#,
        r#""--nod-name=x": unknown flag: did you mean --node-name?"#,
        r#""extra": unexpected"#,
        r#"--cni-agent-run-dir: "run": not an absolute path"#,
        r#"--cni-conf-name: "/etc/cni/net.d/a.conf": a file name"#,
        r#"--owned-config: "perhaps": not a boolean"#,
        r#"--owned-config-filename: "own.json": it has to end with .conflist"#,
        r#"--health-port: "65536": out of range"#,
        r#"--listen-address: "localhost": not an IP address"#,
        r#"--reconcile-interval: "5": not a duration"#,
        r#"--repair-init-container-exit-code: "256": not an exit code"#,
        r#"--repair-sidecar-annotation: "": it must not be empty"#,
        r#"--log-level: "loud": not a log level"#,
        "a value is required for '--kubeconfig",
    ] {
        assert!(text.contains(line), "{line} not in\n{text}");
    }
}

#[test]
fn settings_that_exclude_each_other_are_wrong() {
    assert!(problems(&["--health-port=9", "--monitoring-port=9"]).contains("the same port"));
    assert!(
        problems(&["--owned-config", "--chained-cni-plugin=false"]).contains("needs --chained-cni-plugin")
    );
}

#[test]
fn help_names_every_flag_that_has_an_effect_and_no_other() {
    let Ok(Outcome::Show(help)) = read(&["--help"], &[]) else { panic!() };
    let is_named = |flag: &Flag| help.contains(&format!("--{}", flag.name));
    for flag in ALL {
        assert_eq!(is_named(flag), flag.kind != Kind::Dead, "{}", flag.name);
    }
    assert_eq!(
        read(&["--version"], &[]),
        Ok(Outcome::Show(format!("mesh-intercept-agent {}\n", env!("CARGO_PKG_VERSION"))))
    );
}
