//! Applying on the real kernel: all or nothing, repeatable, nobody else's rules touched, no more privilege than needed.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use common::pod::{
    BACK_ENDS, TPROXY, assert_ok, assert_same, bare_pod, complaints, foreign_rules, init, pod, shadow,
};
use common::{BINARY, INJECTED, Namespace, isolate};
use mesh_intercept::logs::scopes::Program;
use serde_json::json;

#[test]
fn netlink_and_text_are_the_same_rules() {
    isolate("");
    let configurations: [&[&str]; 4] = [
        &INJECTED,
        &TPROXY,
        &[
            "-u",
            "3,4",
            "-g",
            "1,2",
            "-i",
            "10.0.0.0/8,10.128.0.0/9,2001:db8::/32,1.2.3.0/24",
            "-x",
            "10.9.0.0/15,10.11.0.0/16",
        ],
        &[
            "-c",
            "eth9,cilium+",
            "-k",
            "vnet0",
            "-o",
            "22,9000-9100",
            "-q",
            "443,1-3",
            "-z",
            "16006",
            "--drop-invalid",
        ],
    ];
    for (number, flags) in configurations.into_iter().enumerate() {
        let (ours, nft) = (bare_pod(&format!("ours{number}")), bare_pod(&format!("nft{number}")));
        // With one family and with both: the table is another one.
        let both: &[&str] = if number % 2 == 0 { &["--dual-stack"] } else { &[] };
        assert_ok(&ours.output(&[&[BINARY, "init", "--backend", "nftables"], both, flags].concat()));
        let plan = [BINARY, "plan", "--backend", "nftables", "--format", "nft"];
        let words = [&plan[..], both, flags].concat();
        fs::write("/run/rules.nft", nft.text(&words)).unwrap();
        nft.text(&["nft", "-f", "/run/rules.nft"]);
        assert_same(
            &ours.text(&["nft", "-s", "list", "ruleset"]),
            &nft.text(&["nft", "-s", "list", "ruleset"]),
            "",
        );
    }
}

#[test]
fn the_restore_text_of_a_plan_is_what_iptables_holds_afterwards() {
    isolate("");
    let (applied, planned) = (bare_pod("applied"), bare_pod("planned"));
    assert_ok(&init(&applied, "iptables-legacy", &INJECTED));
    let words = [&[BINARY, "plan", "--dual-stack", "--format", "iptables"], &INJECTED[..]].concat();
    let plan = planned.text(&words);
    let (v4, v6) = plan.split_once("# ip6tables-restore --noflush\n").unwrap();
    for (program, script) in [("iptables-legacy-restore", v4), ("ip6tables-legacy-restore", v6)] {
        fs::write("/run/script", script).unwrap();
        planned.text(&[program, "--noflush", "/run/script"]);
    }
    planned.ip("-6 address add ::6/128 dev lo");
    assert_same(&applied.state(), &planned.state(), "");
}

#[test]
fn the_nftables_back_end_starts_no_process() {
    let pod = pod();
    let words =
        [&["strace", "-f", "-e", "trace=execve,fork,vfork,clone,clone3", BINARY, "init"], &TPROXY[..]]
            .concat();
    let output = pod.output(&words);
    assert_ok(&output);
    let calls = complaints(&output);
    assert_eq!(calls.matches("execve(").count(), 1, "{calls}");
    assert!(!calls.contains("fork(") && !calls.contains("clone"), "{calls}");
}

#[test]
fn ipv6_that_fails_leaves_everything_as_it_was() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let pod = pod();
        foreign_rules(&pod);
        let before = pod.state();
        let path =
            shadow(&format!("ip6tables-{}-restore", &backend[9..]), "echo 'line 2 failed' >&2; exit 1");
        let words =
            [&["env", &path, BINARY, "init", "--dual-stack", "--backend", backend], &TPROXY[..]].concat();
        let output = pod.output(&words);
        assert_eq!(output.status.code(), Some(3), "{}", complaints(&output));
        assert!(complaints(&output).contains("that line is: "), "{}", complaints(&output));
        assert_same(&pod.state(), &before, backend);
        // The next run, with everything in order, goes through.
        assert_ok(&init(&pod, backend, &TPROXY));
    }
}

#[test]
fn a_change_that_fails_leaves_the_old_rules() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let pod = pod();
        assert_ok(&init(&pod, backend, &INJECTED));
        let before = pod.state();
        let path = shadow(&format!("ip6tables-{}-restore", &backend[9..]), "exit 1");
        let words = [
            "env",
            &path,
            BINARY,
            "init",
            "--dual-stack",
            "--backend",
            backend,
            "-u",
            "1500",
            "--redirect-dns",
            "--reconcile",
        ];
        let output = pod.output(&[&words[..], &["--capture-all-dns", "-c", "eth9"]].concat());
        assert_eq!(output.status.code(), Some(3), "{}", complaints(&output));
        assert_same(&pod.state(), &before, backend);
    }
}

/// Rules that are taken for an earlier run's must not come back twice when the change fails.
#[test]
fn a_reconciliation_that_fails_leaves_the_old_rules() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let pod = pod();
        assert_ok(&init(&pod, backend, &[&INJECTED[..], &["-c", "eth9", "-k", "vnet0"]].concat()));
        let before = pod.state();
        for program in ["iptables", "ip6tables"] {
            let name = format!("{program}-{}-restore", &backend[9..]);
            // Fails the first time, and puts back what it is given the second time.
            let real = format!("/usr/sbin/{name}");
            let script = format!("[ -e /run/{name} ] && exec {real} \"$@\"; touch /run/{name}; exit 1");
            let path = shadow(&name, &script);
            let words = ["env", &path, BINARY, "init", "--dual-stack", "--backend", backend, "--reconcile"];
            let output = pod.output(&[&words[..], &INJECTED].concat());
            assert_eq!(output.status.code(), Some(3), "{}", complaints(&output));
            assert_same(&pod.state(), &before, backend);
            fs::remove_file(format!("/run/shadow/{name}")).unwrap();
        }
    }
}

#[test]
fn routing_that_cannot_be_added_leaves_everything_as_it_was() {
    let pod = pod();
    pod.ip("link add v0 type veth peer name v1");
    pod.ip("address add fd00:11::2/64 dev v0 nodad");
    pod.ip("link set v0 up");
    // ::6 cannot be added to a loopback interface without IPv6.
    pod.text(&["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6"]);
    let before = pod.state();
    let output = init(&pod, "nftables", &TPROXY);
    assert_eq!(output.status.code(), Some(3), "{}", complaints(&output));
    assert!(complaints(&output).contains("net.ipv6.conf.lo.disable_ipv6"), "{}", complaints(&output));
    assert_same(&pod.state(), &before, "");
}

#[test]
fn missing_capabilities_are_named_with_what_grants_them() {
    let pod = pod();
    let before = pod.state();
    let without = |capability: &str, backend: &str| {
        let all = format!("-{capability}");
        pod.output(&[
            "setpriv",
            "--bounding-set",
            &all,
            "--inh-caps",
            &all,
            BINARY,
            "init",
            "--backend",
            backend,
        ])
    };
    let output = without("net_admin", "nftables");
    assert_eq!(output.status.code(), Some(2), "{}", complaints(&output));
    assert!(complaints(&output).contains("CAP_NET_ADMIN") && complaints(&output).contains("securityContext"));
    let output = without("net_raw", "iptables-legacy");
    assert_eq!(output.status.code(), Some(2), "{}", complaints(&output));
    assert!(complaints(&output).contains("CAP_NET_RAW"), "{}", complaints(&output));
    assert_same(&pod.state(), &before, "");
    assert_ok(&without("net_raw", "nftables"));
}

/// The binary, where other users can run it.
fn for_everybody() -> &'static str {
    fs::copy(BINARY, "/run/mesh-intercept").unwrap();
    fs::set_permissions("/run/mesh-intercept", fs::Permissions::from_mode(0o755)).unwrap();
    "/run/mesh-intercept"
}

#[test]
fn another_user_needs_net_admin_and_for_iptables_legacy_net_raw() {
    for (backend, capabilities) in [
        ("nftables", "+net_admin"),
        ("iptables-nft", "+net_admin"),
        ("iptables-legacy", "+net_admin,+net_raw"),
    ] {
        let pod = pod();
        let bounded = format!("-all,{capabilities}");
        let user =
            ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", capabilities];
        let limits = ["--ambient-caps", capabilities, "--bounding-set", &bounded, for_everybody(), "init"];
        assert_ok(&pod.output(&[&user[..], &limits, &["--backend", backend], &TPROXY].concat()));
        assert!(pod.state().contains("15006"), "{backend}");
    }
}

#[test]
fn a_read_only_root_is_enough() {
    for backend in BACK_ENDS {
        let pod = pod();
        let read_only = "mount -o remount,ro /run && exec \"$@\"";
        let words = ["unshare", "--mount", "sh", "-c", read_only, "sh", BINARY, "init", "--backend", backend];
        assert_ok(&pod.output(&[&words[..], &INJECTED].concat()));
        assert!(pod.state().contains("15006"), "{backend}");
    }
}

#[test]
fn programs_get_no_more_than_they_need() {
    let pod = pod();
    let path = shadow(
        "iptables-legacy-restore",
        "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status > /run/status; exec /usr/sbin/iptables-legacy-restore \"$@\"",
    );
    assert_ok(&pod.output(&["env", &path, BINARY, "init", "--backend", "iptables-legacy"]));
    let status = fs::read_to_string("/run/status").unwrap();
    // NET_ADMIN is bit 12, NET_RAW bit 13.
    assert_eq!(status, "CapEff:\t0000000000003000\nCapBnd:\t0000000000003000\nNoNewPrivs:\t1\n");
}

#[test]
fn programs_without_the_variant_in_their_name_will_do() {
    let pod = pod();
    fs::create_dir_all("/run/plain").unwrap();
    for program in ["iptables-restore", "ip6tables-restore", "iptables-save", "ip6tables-save"] {
        let real = format!("/usr/sbin/{}", program.replace("tables-", "tables-legacy-"));
        symlink(real, format!("/run/plain/{program}")).unwrap();
    }
    let words = ["/usr/bin/env", "PATH=/run/plain", BINARY, "init", "--backend"];
    assert_ok(&pod.output(&[&words[..], &["iptables-legacy"], &INJECTED].concat()));
    assert!(pod.text(&["iptables-legacy-save"]).contains("--to-ports 15006"));
    let output = bare_pod("other").output(&[&words[..], &["iptables-nft"], &INJECTED].concat());
    assert_eq!(output.status.code(), Some(2), "{}", complaints(&output));
}

#[test]
fn a_missing_program_is_named() {
    let pod = pod();
    let before = pod.state();
    let output = pod.output(&["env", "PATH=/nowhere", BINARY, "init", "--backend", "iptables-nft"]);
    assert_eq!(output.status.code(), Some(2), "{}", complaints(&output));
    assert!(complaints(&output).contains("iptables-nft-restore"), "{}", complaints(&output));
    assert_same(&pod.state(), &before, "");
}

#[test]
fn tproxy_is_refused_on_centos_before_anything_is_changed() {
    let pod = pod();
    let before = pod.state();
    fs::write("/run/os-release", "NAME=\"CentOS Linux\"\nID=\"centos\"\n").unwrap();
    for evidence in ["--node-os=CentOS Linux 7 (Core)", "--host-os-release=/run/os-release"] {
        let output = init(&pod, "nftables", &[&TPROXY[..], &[evidence]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(complaints(&output).contains("-m REDIRECT"), "{}", complaints(&output));
    }
    assert_same(&pod.state(), &before, "");
    assert_ok(&init(&pod, "nftables", &[&INJECTED[..], &["--node-os=CentOS Linux 7 (Core)"]].concat()));
    let allowed = ["--node-os=CentOS Linux 7 (Core)", "--allow-tproxy-on-centos"];
    assert_ok(&init(&pod, "nftables", &[&TPROXY[..], &allowed, &["--reconcile"]].concat()));
}

#[test]
fn a_dry_run_changes_nothing_and_needs_no_privileges() {
    let pod = pod();
    let before = pod.state();
    let user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", for_everybody()];
    for format in ["text", "json", "nft", "iptables"] {
        let flags = ["istio-iptables", "--dry-run", "--format", format];
        let plan = pod.text(&[&user[..], &flags, &TPROXY].concat());
        assert!(plan.contains("15006"), "{plan}");
    }
    for backend in BACK_ENDS {
        assert_ok(&init(&pod, backend, &["-n"]));
    }
    assert_same(&pod.state(), &before, "");
}

#[test]
fn another_namespace_is_reached_by_its_path() {
    isolate("");
    let (here, there) = (bare_pod("here"), bare_pod("there"));
    let before = here.state();
    let path = there.path();
    for backend in BACK_ENDS {
        let flags = [&["--network-namespace", path.to_str().unwrap()], &INJECTED[..]].concat();
        assert_ok(&init(&here, backend, &flags));
        assert_same(&here.state(), &before, "");
        assert!(there.state().contains("15006"), "{backend}");
        assert_ok(&init(&here, backend, &[&["--cleanup-only"], &flags[..]].concat()));
    }
    let output = init(&here, "nftables", &["--network-namespace", "/run/netns/none"]);
    assert_eq!(output.status.code(), Some(2));
    let output = init(&here, "nftables", &["--network-namespace", "/etc/passwd"]);
    assert_eq!(output.status.code(), Some(2), "{}", complaints(&output));
}

#[test]
fn a_pod_without_addresses_is_told_so() {
    isolate("");
    let pod = Namespace::new("pod");
    let output = init(&pod, "nftables", &INJECTED);
    assert_eq!(output.status.code(), Some(2));
    assert!(complaints(&output).contains("no address"), "{}", complaints(&output));
}

#[test]
fn bad_input_is_refused_before_anything_is_changed() {
    for backend in BACK_ENDS {
        let pod = pod();
        let before = pod.state();
        let output =
            init(&pod, backend, &[&TPROXY[..], &["-o", "80\n-A OUTPUT -j ACCEPT", "-r", "abc"]].concat());
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(complaints(&output).lines().count(), 3, "{}", complaints(&output));
        assert!(output.stdout.is_empty());
        assert_same(&pod.state(), &before, "");
    }
}

#[test]
fn ten_at_once_end_in_one_complete_ruleset() {
    for backend in BACK_ENDS {
        isolate("");
        let (crowded, calm) = (bare_pod("crowded"), bare_pod("calm"));
        let words = [&[BINARY, "init", "--backend", backend], &TPROXY[..]].concat();
        let start = |_| crowded.command(&words).stderr(Stdio::piped()).spawn().unwrap();
        let children: Vec<_> = (0..10).map(start).collect();
        for child in children {
            assert_ok(&child.wait_with_output().unwrap());
        }
        assert_ok(&calm.output(&words));
        assert_same(&crowded.state(), &calm.state(), backend);
    }
}

#[test]
fn more_groups_than_a_restore_line_can_hold_are_refused_by_name() {
    let groups = (1..=64).map(|gid| gid.to_string()).collect::<Vec<_>>().join(",");
    let variable = format!("ISTIO_OUTBOUND_OWNER_GROUPS={groups}");
    for backend in BACK_ENDS {
        let pod = pod();
        let before = pod.state();
        let output = pod.output(&["env", &variable, BINARY, "init", "--backend", backend]);
        if backend == "nftables" {
            assert_ok(&output);
            continue;
        }
        assert_eq!(output.status.code(), Some(2), "{}", complaints(&output));
        assert!(complaints(&output).contains("64 included groups"), "{}", complaints(&output));
        assert_same(&pod.state(), &before, backend);
    }
}

#[test]
fn other_routes_in_the_way_are_no_success() {
    let pod = pod();
    pod.ip("route add unreachable default table 133");
    pod.ip("rule add from 10.77.0.1 fwmark 1337 lookup 133");
    let before = pod.state();
    let output = init(&pod, "nftables", &TPROXY);
    assert_eq!(output.status.code(), Some(3), "{}", complaints(&output));
    assert!(complaints(&output).contains("another default route"), "{}", complaints(&output));
    assert_same(&pod.state(), &before, "");
    pod.ip("route del unreachable default table 133");
    assert_ok(&init(&pod, "nftables", &TPROXY));
    assert_eq!(pod.text(&["ip", "rule"]).matches("fwmark 0x539").count(), 2);
}

#[test]
fn what_is_no_text_in_the_environment_is_not_ignored() {
    let pod = pod();
    let words = ["sh", "-c", "ISTIO_SERVICE_CIDR=$(printf '\\377') exec \"$@\"", "sh", BINARY, "init"];
    let output = pod.output(&words);
    assert_eq!(output.status.code(), Some(1), "{}", complaints(&output));
    assert!(complaints(&output).contains("ISTIO_SERVICE_CIDR"), "{}", complaints(&output));
}

#[test]
fn a_list_file_can_hold_the_star_and_rules_are_only_for_the_pod_s_own_addresses() {
    let pod = pod();
    fs::write("/run/all", "# everything\n*\n").unwrap();
    assert_ok(&init(&pod, "nftables", &["-i", "@/run/all", "-b", "@/run/all"]));
    assert!(pod.state().contains("outbound-captured"));
    let output = init(&pod, "nftables", &["--local-address", "10.0.0.2"]);
    assert_eq!(output.status.code(), Some(1), "{}", complaints(&output));
}

#[test]
fn istio_s_names_of_the_command_all_work() {
    let pod = pod();
    for name in ["istio-iptables", "pilot-agent"] {
        symlink(BINARY, format!("/run/{name}")).unwrap();
    }
    let forms: [&[&str]; 4] = [
        &["/run/istio-iptables"],
        &["/run/pilot-agent", "istio-iptables"],
        &[BINARY, "istio-iptables"],
        &[BINARY, "init"],
    ];
    let level = ["--log_output_level=default:info"; 2];
    for form in forms {
        assert_ok(&pod.output(&[form, &INJECTED[..], &level].concat()));
        assert!(pod.state().contains("redirect to :15006"));
        pod.text(&["nft", "delete", "table", "ip", "mesh-intercept"]);
    }
}

#[test]
fn logs_are_text_or_json_and_standard_output_stays_empty() {
    let pod = pod();
    let output = init(&pod, "nftables", &["--log_as_json"]);
    assert_ok(&output);
    assert!(output.stdout.is_empty());
    let lines = common::log::lines(&complaints(&output), Program::Commands);
    assert_eq!(lines[0]["configuration"]["outbound_port"], 15001);
    let last = lines.last().unwrap();
    assert!(last["phases"]["apply"].is_u64() && last["rules"].is_u64(), "{last}");
    assert_eq!(
        (&last["level"], &last["scope"], &last["changed"]),
        (&json!("info"), &json!("cli"), &json!(true))
    );
    let output = pod.output(&[BINARY, "verify", "--log_as_json", "--log_output_level=debug", "--dual-stack"]);
    let verified = common::log::lines(&complaints(&output), Program::Commands);
    assert!(verified.iter().any(|line| line["phases"].is_object()), "{verified:?}");
    let output = init(&pod, "nftables", &["-b", "80"]);
    let text = complaints(&output);
    let drift = text.lines().skip_while(|line| !line.contains("ERROR cli: ")).skip(1);
    // The difference is for people: it has lines of its own, and none of them looks like an entry.
    assert!(
        drift.clone().count() > 1
            && drift.clone().all(|line| line.starts_with("    ") && !line.trim().is_empty()),
        "{text}"
    );
    pod.text(&[BINARY, "cleanup"]);
    let output = init(&pod, "nftables", &["--log_output_level=default:none"]);
    assert!(output.stderr.is_empty());
}
