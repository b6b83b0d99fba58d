//! All or nothing: whatever fails, what was done before is undone.

use super::*;
use crate::config::Config;
use crate::config::families::{Families, PodFamilies};
use crate::config::owners::tests::Files;
use crate::config::settings::{INBOUND_PORTS, INTERCEPTION_MODE};
use crate::config::typed::{Origin, Settings};
use crate::kernel::recording::Recording;
use crate::kernel::{Finished, ListedChain};
use crate::program::{Pod, compile};

fn tproxy_dual_stack() -> Program {
    let mut settings = Settings::default();
    settings.set(&INTERCEPTION_MODE, Origin::Flag("m"), "TPROXY".into());
    settings.set(&INBOUND_PORTS, Origin::Flag("b"), "*".into());
    let config = Config::parse(&settings, &Files).unwrap();
    let families = PodFamilies { intercepted: Families::BOTH, uncaptured: Families::NONE };
    compile(&config, &Pod { families, resolvers: vec![] })
}

fn choice(backend: BackendKind) -> Choice {
    Choice { backend, reason: "test", replaces: false, our_tables: vec![] }
}

#[test]
fn routing_goes_in_before_the_rules() {
    let mut kernel = Recording::default();
    apply(&mut kernel, &choice(BackendKind::Nftables), &tproxy_dual_stack(), false).unwrap();
    assert_eq!(kernel.routing.len(), 5, "{:?}", kernel.routing);
    assert_eq!(kernel.log.len(), 1);
}

#[test]
fn refused_rules_take_their_routing_with_them_but_not_what_was_there_before() {
    let mut kernel = Recording { refuses: Some(("divert-mark", nix::libc::EINVAL)), ..Recording::default() };
    kernel.routing.push(RoutingItem::BindAddress);
    let failure =
        apply(&mut kernel, &choice(BackendKind::Nftables), &tproxy_dual_stack(), false).unwrap_err();
    assert_eq!(kernel.routing, [RoutingItem::BindAddress]);
    assert!(failure.to_string().contains("divert-mark"), "{failure}");
    assert!(!failure.is_environment());
}

#[test]
fn routing_that_fails_half_way_is_undone_and_no_rule_is_sent() {
    let program = tproxy_dual_stack();
    for item in RoutingItem::all(&program.routing) {
        let mut kernel = Recording { fails_at: Some(item), ..Recording::default() };
        let failure = apply(&mut kernel, &choice(BackendKind::Nftables), &program, false).unwrap_err();
        assert!(failure.to_string().contains(&item.command("add")), "{failure}");
        assert!(kernel.routing.is_empty() && kernel.log.is_empty());
    }
}

#[test]
fn a_missing_kernel_feature_is_named() {
    let mut kernel =
        Recording { refuses: Some(("\"tproxy-inbound", nix::libc::ENOENT)), ..Recording::default() };
    let failure =
        apply(&mut kernel, &choice(BackendKind::Nftables), &tproxy_dual_stack(), false).unwrap_err();
    assert!(failure.is_environment());
    assert!(failure.to_string().contains("CONFIG_NFT_TPROXY"), "{failure}");
}

#[test]
fn a_table_that_appears_in_between_is_replaced() {
    // Two runs at once: the other one's table is there when ours is to be created.
    struct Racing(Recording);
    impl Kernel for Racing {
        fn addresses(&mut self) -> Result<Vec<std::net::IpAddr>, Error> {
            self.0.addresses()
        }
        fn chains(&mut self) -> Result<Vec<ListedChain>, Error> {
            self.0.chains()
        }
        fn commit(&mut self, batch: &crate::netlink::Batch) -> Result<(), Refused> {
            if batch.subject(1) == Some("the table") {
                let source = std::io::Error::from_raw_os_error(nix::libc::EEXIST);
                return Err(Refused { subject: "the table".into(), source });
            }
            self.0.commit(batch)
        }
        fn legacy_tables(&mut self, family: crate::config::families::Family) -> Result<Vec<String>, Error> {
            self.0.legacy_tables(family)
        }
        fn add(&mut self, item: &RoutingItem) -> Result<bool, Error> {
            self.0.add(item)
        }
        fn remove(&mut self, item: &RoutingItem) -> Result<bool, Error> {
            self.0.remove(item)
        }
        fn run(&mut self, program: &str, arguments: &[&str], input: &str) -> Result<Finished, Error> {
            self.0.run(program, arguments, input)
        }
    }
    let mut kernel = Racing(Recording::default());
    apply(&mut kernel, &choice(BackendKind::Nftables), &tproxy_dual_stack(), false).unwrap();
    assert_eq!(kernel.0.log.len(), 1);
}

#[test]
fn ipv6_that_fails_takes_ipv4_back_out() {
    let ok = |output: &str| Finished { code: Some(0), output: output.into(), ..Finished::default() };
    let failed = Finished {
        code: Some(2),
        complaints: "ip6tables-restore: line 3 failed".into(),
        ..Finished::default()
    };
    let saved = "*nat\n:ISTIO_OUTPUT - [0:0]\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n";
    let mut kernel = Recording {
        // IPv4 goes in, IPv6 fails; then each family is read, and what is there is taken out.
        answers: vec![ok(""), failed, ok(""), ok(saved)],
        ..Recording::default()
    };
    // The kernel has tables of this variant as soon as a program was run.
    kernel.legacy_tables = vec!["nat".into()];
    kernel.answers.insert(0, ok(""));
    kernel.answers.insert(2, ok(""));
    let failure =
        apply(&mut kernel, &choice(BackendKind::IptablesLegacy), &tproxy_dual_stack(), false).unwrap_err();
    assert!(failure.to_string().contains("ip6tables-legacy-restore failed"), "{failure}");
    assert!(failure.to_string().contains("that line is: "), "{failure}");
    let programs: Vec<_> = kernel.log.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        programs,
        [
            "iptables-legacy-save",
            "iptables-legacy-restore",
            "ip6tables-legacy-save",
            "ip6tables-legacy-restore",
            "ip6tables-legacy-save",
            "iptables-legacy-save",
            "iptables-legacy-restore",
        ]
    );
    assert!(kernel.routing.is_empty());
}
