//! Bad input is a feature: every kind of it is refused, all of it at once, by name.

use super::owners::tests::Files;
use super::settings::{ALL, NETWORK_NAMESPACE, Setting};
use super::typed::Origin;
use super::*;

fn settings(given: &[(&Setting, &str)]) -> Settings {
    let mut settings = Settings::default();
    for (setting, text) in given {
        let origin = if setting.flag.is_empty() {
            Origin::Variable(setting.variables[0])
        } else {
            Origin::Flag(setting.flag)
        };
        settings.set(setting, origin, (*text).to_owned());
    }
    settings
}

fn problems(given: &[(&Setting, &str)]) -> Vec<String> {
    let settings = settings(given);
    let mut found = Problems::default();
    if let Err(problems) = Config::parse(&settings, &Files) {
        found.extend(problems);
    }
    if let Err(problems) = Options::parse(&settings) {
        found.extend(problems);
    }
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn every_default_can_be_read() {
    assert_eq!(problems(&[]), [""; 0]);
    // A path of a namespace that is written has to name something.
    for setting in ALL.iter().filter(|it| it.key() != NETWORK_NAMESPACE.key()) {
        assert_eq!(problems(&[(setting, setting.default)]), [""; 0], "{}", setting.key());
    }
}

#[test]
fn without_flags_nothing_is_captured_and_the_proxy_is_known() {
    let config = Config::parse(&Settings::default(), &Files).unwrap();
    assert_eq!(config.inbound_ports, InboundPorts::None);
    assert_eq!(config.outbound_ranges, OutboundRanges::Only(CidrSet::default()));
    // The passwd file of the test has a user istio-proxy.
    assert_eq!((config.proxy_uids, config.proxy_gids), (vec![Uid(1500)], vec![Gid(1500)]));
}

#[test]
fn each_kind_of_nonsense_is_refused() {
    use settings::*;
    let too_many: String = (0..65).map(|gid| format!("{gid},")).collect();
    let wrong: &[(&Setting, &str)] = &[
        (&ENVOY_PORT, "0"),
        (&ENVOY_PORT, "80-90"),
        (&ENVOY_PORT, ""),
        (&INBOUND_CAPTURE_PORT, "70000"),
        (&INBOUND_TUNNEL_PORT, "abc"),
        (&PROBE_PORT, "0"),
        (&INBOUND_PORTS, "80,*"),
        (&INBOUND_PORTS, "80,0"),
        (&INBOUND_EXCLUDED_PORTS, "*"),
        (&OUTBOUND_PORTS, "*"),
        (&OUTBOUND_EXCLUDED_PORTS, "90-80"),
        (&OUTBOUND_EXCLUDED_PORTS, "80 -j ACCEPT"),
        (&OUTBOUND_EXCLUDED_PORTS, "-j"),
        (&OUTBOUND_EXCLUDED_PORTS, "80\nCOMMIT"),
        (&OUTBOUND_RANGES, "10.0.0.0"),
        (&OUTBOUND_RANGES, "10.0.0.0/8,*"),
        (&OUTBOUND_RANGES, "garbage"),
        (&OUTBOUND_EXCLUDED_RANGES, "*"),
        (&OUTBOUND_EXCLUDED_RANGES, "10.0.0.0/33"),
        (&INTERCEPTION_MODE, "FOO"),
        (&PROXY_UID, "-1"),
        (&PROXY_UID, "nobody-here"),
        (&PROXY_UID, ","),
        (&PROXY_GID, " , "),
        (&PROXY_GID, "no group"),
        (&OWNER_GROUPS, &too_many),
        (&OWNER_GROUPS, "*,1"),
        (&OWNER_GROUPS, ","),
        (&OWNER_GROUPS_EXCLUDED, "nosuch"),
        (&EXCLUDED_INTERFACES, "a-name-that-is-too-long"),
        (&VIRTUAL_INTERFACES, "net 1"),
        (&LOOPBACK_RANGE, "10.0.0.0/8"),
        (&TPROXY_MARK, "4294967296"),
        (&TPROXY_ROUTE_TABLE, "254"),
        (&REDIRECT_DNS, "maybe"),
        (&RECONCILE, "maybe"),
        (&DRY_RUN, ""),
        (&PROBE_TIMEOUT, "5"),
        (&BACKEND, "ebpf"),
        (&FORCE_IPTABLES_BINARY, "iptables"),
        (&UNCAPTURED_FAMILY, "drop"),
        (&QUIC, "reject"),
        (&OUTPUT, "yaml"),
        (&LOCAL_ADDRESS, "10.0.0.0/8"),
        (&NETWORK_NAMESPACE, "a\nb"),
    ];
    for (setting, text) in wrong {
        let found = problems(&[(setting, text)]);
        assert_eq!(found.len(), 1, "{} {text:?}: {found:?}", setting.key());
        let named =
            if setting.flag.is_empty() { setting.key().to_owned() } else { format!("--{}", setting.flag) };
        assert!(found[0].starts_with(&named), "{found:?}");
        assert!(!found[0].contains('\n'));
    }
}

#[test]
fn all_errors_of_a_run_are_reported_at_once() {
    let found = problems(&[
        (&settings::ENVOY_PORT, "0"),
        (&settings::OUTBOUND_EXCLUDED_RANGES, "1.2.3.4,10.0.0.0/8,x"),
        (&settings::OWNER_GROUPS, "nosuch"),
        (&settings::BACKEND, "x"),
    ]);
    assert_eq!(
        found,
        [
            "--envoy-port: \"0\": out of range: ports go from 1 to 65535",
            "--istio-service-exclude-cidr: \"1.2.3.4\": a range needs its prefix length: write 1.2.3.4/32 for this one address",
            "--istio-service-exclude-cidr: \"x\": not an address range: write it like 10.0.0.0/8 or 2001:db8::/32",
            "ISTIO_OUTBOUND_OWNER_GROUPS: \"nosuch\": there is no group of this name in /etc/group: write the number instead",
            "--backend: \"x\": write auto, nftables, iptables-nft or iptables-legacy",
        ]
    );
}

#[test]
fn what_istio_accepts_is_accepted() {
    let config = Config::parse(
        &settings(&[
            (&settings::PROXY_UID, " 3 ,4,"),
            (&settings::OUTBOUND_EXCLUDED_RANGES, "10.1.2.3/8, 192.168.0.1/32 ,,"),
            (&settings::INBOUND_PORTS, "80, 8000-8100,"),
        ]),
        &Files,
    )
    .unwrap();
    assert_eq!(config.proxy_uids, [Uid(3), Uid(4)]);
    assert_eq!(config.excluded_ranges.to_string(), "10.0.0.0/8,192.168.0.1/32");
    let InboundPorts::Only(ports) = config.inbound_ports else { panic!() };
    assert!(ports.contains(80) && ports.contains(8050) && !ports.contains(8101));
}

#[test]
fn a_list_without_items_is_printed_as_one() {
    let config = Config::parse(&settings(&[(&settings::INBOUND_PORTS, ",")]), &Files).unwrap();
    assert!(config.flags().ends_with("-b ,"), "{}", config.flags());
}

#[test]
fn a_list_that_is_printed_names_no_file() {
    let config =
        Config::parse(&settings(&[(&settings::EXCLUDED_INTERFACES, ",@eth0,net1")]), &Files).unwrap();
    assert!(config.flags().ends_with("-c ,@eth0,net1"), "{}", config.flags());
}

#[test]
fn the_three_back_end_settings_must_not_contradict_each_other() {
    let native = (&settings::NATIVE_NFTABLES, "true");
    assert_eq!(problems(&[native, (&settings::BACKEND, "nftables")]), [""; 0]);
    assert_eq!(problems(&[native, (&settings::FORCE_IPTABLES_BINARY, "nft")]).len(), 1);
    assert_eq!(problems(&[native, (&settings::BACKEND, "iptables-legacy")]).len(), 1);
}
