use super::*;
use crate::config::families::{Families, PodFamilies};
use crate::config::owners::Accounts;
use crate::config::typed::Settings;
use crate::kernel::sockets::Owner;

struct NoFiles;

impl Accounts for NoFiles {
    fn passwd(&self) -> Result<String, String> {
        Ok(String::new())
    }

    fn group(&self) -> Result<String, String> {
        Ok(String::new())
    }
}

/// Settings by flag or variable; the name server is 10.96.0.10.
fn plan(given: &[(&str, &str)]) -> Vec<Question> {
    let find = |key: &str| given.iter().find(|(name, _)| *name == key).map(|(_, text)| (*text).to_owned());
    let settings = Settings::gather(|setting| find(setting.flag), find);
    let config = Config::parse(&settings, &NoFiles).unwrap();
    let families = match config.dual_stack {
        true => PodFamilies::only(Families::BOTH),
        false => PodFamilies::ipv4_of_both(),
    };
    let pod = Pod { families, resolvers: vec!["10.96.0.10".parse().unwrap()] };
    let own = ["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()];
    questions(&Facts { config: &config, pod: &pod, own: &own }).0
}

/// What is asked about a setting: who, to whom, and the fate.
fn asked(plan: &[Question], setting: &str) -> Vec<String> {
    let about = plan.iter().filter(|it| it.setting.as_deref() == Some(setting));
    let line = |question: &Question| match &question.call {
        Ok((call, fate)) => {
            let who = match call.caller {
                Caller::Pod(Owner { uid, gid }) => format!("{uid}:{gid}"),
                Caller::Outside => "outside".to_owned(),
            };
            format!("{who} {:?} {} {fate:?}", call.transport, call.to)
        }
        Err(why) => format!("not made: {why}"),
    };
    about.map(line).collect()
}

const ALL: [(&str, &str); 3] =
    [("istio-service-cidr", "*"), ("istio-inbound-ports", "*"), ("dual-stack", "true")];

#[test]
fn everything_is_captured_in_both_families() {
    let plan = plan(&ALL);
    assert_eq!(
        asked(&plan, "--istio-service-cidr"),
        ["10000:10000 Tcp 192.0.2.1:15002 Outbound", "10000:10000 Tcp [2001:db8:6d69::1]:15002 Outbound"]
    );
    assert_eq!(
        asked(&plan, "--istio-inbound-ports"),
        ["outside Tcp 192.0.2.2:15002 Inbound", "outside Tcp [2001:db8:6d69::2]:15002 Inbound"]
    );
    assert_eq!(
        asked(&plan, "--proxy-uid"),
        ["1337:10000 Tcp 192.0.2.1:15002 Itself", "1337:10000 Tcp [2001:db8:6d69::1]:15002 Itself"]
    );
    assert!(plan.iter().all(|it| it.call.is_ok()));
}

#[test]
fn an_address_is_taken_about_which_only_its_range_says_anything() {
    let ranges = ("istio-service-cidr", "10.0.0.0/8,10.0.0.0/9,172.16.0.0/12");
    let excluded = ("istio-service-exclude-cidr", "10.128.0.0/9,10.0.0.2/32,224.0.0.0/4");
    let plan = plan(&[ranges, excluded]);
    assert_eq!(
        asked(&plan, "--istio-service-cidr"),
        [
            // Both ranges decide about all that the other one does not; the first is as good as nothing.
            "10000:10000 Tcp 10.0.0.1:15002 Outbound",
            "10000:10000 Tcp 10.0.0.1:15002 Outbound",
            "10000:10000 Tcp 172.16.0.1:15002 Outbound",
            "10000:10000 Tcp 192.0.2.1:15002 Itself",
        ]
    );
    assert_eq!(
        asked(&plan, "--istio-service-exclude-cidr"),
        [
            "10000:10000 Tcp 10.128.0.1:15002 Itself",
            "not made: no address of it can be called over the cable",
            "not made: no address of it can be called over the cable",
        ]
    );
}

#[test]
fn the_cable_keeps_out_of_excluded_ranges() {
    let plan = plan(&[ALL[0], ALL[1], ("istio-service-exclude-cidr", "192.0.2.0/24,198.51.100.0/30")]);
    assert_eq!(asked(&plan, "--istio-service-cidr"), ["10000:10000 Tcp 203.0.113.1:15002 Outbound"]);
}

#[test]
fn lists_are_bounded_and_it_is_said() {
    let ranges: Vec<String> = (0..20).map(|i| format!("10.{i}.0.0/16")).collect();
    let plan = plan(&[ALL[0], ("istio-service-exclude-cidr", &ranges.join(","))]);
    let asked = asked(&plan, "--istio-service-exclude-cidr");
    assert_eq!((asked.len(), asked[0].starts_with("not made: at most 16")), (17, true));
    assert!(plan.iter().any(|it| it.what == "IPv4: 4 more ranges"));
}

#[test]
fn ports_are_asked_at_both_ends_and_over_both_transports() {
    let plan = plan(&[ALL[0], ("istio-local-outbound-ports-exclude", "22,8000-8100")]);
    assert_eq!(
        asked(&plan, "--istio-local-outbound-ports-exclude"),
        [
            "Tcp 192.0.2.1:22",
            "Udp 192.0.2.1:22",
            "Tcp 192.0.2.1:8000",
            "Udp 192.0.2.1:8000",
            "Tcp 192.0.2.1:8100",
            "Udp 192.0.2.1:8100"
        ]
        .map(|it| format!("10000:10000 {it} Itself"))
    );
}

#[test]
fn dns_goes_to_the_agent_and_the_agent_s_own_does_not() {
    let plan = plan(&[ALL[0], ("redirect-dns", "true")]);
    assert_eq!(
        asked(&plan, "--redirect-dns"),
        [
            "10000:10000 Udp 10.96.0.10:53 Dns",
            "10000:10000 Tcp 10.96.0.10:53 Dns",
            "10000:10000 Udp 192.0.2.1:53 Itself"
        ]
    );
    let own = asked(&plan, "--proxy-gid");
    assert!(own.contains(&"10000:1337 Udp 10.96.0.10:53 Itself".to_owned()), "{own:?}");
}

#[test]
fn the_application_is_in_a_group_that_is_captured() {
    let plan = plan(&[ALL[0], ("ISTIO_OUTBOUND_OWNER_GROUPS", "888,889")]);
    assert_eq!(asked(&plan, "--istio-service-cidr"), ["10000:888 Tcp 192.0.2.1:15002 Outbound"]);
    assert_eq!(
        asked(&plan, "ISTIO_OUTBOUND_OWNER_GROUPS"),
        [
            "10000:888 Tcp 192.0.2.1:15002 Outbound",
            "10000:889 Tcp 192.0.2.1:15002 Outbound",
            "10000:10000 Tcp 192.0.2.1:15002 Itself"
        ]
    );
}

#[test]
fn a_denied_family_is_refused_but_for_the_proxy() {
    let plan = plan(&[ALL[0], ("uncaptured-family", "deny")]);
    assert_eq!(
        asked(&plan, "--uncaptured-family"),
        [
            "10000:10000 Tcp [2001:db8:6d69::1]:15002 Rejected",
            "10000:10000 Udp [2001:db8:6d69::1]:15002 Rejected",
            "10000:10000 Tcp [::1]:15002 Itself"
        ]
    );
}

#[test]
fn quic_is_asked_about_where_it_is_denied() {
    let denied =
        |more: &[(&str, &str)]| asked(&plan(&[&[ALL[0], ("quic", "deny")], more].concat()), "--quic");
    assert_eq!(denied(&[]), ["10000:10000 Udp 192.0.2.1:443 Rejected"]);
    assert_eq!(
        denied(&[("istio-local-outbound-ports-exclude", "443")]),
        ["10000:10000 Udp 192.0.2.1:443 Itself"]
    );
    assert!(asked(&plan(&ALL), "--quic").is_empty());
}

#[test]
fn the_tunnel_port_is_captured_by_tproxy_alone() {
    let tunnel = |mode| {
        asked(&plan(&[ALL[0], ALL[1], ("istio-inbound-interception-mode", mode)]), "--inbound-tunnel-port")
    };
    assert_eq!(tunnel("REDIRECT"), ["outside Tcp 192.0.2.2:15008 Itself"]);
    assert_eq!(tunnel("TPROXY"), ["outside Tcp 192.0.2.2:15008 Inbound"]);
}

#[test]
fn interfaces_cannot_be_asked_about() {
    let plan = plan(&[("istio-exclude-interfaces", "net1,cni+")]);
    assert_eq!(asked(&plan, "--istio-exclude-interfaces").len(), 2);
}
