//! What is found and what is asked for decide what is done: docs/state.md has these tests as a table.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::fs;
use std::process::Stdio;

use common::pod::{
    BACK_ENDS, TPROXY, assert_ok, assert_same, bare_pod, complaints, foreign_rules, init, pod, shadow,
};
use common::{BINARY, INJECTED, Namespace, isolate};
use mesh_intercept::kernel::{Kernel, System, netns};

/// Everything that a rule of ours can say.
const EVERYTHING: [&[&str]; 5] = [
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
        "10.9.0.0/15",
    ],
    &[
        "-c",
        "eth9,cilium+",
        "-k",
        "vnet0,vnet1",
        "-o",
        "22,9000-9100",
        "-q",
        "443,1-3",
        "-i",
        "10.0.0.0/8,fd00::/8",
    ],
    &[
        "-m",
        "TPROXY",
        "-b",
        "80,8000-8100",
        "-c",
        "eth9",
        "--drop-invalid",
        "-t",
        "77",
        "-r",
        "78",
        "-i",
        "127.0.0.0/8",
        "-x",
        "::1.2.3.4/128,::5.6.0.0/112",
    ],
];

/// Which generation of rules nf_tables has in force: every transaction begins another one.
fn generation(pod: &Namespace) -> u32 {
    let path = pod.path();
    let look = move || {
        netns::enter(&path).unwrap();
        System::default().generation().unwrap()
    };
    // Entering is for good: another thread does it.
    std::thread::spawn(look).join().unwrap()
}

#[test]
fn equal_rules_are_not_written_to() {
    for backend in BACK_ENDS {
        for flags in EVERYTHING {
            let pod = pod();
            assert_ok(&init(&pod, backend, flags));
            let handles = pod.text(&["nft", "--handle", "list", "ruleset"]);
            let (state, generation_before) = (pod.state(), generation(&pod));
            // And auto stays where the rules are.
            for asked in [backend, "auto"] {
                // A restore program would fail.
                let path = ["iptables", "ip6tables"].map(|program| {
                    ["nft", "legacy"].map(|variant| shadow(&format!("{program}-{variant}-restore"), "exit 1"))
                });
                let words = ["env", &path[0][0], BINARY, "init", "--dual-stack", "--backend", asked];
                for policy in [&[][..], &["--reconcile"]] {
                    assert_ok(&pod.output(&[&words[..], flags, policy].concat()));
                }
            }
            assert_same(&pod.state(), &state, backend);
            assert_eq!(pod.text(&["nft", "--handle", "list", "ruleset"]), handles);
            assert_eq!(generation(&pod), generation_before, "{backend} {flags:?}");
        }
    }
}

#[test]
fn force_apply_writes_equal_rules_as_well() {
    for backend in BACK_ENDS {
        let pod = pod();
        assert_ok(&init(&pod, backend, &TPROXY));
        let state = pod.state();
        let before = generation(&pod);
        assert_ok(&init(&pod, backend, &[&TPROXY[..], &["--force-apply"]].concat()));
        assert_same(&pod.state(), &state, backend);
        assert!(backend == "iptables-legacy" || generation(&pod) != before, "{backend}");
    }
}

/// What somebody has done to rules in iptables, in shell: `$ipt` is the program.
const DRIFT_IN_IPTABLES: [&str; 11] = [
    "$ipt -t nat -D ISTIO_OUTPUT 1",
    "$ipt -t nat -A ISTIO_OUTPUT -j RETURN",
    "$ipt -t nat -I ISTIO_OUTPUT 1 -j ACCEPT",
    "$ipt -t nat -I OUTPUT 1 -j ACCEPT",
    "$ipt -t nat -I PREROUTING 1 -p tcp -j ACCEPT",
    "$ipt -t nat -I OUTPUT 1 -m comment --comment 'let all pass' -j ACCEPT",
    "$ipt -t nat -F ISTIO_REDIRECT",
    "$ipt -t nat -D OUTPUT -j ISTIO_OUTPUT",
    "$ipt -t nat -A OUTPUT -j ISTIO_OUTPUT",
    "$ipt -t nat -A OUTPUT -p tcp -j ISTIO_OUTPUT",
    // The same rules in another order.
    "rule=$($ipt -t nat -S ISTIO_OUTPUT 2 | cut -d' ' -f3-); $ipt -t nat -D ISTIO_OUTPUT 1; $ipt -t nat -I ISTIO_OUTPUT 3 $($ipt -t nat -S ISTIO_OUTPUT 1 | cut -d' ' -f3-)",
];

/// Likewise in nftables.
const DRIFT_IN_NFTABLES: [&str; 11] = [
    "nft delete rule inet mesh-intercept nat-output handle $(nft -a list chain inet mesh-intercept nat-output | sed -n 's/.*jump.*handle //p')",
    "nft insert rule inet mesh-intercept nat-output accept",
    "nft add rule inet mesh-intercept nat-istio-output ip daddr 1.1.1.1 return",
    "nft add rule inet mesh-intercept nat-istio-output tcp dport vmap { 1 : accept }",
    "nft flush chain inet mesh-intercept nat-istio-redirect",
    "nft add chain inet mesh-intercept other",
    "nft add set inet mesh-intercept other '{ type ipv4_addr; }'",
    "nft add table inet mesh-intercept '{ flags dormant; }'",
    "nft add counter inet mesh-intercept other",
    "nft add chain inet mesh-intercept nat-output '{ policy drop; }'",
    "nft delete chain inet mesh-intercept installation; nft add chain inet mesh-intercept installation '{ type filter hook output priority 0; policy drop; }'",
];

/// Lets somebody change the rules, and looks at what runs make of it.
fn drifted(backend: &str, how: &str) {
    isolate("");
    let (pod, fresh) = (bare_pod("pod"), bare_pod("fresh"));
    for pod in [&pod, &fresh] {
        assert_ok(&init(pod, backend, &INJECTED));
    }
    let whole = fresh.state();
    let ipt = backend.replace("iptables-", "");
    pod.text(&["sh", "-ec", &format!("ipt=iptables-{ipt}\n{how}")]);
    let before = pod.state();
    assert!(before != whole, "{backend}: {how}");
    let output = init(&pod, backend, &INJECTED);
    assert_eq!(output.status.code(), Some(4), "{backend}: {how}: {}", complaints(&output));
    let difference = complaints(&output);
    assert!(
        difference.lines().any(|line| line.starts_with("      + ") || line.starts_with("      - ")),
        "{difference}"
    );
    assert_same(&pod.state(), &before, how);
    assert_ok(&init(&pod, backend, &[&INJECTED[..], &["--reconcile"]].concat()));
    let output = init(&pod, backend, &INJECTED);
    assert_ok(&output);
    assert!(complaints(&output).contains("nothing was written"), "{how}: {}", complaints(&output));
    // Rules of others stay where they are.
    let foreign = ["-A OUTPUT -j ACCEPT\n", "-A PREROUTING -p tcp -j ACCEPT\n"];
    let after = foreign.iter().fold(pod.state(), |state, rule| state.replacen(rule, "", 1));
    if !how.contains("-I OUTPUT 1 -") && !how.contains("-I PREROUTING 1") {
        assert_same(&after, &whole, how);
    }
}

#[test]
fn a_difference_is_reported_and_reconcile_mends_it_in_nftables() {
    DRIFT_IN_NFTABLES.iter().for_each(|how| drifted("nftables", how));
}

#[test]
fn a_difference_is_reported_and_reconcile_mends_it_in_iptables_nft() {
    DRIFT_IN_IPTABLES.iter().for_each(|how| drifted("iptables-nft", how));
}

#[test]
fn a_difference_is_reported_and_reconcile_mends_it_in_iptables_legacy() {
    DRIFT_IN_IPTABLES.iter().for_each(|how| drifted("iptables-legacy", how));
}

#[test]
fn routing_that_is_missing_is_a_difference() {
    for what in
        ["rule del fwmark 1337", "-6 route del local default table 133", "-6 address del ::6/128 dev lo"]
    {
        let pod = pod();
        assert_ok(&init(&pod, "nftables", &TPROXY));
        let whole = pod.state();
        pod.ip(what);
        let output = init(&pod, "nftables", &TPROXY);
        assert_eq!(output.status.code(), Some(4), "{}", complaints(&output));
        assert!(complaints(&output).contains("routing:\n      + ip "), "{}", complaints(&output));
        assert_ok(&init(&pod, "nftables", &[&TPROXY[..], &["--reconcile"]].concat()));
        assert_same(&pod.state(), &whole, what);
    }
}

/// From every configuration to every other, in one run: chains, sets, tables, routes and families that are not needed any
/// more are gone.
#[test]
fn a_changed_configuration_is_reported_and_reconcile_ends_in_a_fresh_state() {
    for backend in BACK_ENDS {
        isolate("");
        let run = |pod: &Namespace, flags: &[&str]| {
            pod.output(&[&[BINARY, "init", "--backend", backend], flags].concat())
        };
        // With one family and with both.
        let configurations: Vec<Vec<&str>> = EVERYTHING
            .iter()
            .enumerate()
            .map(
                |(number, flags)| {
                    if number % 2 == 0 { flags.to_vec() } else { [&["--dual-stack"], *flags].concat() }
                },
            )
            .collect();
        let fresh: Vec<String> = configurations
            .iter()
            .enumerate()
            .map(|(number, flags)| {
                let pod = bare_pod(&format!("fresh{number}"));
                assert_ok(&run(&pod, flags));
                pod.state()
            })
            .collect();
        let pod = bare_pod("changed");
        // Every step from one to another, once.
        let steps = [0, 1, 0, 2, 0, 3, 0, 4, 1, 2, 1, 3, 1, 4, 2, 3, 2, 4, 3, 4, 0];
        for (number, to) in steps.into_iter().enumerate() {
            let before = pod.state();
            let output = run(&pod, &configurations[to]);
            if number == 0 {
                assert_ok(&output);
            } else {
                assert_eq!(output.status.code(), Some(4), "{}", complaints(&output));
                assert_same(&pod.state(), &before, backend);
                assert_ok(&run(&pod, &[&configurations[to][..], &["--reconcile"]].concat()));
            }
            assert_same(&pod.state(), &fresh[to], &format!("{backend}, step {number} to {to}"));
        }
    }
}

/// As an earlier version might have left it: another family, other names, another form.
#[test]
fn a_table_of_an_earlier_version_is_replaced() {
    isolate("");
    let (pod, fresh) = (bare_pod("pod"), bare_pod("fresh"));
    let old = "chain out {\ntype nat hook output priority -90\ntcp dport 1-65535 counter redirect to :15001\n}\n\
               map m {\ntype inet_service : verdict\nelements = { 1 : accept }\n}\n";
    pod.text(&[
        "nft",
        &format!("table ip mesh-intercept {{\n{old}}}\ntable inet mesh-intercept {{\n{old}}}"),
    ]);
    assert_eq!(init(&pod, "nftables", &INJECTED).status.code(), Some(4));
    assert_ok(&init(&pod, "nftables", &[&INJECTED[..], &["--reconcile"]].concat()));
    assert_ok(&init(&fresh, "nftables", &INJECTED));
    assert_same(&pod.state(), &fresh.state(), "");
}

/// As istio-init leaves it when IPv6 fails: whole tables are missing, those that are there are right.
#[test]
fn what_an_interrupted_run_has_left_is_completed_without_a_flag() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        isolate("");
        let (pod, fresh) = (bare_pod("pod"), bare_pod("fresh"));
        assert_ok(&init(&fresh, backend, &TPROXY));
        assert_ok(&init(&pod, backend, &TPROXY));
        let variant = &backend[9..];
        for table in ["raw", "mangle", "nat"] {
            for program in ["iptables", "ip6tables"] {
                for action in ["-F", "-X"] {
                    pod.text(&[&format!("{program}-{variant}"), "-t", table, action]);
                }
            }
            assert_ok(&init(&pod, backend, &TPROXY));
            assert_same(&pod.state(), &fresh.state(), backend);
        }
    }
}

#[test]
fn a_second_back_end_is_a_conflict_and_migrate_moves_the_rules() {
    for first in BACK_ENDS {
        for second in BACK_ENDS.into_iter().filter(|second| *second != first) {
            isolate("");
            let (pod, fresh) = (bare_pod("pod"), bare_pod("fresh"));
            assert_ok(&init(&pod, first, &TPROXY));
            let before = pod.state();
            let output = init(&pod, second, &INJECTED);
            assert_eq!(output.status.code(), Some(4), "{first}, then {second}: {}", complaints(&output));
            assert!(complaints(&output).contains("--migrate"), "{}", complaints(&output));
            assert_same(&pod.state(), &before, first);
            assert_ok(&init(&pod, second, &[&INJECTED[..], &["--migrate"]].concat()));
            assert_ok(&init(&fresh, second, &INJECTED));
            assert_same(&pod.state(), &fresh.state(), &format!("{first} to {second}"));
            assert_ok(&init(&pod, "auto", &INJECTED));
        }
    }
}

#[test]
fn istio_s_own_nftables_mode_is_a_conflict_and_migrate_moves_the_rules() {
    isolate("");
    let (pod, fresh) = (bare_pod("pod"), bare_pod("fresh"));
    for table in ["nat", "mangle", "raw"] {
        let chain = "chain output {\ntype filter hook output priority -100\n}\n";
        pod.text(&["nft", &format!("table inet istio-proxy-{table} {{\n{chain}}}")]);
    }
    let before = pod.state();
    for backend in ["auto", "nftables", "iptables-legacy"] {
        let output = init(&pod, backend, &INJECTED);
        assert_eq!(output.status.code(), Some(4), "{}", complaints(&output));
    }
    assert_same(&pod.state(), &before, "");
    assert_ok(&init(&pod, "auto", &[&INJECTED[..], &["--migrate"]].concat()));
    assert_ok(&init(&fresh, "nftables", &INJECTED));
    assert_same(&pod.state(), &fresh.state(), "");
}

#[test]
fn rules_of_others_are_the_same_before_and_after() {
    for backend in BACK_ENDS {
        let pod = pod();
        foreign_rules(&pod);
        let before = pod.state();
        let are_there = |after: &str| {
            let mut rest = after.lines();
            // All of them, in their order.
            before.lines().all(|line| rest.any(|other| other == line))
        };
        for flags in [&TPROXY[..], &[&INJECTED[..], &["--reconcile"]].concat()] {
            assert_ok(&init(&pod, backend, flags));
            assert!(are_there(&pod.state()), "{backend}\n{before}\n\n{}", pod.state());
            assert_ok(&init(&pod, backend, flags));
        }
        assert_ok(&pod.output(&[BINARY, "cleanup"]));
        assert_same(&pod.state(), &before, backend);
    }
}

/// A chain of others leads to one of ours: its rule stays, and our chain with it, empty.
#[test]
fn a_chain_of_ours_that_others_jump_to_is_emptied() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let pod = pod();
        assert_ok(&init(&pod, backend, &INJECTED));
        for words in ["-N OTHER", "-A OTHER -j ISTIO_REDIRECT"] {
            let program = format!("iptables-{}", &backend[9..]);
            pod.text(&[&[program.as_str(), "-t", "nat"], &words.split(' ').collect::<Vec<_>>()[..]].concat());
        }
        assert_ok(&init(&pod, backend, &[&INJECTED[..], &["-p", "15101", "--reconcile"]].concat()));
        assert_ok(&pod.output(&[BINARY, "cleanup"]));
        let saved = pod.text(&[&format!("iptables-{}-save", &backend[9..])]);
        let rules: Vec<&str> = saved.lines().filter(|line| line.starts_with("-A")).collect();
        assert_eq!(rules, ["-A OTHER -j ISTIO_REDIRECT"], "{saved}");
        assert_ok(&pod.output(&[BINARY, "cleanup"]));
        // It is there, and empty: a new run fills it.
        assert_ok(&init(&pod, backend, &[&INJECTED[..], &["--reconcile"]].concat()));
        assert_ok(&init(&pod, backend, &INJECTED));
    }
}

#[test]
fn cleanup_removes_everything_from_every_back_end_and_says_before_what_would_go() {
    for backend in BACK_ENDS {
        let pod = pod();
        let before = pod.state();
        assert_ok(&init(&pod, backend, &[&TPROXY[..], &["-t", "77", "-r", "78"]].concat()));
        let installed = pod.state();
        for command in [&["cleanup", "--dry-run"][..], &["init", "--cleanup-only", "--dry-run"]] {
            let would = pod.text(&[&[BINARY], command].concat());
            assert!(would.contains("would remove the"), "{would}");
            assert!(would.contains("fwmark 0x4d lookup 78") && would.contains("::6/128"), "{would}");
        }
        assert_same(&pod.state(), &installed, backend);
        // Neither the flags nor the addresses of the run before are needed.
        pod.ip("address del 240.240.240.240/32 dev lo");
        pod.ip("address del fd00:10::2/128 dev lo");
        for _ in 0..2 {
            assert_ok(&pod.output(&[BINARY, "cleanup"]));
        }
        assert_eq!(pod.text(&[BINARY, "cleanup", "--dry-run"]), "nothing of ours is here\n");
        pod.ip("address add 240.240.240.240/32 dev lo");
        pod.ip("address add fd00:10::2/128 dev lo nodad");
        assert_same(&pod.state(), &before, backend);
    }
}

/// What others may have written as well as an earlier run: a plain run leaves it, with a word.
#[test]
fn rules_that_only_look_like_an_earlier_run_s_are_left_by_plain_runs() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let pod = pod();
        let program = format!("iptables-{}", &backend[9..]);
        for words in ["PREROUTING -i eth9 -j RETURN", "OUTPUT -o eth9 -j RETURN"] {
            pod.text(
                &[&[program.as_str(), "-t", "nat", "-A"], &words.split(' ').collect::<Vec<_>>()[..]].concat(),
            );
        }
        assert_ok(&init(&pod, backend, &INJECTED));
        let state = pod.state();
        let output = init(&pod, backend, &INJECTED);
        assert_ok(&output);
        assert!(complaints(&output).contains("nothing was written"), "{}", complaints(&output));
        assert!(complaints(&output).contains("OUTPUT -o eth9 -j RETURN"), "{}", complaints(&output));
        assert_same(&pod.state(), &state, backend);
    }
}

/// Rules about virtual interfaces in a family without ranges have no jump to our chain beside them.
#[test]
fn virtual_interfaces_leave_nothing_behind() {
    for backend in BACK_ENDS {
        let pod = pod();
        let before = pod.state();
        assert_ok(&init(&pod, backend, &["-i", "10.0.0.0/8", "-k", "vnet0"]));
        assert_ok(&pod.output(&[BINARY, "cleanup"]));
        assert_same(&pod.state(), &before, backend);
    }
}

/// A table that iptables cannot print is not a table without rules of ours.
#[test]
fn what_iptables_cannot_print_is_no_empty_table() {
    let pod = pod();
    assert_ok(&init(&pod, "iptables-nft", &INJECTED));
    pod.text(&["nft", "add rule ip nat ISTIO_OUTPUT ct state new accept"]);
    let before = pod.state();
    for command in
        [&["init", "--backend", "iptables-nft", "--dual-stack"][..], &["cleanup"], &["verify", "-i", "*"]]
    {
        let output = pod.output(&[&[BINARY], command].concat());
        assert_eq!(output.status.code(), Some(3), "{command:?}: {}", complaints(&output));
        assert!(
            complaints(&output).contains("cannot print the table nat of IPv4"),
            "{}",
            complaints(&output)
        );
        assert_same(&pod.state(), &before, "");
    }
}

/// Only the tables of iptables can hold rules of istio-init, and a table of ours can be empty.
#[test]
fn chains_elsewhere_and_empty_tables_confuse_nobody() {
    isolate("");
    let (pod, fresh) = (bare_pod("pod"), bare_pod("fresh"));
    pod.text(&["nft", "add table ip foo; add chain ip foo ISTIO_OUTPUT; add table inet mesh-intercept"]);
    let output = init(&pod, "auto", &INJECTED);
    assert_eq!(output.status.code(), Some(4), "{}", complaints(&output));
    assert_ok(&init(&pod, "auto", &[&INJECTED[..], &["--reconcile"]].concat()));
    assert_ok(&init(&pod, "nftables", &INJECTED));
    pod.text(&["nft", "delete table ip foo"]);
    assert_ok(&init(&fresh, "nftables", &INJECTED));
    assert_same(&pod.state(), &fresh.state(), "");
}

/// The routing of a TPROXY whose rules somebody has flushed goes in one run.
#[test]
fn routing_without_rules_is_removed_by_the_first_run() {
    for backend in BACK_ENDS {
        isolate("");
        let (pod, fresh) = (bare_pod("pod"), bare_pod("fresh"));
        assert_ok(&init(&pod, "nftables", &TPROXY));
        pod.text(&["nft", "flush ruleset"]);
        for pod in [&pod, &fresh] {
            assert_ok(&init(pod, backend, &INJECTED));
        }
        assert_same(&pod.state(), &fresh.state(), backend);
    }
}

#[test]
fn a_policy_rule_behind_the_main_table_is_none() {
    let pod = pod();
    assert_ok(&init(&pod, "nftables", &TPROXY));
    pod.ip("rule del fwmark 1337");
    pod.ip("rule add fwmark 1337 lookup 133 priority 40000");
    assert_eq!(init(&pod, "nftables", &TPROXY).status.code(), Some(4));
    assert_ok(&init(&pod, "nftables", &[&TPROXY[..], &["--reconcile"]].concat()));
    assert_ok(&init(&pod, "nftables", &TPROXY));
}

#[test]
fn two_back_ends_at_once_do_not_both_succeed() {
    for _ in 0..5 {
        let pod = pod();
        let start = |backend| {
            pod.command(&[BINARY, "init", "-i", "*", "--backend", backend])
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let runs = [start("nftables"), start("iptables-nft")];
        let codes: Vec<Option<i32>> = runs.map(|mut run| run.wait().unwrap().code()).to_vec();
        assert!(codes.contains(&Some(0)) && codes.contains(&Some(4)), "{codes:?}");
    }
}

#[test]
fn cleanup_goes_on_after_an_error_and_reports_all() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let pod = pod();
        assert_ok(&init(&pod, backend, &TPROXY));
        let path = ["iptables", "ip6tables"].map(|program| {
            shadow(&format!("{program}-{}-restore", &backend[9..]), "echo broken >&2; exit 1")
        });
        let output = pod.output(&["env", &path[0], BINARY, "cleanup"]);
        assert_eq!(output.status.code(), Some(3), "{}", complaints(&output));
        assert_eq!(complaints(&output).matches("broken").count(), 2, "{}", complaints(&output));
        // Rules that stay need their routes; the next run removes both.
        assert!(pod.state().contains("fwmark") && pod.state().contains("ISTIO_TPROXY"));
        assert_ok(&pod.output(&[BINARY, "cleanup"]));
        assert!(!pod.state().contains("ISTIO") && !pod.state().contains("fwmark"), "{}", pod.state());
    }
}

/// What istio's node agent puts into a pod of its ambient mode (istio: cni/pkg/iptables/testdata/default.golden).
const AMBIENT: &str = "\
*mangle
:ISTIO_OUTPUT - [0:0]
:ISTIO_PRERT - [0:0]
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
-A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
COMMIT
*nat
:ISTIO_OUTPUT - [0:0]
:ISTIO_PRERT - [0:0]
-A PREROUTING -j ISTIO_PRERT
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_PRERT ! -d 127.0.0.1/32 -p tcp -m tcp ! --dport 15008 -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
";

/// And in its native form (istio: cni/pkg/nftables).
const NATIVE_AMBIENT: &str =
    "table inet istio-ambient-nat { chain prerouting { type nat hook prerouting priority -100; }; }
table inet istio-ambient-mangle { chain output { type route hook output priority -150; }; }";

#[test]
fn rules_of_istio_s_ambient_mode_are_left_alone_and_named() {
    let forms: [&[&str]; 3] = [
        &["iptables-nft-restore", "--noflush"],
        &["iptables-legacy-restore", "--noflush"],
        &["nft", "-f", "-"],
    ];
    for form in forms {
        isolate("");
        let pod = bare_pod("ambient");
        let text = if form[0] == "nft" { NATIVE_AMBIENT } else { AMBIENT };
        fs::write("/run/rules", text).unwrap();
        pod.text(&["sh", "-c", &format!("{} < /run/rules", form.join(" "))]);
        let before = pod.state();
        for more in [&[][..], &["--reconcile"], &["--migrate"], &["--force-apply"]] {
            for backend in ["auto", "nftables", "iptables-nft", "iptables-legacy"] {
                let output = init(&pod, backend, &[&INJECTED[..], more].concat());
                assert_eq!(output.status.code(), Some(4), "{form:?} {backend} {more:?}");
                assert!(complaints(&output).contains("ambient mode"), "{}", complaints(&output));
            }
        }
        assert_ok(&pod.output(&[BINARY, "cleanup"]));
        assert_same(&pod.state(), &before, form[0]);
    }
}

#[test]
fn the_policy_rule_of_tproxy_stands_in_front_of_rules_that_catch_its_packets() {
    for backend in ["nftables", "iptables-nft"] {
        isolate("");
        let pod = bare_pod("pod");
        // As the plugin sbr makes them, as WireGuard does, and as Cilium does; the last two catch no packet with the mark.
        pod.ip("rule add from 10.99.0.0/16 lookup 100 priority 200");
        pod.ip("rule add not fwmark 51820 lookup 51820 priority 300");
        pod.ip("rule add fwmark 0x200/0xf00 lookup 2004 priority 9");
        pod.ip("rule add lookup local priority 100");
        let before = pod.state();
        assert_ok(&init(&pod, backend, &TPROXY));
        let rules = pod.text(&["ip", "rule"]);
        assert!(rules.contains("199:\tfrom all fwmark 0x539 lookup 133"), "{rules}");
        assert_ok(
            &pod.output(&[&[BINARY, "verify", "--dual-stack", "--backend", backend], &TPROXY[..]].concat()),
        );
        // An earlier version's place, behind the rules of other programs.
        pod.ip("rule del fwmark 1337 lookup 133");
        pod.ip("rule add fwmark 1337 lookup 133 priority 32765");
        let verified =
            pod.output(&[&[BINARY, "verify", "--dual-stack", "--backend", backend], &TPROXY[..]].concat());
        assert_eq!(verified.status.code(), Some(4), "{}", complaints(&verified));
        assert_ok(&init(&pod, backend, &[&TPROXY[..], &["--reconcile"]].concat()));
        let rules = pod.text(&["ip", "rule"]);
        assert!(rules.contains("199:\tfrom all fwmark 0x539 lookup 133"), "{rules}");
        assert!(!rules.contains("32765:"), "{rules}");
        assert_ok(&pod.output(&[BINARY, "cleanup"]));
        assert_same(&pod.state(), &before, backend);
    }
}
