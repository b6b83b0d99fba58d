//! What others read in our netlink messages: libnftnl's decoder, expression by expression, for every golden configuration.
//!
//! `INSTA_UPDATE=always cargo test --test oracle` writes the golden files anew. That `nft list ruleset` shows the same for the
//! messages as for the text is tested in tests/apply.rs.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use common::{BINARY, Namespace, isolate};

/// The configurations of tests/golden.rs, for pods with the same addresses.
const CONFIGURATIONS: &[(&str, &[&str])] = &[
    ("no-flags", &[]),
    ("injected", &["-i", "*", "-x", "192.168.0.1/32", "-b", "*", "-d", "15090,15021,15020"]),
    (
        "tproxy-dual-stack-dns",
        &[
            "--dual-stack",
            "-m",
            "TPROXY",
            "-b",
            "80,8000-8100",
            "-i",
            "10.0.0.0/8,10.128.0.0/9,2001:db8::/32",
            "-x",
            "10.1.0.0/16,10.2.0.0/16",
            "--redirect-dns",
            "--capture-all-dns",
            "--drop-invalid",
        ],
    ),
    (
        "everything-else",
        &[
            "-g",
            "1337,4000",
            "-c",
            "eth9,cilium+",
            "-k",
            "vnet0,vnet1",
            "-i",
            "10.0.0.0/8,172.16.0.0/12,0.0.0.0/0",
            "-o",
            "22,9000-9100",
            "-q",
            "443",
            "--uncaptured-family=deny",
            "--quic=deny",
        ],
    ),
];

#[test]
fn libnftnl_reads_what_was_meant() {
    isolate("");
    for (name, flags) in CONFIGURATIONS {
        let pod = Namespace::new(name);
        pod.ip("address add 10.0.0.2/32 dev lo");
        if flags.contains(&"--dual-stack") || *name == "everything-else" {
            pod.ip("address add fd00::2/128 dev lo nodad");
        }
        pod.text(&[&[BINARY, "init", "--backend", "nftables", "-u", "1337"], *flags].concat());
        let read = pod.text(&["nft", "--debug=netlink", "list", "ruleset"]);
        // What nft makes of it follows behind.
        let lines: Vec<&str> = read
            .lines()
            .filter(|line| {
                line.starts_with("  [") || line.contains(" mesh-intercept ") || line.starts_with("\telement")
            })
            .filter(|line| !line.starts_with("table "))
            .collect();
        let is_element = |line: &str| line.starts_with("\telement");
        // The kernel lists the elements of a set without intervals in the order of a hash with a random seed.
        let decoded: String = lines
            .chunk_by(|one, next| is_element(one) && is_element(next))
            .flat_map(|run| {
                let mut run = run.to_vec();
                run.sort_unstable();
                run
            })
            .map(|line| format!("{}\n", line.trim_end()))
            .collect();
        assert!(decoded.matches("[ ").count() > 20, "{read}");
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "golden"}, {
            insta::assert_snapshot!(format!("{name}.libnftnl"), decoded);
        });
    }
}
