//! The one table of flags: their names, variables and defaults.

/// A flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// Its name, without dashes.
    pub(super) name: &'static str,
    /// Another name: istio's.
    pub(super) alias: &'static str,
    /// Variables of the environment that set it; the first that is set and not empty counts.
    pub(super) variables: &'static [&'static str],
    /// Its value when nobody sets it.
    pub(super) default: &'static str,
    /// What it takes.
    pub(super) kind: Kind,
    /// For `--help`; of a flag without effect, why it has none.
    pub(super) help: &'static str,
}

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value, called this in the help.
    Value(&'static str),
    /// `true` or `false`; without a value, `true`.
    Switch,
    /// It is one of istio's that has no effect here.
    Dead,
}

const fn value(
    name: &'static str,
    placeholder: &'static str,
    variables: &'static [&'static str],
    default: &'static str,
    help: &'static str,
) -> Flag {
    Flag { name, alias: "", variables, default, kind: Kind::Value(placeholder), help }
}

const fn switch(
    name: &'static str,
    variables: &'static [&'static str],
    default: &'static str,
    help: &'static str,
) -> Flag {
    Flag { name, alias: "", variables, default, kind: Kind::Switch, help }
}

const fn dead(name: &'static str, variables: &'static [&'static str], help: &'static str) -> Flag {
    Flag { name, alias: "", variables, default: "", kind: Kind::Dead, help }
}

impl Flag {
    const fn alias(self, alias: &'static str) -> Flag {
        Flag { alias, ..self }
    }
}

macro_rules! flags {
    ($($name:ident = $flag:expr;)*) => {
        $(pub(super) const $name: Flag = $flag;)*

        /// Every flag, in the order of the help.
        pub(super) const ALL: &[&Flag] = &[$(&$name),*];
    };
}

flags! {
    NODE_NAME = value(
        "node-name", "NODE", &["KUBERNETES_NODE_NAME", "NODE_NAME", "REPAIR_NODE_NAME"], "",
        "The node whose pods are looked after [default: the machine's name]",
    ).alias("repair-node-name");
    KUBECONFIG = value(
        "kubeconfig", "FILE", &["KUBECONFIG"], "",
        "Where the API server is [default: the service account of the agent's pod]",
    );
    RUN_DIRECTORY = value(
        "cni-agent-run-dir", "FOLDER", &["CNI_AGENT_RUN_DIR"], "/var/run/mesh-intercept",
        "Where the agent's socket is; the plugin gets the same path, so mount it at the same place",
    );
    CONF_NAME = value(
        "cni-conf-name", "FILE", &["CNI_CONF_NAME"], "",
        "The CNI configuration file to edit [default: the one that the runtime reads]",
    );
    CHAINED = switch(
        "chained-cni-plugin", &["CHAINED_CNI_PLUGIN"], "true",
        "Append the plugin to the primary network's chain; false: write a configuration of its own",
    );
    OWNED_CONFIG = switch(
        "owned-config", &["OWNED_CONFIG", "ISTIO_OWNED_CNI_CONFIG"], "false",
        "Keep a copy of the primary configuration, with the plugin, in front of it",
    ).alias("istio-owned-cni-config");
    OWNED_CONFIG_FILENAME = value(
        "owned-config-filename", "FILE",
        &["OWNED_CONFIG_FILENAME", "ISTIO_OWNED_CNI_CONFIG_FILENAME", "ISTIO_OWNED_CNI_CONF_FILENAME"],
        "",
        "The name of that copy, and of one that is needed anyhow [default: 02-mesh-intercept.conflist, or another name \
         that sorts before the original]",
    ).alias("istio-owned-cni-config-filename");
    NET_DIRECTORY = value(
        "mounted-cni-net-dir", "FOLDER", &["MOUNTED_CNI_NET_DIR"], "/host/etc/cni/net.d",
        "The runtime's CNI configuration folder, where the agent sees it",
    );
    BIN_DIRECTORY = value(
        "mounted-cni-bin-dir", "FOLDER", &["MOUNTED_CNI_BIN_DIR"], "/host/opt/cni/bin",
        "The runtime's folder of CNI plugins, where the agent sees it",
    );
    HOST_PROC = value(
        "host-proc", "FOLDER", &["HOST_PROC"], "/host/proc",
        "The node's /proc, where the agent sees it: pods that are repaired are found there",
    );
    PLUGIN = value(
        "plugin-program", "FILE", &["PLUGIN_PROGRAM"], "",
        "The plugin's program, which is copied there [default: mesh-intercept, next to the agent]",
    );
    PLUGIN_CONFIG = value(
        "plugin-config", "JSON", &["PLUGIN_CONFIG"], "{}",
        "More keys of the plugin's configuration, such as {\"time_budget\": \"10s\", \"flags\": [\"--dual-stack\"]}",
    );
    GROUP_READ = switch(
        "cni-conf-group-read", &["CNI_CONF_GROUP_READ"], "false",
        "New configuration files have the mode 0640 instead of 0600",
    );
    EXCLUDE_NAMESPACES = value(
        "exclude-namespaces", "NAMESPACES", &["EXCLUDE_NAMESPACES"], "",
        "Namespaces whose pods the plugin leaves alone",
    );
    POD_NAMESPACE = value(
        "pod-namespace", "NAMESPACE", &["POD_NAMESPACE"], "",
        "The agent's own namespace",
    );
    NATIVE_NFTABLES = value(
        "native-nftables", "BOOLEAN", &["NATIVE_NFTABLES"], "",
        "true: rules go into nf_tables; false: into iptables [default: left to the plugin]",
    );
    UNINSTALL = switch(
        "uninstall", &["UNINSTALL"], "false",
        "Take the plugin out of the CNI configuration when the agent ends",
    );
    REPAIR_ENABLED = switch(
        "repair-enabled", &["REPAIR_ENABLED"], "true",
        "Look after pods that started without their rules",
    );
    REPAIR_REPAIR_PODS = value(
        "repair-repair-pods", "BOOLEAN", &["REPAIR_REPAIR_PODS"], "",
        "Put the rules into such pods; beats the next two [default: true, unless one of them is]",
    );
    REPAIR_DELETE_PODS = switch(
        "repair-delete-pods", &["REPAIR_DELETE_PODS"], "false",
        "Delete such pods; beats the next",
    );
    REPAIR_LABEL_PODS = switch("repair-label-pods", &["REPAIR_LABEL_PODS"], "false", "Label such pods");
    REPAIR_LABEL_KEY = value(
        "repair-broken-pod-label-key", "KEY", &["REPAIR_BROKEN_POD_LABEL_KEY"], "cni.istio.io/uninitialized",
        "The key of that label",
    );
    REPAIR_LABEL_VALUE = value(
        "repair-broken-pod-label-value", "VALUE", &["REPAIR_BROKEN_POD_LABEL_VALUE"], "true",
        "The value of that label",
    );
    REPAIR_SIDECAR_ANNOTATION = value(
        "repair-sidecar-annotation", "KEY", &["REPAIR_SIDECAR_ANNOTATION"], "sidecar.istio.io/status",
        "The annotation of pods that have a sidecar",
    );
    REPAIR_INIT_CONTAINER = value(
        "repair-init-container-name", "NAME", &["REPAIR_INIT_CONTAINER_NAME"], "istio-validation",
        "The init container that fails in a pod without rules",
    );
    REPAIR_TERMINATION_MESSAGE = value(
        "repair-init-container-termination-message", "TEXT", &["REPAIR_INIT_CONTAINER_TERMINATION_MESSAGE"], "",
        "What it says in the end [default: anything]",
    );
    REPAIR_EXIT_CODE = value(
        "repair-init-container-exit-code", "CODE", &["REPAIR_INIT_CONTAINER_EXIT_CODE"], "126",
        "Its exit code; 0 for any",
    );
    REPAIR_LABEL_SELECTORS = value(
        "repair-label-selectors", "SELECTOR", &["REPAIR_LABEL_SELECTORS"], "",
        "Repair only pods with these labels [default: all]",
    );
    REPAIR_FIELD_SELECTORS = value(
        "repair-field-selectors", "SELECTOR", &["REPAIR_FIELD_SELECTORS"], "",
        "Repair only pods with these fields [default: all]",
    );
    RECONCILE_INTERVAL = value(
        "reconcile-interval", "DURATION", &["RECONCILE_INTERVAL"], "0",
        "How often the rules of every pod are compared with what they should be, and repaired; 0 for never",
    );
    LISTEN_ADDRESS = value(
        "listen-address", "ADDRESS", &["LISTEN_ADDRESS"], "",
        "The address of the two ports [default: all]",
    );
    HEALTH_PORT = value(
        "health-port", "PORT", &["HEALTH_PORT"], "8000",
        "The port of /healthz and /readyz; 0 for none",
    );
    MONITORING_PORT = value(
        "monitoring-port", "PORT", &["MONITORING_PORT"], "15014",
        "The port of /metrics; 0 for none",
    );
    LOG_LEVEL = value(
        "log-level", "LEVEL", &["LOG_LEVEL"], "info",
        "none, error, warn, info or debug; also as default:LEVEL",
    ).alias("log_output_level");
    LOG_AS_JSON = switch("log_as_json", &["LOG_AS_JSON"], "false", "Write logs as JSON").alias("log-as-json");

    AMBIENT_ENABLED = dead(
        "ambient-enabled", &["AMBIENT_ENABLED"],
        "ambient mode is not done here: pods without a sidecar are left alone",
    );
    AMBIENT_RETRY = dead(
        "enable-ambient-detection-retry", &["ENABLE_AMBIENT_DETECTION_RETRY"], "ambient mode is not done here",
    );
    ZTUNNEL = dead("ztunnel-uds-address", &["ZTUNNEL_UDS_ADDRESS"], "ambient mode is not done here");
    SKIP_TLS_VERIFY = dead(
        "skip-tls-verify", &["SKIP_TLS_VERIFY"],
        "the plugin does not ask the API server: it asks the agent, which always checks certificates",
    );
    KUBECONFIG_MODE = dead(
        "kubeconfig-mode", &["KUBECONFIG_MODE"], "no kubeconfig is written: the plugin asks the agent",
    );
    KUBE_CA_FILE = dead(
        "kube-ca-file", &["KUBE_CA_FILE"], "no kubeconfig is written: the plugin asks the agent",
    );
    CNI_NETWORK_CONFIG = dead("cni-network-config", &["CNI_NETWORK_CONFIG"], "istio does not read it either");
    CNI_NETWORK_CONFIG_FILE = dead(
        "cni-network-config-file", &["CNI_NETWORK_CONFIG_FILE"], "istio does not read it either",
    );
    CTRLZ_PORT = dead("ctrlz_port", &[], "the agent has no ControlZ");
    CTRLZ_ADDRESS = dead("ctrlz_address", &[], "the agent has no ControlZ");
    LOG_TARGET = dead("log_target", &[], "logs go to standard error");
    LOG_CALLER = dead("log_caller", &[], "there is one log level for all of the agent");
    LOG_STACKTRACE = dead("log_stacktrace_level", &[], "errors are logged with their causes, without stacks");
    LOG_ROTATE = dead("log_rotate", &[], "logs go to standard error");
}
