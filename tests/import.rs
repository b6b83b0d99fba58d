//! The settings of other meshes: what each becomes, whether our own parser takes it, which way packets go by it, and
//! whether docs/import.md says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[path = "import/packets.rs"]
mod packets;
#[path = "import/rows.rs"]
mod rows;

use std::collections::BTreeSet;
use std::env::VarError;
use std::path::Path;

use mesh_intercept::config::arguments::{Outcome, parse};
use mesh_intercept::config::lists::ListFiles;
use mesh_intercept::config::owners::Accounts;
use mesh_intercept::config::problem::Problems;
use mesh_intercept::config::settings::{DRY_RUN, Kind};
use mesh_intercept::config::{Config, Options};
use mesh_intercept::import::table::{Here, Item};
use mesh_intercept::import::{Grade, Imported, Peer, import};
use rows::{Means, ROWS, base};

/// Files that are the same on every machine.
struct Files;

const SERVICES: &str = "# services\nssh 22/tcp\ndomain 53/udp\ndomain 53/tcp dns # names\n";

impl ListFiles for Files {
    fn file(&self, path: &Path) -> Result<String, String> {
        match path.to_str().unwrap() {
            "/etc/services" => Ok(SERVICES.to_owned()),
            "/kuma.yaml" => Ok("redirect:\n  inbound:\n    excludePorts: [22]\n".to_owned()),
            other => Err(format!("cannot read {other}")),
        }
    }

    fn standard_input(&self) -> Result<String, String> {
        Ok("{\"ProxyUserID\": \"9\", \"ProxyInboundPort\": 20000, \"IptablesProvider\": null}".to_owned())
    }
}

impl Accounts for Files {
    fn passwd(&self) -> Result<String, String> {
        Ok("envoy:x:101:101::/:/bin/false\n".to_owned())
    }

    fn group(&self) -> Result<String, String> {
        Ok(String::new())
    }
}

fn read(peer: Peer, words: &[&str]) -> Result<Imported, Problems> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    import(peer, &words, &Files, &Files)
}

fn imported(peer: Peer, words: &[&str]) -> Imported {
    read(peer, words).unwrap_or_else(|problems| panic!("{words:?}: {problems}"))
}

fn problems(peer: Peer, words: &[&str]) -> Vec<String> {
    let problems = read(peer, words).err().unwrap_or_else(|| panic!("{words:?} is taken"));
    problems.iter().map(ToString::to_string).collect()
}

fn command(imported: &Imported) -> String {
    imported.text().lines().next().unwrap().to_owned()
}

/// Is what was printed the same configuration again, for the command that it names?
fn is_taken(imported: &Imported) {
    let verb: &'static str = if imported.arguments[0] == "plan" { "plan" } else { "init" };
    let arguments = imported.arguments.clone();
    let Outcome::Parsed(settings, problems) = parse(verb, "", arguments, &|_| Err(VarError::NotPresent))
    else {
        panic!("help");
    };
    assert!(problems.is_empty(), "{problems}");
    assert_eq!(Config::parse(&settings, &Files).as_ref(), Ok(&imported.config), "{:?}", imported.arguments);
    assert!(Options::parse(&settings).is_ok());
}

/// A file in which one key is set.
fn file_with(key: &str, value: &str, kind: Kind) -> String {
    let value = match kind {
        Kind::List => format!("[\"{}\"]", value.replace(',', "\", \"")),
        _ if value.is_empty() => "true".to_owned(),
        _ => format!("\"{value}\""),
    };
    let names: Vec<&str> = key.split('.').collect();
    format!("{{{}: {value}{}", names.join(": {"), "}".repeat(names.len()))
}

/// All ways to say it: by flag, in the short form, in a file.
fn ways(peer: Peer, name: &str, value: &str) -> Vec<Vec<String>> {
    let item = peer.items().iter().find(|item| item.name() == name).unwrap_or_else(|| panic!("{name}"));
    let mut ways = Vec::new();
    for flag in [item.flag, item.short].into_iter().filter(|flag| !flag.is_empty()) {
        if item.kind == Kind::Switch && value.is_empty() {
            ways.push(vec![flag.to_owned()]);
        } else {
            ways.push(vec![format!("{flag}={value}")]);
        }
        if item.kind != Kind::Switch {
            ways.push(vec![flag.to_owned(), value.to_owned()]);
        }
    }
    // linkerd's keys are annotations, which count on top of other defaults.
    if !item.key.is_empty() && peer != Peer::Linkerd && !(item.kind != Kind::Switch && value.is_empty()) {
        ways.push(vec![file_with(item.key, value, item.kind)]);
    }
    ways
}

#[test]
fn everything_that_can_be_said_becomes_flags_or_a_note() {
    for (peer, name, value, means) in ROWS {
        let plain = imported(*peer, base(*peer));
        for way in ways(*peer, name, value) {
            // What the base says would count more than a file.
            let is_base = |flag: &str| {
                peer.items().iter().any(|item| {
                    item.name() == *name && item.flag == flag || item.name() == *name && item.short == flag
                })
            };
            let pairs = base(*peer).chunks(2).filter(|pair| !is_base(pair[0]));
            let mut words: Vec<&str> = pairs.flatten().copied().collect();
            words.extend(way.iter().map(String::as_str));
            let it = imported(*peer, &words);
            is_taken(&it);
            let line = format!("{} ", command(&it));
            let new: Vec<_> = it.notes.iter().filter(|note| !plain.notes.contains(note)).collect();
            let noted =
                |grade| assert!(new.iter().any(|note| note.grade == grade), "{words:?}: {:?}", it.notes);
            let is_silent = || assert!(new.iter().all(|note| note.item == "group"), "{words:?}: {new:?}");
            match means {
                Means::Flags(flags) => {
                    assert!(line.contains(&format!(" {flags}")), "{words:?}: {line}");
                    is_silent();
                }
                Means::Not(flags) => {
                    assert!(
                        command(&plain).contains(flags) && !line.contains(&format!(" {flags}")),
                        "{words:?}: {line}"
                    );
                    is_silent();
                }
                Means::Same => {
                    assert_eq!(it.arguments, plain.arguments, "{words:?}");
                    is_silent();
                }
                Means::NoEqual => noted(Grade::NoEqual),
                Means::Differs => noted(Grade::Differs),
                Means::Nothing => noted(Grade::WithoutEffect),
            }
            assert_eq!(it.is_incomplete(), matches!(means, Means::NoEqual), "{words:?}");
            // A token is nobody's business.
            assert!(!it.text().contains("secret"));
        }
    }
}

#[test]
fn every_setting_has_a_row() {
    for peer in Peer::ALL {
        let tested: BTreeSet<&str> = ROWS.iter().filter(|row| row.0 == peer).map(|row| row.1).collect();
        let known: BTreeSet<&str> = peer.items().iter().map(|item| item.name()).collect();
        assert_eq!(tested, known);
        assert_eq!(peer.items().len(), known.len(), "a name twice");
        let keys: Vec<&str> =
            peer.items().iter().map(|item| item.key).filter(|key| !key.is_empty()).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "a key twice");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    assert_eq!(
        problems(
            Peer::Linkerd,
            &["-p", "70000", "--port", "80", "--ipv6=maybe", "-r", "a", "-u", "x", "--log-format=xml"]
        ),
        [
            "\"--port\": linkerd has no such flag",
            "--ipv6: \"maybe\": not a boolean: write true or false",
            "\"--outgoing-proxy-port\": it has to be given: linkerd has no default for it (its chart says 4140)",
            "--proxy-uid: \"x\": not a number",
            "--log-format: \"xml\": linkerd knows plain and json",
            "--incoming-proxy-port: \"70000\": out of range: ports go from 1 to 65535",
            "--ports-to-redirect: \"a\": not a port: write a number from 1 to 65535",
        ]
    );
    assert_eq!(
        problems(
            Peer::Kuma,
            &[
                "{redirect: {inbound: {port: 0, prot: 1, 443}, vnet: {networks: {a: b}}}}",
                "/nowhere",
                "--ip-family-mode",
                "ipv6",
                "--kuma-dp-user",
                "nobody-here"
            ]
        ),
        [
            "\"redirect.inbound.prot\": kuma has no such setting",
            "\"redirect.inbound.443\": kuma has no such setting",
            "\"/nowhere\": cannot read /nowhere",
            "--ip-family-mode: \"ipv6\": kuma knows dualstack and ipv4",
            "--kuma-dp-user: \"nobody-here\": there is no user of this name in /etc/passwd: write the number instead",
            "redirect.inbound.port: \"0\": out of range: ports go from 1 to 65535",
        ]
    );
    assert_eq!(
        problems(
            Peer::Consul,
            &[
                "-proxy-id",
                "web",
                "-exclude-inbound-port",
                "ssh,dns,none,90:80",
                "-exclude-outbound-cidr",
                "10.0.0.0/33",
                "-netns"
            ]
        ),
        [
            "\"-netns\": a value has to follow",
            "\"-proxy-uid\": it has to be given, as Consul asks for it",
            "\"-proxy-inbound-port\": it has to be given: with -proxy-id Consul takes it from the proxy's registration, which is not read here",
            "-exclude-inbound-port: \"ssh\": a service has to be written as its number: /etc/services says 22 here",
            "-exclude-inbound-port: \"dns\": a service has to be written as its number: /etc/services says 53 here",
            "-exclude-inbound-port: \"none\": a service has to be written as its number, which /etc/services does not know here",
            "-exclude-inbound-port: \"90-80\": the range runs backwards: write 80-90",
            "-exclude-outbound-cidr: \"10.0.0.0/33\": the prefix length goes from 0 to 32",
        ]
    );
}

#[test]
fn hostile_files_are_refused() {
    let deep: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let long = format!("a: {}", "b".repeat(2 << 20));
    let many = format!("a: &x [{}]\nb: [{}]", "1,".repeat(999), "*x,".repeat(999));
    for (text, reason) in [
        (many.as_str(), "aliases"),
        (deep.as_str(), "values in each other"),
        (long.as_str(), "longer than 1 MiB"),
        ("[{a: 1}]", "keys and values"),
        ("{a: [}", "no YAML"),
        ("{kind: List, items: [{metadata: {}}]}", "one pod"),
    ] {
        for peer in Peer::ALL {
            let all = problems(peer, &[text]);
            assert!(all.iter().any(|problem| problem.contains(reason)), "{reason}: {all:?}");
        }
    }
}

#[test]
fn a_command_may_be_pasted_whole_and_flags_count_more_than_files() {
    let words =
        ["/usr/bin/kumactl", "install", "transparent-proxy", "/kuma.yaml", "--exclude-inbound-ports", "80"];
    assert!(command(&imported(Peer::Kuma, &words)).contains(" -d 80 "));
    let it = imported(Peer::Consul, &["consul", "connect", "redirect-traffic", "--proxy-uid=5", "-"]);
    assert!(command(&it).contains(" -z 20000 -e 20000 -u 5 "), "{}", command(&it));
    // A repeated list grows, a repeated value does not.
    let it = imported(
        Peer::Linkerd,
        &[
            "-p4143",
            "-o=4140",
            "-u",
            "1",
            "-u",
            "2",
            "-r",
            "80",
            "-r",
            "81,82",
            "--inbound-ports-to-ignore",
            "81",
        ],
    );
    let expected = "mesh-intercept init -p 4140 -z 4143 -e 4143 -u 2 -b 80,82 -i '*' -c lo --dual-stack=true --reconcile=true";
    assert_eq!(command(&it), expected);
}

#[test]
fn pods_are_read() {
    let injected = "
metadata: {annotations: {config.linkerd.io/skip-outbound-ports: '25'}}
spec:
  initContainers:
  - name: linkerd-init
    args: [--incoming-proxy-port, '4143', --outgoing-proxy-port, '4140', --proxy-uid, '2102', --ipv6=false,
           --inbound-ports-to-ignore, '4190,4191,4567,4568', --outbound-ports-to-ignore, '4567,4568']";
    let flags = "mesh-intercept init -p 4140 -z 4143 -e 4143 -u 2102 -b '*'";
    let it = imported(Peer::Linkerd, &[injected]);
    let expected = format!("{flags} -d 4190,4191,4567,4568 -i '*' -o 4567,4568 -c lo --reconcile=true");
    assert_eq!(command(&it), expected);
    let deployment = "
kind: Deployment
spec:
  template:
    metadata:
      annotations: {config.linkerd.io/skip-outbound-ports: '25', config.linkerd.io/skip-subnets: 10.0.0.0/8}
    spec: {containers: [{name: app}]}";
    let it = imported(Peer::Linkerd, &[deployment]);
    let expected = format!("{flags} -d 4190,4191,4567,4568 -i '*' -o 25 -c lo --reconcile=true");
    assert_eq!(command(&it), expected);
    assert!(it.is_incomplete());
    let job = "
kind: CronJob
metadata: {annotations: {config.linkerd.io/skip-outbound-ports: '26'}}
spec:
  jobTemplate:
    spec:
      template:
        metadata:
          annotations: {config.linkerd.io/skip-outbound-ports: '25', config.linkerd.io/admin-port: '9999'}";
    let it = imported(Peer::Linkerd, &[job]);
    assert_eq!(command(&it), expected);
    assert!(it.is_incomplete(), "the port of the proxy's own has no flag there");
    // What is said behind the file counts more than what the chart says.
    let it = imported(Peer::Linkerd, &[job, "--ipv6=true"]);
    assert!(command(&it).contains("--dual-stack=true"), "{}", command(&it));
    let broken = "{metadata: {}, spec: {initContainers: [{name: linkerd-init, args: [a, null]}]}}";
    let said = problems(Peer::Linkerd, &[broken]).join("\n");
    assert!(said.starts_with("\"linkerd-init\": its args are no list of texts"), "{said}");
    let consul = "
metadata:
  annotations:
    consul.hashicorp.com/redirect-traffic-config: |
      {\"ConsulDNSIP\":\"\",\"ConsulDNSPort\":0,\"ProxyUserID\":\"5995\",\"ProxyInboundPort\":20000,
       \"ProxyOutboundPort\":15001,\"ExcludeInboundPorts\":[\"20200\",\"8080\"],\"ExcludeOutboundPorts\":null,
       \"ExcludeOutboundCIDRs\":null,\"ExcludeUIDs\":[\"5996\"],\"NetNS\":\"\",\"IptablesProvider\":null}";
    let it = imported(Peer::Consul, &[consul]);
    let expected =
        "mesh-intercept init -z 20000 -e 20000 -u 5995,5996 -g 5995 -b '*' -d 20200,8080 -i 127.0.0.1/0,::/0";
    assert_eq!(command(&it), expected);
    assert!(!it.is_incomplete());
    let kuma = "
metadata:
  annotations:
    traffic.kuma.io/transparent-proxy-config: |
      kumaDPUser: '5678'
      ipFamilyMode: dualstack
      redirect:
        dns: {enabled: true, captureAll: true, port: 15053, resolvConfigPath: /etc/resolv.conf, skipConntrackZoneSplit: false}
        inbound: {enabled: true, port: 15006, excludePorts: [9000]}
        outbound: {enabled: true, port: 15001}
      retry: {maxRetries: 4, sleepBetweenRetries: 2s}
      iptablesExecutables: {iptables: /sbin/iptables}
      wait: 5
      waitInterval: 0";
    let it = imported(Peer::Kuma, &[kuma]);
    let expected = "mesh-intercept init -e 15006 -u 5678 -b '*' -d 9000 -i '*' --redirect-dns=true --capture-all-dns=true --dual-stack=true --reconcile=true";
    assert_eq!(command(&it), expected);
    assert_eq!(problems(Peer::Kuma, &["{metadata: {name: x}}"]).len(), 1);
}

/// The row of the documentation for a setting.
fn documented(item: &Item) -> String {
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
    let short = if item.short.is_empty() { String::new() } else { format!(", `{}`", item.short) };
    let here = match item.here {
        Here::Same(setting) if setting.key() == DRY_RUN.key() => "`plan`".to_owned(),
        Here::Same(setting) => match setting.short {
            Some(letter) => format!("`-{letter}`"),
            None => format!("`--{}`", setting.flag),
        },
        Here::Makes(flags) => format!("`{}`", flags.replace(", ", "`, `")),
        Here::File => "what the file says".to_owned(),
        Here::NoEqual(why, instead) => format!("**no equal**: {why}; {instead}"),
        Here::Nothing(why) => format!("without effect: {why}"),
    };
    let default = if item.kind == Kind::Switch && item.default == "false" { "" } else { item.default };
    format!("| {}{short} | {} | {} | {here} |", code(item.flag), code(item.key), code(default))
}

#[test]
fn the_documentation_has_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/import.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "## linkerd")
        .filter(|line| line.starts_with("| ") && !line.starts_with("| flag"))
        .collect();
    let expected: Vec<String> =
        Peer::ALL.iter().flat_map(|peer| peer.items()).map(|item| documented(item)).collect();
    assert_eq!(rows, expected, "docs/import.md should have these rows:\n{}", expected.join("\n"));
}
