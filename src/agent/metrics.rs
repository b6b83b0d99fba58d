//! What the agent counts. Names that istio's node agent has are istio's, so that dashboards go on working.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::installation::InstallResult;
use crate::cni::agent_protocol::{AddResult, REASONS, Report};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The reason that stands for all others: a label with a value for each pod would fill the memory of whoever collects them.
const OTHER: &str = "other";

/// Where the buckets of the duration of an ADD end: from half a millisecond to eight seconds.
const FIRST_BUCKET: f64 = 0.0005;

/// What is done to a pod that runs without its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RepairType {
    /// Its rules are put in.
    Repair,
    /// It is deleted.
    Delete,
    /// It is labelled.
    Label,
}

/// How a repair ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RepairResult {
    /// Done.
    Success,
    /// There was nothing to do.
    Skip,
    /// It did not work.
    Fail,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AddLabels {
    result: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InstallLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RepairLabels {
    r#type: &'static str,
    result: &'static str,
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    installs: Family<InstallLabels, Counter>,
    install_ready: Gauge,
    repairs: Family<RepairLabels, Counter>,
    adds: Family<AddLabels, Counter>,
    add_duration: Histogram,
    drift: Counter,
    pods: Gauge,
    watch_up: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::default(),
            installs: Family::default(),
            install_ready: Gauge::default(),
            repairs: Family::default(),
            adds: Family::default(),
            add_duration: Histogram::new(exponential_buckets(FIRST_BUCKET, 2.0, 15)),
            drift: Counter::default(),
            pods: Gauge::default(),
            watch_up: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// Counters are named without `_total`, which the text format adds.
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "istio_cni_installs",
            "Installations of the plugin and its configuration",
            self.installs.clone(),
        );
        registry.register(
            "istio_cni_install_ready",
            "1 when the plugin and its configuration are in place",
            self.install_ready.clone(),
        );
        registry.register(
            "istio_cni_repair_pods_repaired",
            "Pods that were found without their rules, by what was done",
            self.repairs.clone(),
        );
        registry.register(
            "mesh_intercept_cni_adds",
            "ADD calls that the plugin reported, by result and reason",
            self.adds.clone(),
        );
        registry.register(
            "mesh_intercept_cni_add_duration_seconds",
            "How long the plugin took for an ADD",
            self.add_duration.clone(),
        );
        registry.register(
            "mesh_intercept_drift_found",
            "Pods whose rules were found to differ from what they should be",
            self.drift.clone(),
        );
        registry.register("mesh_intercept_pods", "Pods of the node that are known", self.pods.clone());
        registry.register(
            "mesh_intercept_watch_up",
            "1 when the API server lets the pods of the node be followed",
            self.watch_up.clone(),
        );
    }

    /// Everything, in the text format of [`MEDIA_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    /// An ADD ended.
    pub fn add(&self, report: &Report) {
        let result = match report.result {
            AddResult::Installed => "installed",
            AddResult::Skipped => "skipped",
            AddResult::Failed => "failed",
        };
        let reason = REASONS.iter().find(|known| **known == report.reason).copied().unwrap_or(OTHER);
        self.adds.get_or_create(&AddLabels { result, reason }).inc();
        self.add_duration.observe(Duration::from_micros(report.duration_us).as_secs_f64());
    }

    /// An installation changed something, or failed.
    pub fn install(&self, result: InstallResult) {
        self.installs.get_or_create(&InstallLabels { result: result.name() }).inc();
    }

    /// Are the plugin and its configuration in place?
    pub fn install_ready(&self, is_ready: bool) {
        self.install_ready.set(is_ready.into());
    }

    /// A pod without rules was found.
    pub fn repair(&self, kind: RepairType, result: RepairResult) {
        let r#type = match kind {
            RepairType::Repair => "repair",
            RepairType::Delete => "delete",
            RepairType::Label => "label",
        };
        let result = match result {
            RepairResult::Success => "success",
            RepairResult::Skip => "skip",
            RepairResult::Fail => "fail",
        };
        self.repairs.get_or_create(&RepairLabels { r#type, result }).inc();
    }

    /// The rules of a pod were found to differ.
    pub fn drift(&self) {
        self.drift.inc();
    }

    /// So many pods are known.
    pub fn pods(&self, count: usize) {
        self.pods.set(count.try_into().unwrap_or(i64::MAX));
    }

    /// Can the pods of the node be followed?
    pub fn watch_up(&self, is_up: bool) {
        self.watch_up.set(is_up.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::pod::PodName;

    fn report(result: AddResult, reason: &str) -> Report {
        Report {
            pod: PodName { namespace: "shop".into(), name: "web".into(), uid: None },
            container_id: "c".into(),
            result,
            reason: reason.into(),
            message: String::new(),
            duration_us: 1500,
            warnings: Vec::new(),
            log: None,
        }
    }

    #[test]
    fn names_are_those_that_are_documented() {
        let metrics = Metrics::default();
        metrics.install(InstallResult::Success);
        metrics.install_ready(true);
        metrics.repair(RepairType::Delete, RepairResult::Fail);
        metrics.add(&report(AddResult::Installed, "installed"));
        metrics.drift();
        metrics.pods(3);
        metrics.watch_up(true);
        let text = metrics.text();
        for line in [
            "istio_cni_installs_total{result=\"SUCCESS\"} 1",
            "istio_cni_install_ready 1",
            "istio_cni_repair_pods_repaired_total{type=\"delete\",result=\"fail\"} 1",
            "mesh_intercept_cni_adds_total{result=\"installed\",reason=\"installed\"} 1",
            "mesh_intercept_cni_add_duration_seconds_count 1",
            "mesh_intercept_cni_add_duration_seconds_bucket{le=\"0.002\"} 1",
            "mesh_intercept_drift_found_total 1",
            "mesh_intercept_pods 3",
            "mesh_intercept_watch_up 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} not in\n{text}");
        }
        assert!(!text.contains("_total_total"));
    }

    #[test]
    fn reasons_that_nobody_knows_are_one() {
        let metrics = Metrics::default();
        for number in 0..1000 {
            metrics.add(&report(AddResult::Failed, &format!("made up {number}")));
        }
        let text = metrics.text();
        let adds: Vec<_> =
            text.lines().filter(|line| line.starts_with("mesh_intercept_cni_adds_total")).collect();
        assert_eq!(adds, ["mesh_intercept_cni_adds_total{result=\"failed\",reason=\"other\"} 1000"]);
    }
}
